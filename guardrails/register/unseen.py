"""The count of rows of exemptions that Azure never showed the register. Events may name any number of those.

One row counts them. What is counted too often, after a crash or once such an exemption was seen, is found out when the
count is full: then they are counted anew, once a day. Azure never showed what has no expiry state; a row of what then
turns out not to exist remains, and counts.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register.keys import UNSEEN, starting_with
from guardrails.register.table import Entity, Rejected, Table, Write

MOST: Final = 1_000
_AGAIN: Final = timedelta(days=1)
_TRIES: Final = 20
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_NOT_SHOWN: Final = f"(status eq '{Status.UNKNOWN}' or status eq '{Status.GONE}') and expiry eq ''"
_WHERE: Final = f"{starting_with('state~')} and {_NOT_SHOWN}"


@dataclass(slots=True)
class Unseen:
    """The count, on one table."""

    table: Table

    async def take(self, now: datetime) -> bool:
        """Count one more row; False where there are as many as there may be. Raises Retryable."""
        partition, row = UNSEEN
        for _ in range(_TRIES):
            found = await self.table.get(partition, row)
            count, counted = _read(found)
            if count >= MOST:
                if now - counted < _AGAIN:
                    return False
                count, counted = min(await self._count(), MOST), now
            taken = count < MOST
            etag = found["odata.etag"] if found else ""
            kept: dict[str, int | str] = {"count": count + taken, "counted": spell_time(counted)}
            write = Write("replace", row, kept, etag) if etag else Write("create", row, kept)
            try:
                await self.table.transact(partition, [write])
            except Rejected:
                continue
            return taken
        raise Retryable("too many workers count at once", code="storage-busy", delay=5.0)

    async def _count(self) -> int:
        return len([row async for row in self.table.query(_WHERE, ("RowKey",))])


def _read(found: Entity | None) -> tuple[int, datetime]:
    """Return the count, and when it was last made; a row that a hand was in has both made anew."""
    if found is None:
        return 0, _NEVER
    count = found.get("count")
    try:
        counted = parse_time(found.get("counted")) or _NEVER
    except ValueError:
        counted = _NEVER
    return (count, counted) if isinstance(count, int) and count >= 0 else (MOST, _NEVER)
