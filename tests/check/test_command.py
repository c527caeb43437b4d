"""The command on whole repositories: what is an entry, which parameters, which world, what is found."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli import check_run
from tests.cli.conftest import run_captured

from .conftest import ASSIGNMENT, GROUP, SUB, Check, Write, arm, bicep

AT = "/providers/Microsoft.Authorization/policyExemptions/"


def found(ran: Any) -> dict[str, list[str]]:
    """Violations by the exemption's name."""
    return {
        one["name"]: [each["rule"] for each in one["findings"] if each["status"] == "violation"]
        for one in ran.json["exemptions"]
    }


def test_what_keeps_the_rules_passes_and_what_does_not_is_named_with_its_place(write: Write, check: Check) -> None:
    write("infra/good.bicep", bicep("good"))
    write("infra/bad.bicep", "// a comment\n" + bicep("bad", expiresOn="'2029-01-01T00:00:00Z'"))
    write("arm/bad.json", json.dumps(arm("arm-bad", expiresOn="2029-01-01T00:00:00Z"), indent=2))
    ran = check()
    assert ran.code == 1, ran.out
    assert found(ran) == {"good": [], "bad": ["expiry-too-far"], "arm-bad": ["expiry-too-far"]}
    by_name = {one["name"]: one for one in ran.json["exemptions"]}
    (finding,) = [one for one in by_name["bad"]["findings"] if one["status"] == "violation"]
    assert (finding["path"], finding["line"], finding["column"], finding["at"]) == (
        "infra/bad.bicep", 9, 5, "/properties/expiresOn",
    )  # fmt: skip
    (finding,) = [one for one in by_name["arm-bad"]["findings"] if one["status"] == "violation"]
    line = (1 + json.dumps(arm(), indent=2).splitlines().index('        "expiresOn": "2027-03-31T00:00:00Z",'), 9)
    assert (finding["path"], (finding["line"], finding["column"])) == ("arm/bad.json", line)
    assert by_name["good"]["id"] == f"{GROUP}{AT}good"
    assert ran.json["schema"] == "check/1"


def test_every_template_has_an_entry_and_other_files_have_none(write: Write, check: Check) -> None:
    write("none.bicep", "param x string = 'y'\noutput x string = x\n")
    write("empty.json", arm(resources=[]))
    write("package.json", {"name": "x"})
    ran = check()
    assert ran.code == 0, ran.out
    assert [(one["paths"], one["outcome"]) for one in ran.json["deployments"]] == [
        (["empty.json"], "deploys"), (["none.bicep"], "deploys"),
    ]  # fmt: skip
    assert ran.json["deployments"][1]["outputs"] == {"x": "y"}


MODULE = "param ends string\n" + bicep("inner", expiresOn="ends")


def test_a_module_is_checked_through_its_callers_once_for_each(write: Write, check: Check) -> None:
    write("modules/waiver.bicep", MODULE)
    write("a.bicep", "module w 'modules/waiver.bicep' = { params: { ends: '2027-01-01T00:00:00Z' } }\n")
    write("b.bicep", "module w 'modules/waiver.bicep' = { params: { ends: '2030-01-01T00:00:00Z' } }\n")
    ran = check()
    said = [(one["path"], one["via"], one["properties"]["expiresOn"]) for one in ran.json["exemptions"]]
    assert said == [
        ("modules/waiver.bicep", [{"path": "a.bicep", "line": 1}], "2027-01-01T00:00:00Z"),
        ("modules/waiver.bicep", [{"path": "b.bicep", "line": 1}], "2030-01-01T00:00:00Z"),
    ]
    assert [one["paths"][0] for one in ran.json["deployments"]] == ["a.bicep", "b.bicep"]
    alone = check(paths=("modules/waiver.bicep",))
    assert [one["unknown"][0]["at"] for one in alone.json["exemptions"]] == ["/properties/expiresOn"]


def test_each_parameter_file_is_a_deployment_of_its_own(write: Write, check: Check) -> None:
    write("main.bicep", MODULE)
    for name, ends in (("test", "2027-01-01"), ("prod", "2030-01-01")):
        write(f"{name}.bicepparam", f"using 'main.bicep'\nparam ends = '{ends}'\n")
    write("t.json", arm(expiresOn="[parameters('ends')]") | {"parameters": {"ends": {"type": "string"}}})
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"
    values = {"$schema": schema, "contentVersion": "1.0.0.0", "parameters": {"ends": {"value": "2027-02-02"}}}
    write("t.parameters.json", values)
    ran = check()
    said = [(one["path"], one["parameters"], one["properties"]["expiresOn"]) for one in ran.json["exemptions"]]
    assert said == [
        ("main.bicep", "prod.bicepparam", "2030-01-01"), ("main.bicep", "test.bicepparam", "2027-01-01"),
        ("t.json", "t.parameters.json", "2027-02-02"),
    ]  # fmt: skip
    one = check(paths=("main.bicep",))
    assert [each["parameters"] for each in one.json["exemptions"]] == ["prod.bicepparam", "test.bicepparam"]
    given = write("other.json", values | {"parameters": {"ends": {"value": "2027-03-03"}}})
    ran = check("--parameters", str(given), paths=("t.json",))
    assert [each["properties"]["expiresOn"] for each in ran.json["exemptions"]] == ["2027-03-03"]


