"""A register in a table of its own, with every request counted; and the Azure SDK's view of the same table.

Both on Azurite, and in memory; tests that are marked `http` look at what is sent, or let sending fail.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import uuid4

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.data.tables.aio import TableClient

from guardrails.decisions.history import Entry, Outgoing
from guardrails.decisions.row import Row, Status, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.keys import Address, address
from guardrails.register.table_register import TableRegister, connect
from tests.clock import VirtualClock
from tests.storage import Account, Line

SUB = "ae640e6b-ba3e-4256-9d62-2993eecfa6f2"
EXEMPTION = ExemptionId.parse(
    f"/subscriptions/{SUB}/resourceGroups/demo/providers/Microsoft.Authorization/policyExemptions/Partner-Ingestion"
)
BODY = {
    "id": EXEMPTION.text,
    "name": "Partner-Ingestion",
    "properties": {
        "policyAssignmentId": f"/subscriptions/{SUB}/providers/Microsoft.Authorization/policyAssignments/baseline",
        "exemptionCategory": "Waiver",
        "metadata": {"ticket": "CHG-1", "größe": 1.5, "lone": "\ud800", "nested": [None, True, {"a": []}]},
    },
}


class Recorder(AioHttpTransport):  # type: ignore[misc]
    """A real transport that remembers what went through it."""

    def __init__(self) -> None:
        super().__init__(use_env_settings=False)
        self.requests: list[HttpRequest] = []

    async def send(self, request: Any, **options: Any) -> AsyncHttpResponse:
        self.requests.append(request)
        answer: AsyncHttpResponse = await super().send(request, **options)
        return answer


_METHODS: Final = {"get_entity": "GET", "query_entities": "GET", "submit_transaction": "POST", "create_table": "POST"}


class Noted(Line):
    """The line to storage in memory that remembers what went over it, by the HTTP method that it would be."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    async def before(self, what: str) -> None:
        self.requests.append(SimpleNamespace(method=_METHODS[what]))
        await super().before(what)


@dataclass
class World:
    """One register, and helpers to write to it and to tamper with it."""

    register: TableRegister
    sdk: TableClient
    clock: VirtualClock
    transport: Recorder | Noted
    place: Address = field(default_factory=lambda: address(EXEMPTION))

    def row(self, **changes: Any) -> Row:
        return Row(EXEMPTION.text, Status.VIOLATION, self.clock.now(), **changes)

    async def commit(
        self, before: Stored | None = None, *, body: Any = None, out: tuple[Outgoing, ...] = (), **row: Any
    ) -> Stored:
        entry = Entry(self.clock.now(), "judged", {"findings": [{"code": "E001"}]}, body)
        stored = await self.register.commit(EXEMPTION, before, self.row(**row), entry, out)
        assert stored is not None
        return stored

    async def many(self, count: int) -> Stored:
        """Commit `count` entries with a body each, and return the last."""
        stored = None
        for n in range(count):
            self.clock.advance(minutes=1)
            stored = await self.commit(stored, body={**BODY, "n": n}, owner=f"owner-{n}")
        assert stored is not None
        return stored

    async def entity(self, row: str) -> dict[str, Any]:
        return dict(await self.sdk.get_entity(self.place.partition, row))

    async def overwrite(self, key: str, /, **columns: Any) -> None:
        """Edit columns of a stored row by hand, as with Storage Explorer."""
        await self.sdk.update_entity({"PartitionKey": self.place.partition, "RowKey": key, **columns})

    async def erase(self, row: str) -> None:
        await self.sdk.delete_entity(self.place.partition, row)

    async def keys(self) -> list[str]:
        return [str(found["RowKey"]) async for found in self.sdk.list_entities()]


def message(name: str, delay: float = 0.0, **body: Any) -> Outgoing:
    return Outgoing(name, "notices", {"id": name, **body}, delay)


type MakeRegister = Callable[[], TableRegister]


@pytest.fixture
def table() -> str:
    return f"t{uuid4().hex}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Put each test that needs a store to both."""
    if "store" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("http")
        metafunc.parametrize("store", ["azurite"] if alone else ["azurite", "memory"])


@pytest.fixture
def memory() -> Iterator[Account]:
    with Account().serve() as account:
        yield account


@pytest.fixture
def connection(store: str, memory: Account, request: pytest.FixtureRequest) -> str:
    """The connection string of either store."""
    return memory.connection_string if store == "memory" else str(request.getfixturevalue("azurite"))


@pytest.fixture
async def world(store: str, memory: Account, table: str, clock: VirtualClock, connection: str) -> AsyncIterator[World]:
    noted, recorder = Noted(), Recorder()
    with Account(noted, of=memory).serve() as watched:
        asked = watched.connection_string if store == "memory" else connection
        async with (
            connect(clock=clock, connection_string=asked, table=table, transport=recorder) as register,
            TableClient.from_connection_string(connection, table) as sdk,
        ):
            yield World(register, sdk, clock, noted if store == "memory" else recorder)


@pytest.fixture
async def empty(world: World) -> World:
    """A register whose table is there, and nothing in it; no request counted yet."""
    await world.sdk.create_table()
    world.transport.requests.clear()
    return world


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
