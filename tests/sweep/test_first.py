"""The first sweep: what was there before the guardrails is adopted, notified once, and left alone."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.times import spell_time
from sandbox import tenant as places
from tests.reconcile.world import ALICE, CORP, NO_TICKET, rules
from tests.sweep.conftest import Tenant


async def test_what_was_there_before_is_in_the_register_and_untouched(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(12):
        await world.bad(world.id(f"bad-{number}"), metadata=NO_TICKET)
        await world.write(world.id(f"good-{number}"))
    world.clock.advance(days=30)
    before = world.azure()
    await world.forget()
    report = await tenant.sweep()
    assert (report.adopted, report.seen, report.known, report.queued) == (24, 24, 0, {})
    assert world.azure() == before
    assert {name.split()[0] for name in world.ours()} <= {"GET", "POST"}
    rows = [await world.row(one) for one in world.ids]
    assert {row.status for row in rows} == {Status.VIOLATION, Status.COMPLIANT}
    assert all(row.adopted and row.kept == row.content for row in rows)
    assert {tuple(await world.events(one)) for one in world.ids} == {("adopted",)}
    for one in list(world.ids)[:3]:
        assert await world.register.body(one, 1) == await world.body(one)


async def test_people_hear_of_all_of_them_in_one_notice(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(40):
        await world.bad(world.id(f"bad-{number}"))
    world.clock.advance(days=1)
    await tenant.settled()
    notice = await world.notice()
    assert notice["kind"] == "adopted"
    assert notice["digest"]["total"] == 40
    assert notice["digest"]["rules"]["expiry-missing"] == 40
    assert len(notice["findings"]) == 10
    world.clock.advance(hours=1)
    await tenant.settled()
    assert len(await world.notices()) == 1


async def test_an_edit_ends_the_adoption(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.bad(one)
    world.clock.advance(days=1)
    await tenant.settled()
    await world.bad(one, displayName="for ever and ever")
    world.clock.advance(hours=1)
    await tenant.settled()
    assert await world.body(one) is None


async def test_the_adoption_date_ends_it_too(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    until = (world.clock.now() + timedelta(days=20)).replace(microsecond=0)
    world.ruleset = rules(adoption={"until": spell_time(until)})
    await world.bad(one)
    world.clock.advance(days=1)
    await tenant.settled()
    assert await world.body(one) is not None
    world.clock.time = until
    await tenant.settled()
    assert await world.body(one) is None


@pytest.mark.parametrize("ends", ["by its date", "by an edit"])
async def test_grace_starts_when_the_adoption_ends(tenant: Tenant, ends: str) -> None:
    world, one, grace = tenant.world, tenant.world.id(), timedelta(days=3)
    until = (world.clock.now() + timedelta(days=20)).replace(microsecond=0)
    adoption: dict[str, Any] = {"adoption": {"until": spell_time(until)}} if ends == "by its date" else {}
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "3d"}}, **adoption)
    await world.bad(one)
    world.clock.advance(days=1)
    await tenant.settled()
    world.clock.time = until - timedelta(hours=1)
    await tenant.settled()
    adopted = await world.row(one)
    assert (adopted.adopted is not None, adopted.grace_use) == (True, ())

    world.clock.time = until
    if ends == "by an edit":
        await world.bad(one, displayName="for ever and ever")
    await tenant.settled()
    row = await world.row(one)
    assert row.due is not None
    assert row.due == until + grace
    assert [period.end for period in row.grace_use] == [None]

    world.clock.time = row.due - timedelta(minutes=1)
    await tenant.settled()
    assert await world.body(one) is not None
    assert "reverted" not in await world.notice_kinds()
    world.clock.time = row.due
    await tenant.settled()
    assert await world.body(one) is None
    assert (await world.events(one))[-1] == "reverted"
    assert (await world.notice_kinds()).count("reverted") == 1


async def test_what_came_after_the_first_sweep_is_not_adopted_even_in_an_empty_subscription(tenant: Tenant) -> None:
    world = tenant.world
    await tenant.settled()
    world.clock.advance(minutes=30)
    one = world.id()
    await world.bad(one)
    world.clock.advance(minutes=30)
    assert (await tenant.sweep()).queued == {"new": 1}


async def test_a_subscription_that_joins_later_has_a_first_sweep_of_its_own(tenant: Tenant) -> None:
    world = tenant.world
    await tenant.settled()
    world.clock.advance(hours=2)
    world.arm.add_subscription(places.DEV, name="contoso-dev", management_group="contoso")
    one = world.id("old", f"/subscriptions/{places.DEV}")
    every = {"policyAssignmentId": f"{CORP}{places.AUTHORIZATION}/policyAssignments/everywhere"}
    await world.bad(one, ALICE, **every, policyDefinitionReferenceIds=None)
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    assert (report.adopted, report.queued) == (1, {})
    assert (await world.row(one)).adopted


async def test_reminders_of_adopted_ones_are_due_at_once_but_not_of_what_is_past(tenant: Tenant) -> None:
    world = tenant.world
    soon, over = world.id("soon"), world.id("over")
    for one, days in ((soon, 10), (over, 3)):
        await world.write(one, expiresOn=spell_time((world.clock.now() + timedelta(days=days)).replace(microsecond=0)))
    world.clock.advance(days=5)
    await tenant.settled()
    assert await world.notice_kinds() == ["adopted"]
    world.clock.advance(hours=1)
    await tenant.settled()
    assert await world.notice_kinds() == ["adopted", "expiring"]
    assert (await world.row(soon)).expiry == "expiring-7"
    assert (await world.row(over)).expiry == "expired"


async def test_where_azure_does_not_list_they_are_adopted_one_by_one(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(3):
        await world.bad(world.id(f"bad-{number}"))
    world.clock.advance(days=1)
    world.fault("GET", "policyExemptions$", status=503)
    report = await tenant.sweep()
    assert (report.adopted, report.queued) == (0, {"unlisted": 3})
    assert any("one by one" in remark for remark in report.remarks)
    world.arm.faults.rules.clear()
    await tenant.work()
    assert all([(await world.row(one)).adopted for one in world.ids])
    assert len(await tenant_ids(tenant)) == 3


async def tenant_ids(tenant: Tenant) -> list[str]:
    """The ids of all exemptions in Azure."""
    return [key for key in tenant.world.azure() if "policyexemptions" in key]
