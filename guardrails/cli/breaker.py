"""Show or close the breaker, which limits reverts.

`show` prints the number of reverts in the last hour, whether the breaker is open, and the reverts that wait for the
breaker or for a budget. `close` allows reverts again, and puts the waiting exemptions on the reconcile queue. Look at
the reverts first. The usual causes of an open breaker are a mistake in the ruleset, and a pipeline that writes many
exemptions at once.
"""

import argparse
from typing import Any

from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.errors import Misconfigured
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time
from guardrails.ruleset.budgets import BREAKER
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("action", nargs="?", choices=("show", "close"), default="show", help="default: show")
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Show it, or close it and show what went on the queue."""
    document = with_service(_close if args.action == "close" else _look)
    if args.format == "json":
        screen.json(document)
        return 0
    since = f" since {document['opened_at']}" if document["opened_at"] else ""
    limit = f" (limit: {document['limit']:,})" if document["limit"] is not None else ""
    reverts = number_of(document["recent"], "revert")
    screen.line(f"{document['state']}{since}: {reverts} in the last hour{limit}", style=document["state"])
    for exemption, why in document["waits"].items():
        what = "queued" if args.action == "close" else "waits" if why == BREAKER else f"waits ({why})"
        screen.line(f"{what}: {exemption}")
    return 0


async def _look(service: Service) -> dict[str, Any]:
    state = await service.register.breaker(service.world.clock.now())
    waits = await service.register.held()
    return {
        "state": "open" if state.opened_at else "closed",
        "opened_at": spell_time(state.opened_at) if state.opened_at else None,
        "recent": state.recent,
        "limit": _limit(service),
        "held": list(waits),
        "waits": waits,
    }


async def _close(service: Service) -> dict[str, Any]:
    """Close it first: what is put on the queue before that could be held again."""
    await service.register.close_breaker(service.world.clock.now())
    document = await _look(service)
    for exemption in document["held"]:
        await service.world.queues.send("reconcile", {"id": exemption})
    return document


def _limit(service: Service) -> int | None:
    """Return the ruleset's limit; None while it is broken, which must not keep anybody from closing the breaker."""
    try:
        return service.ruleset().reverts_per_hour
    except Misconfigured:
        return None
