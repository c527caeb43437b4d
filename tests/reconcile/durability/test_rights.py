"""The right to delete an exemption is nothing that its deleter can write into it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.hint import Hint
from sandbox.tenant import APPROVAL, Actor
from tests.reconcile.durability import scene
from tests.reconcile.test_authority import BOB, EPAC, like_an_older_version
from tests.reconcile.world import ABOVE, ALICE, PIPELINE, PIPELINE_ID, World

NAME, OID = "alice@contoso.com", "aaaaaaaa-1111-4222-8333-444455556666"
NOBODY = {key: value for key, value in APPROVAL.items() if key != "owner"}
OWNER = str(APPROVAL["owner"])

CLAIMS: dict[str, tuple[str, Sequence[tuple[Actor, Mapping[str, Any]]]]] = {
    "owner": (NAME, [(ALICE, {"owner": NAME})]),
    "one of several": (NAME, [(ALICE, {"owner": f"{OWNER}; {NAME}"})]),
    "first of several": (NAME, [(ALICE, {"owner": f"{NAME}, {OWNER}"})]),
    "alias that goes before": (NAME, [(ALICE, {"owner": NAME, "contact": OWNER})]),
    "alias alone": (NAME, [(ALICE, {**NOBODY, "owner": None, "contact": NAME})]),
    "case": (NAME, [(ALICE, {"owner": NAME.upper()})]),
    "object id": (OID, [(ALICE, {"owner": OID})]),
    "two small edits": (NAME, [(ALICE, {"owner": f"{OWNER}, x@y"}), (ALICE, {"owner": f"{OWNER}, {NAME}"})]),
    "second account": (NAME, [(BOB, {"owner": NAME})]),
    "two accounts in turn": (NAME, [(BOB, {"owner": NAME}), (ALICE, {"owner": NAME, "note": "x"})]),
    "left there by who may": (NAME, [(ALICE, {"owner": NAME}), (PIPELINE, {"owner": NAME, "note": "x"})]),
    "not to be restored": (NAME, [(ALICE, {"guardrails": {"restore": False}})]),
    "not to be restored, by the other key": (NAME, [(ALICE, {"guardrails.restore": "false"})]),
    "a tool's": (NAME, [(ALICE, {"pacOwnerId": "x"})]),
}


@pytest.mark.parametrize("waits", [0, 30])
@pytest.mark.parametrize("claim", CLAIMS)
async def test_who_writes_it_into_a_compliant_edit_has_no_right_by_that(world: World, claim: str, waits: int) -> None:
    world.ruleset = scene.keeping(owners=[EPAC])
    one = await scene.approved(world)
    actor, edits = CLAIMS[claim]
    for writer, said in edits:
        await world.write(one, writer, metadata={**APPROVAL, **said})
        await world.settle(one)
        assert (await world.row(one)).status is Status.COMPLIANT
    for _ in range(waits):
        world.clock.advance(days=1)
        await world.look(one, "sweep")
    await world.forget()
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, actor)
    world.clock.advance(minutes=20)
    assert (await world.look(one, "wake-up")).did == "bring-back"
    assert await world.notice_kinds() == ["lost", "restored"]


@pytest.mark.parametrize("said", [{"owner": NAME}, {"guardrails.restore": "false"}])
async def test_who_edits_it_before_it_was_ever_seen_has_no_right_by_that(world: World, said: dict[str, Any]) -> None:
    world.ruleset = scene.keeping()
    one = world.id()
    await world.write(one)
    await world.known(one, actor=ALICE, metadata={**APPROVAL, **said})
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, NAME)
    world.clock.advance(minutes=20)
    assert (await world.look(one, "wake-up")).did == "bring-back"
    assert await world.notice_kinds() == ["lost", "restored"]


async def test_what_was_there_before_the_guardrails_counts_as_seen_whoever_edited_it(world: World) -> None:
    world.ruleset = scene.keeping()
    one = world.id()
    await world.write(one)
    await world.write(one, ALICE, metadata={**APPROVAL, "owner": NAME})
    world.clock.advance(hours=1)
    await world.look(one, "sweep", adopt=world.clock.now())
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, NAME)
    world.clock.advance(minutes=20)
    await world.look(one, "wake-up")
    assert (await world.row(one)).settled.endswith("which is allowed")


async def test_who_makes_it_anew_while_it_is_lost_is_not_its_creator(world: World) -> None:
    one = await scene.approved(world)

    async def deleted(event: str) -> None:
        await world.delete(one, ALICE)
        await world.reconciler.reconcile(one, Hint("event", "delete", NAME, event))

    for event in ("e-a", "e-b"):
        await deleted(event)
        world.clock.advance(minutes=5)
        await world.write(one, ALICE, metadata={**APPROVAL, "owner": NAME})
        await world.settle(one)
        world.clock.advance(hours=2)
    await deleted("e-c")
    world.clock.advance(minutes=20)
    await world.look(one, "wake-up")
    assert await world.body(one) is not None
    assert "lost" in await world.notice_kinds()


async def test_one_that_is_made_anew_from_another_assignment_while_it_is_lost_is_its_makers(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, NAME)
    world.clock.advance(minutes=5)
    await world.write(one, ALICE, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None)
    await world.settle(one)
    row = await world.row(one)
    assert (row.creator, row.owners) == (NAME, (OWNER,))
    await world.write(
        one,
        PIPELINE,
        policyAssignmentId=ABOVE,
        policyDefinitionReferenceIds=None,
        metadata={**APPROVAL, "owner": PIPELINE_ID},
    )
    await world.settle(one)
    assert (await world.row(one)).owners == (OWNER,)


@pytest.mark.parametrize(
    ("actor", "edits"),
    [
        (PIPELINE_ID, []),
        (PIPELINE_ID, [(ALICE, {"owner": NAME})]),
        (OWNER.upper(), []),
        (OWNER, [(ALICE, {"owner": NAME})]),
        (OWNER, [(ALICE, {**NOBODY, "owner": None, "contact": NAME})]),
        (NAME, [(PIPELINE, {"owner": f"{OWNER}, {NAME}"})]),
        (NAME, [(PIPELINE, {"owner": NAME}), (BOB, {"owner": "bob@contoso.com"})]),
    ],
)
async def test_creator_and_owner_keep_their_right_and_hand_it_on(world: World, actor: str, edits: Any) -> None:
    one = await scene.approved(world)
    for writer, said in edits:
        await world.write(one, writer, metadata={**APPROVAL, **said})
        await world.settle(one)
    await world.forget()
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, actor)
    world.clock.advance(hours=1)
    await world.look(one, "wake-up")
    assert (await world.row(one)).status is Status.GONE
    assert await world.notice_kinds() == []


async def test_who_was_owner_before_the_creator_named_another_is_so_no_more(world: World) -> None:
    one = await scene.approved(world)
    await world.write(one, PIPELINE, metadata={**APPROVAL, "owner": NAME})
    await world.settle(one)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, OWNER)
    world.clock.advance(hours=1)
    assert (await world.look(one, "wake-up")).did == "bring-back"


@pytest.mark.parametrize("owner", ["Storage team", "sg-storage-owners"])
async def test_a_group_authorises_nothing_by_itself(world: World, owner: str) -> None:
    one = await scene.approved(world, metadata={**APPROVAL, "owner": owner})
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, owner)
    world.clock.advance(hours=1)
    assert (await world.look(one, "wake-up")).did == "bring-back"


async def test_a_new_one_with_the_name_of_an_accepted_delete_is_its_creators(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one)
    await scene.deleted_by(world, one, OWNER)
    world.clock.advance(hours=1)
    await world.look(one, "wake-up")
    await world.write(one, BOB, metadata={**APPROVAL, "owner": "bob@contoso.com"})
    await world.settle(one)
    await world.forget()
    await world.delete(one, BOB)
    await world.reconciler.reconcile(one, Hint("event", "delete", "bob@contoso.com", "e-2"))
    world.clock.advance(hours=1)
    await world.look(one, "wake-up")
    assert (await world.row(one)).status is Status.GONE
    assert await world.notice_kinds() == []


@pytest.mark.parametrize(("actor", "accepted"), [(OWNER, True), (PIPELINE_ID, True), (NAME, False)])
@pytest.mark.parametrize("edited", [True, False])
async def test_a_row_of_today_keeps_who_may(world: World, actor: str, *, accepted: bool, edited: bool) -> None:
    one = await scene.approved(world)
    await like_an_older_version(world, one)
    if edited:  # the first thing that the new version sees of it
        await world.write(one, ALICE, metadata={**APPROVAL, "owner": NAME})
        await world.settle(one)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, actor)
    world.clock.advance(hours=1)
    await world.look(one, "wake-up")
    assert (await world.body(one) is None) is accepted


async def test_what_a_stranger_wants_restored_is_not_the_rulesets_will(world: World) -> None:
    world.ruleset = scene.keeping(durability={"mode": "never"})
    one = await scene.approved(world)
    await world.write(one, ALICE, metadata={**APPROVAL, "guardrails": {"restore": True}})
    await world.settle(one)
    await world.delete(one)
    await world.look(one, "sweep")
    assert (await world.row(one)).status is Status.GONE
