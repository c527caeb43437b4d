"""Wiring: the adapters, put behind the ports. The one place that knows them all; imports them at first use only."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.azure.arm import ArmRest
from guardrails.azure.deletions import Deletions
from guardrails.azure.identity import Pause, credential
from guardrails.channels.destination import Destination
from guardrails.channels.egress_guard import Bounds, read_hosts
from guardrails.channels.routes import destinations
from guardrails.criteria.table import load_table
from guardrails.criteria.weakened import Criteria, own_criteria
from guardrails.dataclass import dataclass
from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.errors import Misconfigured
from guardrails.intake import Intake
from guardrails.notices.notice import Notice
from guardrails.notices.routing import Route
from guardrails.ports import Clock
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import World
from guardrails.register import queues, table_register
from guardrails.register.table_register import TableRegister
from guardrails.ruleset.model import DEFAULT_PATH, Ruleset, load_ruleset
from guardrails.runtime.settings import Settings
from guardrails.sweep.in_force import InForce
from guardrails.sweep.second_clock import SecondClock

if TYPE_CHECKING:
    from guardrails.delivery.deliver import Courier
    from guardrails.sweep.sweep import Sweeper

log = logging.getLogger("guardrails")

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
            ruleset = load_ruleset(self._path)
        except Misconfigured as error:
            return error
        for one in (*ruleset.warnings, *ruleset.ended(self._clock.now()), *ruleset.gaps):
            log.warning("%s", one)
        return ruleset


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
    sweeper: "Callable[[], Sweeper]"
    intake: Intake
    courier: "Callable[[], Courier]"
    ruleset: RulesetFile
    _places: Destinations
    _bounds: Bounds
    _closing: AsyncExitStack

    def routes(self) -> tuple[Route, ...]:
        """Return the ruleset's routes, and the fallback where it has an address. Raises Misconfigured."""
        return (*self.ruleset().routes, *((FALLBACK,) if self.settings.alert_address else ()))

    def problems(self) -> dict[str, str]:
        """Return what is wrong with the settings of routes, by route; no value is in it. Raises Misconfigured."""
        found = {route.name: self._places[route.name].problem(self._bounds) for route in self.routes()}
        return {route: problem for route, problem in found.items() if problem}

    def log_problems(self) -> None:
        """Say in the log what keeps routes from delivering: at start, before a notice needs them."""
        try:
            for problem in self.problems().values():
                log.error("%s", problem)
        except Misconfigured as error:
            log.error("%s", error)  # noqa: TRY400 - what is wrong is in it; where it was found is of no use

    async def close(self) -> None:
        """Close every connection."""
        await self._closing.aclose()


def connect(environ: Mapping[str, str] | None = None, clock: Clock | None = None) -> Service:
    """Return the service as the app settings describe it. Opens no connection yet. Raises Misconfigured."""
    environ = os.environ if environ is None else environ
    clock = clock or SystemClock()
    settings = Settings.read(environ)
    ruleset = RulesetFile(Path(settings.ruleset) if settings.ruleset else DEFAULT_PATH, clock)
    pause = Pause()
    identity = credential(settings.client_id, pause)
    storage = None if settings.storage else credential(settings.storage_client_id, pause)
    register = table_register.connect(
        clock=clock,
        connection_string=settings.storage,
        endpoint=settings.table_endpoint,
        credential=storage,
        table=settings.table,
    )
    outward = queues.connect(connection_string=settings.storage, endpoint=settings.queue_endpoint, credential=storage)
    arm = ArmRest(
        settings.arm_endpoint,
        identity,
        clock,
        facts_lifetime=timedelta(minutes=float(settings.cache_minutes)),
        version=settings.exemptions_version,
        policy_version=settings.policy_version,
        audience=settings.arm_audience,
        change_reference=settings.change_reference,
    )
    deletions = Deletions(settings.arm_endpoint, identity, audience=settings.arm_audience)
    places = Destinations(ruleset, environ)
    bounds = Bounds(read_hosts(settings.allowed_hosts), settings.allow_loopback.lower() == "true")
    closing = AsyncExitStack()
    for part in (arm, deletions, register, outward, identity, *((storage,) if storage else ())):
        closing.push_async_callback(part.close)
    criteria = Criteria(load_table(Path(settings.criteria))) if settings.criteria else own_criteria()
    world = World(arm, register, outward, clock, deletions, criteria)
    reconciler = Reconciler(world, ruleset, audit_only=settings.audit_only)
    in_force = InForce(ruleset, register.record, clock, audit_only=settings.audit_only)
    fallback = (FALLBACK,) if settings.alert_address else ()
    dead_letters = DeadLetterQueue(register, outward, clock, ruleset, fallback)
    second_clock = SecondClock(register.sweeps, outward, clock, settings.sweep_period)

    @cache
    def courier() -> "Courier":
        from guardrails.channels.channels import HttpChannels  # noqa: PLC0415 - most events need none of these
        from guardrails.delivery.deliver import Courier  # noqa: PLC0415

        channels = HttpChannels(
            places,
            clock,
            credential=identity,
            allow_loopback=bounds.loopback,
            allowed_hosts=bounds.hosts,
            portal=settings.portal,
            mentions=lambda notice: _mentions(ruleset, notice),
        )
        closing.push_async_callback(channels.close)
        return Courier(
            channels,
            queues=outward,
            clock=clock,
            rate_limits=register.rate_limits,
            digest_items=register.digest_items,
            dead_letters=dead_letters,
            ruleset=ruleset,
        )

    @cache
    def sweeper() -> "Sweeper":
        from guardrails.azure.graph import Graph  # noqa: PLC0415 - most events need none of these
        from guardrails.sweep.sweep import Sweeper  # noqa: PLC0415

        scopes, audience = settings.listed_scopes, settings.arm_audience
        inventory = Graph(settings.arm_endpoint, identity, clock, scopes=scopes, audience=audience)
        closing.push_async_callback(inventory.close)
        return Sweeper(
            world,
            inventory,
            register.sweeps,
            in_force,
            dead_letters.notify,
            bypasses=register.bypasses,
            record=register.record,
            months=settings.kept_months,
            late=second_clock.late,
            parts=register.parts,
        )

    budget = float(settings.budget_seconds)
    intake = Intake(
        reconciler, world, dead_letters, courier, sweeper, in_force=in_force, second_clock=second_clock, budget=budget
    )
    return Service(settings, world, register, reconciler, sweeper, intake, courier, ruleset, places, bounds, closing)


def _mentions(ruleset: RulesetFile, notice: Notice) -> Sequence[tuple[str, str]]:
    """Return whom a card addresses; nobody while the ruleset is broken."""
    try:
        return ruleset().mentions_for(notice)
    except Misconfigured:
        return ()
