"""Hard cases of durability: what must not come back, what must, and how often people hear of it."""

from asyncio import gather
from contextlib import suppress
from typing import Any, cast

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import fingerprint
from guardrails.exemption.facts import Unread
from guardrails.ruleset.budgets import Budget, Use
from sandbox import tenant as places
from tests.reconcile.durability import scene
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, PIPELINE, World, in_days

EXCLUDED: dict[str, Any] = {"exclusions": [{"scope": places.GROUP, "reason": "a lab"}]}


async def lost(world: World, **changes: Any) -> Any:
    one = await scene.approved(world, **changes)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    return one


async def test_what_is_excluded_by_now_is_left_alone(world: World) -> None:
    one = await lost(world)
    world.ruleset = scene.keeping(**EXCLUDED)
    await scene.recreate_target(world)
    await scene.target_written(world, one)
    assert await world.body(one) is None


async def test_what_was_excluded_when_it_was_deleted_is_left_alone(world: World) -> None:
    one = await scene.approved(world)
    world.ruleset = scene.keeping(**EXCLUDED)
    await world.look(one, "sweep")
    await world.delete(one)
    await scene.deleted_by(world, one, "alice@contoso.com")
    world.clock.advance(hours=1)
    await world.look(one, "wake-up")
    assert await world.body(one) is None
    assert "lost" not in await world.notice_kinds()


async def test_a_twin_that_has_ended_does_not_replace_it(world: World) -> None:
    one = await lost(world)
    await scene.recreate_target(world)
    await world.write(world.id("old"), expiresOn=in_days(world.clock, 1))
    world.clock.advance(days=2)
    await scene.target_written(world, one)
    assert await world.body(one) is not None


@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationFailed"), (409, "Conflict"), (412, "X")])
async def test_a_refusal_that_passes_does_not_end_it(world: World, status: int, code: str) -> None:
    one = await lost(world)
    await scene.recreate_target(world)
    world.fault("PUT", status=status, code=code, count=1)
    with suppress(Retryable):  # it comes off the queue once more
        await scene.target_written(world, one)
    world.clock.advance(hours=1)
    await scene.target_written(world, one)
    await world.look(one, "sweep")
    assert await world.body(one) is not None


async def test_an_assignment_that_is_recreated_after_the_target(world: World) -> None:
    one = await lost(world)
    body = world.azure()[places.ASSIGNMENT.lower()]
    await world.send(PIPELINE, "DELETE", places.ASSIGNMENT)
    world.clock.advance(minutes=11)
    await scene.recreate_target(world)
    await scene.target_written(world, one)
    world.arm.seed(places.ASSIGNMENT, {"properties": body["properties"]})
    world.clock.advance(minutes=1)
    await scene.target_written(world, one)
    await world.look(one, "sweep")
    assert await world.body(one) is not None


async def test_an_old_delete_event_that_comes_again_says_nothing_of_a_later_loss(world: World) -> None:
    world.ruleset = scene.keeping(approved=["pipeline@contoso.com"])
    one = await scene.approved(world)
    await world.delete(one)
    await scene.deleted_by(world, one, "pipeline@contoso.com")
    await world.write(one)
    await world.look(one)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.deleted_by(world, one, "pipeline@contoso.com")  # Event Grid delivers at least once, within 24 hours
    await scene.recreate_target(world)
    await scene.target_written(world, one)
    assert await world.body(one) is not None


