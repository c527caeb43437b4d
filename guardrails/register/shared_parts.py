"""The parts of a sweep that instances share, on the register's table: ports.SharedParts.

    partition  row        holds
    sweep      part~N     a part: whose sweep it is of, who is at it until when, what came of it
    sweep      heads~N~M  piece M of the heads of histories that part N has read

A claim is a time in a row, taken and held under its ETag, as the lease of the sweep itself is.
"""

import logging
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from guardrails.dataclass import replace
from guardrails.decisions.heads import SIZE
from guardrails.decisions.parts import Part, Span
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import spell_time, time_or_none
from guardrails.register.columns import BODY_LIMIT, PIECE_BYTES, Value, join_bytes, read_object, split_bytes
from guardrails.register.keys import PART, PART_HEADS, SWEEP, starting_with
from guardrails.register.table import MOST_OPERATIONS, Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_PIECE: Final = 12 * PIECE_BYTES // SIZE * SIZE
"""Bytes of heads in a row: whole heads, less than 1 MiB in base64."""


class SharedParts:
    """The rows of parts. Methods raise Retryable where storage is busy or away."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def hand_out(self, holder: str, spans: Sequence[Span], last: Mapping[str, Any]) -> None:
        """Write the parts of a sweep, and the one that ends it, in the place of any others; see the port."""
        await self._delete()
        parts = [Part(number, span) for number, span in enumerate(spans)]
        parts.append(Part(len(spans), Span(), outcome=last))
        for at in range(0, len(parts), MOST_OPERATIONS):
            writes = [Write("put", _row(one.number), _columns(holder, one)) for one in parts[at : at + MOST_OPERATIONS]]
            await self._table.transact(SWEEP[0], writes, "sweep")

    async def all(self, holder: str) -> list[Part]:
        """Return the parts of a sweep, in their order; [] where they are another's. One read, of pages of 1,000."""
        found = [row async for row in self._table.query(starting_with(PART, SWEEP[0]))]
        return [_part(row) for row in found if row.get("holder") == holder]

    async def claim(self, holder: str, part: Part, now: datetime, lease: timedelta) -> Part | None:
        """Claim a part, or hold a claim for another while; None where somebody else was quicker. One write."""
        return await self._keep(holder, replace(part, until=now + lease))

    async def end(self, holder: str, part: Part, heads: bytes) -> Part | None:
        """Keep what came of a part, and the heads that it has read; None where somebody else did. A few writes."""
        for piece, at in enumerate(range(0, len(heads), _PIECE)):
            columns: dict[str, Value] = {"holder": holder, **split_bytes("heads", heads[at : at + _PIECE])}
            row = f"{PART_HEADS}{part.number:05d}~{piece:03d}"
            await self._table.transact(SWEEP[0], [Write("put", row, columns)], "sweep")
        return await self._keep(holder, replace(part, until=None, ended=True))

    async def heads(self, holder: str) -> AsyncIterator[bytes]:
        """Yield the heads that the parts of a sweep have read, in pieces: SIZE bytes each (decisions.heads)."""
        async for row in self._table.query(starting_with(PART_HEADS, SWEEP[0])):
            if row.get("holder") == holder:
                yield join_bytes("heads", row)

    async def forget(self) -> None:
        """Delete all rows of parts."""
        await self._delete()

    async def _delete(self) -> None:
        for prefix in (PART, PART_HEADS):
            rows = [row["RowKey"] async for row in self._table.query(starting_with(prefix, SWEEP[0]), ("holder",))]
            for at in range(0, len(rows), MOST_OPERATIONS):
                writes = [Write("delete", row, {}) for row in rows[at : at + MOST_OPERATIONS]]
                try:
                    await self._table.transact(SWEEP[0], writes, "sweep")
                except Rejected:
                    _LOG.info("another instance deletes the parts of the last sweep, too")

    async def _keep(self, holder: str, part: Part) -> Part | None:
        write = Write("replace", _row(part.number), _columns(holder, part), part.etag)
        try:
            etags = await self._table.transact(SWEEP[0], [write], "sweep")
        except Rejected:
            return None
        return replace(part, etag=etags[0])


def _row(number: int) -> str:
    return f"{PART}{number:05d}"


def _columns(holder: str, part: Part) -> dict[str, Value]:
    return {
        "holder": holder,
        "low": part.span.low,
        "high": part.span.high,
        "tries": part.tries,
        "until": spell_time(part.until) if part.until else "",
        "ended": int(part.ended),
        "why": part.why[:1000],
        **split_bytes("outcome", zlib.compress(canonical_json(dict(part.outcome)).encode(), 6)),
    }


def _part(found: Entity) -> Part:
    """Read a part. What a hand changed in it is done again, or given up."""
    number = found["RowKey"].removeprefix(PART)
    tries = found.get("tries")
    try:
        text = zlib.decompressobj().decompress(join_bytes("outcome", found), BODY_LIMIT)
        outcome, wrong = read_object(text), ""
    except (ValueError, zlib.error) as error:
        outcome, wrong = {}, f"its row was changed from outside: {error}"
    return Part(
        int(number) if number.isdigit() else -1,
        Span(str(found.get("low") or ""), str(found.get("high") or "")),
        tries if isinstance(tries, int) else 0,
        time_or_none(found.get("until")),
        bool(found.get("ended")) or bool(wrong),
        wrong or str(found.get("why") or ""),
        outcome,
        found["odata.etag"],
    )
