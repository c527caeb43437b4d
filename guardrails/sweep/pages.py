"""Pages of the inventory as a sweep reads them: part by part, and those of management groups alone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from guardrails.dataclass import replace
from guardrails.decisions.parts import Span
from guardrails.ports import Inventory, Page


class PartPages:
    """The pages of one part. Its first page may be read before they are asked for.

    `pages`: not begun yet. `then`: the pages of the part that comes next.
    """

    def __init__(self, pages: AsyncGenerator[Page], then: "PartPages | None" = None) -> None:
        self._pages = pages
        self._then = then
        self._first: asyncio.Task[Page | None] | None = None
        self._last = False

    def begin(self) -> asyncio.Task[Page | None]:
        """Read the first page; once."""
        if self._first is None:
            self._first = asyncio.create_task(self._next())
        return self._first

    async def __aiter__(self) -> AsyncIterator[Page]:
        page, count = await self.begin(), 0
        self._first = None
        while page is not None:
            count += len(page.rows)
            self._last = count >= page.total
            one, page = [page], None
            yield one.pop()  # pages are large: whoever is done with one holds it alone
            page = await self._next()

    def look_ahead(self) -> None:
        """Begin the next part, where the last page of this one was taken: it is read while this one is written."""
        if self._last and self._then is not None:
            self._then.begin()

    async def close(self) -> None:
        """Read no more."""
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
        await self._pages.aclose()

    async def _next(self) -> Page | None:
        return await anext(self._pages, None)


@asynccontextmanager
async def pages_of(
    inventory: Inventory, containers: Sequence[str], spans: Sequence[Span]
) -> AsyncIterator[list[PartPages]]:
    """Yield the pages of each part, to be read in this order. `containers`: all that there are."""
    found: list[PartPages] = []
    for span in reversed(spans):
        pages = inventory.exemptions([one for one in containers if span.holds(one)])
        found.insert(0, PartPages(pages, found[0] if found else None))
    try:
        yield found
    finally:
        for one in found:
            await one.close()


async def following(first: Page, pages: AsyncGenerator[Page]) -> AsyncIterator[Page]:
    """Yield the first page, and those that follow it."""
    yield first
    async for page in pages:
        yield page


def at_groups(page: Page) -> Page:
    """Return a page of what is at management groups, which comes first; the page itself where all of it is."""
    some = [row for row in page.rows if not str(row.get("id")).lower().lstrip("/").startswith("subscriptions/")]
    return page if len(some) == len(page.rows) else replace(page, rows=some)
