"""The record that auditors ask for: it is sound, and has each calm sweep and each ruleset that decided."""

from datetime import datetime
from typing import Any, Final

from guardrails.decisions.heads import head
from guardrails.exemption.times import parse_time
from guardrails.register.verify_record import RecordCheck, check_record
from tests.battery.watchers.book import SLACK, Book, Step

_SAID: Final = ("seen", "known", "adopted", "queued", "missing", "seconds")


async def _checked(book: Book) -> tuple[dict[str, Any], RecordCheck]:
    rows = dict(await book.end.register.backup.record())
    return rows, check_record(rows)


async def the_record_is_sound(book: Book) -> list[str]:
    """The record of sweeps verifies, and every history entry that a sweep recorded is there.

    Operators run an import that broke off again. A sweep in between wrote the heads anew, and the record says so.
    """
    _, record = await _checked(book)
    ledger = book.end.people.ledger
    broke_off = any(one.problem and one.what in ("import", "import --force", "wipe") for one in ledger.operated)
    found = [text for text in record.problems if not (broke_off and " of the heads: " in text)]
    if ledger.wiped:  # what was written after the copy was made is lost, and reported
        return found
    for one, entries in book.end.history.items():
        there = {head(entry.seq, entry.hash) for entry in entries}
        found += [f"{one.key}: {text}" for text in record.compare(one.hash, there)]
    return found


async def a_sweep_in_calm_is_recorded(book: Book) -> list[str]:
    """The last sweep, which nothing disturbs, is in the record with its report and with every history that it read."""
    last = await book.end.register.sweeps.last()
    if last is None or last.until is not None:
        return []
    _, record = await _checked(book)
    started = parse_time(last.report.get("started"))
    newest = next((one for one in reversed(record.sweeps) if one.started == started), None)
    report = newest.said.get("report") if newest is not None and newest.ended is not None else None
    if started is None or report is None:
        return [f"the sweep that began at {started} is not recorded with its report"]
    found = [f"its {name}: {report.get(name)!r}, not {last.report.get(name)!r}" for name in _SAID
             if report.get(name) != last.report.get(name)]  # fmt: skip
    return found + [f"{key}: no sweep recorded its history" for key in _left_out(book, record, started)]


def _left_out(book: Book, record: RecordCheck, started: datetime) -> list[str]:
    before = [one for one, entries in book.end.history.items() if entries and entries[0].at < started - SLACK]
    return [one.key for one in before if one.hash not in record.recorded]


async def each_ruleset_that_decided_is_recorded(book: Book) -> list[str]:
    """The text of every ruleset by which the service judged an exemption is in the record.

    Operators may judge by another one, on their own machines, and what only looks leaves the ruleset as it was.
    Versions before the record kept none. One that storage refuses for good is in the log alone. What was recorded after
    the last copy is lost with the register.
    """
    if book.end.people.ledger.wiped:
        return []
    rows, _ = await _checked(book)
    refused = set[str]().union(*(worker.unrecorded for worker in book.end.cloud.workers))
    kept = {name.split("~")[1][:12] for name in rows if name.startswith("ruleset~")} | {one[:12] for one in refused}
    used = dict[str, Step]()
    for step in book:
        digest, before = (row.ruleset.partition("+")[0] if row else "" for row in (step.row, step.before))
        by_hand = step.entry.facts.get("hint") == "operator" or digest in book.end.people.ledger.rulesets_before
        if digest != before and not by_hand:
            used[digest] = step
    return [f"{step}: by ruleset {digest}, which is not in the record" for digest, step in used.items()
            if digest and digest not in kept]  # fmt: skip


WATCHERS: Final = (the_record_is_sound, a_sweep_in_calm_is_recorded, each_ruleset_that_decided_is_recorded)
