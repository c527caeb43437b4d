"""Checks of the storage account: the register's table, the queues, and what lies in them."""

from collections import Counter
from typing import Final

from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time
from guardrails.register.probe import MOST_PEEKED

QUEUES: Final = ("reconcile", "reconcile-poison", "notices", "notices-poison")

LONG: Final = 1800.0
"""Seconds that no message should wait once it may be taken."""

_NOT_THERE: Final = (
    "The service creates it when first needed, and so does infra/modules/storage.bicep. If it should exist, check"
    " AzureWebJobsStorage and GUARDRAILS_TABLE"
)
_STOPPED: Final = "If the age grows, the functions do not run: look at the log of the function app"


async def table(world: World) -> list[Finding]:
    """A row can be written, read and deleted in the register's table. Raises what storage does."""
    name = world.settings.table
    if await world.probe.try_row():
        return [passed("a row was written, read and deleted", about=name)]
    return [unknown("the table does not exist yet, so nothing could be written", _NOT_THERE, about=name)]


async def queues(world: World) -> list[Finding]:
    """The queues can be looked into; how many messages wait there, and how long. Raises what storage does."""
    return [await _queue(world, name) for name in QUEUES]


async def _queue(world: World, name: str) -> Finding:
    waiting = await world.probe.waiting(name)
    if waiting is None:
        return unknown("the queue does not exist yet", _NOT_THERE, about=name)
    if not waiting.count:
        return passed("nothing waits", about=name)
    seen = number_of(waiting.count, "message waits", "messages wait")
    if waiting.count == MOST_PEEKED:
        seen = f"{MOST_PEEKED} or more messages wait"
    seconds = 0.0
    if waiting.since is not None:
        seconds = max((world.clock.now() - waiting.since).total_seconds(), 0.0)
        seen += f", the oldest for {number_of(round(seconds), 'second')}"
    if seconds > LONG:
        remediation = f"Check again after some minutes. {_STOPPED}"
        return unknown(f"{seen}: the functions do not run, or have only just started", remediation, about=name)
    return passed(seen, about=name, remediation=_STOPPED)


async def dead_letters(world: World) -> list[Finding]:
    """How many dead letters wait for an operator. Raises what storage does."""
    found = await world.service.register.dead_letters()
    if not found:
        return [passed("no dead letters")]
    waiting = number_of(len(found), "dead letter waits", "dead letters wait")
    seen = f"{waiting} for an operator, the oldest since {spell_time(found[0].at)}"
    return [passed(seen, remediation="exg dead-letters list")]


async def breaker(world: World) -> list[Finding]:
    """The breaker is closed: fewer reverts than its limit. Raises what storage does."""
    register = world.service.register
    state = await register.breaker(world.clock.now())
    if state.opened_at is not None:
        seen = f"open since {spell_time(state.opened_at)}: nothing is reverted"
        return [failed(seen, "Find out why there were so many reverts, then run: exg breaker close")]
    waits = Counter((await register.held()).values())
    seen = f"closed, {number_of(state.recent, 'revert')} in the last hour"
    if not waits:
        return [passed(seen)]
    counts = ", ".join(f"{count} for the budget {name}" for name, count in sorted(waits.items()))
    return [passed(f"{seen}; some wait: {counts}", remediation="exg register list --held")]


async def holds(world: World) -> list[Finding]:
    """What operators hold, which is neither reverted nor tagged. Raises what storage does."""
    held = await world.service.register.on_hold()
    if not held:
        return [passed("nothing is on hold")]
    seen = f"{len(held)} on hold by operators, the first until {min(held.values())}"
    return [passed(seen, remediation="exg register list --on-hold")]
