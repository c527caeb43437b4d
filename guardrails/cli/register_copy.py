"""`register export --full` and `register import`: a copy of every row of the register, and putting it back.

The copy holds what the table holds: bodies of exemptions and names of people too. Import leaves alone what is there and
differs, unless the copy goes on from it; `--force` has the copy replace that.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.register_text import writing
from guardrails.cli.screen import Screen
from guardrails.errors import Misconfigured
from guardrails.exemption.counts import number_of
from guardrails.register.backup import Writer, check, is_pruned, read
from guardrails.register.reinstate import Tally
from guardrails.wiring import Service

_SAID: Final = 20
_VERIFY: Final = "`exg history ID --verify` lists what is wrong"
_LINES: Final = (
    ("restored", "exemptions restored"),
    ("forwarded", "exemptions updated from an older state"),
    ("same", "exemptions that were already the same"),
    ("kept", "exemptions kept, because the table has the same or newer entries"),
    ("replaced", "exemptions replaced, because they had another history"),
    ("rows", "other rows restored"),
    ("pruned", "bodies in their histories were pruned before the copy, or here"),
)
"""Numbers of a Tally, and what they are said to be."""
_FILTERS: Final = ("state", "rule", "scope", "owner", "days_left", "adopted", "held", "on_hold", "now")


def import_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what import takes."""
    parser.add_argument("file", metavar="FILE", help="a file from `register export --full --out FILE`")
    parser.add_argument("--dry-run", action="store_true", help="check the file and show the plan; write nothing")
    parser.add_argument("--force", action="store_true", help="let the copy replace rows that differ from it")
    add_format(parser)


def export(name: str | None, screen: Screen) -> int:
    """Write a full copy to a file, or to standard output; 1 where an exemption's rows are not sound."""
    problems: list[str] = []
    pruned = 0
    with writing(name) as put, screen.progress("rows", quiet=screen.terminal and not name) as progress:

        async def work(service: Service) -> int:
            nonlocal pruned
            writer = Writer(put, service.settings.table, datetime.now(UTC))
            async for _, rows, wrong in service.register.backup.partitions():
                for row in rows.values():
                    writer.row(row)
                    pruned += is_pruned(row)
                problems.extend(wrong)
                progress(writer.count, 0)
            writer.end()
            return writer.count

        count = with_service(work)
    if name:
        less = f"; {number_of(pruned, 'body', 'bodies')} had been pruned" if pruned else ""
        screen.note(f"{number_of(count, 'row')} copied to {name}{less}")
    _say(f"copied unchanged, but its rows are wrong; {_VERIFY}", problems, screen)
    return 1 if problems else 0


def run_import(args: argparse.Namespace, screen: Screen) -> int:
    """Put a copy back; 1 where something was left as it is, or is not sound."""
    path, tally = Path(args.file), Tally()
    total = check(path)
    with screen.progress("rows") as progress:

        async def work(service: Service) -> None:
            done = 0
            for partition, rows in read(path):
                await service.register.reinstate.partition(
                    partition, rows, tally, force=args.force, dry_run=args.dry_run
                )
                done += len(rows)
                progress(done, total)

        with_service(work)
    if args.format == "json":
        screen.json({name: getattr(tally, name) for name in Tally.__slots__} | {"dry_run": args.dry_run})
    else:
        _show(tally, screen, dry_run=args.dry_run)
    return 1 if any((tally.refused, tally.rows_kept, tally.unsound, tally.missed, tally.problems)) else 0


def _show(tally: Tally, screen: Screen, *, dry_run: bool) -> None:
    for name, text in _LINES:
        if count := getattr(tally, name):
            screen.line(f"{text}: {count:,}")
    if dry_run:
        screen.line("nothing was written: --dry-run")
    _say("not changed, because it has another history; --force replaces it", tally.refused, screen)
    _say("not changed, because it differs; --force replaces it", tally.rows_kept, screen)
    _say("not changed, because its rows in the copy are wrong; take another copy", tally.unsound, screen)
    _say("somebody else wrote it meanwhile; import again", tally.missed, screen)
    _say(f"not sound; {_VERIFY}", tally.problems, screen)


def _say(what: str, about: list[str], screen: Screen) -> None:
    for one in about[:_SAID]:
        screen.problem(f"{one}: {what}")
    if len(about) > _SAID:
        screen.problem(f"and {len(about) - _SAID} more: {what}")


def refuse_filters(args: argparse.Namespace) -> None:
    """Raise Misconfigured (not-with-full) where a filter, or a format, was given beside --full."""
    values = {name: getattr(args, name) for name in _FILTERS}
    given = [f"--{name.replace('_', '-')}" for name, value in values.items() if value or type(value) is int]
    given += ["--format csv"] if args.format == "csv" else []
    if given:
        raise Misconfigured(
            "a full copy has every row, as JSON lines", code="not-with-full", remedy=f"Leave out {', '.join(given)}"
        )
