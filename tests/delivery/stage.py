"""A queue, a sink and a clock that the tests of delivery drive; the courier and the register are the real ones."""

import heapq
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.delivery.deliver import Courier
from guardrails.notices.notice import Kind, Notice
from guardrails.notices.routing import Digest, Route
from guardrails.ports import Clock, Delivered, Delivery, DigestItems, RateLimits
from guardrails.register.table_register import TableRegister
from guardrails.ruleset.model import Ruleset, load_ruleset
from tests.channels.samples import notice
from tests.clock import VirtualClock

TEAMS = Route("secops", "teams", "SECOPS_URL", digest=Digest(5, timedelta(minutes=15)))
BACKUP = Route("backup", "webhook", "BACKUP_URL", secret_setting="BACKUP_SECRET", kinds=("delivery-failing",))


class Crash(Exception):
    """The process died."""


class MemoryQueue:
    """The `notices` queue: what is on it, by when it may be seen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count()
        self.messages: list[tuple[datetime, int, dict[str, Any]]] = []

    async def send(self, queue: str, body: Mapping[str, Any], delay: float = 0.0) -> None:
        assert queue == "notices"
        assert len(json.dumps(body)) < 48 * 1024
        at = self._clock.now() + timedelta(seconds=round(delay))  # as storage queues do: whole seconds
        heapq.heappush(self.messages, (at, next(self._numbers), json.loads(json.dumps(body))))

    def pop(self) -> tuple[datetime, str]:
        at, _, body = heapq.heappop(self.messages)
        return at, json.dumps(body)


@dataclass
class Sink:
    """The channels: what each route was handed, and when; `answer` says what becomes of it."""

    clock: Clock
    answer: Callable[[Notice, str], Delivery] = lambda _notice, _route: Delivered()
    asked: list[tuple[datetime, str, Notice]] = field(default_factory=list)
    took: list[tuple[str, Notice]] = field(default_factory=list)

    async def deliver(self, notice: Notice, route: str) -> Delivery:
        self.asked.append((self.clock.now(), route, notice))
        answer = self.answer(notice, route)
        if isinstance(answer, Delivered):
            self.took.append((route, notice))
        return answer

    def ids(self, route: str = "secops") -> list[str]:
        return [notice.id for to, notice in self.took if to == route]

    def digests(self, route: str = "secops") -> list[Notice]:
        return [notice for to, notice in self.took if to == route and notice.kind is Kind.DIGEST]


@dataclass
class Stage:
    """Everything together."""

    clock: VirtualClock
    queue: MemoryQueue
    sink: Sink
    register: TableRegister
    courier: Courier
    rules: Ruleset

    async def send(self, *notices: Notice, route: str = "secops") -> None:
        for one in notices:
            await self.queue.send("notices", {"route": route, "notice": one.to_json(), "attempt": 0})

    async def run(self, until: datetime | None = None, most: int = 10_000) -> None:
        """Work off the queue until it is empty, or until a time; a crash brings a message back after 10 s."""
        for _ in range(most):
            if not self.queue.messages or (until and self.queue.messages[0][0] > until):
                return
            at, text = self.queue.pop()
            self.clock.time = max(self.clock.time, at)
            try:
                await self.courier.deliver(text)
            except Crash:
                await self.queue.send("notices", json.loads(text), 10)
        raise AssertionError("the queue never becomes empty")


def courier(  # noqa: PLR0917 - the ports, one after the other
    sink: Any, queue: Any, clock: VirtualClock, rate_limits: RateLimits, digest_items: DigestItems, register: Any,
    rules: Ruleset,
    fallback: tuple[Route, ...] = (),
) -> Courier:  # fmt: skip
    """Return a courier whose sleep moves the clock."""

    async def sleep(seconds: float) -> None:
        clock.advance(seconds=seconds)

    dead_letters = DeadLetterQueue(register, queue, clock, lambda: rules, fallback)
    return Courier(
        sink, queues=queue, clock=clock, rate_limits=rate_limits, digest_items=digest_items,
        dead_letters=dead_letters, ruleset=lambda: rules,
        sleep=sleep, chance=lambda: 0.5,
    )  # fmt: skip


def rules_with(*routes: Route) -> Ruleset:
    return replace(load_ruleset(), routes=routes)


def stage(register: TableRegister, clock: VirtualClock, routes: Sequence[Route] = (TEAMS, BACKUP)) -> Stage:
    queue, sink, rules = MemoryQueue(clock), Sink(clock), rules_with(*routes)
    made = courier(sink, queue, clock, register.rate_limits, register.digest_items, register, rules)
    return Stage(clock, queue, sink, register, made, rules)


def some(number: int, **changes: Any) -> list[Notice]:
    """Return notices with ids of their own."""
    return [notice(id=f"n{n}", **changes) for n in range(number)]


class Dying:
    """A port whose `deadly`-th call, counted over all that share `calls`, kills the process before or after its work.

    A call that dies says so once only: the next process lives.
    """

    def __init__(self, port: Any, calls: list[str], deadly: int, *, after: bool) -> None:
        self._port = port
        self._calls = calls
        self._deadly = deadly
        self._after = after

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)

        async def call(*args: Any, **named: Any) -> Any:
            self._calls.append(name)
            dies = len(self._calls) == self._deadly
            if dies and not self._after:
                raise Crash
            result = await method(*args, **named)
            if dies:
                raise Crash
            return result

        return call


START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
