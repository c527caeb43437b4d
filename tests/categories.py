"""A rule that asks for the category of policies, as an override may; and how a test gives policies one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guardrails.exemption import Exemption
from guardrails.facts import Facts, Policy
from guardrails.rules import all_rules
from guardrails.rules.base import PASS, NoOptions, Outcome, Unknown, Violation
from guardrails.rules.reach import policies_of
from guardrails.ruleset import BoundRule, Response, Ruleset

CODE = "EXG305"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:
    """Violation where a policy of the category Sealed is exempted; Unknown where one is not known."""
    known = [facts.policies.get(one) for one in policies_of(exemption, facts.assignment)]
    if any(isinstance(one, Policy) and one.category == "Sealed" for one in known):
        return Violation("it exempts from a policy of the category Sealed", {})
    return PASS if known and all(isinstance(one, Policy) for one in known) else Unknown("a policy is not known")


def asking(ruleset: Ruleset, response: Response = Response.REVERT) -> Ruleset:
    """Have that rule judge, and no other."""
    rule = replace(all_rules()["category-forbidden"], check=check, options=NoOptions)
    ruleset._bound[0,] = (BoundRule(rule, NoOptions(), response, timedelta(), rule.severity),)
    return ruleset


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ruleset asks for policies."""
    monkeypatch.setattr(Ruleset, "asks_policies", property(lambda _: True))


def definition(category: Any = None, severity: Any = None, **more: Any) -> dict[str, Any]:
    """The body of a policy definition with this metadata."""
    metadata = {key: value for key, value in (("category", category), ("severity", severity)) if value is not None}
    return {"properties": {"policyRule": {"if": {}, "then": {"effect": "audit"}}, "metadata": metadata, **more}}
