"""Show the operations to put in the filter of the event subscription for targets of exemptions.

The event subscription must send the events of all resource types that have exemptions in the register. Event Grid takes
25 values in a filter. If there are more types, the command names those to leave out. The service then restores
exemptions of such targets only after deployments and in sweeps. Run the command again when the register has grown, and
update the filter."""

import argparse
from typing import Any

from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.targets import EVENT_TYPES, left_out, operations, ranked, types_of
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Show them; 1 where a row cannot be trusted, and is not counted."""
    refused: list[str] = []

    async def work(service: Service) -> dict[str, int]:
        rows = service.register.rows(lambda error: refused.append(str(error)))
        return types_of([ExemptionId.parse(one.row.id) async for one in rows if one.row.status is not Status.GONE])

    types = with_service(work)
    if args.format == "json":
        screen.json(_document(types))
    else:
        for operation in operations(types):
            screen.line(operation)
        for name in left_out(types):
            screen.note(f"no room for {name} ({types[name]}): only deployments and sweeps restore these exemptions")
    for problem in refused:
        screen.problem(problem)
    return 1 if refused else 0


def _document(types: dict[str, int]) -> dict[str, Any]:
    return {
        "event_types": EVENT_TYPES,
        "operations": operations(types),
        "types": {name: types[name] for name in ranked(types)},
        "left_out": left_out(types),
    }
