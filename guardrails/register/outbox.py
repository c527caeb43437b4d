"""The outbox of one exemption: a row for each message, `outbox~KEY~ID`. The row of the exemption names them."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from guardrails.dataclass import replace
from guardrails.decisions.history import DeadLetter, Outgoing
from guardrails.decisions.row import Row, Stored
from guardrails.exemption.body import canonical_json
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register import columns, state
from guardrails.register.dead_letters import DeadLetters
from guardrails.register.group_commit import GroupCommit
from guardrails.register.keys import Address, address, starting_with
from guardrails.register.table import Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_DELETES: Final = 90
"""Messages that one transaction takes out."""


class Outbox:
    """The outboxes of all exemptions. Its methods raise as those of ports.Register do."""

    def __init__(self, table: Table, commits: GroupCommit, dead_letters: DeadLetters) -> None:
        self._table, self._commits, self._dead_letters = table, commits, dead_letters

    async def sent(self, exemption: ExemptionId, stored: Stored, ids: Sequence[str], now: datetime) -> Stored | None:
        """Take messages out; ids that are no longer there are no error. None on a lost race."""
        place = address(exemption)
        wanted = list(dict.fromkeys(ids))
        for at in range(0, len(wanted), _DELETES):
            some = wanted[at : at + _DELETES]
            after = await self._forget(exemption, stored, some, some, now)
            if after is None:
                rows = self._table.query(starting_with(_rows_of(place), place.partition), ("RowKey",))
                there = {found["RowKey"] async for found in rows}
                left = [name for name in some if place.outbox(name) in there]
                after = await self._forget(exemption, stored, some, left, now) if left != some else None
            if after is None:
                return None
            stored = after
        return stored

    async def take(self, exemption: ExemptionId, stored: Stored, now: datetime) -> Stored | None:
        """Note that what is left is being sent from now on; None on a lost race. One request."""
        return await self._rewrite(exemption, stored, replace(stored.row, outbox_at=now), (), now)

    async def messages(self, exemption: ExemptionId, ids: Sequence[str], now: datetime) -> list[Outgoing]:
        """Return the messages of `ids` that are still there. One that cannot be read is dead-lettered."""
        place = address(exemption)
        wanted = {place.outbox(name) for name in ids}
        found: list[Outgoing] = []
        async for entity in self._table.query(starting_with(_rows_of(place), place.partition)):
            if entity["RowKey"] in wanted:
                try:
                    found.append(_message(entity, now))
                except ValueError as error:
                    _LOG.error("%s: outbox row %s cannot be sent: %s", exemption, entity["RowKey"], error)
                    await self._dead_letters.keep_dead_letter(_lost_message(exemption, entity, str(error), now))
        return found

    async def _forget(
        self, exemption: ExemptionId, stored: Stored, ids: Sequence[str], rows: Sequence[str], now: datetime
    ) -> Stored | None:
        """Replace the row without `ids` and delete the outbox rows `rows`; None when either is not as expected."""
        left = tuple(name for name in stored.row.outbox if name not in ids)
        place = address(exemption)
        gone = [Write("delete", place.outbox(name), {}) for name in rows]
        return await self._rewrite(exemption, stored, with_outbox(stored.row, left), gone, now)

    async def _rewrite(
        self, exemption: ExemptionId, stored: Stored, row: Row, more: Sequence[Write], now: datetime
    ) -> Stored | None:
        """Replace the row without a history entry, which only its outbox allows; None when it is not as expected."""
        place = address(exemption)
        current = state.state_columns(place, row, state.text_of(row), stored.seq, stored.head, now=now)
        writes = [Write("replace", place.state, current, stored.etag), *more]
        try:
            etags = await self._commits.transact(place.partition, writes, exemption.text)
        except Rejected:
            return None
        return Stored(row, stored.seq, stored.head, etags[0])


def with_outbox(row: Row, ids: tuple[str, ...]) -> Row:
    """Return the row with these messages in its outbox."""
    return row if row.outbox == ids else replace(row, outbox=ids)


def message_write(place: Address, message: Outgoing, now: datetime) -> Write:
    """Return the write that puts a message into the outbox."""
    return Write("put", place.outbox(message.id), {
        "message": message.id,
        "queue": message.queue,
        "due": spell_time(now + timedelta(seconds=message.delay)),
        **columns.split_text("body", canonical_json(message.body)),
    })  # fmt: skip


def _rows_of(place: Address) -> str:
    return f"outbox~{place.key}~"


def _message(entity: Entity, now: datetime) -> Outgoing:
    """Read an outbox row; the delay is what is left of it. Raises ValueError when it was damaged."""
    try:
        due, body = parse_time(entity["due"]), columns.read_json(columns.join_text("body", entity))
        if due is None or not isinstance(body, dict):
            raise ValueError("it has no time or no body")
        return Outgoing(entity["message"], entity["queue"], body, max(0.0, (due - now).total_seconds()))
    except KeyError as error:
        raise ValueError(f"it has no column {error}") from error


def _lost_message(exemption: ExemptionId, entity: Entity, error: str, now: datetime) -> DeadLetter:
    reason = f"a message of {exemption} was damaged in the outbox: {error}"
    return DeadLetter(f"outbox-{entity['RowKey']}", "outbox", reason, canonical_json(entity), now)
