"""Dead letters are kept as they came, listed oldest first, replaced and dropped."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from guardrails.decisions.history import DeadLetter
from tests.register.conftest import World, at

KEPT = DeadLetter("evt-1", "event", "the event is truncated", '{"id": "é', at("2026-11-02T09:00:00+00:00"), 3)


async def test_dead_letters_come_back_oldest_first(world: World) -> None:
    assert await world.register.dead_letters() == []
    newer = replace(KEPT, id="a", at=at("2026-11-02T10:00:00+00:00"))
    await world.register.keep_dead_letter(newer)
    await world.register.keep_dead_letter(KEPT)
    assert await world.register.dead_letters() == [KEPT, newer]


async def test_keeping_it_again_replaces_it(empty: World) -> None:
    assert await empty.register.keep_dead_letter(KEPT)
    assert not await empty.register.keep_dead_letter(replace(KEPT, attempts=4, payload="shorter"))
    assert await empty.register.dead_letters() == [replace(KEPT, attempts=4, payload="shorter")]


async def test_of_many_who_keep_a_dead_letter_one_hears_that_it_is_new(empty: World) -> None:
    answers = await asyncio.gather(*(empty.register.keep_dead_letter(KEPT) for _ in range(6)))
    assert sorted(answers) == [False] * 5 + [True]


async def test_the_keeper_of_a_dead_letter_says_that_people_were_notified_or_the_next_one_notifies(
    empty: World,
) -> None:
    later = [replace(KEPT, at=KEPT.at + timedelta(seconds=seconds)) for seconds in (4, 6, 10, 12, 60)]
    assert await empty.register.keep_dead_letter(KEPT)
    assert [await empty.register.keep_dead_letter(one) for one in later] == [False, True, False, True, True]
    await empty.register.dead_letter_notified(KEPT.id)
    assert not await empty.register.keep_dead_letter(replace(KEPT, at=KEPT.at + timedelta(days=1)))
    await empty.register.dead_letter_notified("nothing")


async def test_a_dropped_dead_letter_is_gone_and_dropping_again_is_no_error(empty: World) -> None:
    await empty.register.keep_dead_letter(KEPT)
    await empty.register.drop_dead_letter("evt-1")
    await empty.register.drop_dead_letter("evt-1")
    assert await empty.register.dead_letters() == []


@pytest.mark.parametrize("dead_letter_id", ["a/b#c?d", "~x", "é" * 300, "\x00\x7f", "it's", "\ud800"])
async def test_any_id_is_legal(empty: World, dead_letter_id: str) -> None:
    await empty.register.keep_dead_letter(replace(KEPT, id=dead_letter_id))
    assert len(await empty.register.dead_letters()) == 1
    await empty.register.drop_dead_letter(dead_letter_id)
    assert await empty.register.dead_letters() == []


@pytest.mark.parametrize("payload", ["x" * 262_144, "\U0001f600" * 65_536, "tab\tnull\x00 \u2028", ""])
async def test_a_payload_up_to_the_limit_is_whole(empty: World, payload: str) -> None:
    await empty.register.keep_dead_letter(replace(KEPT, payload=payload))
    (found,) = await empty.register.dead_letters()
    assert found.payload == payload


@pytest.mark.parametrize("payload", ["x" * 262_145, "é" * 1_000_000])
async def test_a_longer_payload_is_cut_and_says_so(empty: World, payload: str) -> None:
    await empty.register.keep_dead_letter(replace(KEPT, payload=payload))
    (found,) = await empty.register.dead_letters()
    size = len(payload.encode())
    assert found.payload.endswith(f"[cut: {size} bytes in all]")
    assert 262_000 < len(found.payload.encode()) <= 262_144
    assert payload.startswith(found.payload.split("\n[cut")[0])


async def test_a_dead_letter_that_somebody_edited_is_still_shown(empty: World) -> None:
    await empty.register.keep_dead_letter(KEPT)
    where = {"PartitionKey": "letters", "RowKey": "letter~evt-1"}  # stored name
    await empty.sdk.update_entity({**where, "at": "soon", "attempts": "x"})
    (found,) = await empty.register.dead_letters()
    assert (found.id, found.payload) == (KEPT.id, KEPT.payload)
