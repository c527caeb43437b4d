"""A register in a table of its own, and what the tests of its commands put there."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableClient

from guardrails.criteria.model import Weakened
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.keys import address
from guardrails.register.table_register import connect
from tests.clock import VirtualClock

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MARK = ("--now", "2026-11-21T12:00:00Z")
FIRST = "/subscriptions/11111111-1111-1111-1111-111111111111"
SECOND = "/subscriptions/22222222-2222-2222-2222-222222222222"
GROUP = "/providers/Microsoft.Management/managementGroups/Corp"


def named(name: str, scope: str = FIRST) -> str:
    return f"{scope}/providers/Microsoft.Authorization/policyExemptions/{name}"


def row(id_: str, status: Status = Status.VIOLATION, left: timedelta | None = None, /, **more: Any) -> Row:
    """A row of an exemption that ends in `left` from NOW, and weakens no criterion."""
    more = {"criteria_weakened": dict(Weakened().to_json())} | more
    return Row(id_, status, AT, expires_on=NOW + left if left is not None else None, **more)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The register that the commands use."""

    connection: str
    table: str

    def put(self, rows: Iterable[Row]) -> dict[str, Stored]:
        """Write rows through the register, all at once; return them by id."""

        async def work() -> dict[str, Stored]:
            async with connect(clock=VirtualClock(AT), connection_string=self.connection, table=self.table) as register:

                async def put(one: Row) -> Stored:
                    entry = Entry(AT, "judged", {"hint": "sweep"})
                    stored = await register.commit(ExemptionId.parse(one.id), None, one, entry)
                    assert stored is not None
                    return stored

                done = await asyncio.gather(*(put(one) for one in rows))
                return {one.row.id: one for one in done}

        return asyncio.run(work())

    def edit(self, id_: str, change: Mapping[str, Any], *, history: Mapping[str, Any] | None = None) -> None:
        """Change columns of a state row, and of its first history entry, from outside."""
        place = address(ExemptionId.parse(id_))

        async def work() -> None:
            async with TableClient.from_connection_string(self.connection, self.table) as table:
                for key, columns in ((place.state, change), (place.history(1), history or {})):
                    if columns:
                        await table.update_entity({"PartitionKey": place.partition, "RowKey": key, **columns})

        asyncio.run(work())

    def break_row(self, id_: str) -> None:
        """Make a row one that cannot be trusted, nor rebuilt."""
        self.edit(id_, {"owner": "eve"}, history={"event": "excused"})


@pytest.fixture
def shelf(storage: str, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """An empty register, which the commands find by the environment."""
    table = f"t{uuid4().hex}"
    monkeypatch.setenv("AzureWebJobsStorage", storage)
    monkeypatch.setenv("GUARDRAILS_TABLE", table)
    monkeypatch.delenv("GUARDRAILS_RULESET", raising=False)
    return Shelf(storage, table)
