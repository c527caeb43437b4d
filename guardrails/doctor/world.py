"""What checks look at the world with: the service as it runs, and what only they need."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from guardrails.azure.estate import Estate
from guardrails.azure.identity import Pause, credential, endpoint_of
from guardrails.channels.destination import Destination
from guardrails.channels.egress_guard import Bounds, read_hosts
from guardrails.channels.routes import destinations
from guardrails.dataclass import dataclass
from guardrails.doctor.app import FunctionApp
from guardrails.doctor.model import Finding, unknown
from guardrails.errors import Misconfigured
from guardrails.exemption.facts import Unread
from guardrails.ports import Clock
from guardrails.register.probe import Probe
from guardrails.ruleset.model import Mode, Ruleset
from guardrails.runtime.settings import Settings
from guardrails.wiring import Service, SystemClock, connect

type Rows = Sequence[Mapping[str, Any]]

LATE: Final = Unread("there was no time left to check")

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


@dataclass(frozen=True, slots=True)
class World:
    """What checks have.

    Attributes:
        environ: the app settings, as they came.
        storage: who uses the storage account; None where a connection string does.
        app: the function app that events must go to; None where that is not known.
        send: whether test notices are to be sent.
        until: when answers are no longer waited for, in the event loop's seconds.
    """

    environ: Mapping[str, str]
    service: Service
    estate: Estate
    probe: Probe
    clock: Clock
    storage: "AsyncTokenCredential | None"
    app: FunctionApp | None
    send: bool
    until: float

    @property
    def settings(self) -> Settings:
        """The settings, read."""
        return self.service.settings

    @property
    def hosted(self) -> bool:
        """Whether this is the function app itself, with its own settings and identity."""
        return endpoint_of(self.environ) is not None

    @property
    def bounds(self) -> Bounds:
        """Where notices may go."""
        return Bounds(read_hosts(self.settings.allowed_hosts), self.settings.allow_loopback.lower() == "true")

    def ruleset(self) -> Ruleset | None:
        """Return the ruleset in force; None where it is broken, which is a check of its own."""
        try:
            return self.service.ruleset()
        except Misconfigured:
            return None

    def mode(self, ruleset: Ruleset) -> Mode:
        """Return the mode in force."""
        return ruleset.mode_in_force(audit_only=self.settings.audit_only)

    def destinations(self) -> Mapping[str, Destination]:
        """Return where the routes lead. Raises Misconfigured where the ruleset is broken."""
        return destinations(self.service.routes(), self.environ)

    async def asked_of(
        self, scopes: Iterable[str], ask: Callable[[str], Awaitable[Rows | Unread]], check: str
    ) -> tuple[dict[str, Rows | Unread], list[Finding]]:
        """Ask of each scope at once; return the answers, and one finding for all that there was no time for."""
        asked = await self.each(scopes, ask)
        late = [scope for scope, answer in asked.items() if answer is LATE]
        answers = {scope: answer for scope, answer in asked.items() if answer is not LATE}
        if not late:
            return answers, []
        seen = f"{len(late)} of {len(asked)} scopes were not checked in time, for example {late[0]}"
        return answers, [unknown(seen, f"Run this check alone: --only {check}")]

    async def each[K, V](self, keys: Iterable[K], ask: Callable[[K], Awaitable[V]]) -> dict[K, V | Unread]:
        """Ask of each key at once; what has not answered by `until` is LATE."""
        tasks = {key: asyncio.ensure_future(ask(key)) for key in keys}
        try:
            if tasks:
                left = self.until - asyncio.get_running_loop().time()
                await asyncio.wait(tasks.values(), timeout=max(left, 0.0))
            return {key: task.result() if task.done() else LATE for key, task in tasks.items()}
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


@asynccontextmanager
async def connected(
    environ: Mapping[str, str], clock: Clock | None, *, send: bool, app: FunctionApp | None, seconds: float
) -> AsyncIterator[World]:
    """Connect what the settings describe, and close it. Raises Misconfigured where they have mistakes."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as closing:
        service = connect(environ, clock)
        closing.push_async_callback(service.close)
        settings = service.settings
        pause = Pause()
        identity = credential(settings.client_id, pause)
        closing.push_async_callback(identity.close)
        storage = None if settings.storage else credential(settings.storage_client_id, pause)
        if storage:
            closing.push_async_callback(storage.close)
        scopes = settings.listed_scopes
        estate = Estate(
            settings.arm_endpoint,
            identity,
            clock,
            scopes=scopes,
            audience=settings.arm_audience,
            policy_version=settings.policy_version,
        )
        closing.push_async_callback(estate.close)
        probe = Probe.connect(
            settings.table,
            connection_string=settings.storage,
            table_endpoint=settings.table_endpoint,
            queue_endpoint=settings.queue_endpoint,
            credential=storage,
        )
        closing.push_async_callback(probe.close)
        until = asyncio.get_running_loop().time() + seconds
        app = app or FunctionApp.running(environ)
        yield World(environ, service, estate, probe, clock, storage, app, send, until)
