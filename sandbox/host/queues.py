"""Queue triggers: polling, dequeue counts and poison queues, as the storage extension of the real host does them.

The order of things follows QueueProcessor of Microsoft.Azure.WebJobs.Extensions.Storage.Queues: success deletes the
message; a failure below `maxDequeueCount` makes it visible again after `visibilityTimeout`; at `maxDequeueCount` its
body is copied unchanged to `<queue>-poison` and the message deleted. A poison queue has none of its own: what fails
there stays hidden until its lease ends, and after `maxDequeueCount` times it is run no more, and stays.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
from datetime import datetime

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient
from azure_functions_runtime.bindings.datumdef import Datum

from sandbox.host.settings import HostError, QueueOptions, connection_string, resolve
from sandbox.host.worker import Function, Worker

log = logging.getLogger("sandbox.host")

_POISON = "-poison"
FIRST_WAIT = 0.05  # seconds between polls of a queue that was just busy


class QueueListener:
    """Feeds one function from its queue. `lease`: seconds that a message stays hidden while its function runs.

    Raises:
        HostError: the queue name or the connection names a missing app setting.
    """

    def __init__(self, worker: Worker, function: Function, options: QueueOptions, lease: int) -> None:
        self.worker = worker
        self.function = function
        self.options = options
        self.lease = lease
        self.queue_name = resolve(str(function.trigger["queueName"])).lower()
        self._connection = connection_string(str(function.trigger.get("connection", "")))
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._poison: QueueClient | None = None
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        """Connect, and create the queue if it is missing.

        Raises:
            HostError: the connection string is wrong, storage does not answer or refuses the queue's name.
        """
        try:
            self._queue = await self._client(self.queue_name)
            if not self.queue_name.endswith(_POISON):
                self._poison = await self._client(f"{self.queue_name}{_POISON}")
            await _create(self._queue)
        except (AzureError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error).partition("\n")[0]
            raise HostError(f"{self.function.name}: cannot open the queue {self.queue_name!r}: {reason}") from error

    def stop(self) -> None:
        """Let `run` end after the batch that it may be fetching."""
        self._stopping.set()

    async def close(self, seconds: float) -> None:
        """Give running messages some seconds to finish, then close the connections."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        await self._stack.aclose()

    async def run(self) -> None:
        """Poll until stopped."""
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            got = 0
            try:
                got = await self._fetch()
            except AzureError as error:  # storage restarts, or somebody deleted the queue: look again later
                log.warning("queue %s: %s", self.queue_name, error)
                if isinstance(error, ResourceNotFoundError):
                    await _create(self._queue)
            wait = FIRST_WAIT if got else min(wait * 2, max(self.options.max_polling_interval, FIRST_WAIT))
            if len(self._running) > self.options.new_batch_threshold:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            elif not got:
                await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _fetch(self) -> int:
        """Start the functions for one batch of messages; how many."""
        count = 0
        batch = self._queue.receive_messages(
            max_messages=self.options.batch_size,
            messages_per_page=self.options.batch_size,
            visibility_timeout=self.lease,
        )
        async for message in batch:
            task = asyncio.create_task(self._process(message))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            count += 1
        return count

    async def _process(self, message: QueueMessage) -> None:
        try:
            if (message.dequeue_count or 0) > self.options.max_dequeue_count:
                await self._to_poison(message)
            elif await self._run(message):
                await self._queue.delete_message(message)
            elif (message.dequeue_count or 0) >= self.options.max_dequeue_count:
                await self._to_poison(message)
            elif self._poison is not None:
                await self._queue.update_message(message, visibility_timeout=int(self.options.visibility_timeout))
        except ResourceNotFoundError:
            log.info("queue %s: message %s is gone or was taken over", self.queue_name, message.id)
        except AzureError as error:
            # It stays hidden until its lease ends, then comes again with a higher count.
            log.warning("queue %s: message %s: %s", self.queue_name, message.id, error)

    async def _run(self, message: QueueMessage) -> bool:
        try:
            text = base64.b64decode(message.content, validate=True).decode() if self.options.base64 else message.content
        except (binascii.Error, UnicodeDecodeError) as error:
            log.error("queue %s: message %s is not base64 of UTF-8 text: %s", self.queue_name, message.id, error)  # noqa: TRY400 - the trace says no more
            return False
        outcome = await self.worker.invoke(self.function, Datum(type="string", value=text), _metadata(message, text))
        return outcome.ok

    async def _to_poison(self, message: QueueMessage) -> None:
        if self._poison is None:
            return
        log.warning("queue %s: message %s goes to %s", self.queue_name, message.id, self._poison.queue_name)
        try:
            await self._poison.send_message(message.content)
        except ResourceNotFoundError:
            await _create(self._poison)
            await self._poison.send_message(message.content)
        await self._queue.delete_message(message)

    async def _client(self, name: str) -> QueueClient:
        # No encode policy: bodies must be moved to the poison queue as they are.
        over = AioHttpTransport(use_env_settings=False)  # aiohttp would read ~/.netrc at every poll
        client = QueueClient.from_connection_string(self._connection, name, transport=over)
        return await self._stack.enter_async_context(client)


async def _create(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        log.debug("queue %s exists", queue.queue_name)


def _metadata(message: QueueMessage, text: str) -> dict[str, Datum]:
    def time(moment: datetime | None) -> Datum:
        return Datum(type="json", value=json.dumps(moment.isoformat() if moment else None))

    return {
        "QueueTrigger": Datum(type="string", value=text),
        "DequeueCount": Datum(type="json", value=str(message.dequeue_count or 0)),
        "ExpirationTime": time(message.expires_on),
        "Id": Datum(type="string", value=message.id),
        "InsertionTime": time(message.inserted_on),
        "NextVisibleTime": time(message.next_visible_on),
        "PopReceipt": Datum(type="string", value=message.pop_receipt),
    }
