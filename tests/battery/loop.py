"""An event loop in virtual time that runs what is ready in an order of its own choosing, the same for the same seed.

    run(7, main)    what `main` returns

Time waits while anything is ready, and then goes on at once to when the next thing is due. Nothing waits for the
machine: no sockets, no threads.
"""

import asyncio
import os
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from heapq import heappop
from itertools import count
from random import Random
from typing import Any, Final
from unittest.mock import patch

from tests.battery.line import Died

_FURTHEST: Final = 24 * 3600
"""Seconds that time goes on at once."""


class Stuck(RuntimeError):
    """Nothing is ready, nothing is due, and it has not ended: somebody waits for what nobody does."""


class Numbered(asyncio.Task[Any]):
    """A task whose place in a set is the same in each replay: asyncio keeps tasks in sets, and cancels them so."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class _Ready(asyncio.Handle):
    """A handle that is made without asyncio's checks. Of one that is ready, the loop only asks for these."""

    __slots__ = ()

    def __init__(self, callback: Any, args: Any, context: Context | None) -> None:
        self._context = copy_context() if context is None else context
        self._callback = callback
        self._args = args
        self._cancelled = False


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. `seconds` is its time; `chance` picks the order of what is ready."""

    _ready: deque[Any]
    _scheduled: list[Any]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.seconds = 0.0
        self.chance = chance
        self._numbers = count(1)
        self.set_task_factory(self._numbered)
        self._clock_resolution = 1e-6  # after a year, a nanosecond more is the same number

    def time(self) -> float:
        """Return the virtual time in seconds since the loop was made."""
        return self.seconds

    def _numbered(self, _: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Numbered:
        made = Numbered.__new__(Numbered)
        made.number = next(self._numbers)  # before it is put into the set of all tasks
        made.__init__(work, loop=self, **options)  # type: ignore[misc]
        return made

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """As asyncio's, without its checks: of whether the loop is closed, and of threads."""
        handle = _Ready(callback, args, context)
        self._ready.append(handle)
        return handle

    def _run_once(self) -> None:
        """As asyncio's, but for sockets; the order of what is ready is chance, and what was due now comes after it."""
        ready, due = self._ready, self._scheduled
        if len(ready) > 1:
            handles = list(ready)
            ready.clear()
            self.chance.shuffle(handles)
            ready.extend(handles)
            handles.clear()  # an exception that is kept keeps this frame
        while due and due[0]._cancelled:
            self._timer_cancelled_count -= 1
            heappop(due)._scheduled = False
        if not ready and not self._stopping:
            if not due:
                raise Stuck("nothing is ready and nothing is due")
            self.seconds += min(max(due[0]._when - self.seconds, 0.0), _FURTHEST)
        until = self.seconds + self._clock_resolution
        while due and due[0]._when < until:
            handle = heappop(due)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                try:
                    handle._context.run(handle._callback, *handle._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 - as asyncio does
                    self.call_exception_handler({"message": "a callback failed", "exception": error, "handle": handle})
        handle = None

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""


def run[T](seed: int, main: Callable[[VirtualLoop], Awaitable[T]]) -> T:
    """Run `main` to its end on a loop of its own, and return what it returns. Raises what it raises, and Stuck."""
    with _seeded(seed):
        return _run(seed, main)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let all chance that the code takes from its process be the seed's: that of `random`, and that of uuid4."""
    before = random.getstate()
    random.seed(seed)
    try:
        with patch.object(os, "urandom", Random(seed).randbytes):  # noqa: S311
            yield
    finally:
        random.setstate(before)


def _run[T](seed: int, main: Callable[[VirtualLoop], Awaitable[T]]) -> T:
    loop = VirtualLoop(Random(seed))  # noqa: S311
    loop.set_exception_handler(_say)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_awaited(main, loop))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def _say(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what nobody waited for, except that somebody died."""
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


async def _awaited[T](main: Callable[[VirtualLoop], Awaitable[T]], loop: VirtualLoop) -> T:
    return await main(loop)
