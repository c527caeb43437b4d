"""What is decided while a write is concluded is done, with no event to remind us: management groups raise none."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ruleset.budgets import Budget, Use
from sandbox import tenant as places
from tests.reconcile.durability import scene
from tests.reconcile.ports import Died
from tests.reconcile.world import ABOVE, ALICE, CORP, NO_OWNER, OPERATOR, World, rules
from tests.sweep.conftest import Tenant

EVERYWHERE: dict[str, Any] = {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}
ANYWHERE = {"scope-too-broad": "off"}
HERE = [places.RESOURCE, CORP]


def changes(scope: str, **more: Any) -> dict[str, Any]:
    return {**(EVERYWHERE if scope == CORP else {}), **more}


async def swept(tenant: Tenant) -> World:
    world = tenant.world
    await tenant.settled()
    world.clock.advance(minutes=5)
    await world.forget()
    return world


async def by_queue_or_sweep(tenant: Tenant, how: str) -> None:
    """Let what was left to do be done by the messages that were sent, or, where they are lost, by the next sweep."""
    world = tenant.world
    world.clock.advance(seconds=40)
    if how == "queue":
        for queue, body, _ in list(world.queues.sent):
            if queue == "reconcile":
                await world.look(ExemptionId.parse(body["id"]), "wake-up")
    else:
        await world._drain("reconcile")
        world.clock.advance(hours=1)
        await tenant.settled()


async def marked(world: World, one: ExemptionId) -> None:
    assert (await world.marker(one) or {}).get("status") == "violation"
    row = await world.row(one)
    assert (row.answer, row.due, row.intent) == ("tag", None, None)


@pytest.mark.parametrize("scope", HERE)
@pytest.mark.parametrize("how", ["queue", "sweep"])
@pytest.mark.parametrize("dies", [False, True])
async def test_the_tag_of_what_was_restored(tenant: Tenant, scope: str, how: str, dies: bool) -> None:
    world = await swept(tenant)
    one = world.id("one", scope)
    await world.bad(one, **changes(scope))
    assert (await world.look(one)).did == "delete"
    world.queues.sent.clear()
    if dies:  # after the write, before its outcome: another visit finishes it
        world.watch.die_at(2, after=True)
        with suppress(Died):
            await world.reconciler.restore(one, OPERATOR)
        world.watch.revive()
        world.after_lease()
        await world.look(one, "queue")
    else:
        await world.reconciler.restore(one, OPERATOR)
    await by_queue_or_sweep(tenant, how)
    await marked(world, one)
    assert (await world.row(one)).kept_why == f"restored by {OPERATOR}"


@pytest.mark.parametrize("scope", HERE)
@pytest.mark.parametrize("how", ["queue", "sweep"])
async def test_the_tag_of_what_was_put_back(tenant: Tenant, scope: str, how: str) -> None:
    """Its last state had a violation that asks for no revert; since then that asks for a tag."""
    tenant.world.ruleset = rules(on=ANYWHERE)
    world = await swept(tenant)
    one = world.id("one", scope)
    await world.write(one, ALICE, metadata=NO_OWNER, **changes(scope))
    await world.look(one)
    world.ruleset = rules(on={**ANYWHERE, "owner-missing": "tag"})
    await world.bad(one, metadata=NO_OWNER, **changes(scope))
    world.queues.sent.clear()
    assert (await world.look(one)).did == "put-back"
    await by_queue_or_sweep(tenant, how)
    await marked(world, one)


@pytest.mark.parametrize("scope", HERE)
async def test_what_is_left_to_do_costs_one_message_and_nothing_where_nothing_is(tenant: Tenant, scope: str) -> None:
    tenant.world.ruleset = rules(on=ANYWHERE)
    world = await swept(tenant)
    one = world.id("one", scope)
    await world.known(one, **changes(scope))
    await world.bad(one, **changes(scope))
    world.queues.sent.clear()
    assert (await world.look(one)).did == "put-back"
    assert [body for queue, body, _ in world.queues.sent if queue == "reconcile"] == []
    assert (await world.row(one)).due is None


async def test_what_waits_for_different_things_at_once_is_notified_once_each(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = scene.keeping()
    await tenant.settled()
    lost, held, blocked, on_hold = (world.id(name) for name in ("lost", "held", "blocked", "on-hold"))
    await world.write(lost)
    await world.look(lost)
    await world.bad(on_hold)
    await world.reconciler.hold(
        on_hold, OPERATOR, until=world.clock.now() + timedelta(hours=30), reason="it must stand"
    )
    await world.bad(blocked)
    world.arm.lock(blocked.scope, "CanNotDelete")
    await world.look(blocked)
    world.arm.unlock(blocked.scope)
    await world.delete(lost)
    world.arm.lock(blocked.scope, "CanNotDelete")
    await scene.deleted_by(world, lost, "mallory@contoso.com")
    await world.bad(held)
    await world.register.take_revert(world.clock.now(), Budget.of(0), Use())
    await world.look(held)
    for hour in range(40):
        if hour == 3:
            assert [(await world.row(one)).held for one in (lost, held, blocked, on_hold)] == ["breaker"] * 2 + [""] * 2
            await world.register.close_breaker(world.clock.now())
        world.clock.advance(hours=1)
        await tenant.sweep()
        await tenant.work()
    assert await world.body(lost) is not None
    expected = {
        "breaker-open": 1,
        "cannot-act": 3,
        "hold": 2,
        "hold-ending": 2,
        "lost": 1,
        "restored": 1,
        "violation": 1,
    }
    assert Counter(await world.notice_kinds()) == expected
