"""Hands in the register: an edited row is rebuilt and notified; a broken history stops everything."""

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Permanent
from tests.reconcile.world import NO_TICKET, OPERATOR, World


async def test_an_edited_row_is_rebuilt_and_notified_where_nothing_else_is_to_be_done(world: World) -> None:
    one = world.id()
    await world.known(one)
    good = await world.stored(one)
    await world.edit_row(one, status="violation", owner="mallory")

    outcome = await world.look(one)

    assert outcome.wrote
    assert await world.notice_kinds() == ["register-altered"]
    assert (await world.notice())["done"] == "The row was rebuilt from its history."
    assert "seal" in (await world.notice())["why"][0]
    history = await world.history(one)
    assert [entry.event for entry in history] == ["written", "judged"]
    assert "seal" in history[-1].facts["altered"]
    row = await world.row(one)
    assert (row.status, row.owner, row.compliant) == (good.row.status, good.row.owner, good.row.compliant)
    assert await world.register.verify(one) == []
    assert not (await world.look(one)).wrote
    assert await world.notice_kinds() == ["register-altered"]


async def test_a_row_whose_hands_made_the_bad_look_good_does_not_stop_the_revert(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.bad(one)
    await world.edit_row(one, status="excluded", row="{}")
    assert (await world.look(one)).did == "put-back"
    assert "expiresOn" in await world.properties(one)
    assert await world.notice_kinds() == ["register-altered", "reverted"]


async def test_a_tagged_one_whose_row_was_edited(world: World) -> None:
    one = world.id()
    await world.write(one, metadata=NO_TICKET)
    await world.look(one)
    await world.forget()
    await world.edit_row(one, held="breaker")
    await world.look(one)
    assert await world.notice_kinds() == ["register-altered"]
    assert world.writes() == 0
    assert (await world.row(one)).answer == "tag"


async def test_one_that_is_gone_and_whose_row_was_edited(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await world.forget()
    await world.edit_row(one, status="compliant")
    await world.look(one)
    assert await world.notice_kinds() == ["register-altered"]
    assert (await world.row(one)).status is Status.GONE


async def test_a_row_that_was_deleted_is_noticed(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.bad(one)
    await world.erase_row(one)
    outcome = await world.look(one)
    assert outcome.did in ("put-back", "delete")
    assert "register-altered" in await world.notice_kinds()


async def test_a_broken_history_stops_everything(world: World) -> None:
    world.sound = False
    one = world.id()
    await world.known(one)
    edited = await world.bad(one)
    await world.edit_history(one, 1, event="excluded")
    await world.edit_row(one, status="excluded")
    before = world.azure()
    for _ in range(2):
        with pytest.raises(Permanent) as error:
            await world.look(one)
        assert error.value.code == "register-altered"
        assert "history" in error.value.remedy
    with pytest.raises(Permanent):
        await world.reconciler.restore(one, OPERATOR)
    assert world.azure() == before
    assert await world.body(one) == edited
    assert world.writes() == 0
    assert await world.notice_kinds() == []


async def test_a_body_that_was_tampered_with_is_never_put_back(world: World) -> None:
    world.sound = False
    one = world.id()
    await world.known(one)
    edited = await world.bad(one)
    await world.edit_history(one, 1, body=b"something else")
    with pytest.raises(Permanent) as error:
        await world.look(one)
    assert error.value.code == "register-altered"
    assert await world.body(one) == edited
    assert world.writes() == 0
    assert (await world.row(one)).intent is None
