"""A sweep of any size that two processes share, of which one is killed in the middle of a part, and a third comes.

python -m tests.bench_shared 300000
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableClient
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from guardrails.azure.arm import ArmRest
from guardrails.azure.graph import Graph
from guardrails.decisions.heads import Scanned
from guardrails.decisions.parts import DEFAULT_SIZES, Sizes, Span
from guardrails.notices.notice import Notice
from guardrails.reconcile.visit import World
from guardrails.register import queues, table_register
from guardrails.ruleset.model import load_ruleset
from guardrails.sweep.compare import Pass
from guardrails.sweep.in_force import InForce
from guardrails.sweep.invitation import read_invitation
from guardrails.sweep.outcome import Outcome
from guardrails.sweep.sweep import Sweeper
from guardrails.wiring import SystemClock
from sandbox.azurite import Azurite
from sandbox.stack import ROOT, _end, _spawn
from tests.bench_sweep import seed

_AUDIENCE: Final = "https://management.azure.com"
_TABLE: Final = "shared"
_HIDDEN: Final = 600
"""Seconds for which the host hides a message that it hands over."""


@asynccontextmanager
async def instance(sizes: Sizes) -> AsyncIterator[Sweeper]:
    """Yield the sweeper of one instance, which prints what it begins and what it says."""
    clock, storage, arm_address = SystemClock(), os.environ["BENCH_STORAGE"], os.environ["BENCH_ARM"]
    identity, ruleset = ManagedIdentityCredential(), load_ruleset()
    arm = ArmRest(arm_address, identity, clock, audience=_AUDIENCE)
    graph = Graph(arm_address, identity, clock, audience=_AUDIENCE)
    register = table_register.connect(clock=clock, connection_string=storage, table=_TABLE)
    outward = queues.connect(connection_string=storage)

    async def say(notice: Notice) -> None:
        report_line(notice=str(notice.kind))

    async with AsyncExitStack() as closing:
        for part in (arm, graph, register, outward, identity):
            closing.push_async_callback(part.close)
        yield Sweeper(
            World(arm, register, outward, clock), graph, register.sweeps,
            InForce(lambda: ruleset, register.record, clock), say, bypasses=register.bypasses,
            record=register.record, parts=register.parts, sizes=sizes,
        )  # fmt: skip


def report_line(**said: Any) -> None:
    print(json.dumps(said), flush=True)


async def work(*, begins: bool) -> None:
    """Be an instance: begin the sweep, or take messages of the queue until it has ended."""
    sizes, real = Sizes(*json.loads(os.environ["BENCH_SIZES"])), Pass.part

    async def reporting(self: Pass, span: Span, heads: Scanned) -> Outcome:
        report_line(begins=span.low)
        done = await real(self, span, heads)
        report_line(ended=span.low, seen=done.seen, adopted=done.adopted)
        return done

    Pass.part = reporting  # type: ignore[method-assign]
    async with instance(sizes) as sweeper:
        report = await sweeper.sweep() if begins else None
        client = QueueClient.from_connection_string(
            os.environ["BENCH_STORAGE"], "reconcile", message_decode_policy=TextBase64DecodePolicy()
        )
        async with client:
            while report is None:
                if begins and await _has_ended(sweeper):
                    break
                report = await _take(client, sweeper)
    if report is not None:
        report_line(report=report.to_json())


async def _has_ended(sweeper: Sweeper) -> bool:
    last = await sweeper._sweeps.last()
    return last is not None and last.until is None


async def _take(client: QueueClient, sweeper: Sweeper) -> Any:
    """Do what the next message of the queue says, as the host does; what is about exemptions is left aside."""
    try:
        message = await client.receive_message(visibility_timeout=_HIDDEN)
    except ResourceNotFoundError:
        message = None
    if message is None:
        await asyncio.sleep(0.5)
        return None
    invitation = read_invitation(json.loads(message.content))
    report = await sweeper.part(invitation) if invitation else None
    await client.delete_message(message)
    return report


@dataclass(slots=True)
class Printed:
    """What an instance has printed."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def all(self, name: str) -> list[Any]:
        return [line[name] for line in self.lines if name in line]


async def measure(size: int, sizes: Sizes = DEFAULT_SIZES) -> dict[str, Any]:
    """Share the first sweep of a tenant; return what came of it, and what is in the register."""
    cloud, addresses = await _spawn("cloud", [sys.executable, "-m", "sandbox.cloud"], dict(os.environ))
    instances: list[Printed] = []
    try:
        async with Azurite() as azurite:
            await seed(addresses["arm"], size)
            storage = azurite.connection_string
            more = {"BENCH_STORAGE": storage, "BENCH_ARM": addresses["arm"], "BENCH_SIZES": json.dumps(sizes)}
            environment = {**os.environ, **addresses["environment"], **more}
            started = time.monotonic()
            first = await _start(instances, environment, "begins")
            victim = await _start(instances, environment, "helps")
            await _until(lambda: len(victim.all("begins")) > 1)
            await asyncio.sleep(0.2)
            victim.process.kill()
            third = await _start(instances, environment, "helps")
            await _until(lambda: any(one.all("report") for one in (first, third)))
            seconds = time.monotonic() - started
            return {
                "seconds": seconds,
                "report": [report for one in instances for report in one.all("report")],
                "notices": [kind for one in instances for kind in one.all("notice")],
                "parts": [len(one.all("ended")) for one in instances],
                "killed_in": sorted({*victim.all("begins")} - {*victim.all("ended")}),
                **await _counted(storage),
            }
    finally:
        for one in instances:
            if one.process.returncode is None:
                one.process.kill()
            await one.process.wait()
        await _end(cloud)


async def _start(instances: list[Printed], environment: dict[str, str], what: str) -> Printed:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench_shared", what, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    one = Printed(process)
    one.reading = asyncio.create_task(one.read())
    instances.append(one)
    return one


async def _until(there: Any) -> None:
    while not there():  # noqa: ASYNC110 - what it waits for comes from other processes
        await asyncio.sleep(0.1)


async def _counted(storage: str) -> dict[str, int]:
    """Return how many rows and history entries the register has."""
    found = {"rows": 0, "entries": 0}
    async with TableClient.from_connection_string(storage, _TABLE) as table:
        for name, prefix in (("rows", "state~"), ("entries", "history~")):
            where = f"RowKey ge '{prefix}' and RowKey lt '{prefix}~'"
            async for _ in table.query_entities(where, select=["RowKey"], results_per_page=1000):
                found[name] += 1
    return found


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        print(json.dumps(asyncio.run(measure(int(sys.argv[1]), Sizes(*map(int, sys.argv[2:])))), indent=1))
    else:
        asyncio.run(work(begins=sys.argv[1] == "begins"))
