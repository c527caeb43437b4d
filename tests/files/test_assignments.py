"""Assignments and initiatives, in every spelling that the tools give them."""

from typing import Any

import pytest

from guardrails.exemption.facts import Assignment, Grouping, Policy, Unread
from guardrails.files.assignments import Assignments

SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
ONE = f"{SUB}/providers/Microsoft.Authorization/policyAssignments/Baseline"
SET = "/providers/Microsoft.Authorization/policySetDefinitions/base"
TLS = "/providers/Microsoft.Authorization/policyDefinitions/TLS"
MEMBERS = [{"policyDefinitionReferenceId": "requireTls", "policyDefinitionId": TLS}]


@pytest.mark.parametrize(
    ("assignment", "initiative"),
    [
        (
            {"id": ONE, "properties": {"policyDefinitionId": SET}},
            {"id": SET, "properties": {"policyDefinitions": MEMBERS}},
        ),
        ({"id": ONE, "policyDefinitionId": SET}, {"id": SET, "policyDefinitions": MEMBERS}),
        (
            {"ResourceId": ONE.upper(), "Properties": {"PolicyDefinitionId": SET.lower()}},
            {"Id": SET, "PolicyDefinition": [{k[:1].upper() + k[1:]: v for k, v in MEMBERS[0].items()}]},
        ),
    ],
    ids=["ARM", "CLI", "PowerShell"],
)  # fmt: skip
def test_an_initiative_is_joined_to_its_assignment(assignment: dict[str, Any], initiative: dict[str, Any]) -> None:
    found = Assignments([initiative, assignment]).find(ONE.lower() + "/")
    assert isinstance(found, Assignment)
    assert found.is_initiative
    assert found.members == {"requiretls": TLS.lower()}


def test_a_single_policy_has_no_members() -> None:
    found = Assignments([{"id": ONE, "properties": {"policyDefinitionId": TLS}}]).find(ONE)
    assert isinstance(found, Assignment)
    assert (found.is_initiative, found.members) == (False, {})


def test_what_is_not_in_the_files_is_unread_never_gone() -> None:
    assert isinstance(Assignments().find(ONE), Unread)
    alone = Assignments([{"id": ONE, "properties": {"policyDefinitionId": SET}}])
    found = alone.find(ONE)
    assert isinstance(found, Assignment)
    assert isinstance(found.members, Unread)


def test_other_objects_are_passed_over() -> None:
    assert len(Assignments([{"id": TLS}, {}, {"id": 7}, {"properties": []}])) == 0


def test_an_initiative_that_is_there_twice_counts_as_it_could_be_read() -> None:
    whole: dict[str, Any] = {"id": SET, "policyDefinitions": MEMBERS}
    names: dict[str, Any] = {"id": SET.upper(), "name": "base"}
    for files in ([whole, names], [names, whole]):
        found = Assignments([{"id": ONE, "policyDefinitionId": SET}, *files]).find(ONE)
        assert isinstance(found, Assignment)
        assert found.members == {"requiretls": TLS.lower()}


@pytest.mark.parametrize(
    "body",
    [
        {"id": TLS, "properties": {"metadata": {"category": "Storage", "severity": "High"}, "policyRule": {}}},
        {"id": TLS, "metadata": {"category": "Storage", "severity": "High", "version": "1.0.0"}, "policyRule": {}},
        {"Id": TLS, "Name": "TLS", "Metadata": {"Category": "Storage", "Severity": "High"}, "PolicyRule": {}},
        {"ResourceId": TLS, "Properties": {"Metadata": {"category": "Storage", "severity": "High"}},
         "PolicyDefinitionId": TLS},
        {"id": TLS.lower() + "/", "type": "microsoft.authorization/policydefinitions", "tenantId": "t",
         "properties": {"metadata": {"category": "Storage", "severity": "High"}}},
    ],
    ids=["ARM", "CLI", "PowerShell", "PowerShell before 7", "Resource Graph"],
)  # fmt: skip
def test_a_policy_says_its_category_and_severity(body: dict[str, Any]) -> None:
    files = Assignments([body])
    assert files.policies([TLS.lower()]) == {TLS.lower(): Policy("Storage", "High")}
    assert len(files) == 1


def test_a_policy_that_no_file_holds_is_unread_never_gone() -> None:
    assert Assignments().policies([TLS.lower()]) == {
        TLS.lower(): Unread("it is in none of the files given with --assignments")
    }
    assert Assignments([{"id": TLS, "metadata": {}}]).policies([]) == {}


def test_a_policy_that_is_there_twice_counts_as_it_could_be_read() -> None:
    whole: dict[str, Any] = {"id": TLS, "metadata": {"category": "Storage"}}
    cut: dict[str, Any] = {"id": TLS.upper(), "Metadata": "@{category=Storage}"}
    for files in ([whole, cut], [cut, whole], [whole, {"id": TLS, "name": "TLS"}]):
        assert Assignments(files).policies([TLS.lower()]) == {TLS.lower(): Policy("Storage")}
    (found,) = Assignments([cut]).policies([TLS.lower()]).values()
    assert isinstance(found, Unread)
    assert "-Depth 10" in found.reason


def test_a_version_of_a_policy_is_not_the_policy() -> None:
    versioned: dict[str, Any] = {"id": f"{TLS}/versions/1.0.0", "metadata": {"category": "Old"}}
    assert len(Assignments([versioned])) == 0


def test_the_groups_of_an_initiative_come_with_it() -> None:
    member = MEMBERS[0] | {"groupNames": ["CC6.1", "CC6.1", "CC6.6"]}
    groups = [{"name": "CC6.1", "displayName": "Access"}, {"name": "CC6.6"}]
    said = {"policyDefinitions": [member], "policyDefinitionGroups": groups, "displayName": "Ours"}
    found = Assignments([{"id": ONE, "policyDefinitionId": SET}, {"id": SET, "properties": said}]).find(ONE)
    assert isinstance(found, Assignment)
    assert found.grouping == Grouping({"requiretls": ("CC6.1", "CC6.6")}, {"CC6.1": "Access"})
    assert found.initiative == "Ours"


def test_the_groups_of_an_initiative_that_is_not_there_are_unread() -> None:
    found = Assignments([{"id": ONE, "policyDefinitionId": SET}]).find(ONE)
    assert isinstance(found, Assignment)
    assert isinstance(found.grouping, Unread)
