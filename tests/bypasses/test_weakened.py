"""Which criteria a bypass weakens: those of the policies that it keeps from a scope, as far as that is known."""

from typing import Any

import pytest

from guardrails.bypasses.model import Bypass, from_stored, to_stored, token, whole_token
from guardrails.bypasses.read import bypasses_of, tagged_of
from guardrails.criteria.model import NOT_KEPT, line_of
from guardrails.exemption.facts import Assignment
from guardrails.ruleset.model import load_ruleset
from tests.bypasses.test_bypass import ASSIGNED, SUB, TAGS
from tests.criteria.samples import BENCHMARK, DEFINITIONS, assignment_of, benchmark_body

RULESET = load_ruleset()
CERTIFICATES = "certificatesValidityPeriodMonitoring"
TECHNICAL = DEFINITIONS + "0a075868-4c26-42ef-914c-5bc007359560"
DISABLED = {"parameters": {"effect": {"value": "Disabled"}}}
BY_REFERENCE = [{"kind": "policyDefinitionReferenceId", "in": [CERTIFICATES.upper()]}]


def opened(assignment: Assignment | None, **properties: Any) -> Bypass:
    """The one bypass that an assignment with these properties opens."""
    [found] = bypasses_of({"id": ASSIGNED, "properties": properties}, RULESET, assignment)
    return found


@pytest.fixture
def benchmark() -> Assignment:
    return assignment_of(BENCHMARK, benchmark_body())


@pytest.mark.parametrize(
    ("properties", "policies", "certain"),
    [
        ({"notScopes": [SUB]}, 223, True),
        ({"enforcementMode": "DoNotEnforce"}, 223, False),
        ({"enforcementMode": "Enroll"}, 223, False),
        ({"resourceSelectors": [{"selectors": BY_REFERENCE}]}, 223, False),
        ({"overrides": [{"kind": "policyEffect", "value": "Disabled", "selectors": BY_REFERENCE}]}, 1, True),
        ({"overrides": [{"kind": "policyEffect", "value": "disabled"}]}, 223, True),
        ({"overrides": [{"kind": "policyEffect", "value": "[parameters('e')]", "selectors": BY_REFERENCE}]}, 1, False),
        ({"overrides": [{"kind": "policyEffect", "value": "Audit"}]}, 0, True),
        ({"selfServeExemptionSettings": {"enabled": True, "policyDefinitionReferenceIds": [CERTIFICATES]}}, 1, False),
        ({"selfServeExemptionSettings": {"enabled": True}}, 223, False),
    ],
    ids=str,
)
def test_each_kind_removes_its_policies(
    benchmark: Assignment, properties: dict[str, Any], policies: int, certain: bool
) -> None:
    weakened = opened(benchmark, **properties).weakened
    assert (weakened.policies, weakened.certain, weakened.unknown) == (policies, certain, "")
    assert bool(weakened.by_source) == bool(policies)


@pytest.mark.parametrize(
    ("assignment", "properties", "said"),
    [
        (None, {"notScopes": [SUB]}, "the assignment is not known: its definition or initiative is not visible"),
        ("benchmark", DISABLED, "the policies that use the parameter are unknown"),
        ("benchmark", {"notScopes": ["nowhere"]}, "notScopes contains a text that is not a scope"),
        ("benchmark", {"notScopes": 7}, "the assignment cannot be read"),
    ],
    ids=str,
)
def test_what_is_not_known_is_unknown(assignment: Any, properties: dict[str, Any], said: str) -> None:
    known = assignment_of(BENCHMARK, benchmark_body()) if assignment else None
    weakened = opened(known, **properties).weakened
    assert weakened.is_unknown
    assert weakened.unknown == said


def test_an_exception_tag_names_no_assignment() -> None:
    found = tagged_of({"id": SUB, "tags": TAGS}, RULESET)
    assert found is not None
    assert found.weakened.unknown == "the tags name no assignment"


def test_a_single_policy_that_is_disabled_is_removed() -> None:
    single = Assignment(ASSIGNED, TECHNICAL, {})
    assert line_of(opened(single, **DISABLED).weakened) == ("SOC 2 Type 2 1.12.0: CC6.1 (1 of 40)")


def test_the_register_keeps_it_and_older_rows_say_nothing(benchmark: Assignment) -> None:
    one = opened(benchmark, notScopes=[SUB])
    stored = to_stored(one)
    assert from_stored(stored).weakened == one.weakened
    del stored["criteria_weakened"]
    older = from_stored(stored)
    assert older.weakened == NOT_KEPT
    assert token(older) == token(one)
    assert whole_token(older) != whole_token(one)
