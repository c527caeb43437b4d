"""Time that passes for an exemption, and edits of it, with all that follows."""

from datetime import timedelta
from typing import Any

from guardrails.exemption.exemption_id import ExemptionId
from sandbox.tenant import Actor
from tests.reconcile.world import ALICE, World


async def left_alone(world: World, one: ExemptionId, time: timedelta) -> bool:
    """Let time pass, with a look whenever one is due; return whether it was left alone all the while."""
    end = world.clock.time + time
    row = await world.row(one)
    while row.due and row.due <= end:
        world.clock.time = max(row.due, world.clock.time + timedelta(seconds=1))
        if (await world.look(one, "queue")).did in ("delete", "put-back"):
            return False
        row = await world.row(one)
    world.clock.time = max(end, world.clock.time)
    return True


async def edit(world: World, one: ExemptionId, actor: Actor = ALICE, **changes: Any) -> bool:
    """Write it and let all events of that be handled; return whether it was left alone."""
    await world.write(one, actor, **changes)
    before = len(await world.events(one))
    await world.settle(one)
    return not {"reverted", "put-back"} & set((await world.events(one))[before:])


async def gone(world: World, one: ExemptionId, *, seen: bool = True) -> None:
    """Delete it: an update cannot name another assignment."""
    await world.delete(one)
    if seen:
        await world.look(one)
