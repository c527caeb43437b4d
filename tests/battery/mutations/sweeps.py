"""What sweeps visit, rows that instances share, restores and the bodies that are kept: the fixes, each taken away."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from guardrails.decisions.bodies import freed, named
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Stored
from guardrails.decisions.watch import Watch
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import parse_time
from guardrails.register.keys import address
from tests.battery.mutations.base import Mutation, around, instead, mutation

_DONE: Final = ("reverted", "put-back", "removed", "restored", "brought-back", "tagged", "untagged")
_BODIES: Final = "tests/reconcile/test_bodies.py::"


def _those_that_are_there(old: Any, watch: Watch, *args: Any, **more: Any) -> str:
    return "" if watch.gone else str(old(watch, *args, **more))


def _never_begun(old: Any, *args: Any) -> Watch:
    found: Watch = old(*args)
    return found._replace(begun=False)


def _raises(_: Any, value: object) -> tuple[datetime | None, str]:
    return parse_time(value), ""


async def _left_to_do(
    old: Any, visit: Any, stored: Any, row: Row, entry: Entry, *args: Any, **more: Any
) -> Stored | None:
    row = replace(row, due=None) if entry.event in _DONE and row.due == entry.at else row
    found: Stored | None = await old(visit, stored, row, entry, *args, **more)
    return found


async def _with_all_bodies(old: Any, register: Any, exemption: ExemptionId, seq: int) -> object:
    place = address(exemption)
    async for _ in register._rows(place, f"history~{place.key}~"):
        pass
    return await old(register, exemption, seq)


def _taken_are_spare(old: Any, before: Row | None, row: Row, *args: Any, **more: Any) -> Row:
    found: Row = old(before, row, *args, **more)
    taken = freed(before, row)
    if taken is None or found.bodies is None:
        return found
    return replace(found, bodies=tuple(sorted({*found.bodies, taken} - named(found))))


def _without_compliant(old: Any, row: Row) -> frozenset[int]:
    found: frozenset[int] = old(row)
    kept = {row.snapshot, row.undo, row.intent.body if row.intent else None}
    return frozenset(entry for entry in found if entry in kept)


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "gone-rows-skipped",
        "Sweeps visit the rows of deleted exemptions with something left to do.",
        "tests/sweep/test_left_behind.py",
        around("guardrails.sweep.compare.left_to_do", _those_that_are_there),
    ),
    mutation(
        "unseen-rows-skipped",
        "Sweeps visit what was begun and not ended, though its container cannot be seen.",
        "tests/sweep/test_left_behind.py",
        around("guardrails.decisions.watch.Watch.of", _never_begun),
    ),
    mutation(
        "damaged-run-stops-sweeps",
        "A bad time in a row that all sweeps share breaks no sweep.",
        "tests/sweep/test_damaged_rows.py::test_the_row_of_sweeps",
        around("guardrails.register.sweeps._time", _raises),
    ),
    mutation(
        "restore-taken-back",
        "Restore that is repeated takes nothing back of what its first run did.",
        "tests/reconcile/test_restore_repeated.py::test_a_second_time_says_what_takes_it_back",
        instead("guardrails.reconcile.restore.is_restored", lambda *_: False),
    ),
    mutation(
        "tag-after-restore-forgotten",
        "What is decided while a write is concluded is done, at every scope.",
        "tests/sweep/test_left_to_do.py::test_the_tag_of_what_was_restored",
        around("guardrails.reconcile.visit.Visit.commit", _left_to_do),
    ),
    mutation(
        "put-back-reads-all-bodies",
        "A put-back reads two bodies at most, however long the history.",
        _BODIES + "test_a_put_back_reads_one_body_however_long_the_history",
        around("guardrails.register.table_register.TableRegister.kept", _with_all_bodies),
        around("guardrails.register.table_register.TableRegister.entry", _with_all_bodies),
    ),
    mutation(
        "bodies-never-pruned",
        "Bodies that nothing needs are pruned.",
        _BODIES + "test_of_many_edits_the_newest_bodies_and_those_that_are_needed_stay",
        instead("guardrails.reconcile.reconcile.is_due", lambda *_: False),
    ),
    mutation(
        "bodies-of-before-uncounted",
        "The bodies of a row of before are counted and pruned, too.",
        _BODIES + "test_an_old_row_is_counted_once_and_pruned_step_by_step",
        around(
            "guardrails.reconcile.reconcile.is_due", lambda old, row, *rest: row.bodies is not None and old(row, *rest)
        ),
    ),
    mutation(
        "taken-bodies-pruned",
        "A body that was taken away is kept for 400 days.",
        _BODIES + "test_what_was_taken_by_a_revert_is_kept_for_400_days",
        instead("guardrails.decisions.bodies.freed", lambda *_: None),
        around("guardrails.decisions.bodies.counted", _taken_are_spare),
    ),
    mutation(
        "good-bodies-pruned",
        "The body of the last compliant state is kept.",
        _BODIES + "test_of_many_edits_the_newest_bodies_and_those_that_are_needed_stay",
        around("guardrails.decisions.bodies.named", _without_compliant),
    ),
)
