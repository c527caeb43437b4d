"""Restore an exemption: undo the service's last revert, or a delete by anybody. --at restores an older version.

The service then leaves the exemption alone until somebody changes it. You can run `restore` again. With --dry-run, the
command only shows the body. `history ID` shows the versions of an exemption. `deleted list` shows the deleted
exemptions."""

import argparse
from collections.abc import Mapping
from typing import Any

from guardrails.cli.online import with_service
from guardrails.cli.options import add_by, add_format, add_id, exemption_id
from guardrails.cli.screen import Screen
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_id(parser)
    parser.add_argument(
        "--at",
        type=_version,
        metavar="VERSION",
        help="the number of a history entry that keeps a body; default: undo the last revert or delete",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the body; write nothing")
    add_by(parser)
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Restore it, or show it."""
    exemption = exemption_id(args)

    async def work(service: Service) -> Mapping[str, Any]:
        return await service.reconciler.restore(exemption, args.by, at=args.at, dry_run=args.dry_run)

    body = with_service(work)
    if args.format == "json":
        screen.json({"id": exemption.text, "restored": not args.dry_run, "body": body})
    elif args.dry_run:
        screen.note(f"{exemption.text}: the command would write this body; nothing was changed")
        screen.raw_json(body)
    else:
        screen.line(f"restored by {args.by}: {exemption.text}")
        screen.line(
            "The service leaves it alone until somebody changes it. If it breaks a rule, fix it; register and history"
            " show the restore."
        )
    return 0


def _version(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not number:
        raise argparse.ArgumentTypeError("use the number of a history entry, 1 or more; `history ID` lists them")
    return number
