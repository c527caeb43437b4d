"""Attached: which exemptions are attached to a scope, or to anything below it.

Nothing in a row's key says where an exemption is attached, so that this reads a whole partition. Many who ask at once
share a read, as group commit shares transactions: whoever asks while a read is under way gets the next one, so that
nobody gets what was read before they asked.
"""

import asyncio
import logging
from typing import Final

from guardrails.dataclass import dataclass, field
from guardrails.decisions.row import Status
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.keys import address, partition_of, starting_with
from guardrails.register.table import Table

_LOG: Final = logging.getLogger(__name__)
_GONE: Final = f"status ne '{Status.GONE}' and status ne '{Status.LOST}'"
_LOST: Final = f"status eq '{Status.LOST}'"

type _Rows = list[tuple[str, str]]
"""Of each row the scope, in lower case, and the id."""


@dataclass(slots=True)
class _Reads:
    """The reads of one partition: the one under way, and the one that waits for it."""

    running: asyncio.Task[_Rows] | None = None
    waiting: asyncio.Task[_Rows] | None = None


@dataclass(slots=True)
class Attached:
    """ports.Register.attached_ids on one table."""

    table: Table
    _reads: dict[str, _Reads] = field(default_factory=dict)

    async def ids(self, container: str, scope: str, *, lost: bool) -> list[str]:
        """Return the ids; see the port. One query for all who ask for the same container meanwhile."""
        where = f"{starting_with('state~', partition_of(container))} and {_LOST if lost else _GONE}"
        below = scope + "/"
        return [id_ for at, id_ in await self._read(where) if at == scope or at.startswith(below)]

    async def _read(self, where: str) -> _Rows:
        reads = self._reads.setdefault(where, _Reads())
        if reads.waiting is None:
            reads.waiting = asyncio.create_task(self._next(where, reads))
            reads.waiting.add_done_callback(_look_at)
        return await asyncio.shield(reads.waiting)  # whoever is cancelled takes nothing from the others

    async def _next(self, where: str, reads: _Reads) -> _Rows:
        if reads.running is not None:
            await asyncio.wait([reads.running])
        reads.running, reads.waiting = reads.waiting, None
        try:
            return await self._query(where)
        finally:
            reads.running = None
            if reads.waiting is None:
                del self._reads[where]

    async def _query(self, where: str) -> _Rows:
        found: _Rows = []
        async for row in self.table.query(where, ("id",)):
            try:
                exemption = ExemptionId.parse(row.get("id"))
            except Permanent as error:
                _LOG.error("row %s was changed outside the service, and is skipped: %s", row["RowKey"], error)
                continue
            if address(exemption).state != row["RowKey"]:
                _LOG.error("row %s was changed outside the service, and is skipped: it names another", row["RowKey"])
            else:
                found.append((exemption.key[: len(exemption.scope)], exemption.text))
        return found


def _look_at(read: asyncio.Task[_Rows]) -> None:
    """Look at how a read ended, for when nobody waits for it any more: asyncio would complain."""
    if not read.cancelled():
        read.exception()
