"""One whole sandbox for all tests here, talked to over HTTP, as Azure is: in this process, or in its own processes."""

import asyncio
import hashlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from guardrails.decisions.history import DeadLetter, HistoryEntry
from guardrails.decisions.row import Status, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register import table_register
from guardrails.register.table_register import TableRegister
from guardrails.wiring import SystemClock
from sandbox import stack, tenant
from sandbox.stack import Sandbox
from sandbox.tenant import ALICE, PIPELINE, Actor, exemption_id, furnish, in_days, send, waiver
from tests.end_to_end.here import Here
from tests.patience import PATIENCE
from tests.storage import Account

CANARY = "canary7f3a"
GOOD: dict[str, Any] = {"expiresOn": in_days(120)}
SETTINGS = {
    "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00",
    "GUARDRAILS_ACTIVITY_HUB": "activity",  # no hub is there: tests hand the function its messages
    "GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace": "activity.invalid",
}


@dataclass
class Site:
    """The sandbox, and what people do and see in it."""

    sandbox: Sandbox
    register: TableRegister
    log: Path

    async def put(self, path: str, actor: Actor = PIPELINE, **changes: Any) -> None:
        """Write the compliant waiver, changed, as somebody."""
        status, body = await send(self.sandbox, actor, "PUT", path, waiver(**changes))
        assert status in (200, 201), body

    async def delete(self, path: str) -> None:
        status, _ = await send(self.sandbox, ALICE, "DELETE", path)
        assert status in (200, 204)

    async def body(self, path: str) -> Any:
        """The exemption as ARM has it; None where it has none."""
        status, body = await send(self.sandbox, ALICE, "GET", path)
        return body if status == 200 else None

    async def settled(self, path: str, status: Status, event: str = "") -> tuple[Stored, list[HistoryEntry]]:
        """Wait until the register has this status, and this event as its last, and nothing is under way."""
        identity = ExemptionId.parse(path)

        async def look() -> tuple[Stored, list[HistoryEntry]] | None:
            found = await self.register.read(identity)
            if not found or found.row.status is not status or found.row.intent or found.row.outbox:
                return None
            history = await self.register.history(identity)
            return (found, history) if not event or history[-1].event == event else None

        return await until(look, f"{path} is not {status} {event}")

    async def notices(self, channel: str = "webhook") -> list[dict[str, Any]]:
        """What the sink took, as it came."""
        found = await self.sandbox.control("GET", "received", part="sink")
        return [one for one in found if one["channel"] == channel and 200 <= one["status"] < 300]

    async def about(self, path: str, kind: str = "") -> list[dict[str, Any]]:
        """Wait for signed notices about an exemption, of one kind; return them."""

        async def look() -> list[dict[str, Any]]:
            every = [json.loads(one["body"])["data"] for one in await self.notices()]
            mine = [one for one in every if one["exemption"].get("id") == path]
            return [one for one in mine if not kind or one["kind"] == kind]

        return await until(look, f"there is no notice about {path} {kind}")

    async def dead_letter(self, wanted: Callable[[DeadLetter], bool]) -> DeadLetter:
        """Wait for a dead letter."""

        async def look() -> DeadLetter | None:
            return next((one for one in await self.register.dead_letters() if wanted(one)), None)

        return await until(look, "there is no such dead letter")

    async def event(self, body: Any, function: str = "on_exemption_written") -> int:
        """Send the functions a delivery as Event Grid would; return the status."""
        hook = f"{self.sandbox.addresses['functions']}/runtime/webhooks/EventGrid?functionName={function}"
        async with self.sandbox.http.post(hook, json=body, headers={"aeg-event-type": "Notification"}) as answer:
            return answer.status

    async def invoke(self, function: str, text: str) -> None:
        """Have the host run a function once, with this payload."""
        address = f"{self.sandbox.addresses['functions']}/admin/functions/{function}"
        async with self.sandbox.http.post(address, json={"input": text}) as answer:
            assert answer.status == 202

    async def facts(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The facts in the log of the functions with this name and these fields."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        found = [json.loads(line[line.index("{") :]) for line in lines if f'{{"event": "{event}"' in line]
        return [one for one in found if fields.items() <= one.items()]

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Have delayed messages come back ten times sooner, where storage lets itself be hurried."""
        storage = self.sandbox.storage if isinstance(self.sandbox, Here) else Account()
        storage.haste = 10.0
        yield
        storage.haste = 1.0

    async def enqueue(self, queue: str, text: str) -> None:
        connection, encode = self.sandbox.connection_string, TextBase64EncodePolicy()
        async with QueueClient.from_connection_string(connection, queue, message_encode_policy=encode) as client:
            await client.send_message(text)


async def until[T](look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Return the first thing that `look` finds; `what` is wrong while it finds nothing."""
    end = time.monotonic() + PATIENCE
    while not (found := await look()):
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)
    return found


KINDS: Mapping[str, type[Sandbox]] = {"here": Here, "processes": Sandbox}


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["here", pytest.param("processes", marks=pytest.mark.long)]
)
async def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The sandbox in this process, quick; then the real one: worker library, Azurite, a process for each part."""
    folder = tmp_path_factory.mktemp("sandbox")
    ruleset = Path(shutil.copy(stack.RULESET, folder / "ruleset.yaml"))
    log = folder / "functions.log"
    with pytest.MonkeyPatch.context() as patch:
        secret = f"/{CANARY}-workflow?sp=run&sig={CANARY}-signature"
        patch.setattr(stack, "ROUTES", {name: path + secret for name, path in stack.ROUTES.items()})
        async with KINDS[request.param](ruleset, settings=SETTINGS, log=log) as running:
            with settings_of(running):
                await furnish(running)
            connection = running.connection_string
            async with table_register.connect(clock=SystemClock(), connection_string=connection) as register:
                yield Site(running, register, log)


def settings_of(sandbox: Sandbox) -> AbstractContextManager[None]:
    """Give this process the app settings where the functions run in it."""
    return sandbox.in_force() if isinstance(sandbox, Here) else nullcontext()


@pytest_asyncio.fixture(loop_scope="session")
async def site(sandbox: Site) -> AsyncIterator[Site]:
    """The sandbox, put right again afterwards."""
    running = sandbox.sandbox
    with settings_of(running):
        yield sandbox
    await running.control("DELETE", "faults")
    await running.control("PUT", "eventgrid", {"duplicates": 1, "time_scale": 1.0})
    await running.control("POST", "eventgrid-resume")
    await running.control("POST", "fail", {"count": 0}, part="sink")


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """The id of an exemption that only this test writes."""
    return exemption_id(tenant.RESOURCE, f"e2e-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}")
