"""Every rule says for itself when its answer may next change, and before that it never does."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from guardrails.dataclass import replace
from guardrails.decisions.assess import answers_found, next_change
from guardrails.exemption.facts import Assignment, Facts, Planned, Unread, last_write
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.exemption.sources import ARM, RESOURCE_GRAPH
from guardrails.exemption.times import spell_time
from guardrails.rules import all_rules
from guardrails.rules.base import Case, Rule, never
from guardrails.rules.sample import ASSIGNMENT, BODY, INITIATIVE, read
from guardrails.ruleset.model import Ruleset, load_ruleset, parse_ruleset

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
TIMED = {"ends-before-next-run", "expired", "expiry-too-far", "review-due"}
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "expired": ({}, {"keep_days": 1}, {"keep_days": 30}, {"keep_days": 10**9}),
    "expiry-too-far": ({}, {"months": 1}, {"months": 1, "tolerance_days": 0}),
    "review-due": ({}, {"required": False}),
}
PLANNED = Planned(next_run=NOW + timedelta(days=400))
FAR = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)]


def boundaries(moment: datetime | None, dates: list[datetime]) -> Iterator[datetime]:
    """Yield times from now on at which anything could change: around each date, each midnight, each limit."""
    steps = [timedelta(), timedelta(hours=1), *(timedelta(days=n) for n in (1, 2, 28, 29, 30, 31, 32, 365, 366))]
    around = [*dates, NOW, NOW.replace(hour=0), NOW.replace(day=1), *FAR, *([moment] if moment else [])]
    midnights = [one.replace(hour=0, minute=0, second=0, microsecond=0) for one in around]
    for date in (*around, *midnights):
        for step in steps:
            for sign in (1, -1):
                for nudge in (timedelta(), TICK, -TICK):
                    try:
                        at = date + sign * step + nudge
                    except OverflowError:
                        continue
                    if at >= NOW and (moment is None or at < moment):
                        yield at


def answer(rule: Rule, exemption: Exemption, facts: Facts, options: Any) -> str:
    try:
        return type(rule.check(exemption, facts, options)).__name__
    except NotReturned:
        return "Unknown"


def as_of(facts: Facts, exemption: Exemption, at: datetime, *, known: bool) -> Facts:
    """Return the facts at another time; what the register does not know of a write is read off the exemption."""
    if known:
        return replace(facts, now=at)
    author, written = last_write(exemption, at)
    return replace(facts, now=at, author=author, written_at=written)


def random_exemption(chance: Random) -> tuple[Exemption, list[datetime]]:
    """Return an exemption with random dates, at times just now, and the dates."""

    def date() -> datetime:
        spread = chance.choice((0, 1, 60, 3600, 86_400, 40 * 86_400, 500 * 86_400, 4000 * 86_400))
        return NOW + timedelta(seconds=chance.randint(-spread, spread), microseconds=chance.choice((0, 0, 1, 999_999)))

    ends, review, written = date(), date(), date()
    spelled: list[Any] = [spell_time(ends), f"{ends:%Y-%m-%d}", None, "soon", *map(spell_time, FAR), ""]
    reviewed: list[Any] = [f"{review:%Y-%m-%d}", spell_time(review), None, "never", "0001-01-01", "9999-12-31"]
    metadata = {**BODY["properties"]["metadata"], "reviewDate": chance.choice(reviewed)}
    if metadata["reviewDate"] is None:
        del metadata["reviewDate"]
    properties = {
        **BODY["properties"],
        "metadata": metadata,
        "expiresOn": chance.choice(spelled),
        "exemptionCategory": chance.choice(["Waiver", "Mitigated", "?"]),
        "policyDefinitionReferenceIds": chance.choice([[], ["denyPublic"], ["gone"]]),
    }
    system: Any = {**BODY["systemData"], "lastModifiedAt": spell_time(written), "createdAt": spell_time(written)}
    body = {**BODY, "properties": properties, "systemData": chance.choice([system, system, system, None])}
    return Exemption.from_arm(body, source=chance.choice([ARM, RESOURCE_GRAPH])), [ends, review, written]


@pytest.mark.parametrize("name", all_rules())
def test_until_the_moment_that_a_rule_states_its_answer_is_the_same(name: str) -> None:
    rule, chance = all_rules()[name], Random(name)  # noqa: S311
    options = [rule.options(**some) for some in OPTIONS.get(name, ({},))]
    cases: list[tuple[Exemption, Facts, list[datetime], bool]] = []
    for case in (*rule.good, *rule.bad, *rule.unclear):
        exemption, facts = read(case)
        cases.append((exemption, replace(facts, now=NOW), [], True))
    assignments: list[Any] = [Unread("-"), Assignment(ASSIGNMENT, INITIATIVE, {"denypublic": "/x"})]
    for _ in range(40 if name in TIMED else 4):
        exemption, dates = random_exemption(chance)
        facts = Facts(NOW, None, chance.choice(assignments), planned=PLANNED)
        facts = as_of(facts, exemption, NOW, known=False)
        cases.append((exemption, facts, dates, False))
    for exemption, facts, dates, known in cases:
        for option in options:
            moment, now = rule.next_change(exemption, facts, option), answer(rule, exemption, facts, option)
            for at in set(boundaries(moment, dates)):
                then = answer(rule, exemption, as_of(facts, exemption, at, known=known), option)
                assert then == now, f"{then} at {at}, though {now} until {moment}: {exemption.body}"


@pytest.mark.parametrize("name", sorted(TIMED))
def test_the_moment_is_no_earlier_than_need_be(name: str) -> None:
    """Where it has come the answer does change, unless it may at any time: else all would be judged each time."""
    rule, chance, seen = all_rules()[name], Random(name), 0  # noqa: S311
    for _ in range(400):
        exemption, _ = random_exemption(chance)
        facts = as_of(Facts(NOW, None, planned=PLANNED), exemption, NOW, known=False)
        moment = rule.next_change(exemption, facts, rule.options())
        if moment is not None and NOW < moment < FAR[1].replace(hour=0, minute=0, second=0):
            seen += 1
            then = as_of(facts, exemption, moment, known=False)
            assert answer(rule, exemption, then, rule.options()) != answer(rule, exemption, facts, rule.options())
    assert bool(seen) is (name != "expiry-too-far"), "a limit that moves with the time moves at any time"


def test_rules_that_do_not_look_at_the_time_say_never() -> None:
    assert {name for name, rule in all_rules().items() if rule.next_change is not never} == TIMED


@pytest.mark.parametrize("overridden", [False, True])
def test_what_all_rules_find_is_the_same_until_the_moment(overridden: bool) -> None:
    ruleset = _with_overrides() if overridden else load_ruleset()
    chance = Random(7)  # noqa: S311
    ends = [datetime(2026, 11, 25, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)] if overridden else []
    for _ in range(60):
        exemption, dates = random_exemption(chance)
        facts = as_of(Facts(NOW, None, Assignment(ASSIGNMENT, INITIATIVE, {"x": "/x"})), exemption, NOW, known=False)
        moment, found = next_change(exemption, facts, ruleset), answers_found(exemption, facts, ruleset)
        assert moment is None or moment >= NOW
        for at in set(boundaries(moment, [*dates, *ends])):
            assert answers_found(exemption, as_of(facts, exemption, at, known=False), ruleset) == found


def _with_overrides() -> Ruleset:
    rules = "\n".join(f"  {name}: alert" for name in ("expired", "review-due", "expiry-missing", "expiry-too-far"))
    return parse_ruleset(f"""
version: 2
mode: audit
rules:
{rules}
overrides:
  - expires: 2026-11-25
    exemption_category: [Waiver]
    rules: {{expired: {{options: {{keep_days: 7}}}}, review-due: off}}
  - expires: 2027-01-01
    scope: "/**"
    rules: {{expiry-missing: tag}}
""")


def test_a_rule_that_crashes_may_change_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> datetime:
        raise ZeroDivisionError

    ruleset = parse_ruleset("version: 2\nmode: audit\nrules: {expired: alert}")
    (bound,) = ruleset.limits.bound().values()
    object.__setattr__(bound, "rule", replace(bound.rule, next_change=crash))
    exemption, facts = read(Case(""))
    assert next_change(exemption, replace(facts, now=NOW), ruleset) == NOW
    assert "next_change" in {one.name for one in fields(bound.rule)}
