"""The strictest of several limits, where a rule does not apply in the same way to all controls of an exemption. Pure.

Each way is judged by itself. Of the violations the one counts that has the strongest response, then the shorter grace,
then the worse severity. Where it is unknown which way applies, only what follows in every case is a violation; that
more may follow is Unknown.
"""

from collections.abc import Callable, Iterator

from guardrails.dataclass import dataclass
from guardrails.rules.base import PASS, Unknown, Violation, strictness
from guardrails.ruleset.bound_rules import RANKS, Alternatives, BoundRule, Response

type Check = Callable[[BoundRule], object]
"""Judges by a rule as bound. It does not raise; what is no outcome counts as Unknown."""

type _Weight = tuple[float, ...]
"""How much follows; () for nothing."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one way comes to. `least` surely follows, `most` may."""

    bound: BoundRule
    outcome: object
    least: _Weight
    most: _Weight


def strictest(rule: Alternatives, check: Check) -> Iterator[tuple[BoundRule, object]]:
    """Yield the violation that counts, if there is one, and an Unknown where more may follow; none for a pass."""
    judged = {way.said: _judged(way, check(way)) for choice in rule.choices for way in choice.ways if way}
    sure: list[_Weight] = [()]
    every: list[_Weight] = []
    for choice in rule.choices:
        low = min(judged[way.said].least if way else () for way in choice.ways)
        every.append(low)
        sure += [low] if choice.exempt else []
    least = max(*sure, min(every)) if rule.settled else ()  # it exempts from one of them at least
    most = max((one.most for one in judged.values()), default=())
    if least:
        equals = (one for one in judged.values() if one.least == least)
        found = max(equals, key=lambda one: strictness(one.bound.options))
        yield found.bound, found.outcome
    if most > least:
        found = next(one for one in judged.values() if one.most == most)
        yield found.bound, found.outcome if found.least != found.most else Unknown(_open(rule))
    elif not rule.settled and not most and len({way.bound.options for way in judged.values()}) > 1:
        yield next(iter(judged.values())).bound, Unknown(_open(rule))  # two that pass may together not


def _judged(bound: BoundRule, outcome: object) -> _Judged:
    if outcome is PASS:
        return _Judged(bound, outcome, (), ())
    grace = bound.grace.total_seconds() if bound.response is Response.REVERT else 0.0
    weight = (RANKS[bound.response], -grace, -bound.severity.rank)
    return _Judged(bound, outcome, weight if isinstance(outcome, Violation) else (), weight)


def _open(rule: Alternatives) -> str:
    """Return why it is unknown what follows."""
    names = f"whether {', '.join(rule.overrides)} hold" if len(rule.overrides) > 1 else ""
    names = names or (f"whether {rule.overrides[0]} holds" if rule.overrides else "which controls it covers")
    return f"{names} is unknown: {rule.why}"
