"""Azure around the workers: Resource Manager, Event Grid, the host of the functions, and what people do there.

All of it happens at once when it is called: nothing here waits but the workers.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from random import Random
from typing import Any, Final, NamedTuple

from guardrails.azure.events import Malformed, Scope, Wanted, read_event, read_scope_event
from guardrails.azure.rest import AGENT
from guardrails.decisions.parts import DEFAULT_SIZES, Sizes
from guardrails.errors import GuardrailsError, Misconfigured, defect
from guardrails.exemption.exemption_id import TYPE, ExemptionId
from guardrails.notices.digest import Kept
from guardrails.notices.notice import Notice
from guardrails.ports import Delivered, Delivery
from guardrails.ruleset.model import Ruleset
from guardrails.sweep.second_clock import KEY
from guardrails.wiring import Service
from sandbox import tenant
from sandbox.arm.faults import Fault as ArmFault
from sandbox.arm.reply import Operation, Reply, Request
from sandbox.arm.server import Arm
from sandbox.arm.store import Entry
from sandbox.arm.target import EXEMPTIONS
from sandbox.eventgrid.events import build
from sandbox.tenant import Actor
from tests.battery.loop import VirtualLoop
from tests.battery.worker import Worker
from tests.reconcile.world import ABOVE
from tests.storage import Account, Message

START: Final = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
"""When the loop's time is 0."""

VERSION: Final = "2026-01-01-preview"
MAX_DEQUEUES: Final = 5
VISIBILITY: Final = 600.0
"""Seconds until a message that a dead process held is seen again."""

FAILED: Final = 10.0
"""Seconds until a message whose function failed is seen again (host.json, visibilityTimeout)."""

_OBJECT: Final = base64.b64encode(b'{"c').decode()
"""How all of the second clock's messages begin, and others may."""

