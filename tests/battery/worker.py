"""One process of the service: all that `guardrails.wiring` connects, over a line that can be cut.

Real: the use cases, the adapters of the register, the queues and Azure, and their wiring. In their place stand the
storage account, Resource Manager and the channels, all in memory.
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from contextvars import Token
from datetime import datetime, timedelta
from functools import cache, partial
from random import Random
from typing import Any, Final, Protocol, cast
from unittest.mock import patch

from guardrails import ports, wiring
from guardrails.channels import channels
from guardrails.decisions.parts import DEFAULT_SIZES, Sizes
from guardrails.decisions.record import UsedRuleset
from guardrails.errors import Retryable
from guardrails.notices.digest import Kept
from guardrails.notices.notice import Notice
from guardrails.ports import Delivery
from guardrails.ruleset.model import Ruleset
from sandbox.arm.server import Arm
from tests.battery.line import CALLED, Fault, Line, Sent
from tests.battery.loop import VirtualLoop
from tests.battery.wire import ENDPOINT, over
from tests.reconcile.world import StaticToken
from tests.storage import Account

TABLE: Final = "guardrails"


class Deliver(Protocol):
    """What takes a notice: everything that was ever delivered, and whether it is taken."""

    def __call__(self, notice: Notice, route: str) -> Delivery:
        """Say what becomes of it."""


class SkewedClock:
    """ports.Clock by the loop's time: `start` and what has passed since, and by how much this clock is wrong."""

    def __init__(self, loop: VirtualLoop, start: datetime, skew: timedelta = timedelta()) -> None:
        self._loop = loop
        self._start = start
        self.skew = skew
        self._latest = 0.0, skew, start + skew

    def now(self) -> datetime:
        """Return the time, UTC."""
        seconds, skew, time = self._latest
        if seconds != self._loop.seconds or skew is not self.skew:
            time = self._start + timedelta(seconds=self._loop.seconds) + self.skew
            self._latest = self._loop.seconds, self.skew, time
        return time


class LineChannels:
    """ports.Channels over the line: `deliver` of the world takes what is handed over."""

    def __init__(self, line: Line, deliver: Deliver) -> None:
        self._line = line
        self._deliver = deliver

    async def deliver(self, notice: Notice, route: str) -> Delivery:
        """Hand one notice to one route."""
        await self._line.depart("deliver")
        answer = self._deliver(notice, route)
        await self._line.arrive()
        return answer

    async def close(self) -> None:
        """Nothing to close."""


@cache
def port_methods() -> dict[str, list[str]]:
    """Return the methods of every port that has effects or reads, by the port's name: all that guardrails.ports has."""
    found = {}
    for name, port in inspect.getmembers(ports, inspect.isclass):
        if port.__module__ == ports.__name__ and getattr(port, "_is_protocol", False) and name != "Clock":
            methods = {method: value for method, value in vars(port).items() if not method.startswith("_")}
            found[name] = [method for method, value in methods.items() if callable(value)]
    return found


