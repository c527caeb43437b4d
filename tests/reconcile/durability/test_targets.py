"""An exemption whose target goes and comes back comes back with it."""

from asyncio import gather
from itertools import permutations
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.body import fingerprint
from sandbox import tenant as places
from tests.reconcile.durability import scene
from tests.reconcile.world import PIPELINE, World
from tests.sweep.conftest import Tenant


async def test_it_comes_back_with_its_target_in_three_requests(world: World) -> None:
    one = await scene.approved(world)
    before = await world.properties(one)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    row = await world.row(one)
    assert (row.status, row.lost_by, row.settled) == (Status.LOST, "", "")
    assert await world.notice_kinds() == ["lost"]
    await scene.recreate_target(world)
    await world.forget()
    outcome = await scene.target_written(world, one)
    assert outcome.did == "bring-back"
    assert sum(world.ours().values()) == 3
    assert await world.properties(one) == before
    row = await world.row(one)
    assert (row.status, row.lost, len(row.restored)) == (Status.COMPLIANT, None, 1)
    assert row.author == "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e11", "who approved it is kept"
    assert (await world.events(one))[-3:] == ["lost", "intent", "brought-back"]
    assert await world.notice_kinds() == ["restored"]
    assert not (await world.look(one)).wrote


async def test_while_its_target_is_away_nothing_is_written_and_it_waits(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    world.clock.advance(minutes=16)
    await world.look(one, "wake-up")
    writes = world.writes()
    for _ in range(3):
        world.clock.advance(hours=1)
        assert not (await world.look(one, "sweep")).wrote
    assert world.writes() == writes
    assert (await world.row(one)).status is Status.LOST


async def test_a_write_that_azure_refuses_for_want_of_a_target_waits_too(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    world.fault("PUT", status=404, code="ResourceNotFound", count=1)
    await scene.target_written(world, one)
    assert (await world.row(one)).wanted_back
    assert (await world.row(one)).intent is None
    await scene.target_written(world, one)
    assert (await world.row(one)).status is Status.COMPLIANT


async def test_another_type_at_the_same_name_is_not_its_target(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    other = places.RESOURCE.replace("Microsoft.Storage/storageAccounts", "Microsoft.Batch/batchAccounts")
    world.arm.seed(other, {"location": "westeurope"})
    world.clock.advance(hours=1)
    await world.look(one, "sweep")
    assert (await world.row(one)).status is Status.LOST


ORDER = ("delete target", "delete event", "recreate target", "deployment event", "sweep")


def orders() -> list[Any]:
    """All 120 orders; every twelfth in each run, the others in the long battery."""
    return [
        pytest.param(
            order, id="-".join(step[0] + step[-1] for step in order), marks=[pytest.mark.long] if n % 12 else []
        )
        for n, order in enumerate(permutations(ORDER))
    ]


@pytest.mark.parametrize("order", orders())
async def test_every_order_of_what_happens_ends_in_the_same_state(tenant: Tenant, order: tuple[str, ...]) -> None:
    world = tenant.world
    world.ruleset = scene.keeping()
    await tenant.settled()
    one = await scene.approved(world)
    said = fingerprint(await world.body(one) or {})
    await tenant.settled()
    for step in order:
        world.clock.advance(minutes=1)
        match step:
            case "delete target":
                await scene.drop_target(world)
            case "recreate target":
                await scene.recreate_target(world)
            case "delete event":
                await scene.target_deleted(world, one)
            case "deployment event":
                await scene.target_written(world, one)
            case "sweep":
                await tenant.sweep()
                await tenant.work()
    if order.index("recreate target") < order.index("delete target"):
        await scene.recreate_target(world)  # what was recreated first was then deleted: it comes back once more
    for _ in range(3):
        world.clock.advance(minutes=20)
        await tenant.sweep()
        await tenant.work()
    row = await world.row(one)
    assert (row.status, row.lost, row.settled, len(row.restored)) == (Status.COMPLIANT, None, "", 1)
    assert fingerprint(await world.body(one) or {}) == said


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.long)])
async def test_many_targets_recreated_at_once_all_come_back_once(world: World, count: int) -> None:
    world.ruleset = scene.keeping()
    accounts = [f"{places.GROUP}/providers/Microsoft.Storage/storageAccounts/st{number}" for number in range(count)]
    ids = [world.id("waiver", account) for account in accounts]
    for account, one in zip(accounts, ids, strict=True):
        world.arm.seed(account, {"location": "westeurope"})
        await world.write(one)
    await gather(*(world.look(one) for one in ids))
    for account in accounts:
        await world.send(PIPELINE, "DELETE", account)
    await gather(*(scene.target_deleted(world, one) for one in ids))
    for account in accounts:
        world.arm.seed(account, {"location": "westeurope"})
    await world.forget()
    doubled = [scene.target_written(world, one) for one in ids for _ in range(2)]  # each event comes twice
    done = await gather(*doubled, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) and outcome.did == "bring-back" for outcome in done) == count
    assert world.ours()["PUT policyExemptions"] == count
    assert {(await world.row(one)).status for one in ids} == {Status.COMPLIANT}
    assert {len((await world.row(one)).restored) for one in ids} == {1}
    assert (await world.register.breaker(world.clock.now())).opened_at is None


async def test_a_delete_that_is_heard_of_only_after_the_target_is_back_is_made_good_at_once(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.recreate_target(world)
    await scene.target_written(world, one)  # nobody knows yet that it is lost: this finds that, and puts it back
    assert (await world.row(one)).status is Status.COMPLIANT
    await scene.drop_target(world)
    await scene.recreate_target(world)
    await scene.target_deleted(world, one)
    assert (await world.row(one)).status is Status.COMPLIANT
    assert len((await world.row(one)).restored) == 2
