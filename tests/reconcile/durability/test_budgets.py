"""Restores have budgets of their own: who deletes much has that much put back an hour, and nobody else waits for it."""

from contextlib import suppress
from datetime import timedelta

from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from tests.reconcile.durability import scene
from tests.reconcile.world import ALICE, World

MALLORY, BOB = "mallory@contoso.com", "bob@contoso.com"


async def deleted(world: World, name: str, by: str) -> ExemptionId:
    one = await scene.approved(world, name)
    await world.delete(one, ALICE)
    await world.look(one, "event", actor=by, operation="delete", verified=True)
    return one


async def back(world: World, one: ExemptionId) -> bool:
    await world.look(one, "wake-up")
    return await world.body(one) is not None


async def test_who_deletes_much_uses_up_what_is_put_back_for_him_and_nobody_else(world: World) -> None:
    world.ruleset = scene.keeping(breaker={"restores": {"author": 2}})
    ids = [await deleted(world, f"gone-{number}", MALLORY) for number in range(4)]
    other = await deleted(world, "other", BOB)
    world.clock.advance(minutes=16)
    assert [await back(world, one) for one in ids] == [True, True, False, False]
    row = await world.row(ids[2])
    assert (row.status, row.held, row.due) == (
        Status.LOST, "restores-author", world.clock.now() + timedelta(hours=1),
    )  # fmt: skip
    assert await back(world, other)
    assert sorted((await world.register.held()).values()) == ["restores-author"] * 2
    world.clock.advance(hours=1)
    assert [await back(world, one) for one in ids[2:]] == [True, True]
    assert await world.register.held() == {}


async def test_the_total_makes_them_wait_and_opens_nothing(world: World) -> None:
    world.ruleset = scene.keeping(breaker={"restores_per_hour": 3, "restores": {"subscription": 99}})
    ids = [await deleted(world, f"gone-{number}", f"person-{number}@contoso.com") for number in range(4)]
    world.clock.advance(minutes=16)
    assert [await back(world, one) for one in ids] == [True, True, True, False]
    assert (await world.row(ids[3])).held == "restores"
    state = await world.register.breaker(world.clock.now())
    assert (state.opened_at, state.recent, len(state.restores)) == (None, 0, 3)
    bad = world.id("bad")
    await world.bad(bad)
    assert (await world.look(bad)).did == "delete"


async def test_a_target_made_anew_again_and_again_is_slowed_down_only(world: World) -> None:
    world.ruleset = scene.keeping(breaker={"restores": {"exemption": 2}})
    one = await scene.approved(world)
    for times in range(3):
        await scene.drop_target(world)
        await scene.target_deleted(world, one)
        await scene.recreate_target(world)
        await scene.target_written(world, one)
        assert (await world.body(one) is not None) == (times < 2)
    row = await world.row(one)
    assert row.held == "restores-exemption"
    world.clock.advance(hours=1)
    assert await back(world, one)


async def test_azure_that_fails_time_and_again_uses_up_one_share(world: World) -> None:
    one = await deleted(world, "gone", MALLORY)
    world.clock.advance(minutes=16)
    world.fault("PUT", status=503, count=20)
    for _ in range(4):
        with suppress(Retryable):
            await world.look(one, "wake-up")
        world.after_lease()
    world.arm.faults.rules.clear()
    assert await back(world, one)
    assert len((await world.register.breaker(world.clock.now())).restores) == 1
