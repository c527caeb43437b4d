"""Table and Queue Storage in the memory of this process: what the asynchronous clients of the Azure SDK are handed.

    account = Account()
    account.connection_string           # clients that are made of it are the ones below, while `account.serve()` lasts

It knows what the product and its tests ask of storage, and gives the answers and errors of the SDK's own clients over
Azurite: tests/register/test_storage.py puts the same to both. Every request gives way to other tasks before and after
it is done, as one over the network does.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any, ClassVar, Final, Self
from unittest.mock import patch
from uuid import UUID, uuid4

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from guardrails.runtime.transport import asking
from tests.odata import KEYS, Key, finds, partition_of

LONGEST: Final = 64 * 1024
"""Bytes of one column, text as UTF-16."""
LARGEST: Final = 1024 * 1024
"""Bytes of one row as Azurite counts them: binary columns in base64."""
WEEK: Final = 7 * 24 * 3600
"""Seconds that a message stays where nobody says how long."""
_NUMBERS: Final = count(1)
_REQUEST: Final[Any] = SimpleNamespace()
_VALUES: Final = (str, int, bytes, float, datetime, UUID, EntityProperty)
_PLAIN: Final = frozenset({str, int, bytes, bool})
_KINDS: Final = {404: ResourceNotFoundError, 409: ResourceExistsError, 412: ResourceModifiedError}


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it is kept: its columns without the keys, and its ETag."""

    columns: Mapping[str, Any]
    etag: str = field(default_factory=lambda: f"W/\"datetime'{next(_NUMBERS)}'\"")


class Failed(Exception):
    """Storage refuses one operation: the HTTP status, and the code in the answer."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code

    def error(self) -> HttpResponseError:
        """Return what the SDK raises."""
        return self._dressed(_KINDS.get(self.status, HttpResponseError)(message=self.code))

    def in_transaction(self, index: int) -> HttpResponseError:
        """Return what the SDK raises where it was operation `index` of a transaction."""
        return self._dressed(TableTransactionError(message=f"{index}:{self.code}"))

    def _dressed[T: HttpResponseError](self, error: T) -> T:
        error.status_code = self.status
        error.error_code = self.code  # type: ignore[attr-defined] # the SDK sets it in just this way
        return error


class Line:
    """The way to storage and back: each request gives way to other tasks before and after it is done."""

    async def before(self, what: str) -> object:  # noqa: ARG002
        """Do what comes before a request is done, such as failing; `what`: the SDK's name of it."""
        await asyncio.sleep(0)
        return None

    async def after(self, sent: object) -> None:  # noqa: ARG002
        """Do what comes before its answer arrives, a refusal's too; `sent`: what `before` returned."""
        await asyncio.sleep(0)