class Worker:
    """A process. `start` begins it anew: what it kept in memory is gone. `trouble` says what goes wrong with requests,
    `doing` is what the process is at, `deaths` counts those that died, `requests` and `faults` what they asked and what
    of it went wrong, and `unrecorded` has the sha256 of each ruleset that storage refused to record for good.

    Args:
        loop, arm, account: the time, Azure, and its storage.
        deliver: takes notices.
        ruleset: the ruleset in force. Raises Misconfigured.
        start: what the clock shows when the loop's time is 0, UTC.
        skew: by how much this process's clock is wrong.
        kept: is shown each digest that is made.
        sizes: when sweeps are cut into parts, and when these are shared.
    """

    def __init__(
        self, loop: VirtualLoop, arm: Arm, account: Account, *, deliver: Deliver, ruleset: Callable[[], Ruleset],
        start: datetime, skew: timedelta = timedelta(), seed: int = 0, kept: Callable[[Kept], object] | None = None,
        sizes: Sizes = DEFAULT_SIZES,
    ) -> None:  # fmt: skip
        self.clock = SkewedClock(loop, start, skew)
        self.deaths = 0
        self.requests: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[str] = Counter()
        self.unrecorded = set[str]()
        self.doing: set[asyncio.Future[Any]] = set()
        self.trouble: Callable[[Sent], Fault | None] | None = None
        self._arm = arm
        self._shared = account
        self._deliver = deliver
        self._ruleset = ruleset
        self._kept = kept
        self._sizes = sizes
        self._chance = Random(seed)  # noqa: S311
        self.service: wiring.Service
        self.line: Line
        self.start()

    def start(self) -> None:
        """Begin a process, with a line of its own: what an earlier one still does reaches nobody."""
        self.line = Line(self._met, self._die)
        self.line.requests = self.requests
        account = Account(self.line, of=self._shared)
        environ = {
            "AzureWebJobsStorage": account.connection_string, "GUARDRAILS_ARM_ENDPOINT": ENDPOINT,
            "GUARDRAILS_TABLE": TABLE,
        }  # fmt: skip
        with account.serve(), over(self._arm, self.line), self._patched():
            self.service = wiring.connect(environ, self.clock)
            queues: Any = self.service.world.queues
            # made at their first use, when the account no longer serves
            _, courier, sweeper = queues._queues, self.service.courier(), self.service.sweeper()
        self.service.intake._chance = courier._chance = self._chance.random
        courier._sleep = _wait
        sweeper._sizes = self._sizes
        self._name_calls()

    def _met(self, sent: Sent) -> Fault | None:
        """Return what goes wrong with a request, and count it."""
        fault = self.trouble(sent) if self.trouble else None
        if fault:
            self.faults[f"{sent.where}: {fault.kind}"] += 1
        return fault

    def _die(self) -> None:
        """Let all that the process was doing die with it, and begin another."""
        self.deaths += 1
        for task in self.doing:
            task.cancel()
        self.start()

    @contextmanager
    def _patched(self) -> Iterator[None]:
        with ExitStack() as stack:
            for where, name, new in (
                (wiring, "credential", lambda *_: StaticToken()),
                (wiring, "RulesetFile", lambda *_: self._ruleset),
                (channels, "HttpChannels", lambda *_, **__: LineChannels(self.line, self._deliver)),
            ):
                stack.enter_context(patch.object(where, name, new))
            yield

    async def _shown(self, ask: Callable[[Any], Awaitable[Kept | None]], asked: Any) -> Kept | None:
        kept = await ask(asked)
        if kept and self._kept:
            self._kept(kept)
        return kept

    async def _used(self, use: Callable[..., Awaitable[None]], one: UsedRuleset, at: datetime) -> None:
        try:
            await use(one, at)
        except Retryable:
            raise
        except Exception:
            self.unrecorded.add(one.sha256)
            raise

    def _name_calls(self) -> None:
        """Let every request know by which method of which port it is made."""
        register: Any = self.service.register
        courier, sweeper = self.service.courier(), self.service.sweeper()
        parts: dict[str, Any] = {
            "Arm": self.service.world.arm, "ActivityLog": self.service.world.log, "Inventory": sweeper._inventory,
            "Register": register, "Sweeps": sweeper._sweeps, "Bypasses": sweeper._bypasses, "Record": sweeper._record,
            "Queues": self.service.world.queues, "SharedParts": register.parts, "Channels": courier._channels,
            "RateLimits": courier._rate_limits, "DigestItems": courier._digest_items,
        }  # fmt: skip
        for port, methods in port_methods().items():
            _name(parts[port], port, tuple(methods))
        _name(register.reinstate, "Reinstate", ("partition",))  # no port: the command line has it directly
        parts["Record"].use = partial(self._used, parts["Record"].use)
        for method in ("keep", "kept"):
            setattr(parts["DigestItems"], method, partial(self._shown, getattr(parts["DigestItems"], method)))


def _name(part: Any, port: str, methods: tuple[str, ...]) -> None:
    """Let a part be of a class that names each call of these methods."""
    object.__setattr__(part, "__class__", _naming(cast(Any, type(part)), port, methods))


@cache
def _naming(kind: Any, port: str, methods: tuple[str, ...]) -> type:
    named = {method: _named(kind, method, f"{port}.{method}") for method in methods}
    return type(kind.__name__, (kind,), {"__slots__": (), **named})


def _named(kind: Any, method: str, name: str) -> Callable[..., Any]:
    """Return a method that calls the one of `kind`, whatever a mutation made of it, under a name."""

    async def named(part: Any, *args: Any, **more: Any) -> Any:
        token = CALLED.set(name)
        try:
            return await getattr(kind, method)(part, *args, **more)
        finally:
            _unname(token)

    async def named_one_by_one(part: Any, *args: Any, **more: Any) -> Any:
        async with aclosing(getattr(kind, method)(part, *args, **more)) as found:
            while True:  # the name holds while the next one is asked for, and not while others work on this one
                token = CALLED.set(name)
                try:
                    one = await anext(found)
                except StopAsyncIteration:
                    return
                finally:
                    _unname(token)
                yield one

    return named if inspect.iscoroutinefunction(getattr(kind, method)) else named_one_by_one


def _unname(token: Token[str]) -> None:
    """Let the name hold no longer. What is left of a dead process is closed in another context, which has none."""
    try:  # noqa: SIM105 - at each request, twice as fast as `suppress`
        CALLED.reset(token)
    except ValueError:
        pass


async def _wait(seconds: float) -> None:
    await asyncio.sleep(seconds)
