"""What Azure forbids: locks, deny assignments, missing permissions. Told once, not tried again until it may work."""

from collections.abc import Callable
from typing import Any

import pytest

from guardrails.record import Status
from sandbox import tenant
from tests.reconcile.world import ALICE, NO_TICKET, World, rules

DELETE = "Microsoft.Authorization/policyExemptions/delete"
WRITE = "Microsoft.Authorization/policyExemptions/write"
US = "0d5f2a52-0000-4000-8000-00000000f00d"


def lock(world: World) -> None:
    world.arm.lock(tenant.GROUP, "CanNotDelete")


def deny(world: World) -> None:
    world.deny(DELETE, WRITE)


def no_role(world: World) -> None:
    reader = [{"scope": "/", "actions": ["*/read"]}]
    world.arm.control._put_permissions({US: [{**one, "scope": ""} for one in reader]})


def no_exempt_action(world: World) -> None:
    """Enough to write exemptions, but not exempt/action on the assignment, which a put needs too."""
    world.arm.control._put_permissions({US: [{"scope": "", "actions": ["*/read", "*/policyExemptions/*"]}]})


@pytest.mark.parametrize("forbid", [lock, deny, no_role])
async def test_a_revert_that_azure_forbids_is_told_once_and_given_up(
    world: World, forbid: Callable[[World], None]
) -> None:
    one = world.id()
    await world.bad(one)
    forbid(world)
    before = world.azure()

    outcome = await world.look(one)

    assert world.azure() == before
    row = await world.row(one)
    assert (row.status, row.answer, row.intent, row.due) == (Status.CANNOT_ACT, "none", None, None)
    assert row.blocked
    assert outcome.did == ""
    assert await world.events(one) == ["intent", "cannot-act"]
    assert await world.told() == ["cannot-act"]
    why = (await world.notice())["why"][-1]
    assert why == f"Azure refused: {row.blocked}"[:300]
    await world.forget()
    for source in ("event", "queue", "sweep"):
        assert not (await world.look(one, source)).wrote
    assert world.writes() == 0
    assert await world.told() == []


@pytest.mark.parametrize(
    ("forbid", "changes"), [(lock, {"expiresOn": None}), (no_exempt_action, {"metadata": NO_TICKET})]
)
async def test_an_operator_may_ask_again(
    world: World, forbid: Callable[[World], None], changes: dict[str, Any]
) -> None:
    one = world.id()
    await world.write(one, ALICE, **changes)
    forbid(world)
    await world.look(one)
    await world.look(one, "operator")
    assert await world.told() == ["cannot-act", "cannot-act"]
    world.arm.reset()
    assert (await world.look(one, "operator")).did in ("delete", "tag")
    assert (await world.row(one)).blocked == ""


async def test_it_is_tried_again_when_the_exemption_changes(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.arm.lock(tenant.GROUP)
    await world.look(one)
    world.arm.unlock(tenant.GROUP)
    await world.bad(one, displayName="changed")
    assert (await world.look(one)).did == "delete"


async def test_mended_although_it_was_blocked(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.arm.lock(tenant.GROUP)
    await world.look(one)
    await world.write(one)
    await world.look(one)
    row = await world.row(one)
    assert (row.status, row.blocked) == (Status.COMPLIANT, "")


async def test_a_tag_needs_exempt_action_on_the_assignment(world: World) -> None:
    one = world.id()
    body = await world.write(one, ALICE, metadata=NO_TICKET)
    no_exempt_action(world)
    await world.look(one)
    assert await world.body(one) == body
    row = await world.row(one)
    assert row.status is Status.CANNOT_ACT
    assert "policyAssignments/exempt/action" in row.blocked
    await world.forget()
    assert not (await world.look(one)).wrote
    assert world.writes() == 0


async def test_a_put_back_that_is_refused_leaves_the_edit_and_its_body_in_the_register(world: World) -> None:
    one = world.id()
    await world.known(one)
    edited = await world.bad(one)
    deny(world)
    await world.look(one)
    assert await world.body(one) == edited
    row = await world.row(one)
    assert (row.status, row.compliant) == (Status.CANNOT_ACT, 1)
    assert row.snapshot is not None
    assert await world.register.body(one, row.snapshot) == edited
    assert await world.told() == ["cannot-act"]


async def test_a_scope_that_takes_no_tags_is_cannot_act(world: World) -> None:
    world.ruleset = rules(tagging={"exemption": False, "scope": True})
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    world.deny("Microsoft.Resources/tags/write")
    await world.look(one)
    assert world.tags(tenant.RESOURCE) == {}
    assert (await world.row(one)).status is Status.CANNOT_ACT
    assert await world.told() == ["cannot-act"]


async def test_a_body_that_azure_refuses_to_take_back(world: World) -> None:
    """The last good state names a reference that the initiative no longer has: 400, whoever asks."""
    one = world.id()
    await world.known(one)
    edited = await world.bad(one, policyDefinitionReferenceIds=["requireTls"])
    initiative = world.arm.store.entries["/providers/microsoft.authorization/policysetdefinitions/storage-baseline"]
    members = initiative.body["properties"]["policyDefinitions"]
    initiative.body["properties"] = {"policyDefinitions": [members[1]]}
    await world.look(one)
    assert await world.body(one) == edited
    assert (await world.row(one)).status is Status.CANNOT_ACT
    assert await world.told() == ["cannot-act"]
