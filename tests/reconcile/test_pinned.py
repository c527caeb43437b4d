"""An assignment that pins a version of its initiative: exemptions are judged by what that version holds."""

from typing import Any

import pytest

from sandbox import tenant
from sandbox.tenant import AUTHORIZATION
from tests.reconcile.world import World, rules

SET = f"{AUTHORIZATION}/policySetDefinitions/benchmark"
PINNED = f"{tenant.SUBSCRIPTION}{AUTHORIZATION}/policyAssignments/benchmark"
ALL = ["public", "tls", "keys"]
NEVER = {"never-exempt": {"response": "revert", "options": {"definitions": ["def-tls"]}}, "reference-unknown": "revert"}


def publish(world: World, version: str, *references: str, latest: bool = False) -> None:
    members = [
        {"policyDefinitionReferenceId": one, "policyDefinitionId": f"{AUTHORIZATION}/policyDefinitions/def-{one}"}
        for one in references
    ]
    body = {"properties": {"policyType": "BuiltIn", "version": version, "policyDefinitions": members}}
    world.arm.seed(f"{SET}/versions/{version}", body)
    if latest:
        world.arm.seed(SET, body)


@pytest.fixture
def pinned(world: World) -> World:
    publish(world, "1.0.0", *ALL)
    publish(world, "2.0.0", "public", "keys", latest=True)
    world.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET, "definitionVersion": "1.*.*"}})
    world.ruleset = rules(on=NEVER)
    return world


async def written(world: World, references: list[str] | None, **changes: Any) -> Any:
    """Write an exemption from the pinned assignment, look at it, and return what was done."""
    one = world.id()
    await world.write(one, policyAssignmentId=PINNED, policyDefinitionReferenceIds=references, **changes)
    return await world.look(one)


async def test_all_that_the_latest_version_has_is_not_the_whole_of_the_pinned_one(pinned: World) -> None:
    outcome = await written(pinned, ["public", "keys"])
    assert outcome.did == ""
    assert await pinned.body(pinned.id()) is not None
    assert outcome.row.findings == {}


async def test_the_whole_of_the_pinned_version_is_reverted_and_the_evidence_names_it(pinned: World) -> None:
    pinned.ruleset = rules()
    outcome = await written(pinned, ALL)
    assert outcome.did == "delete"
    [finding] = (await pinned.notice())["findings"]
    assert finding["rule"] == "whole-initiative"
    assert finding["evidence"]["initiativeVersion"] == "1.0.0 (effectiveDefinitionVersion)"


async def test_a_reference_that_only_the_pinned_version_has_is_known(pinned: World) -> None:
    pinned.ruleset = rules(on={"reference-unknown": "revert"})
    outcome = await written(pinned, ["tls"])
    assert (outcome.did, outcome.row.findings) == ("", {})


async def test_a_policy_that_only_the_pinned_version_has_is_never_exempted(pinned: World) -> None:
    outcome = await written(pinned, ["tls"])
    assert outcome.did == "delete"
    [finding] = (await pinned.notice())["findings"]
    assert finding["rule"] == "never-exempt"
    assert finding["evidence"]["initiativeVersion"].startswith("1.0.0 ")


async def test_an_approved_exemption_from_a_pinned_assignment_is_put_back(pinned: World) -> None:
    pinned.ruleset = rules(on={"reference-unknown": "revert"}, durability={"mode": "always", "wait": "1m"})
    one = pinned.id()
    await pinned.known(one, policyAssignmentId=PINNED, policyDefinitionReferenceIds=["tls"])
    await pinned.delete(one)
    await pinned.look(one, operation="delete", actor="alice@contoso.com")
    pinned.clock.advance(minutes=5)
    await pinned.look(one, "queue")
    assert await pinned.body(one) is not None


async def test_a_pin_that_cannot_be_resolved_reverts_nothing(pinned: World) -> None:
    pinned.fault("GET", "/versions", status=403, code="AuthorizationFailed", message="no")
    outcome = await written(pinned, ALL)
    assert outcome.did == ""
    assert await pinned.body(pinned.id()) is not None
    assert set(outcome.row.findings) == {"EXG302?", "EXG303?", "EXG304?"}


async def test_an_initiative_that_is_never_exempted_may_be_assigned_with_its_version_in_the_id(pinned: World) -> None:
    pinned.arm.seed(PINNED, {"properties": {"policyDefinitionId": f"{SET}/versions/1.0.0"}})
    pinned.ruleset = rules(on={"never-exempt": {"response": "revert", "options": {"definitions": ["benchmark"]}}})
    assert (await written(pinned, ["public"])).did == "delete"
