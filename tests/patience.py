"""How long tests wait. On a machine that is slow or busy they take longer, and end the same.

No test says how fast anything is: `make bench` does.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE: Final = 300.0
"""Seconds after which what a test waits for counts as hung."""

_BOUND: Final = 60.0


@contextmanager
def bounded() -> Iterator[None]:
    """Fail where this costs more than a minute of CPU time: what is not bounded costs hours, on any machine."""
    started = time.process_time()
    yield
    assert time.process_time() - started < _BOUND


def jump(seconds: float) -> None:
    """Let the clock of the running event loop jump ahead: whoever would wait for less gives up at once."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
