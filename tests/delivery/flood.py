"""A flood of notices in virtual time: the real courier and pace, on queues and lanes in memory.

An event loop whose clock jumps to the next thing that is due lets an hour of deliveries pass in seconds.
"""

import asyncio
import json
import random
import selectors
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from guardrails.decisions.history import DeadLetter
from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.delivery.deliver import Courier
from guardrails.errors import Retryable
from guardrails.notices.notice import Notice
from guardrails.notices.route_state import RateLimit
from guardrails.notices.routing import Route
from guardrails.ports import Delivered, Delivery, TryAgain
from guardrails.register.rate_limits import _TRIES
from tests.channels.samples import notice
from tests.delivery.stage import START, MemoryQueue, rules_with

INSTANCES = 4
BATCH = 16
"""Messages that a host works off at once, as host.json says."""


class _Jump(selectors.DefaultSelector):
    """Waits for nothing: it moves the loop's time on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class LoopClock:
    """ports.Clock by the loop's time."""

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())


class MemoryLanes:
    """ports.RateLimits as storage does it: a read and a guarded write of some milliseconds each; the loser looks again.

    One for each instance, on rows that they share.
    """

    def __init__(self, rows: dict[str, tuple[int, RateLimit]], chance: random.Random) -> None:
        self._rows = rows
        self._chance = chance
        self._turn = asyncio.Lock()

    async def look(self, name: str) -> RateLimit:
        await asyncio.sleep(self._chance.uniform(0.003, 0.015))
        return self._rows.get(name, (0, RateLimit()))[1]

    async def change[T](self, name: str, step: Callable[[RateLimit], tuple[RateLimit, T]]) -> T:
        async with self._turn:
            for _ in range(_TRIES):
                await asyncio.sleep(self._chance.uniform(0.003, 0.015))
                etag, before = self._rows.get(name, (0, RateLimit()))
                after, result = step(before)
                if after == before:
                    return result
                await asyncio.sleep(self._chance.uniform(0.003, 0.015))
                if self._rows.get(name, (0, before))[0] == etag:
                    self._rows[name] = (etag + 1, after)
                    return result
                await asyncio.sleep(self._chance.uniform(0, 0.03))
        raise Retryable("contended", code="lane-contended", delay=5.0)


class BadSink:
    """Takes 65 of 100: 30 are refused with a 503, 5 stall until the time-out of 20 s; a few of those were taken."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.asked: list[float] = []
        self.took: list[str] = []
        self.took_at: list[float] = []

    async def deliver(self, reported: Notice, _route: str) -> Delivery:
        self.asked.append(asyncio.get_running_loop().time())
        drawn = self._chance.random()
        if drawn < 0.30:
            await asyncio.sleep(0.05)
            return TryAgain("503")
        if drawn < 0.35:
            await asyncio.sleep(20)
            return TryAgain("no answer within 20 s")
        await asyncio.sleep(self._chance.uniform(0.02, 0.3))
        self.took.append(reported.id)
        self.took_at.append(asyncio.get_running_loop().time())
        return Delivered()


class DeadLetters:
    """The part of ports.Register that delivery uses."""

    def __init__(self) -> None:
        self.kept: dict[str, DeadLetter] = {}

    async def keep_dead_letter(self, dead_letter: DeadLetter) -> bool:
        new = dead_letter.id not in self.kept
        self.kept[dead_letter.id] = dead_letter
        return new


async def _flood(number: int, seed: int) -> tuple[int, int, float]:
    chance, clock = random.Random(seed), LoopClock()  # noqa: S311 - a seed, so that it can be run again
    rules = rules_with(Route("secops", "teams", "SECOPS_URL"))
    queue, sink, dead_letters = MemoryQueue(clock), BadSink(chance), DeadLetters()
    rows: dict[str, tuple[int, RateLimit]] = {}
    for n in range(number):
        one = notice(id=f"n{n}", findings=())
        await queue.send("notices", {"route": "secops", "notice": one.to_json(), "attempt": 0})

    def instance() -> Courier:
        box: Any = DeadLetterQueue(dead_letters, queue, clock, lambda: rules)  # type: ignore[arg-type]
        unused: Any = None  # the route gathers nothing
        return Courier(
            sink, queues=queue, clock=clock, rate_limits=MemoryLanes(rows, chance), digest_items=unused,
            dead_letters=box,
            ruleset=lambda: rules, chance=chance.random,
        )  # fmt: skip

    working = 0

    async def worker(courier: Courier) -> None:
        nonlocal working
        while queue.messages or working:
            if not queue.messages or queue.messages[0][0] > clock.now():
                left = (queue.messages[0][0] - clock.now()).total_seconds() if queue.messages else 2.0
                await asyncio.sleep(min(left, 2.0) + chance.uniform(0.05, 0.3))  # an idle host looks every 2 s
                continue
            working += 1
            await courier.deliver(queue.pop()[1])
            working -= 1

    await asyncio.gather(*(worker(one) for one in (instance() for _ in range(INSTANCES)) for _ in range(BATCH)))
    kept = {json.loads(dead_letter.payload)["notice"]["id"] for dead_letter in dead_letters.kept.values()}
    sent = {f"n{n}" for n in range(number)}
    lost, strange = sent - set(sink.took) - kept, (set(sink.took) | kept) - sent
    return len(lost) + len(strange), _most_in_a_second(sink.asked), sink.took_at[number * 99 // 100 - 1]


def _most_in_a_second(times: list[float]) -> int:
    """The most requests in any second, wherever it begins."""
    most, start = 0, 0
    for end, at in enumerate(times):
        while times[start] <= at - 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most


def flood(number: int, seed: int = 7) -> Iterator[tuple[str, float, str]]:
    """Deliver `number` notices over one Teams route; count what was lost or changed its id, and the fastest second."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        lost, fastest, seconds = runner.run(_flood(number, seed))
    yield "notices_lost", lost, "notices"
    yield "notices_max_per_second_teams", fastest, "requests"
    yield "notices_minutes_to_99_percent", seconds / 60, "min"
