"""EXG4xx: assignments that are gone, and the newer fields in any casing."""

from typing import Any

import pytest

from guardrails.exemption.facts import Gone, Unread
from tests.rules.looks import kind, violation


@pytest.mark.parametrize("mode", ["DoNotValidate", "donotvalidate", "DONOTVALIDATE"])
def test_waiting_for_its_assignment(mode: str) -> None:
    for assignment in (Gone(), Unread("403")):
        case: dict[str, Any] = {"properties": {"assignmentScopeValidation": mode}, "facts": {"assignment": assignment}}
        assert kind("assignment-gone", **case) == "Pass"
        assert kind("not-validated", **case) == "Violation"


@pytest.mark.parametrize(
    ("name", "value", "rule", "expected"),
    [
        ("assignmentScopeValidation", "default", "not-validated", "Pass"),
        ("assignmentScopeValidation", "", "not-validated", "Pass"),
        ("assignmentScopeValidation", 7, "not-validated", "Unknown"),
        ("exemptionManagementMode", "admin", "self-serve", "Pass"),
        ("exemptionManagementMode", "USERSELFSERVE", "self-serve", "Violation"),
        ("exemptionManagementMode", ["UserSelfServe"], "self-serve", "Unknown"),
    ],
)
def test_modes_in_any_casing(name: str, value: object, rule: str, expected: str) -> None:
    assert kind(rule, properties={name: value}) == expected


@pytest.mark.parametrize("selector", ["UserPrincipalId", "userPrincipalId", "GROUPPRINCIPALID"])
def test_people_in_any_casing(selector: str) -> None:
    one = {"name": "x", "selectors": [{"kind": "resourceLocation", "in": ["x"]}, {"kind": selector, "in": ["a", "b"]}]}
    found = violation("identity-based", properties={"resourceSelectors": [one]})
    assert found.evidence == {"kinds": [selector.lower()], "principals": ["a", "b"]}


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ([{"name": "empty"}], "Pass"),
        ([{"selectors": None}], "Pass"),
        ([{"selectors": [{"kind": None, "in": None}]}], "Pass"),
        ({"selectors": {"kind": "userPrincipalId", "in": "a"}}, "Violation"),
        ([{"selectors": [7]}], "Unknown"),
        ([{"selectors": "x"}], "Unknown"),
    ],
)
def test_strange_selectors(selectors: object, expected: str) -> None:
    assert kind("identity-based", properties={"resourceSelectors": selectors}) == expected


def test_principals_in_evidence_are_few() -> None:
    one = {"selectors": [{"kind": "userPrincipalId", "notIn": ["p" * 1000] * 1000}]}
    assert len(str(violation("identity-based", properties={"resourceSelectors": [one]}).evidence)) < 6000
