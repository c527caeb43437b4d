"""A sweep judges by what policies say of themselves, where the ruleset asks for it, and notices when that changes."""

import pytest

from guardrails.exemption.facts import NO_POLICIES, PoliciesById
from tests.categories import CODE, asking
from tests.reconcile.test_policies import BOTH, PUBLIC, TLS, seal
from tests.reconcile.world import rules
from tests.sweep.conftest import Tenant


async def test_where_nothing_asks_no_sweep_costs_a_request_more(tenant: Tenant) -> None:
    seal(tenant.world)
    await tenant.world.known(tenant.world.id())
    await tenant.settled()
    await tenant.world.forget()
    await tenant.sweep()
    assert tenant.requests() == 6  # containers, assignments, initiatives, exemptions, and tags by two queries


async def test_where_it_is_asked_all_come_by_one_query(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = asking(rules())
    for policy in (PUBLIC, TLS):
        seal(world, "Network", policy)
    for number in range(3):
        await world.known(world.id(f"one-{number}"), policyDefinitionReferenceIds=BOTH)
    await tenant.settled()
    await world.forget()
    report = await tenant.sweep()
    assert dict(report.queued) == {}
    assert tenant.requests() == 7


async def test_what_a_changed_category_seals_is_looked_at_again_and_no_other(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = asking(rules("audit"))
    for policy in (PUBLIC, TLS):
        seal(world, "Network", policy)
    one, other = world.id(), world.id("other")
    await world.known(one)
    await world.known(other, policyDefinitionReferenceIds=["requireTls"])
    await tenant.settled()
    seal(world)
    world.clock.advance(minutes=1)  # less than ARM's answers are kept
    assert dict((await tenant.sweep()).queued) == {"changed": 1}
    await tenant.work()
    assert set((await world.row(one)).findings) == {CODE}
    assert (await world.row(other)).findings == {}
    assert dict((await tenant.sweep()).queued) == {}


async def test_policies_that_cannot_be_read_once_do_not_have_all_exemptions_read_again(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tenant.world
    world.ruleset = asking(rules())
    seal(world, "Network")
    for number in range(5):
        await world.known(world.id(f"one-{number}"))
    await tenant.settled()

    async def unread(missing: list[str]) -> PoliciesById:
        missing.append("the policy definitions of the tenant could not be read: busy")
        return NO_POLICIES

    monkeypatch.setattr(tenant.graph, "_policies", unread)
    report = await tenant.sweep()
    assert report.missing == ["the policy definitions of the tenant could not be read: busy"]
    assert dict(report.queued) == {}


async def test_a_policy_that_is_not_shown_is_asked_for_once(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    world = tenant.world
    world.ruleset = asking(rules())
    seal(world, "Network")
    await world.known(world.id())

    async def none(_: list[str]) -> PoliciesById:
        return NO_POLICIES

    monkeypatch.setattr(tenant.graph, "_policies", none)
    await tenant.settled()
    assert (await world.row(world.id())).findings == {}
    assert dict((await tenant.sweep()).queued) == {}
