"""What goes wrong on the line to storage in memory comes to the same as on the way to Azurite, and leaves the same."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.errors import Retryable
from guardrails.register import queues
from guardrails.register.table_register import TableRegister, connect
from tests.battery.line import Fault, Line, Sent
from tests.clock import VirtualClock
from tests.register.conftest import EXEMPTION
from tests.storage import Account


def failed(status: int) -> HttpResponseError:
    error = HttpResponseError(message="ServerBusy")
    error.status_code = status
    return error


FAULTS: dict[str, Callable[[], Fault]] = {
    "unreachable": lambda: Fault(ServiceRequestError("unreachable")),
    "lost": lambda: Fault(ServiceResponseError("lost"), after=True),
    **{f"{status}": lambda status=status: Fault(failed(status)) for status in (408, 429, 500, 503, 504)},  # type: ignore[misc]
    **{f"{status} after": lambda status=status: Fault(failed(status), after=True) for status in (500, 503)},  # type: ignore[misc]
}


class Troubled(AioHttpTransport):  # type: ignore[misc]
    """The way to Azurite, on which the same goes wrong: at the first request once a fault is set."""

    def __init__(self) -> None:
        super().__init__(use_env_settings=False)
        self.fault: Fault | None = None

    async def send(self, request: Any, **options: Any) -> Any:
        fault, self.fault = self.fault, None
        if fault and fault.error and not fault.after:
            raise fault.error
        answer = await super().send(request, **options)
        if fault and fault.error:
            raise fault.error
        return answer


@dataclass
class Store:
    """A register and a queue of one store, and what sets the next fault on the way there."""

    register: TableRegister
    sdk: TableClient
    trouble: Callable[[Fault], None]
    said: list[Any] = field(default_factory=list)

    async def meet(self, fault: Fault, call: Callable[[], Awaitable[Any]]) -> None:
        """Make a call that meets a fault; note what it came to, and what is in the table then."""
        self.trouble(fault)
        try:
            said: Any = bool(await call())
        except Retryable as error:
            said = error.code, error.delay
        self.said.append((said, sorted([str(row["RowKey"]) async for row in self.sdk.list_entities()])))


@pytest.fixture
async def stores(azurite: str, clock: VirtualClock) -> AsyncIterator[tuple[Store, Store]]:
    """To Azurite, and to memory."""
    table, transport, waiting = f"t{uuid4().hex}", Troubled(), list[Fault]()
    line = Line(lambda _: waiting.pop() if waiting else None)
    with Account().serve() as account, Account(line, of=account).serve() as troubled:
        async with AsyncExitStack() as stack:
            made = [
                Store(
                    await stack.enter_async_context(
                        connect(clock=clock, connection_string=asked, table=table, transport=transport)
                    ),
                    await stack.enter_async_context(TableClient.from_connection_string(admin, table)),
                    trouble,
                )
                for asked, admin, trouble in (
                    (azurite, azurite, lambda fault: setattr(transport, "fault", fault)),
                    (troubled.connection_string, account.connection_string, waiting.append),
                )
            ]
            for store in made:
                await store.sdk.create_table()
            yield made[0], made[1]


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault_comes_to_the_same(stores: tuple[Store, Store], clock: VirtualClock, kind: str) -> None:
    for store in stores:

        def commit(store: Store = store) -> Awaitable[Any]:
            row = Row(EXEMPTION.text, Status.VIOLATION, clock.now())
            return store.register.commit(EXEMPTION, None, row, Entry(clock.now(), "judged", {}))

        def read(store: Store = store) -> Awaitable[Any]:
            return store.register.read(EXEMPTION)

        for call in (read, commit, commit, read):
            await store.meet(FAULTS[kind](), call)
    azurite, memory = stores
    assert memory.said == azurite.said


async def test_what_is_to_happen_to_one_process_happens_to_no_other() -> None:
    """Two lines to one account: what one wrote the other reads, and each has its own line."""
    seen: list[Sent] = []
    ours, theirs = Line(seen.append), Line()
    with (
        Account().serve() as account,
        Account(ours, of=account).serve() as one,
        Account(theirs, of=account).serve() as two,
    ):
        first, second = (TableClient.from_connection_string(other.connection_string, "t") for other in (one, two))
        await first.create_table()
        await first.create_entity({"PartitionKey": "a", "RowKey": "b"})
        assert [row["RowKey"] async for row in second.list_entities()] == ["b"]
        assert [sent.what for sent in seen] == ["create_table", "create_entity"]
        ours.cut()
        assert theirs.requests.total() == 1
        assert [row["RowKey"] async for row in second.list_entities()] == ["b"]


async def test_a_message_is_seen_by_the_clock_of_its_account() -> None:
    now = 100.0
    with Account(clock=lambda: now).serve() as account:
        async with queues.connect(connection_string=account.connection_string) as ours:
            await ours.send("notices", {"id": "n"}, delay=30)
        other = Account(of=account)
        (queue,) = account.queues.values()
        assert [one.due for one in queue] == [130.0]
        now = 130.0
        assert other.clock() == 130.0
