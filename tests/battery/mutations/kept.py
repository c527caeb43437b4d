"""What the record of sweeps and rulesets holds: the fixes, each taken away."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from guardrails.decisions.record import RecordedSweep, Tip
from guardrails.sweep.record import Recording
from guardrails.sweep.report import Report
from tests.battery.mutations.base import Mutation, around, mutation

_SWEEPS: Final = "tests/sweep/test_record.py::"


def _leaves_out(old: Callable[..., None], scanned: Any, key: bytes, value: bytes) -> None:
    if key[0] % 4:
        old(scanned, key, value)


async def _without_report(old: Any, record: Any, tip: Tip, sweep: RecordedSweep, *args: Any) -> Any:
    said = {name: value for name, value in sweep.said.items() if name != "report"}
    return await old(record, tip, replace(sweep, said=said), *args)


async def _ends_at_once(old: Any, recording: Recording, report: Report) -> bool:
    began: bool = await old(recording, report)
    await recording.end(Report.after(recording._run), frozenset(), "")
    return began


async def _only_at_the_start(old: Any, note: Any, *args: Any) -> None:
    if note._noted is None:
        await old(note, *args)


async def _as_it_was_asked(_: Any, record: Any, row: str, sweep: RecordedSweep) -> RecordedSweep:
    return sweep


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "record-leaves-one-out",
        "Each sweep records the newest entry of every history.",
        _SWEEPS + "test_what_the_register_lacks_is_found_by_the_next_sweep_and_reported_once",
        around("guardrails.decisions.heads.Scanned.add", _leaves_out),
    ),
    mutation(
        "report-not-recorded",
        "The report of each sweep is in the record.",
        _SWEEPS + "test_each_sweep_is_in_the_record_with_all_that_it_saw",
        around("guardrails.register.record.Record.end", _without_report),
    ),
    mutation(
        "recorded-too-early",
        "A sweep is recorded as ended when its work is done.",
        _SWEEPS + "test_each_sweep_is_in_the_record_with_all_that_it_saw",
        around("guardrails.sweep.record.Recording.begin", _ends_at_once),
    ),
    mutation(
        "ruleset-between-sweeps-unrecorded",
        "A ruleset that comes into force between two sweeps is recorded before it decides.",
        _SWEEPS + "test_a_ruleset_that_is_changed_twice_between_two_sweeps_is_in_the_record",
        around("guardrails.sweep.in_force.InForce.used", _only_at_the_start),
    ),
    mutation(
        "unheard-write-of-the-record",
        "A write of the record whose answer got lost is found as it was written.",
        "tests/register/test_record.py",
        around("guardrails.register.record.Record._kept", _as_it_was_asked),
    ),
)
