"""The outbox: what was committed is sent, after a crash too, and forgotten once it is on its queue."""

import json

import pytest

from guardrails.decisions.history import Entry
from guardrails.register.table_register import connect
from tests.register.conftest import EXEMPTION, World, message


async def test_after_a_crash_between_commit_and_sent_the_next_reader_finds_the_messages(
    empty: World, connection: str, table: str
) -> None:
    await empty.commit(out=(message("n-1", title="Größe \ud800"), message("n-2", delay=3600)))

    async with connect(clock=empty.clock, connection_string=connection, table=table) as reborn:
        read = await reborn.read(EXEMPTION)
        assert read is not None
        assert read.row.outbox == ("n-1", "n-2")
        empty.clock.advance(minutes=15)
        first, second = await reborn.outbox(EXEMPTION, read.row.outbox)
        assert first == message("n-1", title="Größe \ud800")
        assert (second.id, second.queue, second.delay) == ("n-2", "notices", 2700.0)

        done = await reborn.sent(EXEMPTION, read, ["n-1", "n-2"])
        assert done is not None
        assert done.row.outbox == ()
        assert await reborn.read(EXEMPTION) == done
        assert (done.seq, done.head) == (read.seq, read.head)
        assert await reborn.outbox(EXEMPTION, ["n-1", "n-2"]) == []
        assert await reborn.verify(EXEMPTION) == []


async def test_only_what_was_sent_leaves(empty: World) -> None:
    stored = await empty.commit(out=(message("n-1"), message("n-2")))
    after = await empty.register.sent(EXEMPTION, stored, ["n-2"])
    assert after is not None
    assert after.row.outbox == ("n-1",)
    assert [found.id for found in await empty.register.outbox(EXEMPTION, ["n-1", "n-2"])] == ["n-1"]


async def test_messages_pending_from_before_stay_when_more_are_committed(empty: World) -> None:
    first = await empty.commit(out=(message("n-1"),))
    second = await empty.commit(first, outbox=first.row.outbox, out=(message("n-1", again=True), message("n-2")))
    assert second.row.outbox == ("n-1", "n-2")
    assert [found.body for found in await empty.register.outbox(EXEMPTION, second.row.outbox)] == [
        {"id": "n-1", "again": True},
        {"id": "n-2"},
    ]


async def test_a_row_already_gone_from_the_outbox_is_no_error(empty: World) -> None:
    stored = await empty.commit(out=(message("n-1"), message("n-2")))
    await empty.erase(empty.place.outbox("n-1"))
    after = await empty.register.sent(EXEMPTION, stored, ["n-1", "n-2", "never-was"])
    assert after is not None
    assert after.row.outbox == ()
    assert await empty.register.verify(EXEMPTION) == []


async def test_hundreds_of_messages_leave_in_several_transactions(empty: World) -> None:
    stored = None
    for start in range(0, 240, 80):
        pending = stored.row.outbox if stored else ()
        out = tuple(message(f"n-{n:03}") for n in range(start, start + 80))
        stored = await empty.commit(stored, outbox=pending, out=out)
    assert stored is not None
    assert len(stored.row.outbox) == 240
    after = await empty.register.sent(EXEMPTION, stored, stored.row.outbox)
    assert after is not None
    assert after.row.outbox == ()
    assert await empty.register.verify(EXEMPTION) == []


async def test_sent_on_a_row_that_moved_on_changes_nothing(empty: World) -> None:
    stored = await empty.commit(out=(message("n-1"),))
    newer = await empty.commit(stored, outbox=("n-1",))
    assert await empty.register.sent(EXEMPTION, stored, ["n-1"]) is None
    assert await empty.register.read(EXEMPTION) == newer
    assert len(await empty.register.outbox(EXEMPTION, ["n-1"])) == 1


async def test_sent_on_a_row_that_was_deleted_is_a_lost_race(empty: World) -> None:
    stored = await empty.commit(out=(message("n-1"),))
    await empty.erase(empty.place.state)
    assert await empty.register.sent(EXEMPTION, stored, ["n-1"]) is None
    entry = Entry(empty.clock.now(), "judged", {})
    assert await empty.register.commit(EXEMPTION, stored, stored.row, entry) is None


async def test_a_message_that_somebody_damaged_does_not_hold_up_the_others(
    empty: World, caplog: pytest.LogCaptureFixture
) -> None:
    await empty.commit(out=(message("n-1"), message("n-2")))
    await empty.overwrite(empty.place.outbox("n-1"), body="{")
    assert [found.id for found in await empty.register.outbox(EXEMPTION, ["n-1", "n-2"])] == ["n-2"]
    assert empty.place.outbox("n-1") in caplog.text
    (dead_letter,) = await empty.register.dead_letters()
    assert dead_letter.source == "outbox"
    assert EXEMPTION.text in dead_letter.reason
    assert json.loads(dead_letter.payload)["message"] == "n-1"
