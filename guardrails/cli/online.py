"""The service as the environment describes it, for the commands that need storage or Azure."""

import asyncio
from collections.abc import Awaitable, Callable

from guardrails.cli.progress import progress
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ruleset.loaded import NEWEST
from guardrails.wiring import Service, connect


def with_service[T](work: Callable[[Service], Awaitable[T]]) -> T:
    """Connect, work, close; a terminal sees that it goes on, by the progress of who called where there is one.

    Raises what `work` raises, and Misconfigured where settings are wrong.
    """

    async def run() -> T:
        service = connect()
        try:
            return await work(service)
        finally:
            await service.close()

    with progress("asking Azure and the register"):
        return asyncio.run(run())


def version_of(service: Service) -> int:
    """Return the version of the ruleset in force, the newest where it is broken: what patterns in arguments mean."""
    try:
        return service.ruleset().version
    except Misconfigured:
        return NEWEST


def never_seen(exemption: ExemptionId) -> Permanent:
    """Return (to raise) the error for an exemption that is not in the register."""
    return Permanent(
        "the register has never seen it",
        code="not-in-register",
        subject=exemption.text,
        remedy="`exg reconcile ID` judges it now",
    )
