"""A sweep of listed subscriptions: assignments come from management groups that are not among what is listed."""

from collections.abc import AsyncIterator

import pytest

from guardrails.azure.graph import Graph
from guardrails.bypasses.model import BypassKind
from guardrails.sweep.report import NAMED
from sandbox import tenant as places
from tests.reconcile.world import CORP, US_OID, StaticToken, World
from tests.sweep.conftest import Tenant, no_wait
from tests.sweep.test_bypasses import assigned, every, later, row, tagged


@pytest.fixture
async def narrow(tenant: Tenant) -> AsyncIterator[Tenant]:
    """The tenant, of which one subscription is listed."""
    graph = Graph(tenant.world.arm.address, StaticToken(), tenant.world.clock, scopes=[places.PROD], sleep=no_wait)
    tenant.sweeper._inventory = graph
    yield tenant
    await graph.close()


def relax(world: World, mode: str) -> None:
    assigned(world, "wide", CORP, enforcementMode=mode)


async def test_what_is_no_more_above_is_gone_where_others_above_are_shown(narrow: Tenant) -> None:
    world = narrow.world
    relax(world, "DoNotEnforce")
    report = await narrow.sweep()
    assert (report.bypasses["new"], report.missing) == (1, [])
    relax(world, "Default")
    world.clock.advance(hours=1)
    report = await narrow.sweep()
    assert (report.bypasses["gone"], report.missing) == (1, [])
    assert (await row(narrow, BypassKind.NOT_ENFORCED)).gone == world.clock.now()


async def test_what_is_no_more_above_is_kept_where_nothing_above_is_shown(narrow: Tenant) -> None:
    """A subscription that moved to another group, or an assignment that is deleted: it is unknown which."""
    world = narrow.world
    relax(world, "DoNotEnforce")
    await narrow.sweep()
    above = f"{CORP}{places.AUTHORIZATION}/policyassignments/".lower()
    for key in [key for key in world.arm.store.entries if key.startswith(above)]:
        world.arm.store.remove(key)
    await later(narrow)
    assert (await row(narrow, BypassKind.NOT_ENFORCED)).gone is None


async def test_of_hundreds_of_containers_that_cannot_be_seen_the_first_are_named(tenant: Tenant) -> None:
    world = tenant.world
    for number in range(NAMED + 10):
        subscription = f"00000000-0000-4000-8000-{number:012}"
        world.arm.add_subscription(subscription)
        tagged(world, f"/subscriptions/{subscription}/resourceGroups/a", policyExceptionId="EX-1")
    assert (await tenant.sweep()).bypasses["new"] == NAMED + 10
    world.arm.control._put_permissions({US_OID: []})
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    assert sum("can no longer be seen" in text for text in report.missing) == NAMED
    assert {one.gone for one in await every(tenant)} == {None}
