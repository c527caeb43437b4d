"""Storage in memory answers as Azurite does, to all that the register and the tests ask of it."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.data.tables import EdmType, EntityProperty, UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueServiceClient

from tests.storage import Account

PARTITIONS, ROWS = ("a", "b'c"), ("row~1", "row~2", "row~~", "rox")
TEXTS = ("", "x", "Größe 日本 \U0001f600", "it's", None)
VALUES = (
    *TEXTS, -1, 2**31 - 1, True, b"", b"\x00\xff" * 9, 0.5, UUID(int=7), EntityProperty(2**40, EdmType.INT64),
    datetime(2026, 11, 2, 9, 30, tzinfo=UTC), EntityProperty("2026-11-02T09:30:00.5Z", EdmType.DATETIME),
    EntityProperty("00000000-0000-0000-0000-000000000007", EdmType.GUID),
)  # fmt: skip
FILTERS = (
    "", "PartitionKey eq 'a'", "PartitionKey eq 'b''c' and RowKey ge 'row~' and RowKey lt 'row~~'", "RowKey gt 'row~1'",
    "PartitionKey ge ''", "RowKey le 'row~2' and one eq 'x'", "one ne ''", "two ge 'x' and one lt 'z'",
    "RowKey ge 'row~' and (one eq 'x' or two eq '')", "one eq 'x' or two eq 'x' and one ne ''",
)  # fmt: skip
SELECTS = (None, ["RowKey"], ["PartitionKey", "RowKey", "one", "never"])
GUARD = {"match_condition": MatchConditions.IfNotModified}


@dataclass
class Side:
    """One of the two: a table, an account of queues, and the ETags that were seen, oldest first."""

    table: TableClient
    queues: QueueServiceClient
    queue: str = field(default_factory=lambda: f"q{uuid4().hex}")
    etags: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    async def said(self, step: dict[str, Any]) -> Any:
        """Do a step; return what came of it, in words that both sides share."""
        try:
            return await getattr(self, step["do"])(**{key: value for key, value in step.items() if key != "do"})
        except AzureError as error:
            code = getattr(error, "error_code", "")
            return type(error).__name__, error.status_code, str(getattr(code, "value", code))  # type: ignore[attr-defined]

    async def get(self, partition: str, row: str) -> Any:
        return self._seen(await self.table.get_entity(partition, row))

    async def query(self, where: str, select: list[str] | None, page: int) -> Any:
        found = self.table.query_entities(where, select=select, results_per_page=page)
        return [self._seen(one) async for one in found]

    async def transact(self, writes: list[dict[str, Any]]) -> Any:
        done = await self.table.submit_transaction([self._op(write) for write in writes])
        return [bool(one.get("etag")) for one in done]

    async def update(self, entity: dict[str, Any], mode: UpdateMode) -> None:
        await self.table.update_entity(entity, mode)

    async def upsert(self, entity: dict[str, Any], mode: UpdateMode) -> None:
        await self.table.upsert_entity(entity, mode)

    async def delete(self, partition: str, row: str, *, itself: bool = False) -> None:
        await self.table.delete_entity(*([{"PartitionKey": partition, "RowKey": row}] if itself else [partition, row]))

    async def make(self) -> None:
        await self.table.create_table()

    async def drop(self) -> None:
        await self.table.delete_table()

    def _op(self, write: dict[str, Any]) -> Any:
        how, entity = write["how"], write["entity"]
        seen = self.etags.get((entity["PartitionKey"], entity["RowKey"]), ["W/\"datetime'2020'\""])
        guard = {"etag": seen[write["guard"]], **GUARD} if "guard" in write else {}
        return how, entity, {**guard, **({"mode": write["mode"]} if how in {"update", "upsert"} else {})}

    def _seen(self, found: Any) -> dict[str, Any]:
        if {"PartitionKey", "RowKey"} <= found.keys():
            etags = self.etags.setdefault((found["PartitionKey"], found["RowKey"]), [found.metadata["etag"]])
            if etags[-1] != found.metadata["etag"]:
                etags.append(found.metadata["etag"])
        kinds = {name: type(value).__name__.removeprefix("TablesEntity").lower() for name, value in found.items()}
        return {**found, "kinds": kinds}


@pytest.fixture
async def sides(azurite: str) -> AsyncIterator[tuple[Side, Side]]:
    """Azurite, and memory."""
    with Account().serve() as account:
        at, table = (azurite, account.connection_string), f"t{uuid4().hex}"
        tables = [TableClient.from_connection_string(one, table) for one in at]
        first, second = map(Side, tables, map(QueueServiceClient.from_connection_string, at))
        async with first.table, first.queues, second.table, second.queues:
            yield first, second


def entity(chance: random.Random) -> dict[str, Any]:
    names = chance.sample(("one", "two", "three"), chance.randrange(4))
    columns = {name: chance.choice(VALUES if name == "three" else TEXTS) for name in names}  # filters ask for texts
    return {"PartitionKey": chance.choice(PARTITIONS), "RowKey": chance.choice(ROWS), **columns}


def transaction(chance: random.Random) -> dict[str, Any]:
    partition, writes = chance.choice(PARTITIONS), []
    for _ in range(chance.choice((1, 1, 2, 3))):
        how = chance.choice(("create", "update", "upsert", "delete"))
        write: dict[str, Any] = {"how": how, "entity": {**entity(chance), "PartitionKey": partition}}
        write["mode"] = chance.choice(list(UpdateMode))
        if how in {"update", "delete"} and chance.random() < 0.5:
            write["guard"] = chance.choice((0, -1))
        writes.append(write)
    return {"do": "transact", "writes": writes}


def place(chance: random.Random) -> dict[str, Any]:
    return {"partition": chance.choice(PARTITIONS), "row": chance.choice(ROWS)}


STEPS: tuple[Callable[[random.Random], dict[str, Any]], ...] = (
    transaction,
    transaction,
    transaction,
    lambda chance: {"do": "get", **place(chance)},
    lambda chance: {"do": "delete", **place(chance), "itself": chance.random() < 0.5},
    lambda chance: {"do": "update", "entity": entity(chance), "mode": chance.choice(list(UpdateMode))},
    lambda chance: {"do": "upsert", "entity": entity(chance), "mode": chance.choice(list(UpdateMode))},
    lambda chance: {
        "do": "query",
        "where": chance.choice(FILTERS),
        "select": chance.choice(SELECTS),
        "page": chance.choice((1, 2, 1000)),
    },
)


@pytest.mark.parametrize("seed", range(6))
async def test_a_table_answers_the_same(sides: tuple[Side, Side], seed: int) -> None:
    chance, everything = random.Random(seed), {"do": "query", "where": "", "select": None, "page": 1000}  # noqa: S311
    for one in sides:
        await one.table.create_table()
    for step in (everything if n % 4 == 3 else chance.choice(STEPS)(chance) for n in range(80)):
        azurite, memory = [await one.said(step) for one in sides]
        assert memory == azurite, step
    assert [len(etags) for etags in sides[1].etags.values()] == [len(etags) for etags in sides[0].etags.values()]


@pytest.mark.parametrize(
    "columns",
    [
        {"one": "x" * 32_768}, {"one": "x" * 32_769}, {"one": "日" * 32_769}, {"one": "\U0001f600" * 16_385},
        {"one": b"x" * 65_536}, {"one": b"x" * 65_537},
        {f"c{n}": b"x" * 64_000 for n in range(12)}, {f"c{n}": b"x" * 64_000 for n in range(13)},
    ],
)  # fmt: skip
async def test_what_is_too_large_is_refused_the_same(sides: tuple[Side, Side], columns: dict[str, Any]) -> None:
    row = {"PartitionKey": "a", "RowKey": "row", **columns}
    for one in sides:
        await one.table.create_table()
    steps: list[dict[str, Any]] = [
        {"do": "upsert", "entity": row, "mode": UpdateMode.REPLACE},
        {"do": "transact", "writes": [{"how": "upsert", "entity": row, "mode": UpdateMode.REPLACE}]},
    ]
    for step in steps:
        azurite, memory = [await one.said(step) for one in sides]
        assert memory == azurite


async def test_a_table_that_is_not_there_answers_the_same(sides: tuple[Side, Side]) -> None:
    row = {"PartitionKey": "a", "RowKey": "row"}
    steps: list[dict[str, Any]] = [
        {"do": "get", "partition": "a", "row": "row"},
        {"do": "query", "where": "", "select": None, "page": 10},
        {"do": "transact", "writes": [{"how": "create", "entity": row}]},
        {"do": "delete", "partition": "a", "row": "row"},
        {"do": "drop"},
        {"do": "make"},
        {"do": "make"},
        {"do": "upsert", "entity": row, "mode": UpdateMode.REPLACE},
        {"do": "drop"},
        {"do": "get", "partition": "a", "row": "row"},
    ]
    for step in steps:
        azurite, memory = [await one.said(step) for one in sides]
        assert memory == azurite, step


async def test_a_queue_answers_the_same(sides: tuple[Side, Side]) -> None:
    azurite, memory = [await queue_said(one) for one in sides]
    assert memory == azurite


async def queue_said(one: Side) -> list[Any]:
    encode, decode = TextBase64EncodePolicy(), TextBase64DecodePolicy()
    queue = one.queues.get_queue_client(one.queue, message_encode_policy=encode, message_decode_policy=decode)
    raw = one.queues.get_queue_client(one.queue)
    said: list[Any] = []

    async def seen(client: Any = queue, **how: Any) -> list[Any]:
        found = [m async for m in client.receive_messages(**how)]
        said.append([(m.content, m.dequeue_count) for m in found])
        return found

    said.append(await failure(queue.get_queue_properties()))
    said.append(await failure(queue.send_message("{}", time_to_live=-1)))
    await queue.create_queue()
    for n, delay in enumerate((0, 3600, 0, 0)):
        text = json.dumps({"n": n, "text": "Größe 日本"})
        await queue.send_message(text, visibility_timeout=delay, time_to_live=-1)
    await seen(raw, max_messages=1, visibility_timeout=60)
    first, second = await seen(messages_per_page=32, visibility_timeout=60)
    said.append(await seen(max_messages=32))
    await queue.update_message(first, visibility_timeout=0)
    (again,) = await seen(max_messages=32, visibility_timeout=60)
    said.append(again.id == first.id)
    said.append((again.expires_on.year, again.inserted_on <= again.next_visible_on))
    said.append(await failure(queue.delete_message(first)))
    await queue.delete_message(again)
    await queue.delete_message(second)
    said.append(await failure(queue.delete_message(second)))
    said.append((await queue.get_queue_properties()).approximate_message_count)
    return said


async def failure(asked: Awaitable[Any]) -> tuple[str, int | None, str]:
    with pytest.raises(AzureError) as caught:
        await asked
    code = caught.value.error_code  # type: ignore[attr-defined]
    return type(caught.value).__name__, caught.value.status_code, str(getattr(code, "value", code))  # type: ignore[attr-defined]


async def test_clients_of_other_accounts_are_the_sdks(azurite: str) -> None:
    with Account().serve() as ours, Account().serve() as other:
        for account, name in ((ours, ours.name), (other, other.name)):
            client = TableClient.from_connection_string(account.connection_string, "t")
            assert client._account is account, name  # type: ignore[attr-defined]
        assert isinstance(TableClient.from_connection_string(azurite, "t"), TableClient)
    assert isinstance(TableClient.from_connection_string(ours.connection_string, "t"), TableClient)
