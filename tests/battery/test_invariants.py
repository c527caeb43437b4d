"""Each invariant can fail: of what is wrong it says so, and of nothing else."""

import logging
from collections.abc import Iterator
from typing import Any, Final

import pytest

from guardrails import assess
from guardrails.limits import BoundRule
from guardrails.rules.base import Violation
from guardrails.ruleset import Ruleset
from tests.battery import rulesets
from tests.battery.simulation import Broken, simulate

STEPS: Final = 20
SEEDS: Final = 40
RULES: Final = ("expiry-missing", "expiry-too-far", "expiry-extended", "whole-initiative", "never-exempt")
"""All that ask for a revert in some ruleset of the battery."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log: a history has many lines."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def reverting(ruleset: Ruleset) -> set[str]:
    """Return the rules that ask for a revert."""
    said = rulesets.said_by(ruleset)["rules"]
    return {name for name, one in said.items() if (one["response"] if isinstance(one, dict) else one) == "revert"}


def broken(seeds: int = SEEDS) -> Iterator[str]:
    """Yield what the first seeds break."""
    for seed in range(seeds):
        try:
            simulate(seed, STEPS)
        except Broken as error:
            yield str(error)


def test_all_rules_that_revert_are_listed() -> None:
    assert set().union(*(reverting(rulesets.numbered(number)) for number in range(rulesets.NUMBER))) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_wrong_revert_is_seen_whichever_rule_finds_what_is_none(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = assess._outcome
    ruleset = next(one for one in map(rulesets.numbered, range(rulesets.NUMBER)) if rule in reverting(one))

    def wrong(bound: BoundRule, *facts: Any) -> object:
        return Violation("it is none", {}) if bound.rule.name == rule else judged(bound, *facts)

    monkeypatch.setattr(rulesets, "some", lambda _: ruleset)
    monkeypatch.setattr(assess, "_outcome", wrong)
    assert any("nothing_compliant_is_reverted" in text for text in broken())
