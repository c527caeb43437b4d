"""judge: files in, findings and plans out; verdicts and exit codes."""

import io
import json
from typing import Any

import pytest

from guardrails.exemption.sources import NEWEST
from guardrails.rules.sample import DENY_PUBLIC
from guardrails.ruleset.model import DEFAULT_PATH, load_ruleset
from tests.categories import CODE, asking

from .conftest import NOW, POLICIES, Ran, Run, Save, body

ENFORCE = DEFAULT_PATH.read_text(encoding="utf-8").replace("mode: audit", "mode: enforce")
PASSED = {"status": "compliant", "answer": "none", "acts": False, "reasons": ["it keeps every rule"], "due": None}

WEAKENED = {
    "criteria_weakened": {
        "unknown": "no source has criteria for its policy", "policies": 1, "manual": 0, "unmapped": 1, "certain": True,
        "by_source": [],
    }
}  # fmt: skip


@pytest.fixture
def judge(run: Run, save: Save) -> Any:
    """Judge bodies, the sample's assignment and the api-version known; return what came of it."""

    def judging(*bodies: Any, more: tuple[str, ...] = ("--format", "json")) -> Ran:
        given = save("exemptions.json", bodies[0] if len(bodies) == 1 else list(bodies))
        policies = save("policies.json", POLICIES)
        return run("judge", given, "--assignments", policies, "--now", NOW, "--api-version", NEWEST, *more)

    return judging


def test_a_compliant_one_passes(judge: Any) -> None:
    ran = judge(body())
    assert (ran.code, ran.err) == (0, "")
    assert ran.json == [{"id": body()["id"], "verdict": "pass", "findings": [], "fix": {}, "plan": PASSED} | WEAKENED]


def test_a_violation_has_its_evidence_and_its_plan(judge: Any) -> None:
    ran = judge(body(expiresOn="2028-05-20"))
    assert ran.code == 1
    [one] = ran.json
    assert set(one) == {"id", "verdict", "findings", "fix", "plan", "criteria_weakened"}
    assert one["verdict"] == "violation"
    assert one["findings"] == [
        {
            "code": "EXG102",
            "rule": "expiry-too-far",
            "status": "violation",
            "severity": "medium",
            "text": "it ends more than 12 months after it was written",
            "evidence": {
                "expiresOn": "2028-05-20T00:00:00Z",
                "writtenAt": "2026-11-20T09:00:00Z",
                "latest": "2027-11-21T09:00:00Z",
            },
            "remediation": "Set expiresOn to at most 12 months after the write.",
        }
    ]
    assert one["fix"]["changes"] == [
        {
            "rule": "expiry-too-far",
            "field": "properties.expiresOn",
            "current": "2028-05-20T00:00:00Z",
            "allowed": "no later than 2027-11-21 09:00 UTC, 12 months and 1 day after the write",
        }
    ]
    assert one["fix"]["command"].startswith("az policy exemption update --name ")
    assert one["fix"]["command"].endswith(" --expires-on 2027-11-21T09:00:00Z")
    assert one["plan"] == {
        "status": "violation",
        "answer": "delete",
        "acts": False,
        "reasons": [
            "EXG102 expiry-too-far: it ends more than 12 months after it was written",
            "it has no compliant state to put back; it is deleted",
            "audit mode: nothing is changed in Azure; enforce mode would delete it",
        ],
        "due": None,
    }


def test_a_ruleset_of_ones_own_decides(judge: Any, save: Save) -> None:
    own = save("own.yaml", ENFORCE)
    [one] = judge(body(expiresOn="2028-05-20"), more=("--format", "json", "--ruleset", own)).json
    assert (one["plan"]["answer"], one["plan"]["acts"]) == ("delete", True)


