"""An initiative's policies come out whole or not at all."""

from typing import Any

import pytest

from guardrails.exemption.facts import Policy, Unread
from guardrails.exemption.initiatives import is_policy, members_of, policy_of

TLS, KEYS = "/providers/Microsoft.Authorization/policyDefinitions/TLS", "/providers/x/policyDefinitions/keys"
A = {"policyDefinitionReferenceId": "requireTls", "policyDefinitionId": TLS}
B = {"policyDefinitionReferenceId": "Keys", "policyDefinitionId": KEYS}
BOTH = {"requiretls": TLS.lower(), "keys": KEYS.lower()}


def _pascal(one: dict[str, str]) -> dict[str, str]:
    return {key[:1].upper() + key[1:]: value for key, value in one.items()}


@pytest.mark.parametrize(
    ("listed", "members"),
    [
        ([A, B], BOTH),
        ([_pascal(A), _pascal(B)], BOTH),
        ([{key.lower(): value for key, value in A.items()}, B | {"parameters": {}, "groupNames": None}], BOTH),
        ({"value": [A, B], "Count": 2}, BOTH),
        (A, {"requiretls": TLS.lower()}),
    ],
)
def test_every_spelling_is_read(listed: Any, members: dict[str, str]) -> None:
    assert members_of(listed) == members


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (None, "does not list its policies"),
        ([], "does not list its policies"),
        ("", "does not list its policies"),
        ({"value": [], "Count": 0}, "does not list its policies"),
        (7, "does not list its policies"),
        ("System.Object[]", "-Depth 10"),
        ("@{policyDefinitionReferenceId=requireTls} @{policyDefinitionReferenceId=keys}", "-Depth 10"),
        (["@{policyDefinitionReferenceId=requireTls; policyDefinitionId=x}"], "-Depth 10"),
        ([A, "System.Collections.Hashtable"], "-Depth 10"),
        ([A, None], "without an id"),
        ([A, {}], "without an id"),
        ({}, "without an id"),
        ([A, {"policyDefinitionId": KEYS}], "without an id"),
        ([A, B | {"policyDefinitionReferenceId": ""}], "without an id"),
        ([A, B | {"policyDefinitionId": None}], "without an id"),
        ([A, B | {"policyDefinitionReferenceId": 7}], "without an id"),
        ([A, A], "one id twice"),
        ([A, B | {"policyDefinitionReferenceId": "REQUIRETLS"}], "one id twice"),
    ],
    ids=str,
)
def test_what_cannot_be_read_whole_is_unread(listed: Any, said: str) -> None:
    members = members_of(listed)
    assert isinstance(members, Unread)
    assert said in members.reason


def test_a_thousand_members() -> None:
    many = [{"policyDefinitionReferenceId": f"p{n}", "policyDefinitionId": f"/d/{n}"} for n in range(1000)]
    members = members_of(many)
    assert not isinstance(members, Unread)
    assert len(members) == 1000


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ({"metadata": {"category": "Storage", "severity": "High"}}, Policy("Storage", "High")),
        ({"Metadata": {"Category": "Storage", "SEVERITY": " high "}}, Policy("Storage", " high ")),
        ({"metadata": {"category": "Storage"}}, Policy("Storage", "")),
        ({"metadata": {"category": 7, "severity": ["High"]}}, Policy()),
        ({"metadata": {"category": "Storage", "severity": 8}}, Policy("Storage", "8")),
        ({"metadata": {"severity": 7.5}}, Policy("", "7.5")),
        ({"metadata": {"category": None, "severity": {"High": True}}}, Policy()),
        ({"metadata": {}}, Policy()),
        ({"metadata": None}, Policy()),
        ({"policyRule": {"if": {}}, "displayName": "without"}, Policy()),
        ({"PolicyRule": "@{if=; then=}"}, Policy()),
        ({"metadata": {"category": "@{x=y}"}}, Policy("@{x=y}", "")),
    ],
    ids=str,
)
def test_what_a_policy_says_of_itself_is_read_in_any_casing(said: Any, policy: Policy) -> None:
    assert policy_of(said) == policy


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"metadata": "@{category=Storage}"}, "-Depth 10"),
        ({"metadata": ""}, "-Depth 10"),
        ({"metadata": "System.Object", "policyRule": {}}, "-Depth 10"),
        ({"metadata": [{"category": "Storage"}]}, "-Depth 10"),
        ({"metadata": 7}, "-Depth 10"),
        ({}, "neither metadata nor a rule"),
        ({"displayName": "names only"}, "neither metadata nor a rule"),
    ],
    ids=str,
)
def test_what_was_cut_out_of_a_policy_is_not_taken_for_unsaid(said: Any, reason: str) -> None:
    found = policy_of(said)
    assert isinstance(found, Unread)
    assert reason in found.reason


AUTH, CORP = "/providers/microsoft.authorization", "/providers/microsoft.management/managementgroups/corp"


@pytest.mark.parametrize("scope", ["", "/subscriptions/11111111-2222-3333-4444-555555555555", CORP])
@pytest.mark.parametrize("name", ["tls", "a.b", "ünï cödé", "..."])
def test_definitions_are_known_by_their_ids(scope: str, name: str) -> None:
    assert is_policy(f"{scope}{AUTH}/policydefinitions/{name}")


@pytest.mark.parametrize(
    "key",
    [
        "", "/", f"{AUTH}/policysetdefinitions/a", f"{AUTH}/policydefinitions/", f"{AUTH}/policydefinitions/a/b",
        f"{AUTH}/policydefinitions/..", f"/subscriptions/..{AUTH}/policydefinitions/a", f"x{AUTH}/policydefinitions/a",
        f"/subscriptions/1/resourcegroups/g{AUTH}/policydefinitions/a", f"{AUTH}/policydefinitions/a\n",
        f"{AUTH}/policyDefinitions/A",
    ],
)  # fmt: skip
def test_what_is_no_id_of_a_definition_is_named(key: str) -> None:
    assert not is_policy(key)
