"""Malformed rows, blind spots, clocks that differ, runs that overlap or die: counted, named, and the rest goes on."""

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.sweep import patience
from sandbox import tenant as places
from tests.reconcile.ports import Died
from tests.reconcile.world import NO_TICKET, US_OID, rules
from tests.sweep.conftest import Tenant


async def filled(tenant: Tenant, count: int = 5) -> list[ExemptionId]:
    """Exemptions that were there before."""
    ids = [tenant.world.id(f"one-{number}") for number in range(count)]
    for one in ids:
        await tenant.world.bad(one)
    tenant.world.clock.advance(days=1)
    return ids


async def test_rows_that_are_left_out_are_counted_and_named_and_the_rest_goes_on(tenant: Tenant) -> None:
    ids = await filled(tenant)
    scope = places.RESOURCE + places.AUTHORIZATION + "/policyExemptions/"
    body = {"policyAssignmentId": places.ASSIGNMENT, "exemptionCategory": "Waiver"}
    await tenant.world.arm_graph(
        extra=[
            {"id": scope + "empty"},
            {"id": scope + "null", "properties": None},
            {"id": scope + "theirs", "tenantId": "99999999-0000-4000-8000-000000000000", "properties": body},
            {"id": ids[0].text.upper(), "properties": body},
            {"id": ids[1].text, "properties": body},
            {"id": "/subscriptions/x/nothing", "properties": body},
        ]
    )
    report = await tenant.sweep()
    assert report.left_out == {"no exemption": 3, "foreign tenant": 1, "duplicate": 2}
    assert report.adopted == len(ids)
    assert "theirs" in " ".join(report.remarks)


@pytest.mark.parametrize(("lost", "times"), [(False, 2), (True, 2), (False, 3)])
async def test_a_request_that_fails_for_a_moment_ends_no_sweep(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, *, lost: bool, times: int
) -> None:
    """Adopting and handing over are thousands of requests; `lost`: the first one went through, its answer did not."""
    ids, world = await filled(tenant), tenant.world
    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0))
    real, failed = world.register.commit, Counter[str]()

    async def commit(exemption: ExemptionId, *more: Any) -> Any:
        failed[exemption.text] += 1
        if failed[exemption.text] <= times:
            if lost and failed[exemption.text] == 1:
                await real(exemption, *more)
            raise Retryable("the connection broke", code="storage-unreachable", subject=exemption.text)
        return await real(exemption, *more)

    monkeypatch.setattr(world.register, "commit", commit)
    if times > len(patience.PAUSES):
        with pytest.raises(Retryable):
            await tenant.sweep()
        return
    report = await tenant.sweep()
    assert (report.adopted, report.missing) == (len(ids), [])
    assert [await world.events(one) for one in ids] == [["adopted"]] * len(ids)
    assert (await world.notice())["digest"]["total"] == len(ids)


async def test_a_page_that_keeps_failing_is_named_and_nothing_is_taken_for_gone(tenant: Tenant) -> None:
    ids = await filled(tenant, 6)
    await tenant.settled()
    tenant.world.clock.advance(hours=1)
    await tenant.world.forget()
    await tenant.world.arm_graph(fail={"start": 0, "times": 9, "status": 500})
    report = await tenant.sweep()
    assert report.missing
    assert report.queued == {}
    assert await tenant.world.notice_kinds() == ["sweep-partial"]
    assert all([(await tenant.world.row(one)).status is Status.VIOLATION for one in ids])


async def test_a_subscription_that_cannot_be_seen_is_notified_once_and_not_taken_for_deleted(tenant: Tenant) -> None:
    ids = await filled(tenant)
    await tenant.settled()
    await tenant.world.forget()
    tenant.world.arm.control._put_permissions({US_OID: []})
    for _ in range(3):
        tenant.world.clock.advance(minutes=10)
        report = await tenant.sweep()
        assert report.queued == {}
        assert any("can no longer be seen" in text for text in report.missing)
        assert any("5 exemptions kept as in the register" in text for text in report.remarks)
    assert await tenant.world.notice_kinds() == ["sweep-partial"]
    assert len(await tenant.world.notices()) == 1
    assert all([(await tenant.world.row(one)).status is Status.VIOLATION for one in ids])


