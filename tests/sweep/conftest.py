"""A tenant to sweep: the world of tests/reconcile, and the sweeper over the real Resource Graph adapter."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from guardrails.azure.graph import Graph
from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import parse_time
from guardrails.intake import Intake
from guardrails.register.sweeps import Sweeps
from guardrails.sweep.in_force import InForce
from guardrails.sweep.report import Report
from guardrails.sweep.second_clock import SecondClock
from guardrails.sweep.sweep import LEASE, Sweeper
from tests.reconcile.conftest import world
from tests.reconcile.ports import watched
from tests.reconcile.world import StaticToken, World

__all__ = ["world"]


async def no_wait(_: float) -> None:
    await asyncio.sleep(0)


@dataclass
class Tenant:
    """The world, and its sweeps."""

    world: World
    graph: Graph
    sweeper: Sweeper
    intake: Intake
    sweeps: Sweeps
    waited: list[float] = field(default_factory=list)

    async def sweep(self) -> Report:
        """Sweep now; the run must be ours."""
        report = await self.sweeper.sweep()
        assert report is not None
        return report

    async def work(self) -> int:
        """Work off the `reconcile` queue, delayed messages aside; return how many there were."""
        messages = [message for message in await self.world._drain("reconcile") if "id" in message]
        for message in messages:
            hint = Hint(
                "sweep" if message.get("sweep") else "queue",
                listed=message.get("listed", ""),
                adopt=parse_time(message.get("adopt")),
                seen=parse_time(message.get("seen")),
                together=message.get("together", {}),
            )
            await self.world.reconciler.reconcile(ExemptionId.parse(message["id"]), hint)
        return len(messages)

    async def settled(self) -> Report:
        """Sweep and work until a sweep finds nothing; return its report."""
        for _ in range(5):
            report = await self.sweep()
            if not await self.work():
                return report
        raise AssertionError(f"sweeps do not settle: {report.to_json()}")

    def after_lease(self) -> None:
        self.world.clock.advance(seconds=LEASE.total_seconds() + 1)

    def requests(self) -> int:
        """Our requests to ARM and Resource Graph since `world.forget`."""
        return self.world.ours().total()


@pytest.fixture
async def tenant(world: World) -> AsyncIterator[Tenant]:
    graph = Graph(world.arm.address, StaticToken(), world.clock, sleep=no_wait)
    # the reconciler's ports are the watched ones: what dies there dies here
    ports = world.reconciler._world
    sweeps = watched("sweeps", world.register.sweeps, world.watch)
    dead_letters = DeadLetterQueue(ports.register, ports.queues, world.clock, lambda: world.ruleset)
    bypasses = watched("bypasses", world.register.bypasses, world.watch)
    record = watched("record", world.register.record, world.watch)
    second_clock = SecondClock(sweeps, ports.queues, world.clock, timedelta(hours=1))
    in_force = InForce(lambda: world.ruleset, record, world.clock)
    sweeper = Sweeper(ports, graph, sweeps, in_force, dead_letters.notify, bypasses=bypasses, record=record)
    intake = Intake(
        world.reconciler, ports, dead_letters, cast(Any, None), lambda: sweeper, in_force=in_force,
        second_clock=second_clock,
    )  # fmt: skip
    yield Tenant(world, graph, sweeper, intake, world.register.sweeps)
    await graph.close()
