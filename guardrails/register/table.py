"""One table of Table Storage, over azure-data-tables: get, query, and transactions."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any, Final, Literal

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from guardrails.register.account import too_large, translated
from guardrails.register.columns import Value

type Entity = Mapping[str, Any]
"""A row as read: our columns, PartitionKey, RowKey, and `odata.etag`."""

MOST_OPERATIONS: Final = 100
MOST_BYTES: Final = 4 * 1024 * 1024 - 64 * 1024
"""What a transaction may hold of column values, in the base64 and JSON that travels; storage allows 4 MiB in all."""

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


@dataclass(frozen=True, slots=True)
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

    def operation(self, partition: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Return the operation as the SDK takes it."""
        entity: dict[str, Any] = {"PartitionKey": partition, "RowKey": self.row, **self.columns}
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

    @property
    def size(self) -> int:
        """Bytes of the columns as they travel: base64 for bytes, JSON in ASCII for text."""
        return sum(map(_size_of, self.columns.values()))


def _size_of(value: object) -> int:
    if isinstance(value, str):
        return len(encode_basestring_ascii(value))
    return len(value) * 4 // 3 if isinstance(value, bytes) else len(json.dumps(value, default=str))


class Table:
    """One table. It is created when a request finds that it is missing."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self.name = client.table_name

    async def get(self, partition: str, row: str, select: Sequence[str] = ()) -> Entity | None:
        """Return one row, or these columns of it; None where it is not there. One request."""
        fields = {"select": ["PartitionKey", "RowKey", *select]} if select else {}
        with translated("table", row):
            try:
                return _entity(await self._client.get_entity(partition, row, **fields))
            except ResourceNotFoundError:
                return None

    async def query(self, where: str, select: Sequence[str] = ()) -> AsyncIterator[Entity]:
        """Yield the rows that an OData filter finds, in the order of their keys; pages of up to 1,000."""
        fields = ["PartitionKey", "RowKey", *select] if select else None
        with translated("table", self.name):
            try:
                async for found in self._client.query_entities(where, select=fields, results_per_page=1000):
                    yield _entity(found)
            except ResourceNotFoundError:
                return

    async def transact(self, partition: str, writes: Sequence[Write], subject: str = "") -> list[str]:
        """Do all writes or none, in one request; return their new ETags ("" for a delete).

        Raises Rejected, or Permanent (body-too-large) beyond 100 operations or 4 MiB.
        """
        if len(writes) > MOST_OPERATIONS:
            raise too_large(subject, f"{len(writes)} rows, and a transaction takes {MOST_OPERATIONS}")
        size = sum(write.size for write in writes)
        if size > MOST_BYTES:
            raise too_large(subject, f"{size} bytes, and a transaction takes {MOST_BYTES}")
        operations = [write.operation(partition) for write in writes]
        with translated("table", subject or self.name):
            try:
                done = await self._submit(operations)
            except HttpResponseError as error:
                if error.status_code in (404, 409, 412) and _code(error) not in (_MISSING, _GOING):
                    raise Rejected(error.status_code, _code(error)) from error
                raise
        return [str(one.get("etag") or "") for one in done]

    async def _submit(self, operations: list[Any]) -> list[Mapping[str, Any]]:
        try:
            return list(await self._client.submit_transaction(operations))
        except (TableTransactionError, ResourceNotFoundError) as error:
            if _code(error) != _MISSING:
                raise
        await self.create()
        return list(await self._client.submit_transaction(operations))

    async def create(self) -> None:
        """Create the table; one that is there is no error."""
        with suppress(ResourceExistsError):
            await self._client.create_table()


def _entity(found: Any) -> Entity:
    """Return a row with its ETag among the columns; the SDK keeps that apart."""
    return {**found, "odata.etag": found.metadata.get("etag") or ""}


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))
