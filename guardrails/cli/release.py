"""End a hold on an exemption. The service judges it at once, like any other."""

import argparse

from guardrails.cli.online import with_service
from guardrails.cli.options import add_by, add_format, add_id, exemption_id
from guardrails.cli.screen import Screen
from guardrails.reconcile.visit import Outcome
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_id(parser)
    add_by(parser)
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Release it, and say what came of it."""
    exemption = exemption_id(args)

    async def work(service: Service) -> Outcome:
        return await service.reconciler.release(exemption, args.by)

    outcome = with_service(work)
    document = {"id": exemption.text, "status": str(outcome.row.status), "did": outcome.did}
    if args.format == "json":
        screen.json(document)
    else:
        screen.line(f"released by {args.by}: {exemption.text}")
        screen.line(f"{document['status']}; changed in Azure: {document['did'] or 'nothing'}")
    return 0
