"""What each fix of the service holds, watched: invariants that compare its history with what it must never say.

await watch(end)    what is broken, a sentence each
"""

from typing import Final

from tests.battery.invariants import End
from tests.battery.watchers import authority, budgets, clocks, record, trouble
from tests.battery.watchers.book import Book

__all__ = ["WATCHERS", "Book", "watch"]

WATCHERS: Final = (*authority.WATCHERS, *clocks.WATCHERS, *budgets.WATCHERS, *trouble.WATCHERS, *record.WATCHERS)


async def watch(end: End) -> list[str]:
    """Return what is broken, once all has come to rest."""
    book = await Book.of(end)
    return [f"{check.__name__}: {text}" for check in WATCHERS for text in await check(book)]
