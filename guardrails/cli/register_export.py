"""`register export`: everything that the register knows of each row, as JSON lines or CSV, a row at a time.

With `seq` and `head`, the number and hash of its newest history entry, an auditor can later see whether the history
still holds that entry. `--full` copies every row of the table instead, for `register import`.
"""

import argparse
import json
from functools import partial
from typing import Any, Final

from guardrails.cli import register_copy
from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.register_rows import Found, Reading, add_filters, filters_of
from guardrails.cli.register_text import csv_line, writing
from guardrails.cli.schema_version import Form
from guardrails.cli.screen import Screen
from guardrails.dataclass import fields
from guardrails.decisions.row import Row
from guardrails.exemption.counts import number_of
from guardrails.wiring import Service

_TODAY: Final = Form("register export").from_stored(dict.fromkeys(item.name for item in fields(Row)))
COLUMNS: Final = (
    *_TODAY, "expiry_state", "days_left", "expiry_since", "seq", "head", "rebuilt", "problem",
)  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_filters(parser)
    add_format(parser, ("json", "csv"), "json", "json: an object a line; the default")
    parser.add_argument("--full", action="store_true", help="export every row of the table, for `register import`")
    parser.add_argument(
        "--out", metavar="FILE", help="the file to write, only after everything is read; default: standard output"
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write the rows; 1 where one cannot be trusted."""
    if args.full:
        register_copy.refuse_filters(args)
        return register_copy.export(args.out, screen)
    reading = Reading(filters_of(args), screen)
    as_text = partial(_csv if args.format == "csv" else _json, screen.form)
    with writing(args.out) as write, screen.progress("rows", quiet=screen.terminal and not args.out) as progress:

        async def work(service: Service) -> int:
            count = 0
            async for one in reading.rows(service, progress):
                write(as_text(_item(one, screen.form)))
                count += 1
            return count

        if args.format == "csv":
            write(csv_line(screen.form.columns(COLUMNS)))
        count = with_service(work) + len(reading.untrusted)
        for item in reading.altered():
            write(as_text(item))
    if args.out:
        screen.note(f"{number_of(count, 'row')} written to {args.out}")
    reading.note_unrecorded()
    return reading.sum_up()


def _item(one: Found, form: Form) -> dict[str, Any]:
    stored = one.stored
    rebuilt = {"rebuilt": stored.altered} if stored.altered else {}
    return {
        **form.from_stored(stored.row.to_json()),
        **one.expiry_now(),
        "seq": stored.seq,
        "head": stored.head,
        **rebuilt,
    }


def _json(form: Form, item: dict[str, Any]) -> str:
    return json.dumps(form([item])[0], default=str) + "\n"


def _csv(form: Form, item: dict[str, Any]) -> str:
    return csv_line([item.get(name) for name in form.kept(COLUMNS)])
