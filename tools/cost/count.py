"""Count what the service asks of Azure, by doing the real thing in the sandbox: `python -m tools.cost count`.

Everything is real but the clouds behind it: the functions' own code, the Azure SDKs, Azurite, the ARM stand-in over
HTTP. Requests are counted by the transports, log lines by a handler, rows by reading the table.
"""

import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from azure.data.tables.aio import TableClient
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

import function_app
from guardrails.register import account, queues
from guardrails.runtime.telemetry import correlated, origin, queue_age
from guardrails.wiring import Service, connect
from sandbox import tenant
from sandbox.stack import Sandbox
from sandbox.tenant import APPROVAL, PIPELINE, exemption_id, furnish, in_days, send, waiver
from tests import bench_sweep
from tests.recorder import Recorder

SIZES: Final = (1_000, 10_000, 100_000)
_EVENT: Final = json.loads((Path(__file__).parents[2] / "tests" / "events" / "write.json").read_text())
_NO_TICKET: Final = {key: value for key, value in APPROVAL.items() if key != "approvalTicket"}


class Lines(logging.Handler):
    """Counts what the service logs, at the level that Azure gets."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines = self.bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        self.lines += 1
        self.bytes += len(record.getMessage().encode())


class Counter:
    """The service in this process, and what each thing that it does costs."""

    def __init__(self, sandbox: Sandbox, service: Service, table: Recorder, queue: Recorder, lines: Lines) -> None:
        self._sandbox = sandbox
        self._service = service
        self._table = table
        self._queue = queue
        self._lines = lines
        self.counts: dict[str, dict[str, int]] = {}

    async def count(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do something, and keep the requests and log lines that it took under a name."""
        await self._sandbox.control("DELETE", "counters")
        self._table.take()
        self._queue.take()
        self._lines.lines = self._lines.bytes = 0
        await work()
        arm = await self._sandbox.control("GET", "counters")
        self.counts[name] = {
            "arm": sum(arm.values()),
            "table": sum(self._table.take()),
            "queue": sum(self._queue.take()),
            "log_lines": self._lines.lines,
            "log_bytes": self._lines.bytes,
        }

    async def write(self, path: str, **changes: Any) -> None:
        """Write an exemption as a pipeline does; its event is given to the function apart."""
        await send(self._sandbox, PIPELINE, "PUT", path, waiver(**{"expiresOn": in_days(90), **changes}))

    async def deliver(self) -> None:
        """Work off one message of the notices queue, as its function does."""
        connection, decode = self._sandbox.azurite.connection_string, TextBase64DecodePolicy()
        async with QueueClient.from_connection_string(connection, "notices", message_decode_policy=decode) as queue:
            message = await queue.receive_message()
            if message is None:
                raise RuntimeError("there is no notice to deliver")
            await queue.delete_message(message)
        text = str(message.content)

        async def work() -> None:
            with correlated(origin(text)):
                queue_age("notices", text, datetime.now(UTC))
                if not await self._service.intake.deliver(text):
                    raise RuntimeError("the notice was not delivered")

        await self.count("notice", work)


def event(path: str, operation: str = "Microsoft.Authorization/policyExemptions/write") -> str:
    """Return an event about something that was written."""
    data = {**_EVENT["data"], "resourceUri": path, "operationName": operation}
    return json.dumps({**_EVENT, "subject": path, "data": data})