class Account:
    """One storage account: tables of rows, and queues of messages.

    Args:
        line: the way there.
        of: an account whose tables and queues are those of this one, too: another way to the same.
        clock: seconds, by which messages become visible.

    `haste` is how many seconds of a message's delay pass in one.
    """

    def __init__(
        self, line: Line | None = None, *, of: "Account | None" = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = f"memory{uuid4().hex}"
        self.line = line or Line()
        self.clock: Callable[[], float] = of.clock if of else clock
        self.haste = 1.0
        self.tables: dict[str, dict[Key, Kept]] = of.tables if of else {}
        self.queues: dict[str, list[Message]] = of.queues if of else {}

    @property
    def connection_string(self) -> str:
        """What the clients of this account are made of; nothing listens at its endpoints."""
        ends = ";".join(f"{kind}Endpoint=http://127.0.0.1:9/{self.name}" for kind in ("Table", "Queue"))
        return f"DefaultEndpointsProtocol=http;AccountName={self.name};AccountKey=bWVtb3J5;{ends};"

    @contextmanager
    def serve(self) -> Iterator[Self]:
        """Let `from_connection_string` of the SDK's clients return ours, for this account only."""
        with (
            self._serving(TableClient, MemoryTable),
            self._serving(QueueClient, MemoryQueue),
            self._serving(QueueServiceClient, MemoryQueues),
        ):
            yield self

    def _serving(self, client: Any, ours: Any) -> Any:
        theirs = client.from_connection_string.__func__

        @classmethod  # type: ignore[misc]  # what it is patched into is a class
        def made(kind: Any, connection: str, *name: str, **more: Any) -> Any:
            if connection != self.connection_string:
                return theirs(kind, connection, *name, **more)
            return ours(self, *name, **{option: more[option] for option in ours.OPTIONS & more.keys()})

        return patch.object(client, "from_connection_string", made)


class _Client:
    """What all clients have: they are closed, and nothing comes of it. `OPTIONS`: those that change what it does."""

    OPTIONS: ClassVar[frozenset[str]] = frozenset()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close it."""


# --- Tables ---------------------------------------------------------------------------------------------------------


class MemoryTable(_Client):
    """azure.data.tables.aio.TableClient."""

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self.table_name = name

    async def create_table(self) -> None:
        """Make it. Raises ResourceExistsError."""
        async with _request(self._account, "create_table"):
            if self.table_name in self._account.tables:
                raise Failed(409, "TableAlreadyExists")
            self._account.tables[self.table_name] = {}

    async def get_entity(
        self, partition_key: str, row_key: str, *, select: Sequence[str] | None = None
    ) -> TableEntity:  # fmt: skip
        """Return one row, or these columns of it. Raises ResourceNotFoundError."""
        async with _request(self._account, "get_entity"):
            key = partition_key, row_key
            return _entity(key, _there(self._rows().get(key)), select)

    async def query_entities(
        self, query_filter: str, *, select: Sequence[str] | None = None, results_per_page: int = 1000
    ) -> AsyncIterator[TableEntity]:
        """Yield the rows that a filter finds, in the order of their keys: one request for each page."""
        test, inside, after = finds(query_filter), partition_of(query_filter), ("", "")
        while True:
            async with _request(self._account, "query_entities"):
                rows = self._rows()
                some = [key for key in rows if key[0] == inside] if inside else rows
                keys = sorted(key for key in some if key > after and test(key, rows[key].columns))
                page = [_entity(key, rows[key], select) for key in keys[:results_per_page]]
            for entity in page:
                yield entity
            if len(keys) <= results_per_page:
                return
            after = keys[results_per_page - 1]

    def list_entities(self) -> AsyncIterator[TableEntity]:
        """Yield all rows."""
        return self.query_entities("")

    async def update_entity(self, entity: Mapping[str, Any], mode: UpdateMode = UpdateMode.MERGE, **guard: Any) -> None:
        """Change a row that is there."""
        await self._alone("update", entity, {"mode": mode, **guard})

    async def upsert_entity(self, entity: Mapping[str, Any], mode: UpdateMode = UpdateMode.MERGE) -> None:
        """Write a row, there or not."""
        await self._alone("upsert", entity, {"mode": mode})

    async def create_entity(self, entity: Mapping[str, Any]) -> None:
        """Write a row that is not there."""
        await self._alone("create", entity, {})

    async def delete_entity(self, of: str | Mapping[str, Any], row_key: str = "") -> None:
        """Delete a row, named by its partition and its key or by itself; one that is not there is no error."""
        key = (of, row_key) if isinstance(of, str) else (of["PartitionKey"], of["RowKey"])
        async with _request(self._account, "delete_entity"):
            self._account.tables.get(self.table_name, {}).pop(key, None)

    async def delete_table(self) -> None:
        """Delete all; a table that is not there is no error."""
        async with _request(self._account, "delete_table"):
            self._account.tables.pop(self.table_name, None)

    async def submit_transaction(self, operations: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Do all or none. Raises TableTransactionError."""
        async with _request(self._account, "submit_transaction"):
            drafts: dict[Key, Kept | None] = {}
            for index, (how, entity, *options) in enumerate(operations):
                try:
                    self._draft(drafts, how, entity, options[0] if options else {})
                except Failed as failed:
                    raise failed.in_transaction(index) from None
            self._settle(drafts)
            return [{"etag": kept.etag} if kept else {} for kept in drafts.values()]

    async def _alone(self, how: str, entity: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        async with _request(self._account, f"{how}_entity"):
            drafts: dict[Key, Kept | None] = {}
            self._draft(drafts, how, entity, options)
            self._settle(drafts)

    def _draft(
        self, drafts: dict[Key, Kept | None], how: str, entity: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        """Add to the drafts what one operation makes of its row; None: it is gone. Raises Failed."""
        key = entity["PartitionKey"], entity["RowKey"]
        if key in drafts:
            raise Failed(400, "InvalidDuplicateRow")
        before, new = self._rows().get(key), _columns(entity)
        if how == "create" and before is not None:
            raise Failed(409, "EntityAlreadyExists")
        if how in {"update", "delete"}:
            before = _there(before)
            if options.get("match_condition") is MatchConditions.IfNotModified and options["etag"] != before.etag:
                raise Failed(412, "UpdateConditionNotSatisfied")
        merged = before is not None and options.get("mode") is UpdateMode.MERGE
        drafts[key] = None if how == "delete" else Kept({**before.columns, **new} if before and merged else new)

    def _settle(self, drafts: Mapping[Key, Kept | None]) -> None:
        rows = self._rows()
        for key, kept in drafts.items():
            if kept is None:
                del rows[key]
            else:
                rows[key] = kept

    def _rows(self) -> dict[Key, Kept]:
        if (rows := self._account.tables.get(self.table_name)) is None:
            raise Failed(404, "TableNotFound")
        return rows


def _columns(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a row to write. Raises Failed where one is too long, or all are."""
    columns = {name: value for name, value in entity.items() if name not in KEYS and value is not None}
    total = 0
    for name, value in columns.items():
        assert isinstance(value, _VALUES), f"{name}: no kind of value that this stand-in knows"
        if isinstance(value, (str, bytes)):
            if len(value) > LONGEST // 4 and _kept_bytes(value) > LONGEST:
                raise Failed(400, "PropertyValueTooLarge")
            total += len(value) if isinstance(value, str) else len(value) * 4 // 3
    if total > LARGEST:
        raise Failed(400, "EntityTooLarge")
    return {name: value if type(value) in _PLAIN else _read(value) for name, value in columns.items()}


def _kept_bytes(value: str | bytes) -> int:
    return len(value.encode("utf-16-le", "surrogatepass") if isinstance(value, str) else value)


def _read(value: Any) -> Any:
    """Return a value as it reads once it was written: only Int64 keeps its kind beside it."""
    match value:
        case EntityProperty(value=inner, edm_type=EdmType.DATETIME):
            return datetime.fromisoformat(inner)
        case EntityProperty(value=inner, edm_type=EdmType.GUID):
            return UUID(inner)
    return value


def _there(kept: Kept | None) -> Kept:
    if kept is None:
        raise Failed(404, "ResourceNotFound")
    return kept


def _all(key: Key, kept: Kept) -> dict[str, Any]:
    return {"PartitionKey": key[0], "RowKey": key[1], **kept.columns}


def _entity(key: Key, kept: Kept, select: Sequence[str] | None = None) -> TableEntity:
    found = _all(key, kept)
    entity = TableEntity(found if select is None else {name: found[name] for name in found if name in select})
    entity._metadata = {"etag": kept.etag, "timestamp": datetime.now(UTC)}
    return entity


# --- Queues ---------------------------------------------------------------------------------------------------------


@dataclass
class Message:
    """A message as it is kept: `due` is when it is seen next, by the account's clock."""

    text: str
    due: float
    expires: datetime
    id: str = field(default_factory=lambda: str(uuid4()))
    inserted: datetime = field(default_factory=lambda: datetime.now(UTC))
    receipt: str = ""
    count: int = 0

    def take(self, due: float) -> None:
        """Hide it until then, for whoever holds the new receipt."""
        self.due, self.receipt = due, str(next(_NUMBERS))


class MemoryQueue(_Client):
    """azure.storage.queue.aio.QueueClient."""

    OPTIONS = frozenset({"message_encode_policy", "message_decode_policy"})

    def __init__(
        self, account: Account, name: str, *, message_encode_policy: Any = None, message_decode_policy: Any = None
    ) -> None:
        self._account = account
        self.queue_name = name
        self._encode = message_encode_policy.encode if message_encode_policy else str
        self._decode = message_decode_policy.decode if message_decode_policy else lambda text, _: text

    async def create_queue(self) -> None:
        """Make it; one that is there is no error."""
        async with _request(self._account, "create_queue"):
            self._account.queues.setdefault(self.queue_name, [])

    async def send_message(self, content: str, *, visibility_timeout: float = 0, time_to_live: int = WEEK) -> None:
        """Put a message on it, to be seen in so many seconds. Raises ResourceNotFoundError."""
        async with _request(self._account, "send_message"):
            ends = datetime.max.replace(tzinfo=UTC) if time_to_live < 0 else _after(time_to_live)
            self._messages().append(Message(self._encode(content), self._due(visibility_timeout), ends))

    async def receive_messages(
        self, *, messages_per_page: int = 1, max_messages: int | None = None, visibility_timeout: float = 30
    ) -> AsyncIterator[QueueMessage]:
        """Yield what is there now, oldest first, and hide it for so many seconds."""
        del messages_per_page
        async with _request(self._account, "receive_messages"):
            now = self._account.clock()
            found = sorted((one for one in self._messages() if one.due <= now), key=lambda one: one.due)[:max_messages]
            for one in found:
                one.count += 1
                one.take(self._due(visibility_timeout))
            taken = [self._shown(one) for one in found]
        for message in taken:
            yield message

    async def update_message(self, message: QueueMessage, *, visibility_timeout: float) -> None:
        """Let one that was received be seen in so many seconds."""
        async with _request(self._account, "update_message"):
            self._held(message).take(self._due(visibility_timeout))

    async def delete_message(self, message: QueueMessage) -> None:
        """Take one that was received off the queue."""
        async with _request(self._account, "delete_message"):
            self._messages().remove(self._held(message))

    async def get_queue_properties(self) -> Any:
        """Return how many messages there are, hidden ones too. Raises ResourceNotFoundError."""
        async with _request(self._account, "get_queue_properties"):
            return SimpleNamespace(approximate_message_count=len(self._messages()))

    def _messages(self) -> list[Message]:
        if (messages := self._account.queues.get(self.queue_name)) is None:
            raise Failed(404, "QueueNotFound")
        return messages

    def _due(self, delay: float) -> float:
        return self._account.clock() + delay / self._account.haste

    def _held(self, message: QueueMessage) -> Message:
        """Return a message that was received, for who still holds it."""
        found = next((one for one in self._messages() if one.id == message.id), None)
        if found is None:
            raise Failed(404, "MessageNotFound")
        if found.receipt != message.pop_receipt:
            raise Failed(400, "PopReceiptMismatch")
        return found

    def _shown(self, one: Message) -> QueueMessage:
        return QueueMessage(
            self._decode(one.text, None), id=one.id, pop_receipt=one.receipt, dequeue_count=one.count,
            inserted_on=one.inserted, expires_on=one.expires, next_visible_on=_after(one.due - self._account.clock()),
        )  # fmt: skip


def _after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


class MemoryQueues(_Client):
    """azure.storage.queue.aio.QueueServiceClient."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def get_queue_client(self, name: str, **policies: Any) -> MemoryQueue:
        """Return a client of one queue."""
        return MemoryQueue(self._account, name, **policies)


class _request:  # noqa: N801 - used as a function is
    """A request on its way and back, on which others run; what storage refuses is raised as the SDK raises it."""

    def __init__(self, account: Account, what: str) -> None:
        self._line = account.line
        self._what = what

    async def __aenter__(self) -> None:
        asking(_REQUEST)  # as the SDK's pipeline says that it makes a request
        self._sent = await self._line.before(self._what)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, Failed | HttpResponseError):
            await self._line.after(self._sent)
        if isinstance(error, Failed):
            raise error.error() from None
