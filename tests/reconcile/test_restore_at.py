"""Restore --at: a version that the history keeps is written back, if the history vouches for it; it ends a fight."""

from typing import Any

import pytest

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.register import chain, columns, state
from tests.reconcile.durability import scene
from tests.reconcile.world import ALICE, OPERATOR, World


async def restore(world: World, one: ExemptionId, at: int | None = None, *, dry_run: bool = False) -> Any:
    return await world.reconciler.restore(one, OPERATOR, at=at, dry_run=dry_run)


async def versions(world: World, one: ExemptionId) -> list[int]:
    """The entries that keep a body, oldest first."""
    return [entry.seq for entry in await world.history(one) if entry.body_digest]


async def edited_twice(world: World, one: ExemptionId) -> list[dict[str, Any]]:
    """Three versions, all compliant and known."""
    return [await world.known(one, displayName=text) for text in ("the first", "the second", "the third")]


async def test_each_version_can_be_had_back(world: World) -> None:
    one = world.id()
    bodies = await edited_twice(world, one)
    kept = await versions(world, one)
    assert len(kept) == 3
    for version, body in zip(kept, bodies[:2], strict=False):
        assert await restore(world, one, version) == body
        assert await world.properties(one) == body["properties"]
        row = await world.row(one)
        assert row.kept_why == f"restored by {OPERATOR}, as history entry {version} has it"
        assert row.status is Status.COMPLIANT
    assert await world.notice_kinds() == ["restored", "restored"]


async def test_it_is_undone_by_the_version_that_it_replaced_and_that_again(world: World) -> None:
    one = world.id()
    bodies = await edited_twice(world, one)
    await restore(world, one, (await versions(world, one))[0])
    await world.settle(one)
    for body in (bodies[2], bodies[0], bodies[2]):
        await restore(world, one, (await world.row(one)).undo)
        assert await world.properties(one) == body["properties"]
        await world.settle(one)


async def test_an_older_version_of_one_that_is_gone(world: World) -> None:
    one = world.id()
    bodies = await edited_twice(world, one)
    await world.delete(one)
    await world.look(one)
    await restore(world, one, (await versions(world, one))[1])
    assert await world.properties(one) == bodies[1]["properties"]
    row = await world.row(one)
    assert (row.status, row.author) == (Status.COMPLIANT, bodies[1]["systemData"]["lastModifiedBy"])


async def test_a_version_that_breaks_the_rules_is_left_alone_until_somebody_edits_it(world: World) -> None:
    one = world.id()
    await world.known(one)
    bad = await world.bad(one)
    await world.look(one)
    await world.settle(one)
    (version,) = [at for at in await versions(world, one) if await world.register.body(one, at) == bad]
    await restore(world, one, version)
    await world.settle(one)
    assert "expiresOn" not in await world.properties(one)
    assert (await world.row(one)).status is Status.VIOLATION
    await world.bad(one, displayName="edited after the restore")
    assert (await world.look(one)).did != ""
    assert "expiresOn" in await world.properties(one)


async def test_a_dry_run_shows_that_version_and_changes_nothing(world: World) -> None:
    one = world.id()
    bodies = await edited_twice(world, one)
    stored, before = await world.stored(one), world.azure()
    assert await restore(world, one, (await versions(world, one))[0], dry_run=True) == bodies[0]
    assert (await world.stored(one), world.azure(), world.writes()) == (stored, before, 0)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_version_without_a_body_is_refused_and_those_with_one_are_named(world: World, dry_run: bool) -> None:
    one = world.id()
    await edited_twice(world, one)
    await world.delete(one)
    await world.look(one)
    kept = await versions(world, one)
    newest = (await world.stored(one)).seq
    assert newest not in kept
    for version in (newest, newest + 1, 10**8):
        with pytest.raises(Permanent) as error:
            await restore(world, one, version, dry_run=dry_run)
        assert error.value.code == "no-body"
        assert error.value.remedy == f"These entries keep one: {', '.join(map(str, kept))}"
    assert await world.body(one) is None