async def test_a_clock_five_minutes_off_is_reported(tenant: Tenant) -> None:
    await filled(tenant)
    await tenant.world.arm_graph(skew=-300)
    report = await tenant.sweep()
    assert [text for text in report.remarks if "300 s" in text]
    assert report.adopted == 5


async def test_one_sweep_at_a_time(tenant: Tenant) -> None:
    await filled(tenant)
    run = await tenant.sweeps.begin(tenant.world.clock.now(), "another", timedelta(minutes=2))
    assert run is not None
    assert await tenant.sweeper.sweep() is None
    assert await tenant.sweeps.beat(run, tenant.world.clock.now(), timedelta(minutes=2)) is not None
    tenant.after_lease()
    assert (await tenant.sweep()).adopted == 5
    assert await tenant.sweeps.beat(run, tenant.world.clock.now(), timedelta(minutes=2)) is None


async def test_after_the_lease_of_a_run_that_died_another_begins(tenant: Tenant) -> None:
    await filled(tenant)
    tenant.world.watch.die_at(3, after=True)
    with suppress(Died, BaseExceptionGroup):
        await tenant.sweeper.sweep()
    assert tenant.world.watch.revive()
    assert await tenant.sweeper.sweep() is None
    tenant.after_lease()
    await tenant.settled()
    assert await tenant.world.notice_kinds() == ["adopted"]


async def end_state(tenant: Tenant) -> dict[str, Any]:
    """What the register says of each exemption, without the times at which it came to that."""
    state = {}
    for one in sorted(tenant.world.ids, key=lambda one: one.key):
        row = await tenant.world.row(one)
        state[one.name] = (
            row.status, row.content, sorted(row.findings), row.expiry, row.reminded, row.review_reminded,
            row.adopted is not None, row.listed, row.answer,
        )  # fmt: skip
    return state


async def varied(tenant: Tenant) -> None:
    """A tenant with something for every branch of a sweep, and guardrails that know half of it."""
    world = tenant.world
    world.ruleset = rules(reviews={"months": 0})
    for number in range(8):
        await world.bad(world.id(f"old-{number}"))
    world.clock.advance(days=1)
    await tenant.settled()
    for number, days in enumerate((0.5, 8, 12, 25, 60)):
        end = spell_time((world.clock.now() + timedelta(days=days, hours=6)).replace(microsecond=0))
        await world.write(world.id(f"ending-{number}"), expiresOn=end)
    await tenant.settled()
    world.clock.advance(days=2)
    for number in range(3):
        await world.write(world.id(f"lost-{number}"), metadata=NO_TICKET)
    await world.delete(world.id("old-1"))
    world.clock.advance(hours=1)
    await world.forget()


async def finish(tenant: Tenant) -> None:
    for _ in range(4):
        tenant.after_lease()
        await tenant.sweeper.sweep()
        await tenant.work()


async def whole(tenant: Tenant) -> tuple[dict[str, Any], list[str]]:
    """Sweep undisturbed; return the register, and the kinds of its reminders."""
    await finish(tenant)
    return await end_state(tenant), await kinds_of_notices(tenant)


async def kinds_of_notices(tenant: Tenant) -> list[str]:
    notices = {one["notice"]["id"]: one["notice"]["kind"] for one in await tenant.world.notices()}
    return sorted(kind for kind in notices.values())


KILLS = [random.Random(seed).randint(1, 24) for seed in range(20)]  # noqa: S311


@pytest.mark.parametrize("kill", range(20))
async def test_killed_at_a_random_moment_it_ends_with_the_same_register(tenant: Tenant, kill: int) -> None:
    await varied(tenant)
    world = tenant.world
    world.watch.die_at(KILLS[kill], after=kill % 2 == 0)
    with suppress(Died, BaseExceptionGroup):
        await tenant.sweeper.sweep()
        await tenant.work()
    world.watch.revive()
    tenant.after_lease()
    state, kinds = await whole(tenant)
    assert {name: row[0] for name, row in state.items()} == {
        **{f"old-{number}": Status.VIOLATION for number in range(8)},
        "old-1": Status.GONE,
        **{f"ending-{number}": Status.COMPLIANT for number in range(5)},
        **{f"lost-{number}": Status.VIOLATION for number in range(3)},
    }
    assert [row[3] for name, row in state.items() if name.startswith("ending")] == [
        "expired", "expiring-7", "expiring-14", "expiring-30", "active",
    ]  # fmt: skip
    assert kinds == ["expired", "expiring", *["tagged"] * 3]
