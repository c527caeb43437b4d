"""What is on for an exemption, as the tests ask for it."""

from collections.abc import Mapping
from dataclasses import replace

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Policy
from guardrails.exemption.model import Exemption
from guardrails.rules.base import Case
from guardrails.rules.sample import DENY_PUBLIC, FACTS, REQUIRE_TLS, read
from guardrails.ruleset.bound_rules import BoundRule
from guardrails.ruleset.model import Ruleset


def bound_at(ruleset: Ruleset, exemption: str | ExemptionId) -> Mapping[str, BoundRule]:
    """Return name -> rule for what is on for the sample exemption under this id, where all is known."""
    return bound_for(ruleset, read(Case("", id=str(exemption)), ruleset.names)[0])


def bound_for(ruleset: Ruleset, exemption: Exemption) -> Mapping[str, BoundRule]:
    """Return the same for an exemption."""
    facts = replace(FACTS, policies=dict.fromkeys((DENY_PUBLIC, REQUIRE_TLS), Policy("", "")))
    applied = ruleset.limits.rules_for(exemption, facts)
    assert all(isinstance(one, BoundRule) for one in applied)
    return {one.rule.name: one for one in applied if isinstance(one, BoundRule)}