async def test_an_old_delete_event_of_a_loss_that_was_put_back_says_nothing_of_a_later_loss(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    world.clock.advance(minutes=35)
    await world.look(one, "wake-up")
    assert await world.body(one) is not None
    await scene.drop_target(world)
    await scene.deleted_by(world, one, "alice@contoso.com")
    assert (await world.row(one)).lost_said == ""


async def test_one_that_could_not_be_read_while_lost_is_found_by_its_targets_event(world: World) -> None:
    one = await lost(world)
    world.fault("GET", status=403, code="AuthorizationFailed", count=1)
    await world.look(one, "sweep")
    found = await world.register.attached_ids(one.container, one.key[: len(one.scope)], lost=True)
    assert found == [one.text]


async def test_recreations_are_no_fight(world: World) -> None:
    one = await scene.approved(world)
    for _ in range(6):
        await scene.drop_target(world)
        await scene.target_deleted(world, one)
        await scene.recreate_target(world)
        await scene.target_written(world, one)
        world.clock.advance(minutes=30)
    assert "fight" not in await world.notice_kinds()
    assert await world.body(one) is not None


async def test_an_actor_of_blanks_is_no_owner(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one)
    await scene.deleted_by(world, one, " ")
    assert (await world.row(one)).status is Status.LOST


async def test_a_lost_row_that_a_hand_changed_is_still_put_back(world: World) -> None:
    one = await lost(world)
    await world.edit_row(one, row="{}")
    await world.look(one, "sweep")
    row = await world.row(one)
    assert row.status is Status.LOST
    await scene.recreate_target(world)
    assert await world.register.attached_ids(one.container, one.key[: len(one.scope)], lost=True) == [one.text]


async def test_two_that_exempt_from_the_same_both_come_back(world: World) -> None:
    one, two = await scene.approved(world), await scene.approved(world, "second")
    await scene.drop_target(world)
    for each in (one, two):
        await scene.target_deleted(world, each)
    await scene.recreate_target(world)
    for each in (one, two):
        await scene.target_written(world, each)
    assert await world.body(one) is not None
    assert await world.body(two) is not None


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("begun", ["delete event", "write event", "person"])
async def test_a_death_at_any_write_loses_and_doubles_nothing(world: World, begun: str, *, after: bool) -> None:
    for write in range(1, 12):
        world.clock.advance(days=2)
        one = await scene.approved(world, f"dies-at-{write}", displayName=f"{write}")
        said = fingerprint(await world.body(one) or {})
        if begun == "person":
            await world.delete(one, ALICE)
        else:
            await world.send(PIPELINE, "DELETE", one.text)  # as its target's deletion does, for this one only
        if begun == "delete event":
            world.watch.die_at(write, after=after)
        with suppress(Died):
            if begun == "person":
                world.watch.die_at(write, after=after)
                await scene.deleted_by(world, one, "alice@contoso.com")
                world.clock.advance(minutes=16)
                await world.look(one, "wake-up")
            else:
                await world.look(one, "sweep")
                if begun == "write event":
                    world.watch.die_at(write, after=after)
                await scene.target_written(world, one)
        died = world.watch.revive()
        for _ in range(3):
            world.clock.advance(minutes=16)
            await world.look(one, "sweep")
        row = await world.row(one)
        assert (row.status, row.lost, len(row.restored)) == (Status.COMPLIANT, None, 1), write
        assert fingerprint(await world.body(one) or {}) == said
        mine = {m["notice"]["id"]: m["notice"]["kind"] for m in await world.notices()}
        assert sorted(mine.values()) == ["lost", "restored"], (write, mine)
        await world.delete(one, PIPELINE)
        if not died:
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("why", ["assignment", "scope", "breaker", "audit"])
async def test_waiting_does_not_grow_the_history(world: World, why: str) -> None:
    one = await lost(world)
    await scene.recreate_target(world)
    if why == "assignment":
        world.fault("GET", path="policyAssignments", status=403, code="AuthorizationFailed", count=99)
    elif why == "scope":

        async def unread(_: Any) -> Any:
            return Unread("no")

        cast(Any, world.reconciler._world.arm).at_same_scope = unread
    elif why == "breaker":
        await world.register.take_revert(world.clock.now(), Budget.of(0), Use())
    else:
        world.ruleset = scene.keeping("audit")
    world.clock.advance(minutes=20)
    await world.look(one, "sweep")
    before = len(await world.history(one))
    for _ in range(4):
        world.clock.advance(hours=1)
        await world.look(one, "sweep")
        await scene.target_written(world, one)
    assert len(await world.history(one)) == before


async def test_two_workers_at_once_lose_it_once(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one)
    looks = [scene.deleted_by(world, one, "alice@contoso.com") for _ in range(4)]
    await gather(*looks, return_exceptions=True)
    assert await world.notice_kinds() == []
    world.clock.advance(minutes=21)
    await gather(*(world.look(one, "wake-up") for _ in range(4)), return_exceptions=True)
    world.after_lease()
    await world.look(one, "sweep")
    assert await world.notice_kinds() == ["lost", "restored"]
    assert len((await world.row(one)).restored) == 1
    assert world.ours()["PUT policyExemptions"] == 1


async def test_our_own_delete_is_no_loss(world: World) -> None:
    one = await scene.approved(world)
    world.ruleset = scene.keeping(
        on={"never-exempt": {"response": "revert", "options": {"assignments": [places.ASSIGNMENT]}}}
    )
    world.watch.die_at(3, after=True)
    with suppress(Died):
        await world.look(one, "sweep")
    world.watch.revive()
    world.ruleset = scene.keeping()
    world.after_lease()
    for _ in range(2):
        await scene.deleted_by(world, one, "guardrails")
        world.clock.advance(hours=1)
    await world.look(one, "sweep")
    assert (await world.row(one)).status is Status.GONE
    assert await world.body(one) is None


OFF = dict.fromkeys(("whole-initiative", "scope-too-broad", "expiry-too-far", "expiry-missing"), "off")


@pytest.mark.parametrize("on", [{}, OFF], ids=["asked for", "asked for by no rule"])
async def test_an_initiative_that_cannot_be_read_is_waited_for(world: World, on: dict[str, str]) -> None:
    world.ruleset = scene.keeping(on=on)
    one = await lost(world)
    await scene.recreate_target(world)
    world.clock.advance(minutes=11)
    world.fault("GET", path="policySetDefinitions", status=403, code="AuthorizationFailed", count=1)
    await scene.target_written(world, one)
    assert await world.body(one) is None


async def test_a_person_is_not_blamed_for_what_deployments_did(world: World) -> None:
    one = await scene.approved(world)
    for _ in range(3):
        await scene.drop_target(world)
        await scene.target_deleted(world, one)
        await scene.recreate_target(world)
        await scene.target_written(world, one)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    world.clock.advance(minutes=16)
    await world.look(one, "wake-up")
    assert "fight" not in await world.notice_kinds(), [m["notice"]["why"] for m in await world.notices()][-1]


async def test_a_deployment_does_not_undo_an_owners_delete_whose_event_is_late(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one)
    await world.look(one, "sweep")
    await scene.target_written(world, one)
    await scene.deleted_by(world, one, "data-platform@contoso.com")
    assert await world.body(one) is None


async def test_a_list_that_lags_behind_is_waited_for(world: World) -> None:
    one = await lost(world)
    await scene.recreate_target(world)
    body = {"id": one.text, "properties": {}}

    async def lags(_: Any) -> list[Any]:
        return [body]

    cast(Any, world.reconciler._world.arm).at_same_scope = lags
    await world.forget()
    await scene.target_written(world, one)
    assert sum(world.ours().values()) <= 3


async def test_an_assignment_that_went_a_moment_ago_is_no_refusal_of_azure(world: World) -> None:
    one = await lost(world)
    await scene.recreate_target(world)
    await world.send(PIPELINE, "DELETE", places.ASSIGNMENT)
    await scene.target_written(world, one)
    row = await world.row(one)
    assert row.status is not Status.COMPLIANT


async def test_an_altered_row_of_one_that_is_there_does_not_cost_it_its_durability(world: World) -> None:
    one = await scene.approved(world)
    await world.edit_row(one, owner="mallory")
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    assert (await world.row(one)).status is Status.LOST


async def test_stripped_and_then_deleted_is_at_least_notified(world: World) -> None:
    one = await scene.approved(world)
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    await world.forget()
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    assert await world.notice_kinds() != []


async def test_an_operator_may_ask_while_the_target_is_away(world: World) -> None:
    one = await lost(world)
    await world.forget()
    with pytest.raises(Permanent, match="Azure refused"):
        await world.reconciler.restore(one, OPERATOR)
    row = await world.row(one)
    assert (row.wanted_back, row.status) == (True, Status.LOST)
    await scene.recreate_target(world)
    await scene.target_written(world, one)
    assert await world.body(one) is not None
    assert (await world.row(one)).snapshot is not None


async def test_a_broken_sweep_of_an_altered_lost_row(tenant: Any) -> None:
    world = tenant.world
    world.ruleset = scene.keeping()
    await tenant.settled()
    one = await lost(world)
    await world.edit_row(one, row="{}")
    await tenant.sweep()
    await tenant.work()
    await scene.recreate_target(world)
    for _ in range(3):
        world.clock.advance(hours=2)
        await tenant.sweep()
        await tenant.work()
    assert await world.body(one) is not None


async def test_sweeps_settle_over_lost_and_settled_rows(tenant: Any) -> None:
    world = tenant.world
    world.ruleset = scene.keeping()
    await tenant.settled()
    one, two = await scene.approved(world), await scene.approved(world, "second")
    await world.delete(two, ALICE)
    await scene.deleted_by(world, two, "alice@contoso.com")
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    for _ in range(2):
        world.clock.advance(hours=1)
        await tenant.sweep()
        await tenant.work()
    before = [len(await world.history(each)) for each in (one, two)]
    for _ in range(3):
        world.clock.advance(hours=1)
        await tenant.sweep()
        await tenant.work()
    assert [len(await world.history(each)) for each in (one, two)] == before


async def test_unreadable_while_lost_says_so_once_and_comes_back(world: World) -> None:
    one = await lost(world)
    await world.forget()
    await scene.recreate_target(world)
    fault = len(world.arm.faults.rules)
    world.fault("GET", status=403, code="AuthorizationFailed")
    for _ in range(4):
        world.clock.advance(minutes=30)
        await world.look(one, "sweep")
    del world.arm.faults.rules[fault:]
    world.clock.advance(hours=7)
    await world.look(one, "sweep")
    assert await world.body(one) is not None
    assert [kind for kind in await world.notice_kinds() if kind != "unknown"] == ["restored"]


async def test_a_fight_counts_within_its_window_only(world: World) -> None:
    one = await scene.approved(world)
    for _ in range(6):
        await world.delete(one, ALICE)
        await scene.deleted_by(world, one, "alice@contoso.com")
        world.clock.advance(hours=9)
        await world.look(one, "wake-up")
    assert await world.body(one) is not None
    assert "fight" not in await world.notice_kinds()


async def test_accepted_then_doubled_by_every_source_stays_gone(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one)
    await scene.deleted_by(world, one, "data-platform@contoso.com")
    for _ in range(2):
        for step in (scene.target_deleted, scene.target_written):
            await step(world, one)
        await world.look(one, "event", operation="write", actor="alice@contoso.com")
        await scene.deleted_by(world, one, "alice@contoso.com")
        await world.look(one, "operator", actor="olga@contoso.com")
        world.clock.advance(hours=1)
        await world.look(one, "sweep")
    assert await world.body(one) is None
    assert await world.notice_kinds() == []
