"""Hands in the table: edited rows are noticed and rebuilt, and nothing false in the history passes `verify`."""

import hashlib
import json
import random
import zlib
from typing import Any

import pytest
from azure.data.tables import UpdateMode

from guardrails.decisions.history import Entry
from guardrails.errors import Permanent
from tests.register.conftest import BODY, EXEMPTION, World, message


@pytest.mark.parametrize(
    "edit",
    [
        {"status": "compliant"},
        {"owner": "mallory"},
        {"held": ""},
        {"codes": ""},
        {"due": "2099-01-01T00:00:00Z"},
        {"expires_on": "2026-12-31T00:00:00Z"},
        {"ticket": "CHG-2"},
        {"updated": "2020-01-01T00:00:00Z"},
        {"id": "/subscriptions/other"},
        {"seq": 1},
        {"seq": 99},
        {"head": "0" * 64},
        {"row": "{}"},
        {"row": "not json"},
        {"row": ""},
        {"row": 7},
        {"seal": ""},
        {"seal": 5},
        {"seal": "0" * 64},
        {"comment": "a new column"},
        {"blob": b"binary"},
    ],
    ids=str,
)
async def test_an_edited_row_is_noticed_and_rebuilt_from_the_history(empty: World, edit: dict[str, Any]) -> None:
    stored = await empty.many(3)
    now = empty.clock.now()
    held = await empty.commit(stored, held="breaker", owner="anna", due=now, findings={"E001": now})
    await empty.overwrite(empty.place.state, **edit)

    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert read.altered
    assert (read.row, read.seq, read.head) == (held.row, held.seq, held.head)
    assert any("current row" in problem for problem in await empty.register.verify(EXEMPTION))

    repaired = await empty.register.commit(EXEMPTION, read, read.row, Entry(empty.clock.now(), "repaired", {}))
    assert repaired is not None
    assert await empty.register.read(EXEMPTION) == repaired
    assert await empty.register.verify(EXEMPTION) == []


async def test_an_edited_row_json_with_a_plausible_change_is_noticed(empty: World) -> None:
    stored = await empty.commit(owner="anna", kept="")
    entity = await empty.entity(empty.place.state)
    await empty.overwrite(empty.place.state, row=entity["row"].replace("anna", "mallory"), owner="mallory")
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert read.altered
    assert read.row == stored.row


async def test_a_removed_column_is_noticed(empty: World) -> None:
    await empty.commit(owner="anna")
    entity = await empty.entity(empty.place.state)
    del entity["ticket"]
    await empty.sdk.update_entity(entity, mode=UpdateMode.REPLACE)
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert read.altered


async def test_an_old_row_put_back_shows_in_verify_and_stops_the_next_commit(empty: World) -> None:
    await empty.commit(owner="anna")
    old = await empty.entity(empty.place.state)
    read = await empty.register.read(EXEMPTION)
    await empty.commit(read, owner="bob")
    await empty.sdk.update_entity(old, mode=UpdateMode.REPLACE)

    assert await empty.register.verify(EXEMPTION) == ["the current row is at entry 1, the history ends with 2"]
    stale = await empty.register.read(EXEMPTION)
    with pytest.raises(Permanent, match="entry 2 exists, but the row does not name it") as caught:
        await empty.register.commit(EXEMPTION, stale, empty.row(), Entry(empty.clock.now(), "judged", {}))
    assert caught.value.code == "register-altered"


async def test_a_deleted_row_comes_back_from_the_history(empty: World) -> None:
    stored = await empty.many(2)
    await empty.erase(empty.place.state)
    assert "the current row is missing" in await empty.register.verify(EXEMPTION)
    assert await empty.register.read(EXEMPTION) is None

    entry = Entry(empty.clock.now(), "judged", {})
    assert await empty.register.commit(EXEMPTION, None, empty.row(), entry) is None
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert "deleted" in read.altered
    assert (read.row, read.seq) == (stored.row, stored.seq)
    assert await empty.register.commit(EXEMPTION, read, read.row, entry)
    assert await empty.register.verify(EXEMPTION) == []


async def test_an_edited_row_over_a_damaged_history_is_not_trusted(empty: World) -> None:
    await empty.many(3)
    await empty.overwrite(empty.place.state, owner="mallory")
    await empty.overwrite(empty.place.history(2), event="nothing")
    with pytest.raises(Permanent, match="entry 2: its hash does not fit") as caught:
        await empty.register.read(EXEMPTION)
    assert caught.value.code == "register-altered"
    assert "history ID --verify" in caught.value.remedy
    assert [stored async for stored in empty.register.rows()] == []


@pytest.mark.parametrize(
    "edit",
    [
        {"event": "nothing"},
        {"at": "2026-11-02T00:00:00Z"},
        {"facts": '{"findings":[]}'},
        {"row": "{}"},
        {"row": "not json"},
        {"previous": "0" * 64},
        {"hash": "0" * 64},
        {"seq": 5},
        {"seq": "2"},
        {"body_digest": ""},
        {"facts": 4},
    ],
    ids=str,
)
async def test_an_edited_entry_is_found(empty: World, edit: dict[str, Any]) -> None:
    await empty.many(4)
    await empty.overwrite(empty.place.history(2), **edit)
    problems = await empty.register.verify(EXEMPTION)
    assert problems
    assert problems[0].startswith("entry 2: ")
    assert [entry.seq for entry in await empty.register.history(EXEMPTION)] == [1, 3, 4]


