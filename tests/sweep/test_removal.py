"""Exemptions that ended long ago are kept, unless the ruleset wants them deleted: slowly, by sweeps only, undoably."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from sandbox import tenant as places
from sandbox.tenant import APPROVAL
from tests.reconcile.world import OPERATOR, PIPELINE, rules
from tests.sweep.conftest import Tenant

AFTER: dict[str, Any] = {"expired": {"delete_after_days": 30}, "reviews": {"months": 0}}


async def ended(tenant: Tenant, count: int = 1, **more: Any) -> list[ExemptionId]:
    """Exemptions that the guardrails knew while they lasted, and that ended 40 days ago."""
    world = tenant.world
    world.ruleset = rules(**AFTER)
    await tenant.settled()
    end = (world.clock.now() + timedelta(days=5)).replace(microsecond=0)
    ids = [world.id(f"ended-{number}") for number in range(count)]
    for one in ids:
        await world.known(one, expiresOn=spell_time(end), **more)
    await tenant.settled()
    world.clock.time = end + timedelta(days=40)
    await world.forget()
    return ids


async def test_they_are_kept_by_default(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    tenant.world.ruleset = rules()
    await tenant.settled()
    assert await tenant.world.body(one) is not None


async def test_a_sweep_deletes_them_after_the_days_that_the_ruleset_gives(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    body = await world.body(one)
    await tenant.settled()
    assert await world.body(one) is None
    row = await world.row(one)
    assert (row.status, row.answer) == (Status.GONE, "remove")
    assert (await world.events(one))[-1] == "removed"
    assert "removed" in await world.notice_kinds()
    assert row.undo is not None
    assert (await world.register.body(one, row.undo))["properties"] == (body or {})["properties"]


async def test_not_a_day_earlier_and_at_the_very_second(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    world.clock.time -= timedelta(days=10, seconds=1)
    await tenant.settled()
    assert await world.body(one) is not None
    world.clock.advance(seconds=1)
    await tenant.settled()
    assert await world.body(one) is None


@pytest.mark.parametrize("source", ["event", "queue", "wake-up", "operator"])
async def test_nothing_but_a_sweep_deletes_them(tenant: Tenant, source: str) -> None:
    (one,) = await ended(tenant)
    await tenant.world.look(one, source)
    assert await tenant.world.body(one) is not None


async def test_audit_mode_deletes_none(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    tenant.world.ruleset = rules("audit", **AFTER)
    await tenant.settled()
    assert await tenant.world.body(one) is not None
    assert (await tenant.world.row(one)).answer == "remove"


@pytest.mark.parametrize(
    "more",
    [
        {"owners": [{"name": "Landing zone", "metadata": {"owner": "data-platform@*"}}]},
        {"exclusions": [{"scope": places.GROUP, "reason": "kept for the auditors"}]},
    ],
)
async def test_what_is_owned_or_excluded_is_left_alone(tenant: Tenant, more: dict[str, Any]) -> None:
    (one,) = await ended(tenant)
    tenant.world.ruleset = rules(**AFTER, **more)
    await tenant.settled()
    assert await tenant.world.body(one) is not None


async def test_one_that_an_operator_restored_stays(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    await tenant.settled()
    await world.reconciler.restore(one, OPERATOR)
    world.clock.advance(hours=1)
    await tenant.settled()
    assert await world.body(one) is not None


async def test_many_take_several_sweeps_and_never_open_the_breaker(tenant: Tenant) -> None:
    ids = await ended(tenant, 7)
    world = tenant.world
    world.ruleset = rules(**AFTER, breaker={"reverts_per_hour": 4})
    left = []
    for _ in range(5):
        await tenant.sweep()
        await tenant.work()
        left.append(sum([await world.body(one) is not None for one in ids]))
        assert (await world.register.breaker(world.clock.now())).opened_at is None
        world.clock.advance(minutes=61)
    assert left == [5, 3, 1, 0, 0]
    assert {(await world.row(one)).status for one in ids} == {Status.GONE}


async def test_one_that_is_renewed_in_time_is_not_deleted(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    report = await tenant.sweep()
    assert report.queued
    await world.write(one, PIPELINE, metadata=APPROVAL)
    await tenant.work()
    assert await world.body(one) is not None


@pytest.mark.parametrize("meanwhile", ["a wake-up", "a hold"])
async def test_one_that_azure_does_not_let_us_delete_is_notified_once(tenant: Tenant, meanwhile: str) -> None:
    """It is tried again after a day, and then weekly: a look that may not delete it is no permission."""
    (one,) = await ended(tenant)
    world = tenant.world
    world.arm.lock(places.GROUP, "CanNotDelete")
    await tenant.settled()
    assert (await world.row(one)).status is Status.CANNOT_ACT
    if meanwhile == "a hold":
        until = world.clock.now() + timedelta(hours=30)
        await world.reconciler.hold(one, OPERATOR, until=until, reason="break glass")
    for _ in range(3):
        world.clock.advance(days=1, seconds=1)
        if meanwhile == "a wake-up":
            await world.look(one, "wake-up")
        await tenant.settled()
    row = await world.row(one)
    assert row.refused == 2
    assert row.retry_on is not None
    assert row.retry_on > world.clock.now() + timedelta(days=3)
    assert (await world.notice_kinds()).count("cannot-act") == 1
