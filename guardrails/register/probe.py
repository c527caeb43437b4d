"""The storage probe: can the account be used? One row of ours is written and deleted; queues are only looked at."""

import base64
import json
from datetime import UTC, datetime
from typing import Any, Final, Self
from uuid import uuid4

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueServiceClient

from guardrails.dataclass import dataclass
from guardrails.register.account import ONCE, bad_connection_string, code_of, table_client, translated
from guardrails.register.keys import DOCTOR
from guardrails.runtime.telemetry import DUE
from guardrails.runtime.transport import Foreign, transport

MOST_PEEKED: Final = 32
"""How many messages storage shows at once."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The messages of a queue that could be taken now.

    Attributes:
        count: how many, to MOST_PEEKED.
        since: since when the oldest could be taken, UTC; None where there is none.
    """

    count: int
    since: datetime | None


class Probe:
    """Tries the register's table and looks at queues. Methods raise Retryable, Misconfigured or Permanent."""

    def __init__(self, table: TableClient, queues: QueueServiceClient) -> None:
        self._table = table
        self._queues = queues

    @classmethod
    def connect(
        cls,
        table: str,
        *,
        connection_string: str = "",
        table_endpoint: str = "",
        queue_endpoint: str = "",
        credential: AsyncTokenCredential | None = None,
    ) -> Self:
        """Return it for a storage account. Opens no connection. Raises Misconfigured (bad-connection-string)."""
        rows = table_client(table, connection_string=connection_string, endpoint=table_endpoint, credential=credential)
        options: dict[str, Any] = {"transport": transport(), **ONCE}
        if credential is not None and not connection_string:
            return cls(rows, QueueServiceClient(queue_endpoint, credential=credential, **options))
        try:
            return cls(rows, QueueServiceClient.from_connection_string(connection_string, **options))
        except ValueError as error:
            raise bad_connection_string() from error

    async def close(self) -> None:
        """Close the connections."""
        await self._table.close()
        await self._queues.close()

    async def try_row(self) -> bool:
        """Write a row, read it and take it away again; False where the table is not there. Makes no table."""
        name = f"try~{uuid4().hex}"
        row = {"PartitionKey": DOCTOR, "RowKey": name}
        with translated("table", self._table.table_name):
            try:
                # as transactions, as all writes here: the SDK's single writes trip over a refused token
                await self._table.submit_transaction([("create", row)])
            except (TableTransactionError, ResourceNotFoundError) as error:
                if error.status_code != 404 or not code_of(error):
                    raise
                return False
            try:
                found = await self._table.get_entity(DOCTOR, name)
                if found.get("RowKey") != name:
                    raise Foreign("it is another row")
            finally:
                await self._table.submit_transaction([("delete", row)])
        return True

    async def waiting(self, queue: str) -> Waiting | None:
        """Look at a queue, taking nothing; None where it is not there."""
        client = self._queues.get_queue_client(queue)  # that decodes nothing: a body may be anybody's
        with translated("queue", queue):
            try:
                found = await client.peek_messages(max_messages=MOST_PEEKED, raw_response_hook=_is_a_list)
            except ResourceNotFoundError as error:
                if not code_of(error):  # somebody else's
                    raise
                return None
        times = [since for one in found if (since := _since(one.content, one.inserted_on)) is not None]
        return Waiting(len(found), min(times, default=None))


def _is_a_list(response: Any) -> None:
    """Raise Foreign where a success is no list of messages: to the SDK any other XML is an empty one."""
    if response.http_response.status_code == 200 and "<QueueMessagesList" not in response.http_response.text():
        raise Foreign("it is no list of messages")


def _since(text: Any, inserted: datetime | None) -> datetime | None:
    """Return since when a message could be taken: a delayed one says in its body when it is to be seen."""
    try:
        said = json.loads(base64.b64decode(text)).get(DUE)
        due = datetime.fromisoformat(said) if said else inserted
    except (ValueError, TypeError, RecursionError, AttributeError):  # no message of ours
        due = inserted
    return due if due is None or due.tzinfo else due.replace(tzinfo=UTC)
