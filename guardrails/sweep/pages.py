"""Pages of the inventory as a sweep reads them: part by part, and those of management groups alone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from guardrails.dataclass import replace
from guardrails.decisions.parts import Span
from guardrails.ports import Inventory, Page


class PartPages:
    """The pages of one part. Its first page may be read before they are asked for.

    `pages`: not begun yet. `then`: the pages of the part that comes next. At the last page of this part their first one
    is read, while this part is compared to its end.
    """

    def __init__(self, pages: AsyncGenerator[Page], then: "PartPages | None" = None) -> None:
        self._pages = pages
        self._then = then
        self._first: asyncio.Task[Page | None] | None = None

    def begin(self) -> asyncio.Task[Page | None]:
        """Read the first page; once."""
        if self._first is None:
            self._first = asyncio.create_task(self._next())
        return self._first

    async def __aiter__(self) -> AsyncIterator[Page]:
        page, count = await self.begin(), 0
        while page is not None:
            count += len(page.rows)
            if self._then is not None and count >= page.total:
                self._then.begin()
            yield page
            page = await self._next()

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
