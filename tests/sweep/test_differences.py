"""What differs between Azure and the register goes on the queue, and nothing else does."""

from datetime import timedelta

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.times import read_time, spell_time
from sandbox import tenant as places
from tests.reconcile.world import ABOVE, ALICE, CORP, NO_TICKET, PIPELINE, World, rules
from tests.sweep.conftest import Tenant


async def swept(tenant: Tenant) -> World:
    """Sweep the tenant for the first time, an hour ago."""
    await tenant.settled()
    tenant.world.clock.advance(hours=1)
    await tenant.world.forget()
    return tenant.world


async def test_an_unchanged_tenant_costs_no_write_no_notice_and_hardly_a_request(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(30):
        await world.write(world.id(f"one-{number}"))
        await world.look(world.id(f"one-{number}"))
    world = await swept(tenant)
    report = await tenant.sweep()
    assert (report.seen, report.known, report.queued) == (30, 30, {})
    assert world.watch.calls["register.commit"] == 0
    assert world.queues.sent == []
    assert {name.split()[0] for name in world.ours()} == {"POST"}, "no exemption is read from ARM"
    assert tenant.requests() <= 6


async def test_a_lost_event_costs_one_sweep(tenant: Tenant) -> None:
    world = await swept(tenant)
    one = world.id()
    await world.bad(one)
    report = await tenant.sweep()
    assert report.queued == {"new": 1}
    await tenant.work()
    assert await world.body(one) is None
    assert (await world.events(one))[-1] == "reverted"


async def test_a_lost_edit_and_a_lost_delete_are_found(tenant: Tenant) -> None:
    edited, deleted, kept = (tenant.world.id(name) for name in ("edited", "deleted", "kept"))
    for one in (edited, deleted, kept):
        await tenant.world.known(one)
    world = await swept(tenant)
    await world.bad(edited)
    await world.delete(deleted)
    report = await tenant.sweep()
    assert report.queued == {"changed": 1, "absent": 1}
    await tenant.work()
    assert (await world.row(edited)).status is Status.COMPLIANT
    assert "put-back" in await world.events(edited)
    assert (await world.row(deleted)).status is Status.GONE
    assert (await world.row(kept)).status is Status.COMPLIANT


async def test_absence_from_the_inventory_is_not_deletion(tenant: Tenant) -> None:
    world = tenant.world
    world.arm.graph.freeze(on=True)
    one = world.id()
    await world.known(one)
    assert (await tenant.sweep()).queued == {"absent": 1}
    await tenant.work()
    assert (await world.row(one)).status is Status.COMPLIANT
    assert await world.body(one) is not None


async def test_one_that_the_inventory_still_shows_is_asked_for_once(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.known(one)
    await swept(tenant)
    world.arm.graph.freeze(on=True)
    await world.delete(one)
    await world.look(one)
    assert (await tenant.sweep()).queued == {"changed": 1}
    await tenant.work()
    assert (await world.row(one)).status is Status.GONE
    assert (await world.events(one))[-2:] == ["deleted", "judged"]
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued == {}


async def test_exemptions_at_all_four_scopes_are_swept(tenant: Tenant) -> None:
    world = await swept(tenant)
    scopes = (CORP, places.SUBSCRIPTION, places.GROUP, places.RESOURCE)
    ids = [world.id("four", scope) for scope in scopes]
    for one in ids:
        await world.bad(one, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None)
    assert (await tenant.sweep()).queued == {"new": 4}
    await tenant.work()
    assert [await world.body(one) for one in ids] == [None] * 4


async def test_a_new_ruleset_judges_all_again(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(3):
        await world.known(world.id(f"one-{number}"))
    world = await swept(tenant)
    world.ruleset = rules(on={"ticket-missing": "revert"})
    assert (await tenant.sweep()).queued == {"rules": 3}
    await tenant.work()
    assert {(await world.row(one)).ruleset for one in world.ids} == {world.ruleset.digest}
    assert (await tenant.sweep()).queued == {}


async def test_a_setting_that_lowers_the_mode_counts_as_new_rules(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules("audit")
    await world.bad(one)
    await world.look(one)
    world = await swept(tenant)
    assert await world.body(one) is not None
    world.ruleset = rules()
    await tenant.settled()
    assert await world.body(one) is None


async def test_grace_that_ran_out_is_found_without_its_message(tenant: Tenant) -> None:
    world = await swept(tenant)
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "2h"}})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await tenant.settled()
    world.clock.advance(hours=2)
    assert (await tenant.sweep()).queued == {"due": 1}
    await tenant.work()
    assert await world.body(one) is None


async def test_what_comes_due_before_the_next_sweep_is_looked_at_then_to_the_second(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    world.clock.advance(hours=(12 - world.clock.now().hour) % 24)  # far from the hour of reminders
    end = (world.clock.now() + timedelta(days=14, minutes=100)).replace(microsecond=0)
    await world.known(one, expiresOn=spell_time(end))
    world = await swept(tenant)
    report = await tenant.sweep()
    assert report.queued == {"soon": 1}
    (message,) = [sent for sent in world.queues.sent if sent[0] == "reconcile"]
    assert message[2] == (end - timedelta(days=14) - world.clock.now()).total_seconds()


async def test_a_finding_that_is_unknown_is_looked_at_again(tenant: Tenant) -> None:
    world = await swept(tenant)
    world.ruleset = rules(on={"reference-unknown": "tag"})
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    one = world.id()
    await world.write(one)
    await world.look(one)
    assert (await world.row(one)).status is Status.UNKNOWN
    world.arm.faults.rules.clear()
    world.clock.advance(hours=1)
    await tenant.settled()
    assert (await world.row(one)).status is Status.COMPLIANT


async def test_an_assignment_that_goes_changes_what_is_found(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(on={"assignment-gone": "alert"})
    await world.known(one)
    world = await swept(tenant)
    await world.send(PIPELINE, "DELETE", places.ASSIGNMENT)
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued == {"changed": 1}
    await tenant.work()
    assert "EXG401" in " ".join((await world.row(one)).findings)


async def test_an_initiative_that_changes_what_follows_from_a_finding_is_noticed(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    mild = {"reference": "denyPublicNetwork", "rules": {"expiry-missing": "alert"}}
    world.ruleset = rules(overrides=[mild])
    await world.bad(one)
    await world.look(one)
    world = await swept(tenant)
    assert (await world.row(one)).answer == "alert"
    _, assignment = await world.send(PIPELINE, "GET", places.ASSIGNMENT)
    initiative = assignment["properties"]["policyDefinitionId"]
    _, body = await world.send(PIPELINE, "GET", initiative)
    members = body["properties"]["policyDefinitions"]
    members[:] = [member for member in members if member["policyDefinitionReferenceId"] != mild["reference"]]
    world.arm.seed(initiative, {"properties": body["properties"]})
    assert (await tenant.sweep()).queued == {"changed": 1}
    await tenant.work()
    assert await world.body(one) is None


@pytest.mark.parametrize("why", ["wake-up", "due"])
async def test_a_violation_that_ended_and_came_back_between_two_sweeps_is_reverted(tenant: Tenant, why: str) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(on={"whole-initiative": "revert"}, breaker={"reverts_per_hour": 1, "reverts": {"author": 1}})
    await world.bad(world.id("other"))
    await world.look(world.id("other"))
    await world.write(one, ALICE, policyDefinitionReferenceIds=None)
    await world.look(one)
    await tenant.settled()
    assert (await world.row(one)).held == "author"
    status, assignment = await world.send(PIPELINE, "GET", places.ASSIGNMENT)
    assert status == 200
    world.clock.advance(hours=1)
    if why == "due":
        assert (await tenant.sweep()).queued == {"due": 1}
    await world.send(PIPELINE, "DELETE", places.ASSIGNMENT)
    await (tenant.work() if why == "due" else world.look(one, why))
    assert (await world.row(one)).status is Status.COMPLIANT
    await world.send(PIPELINE, "PUT", places.ASSIGNMENT, {"properties": assignment["properties"]})
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued == {"changed": 1}
    await tenant.work()
    assert await world.body(one) is None


@pytest.mark.parametrize("known", [True, False])
async def test_a_violation_that_ended_after_the_sweep_that_saw_it_and_came_back_is_reverted(
    tenant: Tenant, *, known: bool
) -> None:
    world, one = await swept(tenant), tenant.world.id()
    world.ruleset = rules(on={"whole-initiative": "revert"})
    if known:
        await world.known(one)
        await tenant.settled()
    await world.write(one, ALICE, policyDefinitionReferenceIds=None)
    _, assignment = await world.send(PIPELINE, "GET", places.ASSIGNMENT)
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued == {"changed" if known else "new": 1}
    await world.send(PIPELINE, "DELETE", places.ASSIGNMENT)
    await tenant.work()
    assert (await world.row(one)).status is Status.COMPLIANT
    await world.send(PIPELINE, "PUT", places.ASSIGNMENT, {"properties": assignment["properties"]})
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued == {"changed": 1}
    await tenant.work()
    assert await world.body(one) is None


async def test_another_answer_that_ended_and_came_back_between_two_sweeps_is_noticed(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    strict = {"reference": "denyPublicNetwork", "rules": {"expiry-missing": "tag"}}
    world.ruleset = rules(on={"expiry-missing": "alert"}, overrides=[strict])
    await world.bad(one)
    await world.look(one)
    world = await swept(tenant)
    _, assignment = await world.send(PIPELINE, "GET", places.ASSIGNMENT)
    initiative = assignment["properties"]["policyDefinitionId"]
    _, body = await world.send(PIPELINE, "GET", initiative)
    members = body["properties"]["policyDefinitions"]
    others = [member for member in members if member["policyDefinitionReferenceId"] != strict["reference"]]
    world.arm.seed(initiative, {"properties": {**body["properties"], "policyDefinitions": others}})
    await world.look(one, seen=world.clock.now())
    assert (await world.row(one)).answer == "alert"
    world.arm.seed(initiative, {"properties": body["properties"]})
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued == {"changed": 1}
    await tenant.work()
    assert (await world.row(one)).answer == "tag"


async def test_an_inventory_that_keeps_showing_something_else_costs_two_looks(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(on={"whole-initiative": "revert", "assignment-gone": "alert"})
    await tenant.settled()
    await world.write(one)
    world.clock.advance(hours=1)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    counts = []
    for _ in range(4):
        queued = (await tenant.sweep()).queued
        counts.append(queued["new"] + queued["changed"])
        await tenant.work()
    assert counts == [1, 1, 0, 0]


async def test_a_revert_that_waited_for_the_breaker_is_done_once_it_is_closed(tenant: Tenant) -> None:
    world = await swept(tenant)
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    assert (await world.row(one)).held == "breaker"
    await tenant.settled()
    await world.register.close_breaker(world.clock.now())
    world.ruleset = rules(breaker={"reverts_per_hour": 5})
    await tenant.settled()
    assert await world.body(one) is None


async def test_an_exclusion_that_ends_is_noticed(tenant: Tenant) -> None:
    world = await swept(tenant)
    end = spell_time((world.clock.now() + timedelta(days=2)).replace(microsecond=0))
    world.ruleset = rules(exclusions=[{"scope": places.GROUP, "reason": "test", "expires": end}])
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await tenant.settled()
    assert (await world.row(one)).status is Status.EXCLUDED
    world.clock.advance(days=2)
    await tenant.settled()
    assert await world.body(one) is None


async def test_a_message_that_a_crash_left_in_the_outbox_is_sent(tenant: Tenant) -> None:
    world = await swept(tenant)
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    world.queues.down = True
    with pytest.raises(Exception, match="queue is down"):
        await world.look(one)
    world.queues.down = False
    world.after_lease()
    await tenant.settled()
    assert "tagged" in await world.notice_kinds()


async def test_a_breaker_that_stays_open_reminds_each_day(tenant: Tenant) -> None:
    world = await swept(tenant)
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    for _ in range(50):
        world.clock.advance(hours=1)
        await tenant.sweep()
        await tenant.work()
    notices = {each["notice"]["id"]: each["notice"] for each in await world.notices()}
    found = [notice for notice in notices.values() if notice["kind"] == "breaker-open"]
    assert [notice["why"][0] for notice in found[1:]] == [
        f"it has been open since {read_time(world.clock.now() - timedelta(hours=50))}: {days} day{'s' * (days > 1)}"
        for days in (1, 2)
    ]
    await world.register.close_breaker(world.clock.now())
    await world.forget()
    world.clock.advance(days=2)
    await tenant.sweep()
    assert "breaker-open" not in await world.notice_kinds()


async def test_what_waits_for_a_budget_is_asked_for_when_its_time_has_come_and_not_before(tenant: Tenant) -> None:
    world = await swept(tenant)
    world.ruleset = rules(breaker={"reverts": {"author": 1}})
    first, second = world.id("first"), world.id("second")
    for one in (first, second):
        await world.bad(one)
        await world.look(one)
    assert (await world.row(second)).held == "author"
    await tenant.sweep()
    await tenant.work()
    assert await world.body(second) is not None
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued["due"] == 1
    await tenant.work()
    assert await world.body(second) is None
