"""Wiring: the adapters, put behind the ports. The one place that knows them all; imports them at first use only."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from guardrails.azure.arm import ArmRest
from guardrails.azure.identity import credential
from guardrails.errors import Misconfigured
from guardrails.intake import Intake
from guardrails.notify.channels import HttpChannels
from guardrails.notify.destination import Destination
from guardrails.notify.routes import destinations
from guardrails.ports import Clock
from guardrails.reconcile import Reconciler
from guardrails.register import queues, table_register
from guardrails.register.table_register import TableRegister
from guardrails.ruleset import DEFAULT_PATH, Route, Ruleset, load_ruleset
from guardrails.settings import Settings
from guardrails.visit import World

FALLBACK = Route("guardrails-fallback", "teams", "GUARDRAILS_ALERT_TEAMS_URL")
"""Where the service's own troubles go while the ruleset cannot name a route."""

_RECHECK = timedelta(seconds=15)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time, UTC."""
        return datetime.now(UTC)


class RulesetFile:
    """The ruleset in force: read again when its file changes, looked at every 15 seconds at most."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._checked: datetime | None = None
        self._stamp: tuple[int, int] | None = None
        self._read: Ruleset | Misconfigured | None = None

    def __call__(self) -> Ruleset:
        """Return it. Raises Misconfigured while the file is broken, missing or half-written."""
        now = self._clock.now()
        if self._checked is None or now - self._checked >= _RECHECK:
            self._checked, stamp = now, self._stamp_now()
            if stamp is None or stamp != self._stamp:
                self._stamp, self._read = stamp, self._load()
        if self._read is None:
            self._read = self._load()
        if isinstance(self._read, Misconfigured):
            raise self._read.with_traceback(None)
        return self._read

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def _load(self) -> Ruleset | Misconfigured:
        try:
            return load_ruleset(self._path)
        except Misconfigured as error:
            return error


class Destinations(Mapping[str, Destination]):
    """Where each route of the ruleset in force leads, by the settings that it names; the fallback always among them."""

    def __init__(self, ruleset: RulesetFile, environ: Mapping[str, str]) -> None:
        self._ruleset = ruleset
        self._environ = environ

    def _now(self) -> dict[str, Destination]:
        try:
            routes = (*self._ruleset().routes, FALLBACK)
        except Misconfigured:
            routes = (FALLBACK,)
        return destinations(routes, self._environ)

    def __getitem__(self, route: str) -> Destination:
        return self._now()[route]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


@dataclass(frozen=True, slots=True)
class Service:
    """Everything, connected. `close` it when done."""

    settings: Settings
    world: World
    register: TableRegister
    reconciler: Reconciler
    intake: Intake
    ruleset: RulesetFile
    _closing: AsyncExitStack

    async def close(self) -> None:
        """Close every connection."""
        await self._closing.aclose()


def connect(environ: Mapping[str, str] | None = None, clock: Clock | None = None) -> Service:
    """Return the service as the app settings describe it. Opens no connection yet. Raises Misconfigured."""
    environ = os.environ if environ is None else environ
    clock = clock or SystemClock()
    settings = Settings.read(environ)
    ruleset = RulesetFile(Path(settings.ruleset) if settings.ruleset else DEFAULT_PATH, clock)
    identity = credential(settings.client_id)
    account = settings.storage_account
    storage = None if settings.storage else credential(settings.storage_client_id)
    register = table_register.connect(
        clock=clock,
        connection_string=settings.storage,
        endpoint=settings.table_uri or f"https://{account}.table.core.windows.net",
        credential=storage,
        table=settings.table,
    )
    outward = queues.connect(
        connection_string=settings.storage,
        endpoint=settings.queue_uri or f"https://{account}.queue.core.windows.net",
        credential=storage,
    )
    arm = ArmRest(
        settings.arm_endpoint,
        identity,
        clock,
        facts_lifetime=timedelta(minutes=float(settings.facts_minutes)),
        version=settings.exemptions_version,
        audience=settings.arm_audience,
    )
    channels = HttpChannels(
        Destinations(ruleset, environ),
        clock,
        allow_loopback=settings.allow_loopback.lower() == "true",
        portal=settings.portal,
    )
    closing = AsyncExitStack()
    for part in (arm, register, outward, channels, identity, *((storage,) if storage else ())):
        closing.push_async_callback(part.close)
    world = World(arm, register, outward, clock)
    reconciler = Reconciler(world, ruleset, audit_only=settings.mode == "audit")
    fallback = (FALLBACK,) if settings.alert_address else ()
    budget = float(settings.budget_seconds)
    intake = Intake(reconciler, world, channels, ruleset, fallback=fallback, budget=budget)
    return Service(settings, world, register, reconciler, intake, ruleset, closing)
