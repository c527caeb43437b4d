"""What is hard on sweeps: blind spots that last, rows that Graph shows in part, runs that break off, storms."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Misconfigured, Retryable
from guardrails.register import columns
from sandbox import tenant as places
from sandbox.arm.faults import Fault
from tests.reconcile.world import ABOVE, ALICE, CORP, US_OID, World, rules
from tests.sweep.conftest import Tenant

EVERYWHERE: dict[str, Any] = {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}


async def swept(tenant: Tenant) -> World:
    """Sweep the tenant for the first time, an hour ago."""
    await tenant.settled()
    tenant.world.clock.advance(hours=1)
    await tenant.world.forget()
    return tenant.world


async def blind(tenant: Tenant) -> None:
    """Have Resource Graph leave something out at every sweep."""
    await tenant.world.arm_graph(limit_hit=True)


# What lasts


async def test_a_blind_spot_that_lasts_does_not_make_every_new_exemption_one_that_was_there_before(
    tenant: Tenant,
) -> None:
    await blind(tenant)
    world = await swept(tenant)
    one = world.id("above", CORP)  # no event announces it
    await world.bad(one, **EVERYWHERE)
    world.clock.advance(minutes=30)
    report = await tenant.sweep()
    assert (report.adopted, report.queued) == (0, {"new": 1})
    await tenant.work()
    assert await world.body(one) is None


@pytest.mark.parametrize("knobs", [{"limit_hit": True}, {"extra": ["no object"]}])
async def test_a_lost_delete_is_found_although_something_else_can_never_be_seen(
    tenant: Tenant, knobs: dict[str, Any]
) -> None:
    await tenant.world.arm_graph(**knobs)
    one = tenant.world.id()
    await tenant.world.known(one)
    world = await swept(tenant)
    await world.delete(one)
    for _ in range(3):
        world.clock.advance(hours=1)
        await tenant.sweep()
        await tenant.work()
    assert (await world.row(one)).status is Status.GONE


async def test_trouble_in_ever_new_words_is_notified_once_a_day(tenant: Tenant) -> None:
    world = await swept(tenant)
    for number in range(3):
        world.arm.faults.rules[:] = [
            Fault(
                path="Microsoft.ResourceGraph",
                status=500,
                code="InternalServerError",
                message=f"Please provide below info when asking for support: timestamp = 2026-11-21T13:49:0{number}"
                f".6416463Z, correlationId = 67c2f9e6-0000-4000-8000-00000000000{number}.",
            )
        ]
        await tenant.sweep()
        world.clock.advance(minutes=1)
    assert len(await world.notices()) == 1


async def test_a_container_that_cannot_be_seen_is_notified_once_a_day_whatever_the_count(tenant: Tenant) -> None:
    await tenant.world.known(tenant.world.id())
    world = await swept(tenant)
    world.arm.control._put_permissions({US_OID: []})
    for number in range(3):
        one = world.id(f"new-{number}")
        await world.bad(one)
        await world.look(one)  # an event announces it, and it cannot be read
        await tenant.sweep()
        world.clock.advance(minutes=1)
    kinds = Counter(one["notice"]["kind"] for one in await world.notices())
    assert kinds["sweep-partial"] == 1


# What Graph shows in part


async def test_without_system_data_in_graph_what_is_new_is_still_not_there_before(tenant: Tenant) -> None:
    await tenant.world.arm_graph(without=["systemData"])
    world = await swept(tenant)
    one = world.id("above", CORP)
    await world.bad(one, **EVERYWHERE)
    world.clock.advance(minutes=30)
    await tenant.sweep()
    await tenant.work()
    assert await world.body(one) is None


async def test_what_was_edited_before_its_turn_came_is_not_adopted(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id("above", CORP)
    await world.write(one, **EVERYWHERE)
    world.clock.advance(days=1)
    world.fault("GET", "policyExemptions$", status=503)
    assert (await tenant.sweep()).queued == {"unlisted": 1}
    world.arm.faults.rules.clear()
    world.clock.advance(minutes=1)
    await world.bad(one, **EVERYWHERE)  # an edit after the first sweep began, before the queue is worked off
    await tenant.work()
    assert not (await world.row(one)).adopted


async def test_after_a_first_sweep_nothing_is_read_twice_although_graph_shows_less(tenant: Tenant) -> None:
    world = tenant.world
    await world.arm_graph(without=["systemData"])
    for number in range(4):
        await world.write(world.id(f"one-{number}"), exemptionManagementMode="UserSelfServe")
    world.clock.advance(days=1)
    assert (await tenant.sweep()).adopted == 4
    assert (await tenant.sweep()).queued == {}


async def test_a_recreation_is_seen_after_graph_showed_a_ghost(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id("above", CORP)
    world.ruleset = rules(on={"scope-too-broad": "off", "whole-initiative": "off"})
    await world.arm_graph(without=["systemData"])
    await world.write(one, ALICE, **EVERYWHERE)
    body = await world.properties(one)
    await world.look(one)
    await swept(tenant)
    await world.arm_graph(frozen=True)
    await world.delete(one)
    await world.look(one)
    await tenant.settled()
    assert (await world.row(one)).status is Status.GONE
    await world.arm_graph(frozen=False)
    await tenant.settled()
    world.clock.advance(hours=1)
    await world.write(one, ALICE, **{**body, **EVERYWHERE})
    await tenant.settled()
    assert (await world.row(one)).status is not Status.GONE


async def test_assignments_that_cannot_be_read_once_do_not_have_all_exemptions_read_twice(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"reference-unknown": "alert", "assignment-gone": "alert"})
    for number in range(5):
        await world.known(world.id(f"one-{number}"))
    await swept(tenant)
    around = tenant.sweeper._inventory.surroundings

    async def without(*, policies: bool = False) -> Any:
        found = await around(policies=policies)
        return type(found)(found.containers, {}, found.tenant, ("the policy assignments could not be read: busy",))

    tenant.sweeper._inventory.surroundings = without  # type: ignore[method-assign]
    report = await tenant.sweep()
    assert report.missing
    assert report.queued == {}


async def test_a_container_that_the_list_of_containers_lacks_is_covered_all_the_same(tenant: Tenant) -> None:
    around = tenant.sweeper._inventory.surroundings

    async def without(*, policies: bool = False) -> Any:
        found = await around(policies=policies)
        return type(found)({k: v for k, v in found.containers.items() if "mg~" not in k}, found.assignments)

    tenant.sweeper._inventory.surroundings = without  # type: ignore[method-assign]
    await tenant.world.write(tenant.world.id("old", CORP), **EVERYWHERE)
    tenant.world.clock.advance(hours=1)
    world = await swept(tenant)
    one = world.id("above", CORP)
    await world.bad(one, **EVERYWHERE)
    world.clock.advance(minutes=30)
    report = await tenant.sweep()
    assert (report.adopted, report.queued["new"]) == (0, 1)


# Adoption


@pytest.mark.parametrize("status", [503, 403])
async def test_where_azure_does_not_list_people_still_hear_of_all_in_one_notice(tenant: Tenant, status: int) -> None:
    world = tenant.world
    for number in range(12):
        await world.bad(world.id(f"bad-{number}"))
    world.clock.advance(days=1)
    world.fault("GET", "policyExemptions$", status=status, code="AuthorizationFailed" if status == 403 else "Busy")
    await tenant.sweep()
    await tenant.work()
    world.clock.advance(hours=1)
    await tenant.settled()
    assert await world.notice_kinds() == ["adopted"]
    assert (await world.notice())["digest"]["total"] == 12


async def test_adoptions_within_the_second_in_which_the_sweep_began_are_notified(tenant: Tenant) -> None:
    world = tenant.world
    await world.bad(world.id())
    world.clock.advance(days=1, milliseconds=300)  # a real clock is hardly ever on the second
    await tenant.settled()
    assert await world.notice_kinds() == ["adopted"]


async def test_a_row_whose_id_a_hand_has_emptied_does_not_end_every_sweep(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.bad(one)
    await world.bad(world.id("other"))
    world.clock.advance(days=1)
    world.queues.down = True
    with pytest.raises(BaseException, match="queue is down"):
        await tenant.sweeper.sweep()
    world.queues.down = False
    await world.edit_row(one, id="")
    world.sound = False  # that hand's mark is there until somebody looks at the row
    await tenant.sweep()
    await tenant.work()
    assert "adopted" in await world.notice_kinds()


async def test_a_death_between_adoption_and_its_notice_is_made_good(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(3):
        await world.bad(world.id(f"bad-{number}"))
    world.clock.advance(days=1)
    world.queues.down = True
    with pytest.raises(BaseException, match="queue is down"):
        await tenant.sweeper.sweep()
    world.queues.down = False
    world.clock.advance(hours=1)
    await tenant.settled()
    await tenant.settled()
    assert (await world.notice())["digest"]["total"] == 3


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> str:
    """A text that is longer than what the register keeps, which is little here; tests/register has how much it is."""
    monkeypatch.setattr(columns, "KEPT_BYTES", 64 * 1024)
    return "x" * columns.KEPT_BYTES


async def test_a_body_that_the_register_cannot_hold_becomes_a_dead_letter_and_is_notified_once(
    tenant: Tenant, noise: str
) -> None:
    world, one = tenant.world, tenant.world.id()
    system = {"lastModifiedAt": "2026-01-01T00:00:00Z", "lastModifiedBy": "alice@contoso.com"}
    properties = {**world.waiver()["properties"], "metadata": {"noise": noise}}
    world.arm.seed(one.text, {"properties": properties, "systemData": system})
    for _ in range(3):
        await tenant.intake.sweep()
        for message in await world._drain("reconcile"):
            await tenant.intake.message(json.dumps(message))
        world.clock.advance(hours=1)
    assert len(await world.register.dead_letters()) == 1
    assert await world.notice_kinds() == ["poison"]


async def test_one_that_can_never_be_adopted_does_not_keep_people_from_hearing_of_the_others(
    tenant: Tenant, noise: str
) -> None:
    world, one = tenant.world, tenant.world.id("giant")
    properties = {**world.waiver()["properties"], "metadata": {"noise": noise}}
    world.arm.seed(one.text, {"properties": properties, "systemData": {"lastModifiedAt": "2026-01-01T00:00:00Z"}})
    await world.bad(world.id())
    for _ in range(4):
        world.clock.advance(hours=13)
        await tenant.intake.sweep()
        for message in await world._drain("reconcile"):
            await tenant.intake.message(json.dumps(message))
    assert "adopted" in await world.notice_kinds()


async def test_a_later_subscription_is_notified_although_the_run_broke_off(tenant: Tenant) -> None:
    world = tenant.world
    await tenant.settled()
    world.clock.advance(hours=2)
    world.arm.add_subscription(places.DEV, name="contoso-dev", management_group="contoso")
    await world.bad(world.id("old", f"/subscriptions/{places.DEV}"), **EVERYWHERE)
    world.clock.advance(hours=1)
    world.queues.down = True
    with pytest.raises(BaseException, match="queue is down"):
        await tenant.sweeper.sweep()
    world.queues.down = False
    world.clock.advance(hours=1)
    await tenant.settled()
    assert await world.notice_kinds() == ["adopted"]


# Runs that break off


@pytest.mark.parametrize(
    "error",
    [Retryable("storage is down", code="storage-busy"), Misconfigured("storage refuses us", code="storage-refused")],
    ids=["down", "refused"],
)
async def test_storage_that_fails_in_the_middle_is_no_unhandled_error_and_frees_the_lease(
    tenant: Tenant, error: Exception
) -> None:
    world = tenant.world
    for number in range(3):
        await world.bad(world.id(f"bad-{number}"))
    world.clock.advance(days=1)

    async def fails() -> None:
        world.watch.before["register.commit"] = fails  # each time
        raise error

    world.watch.before["register.commit"] = fails
    assert await tenant.intake.sweep() is None
    del world.watch.before["register.commit"]
    last = await tenant.sweeps.last()
    assert last is not None
    assert last.until is None
    assert str(error).split(" [")[0] in str(last.report["missing"])
    assert (await tenant.sweep()).adopted


async def test_a_sweep_that_is_cancelled_frees_its_lease(tenant: Tenant) -> None:
    world = tenant.world
    await world.bad(world.id())
    world.clock.advance(days=1)

    arrived = asyncio.Event()

    async def hang() -> None:
        arrived.set()
        await asyncio.sleep(30)

    world.watch.before["register.commit"] = hang
    task = asyncio.create_task(tenant.sweeper.sweep())
    await arrived.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    last = await tenant.sweeps.last()
    assert last is not None
    assert last.until is None
    assert (await tenant.sweep()).adopted == 1


async def test_one_row_with_a_giant_id_does_not_end_every_sweep(tenant: Tenant) -> None:
    world = await swept(tenant)
    scope = places.GROUP + places.AUTHORIZATION + "/policyExemptions/"
    body = {"policyAssignmentId": places.ASSIGNMENT, "exemptionCategory": "Waiver"}
    await world.arm_graph(extra=[{"id": scope + "x" * 60_000, "properties": body}])
    one = world.id()
    await world.bad(one)
    await tenant.intake.sweep()
    await tenant.work()
    assert await world.body(one) is None


async def test_an_empty_answer_of_graph_costs_no_read_of_the_register_for_each_row(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(6):
        await world.known(world.id(f"one-{number}"))
    await swept(tenant)
    world.arm.graph.freeze(on=True)
    world.arm.graph._frozen = [one for one in world.arm.graph._frozen or [] if "policyexemptions" not in one.target.key]
    report = await tenant.sweep()
    assert report.queued == {"absent": 6}
    await tenant.work()
    assert Counter([(await world.row(one)).status for one in world.ids]) == {Status.COMPLIANT: 6}
    assert (await tenant.sweep()).queued == {"absent": 6}, "asked again, for Azure may have deleted them meanwhile"
