"""The second clock of sweeps: a message that comes back on the `reconcile` queue, for a timer may stop for good.

One message is on its way at a time. It comes when the last sweep would be twice as old as its schedule allows; where no
sweep began since, it begins one. Then it leaves the next. The register names the one that is awaited, so that of two,
left by a crash or by two instances, one goes on and the other ends. While the register is away the message puts itself
back, so that the host, which counts failures, never takes it for poison.
"""

import logging
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from guardrails.decisions.schedule import Tick, last_sweep
from guardrails.errors import GuardrailsError
from guardrails.exemption.times import parse_time, spell_time
from guardrails.ports import Clock, Queues, Sweeps

log = logging.getLogger("guardrails")

KEY: Final = "clock"
"""What the body of such a message has, and no other of its queue: when it is due."""

_OVERDUE: Final = timedelta(minutes=10)
"""How long after its time a message may still come, and how far the clocks of two instances may differ."""

_AGAIN: Final = timedelta(minutes=5)
"""How long after a failure a message comes again."""


class SecondClock:
    """The use case.

    Args:
        sweeps, queues, clock: the ports.
        period: the longest time between two sweeps by their schedule.
    """

    def __init__(self, sweeps: Sweeps, queues: Queues, clock: Clock, period: timedelta) -> None:
        self._sweeps = sweeps
        self._queues = queues
        self._clock = clock
        self._period = period
        self._looked: datetime | None = None

    @property
    def late(self) -> timedelta:
        """The age from which the last sweep is late: twice the period."""
        return 2 * self._period

    async def age(self) -> timedelta | None:
        """Return how long ago the last sweep that ended began; None where none did. One read. Raises Retryable."""
        last = await self._last()
        return None if last is None else max(self._clock.now() - last, timedelta())

    async def watched(self) -> timedelta | None:
        """Return the age for somebody who keeps asking. Raises Retryable.

        Where it is late, see now and then that a message is on its way: who asks may be all that still calls.
        """
        age, now = await self.age(), self._clock.now()
        if (age is None or age >= self.late) and not (self._looked and timedelta() <= now - self._looked < _OVERDUE):
            self._looked = now
            await self.wind(sweeping=False)
        return age

    async def wind(self, *, sweeping: bool) -> None:
        """See that a message is on its way. One read; where none is, a message and a write. Raises nothing.

        One that is due later than the schedule wants, for that was changed, is replaced. One that is overdue may be
        lost: where no sweep is about to begin (`sweeping`) another comes at once, and sees whether the last is late.
        """
        try:
            awaited, now = await self._sweeps.tick(), self._clock.now()
            if awaited is None or awaited.at > now + self.late + _OVERDUE:
                await self._leave(now + self.late, awaited)
            elif awaited.at < now - _OVERDUE:
                await self._leave(now + self.late if sweeping else now, awaited)
        except GuardrailsError as error:
            log.warning(
                "the message of the second clock could not be scheduled; the next sweep or start tries again: %s", error
            )

    async def strike(self, tick: Tick, sweep: Callable[[], Awaitable[object]]) -> None:
        """A message has come: begin a sweep where the last one is late, and leave the next message.

        Where the register is away, the same message comes again later. `sweep` raises nothing that may pass. Raises
        Retryable, Misconfigured: no message could be sent, and the host is to bring this one again.
        """
        try:
            awaited = await self._sweeps.tick()
            if awaited is not None and awaited.name != tick.name and awaited.at >= tick.at:
                return  # another one is on its way
            at = await self._next(sweep)
        except GuardrailsError as error:
            log.warning("the second clock could not continue; its message comes again in %s: %s", _AGAIN, error)
            await self._send(tick, self._clock.now() + _AGAIN)
            return
        await self._leave(at, awaited)

    async def _next(self, sweep: Callable[[], Awaitable[object]]) -> datetime:
        """Sweep where the last one is late. Return when the next message is due."""
        last = await self._last()
        if last is None or self._clock.now() - last >= self.late:
            await sweep()
            last = await self._last()
        now = self._clock.now()
        due = last + self.late if last else now
        return due if due > now else now + self._period

    async def _last(self) -> datetime | None:
        """Return when the last sweep that ended began; None where none did, or where that is a time to come."""
        last = last_sweep(await self._sweeps.last())
        return None if last is None or last > self._clock.now() + _OVERDUE else last

    async def _leave(self, at: datetime, before: Tick | None) -> None:
        """Leave a message in the place of another. It is sent before it is awaited: no crash leaves none.

        Raises Retryable, Misconfigured: it could not be sent. One that is sent needs no other in its place, though the
        register should not hear of it.
        """
        tick = Tick(at.replace(microsecond=0), uuid.uuid4().hex, before.etag if before else "")
        await self._send(tick, tick.at)
        try:
            if not await self._sweeps.expect(tick):
                log.info("the second clock has two messages in the queue; one of them ends")
        except GuardrailsError as error:
            log.warning(
                "the next message of the second clock is in the queue, but the register could not record it: %s", error
            )

    async def _send(self, tick: Tick, at: datetime) -> None:
        delay = math.ceil((at - self._clock.now()).total_seconds())  # not before
        await self._queues.send("reconcile", {KEY: spell_time(tick.at), "name": tick.name}, delay)


def read_tick(data: Mapping[str, Any]) -> Tick | None:
    """Return what a message of the queue says where it is one of the second clock's. Raises ValueError."""
    if KEY not in data:
        return None
    at = parse_time(data[KEY])
    if at is None:
        raise ValueError("the second clock's time is missing")
    return Tick(at, str(data.get("name") or ""))
