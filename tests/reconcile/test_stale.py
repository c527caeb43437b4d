"""What is kept of an assignment may be out of date: no revert rests on it."""

from typing import Any

import pytest

from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import tenant
from sandbox.tenant import AUTHORIZATION
from tests.reconcile.world import World, rules

INITIATIVE = f"{AUTHORIZATION}/policySetDefinitions/storage-baseline"
TWO = ("denyPublicNetwork", "requireTls")


def hold(world: World, *references: str) -> None:
    """Make the initiative hold these policies."""
    definition = f"{AUTHORIZATION}/policyDefinitions/require-tls"
    members = [{"policyDefinitionReferenceId": one, "policyDefinitionId": definition} for one in references]
    world.arm.seed(INITIATIVE, {"properties": {"policyDefinitions": members}})


def reads(world: World) -> int:
    """How often we read assignments and initiatives since the last count."""
    return sum(count for name, count in world.ours().items() if "policyAssignments" in name or "policySet" in name)


async def test_an_initiative_that_grew_since_it_was_kept_reverts_nothing(world: World) -> None:
    world.ruleset = rules(on={"whole-initiative": "revert"})
    await world.known(world.id("first"))  # now the initiative is kept, with two policies
    hold(world, *TWO, "keys")
    one = world.id("two-of-three")
    await world.write(one, policyDefinitionReferenceIds=list(TWO))

    outcome = await world.look(one)

    assert outcome.did == ""
    assert await world.body(one) is not None
    assert (await world.row(one)).findings == {}


async def test_an_assignment_that_was_put_back_since_reverts_nothing(world: World) -> None:
    world.ruleset = rules(on={"assignment-gone": "revert"})
    one, held = world.id(), world.arm.store.entries[tenant.ASSIGNMENT.lower()].body
    await world.write(one)
    world.arm.store.remove(tenant.ASSIGNMENT.lower())
    world.ruleset = rules("audit", on={"assignment-gone": "revert"})
    assert "EXG401" in (await world.look(one)).row.findings
    world.arm.seed(tenant.ASSIGNMENT, held)
    world.ruleset = rules(on={"assignment-gone": "revert"})

    outcome = await world.look(one)

    assert outcome.did == ""
    assert await world.body(one) is not None


async def test_what_is_whole_now_too_is_reverted(world: World) -> None:
    one = world.id()
    await world.known(world.id("first"))
    await world.write(one, policyDefinitionReferenceIds=list(TWO))
    assert (await world.look(one)).did == "delete"
    assert await world.body(one) is None


async def test_nothing_is_read_again_for_a_revert_that_does_not_rest_on_it(world: World) -> None:
    await world.known(world.id("first"))
    before = reads(world)
    one: Any = world.id()
    await world.bad(one)
    assert (await world.look(one)).did == "delete"
    assert reads(world) == before


async def test_a_restore_is_not_given_up_for_a_policy_that_is_back_in_the_initiative(world: World) -> None:
    world.ruleset = rules(durability={"mode": "always", "wait": "1m"})
    one = world.id()
    await world.known(one)
    hold(world, "requireTls")
    other = world.id("other")
    world.clock.advance(minutes=11)
    await world.known(
        other, policyDefinitionReferenceIds=["requireTls"]
    )  # now the initiative is kept without the policy
    await world.delete(one)
    await world.look(one, operation="delete", actor="alice@contoso.com")
    hold(world, *TWO)
    world.clock.advance(minutes=5)
    await world.look(one, "queue")
    assert await world.body(one) is not None


async def test_the_last_good_state_is_put_back_by_what_the_initiative_holds_now(world: World) -> None:
    world.ruleset = rules(on={"reference-unknown": "revert"})
    one = world.id()
    good = await world.known(one, policyDefinitionReferenceIds=["denyPublicNetwork"])
    world.clock.advance(minutes=11)
    hold(world, "requireTls")
    await world.known(world.id("other"), policyDefinitionReferenceIds=["requireTls"])  # now it is kept without one
    hold(world, *TWO)
    await world.bad(one, policyDefinitionReferenceIds=["requireTls"])
    assert (await world.look(one)).did == "put-back"
    assert (await world.properties(one))["policyDefinitionReferenceIds"] == good["properties"][
        "policyDefinitionReferenceIds"
    ]


async def spoil(world: World, one: ExemptionId) -> None:
    """Have it approved and edited, and its initiative shrink to the policies that it named: to all of them."""
    hold(world, *TWO, "keys")
    await world.known(one, policyDefinitionReferenceIds=list(TWO))
    world.clock.advance(minutes=11)
    hold(world, *TWO)
    await world.known(world.id("other"), policyDefinitionReferenceIds=["requireTls"])  # now it is kept with two
    await world.bad(one, policyDefinitionReferenceIds=["requireTls"])


async def test_a_version_that_is_bad_now_is_not_put_back_while_azure_cannot_be_read(world: World) -> None:
    one = world.id()
    await spoil(world, one)
    edited = await world.body(one)
    world.fault("GET", "policyAssignments", status=429)

    with pytest.raises(Retryable, match="cannot now"):
        await world.look(one)

    assert await world.body(one) == edited
    world.arm.faults.reset()
    world.clock.advance(minutes=1)
    assert (await world.look(one)).did == "delete"
    assert await world.body(one) is None
    assert await world.notice_kinds() == ["reverted"]


async def test_a_revert_does_not_wait_for_what_stays_unread(world: World) -> None:
    one = world.id()
    await spoil(world, one)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")

    with pytest.raises(Retryable, match="cannot now"):
        await world.look(one)

    world.clock.advance(minutes=1)
    assert (await world.look(one)).did == "put-back"
    assert (await world.properties(one))["policyDefinitionReferenceIds"] == list(TWO)