def test_the_setting_names_the_ruleset_too(judge: Any, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARDRAILS_RULESET", save("own.yaml", ENFORCE))
    [one] = judge(body(expiresOn="2028-05-20")).json
    assert one["plan"]["acts"] is True


def test_the_time_can_be_set(run: Run, save: Save) -> None:
    given, policies = save("a.json", body()), save("p.json", POLICIES)
    [one] = run("judge", given, "--assignments", policies, "--now", "2030-01-01", "--format", "json").json
    assert {finding["code"] for finding in one["findings"] if finding["status"] == "violation"} == {"EXG104", "EXG105"}


def test_without_assignments_it_is_unknown_and_that_is_no_pass(run: Run, save: Save) -> None:
    ran = run("judge", save("a.json", body()), "--now", NOW)
    assert ran.code == 3
    assert "unknown: the assignment is unknown: it is in none of the files given with --assignments" in ran.out
    assert "answer: none" in ran.out
    assert ran.out.endswith("1 exemption: 0 pass, 0 violation, 1 unknown\n")
    assert "pass them with --assignments" in ran.err
    [one] = run("judge", save("a.json", body()), "--now", NOW, "--format", "json").json
    assert {(f["status"], bool(f["evidence"])) for f in one["findings"]} == {("unknown", False)}


def test_a_violation_outweighs_what_is_unknown(run: Run, save: Save) -> None:
    assert run("judge", save("a.json", body(expiresOn=None)), "--now", NOW).code == 1


def test_people_read_findings_evidence_remediation_and_answer(judge: Any) -> None:
    ran = judge(body(expiresOn=None), body("other"), more=())
    scope, _, name = body()["id"].rpartition("/providers/Microsoft.Authorization/policyExemptions/")
    allowed = "no later than 2027-11-21 09:00 UTC, 12 months and 1 day after the write"
    assert ran.out.splitlines() == [
        f"violation {body()['id']}",
        "  EXG101 expiry-missing (high): it never expires",
        "    evidence: expiresOn: none",
        f"    fix: properties.expiresOn: none now; allowed: {allowed}",
        f"  command: az policy exemption update --name {name} --scope {scope} --expires-on 2027-11-21T09:00:00Z",
        "  criteria weakened: unknown: no source has criteria for its policy",
        "  answer: delete in enforce mode; audit mode changes nothing",
        "  because: it has no compliant state to put back; it is deleted",
        f"pass {body('other')['id']}",
        "  criteria weakened: unknown: no source has criteria for its policy",
        "  answer: none",
        "  because: it keeps every rule",
        "2 exemptions: 1 pass, 1 violation, 0 unknown",
    ]


def pascal(data: dict[str, Any]) -> dict[str, Any]:
    """As PowerShell spells it."""
    return {key[:1].upper() + key[1:]: value for key, value in data.items()}


def test_every_shape_of_one_exemption_gives_the_same_judgement(judge: Any) -> None:
    arm = body(
        expiresOn="2028-05-20", assignmentScopeValidation="DoNotValidate", exemptionManagementMode="UserSelfServe",
        resourceSelectors=[{"name": "w", "selectors": [{"kind": "userPrincipalId", "in": ["1"]}]}],
    )  # fmt: skip
    properties, system = arm["properties"], arm["systemData"]
    rest = {key: arm[key] for key in ("id", "name", "type")}
    shapes: list[Any] = [
        [arm],
        {"value": [arm]},
        {"data": [arm | {"properties": json.dumps(properties)}], "count": 1},
        {"responses": {"200": {"body": arm}}},
        rest | properties | {"systemData": system, "resourceGroup": "partner-ingestion"},
        {"ResourceId": arm["id"], "Name": arm["name"], "Properties": pascal(properties), "SystemData": pascal(system)},
        pascal(rest | properties) | {f"SystemData{key}": value for key, value in pascal(system).items()},
    ]  # fmt: skip
    wanted = judge(arm).json
    assert len(wanted[0]["findings"]) == 4
    for shape in shapes:
        assert [one for one in _findings(judge(shape).json) if one["status"] == "violation"] == _findings(wanted)


def _findings(judged: list[dict[str, Any]]) -> list[dict[str, Any]]:
    [one] = judged
    return list(one["findings"])


def test_an_exemption_that_is_listed_twice_is_judged_once(judge: Any) -> None:
    again = body() | {"id": body()["id"].upper()}
    ran = judge({"value": [body(), again]})
    assert (ran.code, len(ran.json)) == (0, 1)
    assert "$.value[1]: the same exemption as in" in ran.err
    assert ran.err.rstrip().endswith("exemptions.json: $.value[0]; judged once")


def test_two_contents_with_one_id_are_both_judged(judge: Any) -> None:
    ran = judge(body(), body(expiresOn=None))
    assert [one["verdict"] for one in ran.json] == ["pass", "violation"]
    assert "$[1]: differs from the exemption with the same id in" in ran.err


def test_an_empty_list_has_nothing_to_judge(judge: Any) -> None:
    assert (judge({"value": []}).json, judge({"value": []}).code) == ([], 0)
    assert judge([], more=()).out == "0 exemptions: 0 pass, 0 violation, 0 unknown\n"


def test_standard_input(run: Run, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(body()).encode("utf-16")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    known = ("--assignments", save("p.json", POLICIES), "--api-version", NEWEST)
    ran = run("judge", "-", *known, "--now", NOW, "--format", "json")
    assert [one["verdict"] for one in ran.json] == ["pass"]


def test_an_exclusion_is_shown_for_what_it_is(judge: Any, save: Save) -> None:
    own = save("own.yaml", ENFORCE + "\nexclusions: [{scope: '/subscriptions/*', reason: break-glass}]\n")
    ran = judge(body(expiresOn=None), more=("--ruleset", own))
    assert "  because: excluded by the ruleset (/subscriptions/*): break-glass" in ran.out.splitlines()


def test_policy_definitions_are_known_by_the_files_given_with_assignments(
    run: Run, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guardrails.cli.judge.ruleset_of", lambda _: asking(load_ruleset()))
    given, policies = save("exemptions.json", body()), save("policies.json", POLICIES)
    listed = save("definitions.json", [{"id": DENY_PUBLIC.upper(), "metadata": {"Category": "Sealed"}}])
    argv = ("judge", given, "--assignments", policies, "--now", NOW, "--api-version", NEWEST)
    assert run(*argv).code == 3
    ran = run(*argv, "--assignments", listed, "--format", "json")
    assert (ran.code, ran.err, [one["code"] for one in ran.json[0]["findings"]]) == (1, "", [CODE])


def test_policy_definitions_alone_are_no_mistake_in_what_assignments_gives(run: Run, save: Save) -> None:
    given = save("exemptions.json", body())
    listed = save("definitions.json", {"value": [{"id": DENY_PUBLIC, "properties": {"metadata": None}}]})
    ran = run("judge", given, "--assignments", listed, "--now", NOW, "--api-version", NEWEST)
    assert (ran.code, "no assignments" in ran.err) == (3, False)


def test_a_policy_definition_given_for_an_exemption_is_refused_with_where_it_belongs(run: Run, save: Save) -> None:
    ran = run("judge", save("definitions.json", [{"id": DENY_PUBLIC, "metadata": {}}]))
    assert ran.code == 2
    assert "this is a policy definition, not an exemption; pass it with --assignments" in ran.err
