"""The token of the inventory: one body has one, whether Resource Graph or ARM returned it."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.assess import assess
from guardrails.exemption.facts import Assignment, Facts, Gone, PoliciesById, Policy, Unread, last_write
from guardrails.exemption.model import Exemption
from guardrails.exemption.sources import ARM, RESOURCE_GRAPH, Source, arm
from guardrails.reconcile.inventory import token
from guardrails.rules import all_rules
from guardrails.rules.base import Case, Rule
from guardrails.rules.sample import ASSIGNMENT, DENY_PUBLIC, FACTS, INITIATIVE, NOW, REQUIRE_TLS, body_of
from guardrails.ruleset.model import Ruleset, load_ruleset
from tests.categories import asking

RULESET = load_ruleset()
ASKING = asking(RULESET)
PEOPLE = [{"name": "p", "selectors": [{"kind": "userPrincipalId", "notIn": ["0b9d2d44"]}]}]
LOCATION = [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
BODIES = [
    body_of(Case("", properties))
    for properties in (
        {},
        {"policyDefinitionReferenceIds": None},
        {"policyDefinitionReferenceIds": [], "resourceSelectors": LOCATION},
        {"resourceSelectors": [], "assignmentScopeValidation": "DoNotValidate"},
        {"exemptionManagementMode": "UserSelfServe"},
        {"expiresOn": "2027-11-30T00:00:00Z"},
    )
]
BODIES.append({key: value for key, value in BODIES[0].items() if key != "systemData"})


def _token(body: Mapping[str, Any], source: Source, assignment: Assignment | Gone | None = None) -> str:
    assert isinstance(FACTS.assignment, Assignment)
    return token(Exemption.from_arm(body, source=source), assignment or FACTS.assignment, RULESET, NOW)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_who_returned_a_body_does_not_count(body: Mapping[str, Any]) -> None:
    shown = _token(body, RESOURCE_GRAPH)
    assert _token(body, ARM) == shown
    assert _token(body, arm("2022-07-01-preview")) == shown


def test_what_it_says_counts() -> None:
    assert len({_token(body, RESOURCE_GRAPH) for body in BODIES}) == len(BODIES)


def test_what_the_rules_find_counts() -> None:
    grown = Assignment(ASSIGNMENT, INITIATIVE, {"other": "/x"})
    assert len({_token(BODIES[0], ARM, one) for one in (None, grown, Gone())}) == 3


def test_what_the_rules_find_by_the_policies_counts() -> None:
    ruleset, exemption = asking(load_ruleset()), Exemption.from_arm(BODIES[0])
    answers: tuple[PoliciesById, ...] = (
        {}, {DENY_PUBLIC: Unread("403")}, {DENY_PUBLIC: Policy("Sealed")}, {DENY_PUBLIC: Policy("Network")},
        {DENY_PUBLIC: Policy("Network"), REQUIRE_TLS: Policy("Sealed")}, {DENY_PUBLIC: Policy("Storage")},
    )  # fmt: skip
    assert isinstance(FACTS.assignment, Assignment)
    one, two, sealed, *fine = (token(exemption, FACTS.assignment, ruleset, NOW, policies) for policies in answers)
    assert one == two
    assert len({one, sealed, *fine}) == 3


def test_time_alone_changes_it_only_where_a_verdict_turns() -> None:
    unsigned = Exemption.from_arm(BODIES[-1])
    assert isinstance(FACTS.assignment, Assignment)
    tokens = [token(unsigned, FACTS.assignment, RULESET, NOW + timedelta(days=days)) for days in range(60)]
    assert len(set(tokens)) == 1


def _same_by_what_is_known(body: Mapping[str, Any], source: Source, ruleset: Ruleset, policies: PoliciesById) -> bool:
    exemption, assignment = Exemption.from_arm(body, source=source), FACTS.assignment
    author, written_at = last_write(exemption, NOW)
    facts = Facts(NOW, written_at, assignment, author, approved=ruleset.approved, policies=policies)
    known = facts, assess(exemption, facts, ruleset)
    return token(exemption, assignment, ruleset, NOW, policies, known=known) == token(
        exemption, assignment, ruleset, NOW, policies
    )


def _all_are_the_same_by_what_is_known(bodies: Iterable[Mapping[str, Any]]) -> None:
    for body in bodies:
        for more in ({}, {"resourceSelectors": LOCATION}, {"resourceSelectors": PEOPLE}):
            said = {**body, "properties": {**body["properties"], **more}}
            for source in (ARM, arm("2022-07-01-preview"), arm("2020-07-01-preview"), RESOURCE_GRAPH):
                assert _same_by_what_is_known(said, source, RULESET, {})
                assert _same_by_what_is_known(said, source, ASKING, {DENY_PUBLIC: Policy("Sealed")})


@pytest.mark.parametrize("rule", all_rules().values(), ids=lambda rule: rule.name)
def test_it_is_the_same_by_what_was_found_with_the_register(rule: Rule) -> None:
    bodies = [body_of(case) for case in (*rule.good, *rule.bad, *rule.unclear)]
    assert bodies
    _all_are_the_same_by_what_is_known(bodies)


def test_it_is_the_same_whatever_the_exemption_says() -> None:
    _all_are_the_same_by_what_is_known(BODIES)