async def test_what_is_there_already_is_not_written_again(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.forget()
    with pytest.raises(Permanent) as error:
        await restore(world, one, 1)
    assert error.value.code == "nothing-to-undo"
    assert world.writes() == 0


async def test_a_snapshot_that_was_edited_by_hand_is_refused(world: World) -> None:
    one = world.id()
    bodies = await edited_twice(world, one)
    first, second, _ = await versions(world, one)
    await world.edit_history(one, first, body=columns.pack({"id": one.text, "properties": {"evil": 1}}).data)
    world.sound = False
    with pytest.raises(Permanent) as error:
        await restore(world, one, first)
    assert error.value.code == "register-altered"
    assert await world.properties(one) == bodies[2]["properties"]
    await restore(world, one, second)
    assert await world.properties(one) == bodies[1]["properties"]


@pytest.mark.parametrize("undo", [True, False])
async def test_a_forged_version_that_fits_its_own_hashes_is_refused(world: World, undo: bool) -> None:
    one = world.id()
    body = await world.known(one)
    await world.delete(one)
    await world.look(one)
    entry = (await world.history(one))[0]
    forged = columns.pack({**body, "properties": {**body["properties"], "displayName": "Mallory's"}})
    altered = Entry(entry.at, entry.event, entry.facts)
    row = Row.from_json(entry.row)
    link = chain.link(altered, row, state.text_of(row), entry.seq, entry.previous, digest=forged.digest)
    changed = {name: value for name, value in link.columns.items() if name != "seq"}
    await world.edit_history(one, 1, **changed, **columns.split_bytes("body", forged.data))
    world.sound = False
    assert (await world.register.body(one, 1))["properties"]["displayName"] == "Mallory's"

    with pytest.raises(Permanent) as error:
        await restore(world, one, None if undo else 1)

    assert error.value.code == "register-altered"
    assert await world.body(one) is None


async def test_an_entry_taken_out_between_is_seen(world: World) -> None:
    one = world.id()
    await edited_twice(world, one)
    await world.edit_history(one, 2, event="excused")
    world.sound = False
    with pytest.raises(Permanent) as error:
        await restore(world, one, 1)
    assert error.value.code == "register-altered"
    assert "--at takes a later entry" in error.value.remedy


async def fought_over(world: World) -> ExemptionId:
    """One that somebody deletes and we put back, until it is given up."""
    one = await scene.approved(world)
    for number in range(4):
        await world.delete(one, ALICE)
        await world.reconciler.reconcile(one, Hint("event", "delete", "alice@contoso.com", f"e-{number}"))
        world.clock.advance(minutes=20)
        await world.look(one, "wake-up")
    return one


async def test_an_operator_ends_a_fight_and_counting_begins_anew(world: World) -> None:
    one = await fought_over(world)
    row = await world.row(one)
    assert (row.status, len(row.restored)) == (Status.GONE, 3)
    assert row.settled != ""
    assert row.lost is not None

    await restore(world, one)

    row = await world.row(one)
    assert (row.lost, row.lost_by, row.settled, row.restored) == (None, "", "", ())
    assert row.status is Status.COMPLIANT
    assert await world.body(one) is not None
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    world.clock.advance(minutes=20)
    await world.look(one, "wake-up")
    assert await world.body(one) is not None
    assert len((await world.row(one)).restored) == 1


async def test_while_it_waits_for_its_target_azure_refuses_and_it_goes_on_waiting(world: World) -> None:
    one = await scene.approved(world)
    before = await world.properties(one)
    await scene.drop_target(world)
    await world.look(one, "sweep")
    waiting = await world.row(one)
    assert waiting.status is Status.LOST
    with pytest.raises(Permanent) as error:
        await restore(world, one)
    assert error.value.code == "cannot-act"
    row = await world.row(one)
    assert (row.status, row.lost, row.settled) == (Status.LOST, waiting.lost, "")
    await scene.recreate_target(world)
    world.clock.advance(minutes=20)
    await world.look(one, "target", operation="target-write")
    assert await world.properties(one) == before


async def test_before_its_wait_is_over_it_is_back_at_once(world: World) -> None:
    one = await scene.approved(world)
    before = await world.properties(one)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    assert (await world.row(one)).status is Status.LOST
    await restore(world, one)
    assert await world.properties(one) == before
    row = await world.row(one)
    assert (row.status, row.lost, row.lost_by) == (Status.COMPLIANT, None, "")
