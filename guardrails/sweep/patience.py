"""Patience: one request of thousands that fails for a moment does not end a sweep, or a part of one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from guardrails.errors import Retryable

PAUSES: Final = (0.2, 1.0)
"""Seconds before a request is made again; one that fails after the last of them is not made again."""


async def patiently[T](request: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """Make a request that may be made twice; return its answer, and whether it was made again. Raises Retryable."""
    for number, pause in enumerate(PAUSES):
        try:
            return await request(), number > 0
        except Retryable:
            await asyncio.sleep(pause)
    return await request(), True
