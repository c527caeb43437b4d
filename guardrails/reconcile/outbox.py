"""The outbox of one exemption: its messages leave at least once, and again only after a crash or a failed write.

Mostly they are committed with what they announce, sent, and then taken out of the outbox. What came of an action that
is one write (`WHOLE`) is announced first, and recorded then: the intent keeps the notice as an outbox would, and one
transaction less is needed. The history entry names what was sent, as `sent` among its facts. If the worker dies in
between, or the commit fails, whoever finds the intent once its lease is over commits first, and sends then, under the
same ids. So there is one repetition for each crash or failed write, either way.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.decisions.history import Outgoing
from guardrails.decisions.row import Row, Stored
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ports import Clock, Queues, Register

LEASE: Final = timedelta(seconds=30)
"""How long something begun, an ARM write or the sending of messages, is left to the worker that began it."""

AHEAD_SECONDS: Final = 10
"""How long messages may take to leave before their commit: with half of LEASE before, less than LEASE."""

WHOLE: Final = frozenset({"delete", "remove", "put-back", "restore", "bring-back"})
"""Actions whose intent says what is there afterwards: a whole body, or none. A tag is decided anew after a crash."""

IN_HAND: Final = "in-hand"
"""Code of the error that says: another worker is at it; it will mostly be done in a moment."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """The ports that it needs, and the exemption. Keeps no state."""

    register: Register
    queues: Queues
    clock: Clock
    id: ExemptionId

    def is_left(self, row: Row) -> bool:
        """Whether what the outbox holds was left behind, and is not just being sent by who committed it."""
        return row.outbox_at is None or self.clock.now() - row.outbox_at >= LEASE

    def is_ours(self, row: Row) -> bool:
        """Whether what came of a row's intent can be announced before it is recorded.

        Nobody else may write the row meanwhile, or the commit fails, and a notice is sent twice without any crash.
        Nobody settles an intent before LEASE, and nobody takes messages out of an empty outbox. What is decided anew
        after a crash would be announced under another id.
        """
        intent = row.intent
        if intent is None or intent.action not in WHOLE:
            return False
        return not row.outbox and self.clock.now() - intent.at < LEASE / 2

    async def send_ahead(self, messages: Sequence[Outgoing]) -> tuple[list[str], list[Exception]]:
        """Put messages on their queues; return the ids of those that are there, and why the others may not be."""
        errors = await asyncio.gather(*map(self._ahead, messages))
        sent = [message.id for message, error in zip(messages, errors, strict=True) if error is None]
        return sent, [error for error in errors if error is not None]

    async def _ahead(self, message: Outgoing) -> Exception | None:
        try:
            async with asyncio.timeout(AHEAD_SECONDS):
                await self._put(message)
        except TimeoutError:
            why = f"the queue {message.queue} did not answer within {AHEAD_SECONDS} seconds"
            return Retryable(why, code="storage-unreachable", subject=self.id.text)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised once the outbox is written
            return error
        return None

    async def send(self, stored: Stored, messages: Sequence[Outgoing], ids: Sequence[str]) -> Stored:
        """Put messages on their queues, then take them out of the outbox, whoever else writes the row meanwhile.

        Return the row to go on with: as it is now, or `stored`, out of date, where somebody else has decided since.
        """
        await asyncio.gather(*map(self._put, messages))
        now = stored
        while (after := await self.register.sent(self.id, now, ids)) is None:
            again = await self.register.read(self.id)
            if again is None or not set(ids) & set(again.row.outbox):
                return stored
            now = again
        return after if after.seq == stored.seq else stored

    async def send_left(self, stored: Stored) -> None:
        """Send what a crash left behind.

        Raises Retryable while whoever committed the messages, or found them left, may still be sending them.
        """
        row = stored.row
        if not row.outbox:
            return
        taken = await self.register.take_outbox(self.id, stored, self.clock.now()) if self.is_left(row) else None
        if taken is None:
            raise Retryable(
                "another worker is sending its notices", code=IN_HAND, subject=self.id.text, delay=LEASE.seconds
            )
        await self.send(taken, await self.register.outbox(self.id, row.outbox), row.outbox)

    async def _put(self, message: Outgoing) -> None:
        await self.queues.send(message.queue, message.body, message.delay)