async def triggers() -> dict[str, Any]:
    """Count what each trigger costs, and the bytes that an exemption takes in the register."""
    table, queue, lines = Recorder(), Recorder(), Lines()
    log = logging.getLogger("guardrails")
    async with AsyncExitStack() as closing:
        sandbox = await closing.enter_async_context(Sandbox())
        await furnish(sandbox)
        await sandbox.control("PUT", "event-subscriptions", [])
        await sandbox.stop_functions()
        closing.enter_context(patch.dict(os.environ, sandbox.environment))
        closing.enter_context(patch.object(account, "transport", lambda: table))
        closing.enter_context(patch.object(queues, "transport", lambda: queue))
        service = connect()
        closing.push_async_callback(service.close)
        closing.enter_context(patch.object(function_app, "_intake", service.intake))
        log.addHandler(lines)
        closing.callback(log.removeHandler, lines)
        closing.callback(log.setLevel, log.level)
        log.setLevel(logging.INFO)
        counter = Counter(sandbox, service, table, queue, lines)
        await _do(counter, service)
        rows = await _rows(sandbox.azurite.connection_string, "state", "history")
        for _ in range(3):
            await service.intake.sweep()
        rows |= await _rows(sandbox.azurite.connection_string, "run")
    return {"triggers": counter.counts, "bytes": rows}


async def _do(counter: Counter, service: Service) -> None:
    warm, path = exemption_id(tenant.RESOURCE, "warm"), exemption_id(tenant.RESOURCE, "counted")
    await counter.write(warm)
    await _written(event(warm))
    await counter.write(path)
    await counter.count("new", lambda: _written(event(path)))
    await counter.count("again", lambda: _written(event(path)))
    await counter.write(path, description="The vendor cannot do private endpoints before its spring release.")
    await counter.count("edited", lambda: _written(event(path)))
    await counter.count("queued", lambda: service.intake.message(json.dumps({"id": path})))
    await counter.write(path, metadata=_NO_TICKET, expiresOn=None)
    await counter.count("reverted", lambda: _written(event(path)))
    await counter.deliver()
    group = event(tenant.GROUP, "Microsoft.Resources/subscriptions/resourceGroups/write")
    await counter.count("target", lambda: _target(group))


async def _written(raw: str) -> None:
    """Do what on_exemption_written does."""
    await function_app.on_exemption_written.build().get_user_function()(raw)


async def _target(raw: str) -> None:
    """Do what on_scope_changed does."""
    await function_app.on_scope_changed.build().get_user_function()(raw)


async def _rows(connection: str, *kinds: str) -> dict[str, float]:
    """Return the bytes of rows of some kinds, as Azure counts them: a mean of all that are there."""
    sizes: dict[str, list[int]] = {kind: [] for kind in kinds}
    async with TableClient.from_connection_string(connection, "guardrails") as table:
        async for row in table.list_entities():
            kind = row["RowKey"].partition("~")[0]
            if kind in sizes:
                sizes[kind].append(size_of(row))
    return {kind: round(sum(found) / len(found)) for kind, found in sizes.items()}


def size_of(row: Mapping[str, Any]) -> int:
    """Return the bytes that a row takes (Microsoft Learn, "Understanding the Table service data model").

    4 bytes, the keys as UTF-16, and for each property 8 bytes, its name as UTF-16, and its value: a text as UTF-16 and
    4 bytes, bytes and 4, a number 4.
    """
    keys = 2 * len(row["PartitionKey"] + row["RowKey"])
    own = {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")}
    return 4 + keys + sum(8 + 2 * len(name) + _value(value) for name, value in own.items())


def _value(value: object) -> int:
    match value:
        case str():
            return 2 * len(value) + 4
        case bytes():
            return len(value) + 4
        case _:
            return 4


async def sweeps(size: int) -> dict[str, float]:
    """Return what an unchanged sweep of a tenant of `size` exemptions takes."""
    found = (await bench_sweep.measure(size))["unchanged"]
    return {
        "arm": found["requests"],
        "table": found["table_reads"] + found["table_writes"],
        "queue": found["queue_writes"],
        "seconds": round(found["seconds"], 1),
    }


async def everything(sizes: list[int], before: dict[str, Any]) -> dict[str, Any]:
    """Count all; sweeps of other sizes are taken over from the last time."""
    found = await triggers()
    counted = {str(size): await sweeps(size) for size in sizes}
    return {"counted": f"{datetime.now(UTC):%Y-%m-%d}", **found, "sweeps": {**before.get("sweeps", {}), **counted}}
