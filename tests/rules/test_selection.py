"""Which policies an exemption may switch off."""

from typing import Any

import pytest

from guardrails.exemption.facts import Assignment, Gone, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.sources import ARM, RESOURCE_GRAPH, Source
from guardrails.rules.base import Case
from guardrails.rules.sample import ASSIGNMENT, DENY_PUBLIC, FACTS, INITIATIVE, REQUIRE_TLS, body_of
from guardrails.rules.selection import policies_of

BOTH = frozenset({DENY_PUBLIC, REQUIRE_TLS})


def picked(kind: str, *values: str) -> list[dict[str, Any]]:
    return [{"name": "s", "selectors": [{"kind": kind, "in": list(values)}]}]


@pytest.mark.parametrize(
    ("properties", "source", "policies"),
    [
        ({}, ARM, {DENY_PUBLIC}),
        ({"policyDefinitionReferenceIds": ["DENYPUBLICNETWORK", "unknown"]}, ARM, {DENY_PUBLIC}),
        ({"policyDefinitionReferenceIds": None}, ARM, BOTH),
        (
            {"policyDefinitionReferenceIds": None,
             "resourceSelectors": picked("policyDefinitionReferenceId", "requireTls")},
            ARM,
            {REQUIRE_TLS},
        ),
        ({"policyDefinitionReferenceIds": None, "resourceSelectors": picked("strange", "a")}, ARM, BOTH),
        ({"policyDefinitionReferenceIds": None}, RESOURCE_GRAPH, BOTH),
    ],
)  # fmt: skip
def test_of_an_initiative_those_that_it_may_switch_off(
    properties: dict[str, Any], source: Source, policies: frozenset[str]
) -> None:
    exemption = Exemption.from_arm(body_of(Case("", properties)), source=source)
    assert policies_of(exemption, FACTS.assignment) == policies


def test_of_a_single_policy_that_one_by_its_id_in_lower_case() -> None:
    single = Assignment(ASSIGNMENT, "/providers/Microsoft.Authorization/policyDefinitions/Deny-Public-Network", {})
    assert policies_of(Exemption.from_arm(body_of(Case(""))), single) == {DENY_PUBLIC}


@pytest.mark.parametrize("assignment", [Gone(), Unread("403"), Assignment(ASSIGNMENT, INITIATIVE, Unread("403"))])
def test_of_what_is_not_known_none(assignment: Assignment | Gone | Unread) -> None:
    assert policies_of(Exemption.from_arm(body_of(Case(""))), assignment) == frozenset()
