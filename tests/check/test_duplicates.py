"""Exemptions that repeat one another across files, and those that are in Azure; and where assignments apply."""

from random import Random
from typing import Any

import pytest

from guardrails.check import duplicates
from guardrails.check.answer import Judged
from guardrails.check.azure_objects import AzureObjects, azure_objects
from guardrails.check.duplicates import add_duplicates
from guardrails.check.judge import Candidate, judge_all
from guardrails.evaluation.plan import PlannedExemption
from guardrails.evaluation.values import Place, Unknown
from guardrails.exemption.model import DEFAULT_NAMES
from guardrails.files.arm_json import Item, Reading
from guardrails.rules.sample import ASSIGNMENT, BODY, GROUP, NOW, SUBSCRIPTION
from guardrails.ruleset.model import parse_ruleset
from tests.cli.conftest import POLICIES, body

RULESET = parse_ruleset("version: 2\nmode: audit\nrules: {duplicate: alert, assignment-not-applicable: alert}\n")
AT = "/providers/Microsoft.Authorization/policyExemptions/"
CORP = "/providers/Microsoft.Management/managementGroups/corp"


def objects(*bodies: Any, complete: bool = False) -> AzureObjects:
    items = tuple(Item(f"$[{number}]", one) for number, one in enumerate(bodies))
    made, problems = azure_objects([("azure.json", Reading(items))], DEFAULT_NAMES, complete=complete)
    assert problems == []
    return made


def entry(number: int, identity: Any, azure: AzureObjects, **properties: Any) -> Candidate:
    said = {**BODY["properties"], **properties}
    place = Place(f"{number}.bicep", number, 1)
    planned = PlannedExemption(
        place, (), deployed=True, id=identity, scope="", name="", api_version="", properties=said
    )
    one = Judged("bicep", place, (), deployed=True, entry=None, parameters=None, id=identity, scope="", name="",
                 api_version="", properties=said)  # fmt: skip
    return Candidate(one, planned, said, identity, None, azure, NOW)


def found(*some: Candidate, makes_assignments: bool = False) -> list[dict[str, str]]:
    judge_all(some, RULESET, makes_assignments=makes_assignments)
    add_duplicates([(one.judged, one.azure) for one in some], RULESET, NOW, makes_assignments=makes_assignments)
    return [
        {placed.finding.rule: f"{placed.finding.status}: {placed.finding.text}" for placed in one.judged.findings}
        for one in some
    ]


SUBSCRIBED = {"id": SUBSCRIPTION, "properties": {"managementGroupAncestorsChain": [{"name": "corp"}]}}
AZURE = objects(*POLICIES, SUBSCRIBED)
REPEATED = "violation: it exempts from the same policies as an earlier exemption"


def test_the_later_one_is_reported_with_the_place_of_the_earlier() -> None:
    first, second = (entry(n, f"{GROUP}{AT}{n}", AZURE) for n in (1, 2))
    assert found(first, second) == [{}, {"duplicate": REPEATED}]
    (placed,) = second.judged.findings
    assert placed.finding.evidence["before"] == [f"{GROUP}{AT}1, at 1.bicep:1"]


def test_the_same_exemption_of_two_deployments_is_no_duplicate() -> None:
    first, second = (entry(n, f"{GROUP}{AT}same", AZURE) for n in (1, 2))
    assert found(first, second) == [{}, {}]


def test_one_that_is_in_azure_was_there_before() -> None:
    there = body()
    there |= {"id": f"{GROUP}{AT}there"}
    azure = objects(*POLICIES, SUBSCRIBED, there)
    one = entry(1, f"{GROUP}{AT}new", azure)
    assert found(one) == [{"duplicate": REPEATED}]
    assert one.judged.findings[0].finding.evidence["before"] == [f"{GROUP}{AT}there, written 2026-11-20T09:00:00Z"]
    assert found(entry(1, f"{GROUP}{AT}there", azure)) == [{}], "it is the same one"


def test_other_policies_other_scopes_and_other_assignments_are_none() -> None:
    some = [
        entry(1, f"{GROUP}{AT}1", AZURE),
        entry(2, f"{GROUP}{AT}2", AZURE, policyDefinitionReferenceIds=["requireTls"], expiresOn="2026-01-01"),
        entry(3, f"{SUBSCRIPTION}/resourceGroups/other{AT}3", AZURE),
    ]
    assert found(*some) == [{}, {}, {}]


