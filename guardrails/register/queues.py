"""ports.Queues on Azure Storage queues, over azure-storage-queue: base64 JSON, as host.json expects it."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport

from guardrails.errors import Permanent
from guardrails.register.account import ONCE, bad_connection_string, code_of, translated
from guardrails.runtime.telemetry import CORRELATION, DUE, correlation
from guardrails.runtime.transport import transport

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

LONGEST_DELAY: Final = 7 * 24 * 3600
LARGEST_BODY: Final = 48 * 1024 - 1


def connect(
    *,
    connection_string: str = "",
    endpoint: str = "",
    credential: AsyncTokenCredential | None = None,
    names: Mapping[str, str] | None = None,
    over: AioHttpTransport | None = None,
) -> "StorageQueues":
    """Return the queues of a storage account: by connection string, or by queue endpoint and identity.

    Opens no connection. `names` gives other names to `reconcile` and `notices`; `over` is for tests.
    """

    def service() -> "QueueServiceClient":
        # imported here: it is a thirtieth of the imports, and most events send nothing
        from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415

        options = {"transport": over or transport(), **ONCE}
        if credential is not None and not connection_string:
            return QueueServiceClient(endpoint, credential=credential, **options)
        try:
            return QueueServiceClient.from_connection_string(connection_string, **options)
        except ValueError as error:
            raise bad_connection_string() from error

    return StorageQueues(service, names)


class StorageQueues:
    """Sends messages; creates a queue that is missing.

    Args:
        connect: makes the client of the account, at the first message.
        names: other names than `reconcile` and `notices`, by those.
    """

    def __init__(self, connect: Callable[[], "QueueServiceClient"], names: Mapping[str, str] | None = None) -> None:
        self._connect = connect
        self._names = {"reconcile": "reconcile", "notices": "notices", **(names or {})}

    @cached_property
    def _service(self) -> "QueueServiceClient":
        return self._connect()

    @cached_property
    def _queues(self) -> "Mapping[str, QueueClient]":
        from azure.storage.queue import TextBase64EncodePolicy  # noqa: PLC0415 - see connect

        encode = TextBase64EncodePolicy()
        return {
            name: self._service.get_queue_client(queue, message_encode_policy=encode)
            for name, queue in self._names.items()
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, where there are any."""
        if "_service" in self.__dict__:
            await self._service.close()

    async def send(self, queue: str, body: Mapping[str, Any], delay: float = 0.0) -> None:
        """Put a message on a queue, to be seen after `delay` seconds, at most seven days. It never expires.

        A message can arrive twice where a connection broke; both have the same id.

        Raises Retryable, Misconfigured (such as bad-connection-string), or Permanent (message-too-large) beyond 48 KiB
        of JSON.
        """
        wait = min(max(0, round(delay)), LONGEST_DELAY)
        if woken_by := correlation():
            body = {CORRELATION: woken_by, **body}  # what follows from it is logged under the same id
        if wait:
            body = {**body, DUE: (datetime.now(UTC) + timedelta(seconds=wait)).isoformat(timespec="seconds")}
        # ensure_ascii would double other alphabets; a lone surrogate becomes its JSON escape
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode(
            "utf-8", "backslashreplace"
        )
        subject = str(body.get("id", queue))
        if len(raw) > LARGEST_BODY:
            raise Permanent(
                f"a message of {len(raw)} bytes does not fit on a queue, which takes {LARGEST_BODY}",
                code="message-too-large",
                subject=subject,
                remedy="Shorten what it quotes",
            )
        client, text = self._queues[queue], raw.decode()
        with translated("queue", subject):
            try:
                await client.send_message(text, visibility_timeout=wait, time_to_live=-1)
            except ResourceNotFoundError as error:
                if not code_of(error):  # somebody else's
                    raise
                with suppress(ResourceExistsError):  # another worker was faster
                    await client.create_queue()
                await client.send_message(text, visibility_timeout=wait, time_to_live=-1)
