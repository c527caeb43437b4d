"""Exemptions that overlap are found by a sweep: the one that was written later is notified, and no other."""

from collections.abc import Sequence
from typing import Any

import pytest

from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import tenant as places
from tests.reconcile.world import ALICE, CORP, NO_TICKET, World, in_days, rules
from tests.sweep.conftest import Tenant

DUPLICATE = "EXG306"
WHOLE: Sequence[str] = ("denyPublicNetwork", "requireTls")
GROUP_SET = f"{CORP}/providers/Microsoft.Authorization/policySetDefinitions/three"
GROUP_ASSIGNMENT = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/three"


@pytest.fixture
def world(world: World) -> World:
    world.ruleset = rules(on={"duplicate": "alert", "whole-initiative": "off", "scope-too-broad": "off"})
    return world


def three(world: World) -> None:
    """An initiative of three policies, assigned to the management group above."""
    definition = f"{places.AUTHORIZATION}/policyDefinitions/require-tls"
    members = [{"policyDefinitionId": definition, "policyDefinitionReferenceId": one} for one in "abc"]
    world.arm.seed(GROUP_SET, {"properties": {"policyDefinitions": members}})
    world.arm.seed(GROUP_ASSIGNMENT, {"properties": {"policyDefinitionId": GROUP_SET}})


async def hour(tenant: Tenant) -> None:
    """An hour passes, and a sweep finds all that there is."""
    tenant.world.clock.advance(hours=1)
    await tenant.settled()


async def overlap_of(world: World, one: ExemptionId) -> Any:
    """The evidence of an exemption's overlap; None where there is none; "" where it is unknown."""
    found = {finding["code"]: finding for finding in (await world.history(one))[-1].facts.get("findings", ())}
    row = await world.row(one)
    if DUPLICATE + "?" in row.findings:
        return ""
    return found[DUPLICATE]["evidence"] if DUPLICATE in row.findings else None


async def written(world: World, *names: str, scope: str = places.RESOURCE, **changes: Any) -> list[ExemptionId]:
    """Exemptions that were written one after the other and looked at."""
    ids = [world.id(name, scope) for name in names]
    for one in ids:
        await world.write(one, **changes)
        await world.look(one)
        world.clock.advance(minutes=1)
    return ids


async def test_the_later_of_two_is_notified_and_names_the_earlier(tenant: Tenant) -> None:
    world = tenant.world
    first, second = await written(world, "zebra", "aardvark")
    assert await overlap_of(world, second) is None, "an event says nothing before the first sweep"
    await hour(tenant)
    assert await overlap_of(world, first) is None
    evidence = await overlap_of(world, second)
    (row,) = [await world.row(first)]
    assert evidence["before"] == [f"{first.text}, written {row.to_json()['written_at']}"]
    assert evidence["policyDefinitionReferenceIds"] == ["denypublicnetwork"]
    assert (await world.row(second)).status is Status.VIOLATION
    assert (await world.row(first)).status is Status.COMPLIANT
    assert (await tenant.sweep()).queued == {}


async def test_it_costs_nothing_once_it_is_notified(tenant: Tenant) -> None:
    world = tenant.world
    await written(world, "first", "second")
    await written(world, "third", "fourth", scope=places.REPORTS, policyDefinitionReferenceIds=["requireTls"])
    await hour(tenant)
    await world.forget()
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).queued == {}
    assert {name.split()[0] for name in world.ours()} == {"POST"}, "nothing is read from ARM"
    assert world.watch.calls["register.read"] == world.watch.calls["register.commit"] == 0


async def test_category_names_and_ends_do_not_matter_and_another_location_does(tenant: Tenant) -> None:
    world = tenant.world
    west = [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope", "northeurope"]}]}]
    again = [{"name": "x", "selectors": [{"kind": "resourceLocation", "in": ["NorthEurope", "westeurope"]}]}]
    east = [{"name": "e", "selectors": [{"kind": "resourceLocation", "in": ["eastus"]}]}]
    (first,) = await written(world, "first", resourceSelectors=west)
    (second,) = await written(
        world, "second", resourceSelectors=again, exemptionCategory="Mitigated", displayName="Another",
        expiresOn=in_days(world.clock, 30),
    )  # fmt: skip
    (third,) = await written(world, "third", resourceSelectors=east)
    (fourth,) = await written(world, "fourth")
    await hour(tenant)
    assert [await overlap_of(world, one) is not None for one in (first, second, third, fourth)] == [
        False,
        True,
        False,
        False,
    ]


async def test_a_selector_by_reference_id_counts_as_the_ids_do(tenant: Tenant) -> None:
    world = tenant.world
    picked = [{"name": "p", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["denyPublicNetwork"]}]}]
    (first,) = await written(world, "first", policyDefinitionReferenceIds=None, resourceSelectors=picked)
    (second,) = await written(world, "second")
    (other,) = await written(world, "other", policyDefinitionReferenceIds=["requireTls"], scope=places.ARCHIVE)
    await hour(tenant)
    assert await overlap_of(world, first) is None
    assert await overlap_of(world, second) is not None
    assert await overlap_of(world, other) is None