@pytest.mark.parametrize("name", ["policyAssignmentId", "policyDefinitionReferenceIds", "expiresOn"])
def test_one_that_is_not_known_whole_is_unknown(name: str) -> None:
    first = entry(1, f"{GROUP}{AT}1", AZURE)
    second = entry(2, f"{GROUP}{AT}2", AZURE, **{name: Unknown("nobody said it")})
    said = found(first, second)
    assert said[0] == {}
    assert said[1]["duplicate"] == "unknown: it is unknown whether it repeats another exemption: nobody said it"


def test_where_an_assignment_applies_is_unknown_without_the_assignment_or_the_tree() -> None:
    (nothing,) = found(entry(1, f"{GROUP}{AT}1", AzureObjects()))
    assert "--azure" in nothing["assignment-not-applicable"]
    corp = {
        "id": f"{CORP}/providers/Microsoft.Authorization/policyAssignments/net",
        "properties": {"policyDefinitionId": "/x"},
    }
    (no_tree,) = found(entry(1, f"{GROUP}{AT}1", objects(corp), policyAssignmentId=corp["id"]))
    assert no_tree["assignment-not-applicable"].startswith("unknown: ")
    assert "no file of --azure holds subscription" in no_tree["assignment-not-applicable"]
    assert found(entry(1, f"{GROUP}{AT}1", objects(corp, SUBSCRIBED), policyAssignmentId=corp["id"])) == [{}]
    moved = {"id": SUBSCRIPTION, "properties": {"managementGroupAncestorsChain": [{"name": "other"}]}}
    (elsewhere,) = found(entry(1, f"{GROUP}{AT}1", objects(corp, moved), policyAssignmentId=corp["id"]))
    assert elsewhere["assignment-not-applicable"].startswith("violation: ")


def test_what_does_not_exist_is_gone_only_where_nothing_is_missing_and_the_code_makes_none() -> None:
    ruleset = parse_ruleset("version: 2\nmode: audit\nrules: {assignment-gone: alert}\n")

    def said(azure: AzureObjects, *, makes: bool) -> list[str]:
        one = entry(1, f"{GROUP}{AT}1", azure)
        judge_all([one], ruleset, makes_assignments=makes)
        return [str(placed.finding.status) for placed in one.judged.findings]

    assert said(objects(), makes=False) == ["unknown"]
    assert said(objects(complete=True), makes=False) == ["violation"]
    assert said(objects(complete=True), makes=True) == ["unknown"]
    assert said(objects(*POLICIES, complete=True), makes=False) == []
    assert ASSIGNMENT.lower() in AZURE.objects


def test_management_groups_lead_to_the_root_by_their_parents() -> None:
    azure = objects(
        {"id": CORP, "properties": {"details": {"parent": {"id": CORP.replace("corp", "root")}}}},
        {"id": CORP.replace("corp", "root"), "properties": {"details": {"parent": None}}},
        {"id": SUBSCRIPTION, "properties": {"parent": {"id": CORP}}},
        {"id": "11111111-2222-3333-4444-555555555556", "tenantId": "t", "name": "of az account list"},
    )
    assert azure.above == {
        "mg~corp": ("root",), "mg~root": (), "11111111-2222-3333-4444-555555555555": ("corp", "root"),
    }  # fmt: skip
    assert "/subscriptions/11111111-2222-3333-4444-555555555556" in azure.objects


def test_what_is_no_object_of_azure_is_a_line() -> None:
    _, problems = azure_objects([("a.json", Reading((Item("$", {"x": 1}),)))], DEFAULT_NAMES, complete=False)
    assert [str(problem) for _, problem in problems] == ["$: this is no object of Azure: it has no id"]


@pytest.mark.parametrize("seed", range(25))
def test_what_is_left_aside_has_nothing_to_be_compared_with(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)  # noqa: S311
    above = (CORP,) if seed % 5 == 0 else ()
    scopes = (*above, SUBSCRIPTION, GROUP, GROUP.upper(), f"{GROUP}2", f"{GROUP}/providers/Microsoft.Web/sites/a",
              f"{GROUP}/providers/Microsoft.Web/sites/a/slots/b")  # fmt: skip
    names = [[], ["require-tls"], ["deny-public"], ["require-tls", "deny-public"]]
    chosen = [
        (random.choice(scopes), random.choice(names), random.choice((ASSIGNMENT, f"{ASSIGNMENT}2"))) for _ in range(6)
    ]

    def answers() -> list[dict[str, str]]:
        return found(*(
            entry(n, f"{scope}{AT}{n}", AZURE, policyDefinitionReferenceIds=named, policyAssignmentId=assignment)
            for n, (scope, named, assignment) in enumerate(chosen, 1)
        ))  # fmt: skip

    quick = answers()
    monkeypatch.setattr(duplicates, "_near", lambda some: some)
    assert quick == answers()
