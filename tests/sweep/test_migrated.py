"""Rows from before criteria were kept get theirs from sweeps, some at a time, and each once."""

from dataclasses import replace

import pytest

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from tests.reconcile.world import World, rules
from tests.sweep.conftest import Tenant


async def of_before(world: World, one: ExemptionId) -> None:
    """Leave a row as a version without criteria left it."""
    stored = await world.stored(one)
    row = replace(stored.row, criteria_weakened={})
    assert await world.register.commit(one, stored, row, Entry(world.clock.now(), "judged", {}))


@pytest.mark.parametrize("unread", [False, True])
async def test_rows_of_before_get_their_criteria_some_in_each_sweep(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, unread: bool
) -> None:
    world = tenant.world
    monkeypatch.setattr("guardrails.sweep.compare._MAPPED", 2)
    ids = [world.id(f"e{number}") for number in range(3)]
    for one in ids:
        await world.known(one)
    await tenant.settled()
    for one in ids:
        await of_before(world, one)
    if unread:
        world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    queued = []
    for _ in range(3):
        world.clock.advance(hours=1)
        queued.append((await tenant.sweep()).queued["criteria"])
        await tenant.work()
    assert queued == [2, 1, 0]
    said = [(await world.row(one)).criteria_weakened["unknown"] for one in ids]
    assert all(text.startswith("the assignment is not known" if unread else "no source has criteria") for text in said)


async def test_what_is_excluded_is_looked_at_once(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.known(one)
    await tenant.settled()
    world.ruleset = rules(exclusions=[{"scope": one.scope, "reason": "a drill"}])
    await tenant.settled()
    await of_before(world, one)
    queued = []
    for _ in range(2):
        world.clock.advance(hours=1)
        queued.append(dict((await tenant.sweep()).queued))
        await tenant.work()
    assert queued == [{"criteria": 1}, {}]
    assert (await world.row(one)).status is Status.EXCLUDED


async def test_what_was_adopted_has_criteria_and_what_is_gone_is_not_looked_at_again(tenant: Tenant) -> None:
    world = tenant.world
    one, gone = world.id("adopted"), world.id("gone")
    for each in (one, gone):
        await world.write(each)
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).adopted == 2
    await world.delete(gone)
    await tenant.settled()
    world.clock.advance(hours=1)
    assert not (await tenant.sweep()).queued
    assert (await world.row(one)).criteria_weakened
