"""A small cache for what rules need beyond the exemption: one fetch at a time a key, kept for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from guardrails.ports import Clock


class _Kept[T](NamedTuple):
    """A value, when it was asked for, and until when it is kept."""

    value: T
    since: datetime
    until: datetime


class Cache[T]:
    """Values by key, each with its own lifetime.

    Args:
        clock: the present.
        lifetime: how long a value is kept, by the value: an answer that may soon change is kept briefly.
        limit: how many values are kept; the oldest goes first.
    """

    def __init__(self, clock: Clock, lifetime: Callable[[T], timedelta], limit: int = 20_000) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._limit = limit
        self._kept: dict[str, _Kept[T]] = {}
        self._fetching: dict[str, asyncio.Future[T]] = {}

    async def get(self, key: str, fetch: Callable[[], Awaitable[T]], *, max_age: timedelta = timedelta.max) -> T:
        """Return the value for `key`, fetching it at most once at a time. What `fetch` raises goes to all who wait.

        `max_age`: fetch it again where it was fetched longer ago.
        """
        kept = self._kept.get(key)
        now = self._clock.now()
        if kept and kept.since <= now < kept.until and now - kept.since < max_age:  # a clock may be set back
            return kept.value
        running = self._fetching.get(key)
        if running is None:
            running = self._fetching[key] = asyncio.ensure_future(self._fetch(key, fetch))
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(running)

    async def _fetch(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        since = self._clock.now()
        try:
            value = await fetch()
        finally:
            del self._fetching[key]
        self._kept.pop(key, None)
        self._kept[key] = _Kept(value, since, self._clock.now() + self._lifetime(value))
        while len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]
        return value
