"""`check --diff`: what a change does to the exemptions of ARM templates and Bicep files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.files.repositories import commit, git, make

from .conftest import ASSIGNMENT, CORP, GROUP, SUB, Check, Write, arm, bicep

END = "2027-03-31T00:00:00Z"
REFS = "policyDefinitionReferenceIds"
LATER = "2027-06-30T00:00:00Z"
EARLIER = "2027-01-31T00:00:00Z"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make(tmp_path / "repo")


def changes(ran: Any) -> dict[str, list[str]]:
    """Name -> the effects of the change."""
    return {one["exemption"].rpartition("/")[2]: one["effects"] for one in ran.json["diff"]["changes"]}


def said(ran: Any, name: str = "w") -> dict[str, str]:
    """Pointer -> what is said of one exemption there."""
    (one,) = [one for one in ran.json["diff"]["changes"] if one["exemption"].rpartition("/")[2] == name]
    return {each["at"]: each["text"] for each in one["details"]}


def through(ran: Any, name: str = "w") -> set[str]:
    (one,) = [one for one in ran.json["diff"]["changes"] if one["exemption"].rpartition("/")[2] == name]
    return {f"{each['path']}:{each['line']}" for detail in one["details"] for each in detail["through"]}


def test_nothing_changed_is_said_and_the_plain_command_says_what_it_said(
    write: Write, repo: Path, check: Check
) -> None:
    write("a.bicep", bicep("a", expiresOn="'2029-01-01T00:00:00Z'"))
    commit(repo)
    plain = check()
    assert plain.code == 1
    ran = check("--diff", "HEAD")
    assert ran.code == 0
    answer = ran.json
    diff = answer.pop("diff")
    assert answer == plain.json
    assert (diff["changes"], diff["unchanged"], diff["runs"]) == ([], 1, [])
    assert {one["state"] for one in diff["findings"]} == {"unchanged"}
    shown = check("--diff", "HEAD", form="text").out
    assert "no exemption changes; 1 does not change" in shown
    assert "expiry-too-far" not in shown


def test_what_is_added_and_removed_is_named(write: Write, repo: Path, check: Check) -> None:
    write("old.bicep", bicep("old"))
    write("kept.json", arm("kept"))
    commit(repo)
    (repo / "old.bicep").unlink()
    write("new.bicep", bicep("new"))
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"new": ["added"], "old": ["removed"]}
    assert "an incremental deployment does not delete it" in said(ran, "old")[""]
    assert ran.json["diff"]["unchanged"] == 1
    assert changes(check("--diff", "HEAD", paths=("old.bicep", "kept.json"))) == {"old": ["removed"]}


@pytest.mark.parametrize(
    ("before", "after", "effects", "text"),
    [
        ({"expiresOn": END}, {"expiresOn": LATER}, ["extended"], "2027-06-30 00:00 UTC instead of 2027-03-31"),
        ({"expiresOn": END}, {"expiresOn": None}, ["extended"], "it never ends now"),
        ({"expiresOn": END}, {"expiresOn": EARLIER}, ["shortened"], "59 days earlier"),
        ({"expiresOn": None}, {"expiresOn": END}, ["shortened"], "it never ended before"),
        ({"expiresOn": "2027-03-31T00:00:00Z"}, {"expiresOn": "2027-03-31T02:00:00+02:00"}, [], ""),
        ({"expiresOn": END}, {"expiresOn": "soon"}, ["changed"], "soon instead of"),
        ({REFS: ["a"]}, {REFS: ["A", "b"]}, ["widened"],
         "exempts from b, too"),
        ({REFS: ["a", "b"]}, {REFS: ["a"]}, ["narrowed"],
         "no longer exempts from b"),
        ({REFS: ["a"]}, {REFS: ["b"]}, ["widened", "narrowed"],
         "no longer exempts from a"),
        ({REFS: ["a"]}, {REFS: []}, ["widened"], "the whole assignment"),
        ({REFS: ["a"]}, {REFS: None}, ["widened"], "the whole assignment"),
        ({REFS: []}, {REFS: ["a"]}, ["narrowed"], "instead of the whole"),
        ({REFS: ["a", "b"]}, {REFS: ["B", "a"]}, [], ""),
        ({"exemptionCategory": "Mitigated"}, {"exemptionCategory": "Waiver"}, ["widened"], "no longer says"),
        ({"exemptionCategory": "Waiver"}, {"exemptionCategory": "Mitigated"}, ["changed"], "instead of Waiver"),
        ({"metadata": {"owner": "a"}}, {"metadata": {"owner": "b"}}, ["changed"], "owner: b instead of a"),
        ({"metadata": {"owner": "a", "ticket": "T"}}, {"metadata": {"owner": "a"}}, ["changed"],
         "ticket is gone; it was T"),
        ({"description": "a"}, {"description": "b"}, ["changed"], "description: b instead of a"),
        ({"policyAssignmentId": ASSIGNMENT}, {"policyAssignmentId": f"{ASSIGNMENT}-x"}, ["retargeted"],
         "net-x instead of"),
        ({"policyAssignmentId": ASSIGNMENT}, {"policyAssignmentId": ASSIGNMENT.upper()}, [], ""),
        ({"assignmentScopeValidation": None}, {"assignmentScopeValidation": "DoNotValidate"}, ["changed"], "is new"),
    ],
)  # fmt: skip
def test_each_attribute_is_said_in_words(
    *, write: Write, repo: Path, check: Check, before: Any, after: Any, effects: list[str], text: str
) -> None:
    write("a.json", arm(**before))
    commit(repo)
    write("a.json", arm(**after))
    ran = check("--diff", "HEAD")
    assert changes(ran) == ({"w": effects} if effects else {})
    if effects:
        assert any(text in one for one in said(ran).values()), said(ran)


def selector(*kinds: Mapping[str, Any]) -> dict[str, Any]:
    return {"resourceSelectors": [{"name": "s", "selectors": [*kinds]}] if kinds else None}


EAST, WEST = {"kind": "resourceLocation", "in": ["eastus"]}, {"kind": "resourceLocation", "in": ["eastus", "westus"]}


@pytest.mark.parametrize(
    ("before", "after", "effects"),
    [
        (selector(EAST), selector(), ["widened"]),
        (selector(), selector(EAST), ["narrowed"]),
        (selector(EAST), selector(WEST), ["widened"]),
        (selector(WEST), selector(EAST), ["narrowed"]),
        (selector(EAST), selector({"kind": "resourceLocation", "notIn": ["eastus"]}), ["unknown"]),
        (selector(EAST), selector(EAST, {"kind": "resourceType", "in": ["a"]}), ["unknown"]),
        (selector(EAST | {"in": [], "notIn": ["a", "b"]}), selector(EAST | {"in": [], "notIn": ["a"]}), ["widened"]),
    ],
)  # fmt: skip
def test_selectors_that_take_more_widen(
    *, write: Write, repo: Path, check: Check, before: Any, after: Any, effects: list[str]
) -> None:
    write("a.json", arm(**before))
    commit(repo)
    write("a.json", arm(**after))
    assert changes(check("--diff", "HEAD")) == {"w": effects}


TREE = [
    {"id": CORP, "name": "corp", "type": "Microsoft.Management/managementGroups",
     "properties": {"displayName": "corp", "details": {"parent": None}}},
    {"id": SUB, "type": "microsoft.resources/subscriptions", "subscriptionId": SUB.rpartition("/")[2],
     "properties": {"managementGroupAncestorsChain": [{"name": "corp"}]}},
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "effects", "text"),
    [
        (GROUP, SUB, ["moved", "widened"], "its new scope holds the old one"),
        (SUB, GROUP, ["moved", "narrowed"], "its new scope is a part of the old one"),
        (GROUP, f"{SUB}/resourceGroups/rg-two", ["moved"], "it moves from the resource group"),
        (GROUP, SUB.replace("1111", "2222"), ["moved", "widened"], "on a whole subscription now"),
        (SUB, CORP, ["moved", "widened"], "its new scope holds the old one"),
    ],
)  # fmt: skip
def test_another_scope_is_a_move(
    *, write: Write, repo: Path, check: Check, before: str, after: str, effects: list[str], text: str
) -> None:
    tree = write("azure.json", TREE)
    for scope in (before, after):
        kind = (
            "managementGroupDeployment"
            if scope == CORP
            else "subscriptionDeployment"
            if scope.count("/") == 2
            else "deployment"
        )
        write(
            "a.json",
            arm() | {"$schema": f"https://schema.management.azure.com/schemas/2019-08-01/{kind}Template.json#"},
        )
        write(".exg-check.yaml", f"version: 1\ndeploy_to: [{scope}]\n")
        if scope == before:
            commit(repo)
    ran = check("--diff", "HEAD", "--azure", str(tree), place=False)
    assert changes(ran) == {"w": effects}
    (one,) = ran.json["diff"]["changes"]
    assert any(text in each["text"] for each in one["details"])
    assert ".exg-check.yaml:0" in through(ran) or not after.endswith("rg-two")


def test_another_name_is_a_move(write: Write, repo: Path, check: Check) -> None:
    write("a.json", arm("w", policyAssignmentId=ASSIGNMENT))
    commit(repo)
    write("a.json", arm("v", policyAssignmentId=ASSIGNMENT))
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"v": ["moved"]}
    assert said(ran, "v") == {"/name": "its name is v instead of w"}


MODULE = "param ends string\n" + bicep("inner", expiresOn="ends")


def test_a_change_in_a_caller_a_parameter_or_a_module_says_through_which_file_it_comes(
    write: Write, repo: Path, check: Check
) -> None:
    write("modules/m.bicep", MODULE)
    call = "param ends string\nmodule m '../modules/m.bicep' = {{ name: 'm', params: {{ ends: {} }} }}\n"
    write("app/main.bicep", call.format("ends"))
    write("app/prod.bicepparam", f"using 'main.bicep'\nparam ends = '{END}'\n")
    commit(repo)
    write("app/prod.bicepparam", f"using 'main.bicep'\n// later\nparam ends = '{LATER}'\n")
    ran = check("--diff", "HEAD")
    assert (changes(ran), through(ran, "inner")) == ({"inner": ["extended"]}, {"app/prod.bicepparam:3"})
    git(repo, "checkout", "-q", ".")
    write("app/main.bicep", call.format(f"'{LATER}'"))
    ran = check("--diff", "HEAD")
    assert (changes(ran), through(ran, "inner")) == ({"inner": ["extended"]}, {"app/main.bicep:2"})
    git(repo, "checkout", "-q", ".")
    write("modules/m.bicep", MODULE.replace("'Waiver'", "'Mitigated'"))
    ran = check("--diff", "HEAD")
    assert (changes(ran), through(ran, "inner")) == ({"inner": ["changed"]}, set())
    shown = check("--diff", "HEAD", form="text").out
    assert "deployed by app/main.bicep:2; with the parameters of app/prod.bicepparam" in shown


def test_a_parameter_file_of_arm_is_such_a_file(write: Write, repo: Path, check: Check) -> None:
    template = arm(expiresOn="[parameters('ends')]") | {"parameters": {"ends": {"type": "string"}}}
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"
    given = {"$schema": schema, "contentVersion": "1.0.0.0", "parameters": {"ends": {"value": END}}}
    write("a.json", template)
    write("a.parameters.json", given)
    commit(repo)
    write("a.parameters.json", given | {"parameters": {"ends": {"value": LATER}}})
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"w": ["extended"]}
    assert {one.rpartition(":")[0] for one in through(ran)} == {"a.parameters.json"}


def test_a_loaded_file_and_an_imported_one_are_such_files(write: Write, repo: Path, check: Check) -> None:
    write("a.bicep", "var all = loadJsonContent('ends.json')\n" + bicep("a", expiresOn="all.a"))
    write("b.bicep", "import { ends } from 'lib.bicep'\n" + bicep("b", expiresOn="ends"))
    write("ends.json", {"a": END})
    write("lib.bicep", f"@export()\nvar ends = '{END}'\n")
    commit(repo)
    write("ends.json", {"a": LATER})
    write("lib.bicep", f"@export()\nvar ends = '{LATER}'\n")
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"a": ["extended"], "b": ["extended"]}
    assert through(ran, "a") == {"ends.json:0"}
    assert {one.partition(":")[0] for one in through(ran, "b")} == {"lib.bicep"}


def assignment(definition: str, **more: Any) -> dict[str, Any]:
    return {"id": ASSIGNMENT, "name": "net", "type": "Microsoft.Authorization/policyAssignments",
            "properties": {"policyDefinitionId": definition, **more}}  # fmt: skip


def initiative(*references: str) -> dict[str, Any]:
    policies = [{"policyDefinitionId": f"{POLICY}{name}", "policyDefinitionReferenceId": name} for name in references]
    return {"id": INITIATIVE, "name": "i", "properties": {"policyDefinitions": policies, "policyType": "Custom"}}


POLICY = "/providers/Microsoft.Authorization/policyDefinitions/p-"
INITIATIVE = f"{CORP}/providers/Microsoft.Authorization/policySetDefinitions/i"


@pytest.mark.parametrize(
    ("before", "after", "references", "effects"),
    [
        ([assignment(f"{POLICY}a")], [assignment(INITIATIVE), initiative("a", "b")], [], ["retargeted", "widened"]),
        ([assignment(INITIATIVE), initiative("a")], [assignment(INITIATIVE), initiative("a", "b")], [], ["widened"]),
        ([assignment(INITIATIVE), initiative("a", "b")], [assignment(INITIATIVE), initiative("a")], [], ["narrowed"]),
        ([assignment(INITIATIVE), initiative("a")], [assignment(INITIATIVE), initiative("a", "b")], ["a"], []),
        ([assignment(INITIATIVE), initiative("a")], [assignment(INITIATIVE)], ["a"], ["unknown"]),
        ([assignment(INITIATIVE), initiative("a")], [], ["a"], ["unknown"]),
        ([assignment(f"{POLICY}a")], [assignment(f"{POLICY}a", notScopes=[GROUP])], [], ["changed"]),
    ],
)
def test_a_change_of_the_assignment_comes_through_its_file(
    *, write: Write, repo: Path, check: Check, before: Any, after: Any, references: list[str], effects: list[str]
) -> None:
    write("a.json", arm(policyDefinitionReferenceIds=references))
    write("azure/objects.json", before)
    commit(repo)
    file = write("azure/objects.json", after)
    ran = check("--diff", "HEAD", "--azure", str(file))
    assert changes(ran) == ({"w": effects} if effects else {})
    assert through(ran) == {"azure/objects.json:0"} if effects else True


def test_objects_that_were_not_committed_are_used_on_both_sides_and_that_is_said(
    write: Write, repo: Path, check: Check
) -> None:
    write("a.json", arm())
    commit(repo)
    file = write("azure.json", [assignment(f"{POLICY}a")])
    ran = check("--diff", "HEAD", "--azure", str(file))
    assert changes(ran) == {}
    assert [one for one in ran.json["notes"] if "azure.json is not in HEAD (" in one]


def test_a_condition_is_what_deploys(write: Write, repo: Path, check: Check) -> None:
    text = "param on bool = {}\n" + bicep("a").replace(" = {\n  name", " = if (on) {{\n  name", 1)
    text = text.replace("if (on) {{", "if (on) {")
    write("a.bicep", text.replace("{}", "false", 1))
    commit(repo)
    write("a.bicep", text.replace("{}", "true", 1))
    ran = check("--diff", "HEAD")
    assert (changes(ran), said(ran, "a")) == ({"a": ["added"]}, {"": "it is new; its condition was false before"})
    commit(repo)
    write("a.bicep", text.replace("{}", "false", 1))
    assert changes(check("--diff", "HEAD")) == {"a": ["removed"]}
    write("a.bicep", text.replace(" = {}", "", 1))
    ran = check("--diff", "HEAD")
    assert (changes(ran), said(ran, "a")) == ({"a": ["unknown"]}, {"": "whether it is deployed is not known now"})


def test_a_loop_that_grows_adds(write: Write, repo: Path, check: Check) -> None:
    text = "var all = {}\n" + bicep("x").replace("= {\n  name: 'x'", "= [for one in all: {{\n  name: one", 1)
    text = text.replace("{{", "{").rstrip("\n") + "]\n"
    write("a.bicep", text.replace("{}", "['one', 'two']", 1))
    commit(repo)
    write("a.bicep", text.replace("{}", "['zero', 'one', 'two']", 1))
    ran = check("--diff", "HEAD")
    assert (changes(ran), ran.json["diff"]["unchanged"]) == ({"zero": ["added"]}, 2)
    assert json.loads(json.dumps(ran.json["diff"]["changes"][0]["after"])) == {"path": "a.bicep", "line": 2}
