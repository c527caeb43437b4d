"""Reading: what a scan judges. Resource Graph says where exemptions are, Azure Resource Manager (ARM) what they say.

One list for each subscription or management group that holds exemptions, a few at once, page by page: no more is kept
than what is being judged. Where ARM refuses a list, Resource Graph's own rows are taken, and it is said.
"""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import Any, Final, Protocol

from guardrails.dataclass import dataclass, field
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.patterns import Glob
from guardrails.exemption.sources import RESOURCE_GRAPH, Source
from guardrails.ports import Inventory, Page
from guardrails.reconcile.inventory import Rows
from guardrails.report.coverage import words_of
from guardrails.report.filters import Filter

AT_ONCE: Final = 4
"""Subscriptions and management groups whose lists are read at the same time."""

_AHEAD: Final = 2000  # exemptions that wait to be judged, in all lists together
_TRIES: Final = 4
_LONGEST_WAIT: Final = 30.0
_SHOWN: Final = 3

type Sleep = Callable[[float], Awaitable[object]]


class Listing(Inventory, Protocol):
    """The inventory, as a scan needs it."""

    def ids(self) -> AsyncGenerator[Page]:
        """Yield all exemptions in the order of their ids, with nothing but `id` and `tenantId`. Raises Retryable."""

    def shown(self, ids: Sequence[str]) -> AsyncGenerator[Page]:
        """Yield the whole rows of some exemptions. Raises Retryable."""


class Arm(Protocol):
    """The part of ports.Arm that a scan needs, and its lists page by page."""

    @property
    def source(self) -> Source:
        """What it returns of an exemption."""

    def list_pages(self, container: str) -> AsyncIterator[Sequence[Mapping[str, Any]] | Unread]:
        """Yield the list of exemptions in a subscription, or at one management group, page by page; none inherited.

        Unread, at its end, where the rest may not be read. Raises Retryable.
        """

    async def get(self, exemption: ExemptionId) -> Mapping[str, Any] | Gone | Unread:
        """Return an exemption's body. Raises Retryable."""

    async def assignment(self, assignment_id: str) -> Assignment | Gone | Unread:
        """Return the assignment and what its initiative holds."""

    async def policies(self, ids: Collection[str]) -> PoliciesById:
        """Return what policy definitions say of themselves, a few read at once."""


@dataclass(slots=True)
class _Block:
    """A container whose list is being read. `ids`: those that Resource Graph shows and are not judged yet, by key.

    `spelled`: the same by how Resource Graph spells them; ARM mostly does the same.
    """

    container: str
    pages: "asyncio.Queue[Sequence[Mapping[str, Any]]]"
    ids: dict[str, ExemptionId] = field(default_factory=dict)
    spelled: dict[str, ExemptionId] = field(default_factory=dict)
    reading: "asyncio.Task[str] | None" = None