def test_parameters_that_fit_nothing_are_a_line(write: Write, check: Check, tmp_path: Path) -> None:
    write("main.bicep", bicep())
    elsewhere = tmp_path / "x.json"
    elsewhere.write_text('{"contentVersion": "1", "parameters": {"nobody": {"value": 1}}}')
    ran = check("--parameters", str(elsewhere))
    assert ran.code == 2
    assert [one["message"] for one in ran.json["errors"]] == ["no checked template takes these parameters"]
    assert found(ran) == {"w": []}, "everything else is checked"


@pytest.mark.parametrize(
    ("head", "given", "scope"),
    [
        ("", ("--deploy-to", GROUP), GROUP),
        ("targetScope = 'subscription'\n", ("--deploy-to", GROUP), SUB),
        ("targetScope = 'subscription'\n", ("--deploy-to", SUB), SUB),
        ("targetScope = 'managementGroup'\n", ("--deploy-to", ASSIGNMENT.rpartition("/providers/")[0]), None),
        ("", ("--deploy-to", SUB), ""),
        ("", (), ""),
    ],
)
def test_a_template_goes_to_the_scope_of_its_own_kind(
    head: str, given: tuple[str, ...], scope: str | None, write: Write, check: Check
) -> None:
    write("main.bicep", head + bicep())
    (one,) = check(*given, place=False).json["exemptions"]
    if scope == "":
        assert one["scope"] is None
        (reason,) = {each["reason"] for each in one["unknown"] if each["at"] == "/scope"}
        assert "--deploy-to" in reason
    else:
        assert one["scope"] == (scope or ASSIGNMENT.rpartition("/providers/")[0])


@pytest.mark.parametrize(
    "given", [("--deploy-to", "rg-one"), ("--deploy-to", SUB, "--deploy-to", SUB.replace("1", "2"))]
)
def test_a_scope_that_makes_no_sense_is_refused_before_anything_is_read(
    given: tuple[str, ...], write: Write, check: Check
) -> None:
    write("main.bicep", bicep())
    ran = check(*given, place=False)
    assert (ran.code, ran.out) == (2, "")
    assert "--deploy-to: " in ran.err


def test_the_configuration_says_what_the_options_would_and_they_go_before_it(write: Write, check: Check) -> None:
    write(".exg-check.yaml", f"version: 1\ndeploy_to: [{SUB}]\npaths:\n  'prod/**': {{deploy_to: [{GROUP}]}}\n")
    write("main.bicep", "targetScope = 'subscription'\n" + bicep("general"))
    write("prod/main.bicep", bicep("prod"))
    scopes = {one["name"]: one["scope"] for one in check(place=False).json["exemptions"]}
    assert scopes == {"general": SUB, "prod": GROUP}
    other = GROUP.replace("rg-one", "rg-two")
    scopes = {one["name"]: one["scope"] for one in check("--deploy-to", other, place=False).json["exemptions"]}
    assert scopes == {"general": SUB, "prod": other}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("version: 1\nruleset: x\n", (2, 1), "the file: 'ruleset' is not known here"),
        ("version: 1\nazure: [/etc/passwd]\n", None, "cannot be read: no such file or directory"),
        ("version: 1\nazure: [../../secret.json]\n", None, "outside of the repository"),
        ("version: 1\ndeploy_to: [x]\n", None, "deploy_to: 'x' is no id"),
        (b"\xff\xfe\xfa", None, "it is not UTF-8"),
    ],
)
def test_a_configuration_with_a_mistake_is_a_line_and_all_is_checked(
    text: Any, place: tuple[int, int] | None, message: str, write: Write, check: Check
) -> None:
    write(".exg-check.yaml", text)
    write("main.bicep", bicep())
    ran = check(place=False)
    assert ran.code == 2
    (error,) = ran.json["errors"]
    assert message in error["message"]
    assert place is None or (error["line"], error["column"]) == place
    assert found(ran) == {"w": []}