async def test_our_tag_on_the_older_does_not_make_it_the_later(tenant: Tenant) -> None:
    world = tenant.world
    (first,) = await written(world, "first", metadata=NO_TICKET)
    world.clock.advance(hours=1)
    (second,) = await written(world, "second")
    await world.settle(first)
    await hour(tenant)
    assert await world.marker(first) is not None
    assert await overlap_of(world, first) is None
    assert await overlap_of(world, second) is not None
    # the tag is taken away again: our write is now the last one, and leaves no trace in the body
    world.ruleset = rules(on={"duplicate": "alert", "ticket-missing": "off"})
    await tenant.settled()
    await world.settle(first)
    await hour(tenant)
    assert await world.marker(first) is None
    assert (await overlap_of(world, first), await overlap_of(world, second) is None) == (None, False)


async def test_the_end_of_the_older_ends_it(tenant: Tenant) -> None:
    world = tenant.world
    (first,) = await written(world, "first", expiresOn=in_days(world.clock, 20))
    (second,) = await written(world, "second")
    await hour(tenant)
    assert await overlap_of(world, second) is not None
    world.clock.advance(days=21)
    await hour(tenant)
    assert await overlap_of(world, second) is None
    assert (await world.row(second)).status is Status.COMPLIANT
    assert (await world.row(second)).together == {}
    assert first


async def test_the_older_one_that_is_deleted_ends_it_and_one_that_has_ended_never_counts(tenant: Tenant) -> None:
    world = tenant.world
    (ended,) = await written(world, "ended", expiresOn=in_days(world.clock, 1))
    world.clock.advance(days=2)
    first, second = await written(world, "first", "second")
    await hour(tenant)
    evidence = await overlap_of(world, second)
    assert evidence["exemptions"] == 1
    assert await overlap_of(world, first) is await overlap_of(world, ended) is None
    await world.delete(first)
    await world.look(first)
    await hour(tenant)
    assert await overlap_of(world, second) is None


async def test_several_that_complete_the_initiative_at_one_scope(tenant: Tenant) -> None:
    world = tenant.world
    (first,) = await written(world, "first")
    (second,) = await written(world, "second", policyDefinitionReferenceIds=["requireTls"])
    await hour(tenant)
    assert await overlap_of(world, first) is None
    evidence = await overlap_of(world, second)
    assert evidence["policies"] == 2
    assert evidence["before"][0].startswith(first.text)


async def test_several_that_complete_it_from_above(tenant: Tenant) -> None:
    world = tenant.world
    three(world)
    more = {"policyAssignmentId": GROUP_ASSIGNMENT}
    (low,) = await written(world, "low", scope=places.RESOURCE, policyDefinitionReferenceIds=["a"], **more)
    (middle,) = await written(world, "middle", scope=places.GROUP, policyDefinitionReferenceIds=["b"], **more)
    (elsewhere,) = await written(world, "beside", scope=places.REPORTING, policyDefinitionReferenceIds=["a"], **more)
    await hour(tenant)
    assert [await overlap_of(world, one) for one in (low, middle, elsewhere)] == [None] * 3
    (top,) = await written(world, "top", scope=CORP, policyDefinitionReferenceIds=["c"], **more)
    await hour(tenant)
    evidence = await overlap_of(world, top)
    assert evidence["exemptions"] == 2
    assert [one.split(",")[0] for one in evidence["before"]] == [low.text, middle.text]
    assert [await overlap_of(world, one) for one in (low, middle, elsewhere)] == [None] * 3
    await world.write(low, ALICE, policyDefinitionReferenceIds=["a"], displayName="Edited", **more)
    await world.look(low)
    await hour(tenant)
    assert await overlap_of(world, top) is None
    assert [one.split(",")[0] for one in (await overlap_of(world, low))["before"]] == [middle.text, top.text]
    assert (await tenant.sweep()).queued == {}


async def test_one_that_covers_it_alone_is_no_part_of_several(tenant: Tenant) -> None:
    world = tenant.world
    (whole,) = await written(world, "whole", scope=places.GROUP, policyDefinitionReferenceIds=None)
    (part,) = await written(world, "part")
    await hour(tenant)
    assert await overlap_of(world, whole) is await overlap_of(world, part) is None
    assert (await tenant.sweep()).queued == {}


async def test_an_event_keeps_what_the_last_sweep_found_and_since_when(tenant: Tenant) -> None:
    world = tenant.world
    _, second = await written(world, "first", "second")
    await hour(tenant)
    since = (await world.row(second)).findings[DUPLICATE]
    world.clock.advance(minutes=10)
    await world.write(second, ALICE, displayName="Edited", policyDefinitionReferenceIds=["requireTls"])
    await world.look(second)
    row = await world.row(second)
    assert row.findings[DUPLICATE] == since
    for source in ("wake-up", "operator"):
        await world.look(second, source)
        assert (await world.row(second)).findings[DUPLICATE] == since
    await hour(tenant)  # together they cover the whole now
    assert (await world.row(second)).findings[DUPLICATE] == since
    await world.write(second, ALICE, policyDefinitionReferenceIds=["denyPublicNetwork"], resourceSelectors=[
        {"name": "e", "selectors": [{"kind": "resourceLocation", "in": ["eastus"]}]}
    ])  # fmt: skip
    await world.look(second)
    await hour(tenant)
    assert DUPLICATE not in (await world.row(second)).findings


