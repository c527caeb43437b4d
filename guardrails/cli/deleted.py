"""The recycle bin: list every deleted exemption that the register knows, latest first.

For each exemption, the list shows what `restore ID` would write, and why a restore may fail. The command reads only the
register, not Azure. Exit code 1: somebody changed a row outside the service. Filters never hide such a row; its status
is `altered`.
"""

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.cli.deleted_rows import Departure, departures, is_deleted
from guardrails.cli.online import with_service
from guardrails.cli.options import add_format, add_scope_and_owner, moment
from guardrails.cli.register_rows import Filters, Reading
from guardrails.cli.register_text import csv_line, writing
from guardrails.cli.screen import Cell, Screen
from guardrails.decisions.ownership import is_claim
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time
from guardrails.wiring import Service

FIRST: Final = 200
"""Rows that a terminal shows unless all are asked for."""

COLUMNS: Final = (
    "id", "status", "at", "how", "by", "why", "version", "expires_on", "assignment", "display_name", "owner", "ticket",
    "restorable", "against", "rebuilt", "problem",
)  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="list", required=True)
    some = actions.add_parser("list", help="list deleted exemptions, latest first")
    add_scope_and_owner(some)
    some.add_argument(
        "--since",
        type=moment,
        metavar="DATE",
        help="only those deleted on this date (UTC) or later, such as 2026-11-01",
    )
    some.add_argument(
        "--now", type=moment, metavar="TIME", help="treat exemptions that end by this time as expired; default: now"
    )
    some.add_argument("--all", action="store_true", help=f"in a terminal, show all rows, not only the first {FIRST}")
    add_format(some, ("table", "json", "csv"))


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List what is gone; 1 where a row cannot be trusted."""
    now = args.now or datetime.now(UTC)
    reading = Reading(_filters(args, now), screen)
    with screen.progress("rows") as progress:

        async def work(service: Service) -> list[Departure]:
            # a row's status never begins before it went
            rows = [
                one
                async for one in reading.rows(service, progress)
                if is_deleted(one.row) and (args.since is None or one.row.since >= args.since)
            ]
            return await departures(service, rows, now)

        found = with_service(work)
    found = [one for one in found if args.since is None or one.at >= args.since]
    found.sort(key=lambda one: (-one.at.timestamp(), one.found.id.key))
    if args.format == "table":
        _table(found, reading.altered(), screen, everything=args.all or not screen.terminal)
        screen.note(f"{len(found):,} deleted, of {number_of(reading.count, 'exemption')} in the register")
    elif args.format == "json":
        screen.json([*reading.altered(), *(one.to_json() for one in found)])
    else:
        with writing(None) as write:
            write(csv_line(screen.form.columns(COLUMNS)))
            for item in (*reading.altered(), *(one.to_json() for one in found)):
                write(csv_line([item.get(name) for name in COLUMNS]))
    return reading.sum_up()


def _filters(args: argparse.Namespace, now: datetime) -> Filters:
    nothing: frozenset[str] = frozenset()
    return Filters(
        states=nothing, statuses=nothing, rules=nothing, scopes=tuple(args.scope), owners=tuple(args.owner),
        days_left=None, adopted=False, held=False, on_hold=False, now=now,
    )  # fmt: skip


def _table(
    found: Sequence[Departure], altered: Sequence[Mapping[str, Any]], screen: Screen, *, everything: bool
) -> None:
    if not found and not altered:
        return
    shown = found if everything else found[:FIRST]
    columns: tuple[str, ...]
    rows: list[Sequence[Cell]]
    if screen.terminal:
        columns = ("gone", "by", "would be put back", "exemption")
        rows = [(one["status"], "", "", [one["id"], one["problem"]]) for one in altered]
        screen.table(columns, [*rows, *map(_folded, shown)], lines=True)
    else:
        columns = ("gone", "how", "by", "version", "ends", "assignment", "owner", "why", "against", "exemption")
        rows = [("-", one["status"], *["-"] * 7, one["id"]) for one in altered]
        screen.table(columns, [*rows, *map(_flat, shown)])
    if len(shown) < len(found):
        screen.note(f"the first {len(shown):,} of {len(found):,} are shown; --all shows all, --since and others fewer")


def _flat(one: Departure) -> tuple[Cell, ...]:
    document = one.to_json()
    names = ("at", "how", "by", "version", "expires_on", "assignment", "owner", "why", "against", "id")
    return tuple(str(document[name] or "-") for name in names)


def _folded(one: Departure) -> tuple[Cell, ...]:
    document, row = one.to_json(), one.found.row
    ends = f"ends {document['expires_on'][:10]}" if document["expires_on"] else "without an end"
    what = [f"version {one.version}, {ends}", f"from {document['assignment'].rpartition('/')[2]}"]
    owner = f"{'claims ' if is_claim(row) else ''}owner {row.owner}"
    where = [one.found.id.name, f"at {one.found.id.scope}", *([owner] if row.owner else [])]
    why = [*([f"why: {one.why}"] if one.why else []), *(f"problem: {text}" for text in one.against)]
    gone = f"{one.how} {spell_time(one.at)[:10]}"
    return gone, one.by or "not known", what if document["restorable"] else "nothing", [*where, *why]
