"""An initiative's policies come out whole or not at all."""

from typing import Any

import pytest

from guardrails.facts import Unread
from guardrails.initiatives import members_of

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
        (None, "does not say"),
        ([], "does not say"),
        ("", "does not say"),
        ({"value": [], "Count": 0}, "does not say"),
        (7, "does not say"),
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
