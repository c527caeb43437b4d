"""What the tests of durability set up, do, and hear of."""

from typing import Any

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ruleset.model import Ruleset
from sandbox import tenant as places
from tests.reconcile.world import PIPELINE, World, rules

KEPT: dict[str, Any] = {"durability": {"mode": "collateral", "wait": "15m"}, "reviews": {"months": 0}}


def keeping(mode: str = "enforce", **more: Any) -> Ruleset:
    """A ruleset under which approved exemptions are durable."""
    return rules(mode, **{**KEPT, **more})


async def approved(world: World, name: str = "partner-ingestion", **changes: Any) -> ExemptionId:
    """An approved exemption that the register knows."""
    world.ruleset = keeping() if world.ruleset.digest == rules().digest else world.ruleset
    one = world.id(name)
    await world.known(one, **changes)
    return one


async def drop_target(world: World) -> None:
    """Delete the storage account: its exemptions go with it, and no event says so."""
    status, body = await world.send(PIPELINE, "DELETE", places.RESOURCE)
    assert status in (200, 202, 204), body


async def recreate_target(world: World) -> None:
    status, body = await world.send(PIPELINE, "PUT", places.RESOURCE, {"location": "westeurope"})
    assert status in (200, 201), body


async def target_written(world: World, one: ExemptionId) -> Any:
    """The event that its target, or a deployment to it, was written, as the intake hands it on."""
    return await world.look(one, "target", operation="target-write")


async def target_deleted(world: World, one: ExemptionId) -> Any:
    return await world.look(one, "target", operation="target-delete")


async def deleted_by(world: World, one: ExemptionId, name: str) -> Any:
    """The event that somebody deleted the exemption."""
    return await world.look(one, "event", actor=name, operation="delete")
