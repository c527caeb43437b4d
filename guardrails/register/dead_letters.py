"""Dead letters: what could not be processed, kept as text until somebody replays or drops it."""

from datetime import UTC, datetime
from typing import Final

from guardrails.dataclass import replace
from guardrails.decisions.history import DeadLetter
from guardrails.errors import Retryable
from guardrails.exemption.times import parse_time, spell_time
from guardrails.notices.route_state import ALERT_LEASE
from guardrails.register.columns import Value, brief, join_text, split_text
from guardrails.register.keys import DEAD_LETTERS, escape, starting_with
from guardrails.register.table import Entity, Rejected, Table, Write

PAYLOAD_BYTES: Final = 256 * 1024
MOST: Final = 1_000
"""Dead letters of one source whose content strangers choose. Of what comes beyond, one more keeps the last."""
_STRANGERS: Final = frozenset({"event", "reconcile"})
_TRIES: Final = 20
_KEYS: Final = frozenset({"PartitionKey", "RowKey", "odata.etag"})
_ID: Final = "letter"  # stored name
_ROW: Final = "letter~"  # stored name
_NOTIFYING: Final = "telling"  # stored name
"""The column that says since when a worker notifies of a dead letter; "" once that is done, or is not needed."""


class DeadLetters:
    """The dead letters, in a partition of their own."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def keep_dead_letter(self, dead_letter: DeadLetter) -> bool:
        """Keep a dead letter; one with the same id is replaced. A payload beyond 256 KiB of UTF-8 is cut and says so.

        Return whether it needs a notification: it is new, or the worker that was to notify of it some seconds ago has
        not confirmed. Of many callers at once, one gets True. Where as many of its source are kept as may be, it goes
        into the one dead letter of what came beyond; callers that count at once may each add one more.
        """
        if dead_letter.source in _STRANGERS and await self._is_full(dead_letter):
            reason = f"{MOST} dead letters of this source are kept already; of what came since this is the last: "
            dead_letter = replace(dead_letter, id=f"{dead_letter.source}-beyond", reason=reason + dead_letter.reason)
        columns: dict[str, Value] = {
            _ID: brief(dead_letter.id),
            "source": brief(dead_letter.source),
            "reason": brief(dead_letter.reason),
            "at": spell_time(dead_letter.at),
            "attempts": dead_letter.attempts,
            **split_text("payload", _cut(dead_letter.payload)),
        }
        row, notifying = _row(dead_letter.id), {_NOTIFYING: spell_time(dead_letter.at)}
        for _ in range(_TRIES):
            found = await self._table.get(DEAD_LETTERS, row)
            if found is None:
                new, write = True, Write("create", row, {**columns, **notifying})
            else:
                new, as_before = _is_unnotified(found, dead_letter.at), {_NOTIFYING: str(found.get(_NOTIFYING) or "")}
                write = Write("replace", row, {**columns, **(notifying if new else as_before)}, found["odata.etag"])
            try:
                await self._table.transact(DEAD_LETTERS, [write], dead_letter.id)
            except Rejected:
                continue
            return new
        raise Retryable(
            "too many workers keep one dead letter at once", code="storage-busy", subject=dead_letter.id, delay=5.0
        )

    async def notified(self, dead_letter_id: str) -> None:
        """Record that a dead letter was notified; one that is not there is no error."""
        for _ in range(_TRIES):
            found = await self._table.get(DEAD_LETTERS, _row(dead_letter_id))
            if found is None or not found.get(_NOTIFYING):
                return
            kept = {name: value for name, value in found.items() if name not in _KEYS}
            write = Write("replace", _row(dead_letter_id), {**kept, _NOTIFYING: ""}, found["odata.etag"])
            try:
                await self._table.transact(DEAD_LETTERS, [write], dead_letter_id)
            except Rejected:
                continue
            return

    async def _is_full(self, dead_letter: DeadLetter) -> bool:
        """Whether there is no room for a dead letter that is not there yet."""
        where = starting_with(f"{_ROW}{dead_letter.source}-", DEAD_LETTERS)
        there = {row["RowKey"] async for row in self._table.query(where, ("RowKey",))}
        return len(there) >= MOST and _row(dead_letter.id) not in there

    async def all(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""
        found = [_dead_letter(row) async for row in self._table.query(starting_with(_ROW, DEAD_LETTERS))]
        return sorted(found, key=lambda dead_letter: (dead_letter.at, dead_letter.id))

    async def drop(self, dead_letter_id: str) -> None:
        """Delete a dead letter; one that is not there is no error."""
        try:
            await self._table.transact(DEAD_LETTERS, [Write("delete", _row(dead_letter_id), {})], dead_letter_id)
        except Rejected:
            return


def _is_unnotified(found: Entity, now: datetime) -> bool:
    """Whether the worker that was to notify of a dead letter may have died."""
    try:
        began = parse_time(found.get(_NOTIFYING) or None)
    except ValueError:
        return False
    return began is not None and now - began >= ALERT_LEASE


def _row(dead_letter_id: str) -> str:
    return f"{_ROW}{escape(dead_letter_id)}"


def _cut(payload: str) -> str:
    raw = payload.encode("utf-8", "backslashreplace")
    if len(raw) <= PAYLOAD_BYTES:
        return payload
    mark = f"\n[cut: {len(raw)} bytes in all]"
    return raw[: PAYLOAD_BYTES - len(mark)].decode("utf-8", "ignore") + mark


def _dead_letter(found: Entity) -> DeadLetter:
    """Read a dead letter, however its row was changed: it is there to be looked at."""
    try:
        at = parse_time(found.get("at"))
    except ValueError:
        at = None
    attempts = found.get("attempts")
    return DeadLetter(
        id=str(found.get(_ID, found["RowKey"].removeprefix(_ROW))),
        source=str(found.get("source", "")),
        reason=str(found.get("reason", "")),
        payload=join_text("payload", found),
        at=at or datetime.min.replace(tzinfo=UTC),
        attempts=attempts if isinstance(attempts, int) else 0,
    )
