"""A target that is recreated often is notified, and that does not cost its exemption the durability."""

from guardrails.decisions.row import Status
from tests.reconcile.durability import scene
from tests.reconcile.world import ALICE, World


async def test_it_is_notified_once_and_an_approved_edit_of_it_stays_durable(world: World) -> None:
    fights = {"mode": "collateral", "fights": {"times": 1}}
    world.ruleset = scene.keeping(on={"recreated-often": "alert"}, durability=fights)
    one = await scene.approved(world)
    for times in range(1, 6):
        await scene.drop_target(world)
        await scene.target_deleted(world, one)
        await scene.recreate_target(world)
        await scene.target_written(world, one)
        assert set((await world.row(one)).findings) == ({"EXG405"} if times >= 3 else set())
    await world.write(one, displayName="as it was approved anew")
    await world.look(one)
    row = await world.row(one)
    assert (row.status, row.compliant_content) == (Status.VIOLATION, row.content)

    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    await scene.target_written(world, one)

    assert (await world.properties(one))["displayName"] == "as it was approved anew"
    assert len((await world.row(one)).restored) == 6


async def test_what_somebody_deletes_again_and_again_has_no_target_that_is_recreated(world: World) -> None:
    often = {"response": "alert", "options": {"times": 2}}
    world.ruleset = scene.keeping(on={"recreated-often": often}, durability={"mode": "always"})
    one = await scene.approved(world)
    for _ in range(2):
        await world.delete(one, ALICE)
        await scene.deleted_by(world, one, "alice@contoso.com")
        world.clock.advance(minutes=20)
        await world.look(one, "wake-up")
    row = await world.row(one)
    assert (row.status, len(row.restored), set(row.findings)) == (Status.COMPLIANT, 2, set())
