"""A scan says of exemptions beside others what a sweep says, in the same words."""

import random
from typing import Any

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.azure.graph_pages import segments
from guardrails.report.survey import survey
from sandbox import tenant as places
from tests.reconcile.world import ABOVE, CORP, StaticToken, World, rules
from tests.sweep.conftest import Tenant, no_wait
from tests.sweep.test_duplicates import GROUP_ASSIGNMENT, three
from tests.sweep.test_moves import SANDBOXES, leave_out, move

CODES = ("EXG306", "EXG406")
SCOPES = (CORP, places.SUBSCRIPTION, places.GROUP, places.RESOURCE, places.ARCHIVE, places.REPORTS)
CHOSEN: tuple[Any, ...] = (
    (GROUP_ASSIGNMENT, ["a"]), (GROUP_ASSIGNMENT, ["B"]), (GROUP_ASSIGNMENT, ["c", "a"]), (GROUP_ASSIGNMENT, None),
    (ABOVE, None), (places.ASSIGNMENT, ["denyPublicNetwork"]), (places.ASSIGNMENT, ["requireTls"]),
    (places.ASSIGNMENT, None),
)  # fmt: skip


async def found_by_scan(tenant: Tenant) -> dict[str, list[Any]]:
    world = tenant.world
    arm = ArmRest(world.arm.address, StaticToken(), world.clock)
    report = await survey(tenant.graph, arm, world.ruleset, world.clock.now(), sleep=no_wait)
    await arm.close()
    return {
        line.id: [(one.key, one.text, dict(one.evidence)) for one in line.findings if one.code in CODES]
        for line in report.lines
        if not line.bypass
    }


async def found_by_sweep(world: World) -> dict[str, list[Any]]:
    found = {}
    for one in world.ids:
        row, facts = await world.row(one), (await world.history(one))[-1].facts
        found[one.text] = [
            (said["code"] + "?" * (said["status"] == "unknown"), said["text"], said["evidence"])
            for said in facts.get("findings", ())
            if said["code"] in CODES
        ]
        assert {key for key, _, _ in found[one.text]} == {key for key in row.findings if key[:6] in CODES}
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_a_tenant_by_chance(tenant: Tenant, seed: int) -> None:
    world, chance = tenant.world, random.Random(seed)  # noqa: S311
    off = dict.fromkeys(("scope-too-broad", "whole-initiative", "expiry-missing", "ticket-missing"), "off")
    world.ruleset = rules(on={"duplicate": "alert", "assignment-not-applicable": "alert", **off})
    world.arm.add_management_group("sandboxes")
    three(world)
    for number in range(25):
        scope = chance.choice(SCOPES)
        assignment, references = chance.choice(CHOSEN[:5] if scope == CORP else CHOSEN)
        one = world.id(f"e{chance.randint(0, 99)}-{number}", scope)
        selectors = [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["eastus"]}]}]
        await world.write(
            one, policyAssignmentId=assignment, policyDefinitionReferenceIds=references,
            resourceSelectors=selectors if chance.random() < 0.2 else None,
        )  # fmt: skip
        world.clock.advance(seconds=1)
    if seed % 3 == 1:
        await move(world, SANDBOXES)
    if seed % 3 == 2:
        await leave_out(world, places.GROUP)
        await world.arm_graph(nulls={"properties.managementGroupAncestorsChain": ""})
    world.clock.advance(hours=1)
    await tenant.settled()
    by_sweep = await found_by_sweep(world)
    assert by_sweep == await found_by_scan(tenant)
    assert any(by_sweep.values())
    assert (await tenant.sweep()).queued == {}


async def test_scopes_that_need_several_queries(tenant: Tenant) -> None:
    """Management groups may then come after subscriptions: nothing is passed over."""
    world = tenant.world
    world.ruleset = rules(on={"duplicate": "alert", "scope-too-broad": "off"})
    three(world)
    low, high = world.id("low", places.RESOURCE), world.id("high", CORP)
    for one, references in ((low, ["a", "b"]), (high, ["c"])):
        await world.write(one, policyAssignmentId=GROUP_ASSIGNMENT, policyDefinitionReferenceIds=references)
        world.clock.advance(seconds=1)
    for number in range(11):
        world.arm.add_management_group(f"one-{number}")
    world.arm.add_management_group("one-3", parent="contoso")
    await move(world, "/providers/Microsoft.Management/managementGroups/one-3")
    world.arm.add_subscription(places.DEV, management_group="one-3")  # its exemption comes between the two
    world.arm.add_management_group("one-3", parent="contoso")
    between = world.id("between", f"/subscriptions/{places.DEV}")
    await world.write(between, policyAssignmentId=GROUP_ASSIGNMENT, policyDefinitionReferenceIds=["a"])
    tenant.graph._segments = segments([*(f"one-{number}" for number in range(11)), "contoso"])
    assert len(tenant.graph._segments) == 2
    world.clock.advance(hours=1)
    await tenant.settled()
    by_sweep = await found_by_sweep(world)
    assert [len(by_sweep[one.text]) for one in (low, high)] == [0, 1]
    assert by_sweep == await found_by_scan(tenant)
