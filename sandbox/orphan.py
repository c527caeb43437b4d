"""A part of the sandbox ends when whoever started it is gone, also when that was killed and could not clean up."""

import asyncio
import os

_LOOK_SECONDS = 1.0


async def stop_when_orphaned(stop: asyncio.Event) -> None:
    """Set `stop` once this process has another parent than at the start."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel notifies nobody of it
        await asyncio.sleep(_LOOK_SECONDS)
    stop.set()
