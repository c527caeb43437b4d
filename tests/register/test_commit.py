"""Rows, history and outbox: written together, read back as they were, in one request each."""

import asyncio
import os
import random

import pytest

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Intent, Row, Status
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ports import Register
from guardrails.register.table_register import TableRegister, connect
from guardrails.ruleset.budgets import Budget, Use
from tests.register.conftest import BODY, EXEMPTION, World, message


async def test_a_register_never_used_knows_nothing_and_makes_its_table_itself(world: World) -> None:
    assert await world.register.read(EXEMPTION) is None
    stored = await world.commit()
    assert stored.seq == 1
    assert await world.register.read(EXEMPTION) == stored


async def test_every_field_of_a_row_comes_back(empty: World) -> None:
    now = empty.clock.now()
    row = Row(
        EXEMPTION.text, Status.CANNOT_ACT, now, content="c" * 32, findings={"E001": now, "T002?": now}, answer="tag",
        expires_on=now, owner="Zoë <z@example.org>", ticket="CHG-1", author="bob", written_at=now, snapshot=1,
        held="breaker", due=now, attempts=3, intent=Intent("delete", "", "no ticket", now), scope_tagged=True,
    )  # fmt: skip
    stored = await empty.register.commit(EXEMPTION, None, row, Entry(now, "judged", {}))
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert read == stored
    assert read.row == row


async def test_reading_and_committing_cost_one_request_each(empty: World) -> None:
    await empty.register.read(EXEMPTION)
    assert len(empty.transport.requests) == 1
    stored = await empty.commit(body=BODY, out=(message("n-1"), message("n-2")))
    assert len(empty.transport.requests) == 2
    stored = await empty.commit(stored, owner="second, on the ETag that the first gave")
    assert len(empty.transport.requests) == 3
    assert await empty.register.sent(EXEMPTION, stored, ["n-1", "n-2"])
    assert len(empty.transport.requests) == 4


async def test_people_find_the_columns_they_look_for(empty: World) -> None:
    await empty.commit(owner="Zoë", ticket="CHG-1", findings={"T002": empty.clock.now(), "E001": empty.clock.now()})
    entity = await empty.entity(empty.place.state)
    assert entity["PartitionKey"] == EXEMPTION.container
    assert (entity["id"], entity["status"], entity["codes"]) == (EXEMPTION.text, "violation", "E001,T002")
    assert (entity["owner"], entity["ticket"], entity["updated"]) == ("Zoë", "CHG-1", "2026-11-02T09:30:00Z")


async def test_of_two_commits_on_one_etag_one_wins_and_nothing_of_the_other_is_written(empty: World) -> None:
    first = await empty.commit()
    entry = Entry(empty.clock.now(), "judged", {})
    results = await asyncio.gather(
        *(
            empty.register.commit(EXEMPTION, first, empty.row(owner=name), entry, [message(name)])
            for name in ("anna", "bob")
        )
    )
    (winner,) = [stored for stored in results if stored]
    read = await empty.register.read(EXEMPTION)
    assert read == winner
    assert winner.seq == 2
    assert [found.id for found in await empty.register.outbox(EXEMPTION, ["anna", "bob"])] == [winner.row.owner]
    assert len(await empty.register.history(EXEMPTION)) == 2
    assert await empty.register.verify(EXEMPTION) == []


async def test_of_many_first_commits_one_wins(empty: World) -> None:
    entry = Entry(empty.clock.now(), "judged", {})
    results = await asyncio.gather(
        *(empty.register.commit(EXEMPTION, None, empty.row(owner=str(n)), entry) for n in range(8))
    )
    assert len([stored for stored in results if stored]) == 1
    assert await empty.register.verify(EXEMPTION) == []


async def test_the_same_body_kept_twice_is_no_conflict(empty: World) -> None:
    big = {**BODY, "noise": os.urandom(700_000).hex()}
    first = await empty.commit(body=big)
    second = await empty.commit(first, body=big)
    assert await empty.register.body(EXEMPTION, first.seq) == await empty.register.body(EXEMPTION, second.seq) == big