def test_objects_of_azure_settle_what_needs_the_assignment(write: Write, check: Check, tmp_path: Path) -> None:
    write("main.bicep", bicep(policyDefinitionReferenceIds="[ 'ghost' ]"))
    policy = "/providers/Microsoft.Authorization/policyDefinitions/tls"
    initiative = "/providers/Microsoft.Authorization/policySetDefinitions/baseline"
    members = [{"policyDefinitionReferenceId": "tls", "policyDefinitionId": policy}]
    objects = [
        {"id": ASSIGNMENT, "properties": {"policyDefinitionId": initiative}},
        {"id": initiative, "properties": {"policyDefinitions": members}},
        {"id": SUB, "properties": {"managementGroupAncestorsChain": [{"name": "corp"}]}},
    ]
    azure = tmp_path / "azure.json"
    azure.write_text(json.dumps(objects))
    unknown = {one["rule"] for one in check().json["exemptions"][0]["findings"] if one["status"] == "unknown"}
    assert {"reference-unknown", "whole-initiative", "assignment-gone"} <= unknown
    for option in ("--azure", "--assignments"):
        (one,) = check(option, str(azure)).json["exemptions"]
        assert [(each["rule"], each["status"]) for each in one["findings"]] == [("reference-unknown", "violation")]
    azure.write_text("[]")
    assert "assignment-gone" not in found(check("--azure", str(azure)))["w"]
    assert "assignment-gone" in found(check("--azure", str(azure), "--azure-complete"))["w"]


def test_an_end_that_is_computed_is_judged_as_of_now_and_named(write: Write, check: Check) -> None:
    write("main.bicep", "param at string = utcNow()\n" + bicep(expiresOn="dateTimeAdd(at, 'P90D')"))
    write("long.bicep", "param at string = utcNow()\n" + bicep("long", expiresOn="dateTimeAdd(at, 'P3Y')"))
    ran = check("--now", "2026-11-28T00:00:00Z")
    assert found(ran) == {"long": ["expiry-too-far", "expiry-computed"], "w": ["expiry-computed"]}
    assert ran.json["exemptions"][1]["properties"]["expiresOn"] == "2027-02-26T00:00:00Z"


