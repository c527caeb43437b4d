"""Group commit: decisions that wait for the same partition share one transaction, as databases do.

Nothing waits while a partition is idle. While a transaction is under way, those that come in are collected and go
together in the next one. Each decision stays whole: a transaction is done for all in it or for none, and one that is
rejected because of one member is done again one by one.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from guardrails.dataclass import dataclass, field
from guardrails.errors import GuardrailsError, Permanent
from guardrails.register.table import MOST_BYTES, MOST_OPERATIONS, Rejected, Table, Write, size_of

_GROUP_BYTES: Final = MOST_BYTES // 4
"""A group is kept small; one large decision may still fill a transaction by itself."""


@dataclass(slots=True, eq=False)
class _Waiting:
    writes: Sequence[Write]
    subject: str
    done: asyncio.Future[list[str]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def succeed(self, etags: list[str]) -> None:
        if not self.done.done():
            self.done.set_result(etags)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class GroupCommit:
    """Transactions on a table, grouped by partition."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._waiting: dict[str, list[_Waiting]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    async def transact(self, partition: str, writes: Sequence[Write], subject: str = "") -> list[str]:
        """Do all writes or none; return their new ETags. Raises as Table.transact does."""
        waiting = _Waiting(writes, subject)
        self._waiting.setdefault(partition, []).append(waiting)
        if partition not in self._workers:
            self._workers[partition] = asyncio.create_task(self._work(partition))
        return await waiting.done

    async def _work(self, partition: str) -> None:
        """Do what waits for a partition, group by group, until nothing does."""
        try:
            while group := self._next(partition):
                await self._do(partition, group)
        finally:
            del self._workers[partition]
            for left in self._waiting.pop(partition, ()):  # only where the worker itself was cancelled
                left.done.cancel()

    def _next(self, partition: str) -> list[_Waiting]:
        """Take the longest run of those that wait that may share a transaction: each row at most once in it."""
        queue = self._waiting.get(partition, [])
        queue[:] = [one for one in queue if not one.done.done()]
        group: list[_Waiting] = []
        rows: set[str] = set()
        size = 0
        for one in queue:
            keys = {write.row for write in one.writes}
            size += size_of(one.writes)
            if group and (len(rows) + len(one.writes) > MOST_OPERATIONS or size > _GROUP_BYTES or keys & rows):
                break
            group.append(one)
            rows |= keys
        del queue[: len(group)]
        return group

    async def _do(self, partition: str, group: list[_Waiting]) -> None:
        """Do a group in one transaction. What fails it fails each member under the member's own subject."""
        try:
            writes = [write for one in group for write in one.writes]
            subject = group[0].subject if len(group) == 1 else ""
            etags = await self._table.transact(partition, writes, subject)
        except (Rejected, Permanent) as error:
            if len(group) == 1:
                group[0].fail(error)
            else:
                for one in group:
                    await self._do(partition, [one])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            for one in group:
                one.fail(error.about(one.subject) if isinstance(error, GuardrailsError) else error)
        else:
            for one in group:
                one.succeed(etags[: len(one.writes)])
                del etags[: len(one.writes)]