@pytest.mark.parametrize("size", [0, 40_000, 500_000, 1_000_000, 2_400_000])
async def test_bodies_of_any_size_come_back_whole(empty: World, size: int) -> None:
    body = {**BODY, "noise": os.urandom(size // 2).hex()}  # hex halves under compression
    stored = await empty.commit(body=body)
    assert await empty.register.body(EXEMPTION, stored.seq) == body
    assert await empty.register.verify(EXEMPTION) == []


async def test_one_megabyte_of_incompressible_metadata_comes_back(empty: World) -> None:
    noise = "".join(chr(0x21 + byte % 90) for byte in os.urandom(1_000_000))
    body = {**BODY, "properties": {**BODY["properties"], "metadata": {"noise": noise}}}  # type: ignore[dict-item]
    stored = await empty.commit(body=body)
    assert any(key.startswith("body~") for key in await empty.keys())
    assert await empty.register.body(EXEMPTION, stored.seq) == body


@pytest.mark.long  # others show it in passing, such as test_other_object
async def test_a_body_beyond_a_transaction_is_kept_in_rows_of_its_own(empty: World) -> None:
    """Azure takes 4 MiB of UTF-8; what does not compress is more than one transaction then."""
    dead_letters = random.Random(7).choices(range(0xC0, 0x4C0), k=2_000_000)  # noqa: S311 - the same each time
    body = {**BODY, "noise": "".join(map(chr, dead_letters))}
    stored = await empty.commit(body=body)
    assert await empty.register.body(EXEMPTION, 1) == body
    again = await empty.commit(stored, body=body)
    assert await empty.register.body(EXEMPTION, again.seq) == body
    assert await empty.register.verify(EXEMPTION) == []


async def test_a_body_ahead_of_a_lost_race_is_known_to_nobody(empty: World) -> None:
    await empty.commit()
    lost = await empty.register.commit(
        EXEMPTION, None, empty.row(), Entry(empty.clock.now(), "judged", {}, {"noise": os.urandom(2_600_000).hex()})
    )
    assert lost is None
    assert await empty.register.verify(EXEMPTION) == []
    assert len(await empty.register.history(EXEMPTION)) == 1


async def test_a_body_that_azure_would_not_take_is_refused_and_nothing_is_written(empty: World) -> None:
    with pytest.raises(Permanent, match="are kept") as caught:
        await empty.commit(body={**BODY, "noise": "x" * 17 * 1024 * 1024})
    assert caught.value.code == "body-too-large"
    assert EXEMPTION.text in str(caught.value)
    assert await empty.keys() == []


async def test_more_messages_than_a_transaction_takes_are_refused(empty: World) -> None:
    with pytest.raises(Permanent) as caught:
        await empty.commit(out=tuple(message(f"n-{n}") for n in range(99)))
    assert caught.value.code == "body-too-large"


async def test_a_row_too_long_for_one_column_comes_back(empty: World) -> None:
    now = empty.clock.now()
    stored = await empty.commit(findings={f"CODE-{n}-é": now for n in range(1500)}, outbox=("x" * 40_000,))
    assert await empty.register.read(EXEMPTION) == stored


async def test_an_entry_without_a_body_says_so(empty: World) -> None:
    stored = await empty.commit()
    for seq in (stored.seq, 99):
        with pytest.raises(Permanent) as caught:
            await empty.register.body(EXEMPTION, seq)
        assert caught.value.code == "no-body"


async def test_long_facts_are_cut_and_say_so(empty: World) -> None:
    facts = {"actor": "anna", "evidence": "y" * 500_000, "why": ["z" * 20_000]}
    assert await empty.register.commit(EXEMPTION, None, empty.row(), Entry(empty.clock.now(), "judged", facts))
    (entry,) = await empty.register.history(EXEMPTION)
    assert entry.facts["actor"] == "anna"
    assert entry.facts["why"] == ["z" * 20_000]
    assert entry.facts["evidence"]["cut"].startswith("500002 characters")
    assert await empty.register.verify(EXEMPTION) == []


@pytest.mark.parametrize(
    "facts", [{1: "a", "b": 2}, {f"k{n}": "v" * 900 for n in range(500)}, {"at": object, "nan": float("nan")}]
)
async def test_no_facts_stop_a_commit(empty: World, facts: dict[str, object]) -> None:
    assert await empty.register.commit(EXEMPTION, None, empty.row(), Entry(empty.clock.now(), "judged", facts))
    assert len(await empty.register.history(EXEMPTION)) == 1
    assert await empty.register.verify(EXEMPTION) == []


async def test_history_comes_oldest_first_over_many_pages(empty: World) -> None:
    await empty.many(12)
    entries = await empty.register.history(EXEMPTION)
    assert [entry.seq for entry in entries] == list(range(1, 13))
    assert [entry.row["owner"] for entry in entries] == [f"owner-{n}" for n in range(12)]
    assert await empty.register.body(EXEMPTION, 5) == {**BODY, "n": 4}


async def test_casings_of_an_id_share_a_row(empty: World) -> None:
    stored = await empty.commit()
    for text in (EXEMPTION.text.upper(), EXEMPTION.text.lower(), EXEMPTION.text + "/"):
        assert await empty.register.read(ExemptionId.parse(text)) == stored


AUTH = "/providers/Microsoft.Authorization/policyExemptions"
GROUPS = "/providers/Microsoft.Management/managementGroups"


@pytest.mark.parametrize(
    "text",
    [
        f"/subscriptions/s-1{AUTH}/a#b?c%zz'f\"g+h&i=j",
        f"/subscriptions/s-1{AUTH}/\u00fcber \U0001f600 \u202e\u2028",
        f"/subscriptions/s-1{AUTH}/{'n' * 1000}",
        f"{GROUPS}/Corp.(EU)_1-x{AUTH}/e",
        f"{GROUPS}/o'neil #1? 100% \u65e5\u672c ~ \u200b{AUTH}/e",
        f"{GROUPS}/{'m' * 1000}{AUTH}/e",
        f"{GROUPS}/{'日' * 300}{AUTH}/e",
        f"/subscriptions/mg~x{AUTH}/e",
        f"/subscriptions/abc{AUTH}/e",
    ],
)
async def test_any_id_is_legal(empty: World, text: str) -> None:
    exemption = ExemptionId.parse(text)
    now = empty.clock.now()
    row = Row(exemption.text, Status.COMPLIANT, now)
    stored = await empty.register.commit(exemption, None, row, Entry(now, "judged", {}, BODY), [message("n/1#?é")])
    assert await empty.register.read(exemption) == stored
    assert await empty.register.body(exemption, 1) == BODY
    assert [found.id for found in await empty.register.outbox(exemption, ["n/1#?é"])] == ["n/1#?é"]
    assert stored is not None
    assert await empty.register.sent(exemption, stored, ["n/1#?é"])
    assert await empty.register.verify(exemption) == []


async def test_a_management_group_and_a_subscription_never_share_a_partition(empty: World) -> None:
    now = empty.clock.now()
    ids = [ExemptionId.parse(f"{scope}{AUTH}/e") for scope in (f"{GROUPS}/x", "/subscriptions/mg~x", f"{GROUPS}/x=7E")]
    for exemption in ids:
        assert await empty.register.commit(
            exemption, None, Row(exemption.text, Status.UNKNOWN, now), Entry(now, "a", {})
        )
    assert len({found["PartitionKey"] async for found in empty.sdk.list_entities()}) == 3


async def test_all_rows_and_the_held_ones_are_found_over_partitions(empty: World) -> None:
    now = empty.clock.now()
    for n in range(5):
        one = ExemptionId.parse(f"/subscriptions/s-{n}{AUTH}/e")
        row = Row(one.text, Status.VIOLATION, now, held="breaker" if n in (1, 3) else "")
        assert await empty.register.commit(one, None, row, Entry(now, "judged", {}), [message("n-1")])
    await empty.register.take_revert(now, Budget.of(20), Use())
    rows = [stored.row.id async for stored in empty.register.rows()]
    assert sorted(rows) == [f"/subscriptions/s-{n}{AUTH}/e" for n in range(5)]
    assert sorted(await empty.register.held()) == [f"/subscriptions/s-{n}{AUTH}/e" for n in (1, 3)]


async def test_two_registers_share_a_table(empty: World, connection: str, table: str) -> None:
    stored = await empty.commit()
    other: TableRegister
    async with connect(clock=empty.clock, connection_string=connection, table=table) as other:
        assert await other.read(EXEMPTION) == stored


def conforms(register: TableRegister) -> Register:
    """mypy checks that the adapter fulfils the port."""
    return register