class Reading:
    """Reads exemptions for judging.

    Args:
        inventory, arm: where they are, and what they say.
        rows: takes Resource Graph's rows in.
        wanted: which are wanted.
        sleep: waits, in seconds, where ARM asks for it.

    Attributes:
        total: how many there are by Resource Graph, as far as it was read; 0 unknown.
        left_out: how many were not wanted.
        held: keys of the containers in which there is any exemption, wanted or not.
        partly: why ARM did not list a container, by key.
        missing, notes: as Report has them.
    """

    def __init__(
        self, inventory: Listing, arm: Arm, rows: Rows, wanted: Filter, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._inventory = inventory
        self._arm = arm
        self._rows = rows
        self._wanted = wanted
        self._sleep = sleep
        self._unreadable: list[str] = []
        self._ghosts: list[str] = []
        self._unseen: list[str] = []
        self._unlisted = 0
        self._hasty = False
        self._waiting = 0
        self._room = asyncio.Event()
        self._unmet = {*wanted.include, *wanted.exclude}
        self.total = 0
        self.left_out = 0
        self.held: set[str] = set()
        self.partly: dict[str, str] = {}
        self.missing: list[str] = []
        self.notes: list[str] = []

    async def exemptions(self, named: Iterable[str] = ()) -> AsyncGenerator[list[Exemption]]:
        """Yield all that are wanted, each once, some at a time. Close it (aclosing). Raises Retryable.

        `named`: keys of containers whose lists are read even if Resource Graph shows nothing in them.
        """
        async with aclosing(self._blocks(named)) as blocks:
            async for block in blocks:
                async with aclosing(self._drain(block)) as pages:
                    async for some in pages:
                        yield some

    async def _blocks(self, named: Iterable[str]) -> AsyncGenerator[_Block]:
        """Yield each container once all that Resource Graph shows in it is known; a few lists are read meanwhile."""
        blocks: deque[_Block] = deque()
        listed: set[str] = set()
        try:
            async with aclosing(self._inventory.ids()) as pages:
                async for page in pages:
                    if page.missing:
                        self.missing.append(page.missing)
                    self.total = page.total
                    for one in self._rows.ids(page):
                        if not self._takes(one):
                            continue
                        if not blocks or blocks[-1].container != one.container:
                            while len(blocks) >= AT_ONCE:
                                yield blocks.popleft()
                            blocks.append(self._begin(one.container))
                            listed.add(one.container)
                        blocks[-1].ids[one.key] = blocks[-1].spelled[one.text] = one
            for container in named:
                if container not in listed:
                    while len(blocks) >= AT_ONCE:
                        yield blocks.popleft()
                    blocks.append(self._begin(container))
            while blocks:
                yield blocks.popleft()
        finally:
            await _end(blocks)

    def finish(self) -> None:
        """Put what is missing or worth a note into words, once all was read."""
        if self._unreadable:
            self.missing.append(_sentence(self._unreadable, "cannot be read"))
        if self._unseen:
            self.missing.append(_sentence(self._unseen, "that Resource Graph shows could not be read in Azure"))
        if self._ghosts:
            self.notes.append(_sentence(self._ghosts, "that Resource Graph shows left out: Azure says they are gone"))

    def matches(self, pattern: Glob) -> bool:
        """Whether a glob of the filter matched any exemption."""
        return pattern not in self._unmet

    def unlisted(self, names: Mapping[str, str]) -> str:
        """Return one sentence on the containers that ARM did not list; "" where it listed all. `names`: by key."""
        if not self.partly:
            return ""
        partly = [f"{words_of(key, names)}: {why}" for key, why in self.partly.items()]
        return (
            f"Azure Resource Manager does not list the exemptions of {len(partly):,} of the places that hold any: the "
            f"{self._unlisted:,} that Resource Graph shows there are judged by what it returns, and there may be more: "
            f"{_few(partly)}"
        )

    def _takes(self, one: ExemptionId) -> bool:
        """Whether a new exemption is wanted; counts it."""
        self.held.add(one.container)
        if self._unmet:
            self._unmet = {pattern for pattern in self._unmet if not pattern.matches(one.key)}
        if self._wanted.wants(one.key):
            return True
        self.left_out += 1
        return False

    def _begin(self, container: str) -> _Block:
        block = _Block(container, asyncio.Queue())
        block.reading = asyncio.create_task(self._list(block))
        return block

    async def _list(self, block: _Block) -> str:
        """Read a list to its end; return why that could not be done, "" where it was done."""
        try:
            tries = 0
            while True:
                try:
                    return await self._follow(block)
                except Retryable as error:
                    tries += 1
                    if tries == _TRIES or self._hasty:
                        self._hasty = True  # ARM was asked often enough: the others are tried once
                        return error.message
                    await self._sleep(min(error.delay, _LONGEST_WAIT))
        finally:
            block.pages.shutdown()

    async def _follow(self, block: _Block) -> str:
        async for page in self._arm.list_pages(block.container):
            if isinstance(page, Unread):
                return page.reason
            while self._waiting >= _AHEAD and not block.pages.empty():  # what is judged next is never held up
                self._room.clear()
                await self._room.wait()
            self._waiting += len(page)
            block.pages.put_nowait(page)
        return ""

    async def _drain(self, block: _Block) -> AsyncGenerator[list[Exemption]]:
        """Yield what a container holds. Its block has all that Resource Graph shows there."""
        try:
            while True:
                try:
                    page = await block.pages.get()
                except asyncio.QueueShutDown:
                    break
                self._waiting -= len(page)
                self._room.set()
                yield list(self._listed(block, page))
            why = await block.reading if block.reading else ""
        finally:
            await _end([block])
        if why:
            self.partly[block.container] = why
            if block.ids:
                yield await self._shown(list(block.ids.values()))
        elif block.ids:
            yield await self._look(list(block.ids.values()))

    def _listed(self, block: _Block, page: Sequence[Mapping[str, Any]]) -> Iterator[Exemption]:
        source, names, ids = self._arm.source, self._rows.names, block.ids
        for row in page:
            known = block.spelled.get(row.get("id", ""))
            try:
                exemption = Exemption.from_arm(row, names, source, known)
            except Permanent as error:
                self._refuse(row, error, ids)
                continue
            if ids.pop(exemption.id.key, None) or self._is_late(exemption.id):
                yield exemption

    def _is_late(self, one: ExemptionId) -> bool:
        """Whether a listed exemption is wanted that Resource Graph did not show."""
        if one.hash in self._rows.seen:  # not wanted, or judged before
            return False
        self._rows.seen.add(one.hash)
        return self._takes(one)

    async def _look(self, ids: Sequence[ExemptionId]) -> list[Exemption]:
        """Ask ARM for exemptions that its list lacks: only what it says is gone counts as gone."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(one: ExemptionId) -> Mapping[str, Any] | Gone | Unread:
            async with gate:
                try:
                    return await self._arm.get(one)
                except Retryable as error:
                    return Unread(error.message)

        found = []
        for one, answer in zip(ids, await asyncio.gather(*map(ask, ids)), strict=True):
            if isinstance(answer, Gone):
                self._ghosts.append(one.text)
            elif isinstance(answer, Unread):
                self._unseen.append(f"{one.text}: {answer.reason}")
            else:
                found += self._read(answer, self._arm.source, {})
        return found

    async def _shown(self, ids: Sequence[ExemptionId]) -> list[Exemption]:
        """Return exemptions by what Resource Graph returns of them."""
        left = {one.key: one for one in ids}
        found = []
        async with aclosing(self._inventory.shown([one.text for one in ids])) as pages:
            async for page in pages:
                if page.missing:
                    self.missing.append(page.missing)
                for row in page.rows:
                    found += [one for one in self._read(row, RESOURCE_GRAPH, left) if left.pop(one.id.key, None)]
        self._unseen += [f"{one.text}: it is not shown any more" for one in left.values()]
        self._unlisted += len(found)
        return found

    def _read(self, row: Mapping[str, Any], source: Source, left: dict[str, ExemptionId]) -> list[Exemption]:
        """Return the exemption in a row; none where it cannot be read, which is remembered."""
        try:
            return [Exemption.from_arm(row, self._rows.names, source)]
        except Permanent as error:
            self._refuse(row, error, left)
            return []

    def _refuse(self, row: Mapping[str, Any], error: Permanent, left: dict[str, ExemptionId]) -> None:
        """Remember what cannot be read; it is not looked for any more."""
        identity = row.get("id")
        self._unreadable.append(f"{str(identity or 'a row without an id')[:300]}: {error.message[:200]}")
        left.pop("/" + str(identity).strip("/").lower(), None)


async def _end(blocks: Iterable[_Block]) -> None:
    reading = [block.reading for block in blocks if block.reading]
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)


def _sentence(names: Sequence[str], what: str) -> str:
    return f"{number_of(len(names), 'exemption')} {what}: {_few(names)}"


def _few(names: Sequence[str]) -> str:
    more = f"; and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return "; ".join(names[:_SHOWN]) + more