def test_without_a_time_an_end_that_is_computed_is_unknown_and_its_length_is_judged(
    write: Write, repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("main.bicep", "param at string = utcNow()\n" + bicep(expiresOn="dateTimeAdd(at, 'P3Y')"))
    ran = run_captured(capsys, ["check", str(repo), "--deploy-to", GROUP, "--format", "json"])
    (one,) = ran.json["exemptions"]
    assert one["properties"]["expiresOn"] is None
    (unknown,) = one["unknown"]
    assert unknown["at"] == "/properties/expiresOn"
    assert "--now" in unknown["reason"]
    assert found(ran)["w"] == ["expiry-too-far", "expiry-computed"]


def test_a_name_that_changes_a_date_that_is_shifted_and_an_end_before_the_next_run(write: Write, check: Check) -> None:
    write("name.bicep", "param id string = newGuid()\n" + bicep("w").replace("'w'", "id"))
    write("date.bicep", bicep("shifted", expiresOn="dateTimeAdd('2027-01-31T22:00:00-05:00', 'P1D')"))
    write("soon.bicep", bicep("soon", expiresOn="'2026-12-03T00:00:00Z'"))
    ran = check()
    assert found(ran) == {None: ["name-changes"], "shifted": ["date-shifted"], "soon": []}
    assert found(check("--next-run", "7d"))["soon"] == ["ends-before-next-run"]
    assert check("--next-run", "7x").code == 2


def test_duplicates_are_found_across_files_and_languages(write: Write, check: Check) -> None:
    write("a.bicep", bicep("first", policyAssignmentId=f"'{ASSIGNMENT}'"))
    write("b.json", arm("second", policyAssignmentId=ASSIGNMENT))
    ran = check()
    assert found(ran) == {"first": [], "second": ["duplicate"]}
    (finding,) = [one for one in ran.json["exemptions"][1]["findings"] if one["rule"] == "duplicate"]
    assert finding["evidence"]["before"] == [f"{GROUP}{AT}first, at a.bicep:1"]


def test_what_is_not_deployed_is_listed_and_not_judged(write: Write, check: Check) -> None:
    write("main.bicep", "param on bool = false\n" + bicep(expiresOn="null").replace("= {", "= if (on) {", 1))
    ran = check()
    assert (ran.code, found(ran)) == (0, {"w": []})
    assert ran.json["exemptions"][0]["deployed"] is False
    write("main.bicep", "param on bool\n" + bicep(expiresOn="null").replace("= {", "= if (on) {", 1))
    ran = check()
    assert ran.json["exemptions"][0]["deployed"] is None
    assert found(ran) == {"w": ["expiry-missing"]}


def test_where_a_value_comes_from(write: Write, check: Check) -> None:
    write("main.bicep", "param ends string\nvar end = '${ends}T00:00:00Z'\n" + bicep(expiresOn="end"))
    write("main.bicepparam", "using 'main.bicep'\nparam ends = '2027-01-01'\n")
    (one,) = check("--explain").json["exemptions"]
    assert one["explained"] == [
        {
            "at": "/properties/expiresOn",
            "from": [
                {"what": "the variable end", "path": "main.bicep", "line": 2, "column": 1},
                {"what": "the parameter ends, given", "path": "main.bicepparam", "line": 2, "column": 1},
            ],
        }
    ]
    out = check("--explain", form="text").out
    assert "/properties/expiresOn comes from:\n    - the variable end at main.bicep:2:1\n" in out
    assert "explained" not in check().json["exemptions"][0]


def test_where_the_value_of_a_module_comes_from(write: Write, check: Check) -> None:
    write("modules/waiver.bicep", MODULE)
    head = "param until string = '2027-01-01'\n"
    write("a.bicep", head + "module w 'modules/waiver.bicep' = {\n  params: { ends: until }\n}\n")
    (one,) = check("--explain").json["exemptions"]
    (value,) = one["explained"]
    assert [(step["what"], step["path"], step["line"]) for step in value["from"]] == [
        ("the parameter ends, given", "a.bicep", 3), ("the parameter until, by its default", "a.bicep", 1),
    ]  # fmt: skip


def test_exit_codes_mean_one_thing(write: Write, check: Check) -> None:
    assert check().code == 0
    write("main.bicep", bicep())
    assert check().code == 0
    assert check("--strict").code == 3
    write("low.bicep", bicep("low", metadata="{ ticket: 'SEC-1' }"))
    assert check().code == 1
    assert check("--fail-on", "high").code == 0
    assert check("--fail-on", "high", "--strict").code == 3
    write("broken.bicep", "resource x 'y' = {\n")
    assert check().code == 2
    assert check("--fail-on", "wrong").code == 2


def test_many_files_are_shared_among_processes_and_the_answer_is_the_same(
    write: Write, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("modules/waiver.bicep", MODULE)
    for number in range(150):
        name = f"n{number}"
        write(f"{number // 10}/a{number}.bicep", bicep(name) if number % 2 else bicep(name, expiresOn="null"))
        write(f"{number // 10}/b{number}.json", arm(f"b{number}"))
    write("caller.bicep", "module w 'modules/waiver.bicep' = { params: { ends: '2027-01-01T00:00:00Z' } }\n")
    write("zz/last.bicep", bicep("repeats-n1", policyAssignmentId=f"'{ASSIGNMENT}-n1'"))
    write("zz/broken.json", "{" + json.dumps(arm())[:-30])
    monkeypatch.setattr(check_run, "_processors", lambda: 2)
    shared = check()
    monkeypatch.setattr(check_run, "_processors", lambda: 1)
    assert (shared.code, shared.out) == (check().code, check().out)
    assert len(shared.json["exemptions"]) == 302 + ("w" in found(shared))
    assert found(shared)["repeats-n1"] == ["duplicate"]


def test_judge_names_check_when_given_code(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (("main.bicep", bicep()), ("main.bicepparam", "using 'main.bicep'"), ("t.json", arm())):
        ran = run_captured(capsys, ["judge", str(write(name, content))])
        assert ran.code == 2
        assert "judge it with `python -m guardrails check` before it is deployed" in ran.err


def test_paths_are_of_the_root_from_wherever_it_is_run(
    write: Write, repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("infra/main.bicep", bicep(expiresOn="null"))
    monkeypatch.chdir(repo / "infra")
    for path in ("main.bicep", ".", "..", str(repo)):
        ran = run_captured(capsys, ["check", path, "--format", "json"])
        assert [one["path"] for one in ran.json["exemptions"]] == ["infra/main.bicep"]


def test_a_pipe_gets_plain_text(write: Write, check: Check) -> None:
    write("main.bicep", bicep(expiresOn="null"))
    out = check(form="text").out
    head = f"main.bicep:1:1: violation: {GROUP}{AT}w\n"
    assert out.startswith(f"{head}  EXG101 expiry-missing (high): it never expires\n")
    assert "    8 | expiresOn: null\n        ^\n" in out
    assert "\x1b" not in out
    assert os.linesep == "\n"