RETRIES: Final = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds after which Event Grid delivers again what failed (Microsoft Learn, Event Grid delivery and retry)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that a request to Resource Manager wrote or deleted: the truth that all else is compared with.

    Attributes:
        at: when, UTC, by Azure's clock.
        ours: whether the service did it.
        id: the resource's id, lower case.
        by: who did it, as systemData names identities, lower case.
        before, after: its JSON; None where it was not there.
        rulesets: those that were in force since the step began.
        asked: what operators asked for since the step began: exemption ids, lower case.
        asked_for: the id that was named, lower case; what else changed went with that.
        azure: all that was there just before, by id in lower case.
    """

    at: datetime
    ours: bool
    id: str
    by: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    rulesets: tuple[Ruleset, ...] = ()
    asked: frozenset[str] = frozenset()
    asked_for: str = ""
    azure: Mapping[str, Entry] = field(default_factory=dict, repr=False)


class Basis(NamedTuple):
    """What exemptions were judged by in a step that is over, from `since` until `until`, UTC.

    Attributes:
        rulesets: those that were in force in it.
        azure: all that was there at its end, by id in lower case.
    """

    since: datetime
    until: datetime
    rulesets: tuple[Ruleset, ...]
    azure: Mapping[str, Entry]


@dataclass(slots=True)
class Event:
    """One event on its way: its JSON, when it comes next (loop's time), and how often it came."""

    text: str
    due: float
    about_exemption: bool
    tries: int = 0


class WatchedArm(Arm):
    """Resource Manager that keeps a journal of what was written and deleted, oldest first."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock=clock)
        self.journal: list[Change] = []
        self.rulesets: list[Ruleset] = []
        self.asked: set[str] = set()

    def answer(self, request: Request, body: bytes, fault: ArmFault | None = None) -> Reply:
        """Answer one request."""
        if request.method in ("GET", "POST"):
            return super().answer(request, body, fault)
        before = dict(self.store.entries)
        reply = super().answer(request, body, fault)
        after, ours = self.store.entries, request.headers.get("User-Agent") == AGENT
        changed = [key for key, entry in after.items() if before.get(key) is not entry]
        changed += [key for key in before if key not in after]
        for key in sorted(changed):
            shown = [entry.json() if entry else None for entry in (before.get(key), after.get(key))]
            in_force, asked, by = tuple(self.rulesets), frozenset(self.asked), self._caller(request)
            named = request.path.lower()
            self.journal.append(Change(self.clock(), ours, key, by, shown[0], shown[1], in_force, asked, named, before))
        return reply

    def _caller(self, request: Request) -> str:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return self._callers[token].created_by.lower()


@dataclass
class Cloud:
    """Everything but the workers' code.

    Attributes:
        ruleset: what the workers judge by; `ruled`: every ruleset that was in force, and since when; `bases`: what
            exemptions were judged by in each step that is over, oldest first.
        delivered: what routes took, in order: when, route, notice.
        refuses: says what a route answers; None: it takes all.
        trouble: what is wrong with the ruleset's file; None: nothing.
        defects: errors that nobody foresaw: what they are and where they arose.
        swept: when the last sweep began, UTC; None before the first.
        unruled: when a worker asked for the ruleset and could not read it, UTC.
        happened: what was done and what went wrong, each once: see coverage.
        lost: events that Event Grid gave up on, or that were lost on their way: see lose_events.
        weather: says in how many seconds an event comes, once for each time.
        trace: what happened, a line each.
        troubles: when a request failed or a process died, UTC.
        calm_since: since when nothing goes wrong any more, UTC.
        digests: the ids of the notices in each digest that was made.
        ticking: whether messages of the second clock come. Elsewhere the timer is well: they would find nothing to do.
    """

    loop: VirtualLoop
    chance: Random
    ruleset: Ruleset
    ruled: list[tuple[datetime, Ruleset]] = field(init=False)
    bases: list[Basis] = field(default_factory=list)
    account: Account = field(init=False)
    arm: WatchedArm = field(init=False)
    workers: list[Worker] = field(default_factory=list)
    delivered: list[tuple[datetime, str, Notice]] = field(default_factory=list)
    refuses: Callable[[Notice, str], Delivery | None] | None = None
    trouble: Misconfigured | None = None
    defects: list[str] = field(default_factory=list)
    swept: datetime | None = None
    events: list[Event] = field(default_factory=list)
    unruled: list[datetime] = field(default_factory=list)
    happened: set[str] = field(default_factory=set)
    lost: list[Event] = field(default_factory=list)
    weather: Callable[[], list[float]] = lambda: [0.0]
    trace: list[str] = field(default_factory=list)
    troubles: list[datetime] = field(default_factory=list)
    calm_since: datetime = START
    digests: dict[str, frozenset[str]] = field(default_factory=dict)
    ticking: bool = False
    sizes: Sizes = DEFAULT_SIZES
    _latest: tuple[float, datetime] = (0.0, START)
    _ticks: int = 0
    _raised: int = 0

    def __post_init__(self) -> None:
        self.account = Account(clock=self.loop.time)
        self.arm = WatchedArm(self._arm_time)
        self.ruled = [(START, self.ruleset)]
        self.begin()
        self.arm.listeners.append(self._raise_event)
        self._furnish()

    def _furnish(self) -> None:
        arm = self.arm
        arm.add_management_group("contoso")
        for subscription, name in ((tenant.PROD, "contoso-prod"), (tenant.DEV, "contoso-dev")):
            arm.add_subscription(subscription, name=name, management_group="contoso")
        for one in tenant.seeds():
            arm.seed(one["id"], deepcopy(one["body"]))
        definition = f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls"
        arm.seed(ABOVE, {"properties": {"policyDefinitionId": definition}})

    # Time

    def now(self) -> datetime:
        """Return Azure's time, UTC."""
        if self._latest[0] != self.loop.seconds:
            self._latest = self.loop.seconds, START + timedelta(seconds=self.loop.seconds)
        return self._latest[1]

    def _arm_time(self) -> datetime:
        self._ticks += 1  # no two writes at one time
        return self.now() + timedelta(microseconds=self._ticks)

    def begin(self) -> None:
        """Begin a step: what was in force and asked for before does not count any more."""
        since, now = self.bases[-1].until if self.bases else START, self.now()
        self.bases.append(Basis(since, now, tuple(self.arm.rulesets), dict(self.arm.store.entries)))
        self.arm.rulesets, self.arm.asked = [self.ruleset], set()

    # Workers

    def add_worker(self, skew: timedelta = timedelta()) -> Worker:
        """Start a process of the service."""
        made = Worker(
            self.loop, self.arm, self.account, deliver=self._take, ruleset=self._in_force, start=START, skew=skew,
            seed=self.chance.randrange(2**32), kept=self._keep, sizes=self.sizes,
        )  # fmt: skip
        self.workers.append(made)
        return made

    def rule(self, ruleset: Ruleset) -> None:
        """Put another ruleset in force."""
        self.ruleset = ruleset
        self.ruled.append((self.now(), ruleset))
        self.arm.rulesets.append(ruleset)

    def _in_force(self) -> Ruleset:
        if self.trouble:
            self.unruled.append(self.now())
            raise self.trouble.with_traceback(None)
        return self.ruleset

    def _keep(self, digest: Kept) -> None:
        self.digests[digest.notice.id] = digest.members

    def _take(self, notice: Notice, route: str) -> Delivery:
        refused = self.refuses(notice, route) if self.refuses else None
        if refused is not None:
            return refused
        self.delivered.append((self.now(), route, notice))
        return Delivered()

    # People

    def send(self, actor: Actor, method: str, path: str, body: Any = None, version: str = VERSION) -> tuple[int, Any]:
        """Send a request to Resource Manager; return the status, and the answer's JSON."""
        headers = {"Authorization": f"Bearer {actor.token}"}
        raw = b"" if body is None else json.dumps(body).encode()
        request = Request(method, path, {"api-version": version}, headers, "management.azure.com", f"https://x{path}")
        reply = self.arm.answer(request, raw)
        return reply.status, json.loads(reply.body) if reply.body else None

    def body(self, exemption: ExemptionId) -> dict[str, Any] | None:
        """Return the exemption as Azure has it; None where it is not there."""
        entry = self.arm.store.get(exemption.key)
        return deepcopy(entry.json()) if entry else None

    def exemptions(self) -> dict[ExemptionId, dict[str, Any]]:
        """Return all exemptions that are there."""
        return {ExemptionId.parse(one.target.id): deepcopy(one.json()) for one in self.arm.store.of_type(EXEMPTIONS)}

    # Events

    def _raise_event(self, operation: Operation) -> None:
        if (event := build(operation)) is None or not operation.succeeded:
            return
        self._raised += 1
        event["id"] = event["data"]["correlationId"] = f"event-{self._raised}"  # the same in each replay
        about = f"/{TYPE.lower()}/" in operation.target.key
        self.events += [Event(json.dumps(event), self.loop.seconds + delay, about) for delay in self.weather()]

    async def deliver_event(self, event: Event, worker: Worker) -> None:
        """Let Event Grid deliver one event to a process: again later where that fails."""
        self.events.remove(event)
        if await self.run(worker, partial(_on_event, event)):
            return
        if event.tries == len(RETRIES):
            self.lost.append(event)
        else:
            again = Event(event.text, self.loop.seconds + RETRIES[event.tries], event.about_exemption, event.tries + 1)
            self.events.append(again)

    def lose_events(self) -> None:
        """Lose all events that are on their way, those that failed and were to come again among them."""
        self.lost += self.events
        self.events.clear()

    # The host

    def visible(self) -> list[tuple[str, Message]]:
        """Return the messages that may be taken now, with the names of their queues."""
        now = self.loop.seconds
        return [(name, one) for name, one in self._coming() if one.due <= now]

    def next_due(self) -> float | None:
        """Return when the next message or event comes, in the loop's time; None where there is none."""
        waiting = [one.due for _, one in self._coming()]
        return min([*waiting, *(event.due for event in self.events)], default=None)

    def _coming(self) -> Iterator[tuple[str, Message]]:
        for name, queue in self.account.queues.items():
            yield from ((name, one) for one in queue if self.ticking or not is_tick(one.text))

    async def take(self, queue: str, message: Message, worker: Worker) -> None:
        """Let the host hand one message to a process, and take it off its queue once that is done with it."""
        messages = self.account.queues[queue]
        message.count += 1
        message.take(self.loop.seconds + VISIBILITY)
        receipt = message.receipt
        done = await self.run(worker, partial(_on_message, queue, base64.b64decode(message.text).decode()))
        if message.receipt != receipt or message not in messages:
            return
        if done:
            messages.remove(message)
        elif done is False and queue.endswith("-poison"):  # it has no poison queue of its own, and stays hidden
            if message.count >= MAX_DEQUEUES:
                messages.remove(message)
                self.note("hidden for good")
        elif done is False:
            message.due = self.loop.seconds + FAILED
            if message.count >= MAX_DEQUEUES:
                messages.remove(message)
                self.account.queues.setdefault(f"{queue}-poison", []).append(
                    Message(message.text, self.loop.seconds, message.expires)
                )

    async def sweep(self, worker: Worker) -> None:
        """Let the timer call a process."""
        self.swept = self.now()
        await self.run(worker, lambda service: service.intake.sweep())

    async def run(self, worker: Worker, work: Callable[[Service], Any]) -> bool | None:
        """Return whether a process did it; False where it failed, None where it died of it or meanwhile."""
        line, task = worker.line, asyncio.ensure_future(work(worker.service))
        worker.doing.add(task)
        try:
            await asyncio.wait([task])
        finally:
            worker.doing.discard(task)
        error = None if task.cancelled() else task.exception()
        if line.dead:
            self.note("died")
            self.troubles.append(self.now())
            return None
        if error is None:
            return True
        if not isinstance(error, Exception):
            raise error
        if not isinstance(error, GuardrailsError):
            self.defects.append(defect(error))
        self.note(f"failed {type(error).__name__}")  # as the host sees it
        return False

    def note(self, what: str) -> None:
        """Add to the trace."""
        self.trace.append(f"{self.loop.seconds:.3f} {what}")


@cache
def is_tick(text: str) -> bool:
    """Whether a message, as it lies on the queue, is one of the second clock."""
    try:
        return text.startswith(_OBJECT) and KEY in json.loads(base64.b64decode(text))
    except ValueError:  # somebody else's
        return False


async def _on_event(event: Event, service: Service) -> None:
    """What function_app does with an event."""
    if event.about_exemption:
        match read_event(event.text):
            case Wanted() as wanted:
                await service.intake.event(wanted.id, wanted.hint)
            case Malformed() as bad:
                await service.intake.malformed(event.text, bad.event_id, bad.reason, forged=bad.forged)
        return
    match read_scope_event(event.text):
        case Scope(scope, written, actor, event_id):
            await service.intake.scope(scope, written=written, actor=actor, event_id=event_id)
        case Malformed() as bad:
            await service.intake.malformed(event.text, bad.event_id, bad.reason, forged=bad.forged)


async def _on_message(queue: str, text: str, service: Service) -> None:
    """What function_app does with a message."""
    if queue.endswith("-poison"):
        await service.intake.poison(queue.removesuffix("-poison"), text)
    elif queue == "notices":
        await service.intake.deliver(text)
    else:
        await service.intake.message(text)
