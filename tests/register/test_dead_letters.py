"""Dead letters are kept as they came, listed oldest first, replaced and dropped."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from guardrails.decisions.history import DeadLetter
from tests.register.conftest import World, at

LETTER = DeadLetter("evt-1", "event", "the event is truncated", '{"id": "é', at("2026-11-02T09:00:00+00:00"), 3)


async def test_letters_come_back_oldest_first(world: World) -> None:
    assert await world.register.dead_letters() == []
    newer = replace(LETTER, id="a", at=at("2026-11-02T10:00:00+00:00"))
    await world.register.keep_dead_letter(newer)
    await world.register.keep_dead_letter(LETTER)
    assert await world.register.dead_letters() == [LETTER, newer]


async def test_burying_again_replaces(empty: World) -> None:
    assert await empty.register.keep_dead_letter(LETTER)
    assert not await empty.register.keep_dead_letter(replace(LETTER, attempts=4, payload="shorter"))
    assert await empty.register.dead_letters() == [replace(LETTER, attempts=4, payload="shorter")]


async def test_of_many_who_bury_a_letter_one_hears_that_it_is_new(empty: World) -> None:
    assert sorted(await asyncio.gather(*(empty.register.keep_dead_letter(LETTER) for _ in range(6)))) == [False] * 5 + [
        True
    ]


async def test_who_keeps_a_letter_is_to_say_that_people_were_told_or_the_next_is_to_tell(empty: World) -> None:
    later = [replace(LETTER, at=LETTER.at + timedelta(seconds=seconds)) for seconds in (4, 6, 10, 12, 60)]
    assert await empty.register.keep_dead_letter(LETTER)
    assert [await empty.register.keep_dead_letter(one) for one in later] == [False, True, False, True, True]
    await empty.register.dead_letter_notified(LETTER.id)
    assert not await empty.register.keep_dead_letter(replace(LETTER, at=LETTER.at + timedelta(days=1)))
    await empty.register.dead_letter_notified("nothing")


async def test_a_dropped_letter_is_gone_and_dropping_again_is_no_error(empty: World) -> None:
    await empty.register.keep_dead_letter(LETTER)
    await empty.register.drop_dead_letter("evt-1")
    await empty.register.drop_dead_letter("evt-1")
    assert await empty.register.dead_letters() == []


@pytest.mark.parametrize("dead_letter_id", ["a/b#c?d", "~x", "é" * 300, "\x00\x7f", "it's", "\ud800"])
async def test_any_id_is_legal(empty: World, dead_letter_id: str) -> None:
    await empty.register.keep_dead_letter(replace(LETTER, id=dead_letter_id))
    assert len(await empty.register.dead_letters()) == 1
    await empty.register.drop_dead_letter(dead_letter_id)
    assert await empty.register.dead_letters() == []


@pytest.mark.parametrize("payload", ["x" * 262_144, "\U0001f600" * 65_536, "tab\tnull\x00 \u2028", ""])
async def test_a_payload_up_to_the_limit_is_whole(empty: World, payload: str) -> None:
    await empty.register.keep_dead_letter(replace(LETTER, payload=payload))
    (found,) = await empty.register.dead_letters()
    assert found.payload == payload


@pytest.mark.parametrize("payload", ["x" * 262_145, "é" * 1_000_000])
async def test_a_longer_payload_is_cut_and_says_so(empty: World, payload: str) -> None:
    await empty.register.keep_dead_letter(replace(LETTER, payload=payload))
    (found,) = await empty.register.dead_letters()
    size = len(payload.encode())
    assert found.payload.endswith(f"[cut: {size} bytes in all]")
    assert 262_000 < len(found.payload.encode()) <= 262_144
    assert payload.startswith(found.payload.split("\n[cut")[0])


async def test_a_letter_that_somebody_edited_is_still_shown(empty: World) -> None:
    await empty.register.keep_dead_letter(LETTER)
    await empty.sdk.update_entity({"PartitionKey": "letters", "RowKey": "letter~evt-1", "at": "soon", "attempts": "x"})
    (found,) = await empty.register.dead_letters()
    assert (found.id, found.payload) == (LETTER.id, LETTER.payload)
