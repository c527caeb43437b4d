"""Dead letters: what could not be processed, kept as text until somebody replays or drops it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from guardrails.exemption import parse_time, spell_time
from guardrails.record import Letter
from guardrails.register.columns import Value, brief, join_text, split_text
from guardrails.register.keys import LETTERS, escape, starting_with
from guardrails.register.table import Entity, Rejected, Table, Write

PAYLOAD_BYTES: Final = 256 * 1024
MOST: Final = 1_000
"""Letters of one source whose content strangers choose. Of what comes beyond, one letter keeps the last."""
_STRANGERS: Final = frozenset({"event", "reconcile"})


class Letters:
    """The letters in a partition of their own."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def bury(self, letter: Letter) -> bool:
        """Keep a letter; one with the same id is replaced. A payload beyond 256 KiB of UTF-8 is cut and says so.

        Return whether the letter is new: of many callers at once, one hears that it is. Where there are as many as are
        kept of its source, it goes into the one letter of what came beyond.
        """
        if letter.source in _STRANGERS and await self._is_full(letter):
            reason = f"{MOST} letters of this source are kept already; of what came since this is the last: "
            letter = replace(letter, id=f"{letter.source}-beyond", reason=reason + letter.reason)
        columns: dict[str, Value] = {
            "letter": brief(letter.id),
            "source": brief(letter.source),
            "reason": brief(letter.reason),
            "at": spell_time(letter.at),
            "attempts": letter.attempts,
            **split_text("payload", _cut(letter.payload)),
        }
        try:
            await self._table.transact(LETTERS, [Write("create", _row(letter.id), columns)], letter.id)
        except Rejected:
            await self._table.transact(LETTERS, [Write("put", _row(letter.id), columns)], letter.id)
            return False
        return True

    async def _is_full(self, letter: Letter) -> bool:
        """Whether there is no place for a letter that is not there yet."""
        where = starting_with(f"letter~{letter.source}-", LETTERS)
        there = {row["RowKey"] async for row in self._table.query(where, ("RowKey",))}
        return len(there) >= MOST and _row(letter.id) not in there

    async def all(self) -> list[Letter]:
        """Return the letters, oldest first."""
        found = [_letter(row) async for row in self._table.query(starting_with("letter~", LETTERS))]
        return sorted(found, key=lambda letter: (letter.at, letter.id))

    async def drop(self, letter_id: str) -> None:
        """Forget a letter; one that is not there is no error."""
        try:
            await self._table.transact(LETTERS, [Write("delete", _row(letter_id), {})], letter_id)
        except Rejected:
            return


def _row(letter_id: str) -> str:
    return f"letter~{escape(letter_id)}"


def _cut(payload: str) -> str:
    raw = payload.encode("utf-8", "backslashreplace")
    if len(raw) <= PAYLOAD_BYTES:
        return payload
    mark = f"\n[cut: {len(raw)} bytes in all]"
    return raw[: PAYLOAD_BYTES - len(mark)].decode("utf-8", "ignore") + mark


def _letter(found: Entity) -> Letter:
    """Read a letter, whatever hands did to it: it is there to be looked at."""
    try:
        at = parse_time(found.get("at"))
    except ValueError:
        at = None
    attempts = found.get("attempts")
    return Letter(
        id=str(found.get("letter", found["RowKey"].removeprefix("letter~"))),
        source=str(found.get("source", "")),
        reason=str(found.get("reason", "")),
        payload=join_text("payload", found),
        at=at or datetime.min.replace(tzinfo=UTC),
        attempts=attempts if isinstance(attempts, int) else 0,
    )