@pytest.mark.parametrize(
    ("gone", "problem"),
    [
        ([1], "entry 1 is missing"),
        ([2, 3], "entries 2 to 3 are missing"),
        ([5], "the current row is at entry 5, the history ends with 4"),
        ([1, 2, 3, 4, 5], "the current row has no history"),
    ],
)
async def test_missing_entries_are_found(empty: World, gone: list[int], problem: str) -> None:
    await empty.many(5)
    for seq in gone:
        await empty.erase(empty.place.history(seq))
    assert problem in await empty.register.verify(EXEMPTION)


async def test_reordered_entries_are_found(empty: World) -> None:
    await empty.many(4)
    second, third = [await empty.entity(empty.place.history(seq)) for seq in (2, 3)]
    second["RowKey"], third["RowKey"] = third["RowKey"], second["RowKey"]
    for entity in (second, third):
        await empty.sdk.update_entity(entity, mode=UpdateMode.REPLACE)
    problems = await empty.register.verify(EXEMPTION)
    assert "entry 2: it says that it is number 3" in problems
    assert "entry 4: it does not follow the entry before it" in problems


@pytest.mark.parametrize("size", [10, 700_000])
async def test_a_damaged_body_is_found_and_never_handed_out(empty: World, size: int) -> None:
    stored = await empty.commit(body={**BODY, "noise": _noise(size)})
    row = next((key for key in await empty.keys() if key.startswith("body~")), empty.place.history(1))
    data = bytearray((await empty.entity(row))["body"])
    data[-1] ^= 1
    await empty.overwrite(row, body=bytes(data))
    (problem,) = await empty.register.verify(EXEMPTION)
    assert problem.startswith("entry 1: the stored body")
    with pytest.raises(Permanent) as caught:
        await empty.register.body(EXEMPTION, stored.seq)
    assert caught.value.code == "register-altered"


async def test_a_missing_piece_of_a_body_is_found(empty: World) -> None:
    await empty.commit(body={**BODY, "noise": _noise(1_000_000)})
    rows = [key for key in await empty.keys() if key.startswith("body~")]
    assert len(rows) == 2
    await empty.erase(rows[1])
    assert await empty.register.verify(EXEMPTION) == ["entry 1: the stored body is incomplete or too long"]
    await empty.erase(rows[0])
    assert await empty.register.verify(EXEMPTION) == ["entry 1: its body is missing"]


async def test_a_body_of_another_content_is_found(empty: World) -> None:
    first = await empty.commit(body=BODY)
    await empty.commit(first, body={**BODY, "other": True})
    other = await empty.entity(empty.place.history(2))
    await empty.overwrite(empty.place.history(1), body=other["body"])
    (problem,) = await empty.register.verify(EXEMPTION)
    assert "does not have the digest" in problem


async def test_outbox_rows_that_do_not_fit_the_row_are_found(empty: World) -> None:
    await empty.commit(out=(message("n-1"), message("n-2")))
    await empty.erase(empty.place.outbox("n-1"))
    await empty.sdk.create_entity({"PartitionKey": empty.place.partition, "RowKey": empty.place.outbox("n-3")})
    assert await empty.register.verify(EXEMPTION) == [
        "message n-1 is missing from the outbox",
        f"outbox row {empty.place.outbox('n-3')} is not one that the current row names",
    ]


async def test_an_auditor_can_recompute_the_chain_with_the_sdk_alone(empty: World) -> None:
    await empty.many(3)
    previous = ""
    for seq in (1, 2, 3):
        entity = await empty.entity(empty.place.history(seq))
        quoted = {name: json.dumps(entity[name]) for name in ("at", "body_digest", "event", "previous")}
        text = (
            f'{{"at":{quoted["at"]},"body_digest":{quoted["body_digest"]},"event":{quoted["event"]},'
            f'"facts":{entity["facts"]},"previous":{quoted["previous"]},"row":{entity["row"]},"seq":{entity["seq"]}}}'
        )
        assert hashlib.sha256(text.encode()).hexdigest() == entity["hash"]
        assert hashlib.sha256(zlib.decompress(entity["body"])).hexdigest() == entity["body_digest"]
        assert entity["previous"] == previous
        previous = entity["hash"]
    assert (await empty.entity(empty.place.state))["head"] == previous


def _noise(size: int) -> str:
    return random.Random(1).randbytes(size).hex()  # noqa: S311 - noise, no secret


async def test_who_writes_while_it_is_verified_is_no_hand_in_the_table(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await empty.commit(owner="anna")
    rows = empty.register._rows
    written: list[str] = []

    async def meanwhile(*asked: Any) -> Any:
        if not written:
            written.append(asked[1])
            await empty.commit(stored, owner="bob")
        async for found in rows(*asked):
            yield found

    monkeypatch.setattr(empty.register, "_rows", meanwhile)
    assert await empty.register.verify(EXEMPTION) == []
    assert written
