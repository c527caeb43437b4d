"""That an assignment applies no more to an exemption is found by the next sweep; so is that it does again."""

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import tenant as places
from tests.reconcile.world import ABOVE, CORP, NO_OWNER, PIPELINE, World, rules
from tests.sweep.conftest import Tenant
from tests.sweep.test_duplicates import hour

MOVED = "EXG406"
SANDBOXES = "/providers/Microsoft.Management/managementGroups/sandboxes"


@pytest.fixture
def world(world: World) -> World:
    world.ruleset = rules(on={"assignment-not-applicable": "alert", "scope-too-broad": "off"})
    world.arm.add_management_group("sandboxes")
    return world


async def move(world: World, group: str, subscription: str = places.PROD) -> None:
    status, body = await world.send(PIPELINE, "PUT", f"{group}/subscriptions/{subscription}", {})
    assert status == 200, body


async def leave_out(world: World, *scopes: str, assignment: str = ABOVE) -> None:
    status, body = await world.send(PIPELINE, "PATCH", assignment, {"properties": {"notScopes": list(scopes)}})
    assert status in (200, 201), body


async def exempted(world: World, scope: str = places.RESOURCE, name: str = "one", **changes: object) -> ExemptionId:
    """A known exemption from what is assigned to the management group."""
    one = world.id(name, scope)
    await world.known(one, **{"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None} | changes)
    return one


async def keys(world: World, one: ExemptionId) -> list[str]:
    return sorted((await world.row(one)).findings)


async def test_a_move_is_a_violation_at_the_next_sweep_and_the_move_back_ends_it(tenant: Tenant) -> None:
    world = tenant.world
    one = await exempted(world)
    own = world.id("own")
    await world.known(own)
    await hour(tenant)
    assert await keys(world, one) == []
    await move(world, SANDBOXES)
    await world.look(one)
    assert await keys(world, one) == [], "an event says nothing of it"
    await hour(tenant)
    assert await keys(world, one) == [MOVED]
    assert await keys(world, own) == [], "its assignment moved along"
    found = (await world.history(one))[-1].facts["findings"]
    assert found[0]["evidence"]["managementGroups"] == ["sandboxes"]
    since = (await world.row(one)).findings[MOVED]
    for source in ("event", "wake-up", "operator"):
        await world.look(one, source)
        assert (await world.row(one)).findings == {MOVED: since}
    assert (await tenant.settled()).queued == {}
    await move(world, CORP)
    await hour(tenant)
    assert (await world.row(one)).status is Status.COMPLIANT
    assert (await world.row(one)).together == {}


async def test_a_group_that_moves_takes_its_subscriptions_along(tenant: Tenant) -> None:
    world = tenant.world
    world.arm.add_management_group("inner", parent="contoso")
    await move(world, f"{SANDBOXES.rpartition('/')[0]}/inner")
    one = await exempted(world)
    await hour(tenant)
    assert await keys(world, one) == []
    world.arm.add_management_group("inner", parent="sandboxes")
    await hour(tenant)
    assert await keys(world, one) == [MOVED]


@pytest.mark.parametrize(
    ("scopes", "scope", "found"),
    [
        ((places.GROUP,), places.RESOURCE, [MOVED]),
        ((places.GROUP.upper() + "/",), places.GROUP, [MOVED]),
        ((places.REPORTING,), places.RESOURCE, []),
        ((places.GROUP,), places.SUBSCRIPTION, []),
        ((places.GROUP[:-1],), places.GROUP, []),
        ((CORP,), places.RESOURCE, [MOVED]),
        ((CORP,), CORP, [MOVED]),
        ((SANDBOXES, places.SUBSCRIPTION), places.RESOURCE, [MOVED]),
        ((SANDBOXES,), places.RESOURCE, []),
    ],
)
async def test_what_an_assignment_leaves_out(
    tenant: Tenant, scopes: tuple[str, ...], scope: str, found: list[str]
) -> None:
    one = await exempted(tenant.world, scope)
    await hour(tenant)
    await leave_out(tenant.world, *scopes)
    await hour(tenant)
    assert await keys(tenant.world, one) == found


async def test_an_exemption_above_its_assignment(tenant: Tenant) -> None:
    world = tenant.world
    one = world.id("one", CORP)
    world.arm.seed(one.text, world.waiver(policyAssignmentId=places.SINGLE, policyDefinitionReferenceIds=None))
    two = await exempted(world, places.SUBSCRIPTION, policyAssignmentId=places.SINGLE)
    await hour(tenant)
    assert await keys(world, one) == [MOVED]
    assert await keys(world, two) == []


async def test_one_that_need_not_be_validated_may_be_elsewhere(tenant: Tenant) -> None:
    world = tenant.world
    one = await exempted(world, assignmentScopeValidation="DoNotValidate")
    await move(world, SANDBOXES)
    await hour(tenant)
    assert await keys(world, one) == []
    assert (await tenant.sweep()).queued == {}


async def test_a_deleted_assignment_is_found_by_another_rule(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": "alert", "assignment-gone": "alert"})
    one = await exempted(world)
    await world.send(PIPELINE, "DELETE", ABOVE)
    world.clock.advance(hours=1)
    await hour(tenant)
    assert await keys(world, one) == ["EXG401"]
    assert (await tenant.sweep()).queued == {}


async def test_a_chain_that_cannot_be_read_is_unknown_where_it_matters(tenant: Tenant) -> None:
    world = tenant.world
    one, own = await exempted(world), world.id("own")
    await world.known(own)
    await world.arm_graph(nulls={"properties.managementGroupAncestorsChain": ""})
    await hour(tenant)
    assert await keys(world, one) == [MOVED + "?"]
    row = await world.row(one)
    assert (row.status, row.due) == (Status.UNKNOWN, None)
    assert await keys(world, own) == []
    await world.arm_graph(nulls={})
    await hour(tenant)
    assert (await world.row(one)).status is Status.COMPLIANT


async def test_containers_that_are_not_read_this_once_end_nothing_and_begin_nothing(tenant: Tenant) -> None:
    world = tenant.world
    one = await exempted(world)
    fine = await exempted(world, places.REPORTS)
    await leave_out(world, places.GROUP)
    await hour(tenant)
    since = (await world.row(one)).findings
    assert set(since) == {MOVED}
    await world.arm_graph(absent=["resourcecontainers"])
    world.clock.advance(hours=1)
    assert (await tenant.sweep()).missing
    await tenant.work()
    assert (await world.row(one)).findings == since
    assert (await world.row(fine)).findings == {}
    await world.arm_graph(absent=[])
    await hour(tenant)
    assert (await world.row(one)).findings == since


async def test_azure_refuses_a_tag_so_none_is_tried(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": "tag", "owner-missing": "tag"})
    one = await exempted(world, metadata=NO_OWNER)
    await world.settle(one)
    marker = await world.marker(one)
    await move(world, SANDBOXES)
    await hour(tenant)
    row = await world.row(one)
    assert (row.status, row.answer, set(row.findings)) == (Status.VIOLATION, "alert", {MOVED, "EXG203"})
    assert await world.marker(one) == marker
    assert (await tenant.sweep()).queued == {}


async def test_a_revert_is_done_once_azure_itself_says_so(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": "revert"})
    one = await exempted(world, name="new")
    await hour(tenant)
    await move(world, SANDBOXES)
    await hour(tenant)
    assert await world.body(one) is None
    assert (await world.events(one))[-1] == "reverted"


async def test_a_revert_is_not_done_where_the_graph_only_lags(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": {"response": "revert", "grace": "90m"}})
    one = await exempted(world)
    await move(world, SANDBOXES)
    world.arm.graph.freeze(on=True)
    await hour(tenant)
    assert await keys(world, one) == [MOVED]
    await move(world, CORP)  # the graph shows it as moved still
    world.clock.advance(hours=2)
    await tenant.sweep()
    await tenant.work()
    assert await world.body(one) is not None
    assert await keys(world, one) == []
    assert (await world.row(one)).status is Status.COMPLIANT
    world.arm.graph.freeze(on=False)
    await hour(tenant)
    assert await keys(world, one) == []


@pytest.mark.parametrize("scopes", [(places.GROUP,), ()])
async def test_a_revert_for_what_an_assignment_leaves_out_is_asked_of_azure(
    tenant: Tenant, scopes: tuple[str, ...]
) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": "revert"})
    one = await exempted(world)
    await leave_out(world, places.GROUP)
    world.arm.graph.freeze(on=True)
    await leave_out(world, *scopes)
    world.clock.advance(hours=1)
    await tenant.sweep()
    await tenant.work()
    assert (await world.body(one) is None) == bool(scopes)


async def test_what_azure_does_not_list_is_unknown_and_not_reverted(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": "revert"})
    one = await exempted(world)
    await move(world, SANDBOXES)
    world.fault("GET", r"policyAssignments$", status=403, code="AuthorizationFailed", count=100)
    world.clock.advance(hours=1)
    await tenant.sweep()
    await tenant.work()
    assert await world.body(one) is not None
    assert await keys(world, one) == [MOVED + "?"]
    world.arm.faults.rules.clear()
    await hour(tenant)
    assert await world.body(one) is None


async def test_a_group_that_an_assignment_leaves_out_is_not_known_to_azure_s_list(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": "revert"})
    one = await exempted(world)
    await leave_out(world, CORP)
    world.clock.advance(hours=1)
    await tenant.sweep()
    await tenant.work()
    assert await world.body(one) is not None
    assert await keys(world, one) == [MOVED + "?"]


async def test_a_revert_that_two_findings_ask_for_is_asked_of_azure_for_both(tenant: Tenant) -> None:
    world = tenant.world
    world.ruleset = rules(on={"assignment-not-applicable": "revert", "assignment-gone": "revert"})
    one = await exempted(world)
    await move(world, SANDBOXES)
    world.arm.graph.freeze(on=True)
    await move(world, CORP)
    world.clock.advance(hours=1)
    await tenant.sweep()
    await tenant.work()
    assert await world.body(one) is not None
