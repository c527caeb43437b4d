"""The register keeps which criteria an exemption weakens, and a notice says it, without a request more."""

from dataclasses import replace
from typing import Any

import pytest

from guardrails.criteria.model import Weakened
from guardrails.decisions.history import Entry
from sandbox import tenant
from tests.reconcile.world import NO_OWNER, World

SET = f"{tenant.AUTHORIZATION}/policySetDefinitions/storage-baseline"


def properties(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.arm.store.entries[SET.lower()].body["properties"]
    return found


@pytest.fixture
def grouped(world: World) -> World:
    """Its initiative groups all of its policies under one criterion."""
    said = properties(world)
    said["displayName"] = "Ours"
    said["policyDefinitionGroups"] = [{"name": "ISO_A.9", "displayName": "Access"}]
    for member in said["policyDefinitions"]:
        member["groupNames"] = ["ISO_A.9"]
    return world


async def test_a_row_says_what_is_weakened(grouped: World) -> None:
    one, world = grouped.id(), grouped
    await world.write(one)
    await world.forget()
    await world.look(one)
    weakened = Weakened.read((await world.row(one)).criteria_weakened)
    [by] = weakened.by_source
    assert (by.source.name, by.policies) == ("Ours", 1)
    [criterion] = by.criteria
    assert (criterion.name, criterion.title, criterion.policies) == ("ISO_A.9", "Access", 1)
    assert criterion.of == len(properties(world)["policyDefinitions"])
    assert world.ours() == {"GET policyExemptions": 1, "GET policyAssignments": 1, "GET policySetDefinitions": 1}


async def test_a_notice_says_it_in_one_line(grouped: World) -> None:
    one, world = grouped.id(), grouped
    await world.write(one, metadata=NO_OWNER)
    await world.look(one)
    count = len(properties(world)["policyDefinitions"])
    assert (await world.notice())["exemption"]["criteriaWeakened"] == f"Ours 1.0.0: ISO_A.9 Access (1 of {count})"


async def test_what_is_not_mapped_is_unknown(world: World) -> None:
    one = world.id()
    await world.known(one)
    assert Weakened.read((await world.row(one)).criteria_weakened).unknown == "no source has criteria for its policy"


async def test_what_was_known_stays_while_the_assignment_cannot_be_read(grouped: World) -> None:
    one, world = grouped.id(), grouped
    await world.known(one)
    before = (await world.row(one)).criteria_weakened
    assert before
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)
    await world.look(one)
    assert (await world.row(one)).criteria_weakened == before
    await world.write(one, policyDefinitionReferenceIds=[], metadata=NO_OWNER)
    await world.look(one)
    after = Weakened.read((await world.row(one)).criteria_weakened)
    assert after.is_unknown
    assert after.unknown.startswith("the assignment is not known: ")


async def test_what_is_gone_weakens_nothing(grouped: World) -> None:
    one, world = grouped.id(), grouped
    await world.known(one)
    await world.delete(one)
    await world.look(one)
    assert (await world.row(one)).criteria_weakened == {}


async def test_groups_that_were_removed_are_recorded(grouped: World) -> None:
    one, world = grouped.id(), grouped
    await world.known(one)
    for member in properties(world)["policyDefinitions"]:
        del member["groupNames"]
    world.clock.advance(hours=1)
    assert (await world.look(one)).wrote
    assert Weakened.read((await world.row(one)).criteria_weakened).unknown == "no source has criteria for its policy"


@pytest.mark.parametrize(("source", "wrote"), [("event", False), ("operator", False), ("sweep", True)])
async def test_a_row_of_before_gets_its_criteria_from_a_sweep(grouped: World, source: str, wrote: bool) -> None:
    one, world = grouped.id(), grouped
    await world.known(one)
    stored = await world.stored(one)
    known = stored.row.criteria_weakened
    before = replace(stored.row, criteria_weakened={})
    assert await world.register.commit(one, stored, before, Entry(world.clock.now(), "judged", {}))
    outcome = await world.look(one, source)
    assert outcome.wrote == wrote
    assert (await world.row(one)).criteria_weakened == (known if wrote else {})
