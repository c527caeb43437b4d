"""A sweep that outgrows one execution: instances share its parts, which a queue hands out.

Whoever begins the sweep writes its parts to the register and sends a message for each. A message names a part; whoever
gets it claims that part, or the next that is free, and goes on until none is. So a lost message costs nothing while
anybody is at it, and a part whose worker died is free again once its claim has ended. Whoever finds all of them ended
claims the last row, and ends the sweep. A part that failed is tried again after all others; one that was claimed five
times and never ended is given up: the sweep says so, and is not whole.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from guardrails.dataclass import replace
from guardrails.decisions.heads import SIZE, Scanned
from guardrails.decisions.parts import Part, Span
from guardrails.errors import GuardrailsError, Retryable, defect
from guardrails.ports import Clock, Queues, SharedParts
from guardrails.sweep.compare import Pass
from guardrails.sweep.invitation import Invitation
from guardrails.sweep.outcome import Outcome

log = logging.getLogger("guardrails")

_SINCE: Final = "heads"
_TRIES: Final = 5
_BUDGET: Final = 900.0
_LONGEST: Final = 780.0
"""Seconds after which an execution begins no more parts, and that a part may take: together less than functionTimeout
(host.json)."""

BUSY: Final = 20.0
"""Seconds after which a message comes again, while this process is at another part."""

LAST: Final = 300.0
"""Seconds after which the message that ends the sweep comes, and comes again."""


class Worker:
    """What one instance does of a sweep in parts.

    Args:
        parts, queues, clock: the ports.
        lease: how long a worker may be silent before another takes its part.
    """

    def __init__(self, parts: SharedParts, queues: Queues, clock: Clock, lease: timedelta) -> None:
        self._parts = parts
        self._queues = queues
        self._clock = clock
        self._lease = lease

    async def hand_out(self, holder: str, spans: Sequence[Span], since: int | None) -> None:
        """Write the parts, and send the message that ends the sweep where this process dies.

        `since`: Scanned.since, for whoever ends the sweep. Raises Retryable or Misconfigured. Nobody else has heard of
        the sweep then: it is the caller's to end.
        """
        await self._parts.hand_out(holder, spans, {_SINCE: since})
        await self.invite(Invitation(holder, len(spans), last=True), LAST)

    async def invite_all(self, holder: str, spans: Sequence[Span]) -> None:
        """Invite others to do the parts. Without them this process does all parts: a failure stops the inviting alone.

        Others may be at their parts by then, so the sweep has to go on.
        """
        try:
            for number in range(1, len(spans)):  # the first is ours
                await self.invite(Invitation(holder, number, last=False))
        except GuardrailsError as error:
            log.warning("fewer instances share the sweep: not all of them could be invited: %s", error)

    async def looks(self, invitation: Invitation) -> tuple[bool, float]:
        """Return whether there is anything to do, and in how many seconds the message is to come again; 0 for never.

        While somebody else is at its part, a message comes again: they may die. One read.
        """
        parts = await self._parts.all(invitation.holder)
        if not parts:
            return False, 0.0
        if invitation.last:
            return bool(self._free(parts)), LAST
        ended = invitation.number < len(parts) and parts[invitation.number].ended
        return bool(self._free(parts)), 0.0 if ended else self._lease.total_seconds()

    def _free(self, parts: Sequence[Part]) -> list[Part]:
        """Return the parts that can be claimed: the last one is no part, and comes when all others have ended."""
        wanted = parts[-1:] if _all_ended(parts) else parts[:-1]
        return [part for part in wanted if part.is_free(self._clock.now())]

    async def forget(self) -> None:
        """Delete the parts of a sweep that has ended; what is left of them is deleted before the next."""
        try:
            await self._parts.forget()
        except Retryable as error:
            log.info("the parts of the sweep could not be deleted: %s", error)

    async def invite(self, invitation: Invitation, delay: float = 0.0) -> None:
        """Put a message on the queue."""
        await self._queues.send("reconcile", invitation.body, delay)

    async def work(self, one: Pass, holder: str, first: int = 0) -> bool:
        """Do parts until none is free; return whether all have ended, and it is ours to end the sweep.

        `one`: a pass that is open; what came of all parts is in it then. Raises Retryable.
        """
        loop, done = asyncio.get_running_loop(), 0
        until = loop.time() + _BUDGET
        while True:
            parts = await self._parts.all(holder)
            if not parts:
                return False  # it was ended, or is another sweep by now
            free = sorted(self._free(parts), key=lambda part: (part.tries, part.number != first))
            if done and free and loop.time() >= until:  # the host would end this process: another execution goes on
                await self.invite(Invitation(holder, free[0].number, last=_all_ended(parts)))
                return False
            claimed = await self._claim(holder, free)
            if claimed is None:
                return False
            if _all_ended(parts):
                since = claimed.outcome.get(_SINCE)
                one.heads.since = since if type(since) is int else None
                await self._take_over(one, holder, parts[:-1])
                return True
            await self._do(one, holder, claimed)
            done += 1

    async def _claim(self, holder: str, free: Sequence[Part]) -> Part | None:
        for part in free:
            if part.tries >= _TRIES:
                wanted = replace(part, why=part.why or f"it was begun {part.tries} times and never ended")
            else:
                wanted = replace(part, why="", tries=part.tries + 1)
            if (claimed := await self._parts.claim(holder, wanted, self._clock.now(), self._lease)) is not None:
                return claimed
        return None

    async def _do(self, one: Pass, holder: str, part: Part) -> None:
        """Do a part. What fails is left to the next who claims it; at last it is given up."""
        if part.why:
            await self._parts.end(holder, part, b"")
            return
        heads = Scanned()
        held = [part]
        heart = asyncio.create_task(self._hold(holder, held))
        outcome, why = None, ""
        try:
            async with asyncio.timeout(_LONGEST):
                outcome = await one.part(part.span, heads)
        except* (GuardrailsError, TimeoutError) as errors:
            why = f"it failed: {_first(errors)}"
        except* Exception as errors:  # noqa: BLE001
            log.error("a defect in a part of the sweep: %s", defect(_first(errors)))  # noqa: TRY400
            why = f"it failed: {type(_first(errors)).__name__}, a defect; the log has more"
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)
        if outcome is not None:
            outcome.unread = heads.unread
            ended = replace(held[0], outcome=outcome.to_json())
            if await self._parts.end(holder, ended, b"".join(heads.buckets())) is None:
                log.info("part %d of the sweep was done by another instance, too", part.number)
        else:
            log.warning("part %d of the sweep is tried again: %s", part.number, why)
            free = replace(held[0], why=why)
            await self._parts.claim(holder, free, self._clock.now(), timedelta())

    async def _hold(self, holder: str, held: list[Part]) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                after = await self._parts.claim(holder, held[0], self._clock.now(), self._lease)
            except Retryable as error:
                log.warning("the claim on a part of the sweep could not be renewed: %s", error)
                continue
            if after is None:
                return  # another instance is at it, too: that does no harm
            held[0] = after

    async def _take_over(self, one: Pass, holder: str, parts: Sequence[Part]) -> None:
        """Take over what came of all parts."""
        for part in parts:
            try:
                outcome = None if part.why else Outcome.from_json(part.outcome)
                why = part.why
            except ValueError as error:
                outcome, why = None, f"its row was changed from outside: {error}"
            one.repeated = one.repeated or part.tries > 1
            if outcome is not None:
                one.take_over(outcome)
                one.heads.unread |= outcome.unread
            else:
                one.lacks(part.span, why)
        async for some in self._parts.heads(holder):
            one.heads.add_all(some[at : at + SIZE] for at in range(0, len(some), SIZE))


def _all_ended(parts: Sequence[Part]) -> bool:
    return all(part.ended for part in parts[:-1])


def _first(errors: BaseException) -> BaseException:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
