"""However many rows are asked for at once, there are connections for what is to be recorded."""

import asyncio
from inspect import signature
from typing import Any

from aiohttp import TCPConnector
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from guardrails.register.table import READS_AT_ONCE, Table, Write

CONNECTIONS = signature(TCPConnector).parameters["limit"].default


class Slow(TableClient):
    """A table whose reads wait until `done`; `reading`: how many do."""

    def __init__(self) -> None:
        super().__init__(
            "http://127.0.0.1:9/acme", "guardrails", credential=AzureNamedKeyCredential("acme", "c2VjcmV0")
        )
        self.done = asyncio.Event()
        self.reading = 0

    async def get_entity(self, partition_key: str, row_key: str, **_: Any) -> TableEntity:
        self.reading += 1
        await self.done.wait()
        self.reading -= 1
        entity = TableEntity({"PartitionKey": partition_key, "RowKey": row_key})
        entity._metadata = {"etag": "1"}  # type: ignore[typeddict-item]
        return entity

    async def submit_transaction(self, operations: Any, **_: Any) -> list[Any]:
        return [{"etag": "1"} for _ in operations]


async def test_a_transaction_does_not_wait_for_the_reads_of_other_events() -> None:
    async with Slow() as client:
        table = Table(client)
        reads = [asyncio.create_task(table.get("p", f"state~{n}")) for n in range(500)]
        await asyncio.sleep(0.01)
        assert client.reading == READS_AT_ONCE < CONNECTIONS
        assert await table.transact("p", [Write("put", "r", {})]) == ["1"]
        client.done.set()
        assert len([one for one in await asyncio.gather(*reads) if one]) == 500


async def test_a_read_that_is_given_up_makes_room() -> None:
    async with Slow() as client:
        table = Table(client)
        reads = [asyncio.create_task(table.get("p", f"state~{n}")) for n in range(500)]
        await asyncio.sleep(0.01)
        for one in reads:
            one.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        client.done.set()
        assert await table.get("p", "state~1")
