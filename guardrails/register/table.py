"""One table of Table Storage, over azure-data-tables: get, query, and transactions."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, Literal
from urllib.parse import quote

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from guardrails.dataclass import dataclass
from guardrails.register import table_wire as wire
from guardrails.register.account import STATES, code_of, too_large, translated, unreachable
from guardrails.register.columns import Value
from guardrails.runtime.transport import Foreign

type Entity = Mapping[str, Any]
"""A row as read: our columns, PartitionKey, RowKey, and `odata.etag`."""

MOST_OPERATIONS: Final = 100
MOST_BYTES: Final = 4 * 1024 * 1024 - 64 * 1024
"""What a transaction may hold, as it travels; storage allows 4 MiB in all. The emulator allows more, as in each row."""

MOST_COLUMNS: Final = 252
"""Columns of a row besides its keys and its timestamp."""

MOST_ROW_BYTES: Final = 1024 * 1024 - 1024
"""What a row may hold as storage counts it, which allows 1 MiB."""

_ENVELOPE: Final = 1024
"""Bytes that travel with one operation besides its JSON and its keys: the headers of its part, the table's address."""

READS_AT_ONCE: Final = 50
"""Half of a client's connections: else, when many events come, what is to be recorded waits until all have read."""

_MISSING: Final = "TableNotFound"
_GOING: Final = "TableBeingDeleted"


