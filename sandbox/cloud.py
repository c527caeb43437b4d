"""The parts of Azure that have no emulator, together in one process: ARM, identity, Event Grid, the sink.

python -m sandbox.cloud        runs them until SIGINT or SIGTERM and prints their addresses as one line of JSON
"""

import argparse
import asyncio
import json
import signal
from typing import Any, Self

from sandbox.arm.server import Arm
from sandbox.authority import authority
from sandbox.eventgrid.delivery import EventGrid
from sandbox.identity import Identity
from sandbox.orphan import stop_when_orphaned
from sandbox.sink import Sink


class Cloud:
    """Starts and stops the four stand-ins in the running event loop; the objects are there for tests to turn."""

    def __init__(self, *, time_scale: float = 1.0, concurrency: int = 64, seed: int = 0) -> None:
        self.arm = Arm()
        self.identity = Identity()
        self.eventgrid = EventGrid(time_scale=time_scale, concurrency=concurrency, seed=seed)
        self.sink = Sink()
        self.arm.listeners.append(self.eventgrid.publish_operation)
        self.arm.control.extra |= self.eventgrid.control() | self.identity.control()
        self.addresses: dict[str, str] = {}

    @property
    def described(self) -> dict[str, Any]:
        """The addresses, and what a client needs besides: to get a token, to check signatures, to trust the TLS."""
        return {
            **self.addresses, "environment": self.identity.environment, "webhook_secret": self.sink.webhook_secret,
            "ca": authority().certificate,
        }  # fmt: skip

    async def start(self) -> Self:
        try:
            await self.eventgrid.start()
            self.addresses = {
                "arm": await self.arm.start(),
                "arm_tls": self.arm.tls_address,
                "identity": await self.identity.start(),
                "sink": await self.sink.start(),
            }
        except BaseException:
            # Whatever went wrong: leave no listener behind.
            await self.stop()
            raise
        return self

    async def stop(self) -> None:
        await self.eventgrid.stop()
        await asyncio.gather(self.arm.stop(), self.identity.stop(), self.sink.stop())

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def run(*, time_scale: float) -> None:
    """Run until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Cloud(time_scale=time_scale) as cloud:
        print(json.dumps(cloud.described), flush=True)
        watch = asyncio.create_task(stop_when_orphaned(stopped))
        await stopped.wait()
        watch.cancel()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.cloud", description=__doc__)
    parser.add_argument("--time-scale", type=float, default=1.0, help="factor on Event Grid's waits (0.01: faster)")
    asyncio.run(run(time_scale=parser.parse_args().time_scale))


if __name__ == "__main__":
    main()
