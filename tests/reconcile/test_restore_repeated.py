"""Restore is repeated after a crash: wherever the first run died, and whoever finished it, the world is as it meant."""

from contextlib import suppress
from typing import Any

import pytest

from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from tests.reconcile.ports import Died
from tests.reconcile.world import OPERATOR, World


async def taken_away(world: World, how: str) -> tuple[ExemptionId, dict[str, Any]]:
    """An exemption that was put back, deleted by us, deleted by somebody, or deleted without anybody's notice."""
    one = world.id()
    if how == "reverted":
        body = await world.bad(one)
        await world.look(one)
    elif how == "put back":
        await world.known(one)
        body = await world.bad(one)
        await world.look(one)
        await world.settle(one)
    else:
        body = await world.known(one)
        await world.known(one, displayName="what was taken away")
        body = await world.body(one) or body
        await world.delete(one)
        if how == "deleted":
            await world.look(one)
    await world.forget()
    return one, body


async def repeat(world: World, one: ExemptionId, at: int | None = None) -> str:
    """Run restore until it is done or refused; return the code of the refusal, "" where it was done."""
    for _ in range(4):
        try:
            await world.reconciler.restore(one, OPERATOR, at=at)
        except Retryable:
            world.after_lease()
        except Permanent as error:
            return error.code
        else:
            return ""
    raise AssertionError("it is never done")


async def said(world: World, one: ExemptionId) -> str:
    """What Azure has, without our tag."""
    return fingerprint(await world.body(one) or {})


HOW = ["reverted", "put back", "deleted", "deleted unseen"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("finished_by", ["the command", "an event", "a sweep"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3, 4, 5])
async def test_wherever_the_first_run_died(world: World, how: str, finished_by: str, after: bool, write: int) -> None:
    one, body = await taken_away(world, how)
    world.watch.die_at(write, after=after)
    with suppress(Died):
        await world.reconciler.restore(one, OPERATOR)
    world.watch.revive()
    world.after_lease()
    if finished_by != "the command":
        await world.look(one, finished_by.split()[1])
        world.after_lease()
    for _ in range(3):
        assert await repeat(world, one) in ("", "nothing-to-undo")
        assert await said(world, one) == fingerprint(body)
        await world.settle(one)
        world.after_lease()
    assert await said(world, one) == fingerprint(body)
    row = await world.row(one)
    assert (row.kept, row.kept_why) == (row.content, f"restored by {OPERATOR}")
    assert (await world.notice_kinds()).count("restored") == 1


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("at", [None, 1])
@pytest.mark.parametrize("write", [3, 4])
async def test_what_a_crash_left_unsaid_the_command_says_once_it_is_repeated(
    world: World, how: str, at: int | None, write: int
) -> None:
    """It dies once it has written to Azure: before the notice, or when that was sent and nothing is recorded."""
    one, _ = await taken_away(world, how)
    world.watch.die_at(write, after=False)
    with suppress(Died, Permanent):
        await world.reconciler.restore(one, OPERATOR, at=at)
    if not world.watch.revive():
        return  # there was nothing to restore
    world.after_lease()
    await repeat(world, one, at)
    row = await world.row(one)
    assert (row.intent, row.outbox) == (None, ())
    assert (await world.notice_kinds()).count("restored") == 1


@pytest.mark.parametrize("how", ["put back", "deleted"])
async def test_a_second_time_says_what_takes_it_back(world: World, how: str) -> None:
    one, body = await taken_away(world, how)
    before = await world.body(one)
    await world.reconciler.restore(one, OPERATOR)
    await world.settle(one)
    writes = world.writes()
    for dry_run in (True, False):
        with pytest.raises(Permanent) as error:
            await world.reconciler.restore(one, OPERATOR, dry_run=dry_run)
        assert error.value.code == "nothing-to-undo"
        if before is not None:
            assert f"restored by {OPERATOR}" in error.value.message
            assert f"--at {(await world.row(one)).undo}" in error.value.remedy
    assert world.writes() == writes
    assert await said(world, one) == fingerprint(body)
    if before is not None:
        await world.reconciler.restore(one, OPERATOR, at=(await world.row(one)).undo)
        assert await world.properties(one) == before["properties"]


async def test_once_somebody_edited_it_restore_is_about_what_came_then(world: World) -> None:
    one, body = await taken_away(world, "put back")
    await world.reconciler.restore(one, OPERATOR)
    await world.settle(one)
    edit = await world.bad(one, displayName="edited after the restore")
    assert (await world.look(one)).did == "put-back"
    assert await repeat(world, one) == ""
    assert await world.properties(one) == edit["properties"] != body["properties"]


async def test_who_was_quicker_at_recording_it_does_not_have_it_undone(world: World) -> None:
    """Between the write and its outcome another worker touches the row: the first run still says that it is done."""
    one, body = await taken_away(world, "put back")

    async def other() -> None:
        async def later() -> None:
            world.clock.advance(minutes=1)
            await world.look(one)

        world.watch.before["register.commit"] = later

    world.watch.before["arm.put"] = other
    assert await repeat(world, one) in ("", "nothing-to-undo")
    assert await said(world, one) == fingerprint(body)


async def test_what_cannot_be_read_is_not_taken_for_gone(world: World) -> None:
    one, _ = await taken_away(world, "put back")
    before = await world.properties(one)
    stored = await world.stored(one)
    world.fault("GET", status=403, code="AuthorizationFailed", count=1)
    with pytest.raises(Retryable):
        await world.reconciler.restore(one, OPERATOR)
    assert await world.stored(one) == stored
    assert await world.properties(one) == before
