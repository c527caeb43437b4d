"""Budgets, fights, the breaker and holds: the fixes, each taken away."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from guardrails.decisions.history import Entry
from guardrails.decisions.holds import is_held
from guardrails.decisions.row import Row, Stored
from guardrails.ports import BreakerState
from guardrails.ruleset.budgets import Full, Use
from tests.battery.mutations.base import Mutation, around, instead, mutation

_TESTS: Final = "tests/reconcile/test_budgets.py::"
_HOLDS: Final = "tests/reconcile/test_holds.py::"


def _no_exemption(old: Any, *args: Any, **more: Any) -> Full | None:
    found: Full | None = old(*args, **more)
    return None if found and found.name == "exemption" else found


def _no_fights(old: Any, times: Any, limit: int, now: datetime, fights: Any = None) -> Full | None:
    del fights
    found: Full | None = old(times, limit, now)
    return found


def _of_nobody(old: Any, *args: Any, **more: Any) -> Use:
    found: Use = old(*args, **more)
    return found._replace(author="")


def _of_no_subscription(old: Any, *args: Any, **more: Any) -> Use:
    found: Use = old(*args, **more)
    return found._replace(subscription="")


def _removal_like_a_revert(old: Any, cls: Any, *args: Any, removal: bool = False) -> Use:
    del removal
    found: Use = old(cls, *args)
    return found


def _as_if_new(old: Any, look: Any, stored: Stored | None, *args: Any, **more: Any) -> Any:
    return old(look, stored and replace(stored, row=replace(stored.row, intent=None)), *args, **more)


async def _restores_freely(_: Any, breaker: Any, now: datetime, *args: Any) -> BreakerState:
    del args
    state: BreakerState = await breaker.look(now)
    return replace(state, taken=state.opened_at is None)


async def _notified_once(old: Any, sweeper: Any, run: Any, report: Any) -> bool:
    report.open_since = None
    found: bool = await old(sweeper, run, report)
    return found


async def _without_due(
    old: Any, visit: Any, stored: Any, row: Row, entry: Entry, *args: Any, **more: Any
) -> Stored | None:
    row = replace(row, due=None) if entry.event == "held" else row
    found: Stored | None = await old(visit, stored, row, entry, *args, **more)
    return found


def _with_whose_alone(old: Any, name: str, found: Any) -> tuple[Use, ...]:
    if name in found and f"{name}_by" not in found:
        raise ValueError("it does not say whose reverts were")
    uses: tuple[Use, ...] = old(name, found)
    return uses


async def _nothing(*_: Any) -> None:
    """Do nothing."""


def _on_anything(row: Row | None, content: str, now: datetime) -> bool:
    return row is not None and row.hold is not None and is_held(row, row.hold.content, now) and content != ""


def _without_reminders(_: Any, row: Row, content: str, now: datetime) -> Any:
    return row.hold if is_held(row, content, now) else None


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "no-budget-of-one-exemption",
        "An exemption that is rewritten again and again is reverted three times an hour, and no more.",
        _TESTS + "test_one_exemption_rewritten_21_times_stops_nothing_else",
        around("guardrails.reconcile.act.full_of_one", _no_exemption),
    ),
    mutation(
        "no-fights-over-reverts",
        "Repeated reverts of one exemption are detected by count, slowed down and notified.",
        _TESTS + "test_a_fight_over_days_is_found_by_count_and_reverted_once_an_hour",
        around("guardrails.reconcile.act.full_of_one", _no_fights),
    ),
    mutation(
        "no-budget-of-an-author",
        "Who floods is held back, and what others wrote goes on.",
        _TESTS + "test_an_author_who_floods_is_held_back_and_others_are_not",
        around("guardrails.ruleset.budgets.Use.of", _of_nobody),
    ),
    mutation(
        "no-budget-of-a-subscription",
        "Several who flood one subscription leave room for others.",
        _TESTS + "test_two_who_flood_leave_room_for_a_third",
        around("guardrails.ruleset.budgets.Use.of", _of_no_subscription),
    ),
    mutation(
        "shares-counted-twice",
        "A revert that a crash cut short, and that is asked for again, uses up one share.",
        _TESTS + "test_a_crash_between_the_share_and_the_act_counts_once",
        instead("guardrails.ruleset.budgets.Use.among", lambda *_: False),
        around("guardrails.reconcile.act._asked", _as_if_new),
    ),
    mutation(
        "removals-take-reverts",
        "Removals of what has ended use up nothing of what reverts have.",
        _TESTS + "test_removals_use_up_nothing_that_reverts_have",
        around("guardrails.ruleset.budgets.Use.of", _removal_like_a_revert),
    ),
    mutation(
        "no-budget-of-restores",
        "Restores have budgets of their own: of one exemption, of who deleted it, of a subscription, and in all.",
        "tests/reconcile/durability/test_budgets.py::test_who_deletes_much_uses_up_what_is_put_back_for_him_and_nobody_else",
        around("guardrails.register.breaker.Breaker.take_restore", _restores_freely),
        around("guardrails.reconcile.restore_lost.full_of_one", lambda *_: None),
    ),
    mutation(
        "breaker-notified-once",
        "A breaker that stays open reminds daily.",
        "tests/sweep/test_differences.py::test_a_breaker_that_stays_open_reminds_each_day",
        around("guardrails.sweep.sweep.Sweeper._notify", _notified_once),
    ),
    mutation(
        "breaker-of-before",
        "A breaker's row of before, which does not say whose reverts were, counts in all.",
        "tests/register/test_breaker.py::test_a_row_of_an_older_version_counts_in_all_and_for_nobody",
        around("guardrails.register.breaker._uses", _with_whose_alone),
    ),
    mutation(
        "held-until-somebody-looks",
        "What waits for a budget goes on by itself when there is room.",
        _TESTS + "test_what_waits_for_its_author_goes_on_when_there_is_room",
        around("guardrails.reconcile.visit.Visit.commit", _without_due),
    ),
    mutation(
        "budget-notified-each-time",
        "People are notified once an hour that a budget is used up.",
        "tests/register/test_breaker.py::test_people_are_notified_of_a_budget_once_an_hour",
        around("guardrails.register.breaker.Breaker.mark_budget_notified", _nothing),
    ),
    mutation(
        "hold-not-kept",
        "What an operator holds is not reverted, tagged or removed.",
        _HOLDS + "test_what_is_held_is_left_and_judged",
        instead("guardrails.decisions.decide.is_held", lambda *_: False),
    ),
    mutation(
        "hold-of-anything",
        "A hold is on what the operator saw: an edit ends it.",
        _HOLDS + "test_a_stranger_gains_nothing_by_an_edit_during_a_hold",
        instead("guardrails.decisions.decide.is_held", _on_anything),
        instead("guardrails.decisions.holds.is_held", _on_anything),
    ),
    mutation(
        "hold-not-notified",
        "A hold is notified, and so is its end.",
        _HOLDS + "test_it_is_recorded_and_notified_with_who_and_why",
        instead("guardrails.decisions.notify.about_hold", lambda *_, **__: None),
    ),
    mutation(
        "hold-ends-unannounced",
        "People are reminded of a hold before it ends.",
        _HOLDS + "test_people_are_reminded_once_before_each_end",
        around("guardrails.decisions.next_row.hold_after", _without_reminders),
    ),
)
