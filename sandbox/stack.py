"""The whole sandbox: Azurite, the stand-ins for ARM, Event Grid, identity and the sinks, and the functions host.

Each part is a process of its own, so that each can be measured, killed and talked to over HTTP alone.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp

from guardrails.exemption.targets import EVENT_TYPES, operations
from sandbox.azurite import Azurite

ROOT = Path(__file__).parent.parent
RULESET = Path(__file__).with_name("ruleset.yaml")
PATIENCE = 300.0
"""Seconds after which a part counts as hung: that does not start, or does not answer."""
ROUTES = {"TEAMS_WEBHOOK_URL": "/teams", "AUDIT_WEBHOOK_URL": "/webhook"}
WRITTEN, DELETED = EVENT_TYPES
EVENT_FUNCTIONS = {
    "on_exemption_written": ([WRITTEN], ["Microsoft.Authorization/policyExemptions/write"]),
    "on_exemption_deleted": ([DELETED], ["Microsoft.Authorization/policyExemptions/delete"]),
    "on_scope_changed": ([WRITTEN, DELETED], operations({"Microsoft.Storage/storageAccounts": 1})),
}
"""Function -> event types and operations that its event subscription lets through."""


class SandboxError(Exception):
    """A part of the sandbox did not start; the text says which, and what it printed."""


@dataclass(frozen=True, slots=True)
class App:
    """The function app that the host runs, and the Python that runs it.

    Attributes:
        folder: where function_app.py is.
        python: the interpreter.
        path: what its modules are looked for in, the host's own included; () for what is installed and this repository.
    """

    folder: Path = ROOT
    python: str = sys.executable
    path: tuple[Path, ...] = ()


class Sandbox:
    """Starts and stops everything. Use it as an async context manager.

    Args:
        ruleset: the ruleset that the service runs by.
        mode: `audit` to hold the service at audit; "" for what the ruleset says.
        settings: more app settings.
        schema: of the events: eventgrid or cloudevents.
        app: the function app to run, where it is not this repository's.
        log: a file for everything that the functions host logs; None: warnings, on our standard error.
    """

    def __init__(
        self,
        ruleset: Path = RULESET,
        *,
        mode: str = "",
        settings: dict[str, str] | None = None,
        schema: str = "eventgrid",
        app: App = App(),
        log: Path | None = None,
    ) -> None:
        self.app = app
        self.ruleset = ruleset
        self.mode = mode
        self.more = settings or {}
        self.schema = schema
        self.log = log
        self.azurite = Azurite()
        self.addresses: dict[str, Any] = {}
        self.ca = ""
        self.environment: dict[str, str] = {}
        self._stack = AsyncExitStack()
        self._host: Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        timeout, connector = aiohttp.ClientTimeout(total=PATIENCE), aiohttp.TCPConnector(limit=0)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(timeout=timeout, connector=connector)
        )
        self._know(await self._start_parts())
        await self.start_functions()
        self._stack.push_async_callback(self.stop_functions)

    async def _start_parts(self) -> dict[str, Any]:
        """Start storage and the cloud; return what the cloud says of itself."""
        cloud_starts = asyncio.ensure_future(_spawn("cloud", [sys.executable, "-m", "sandbox.cloud"], dict(os.environ)))
        await self._stack.enter_async_context(self.azurite)
        process, cloud = await cloud_starts
        self._stack.push_async_callback(_end, process)
        return cloud

    @property
    def connection_string(self) -> str:
        """Of the storage that all parts share."""
        return self.azurite.connection_string

    def _know(self, cloud: dict[str, Any]) -> None:
        """Set addresses, environment and the authority's certificate (PEM) by what the cloud says of itself."""
        sink = cloud["sink"]
        self.environment = {
            "AzureWebJobsStorage": self.connection_string,
            "GUARDRAILS_RULESET": str(self.ruleset),
            "GUARDRAILS_MODE": self.mode,
            "GUARDRAILS_ARM_ENDPOINT": cloud["arm"],
            "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com",
            "GUARDRAILS_ALLOW_LOOPBACK": "true",
            "GUARDRAILS_ALERT_TEAMS_URL": sink + "/teams",
            "GUARDRAILS_SWEEP_SCHEDULE": "0 0 0 29 2 *",  # when asked to: POST /admin/functions/sweep
            "GUARDRAILS_DOCTOR_AT_START": "false",  # the tenant is not furnished then
            "AUDIT_WEBHOOK_SECRET": cloud["webhook_secret"],
            "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.2",
            **{name: sink + path for name, path in ROUTES.items()},
            **cloud["environment"],
            **self.more,
        }
        self.ca = cloud["ca"]
        self.addresses = {
            "arm": cloud["arm"],
            "arm_tls": cloud["arm_tls"],
            "blob": self.azurite.blob,
            "queue": self.azurite.queue,
            "table": self.azurite.table,
            "identity": cloud["identity"],
            "sink": sink,
        }

    async def start_functions(self) -> None:
        """Start the functions host, and point Event Grid at it. Started again, it listens where it did."""
        known = self.addresses.get("functions", "")
        app, port = self.app, known.rpartition(":")[2] or "0"
        command = [app.python, "-m", "sandbox.host", "--app", str(app.folder), "--port", port]
        if self.log:
            command += ["--log-level", "DEBUG"]
        environment, folder = {**os.environ, **self.environment}, ROOT
        if app.path:  # nothing of this repository may be found by chance
            environment["PYTHONPATH"] = os.pathsep.join(map(str, app.path))
            folder = app.folder
        self._host, host = await _spawn("functions host", command, environment, self.log, folder)
        if known:
            return
        self.addresses["functions"] = host["address"]
        await self.subscribe(self.schema)

    async def subscribe(self, schema: str) -> None:
        """Point Event Grid at the functions, to send events in this schema."""
        hook = self.addresses["functions"] + "/runtime/webhooks/EventGrid?functionName="
        await self.control(
            "PUT",
            "event-subscriptions",
            [
                {
                    "name": name.replace("_", "-"),
                    "endpoint_url": hook + name,
                    "included_event_types": event_types,
                    "operation_names": wanted,
                    "schema": schema,
                }
                for name, (event_types, wanted) in EVENT_FUNCTIONS.items()
            ],
        )

    async def stop_functions(self, *, kill: bool = False) -> None:
        """Stop the functions host: politely, or as a crash does."""
        if self._host is not None:
            await _end(self._host, kill=kill)
            self._host = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """A session for talking to the parts."""
        if self._session is None:
            raise SandboxError("the sandbox is not running")
        return self._session

    async def control(self, method: str, name: str, body: Any = None, part: str = "arm") -> Any:
        """Call a stand-in's control API; see sandbox/arm/control.py and sandbox/sink.py. Raises SandboxError."""
        async with self.http.request(method, f"{self.addresses[part]}/_sandbox/{name}", json=body) as answer:
            found = await answer.json()
            if answer.status != 200:
                raise SandboxError(f"{method} {name}: {found}")
            return found

    async def sweep(self) -> None:
        """Have the functions sweep the tenant now, as their timer would, and wait for it. Raises SandboxError."""
        before = (await self.functions_status())["sweep"]
        async with self.http.post(self.addresses["functions"] + "/admin/functions/sweep", json={}) as answer:
            if answer.status != 202:
                raise SandboxError(f"the sweep was not begun: {answer.status}")
        while True:
            now = (await self.functions_status())["sweep"]
            if now["failures"] > before["failures"]:
                raise SandboxError("the sweep failed; see the log of the functions")
            if now["successes"] > before["successes"] and not now["running"]:
                return
            await asyncio.sleep(0.05)

    async def functions_status(self) -> dict[str, Any]:
        """Return the host's counters by function: invocations, successes, failures, running."""
        async with self.http.get(self.addresses["functions"] + "/admin/host/status") as answer:
            status: dict[str, Any] = await answer.json()
            return dict(status["functions"])


async def _spawn(
    name: str, command: list[str], environment: dict[str, str], log: Path | None = None, folder: Path = ROOT
) -> tuple[Process, dict[str, Any]]:
    """Start a part that prints one line of JSON when it is ready. Raises SandboxError."""
    with log.open("ab") if log else nullcontext() as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=errors, cwd=folder, env=environment, start_new_session=True, limit=1 << 20
        )
    try:
        if process.stdout is None:
            raise SandboxError(f"the {name} has no output")
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        return process, json.loads(line)
    except (TimeoutError, ValueError) as error:
        await _end(process, kill=True)
        raise SandboxError(f"the {name} did not start; see what it printed above") from error


async def _end(process: Process, *, kill: bool = False) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
