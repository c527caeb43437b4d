"""Who deleted an exemption, and what evasion is told: the fixes, each taken away."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from guardrails.decisions.evasion import Habit
from guardrails.decisions.row import Row
from guardrails.exemption.model import Exemption
from guardrails.notices.digest import URGENT
from guardrails.notices.notice import Kind, Notice
from tests.battery.mutations.base import Mutation, Patch, around, instead, mutation

_TESTS: Final = "tests/reconcile/durability/test_verified.py::"
_WITHOUT: Final = URGENT - {Kind.EVASION_ATTEMPTED}


async def _as_verified(old: Any, visit: Any, *args: Any, **more: Any) -> Any:
    hint = replace(visit.hint, verified=visit.hint.verified or visit.hint.operation == "delete")
    return await old(replace(visit, hint=hint), *args, **more)


async def _by_the_event(_: Any, __: Any, row: Row, ___: datetime) -> tuple[str, str]:
    return row.lost_said, "who deleted it is what an event says"


async def _of_any_life(old: Any, visit: Any, row: Row, now: datetime) -> Any:
    return await old(visit, replace(row, written_at=None), now)


def _deletes_alone(old: Any, *args: Any) -> Any:
    return [one for one in old(*args) if "delete" in one]


async def _unsaid(old: Any, *args: Any) -> tuple[str, str]:
    by, _ = await old(*args)
    return by, ""


async def _the_hint(_: Any, visit: Any) -> Any:
    return visit.hint if visit.hint.operation == "delete" else replace(visit.hint, actor="")


def _anew_though_lost(old: Any, row: Row | None, exemption: Exemption, *args: Any) -> Row | None:
    lost = row is not None and row.wanted_back
    found: Row | None = old(replace(row, settled="it came back") if row and lost else row, exemption, *args)
    return found


def _unnotified(habit: Habit) -> tuple[Patch, ...]:
    """Return the patches by which a habit is noted nowhere."""

    def attempted(old: Any, row: Row, tried: Habit) -> Row:
        found: Row = row if tried is habit else old(row, tried)
        return found

    return tuple(
        around(f"guardrails.{user}.attempted", attempted) for user in ("decisions.next_row", "reconcile.defer")
    )


def _by_its_time(old: Any, *args: Any, at: datetime, **more: Any) -> Notice:
    found: Notice = old(*args, at=at, **more)
    return replace(found, id=f"{found.id}-{at:%Y%m%d%H%M%S}")


async def _unforged(old: Any, intake: Any, raw: str, event_id: str, reason: str, *, forged: str = "") -> None:
    del forged
    await old(intake, raw, event_id, reason)


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "events-say-who",
        "A delete is unverified until the activity log was read: nothing follows from who is said to have done it.",
        _TESTS + "test_until_the_log_is_asked_nothing_follows_whoever_is_said_to_have_done_it",
        around("guardrails.reconcile.reconcile.lose", _as_verified),
        around("guardrails.reconcile.reconcile.restore_lost", _as_verified),
    ),
    mutation(
        "log-not-asked",
        "After that what the activity log says decides.",
        _TESTS + "test_then_what_the_log_says_decides_and_the_history_says_so",
        around("guardrails.reconcile.restore_lost._deleter", _by_the_event),
    ),
    mutation(
        "log-of-any-life",
        "A delete of an earlier life of the exemption is not taken for this one.",
        _TESTS + "test_a_delete_of_an_earlier_life_is_not_taken_for_this_one",
        around("guardrails.reconcile.restore_lost._deleter", _of_any_life),
        around("guardrails.azure.deletions._records", _deletes_alone),
    ),
    mutation(
        "how-it-is-known-unsaid",
        "The history says by what it is known who deleted it.",
        _TESTS + "test_then_what_the_log_says_decides_and_the_history_says_so",
        around("guardrails.reconcile.restore_lost._deleter", _unsaid),
    ),
    mutation(
        "old-events-believed",
        "An old delete event that comes again says nothing of a later loss.",
        "tests/reconcile/durability/test_hard_cases.py::test_an_old_delete_event_that_comes_again_says_nothing_of_a_later_loss",
        around("guardrails.reconcile.restore_lost._believed", _the_hint),
    ),
    mutation(
        "approved-until-made-anew",
        "Who deletes an approved exemption and makes it anew gets no further than by an edit.",
        _TESTS + "test_who_deletes_an_approved_one_and_makes_it_anew_gets_no_further_than_by_an_edit",
        around("guardrails.reconcile.visit.row_of_same", _anew_though_lost),
    ),
    mutation(
        "loss-silenced-by-another",
        "The loss of an approved exemption is told, though another was made under its name.",
        _TESTS + "test_another_under_its_name_from_another_assignment_does_not_silence_the_loss",
        instead("guardrails.reconcile.visit._replaced", lambda *_: False),
    ),
    mutation(
        "bad-twin-stands-for-it",
        "A bad exemption under another name does not stand for a lost one.",
        _TESTS + "test_a_bad_one_under_another_name_does_not_stand_for_it",
        instead("guardrails.reconcile.restore_lost._is_accepted", lambda _: True),
    ),
    mutation(
        "claims-untold",
        "Who claims an owner by an edit is told as evasion.",
        "tests/reconcile/test_authority.py::test_the_claim_in_small_steps_protects_nothing_and_is_told_once",
        *_unnotified(Habit.CLAIMED_OWNER),
    ),
    mutation(
        "toggling-untold",
        "Who breaks an exemption again each time it is mended is told as evasion.",
        "tests/reconcile/test_clocks.py::test_who_breaks_it_again_each_time_it_is_mended_is_told_once",
        *_unnotified(Habit.TOGGLING),
    ),
    mutation(
        "flood-untold",
        "Who floods one exemption is told as evasion.",
        "tests/reconcile/test_budgets.py::test_it_is_told_once_and_goes_on_by_itself_at_the_very_second",
        *_unnotified(Habit.FLOOD),
    ),
    mutation(
        "forged-ids-untold",
        "A forged id is told as evasion.",
        "tests/intake/test_events.py::test_an_id_that_cannot_name_one_exemption_is_told_once_an_hour_as_evasion",
        around("guardrails.intake.Intake.malformed", _unforged),
    ),
    mutation(
        "evasion-told-each-time",
        "Evasion is told once an exemption and habit.",
        "tests/reconcile/test_authority.py::test_the_claim_in_small_steps_protects_nothing_and_is_told_once",
        around(
            "guardrails.decisions.evasion.news", lambda _, __, row: [habit for habit in Habit if habit in row.evaded]
        ),
        around("guardrails.decisions.evasion.notice", _by_its_time),
    ),
    mutation(
        "evasion-in-digests",
        "Evasion is told at once, never in a digest.",
        "tests/delivery/test_digest.py::test_what_cannot_wait_is_never_gathered_and_does_not_count",
        instead("guardrails.notices.digest.URGENT", _WITHOUT),
    ),
)
