"""Break-glass: make the service leave one exemption alone until a time.

While the hold lasts, the service judges and reports the exemption, but does not revert, tag or remove it. The hold ends
at its time, when somebody edits the exemption, or with `release`. The service sends a reminder before that time. After
the hold, it judges the exemption like any other. The command writes nothing to Azure."""

import argparse

from guardrails.cli.online import with_service
from guardrails.cli.options import add_by, add_format, add_id, exemption_id, moment
from guardrails.cli.screen import Screen
from guardrails.decisions.row import Row
from guardrails.exemption.times import spell_time
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_id(parser)
    parser.add_argument(
        "--until", type=moment, required=True, metavar="TIME", help="the end of the hold, such as 2027-06-30T18:00:00Z"
    )
    parser.add_argument("--reason", required=True, metavar="TEXT", help="the reason, for the history and for notices")
    add_by(parser)
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Hold it, and say until when."""
    exemption = exemption_id(args)

    async def work(service: Service) -> Row:
        return await service.reconciler.hold(exemption, args.by, until=args.until, reason=args.reason)

    row = with_service(work)
    until = spell_time(row.hold.until if row.hold else args.until)
    if args.format == "json":
        screen.json({"id": exemption.text, "status": str(row.status), "until": until, "by": args.by})
    else:
        screen.line(f"on hold until {until} by {args.by}: {exemption.text}")
        screen.line("An edit of the exemption ends the hold, and so does `release`. Another `hold` moves its end.")
    return 0
