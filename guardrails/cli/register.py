"""Show what the register knows of an exemption: its current row."""

import argparse

from guardrails.cli.online import never_seen, with_service
from guardrails.cli.options import add_format, add_id, exemption_id
from guardrails.cli.screen import Screen
from guardrails.record import Stored
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(metavar="show", required=True)
    show = actions.add_parser("show", help="show the current row")
    add_id(show)
    add_format(show)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Show the row."""
    exemption = exemption_id(args)

    async def work(service: Service) -> Stored | None:
        return await service.register.read(exemption)

    stored = with_service(work)
    if stored is None:
        raise never_seen(exemption)
    row = stored.row.to_json()
    if args.format == "json":
        screen.json({**row, "seq": stored.seq, "head": stored.head})
    else:
        shown = {**row, "newest entry": stored.seq, "its hash": stored.head}
        screen.table(("field", "value"), [(name, _lines(value)) for name, value in shown.items()])
    if stored.altered:
        screen.note(f"rebuilt from the history, for the row was changed from outside: {stored.altered}")
    return 0


def _lines(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {item}" for name, item in value.items()]
    if isinstance(value, list):
        return [str(item) for item in value]
    return [str(value)]
