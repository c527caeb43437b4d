"""Owners are reminded of ends and reviews: each threshold once for each date, whatever happens to the sweeps."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from sandbox.tenant import APPROVAL
from tests.reconcile.world import World, rules
from tests.sweep.conftest import Tenant

PLAIN = {key: value for key, value in APPROVAL.items() if key != "reviewDate"}
NO_REVIEWS: dict[str, Any] = {"reviews": {"months": 0}}


async def ending(tenant: Tenant, days: float, **more: Any) -> ExemptionId:
    """An exemption that the guardrails know, and that ends so many days from now."""
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(**NO_REVIEWS)
    await tenant.settled()
    end = (world.clock.now() + timedelta(days=days)).replace(microsecond=0)
    await world.known(one, expiresOn=spell_time(end), metadata=PLAIN, **more)
    await tenant.settled()
    await world.forget()
    return one


async def reminders(world: World) -> list[tuple[str, str]]:
    """The reminders so far: kind, and the last part of the id."""
    return [(one["notice"]["kind"], one["notice"]["id"].rsplit("-", 1)[1]) for one in await world.notices()]


async def test_each_threshold_is_notified_once_over_hourly_sweeps(tenant: Tenant) -> None:
    await ending(tenant, 35)
    world = tenant.world
    for _ in range(37):
        world.clock.advance(days=1)
        await tenant.settled()
        await tenant.settled()
    sent = await reminders(world)
    assert sent == [
        ("expiring", "30d"),
        ("expiring", "14d"),
        ("expiring", "7d"),
        ("expiring", "1d"),
        ("expired", "expired"),
    ]


async def test_missed_days_bring_the_sharpest_threshold_and_no_burst(tenant: Tenant) -> None:
    await ending(tenant, 40)
    tenant.world.clock.advance(days=34)
    await tenant.settled()
    assert await reminders(tenant.world) == [("expiring", "7d")]
    tenant.world.clock.advance(days=20)
    await tenant.settled()
    assert await reminders(tenant.world) == [("expiring", "7d"), ("expired", "expired")]


async def test_a_new_date_starts_anew(tenant: Tenant) -> None:
    one = await ending(tenant, 8)
    world = tenant.world
    world.clock.advance(days=3)
    await tenant.settled()
    end = spell_time((world.clock.now() + timedelta(days=20)).replace(microsecond=0))
    await world.write(one, expiresOn=end, metadata=PLAIN)
    await tenant.settled()
    world.clock.advance(days=15)
    await tenant.settled()
    assert [mark for _, mark in await reminders(world)] == ["7d", "30d", "7d"]


async def test_states_turn_at_the_right_second(tenant: Tenant) -> None:
    one = await ending(tenant, 20)
    world = tenant.world
    end = (await world.row(one)).expires_on
    assert end is not None
    for before, name in (
        (timedelta(days=14, seconds=1), "expiring-30"),
        (timedelta(days=14), "expiring-14"),
        (timedelta(days=1), "expiring-1"),
        (timedelta(seconds=1), "expiring-1"),
        (timedelta(), "expired"),
        (timedelta(seconds=-1), "expired"),
    ):
        world.clock.time = end - before
        await tenant.settled()
        assert (await world.row(one)).expiry == name
    events = await world.events(one)
    assert events.count("judged") >= 3, "each turn is in the history"


async def test_the_expired_one_is_judged_too(tenant: Tenant) -> None:
    one = await ending(tenant, 2)
    tenant.world.ruleset = rules(on={"expired": "alert"}, **NO_REVIEWS)
    tenant.world.clock.advance(days=2)
    await tenant.settled()
    assert "EXG104" in (await tenant.world.row(one)).findings


@pytest.mark.parametrize("crash", [False, True])
async def test_overlapping_runs_notify_once(tenant: Tenant, *, crash: bool) -> None:
    one = await ending(tenant, 8)
    world = tenant.world
    world.clock.advance(days=2)
    await tenant.sweep()
    await tenant.sweep()  # the first one's messages are still on the queue
    if crash:
        world.queues.down = True
        with pytest.raises(Exception, match="queue is down"):
            await world.look(one)
        world.queues.down = False
        world.after_lease()
    assert await tenant.work() == 2
    await tenant.settled()
    ids = {message["notice"]["id"] for message in await world.notices()}
    assert len(ids) == 1
    assert crash or len(await world.notices()) == 1


async def test_a_review_date_is_reminded_ahead_and_when_it_passes(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    due = (world.clock.now() + timedelta(days=20)).date().isoformat()
    await tenant.settled()
    await world.known(one, metadata={**PLAIN, "reviewDate": due})
    for _ in range(22):
        world.clock.advance(days=1)
        await tenant.settled()
    reviews = [(kind, mark) for kind, mark in await reminders(world) if kind == "review-due"]
    assert reviews == [("review-due", "7d"), ("review-due", "0d")]


async def test_without_a_date_a_review_is_due_a_quarter_after_the_last(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    last = (world.clock.now() - timedelta(days=30)).date()
    world.ruleset = rules(on={"expiry-missing": "off"})
    await tenant.settled()
    await world.known(one, expiresOn=None, metadata={**PLAIN, "lastReviewed": last.isoformat()})
    row = await world.row(one)
    assert row.review_on is not None
    assert 89 <= (row.review_on.date() - last).days <= 92
    world.clock.time = row.review_on
    await tenant.settled()
    assert ("review-due", "0d") in await reminders(world)
