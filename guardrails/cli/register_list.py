"""`register list`: the rows as a table, JSON or CSV, sorted by the severity of what is broken, then by days left."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.register_rows import Found, Reading, add_filters, filters_of, owner_shown
from guardrails.cli.register_text import csv_line, writing
from guardrails.cli.screen import Cell, Screen
from guardrails.criteria.model import line_of
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time
from guardrails.wiring import Service

FIRST: Final = 200
"""Rows that a terminal shows unless all are asked for."""

COLUMNS: Final = (
    "id", "status", "severity", "findings", "expiry_state", "days_left", "expiry_since", "expires_on", "owner",
    "ticket", "assignment", "since", "adopted", "held", "hold_until",
    "hold_by", "hold_reason", "rebuilt", "problem", "criteria_weakened",
)  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_filters(parser)
    parser.add_argument("--all", action="store_true", help=f"in a terminal, show all rows, not only the first {FIRST}")
    add_format(parser, ("table", "json", "csv"))


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List the rows; 1 where one cannot be trusted."""
    reading = Reading(filters_of(args), screen)
    with screen.progress("rows") as progress:

        async def work(service: Service) -> list[Found]:
            return [one async for one in reading.rows(service, progress)]

        found = with_service(work)
    found.sort(key=lambda one: one.order)
    if args.format == "table":
        _table(found, reading.altered(), screen, everything=args.all or not screen.terminal)
        screen.note(f"{len(found):,} of {number_of(reading.count, 'exemption')} in the register")
    elif args.format == "json":
        screen.json([*reading.altered(), *_items(found)])
    else:
        with writing(None) as write:
            write(csv_line(screen.form.columns(COLUMNS)))
            for item in (*reading.altered(), *_items(found)):
                write(csv_line([item.get(name) for name in screen.form.kept(COLUMNS)]))
    reading.note_unrecorded()
    return reading.sum_up()


def _items(found: Sequence[Found]) -> Iterator[dict[str, Any]]:
    for one in found:
        row = one.row
        yield {
            "id": row.id,
            "status": str(row.status),
            "severity": one.severity or None,
            "findings": list(row.findings),
            **one.expiry_now(),
            "expires_on": spell_time(row.expires_on) if row.expires_on else None,
            "owner": row.owner,
            "ticket": row.ticket,
            "assignment": row.assignment,
            "since": spell_time(row.since),
            "adopted": spell_time(row.adopted) if row.adopted else None,
            "held": row.held,
            "hold_until": spell_time(row.hold.until) if row.hold else None,
            "hold_by": row.hold.by if row.hold else "",
            "hold_reason": row.hold.reason if row.hold else "",
            "rebuilt": one.stored.altered,
            "criteria_weakened": one.weakened.to_json(),
        }


def _table(found: Sequence[Found], altered: Sequence[Mapping[str, str]], screen: Screen, *, everything: bool) -> None:
    if not found and not altered:
        return
    shown = found if everything else found[:FIRST]
    columns: tuple[str, ...]
    rows: list[Sequence[Cell]]
    if screen.terminal:
        columns = ("severity", "status", "findings", "expiry", "owner", "exemption")
        rows = [("", one["status"], "", "", "", [one["id"], one["problem"]]) for one in altered]
        screen.table(columns, [*rows, *map(_folded, shown)], lines=True)
    else:
        columns = ("severity", "status", "findings", "expiry", "days left", "since", "ends", "owner", "exemption")
        rows = [("-", one["status"], "-", "-", "-", "-", "-", "-", one["id"]) for one in altered]
        screen.table(columns, [*rows, *map(_flat, shown)])
    if len(shown) < len(found):
        screen.note(f"the first {len(shown):,} of {len(found):,} are shown; --all shows all, --state and others fewer")


def _flat(one: Found) -> tuple[Cell, ...]:
    row, expiry = one.row, one.expiry
    times = [spell_time(time) if time else "-" for time in (expiry.since, row.expires_on)]
    left = "-" if expiry.days_left is None else str(expiry.days_left)
    codes = ",".join(row.findings) or "-"
    return one.severity or "-", str(row.status), codes, expiry.name, left, *times, owner_shown(row) or "-", row.id


def _folded(one: Found) -> tuple[Cell, ...]:
    row, expiry = one.row, one.expiry
    state = [expiry.name]
    if expiry.days_left is not None:
        state.append(f"{number_of(expiry.days_left, 'day')} left")
    if expiry.since is not None:
        state.append(f"since {spell_time(expiry.since)[:10]}")
    weakened = [f"criteria weakened: {line_of(one.weakened)}"] if one.weakened.is_shown else []
    where = [one.id.name, f"at {one.id.scope}", *weakened]
    return one.severity, str(row.status), list(row.findings) or [""], state, owner_shown(row), where
