"""A sweep judges by the version that Azure evaluates, and notices when that becomes another one."""

import pytest

from tests.reconcile.test_pinned import ALL, PINNED, SET, publish
from tests.reconcile.world import World, rules
from tests.sweep.conftest import Tenant


@pytest.fixture
def pinned(world: World) -> World:
    publish(world, "1.0.0", *ALL)
    publish(world, "2.0.0", "public", "keys", latest=True)
    world.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET, "definitionVersion": "1.*.*"}})
    world.ruleset = rules()
    return world


async def test_an_unchanged_sweep_asks_no_query_more_for_a_pin(pinned: World, tenant: Tenant) -> None:
    await pinned.known(pinned.id(), policyAssignmentId=PINNED, policyDefinitionReferenceIds=["public", "keys"])
    await tenant.settled()
    before = tenant.graph.requests
    report = await tenant.sweep()
    plain = tenant.graph.requests - before
    assert sum(report.queued.values()) == 0
    pinned.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET}})
    before = tenant.graph.requests
    await tenant.sweep()
    assert tenant.graph.requests - before == plain


async def test_what_is_exempted_is_judged_again_when_azure_moves_the_pin(pinned: World, tenant: Tenant) -> None:
    one = pinned.id()
    await pinned.known(one, policyAssignmentId=PINNED, policyDefinitionReferenceIds=["public"])
    await tenant.settled()
    assert sum((await tenant.sweep()).queued.values()) == 0

    publish(pinned, "1.1.0", *ALL, "logs")
    pinned.clock.advance(minutes=60)
    report = await tenant.sweep()
    assert dict(report.queued) == {"changed": 1}
    await tenant.work()
    assert sum((await tenant.sweep()).queued.values()) == 0
    assert await pinned.body(one) is not None

    publish(pinned, "1.2.0", "public")  # now it is all of it
    pinned.clock.advance(minutes=60)
    await tenant.sweep()
    await tenant.work()
    assert set((await pinned.row(one)).findings) <= {"EXG302"}


async def test_a_new_pin_is_judged_though_an_event_had_the_old_one_read_a_moment_before(
    pinned: World, tenant: Tenant
) -> None:
    pinned.ruleset = rules("audit")
    one, other = pinned.id(), pinned.id("other")
    await pinned.known(one, policyAssignmentId=PINNED, policyDefinitionReferenceIds=["public", "keys"])
    await tenant.settled()
    pinned.clock.advance(minutes=60)
    await pinned.known(other, policyAssignmentId=PINNED, policyDefinitionReferenceIds=["public"])
    pinned.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET, "definitionVersion": "2.*.*"}})
    pinned.clock.advance(seconds=20)
    await tenant.sweep()
    await tenant.work()
    assert set((await pinned.row(one)).findings) == {"EXG302"}