class Rejected(Exception):
    """A transaction did not happen: something is there already (409), is gone (404) or has changed (412).

    Attributes:
        status: 404, 409 or 412.
        code: storage's error code.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Write:
    """One operation of a transaction.

    Attributes:
        how: create (must not be there), replace (must be there, with `etag` if given), put (either), merge (must be
            there), delete.
        row: the row key.
        columns: the whole new content; for a merge what is new in it; {} for a delete.
    """

    how: Literal["create", "replace", "put", "merge", "delete"]
    row: str
    columns: Mapping[str, Value]
    etag: str = ""

    def operation(self, partition: str) -> tuple[str, wire.Row, dict[str, Any]]:
        """Return the operation as the SDK takes it."""
        entity = wire.Row(partition, self.row, self.columns, self.content)
        guard = {"etag": self.etag, "match_condition": MatchConditions.IfNotModified} if self.etag else {}
        match self.how:
            case "create":
                return "create", entity, {}
            case "replace":
                return "update", entity, {"mode": UpdateMode.REPLACE, **guard}
            case "put":
                return "upsert", entity, {"mode": UpdateMode.REPLACE}
            case "merge":
                return "update", entity, {"mode": UpdateMode.MERGE}
            case "delete":
                return "delete", entity, guard

    @cached_property
    def content(self) -> str | None:
        """The row as it travels, without its partition: it is worked out once, to be counted and to be sent."""
        return wire.content({"RowKey": self.row, **self.columns})

    @cached_property
    def size(self) -> int:
        """Bytes of the operation as it travels: its content, and what is around it."""
        return _ENVELOPE + 3 * len(quote(self.row)) + len(self.etag) + len(self.content or "")

    def too_large(self) -> str:
        """Return why no row can be as this one, in one phrase; "" where it can."""
        if len(self.columns) > MOST_COLUMNS:
            return f"a row of {len(self.columns)} columns, and a row takes {MOST_COLUMNS}"
        if self.size <= MOST_ROW_BYTES // 2:  # a row takes at most two bytes for each that travels
            return ""
        size = 2 * len(self.row) + sum(_is_kept_in(name, value) for name, value in self.columns.items())
        return f"a row of {size} bytes, and a row takes {MOST_ROW_BYTES}" if size > MOST_ROW_BYTES else ""


def size_of(writes: Iterable[Write]) -> int:
    """Return how many bytes writes have together, as they travel."""
    return sum(write.size for write in writes)


def _is_kept_in(name: str, value: Value) -> int:
    """Return the bytes that a column takes of its row: text in UTF-16, bytes in base64, as the emulator counts.

    Source: "Understanding the Table service data model", Microsoft Learn.
    """
    match value:
        case str():
            size = 2 * len(value) if value.isascii() else len(value.encode("utf-16-le", "surrogatepass"))
        case bytes():
            size = 4 * (len(value) // 3 + 1)
        case _:
            size = 8
    return 2 * len(name) + 12 + size


class Table:
    """One table. It is created when a request finds that it is missing."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self.name = client.table_name

    async def get(self, partition: str, row: str, select: Sequence[str] = ()) -> Entity | None:
        """Return one row, or these columns of it; None where it is not there. One request."""
        fields = {"select": ["PartitionKey", "RowKey", *select]} if select else {}
        async with self._reading:
            with translated("table", row):
                try:
                    found = _row(await self._client.get_entity(partition, row, **fields), whole=not select)
                except ResourceNotFoundError as error:
                    if not code_of(error):  # somebody else's
                        raise
                    return None
        if (found["PartitionKey"], found["RowKey"]) != (partition, row):
            raise unreachable("table", row, "answered with another row")
        return _entity(found)

    async def query(self, where: str, select: Sequence[str] = ()) -> AsyncIterator[Entity]:
        """Yield the rows that an OData filter finds, in the order of their keys; pages of up to 1,000."""
        fields = ["PartitionKey", "RowKey", *select] if select else None
        found = aiter(self._client.query_entities(where, select=fields, results_per_page=1000))
        ours = translated("table", self.name)
        while True:
            with ours:
                try:
                    one = _row(await anext(found), whole=not select)
                except StopAsyncIteration:
                    return
                except ResourceNotFoundError as error:
                    if not code_of(error):  # somebody else's
                        raise
                    return  # there is no table
            yield _entity(one)

    async def transact(self, partition: str, writes: Sequence[Write], subject: str = "") -> list[str]:
        """Do all writes or none, in one request; return their new ETags ("" for a delete). Without any, do nothing.

        Raises Rejected, or Permanent (body-too-large) beyond 100 operations, 4 MiB, or what one row may hold.
        """
        if not writes:
            return []
        if len(writes) > MOST_OPERATIONS:
            raise too_large(subject, f"{len(writes)} rows, and a transaction takes {MOST_OPERATIONS}")
        if (size := size_of(writes)) > MOST_BYTES:
            raise too_large(subject, f"{size} bytes, and a transaction takes {MOST_BYTES}")
        if wrong := next(filter(None, (write.too_large() for write in writes)), ""):
            raise too_large(subject, wrong)
        operations = [write.operation(partition) for write in writes]
        with translated("table", subject or self.name):
            try:
                done = await self._submit(operations)
            except HttpResponseError as error:
                code = code_of(error)
                if error.status_code in STATES and code and code not in (_MISSING, _GOING):
                    raise Rejected(error.status_code, code) from error
                raise
        etags = [str(one.get("etag") or "") for one in done]
        if [bool(etag) for etag in etags] != [write.how != "delete" for write in writes]:
            raise unreachable("table", subject or self.name, "does not say what it did of a transaction")
        return etags

    async def _submit(self, operations: list[Any]) -> list[Mapping[str, Any]]:
        try:
            return list(await self._client.submit_transaction(operations))
        except (TableTransactionError, ResourceNotFoundError) as error:
            if code_of(error) != _MISSING:
                raise
        await self.create()
        return list(await self._client.submit_transaction(operations))

    async def create(self) -> None:
        """Create the table; one that is there is no error."""
        with suppress(ResourceExistsError):
            await self._client.create_table()


def _row(found: TableEntity, *, whole: bool) -> TableEntity:
    """Return what is a row; the SDK takes any JSON object for one. Raises Foreign.

    A `whole` one must have its ETag: without it the next write would be one without a guard.
    """
    if not (isinstance(found.get("PartitionKey"), str) and isinstance(found.get("RowKey"), str)):
        raise Foreign("it is no row")
    etag = found.metadata.get("etag")
    if whole and not (etag and isinstance(etag, str)):
        raise Foreign("it is a row without an ETag")
    return found


def _entity(found: TableEntity) -> Entity:
    """Return a row with its ETag among the columns; the SDK keeps that apart."""
    return {**found, "odata.etag": found.metadata.get("etag") or ""}