async def test_a_new_exemption_with_an_old_name_begins_with_nothing(tenant: Tenant) -> None:
    world = tenant.world
    first, second = await written(world, "first", "second")
    await hour(tenant)
    await world.delete(second)
    await world.look(second)
    await world.write(second, displayName="Another")
    await world.look(second)
    assert await overlap_of(world, second) is None
    await world.delete(first)
    await world.look(first)
    await hour(tenant)
    assert await overlap_of(world, second) is None


async def test_so_does_one_from_another_assignment_whose_delete_nobody_saw(tenant: Tenant) -> None:
    world = tenant.world
    _, second = await written(world, "first", "second")
    await hour(tenant)
    await world.delete(second)
    await world.write(second, policyAssignmentId=places.SINGLE, policyDefinitionReferenceIds=None)
    await world.look(second)
    assert await overlap_of(world, second) is None
    await hour(tenant)
    assert await overlap_of(world, second) is None


async def test_adopted_exemptions_are_notified_too(tenant: Tenant) -> None:
    world = tenant.world
    first, second = world.id("first"), world.id("second")
    for one in (first, second):
        await world.write(one)
        world.clock.advance(minutes=1)
    assert (await tenant.sweep()).adopted == 2
    rows: list[Row] = [await world.row(one) for one in (first, second)]
    assert [DUPLICATE in row.findings for row in rows] == [False, True]
    assert [row.status for row in rows] == [Status.COMPLIANT, Status.VIOLATION]
    assert (await tenant.sweep()).queued == {}


async def test_an_initiative_that_nobody_knows_is_unknown_and_not_asked_for_between_sweeps(tenant: Tenant) -> None:
    world = tenant.world
    await world.arm_graph(nulls={"properties.policyDefinitions": "storage-baseline"})
    (first,) = await written(world, "first")
    (second,) = await written(world, "second", policyDefinitionReferenceIds=WHOLE)
    same, again = await written(world, "same", "same-again", scope=places.REPORTS)
    (alone,) = await written(world, "alone", scope=places.ARCHIVE)
    await hour(tenant)
    assert await overlap_of(world, second) == ""
    row = await world.row(second)
    assert (row.status, row.due) == (Status.UNKNOWN, None)
    assert await overlap_of(world, first) is await overlap_of(world, alone) is await overlap_of(world, same) is None
    assert (await overlap_of(world, again))["exemptions"] == 1, "what says the same switches off the same"
    assert (await tenant.sweep()).queued == {}
    await world.delete(first)
    await world.look(first)
    await world.forget()
    await hour(tenant)
    assert (await world.row(second)).status is Status.COMPLIANT
    assert "compliant" in await world.notice_kinds(), "who heard that it is unknown hears that it is not"


async def test_what_cannot_be_read_leaves_what_was_notified(tenant: Tenant) -> None:
    world = tenant.world
    first, second = await written(world, "first", "second")
    await hour(tenant)
    await world.write(first, ALICE, displayName="Edited")
    await world.look(first)
    world.fault("GET", r"policyExemptions$", status=503, count=100)
    world.clock.advance(hours=1)
    await tenant.sweep()
    await tenant.work()
    assert await overlap_of(world, second) is not None
    assert await overlap_of(world, first) is None
    world.arm.faults.rules.clear()
    await hour(tenant)
    assert await overlap_of(world, second) is None
    assert await overlap_of(world, first) is not None


async def test_a_list_that_is_refused_is_unknown(tenant: Tenant) -> None:
    world = tenant.world
    _, second = await written(world, "first", "second")
    world.fault("GET", r"policyExemptions$", status=403, code="AuthorizationFailed", count=100)
    await hour(tenant)
    assert await overlap_of(world, second) == ""
    world.arm.faults.rules.clear()
    await hour(tenant)
    assert (await overlap_of(world, second))["exemptions"] == 1


async def test_a_page_that_is_lost_ends_nothing(tenant: Tenant) -> None:
    world = tenant.world
    tenant.graph._reader._top = 1
    first, second = await written(world, "zebra", "aardvark")
    await hour(tenant)
    assert await overlap_of(world, second) is not None
    world.clock.advance(hours=1)
    await world.arm_graph(fail={"start": 1, "times": 9})
    report = await tenant.sweep()
    await tenant.work()
    assert report.missing
    assert await overlap_of(world, second) is not None
    await world.arm_graph(fail={})
    await world.delete(first)
    await world.look(first)
    await hour(tenant)
    assert await overlap_of(world, second) is None


async def test_a_rule_that_is_off_costs_nothing_and_withdraws(tenant: Tenant) -> None:
    world = tenant.world
    _, second = await written(world, "first", "second")
    await hour(tenant)
    world.ruleset = rules(on={"duplicate": "off"})
    await hour(tenant)
    row = await world.row(second)
    assert (row.findings, row.together, len(row.listed)) == ({}, {}, 28)
