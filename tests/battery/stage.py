"""What a flow of the crash matrix is played on: one process of the service in its cloud, and what may wake it.

Everything happens one after the other, in the order in which it is due, so that each request has its number.
"""

import argparse
import asyncio
import base64
import inspect
import io
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from functools import wraps
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

from guardrails.cli import main as cli
from guardrails.cli import online
from guardrails.decisions.parts import DEFAULT_SIZES, Sizes
from guardrails.decisions.row import Row
from guardrails.errors import GuardrailsError
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.intake import Intake
from guardrails.reconcile.reconcile import Reconciler
from guardrails.ruleset.model import Ruleset
from guardrails.sweep.in_force import InForce
from guardrails.sweep.second_clock import SecondClock
from guardrails.sweep.sweep import Sweeper
from guardrails.wiring import Service
from sandbox import tenant
from sandbox.tenant import APPROVAL, Actor
from tests.battery.azure import Cloud, Event
from tests.battery.line import Fault, Sent
from tests.battery.loop import VirtualLoop
from tests.reconcile.world import ABOVE, ALICE, CORP, PIPELINE
from tests.storage import Message

HOUR: Final = 3600.0
LEASES: Final = 150.0
"""Seconds after which whoever repeats something finds no lease of a dead process: of a write, or of a sweep."""

SCOPES: Final = {"resource": tenant.RESOURCE, "group": CORP}
USE_CASES: Final = (Intake, Reconciler, Sweeper, InForce, SecondClock)
METADATA: Final = {key: value for key, value in APPROVAL.items() if key != "reviewDate"}


class After(StrEnum):
    """What goes on once a process has died.

    REPEATED: the host, Event Grid and the operator repeat what the process had in hand.
    SWEEPS: nobody does, events do not arrive any more, and only sweeps find out what is left.
    NEVER: what sets the flow off was never heard of, not even once.
    """

    REPEATED = "repeated"
    SWEEPS = "sweeps"
    NEVER = "never"


class Stage:
    """One play of a flow.

    Attributes:
        one: the exemption that it is about; `id` names others.
        after: what goes on once the process has died.
        effects: requests that may change the world, since `watch`, in their order.
        reached: the ports' methods that made a request since then.
        called: the use cases' methods that were called, as `Intake.event`.
        commands: the commands of the operator that used the service.
        woken: whether anything set the service to work since `watch`.
        late: events that come later.
    """

    def __init__(
        self, loop: VirtualLoop, ruleset: Ruleset, where: str, folder: Path, seed: int, *, sizes: Sizes = DEFAULT_SIZES
    ) -> None:  # fmt: skip
        self.cloud = Cloud(loop, Random(seed), ruleset, sizes=sizes)  # noqa: S311
        self.folder = folder
        self.where = where
        self.after = After.REPEATED
        self.ids: list[ExemptionId] = []
        self.effects: list[Sent] = []
        self.reached: set[str] = set()
        self.called: set[str] = set()
        self.commands: set[str] = set()
        self.woken = False
        self.late: list[Event] = []
        self._watching = False
        self._loop = loop
        self.worker = self.cloud.add_worker()
        self.worker.trouble = self._note
        self._watch_use_cases()
        self.one = self.id("one")

    def watch(self, after: After) -> None:
        """Take note of everything from now on."""
        self.after, self._watching, self.woken = after, True, False
        if after is After.NEVER:
            self.lose()
            self.cloud.account.queues.get("reconcile", []).clear()

    def look_away(self) -> None:
        """Take note of nothing any more."""
        self._watching = False

    def bring(self, events: list[Event]) -> None:
        """Let Event Grid bring events of its own."""
        self.woken = True
        if self.after is not After.NEVER:
            self.cloud.events += [Event(one.text, self._loop.seconds, one.about_exemption) for one in events]

    def lose(self) -> None:
        """Let no event arrive any more."""
        self.cloud.weather = list
        self.cloud.events.clear()

    def _note(self, sent: Sent) -> Fault | None:
        if self._watching:
            self.reached.add(sent.port)
            if sent.changes:
                self.effects.append(sent)
        return None

    def _watch_use_cases(self) -> None:
        service, intake = self.worker.service, self.worker.service.intake
        for part in (intake, service.reconciler, service.sweeper(), intake._in_force, intake._second_clock):
            for name in coroutines(type(part)):
                setattr(part, name, self._watched(f"{type(part).__name__}.{name}", getattr(part, name)))

    def _watched(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(call)
        async def watched(*args: Any, **more: Any) -> Any:
            if self._watching:
                self.called.add(name)
            return await call(*args, **more)

        return watched

    # People

    def id(self, name: str) -> ExemptionId:
        """Return the exemption with this name at the flow's scope."""
        one = ExemptionId.parse(tenant.exemption_id(SCOPES[self.where], name))
        if one not in self.ids:
            self.ids.append(one)
        return one

    def days(self, days: float) -> str:
        """Return the time so many days from now, as ARM spells it."""
        return spell_time((self.cloud.now() + timedelta(days=days)).replace(microsecond=0))

    def write(self, actor: Actor = PIPELINE, name: str = "one", **changes: Any) -> None:
        """Write an exemption that breaks no rule, with properties changed; None takes one out."""
        properties: dict[str, Any] = {"expiresOn": self.days(120), "metadata": dict(METADATA)}
        if self.where == "group":
            properties |= {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}
        self.send(actor, "PUT", self.id(name).text, tenant.waiver(**{**properties, **changes}))

    def bad(self, actor: Actor = ALICE, name: str = "one", **changes: Any) -> None:
        """Write it without an end, which is reverted."""
        self.write(actor, name, **{"expiresOn": None, **changes})

    def delete(self, actor: Actor = ALICE, name: str = "one") -> None:
        """Delete it."""
        self.send(actor, "DELETE", self.id(name).text)

    def target(self, method: str) -> None:
        """Write or delete the resource that the exemption is attached to."""
        self.send(PIPELINE, method, tenant.RESOURCE, {"location": "westeurope"} if method == "PUT" else None)

    def send(self, actor: Actor, method: str, path: str, body: Any = None) -> None:
        """Send a request to Azure, which must take it."""
        status, said = self.cloud.send(actor, method, path, body)
        assert status < 300, (status, said)

    # What wakes the service

    async def sweep(self) -> None:
        """Let the timer call; again after the lease where the process died of it and the trigger is repeated."""
        await self._trigger(lambda service: service.intake.sweep())

    async def operate(self, *argv: str, done: Callable[[Row], bool] = lambda _: False) -> None:
        """Let an operator give a command; again where he did not hear how it ended, and the register does not say so.

        `done`: whether it does, by the row.
        """
        await self._trigger(lambda service: self._command(service, argv), done)

    async def call(self, work: Callable[[Service], Awaitable[Any]]) -> None:
        """Let the host call a function with something of its own."""
        await self._trigger(work)

    async def _trigger(
        self, work: Callable[[Service], Awaitable[Any]], done: Callable[[Row], bool] = lambda _: False
    ) -> None:
        self.woken = True
        if self.after is After.NEVER:
            return
        while await self._run(work) is None and self.after is After.REPEATED:
            await asyncio.sleep(LEASES)
            stored = await self.worker.service.register.read(self.one)
            if stored and done(stored.row):
                return

    async def _run(self, work: Callable[[Service], Awaitable[Any]]) -> bool | None:
        done = await self.cloud.run(self.worker, work)
        if done is None and self.after is After.SWEEPS:
            self.lose()
        return done

    async def put(self, queue: str, text: str) -> None:
        """Put a text on a queue, as somebody who may."""
        self.woken = True
        if self.after is not After.NEVER:
            raw = base64.b64encode(text.encode()).decode()
            message = Message(raw, self._loop.seconds, self.cloud.now() + timedelta(days=400))
            self.cloud.account.queues.setdefault(queue, []).append(message)

    async def go_on(self, seconds: float) -> None:
        """Let time pass, and what is due meanwhile be done."""
        until = self._loop.seconds + seconds
        while (due := self.cloud.next_due()) is not None and due <= until:
            await asyncio.sleep(max(0.0, due - self._loop.seconds))
            await self._do_what_is_due()
        await asyncio.sleep(max(0.0, until - self._loop.seconds))

    async def _do_what_is_due(self) -> None:
        events = sorted((one for one in self.cloud.events if one.due <= self._loop.seconds), key=lambda one: one.due)
        for event in events:
            if event in self.cloud.events:
                await self._deliver(event)
        for queue, message in sorted(self.cloud.visible(), key=lambda found: found[1].due):
            if message in self.cloud.account.queues.get(queue, ()):
                await self._take(queue, message)

    async def _deliver(self, event: Event) -> None:
        deaths = self.worker.deaths
        await self.cloud.deliver_event(event, self.worker)
        if self.worker.deaths > deaths and self.after is After.SWEEPS:
            self.lose()

    async def _take(self, queue: str, message: Message) -> None:
        deaths = self.worker.deaths
        await self.cloud.take(queue, message, self.worker)
        if self.worker.deaths > deaths and self.after is After.SWEEPS:
            self.lose()
            if queue == "reconcile":  # harsher than the host is: what a notice says, nobody else knows
                self.cloud.account.queues[queue].remove(message)

    async def _command(self, service: Service, argv: tuple[str, ...]) -> None:
        """Run a command: what it does with the service it does in this process, under this loop."""
        results: list[Any] = []
        with patch.object(online, "connect", lambda: replace(service, _closing=AsyncExitStack())):
            while True:
                try:
                    with _in_this_loop(results):
                        cli.main(argv)
                except _Work as work:
                    if self._watching:
                        self.commands.add(command_of(argv))
                    try:
                        results.append(await work.coroutine)
                    except GuardrailsError as error:
                        results.append(error)
                else:
                    return


def coroutines(kind: type) -> list[str]:
    """Return the public coroutines of a class."""
    found = inspect.getmembers(kind, inspect.iscoroutinefunction)
    return [name for name, _ in found if not name.startswith("_")]


# The command line


class _Work(BaseException):
    """What a command asks of the service."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine


@contextmanager
def _in_this_loop(results: list[Any]) -> Iterator[None]:
    """Let a command that runs meanwhile find what its calls of the service gave; raise _Work at the next one."""
    given = iter(results)

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            result = next(given)
        except StopIteration:
            raise _Work(coroutine) from None
        coroutine.close()
        if isinstance(result, Exception):
            raise result
        return result

    with ExitStack() as stack:
        stack.enter_context(patch.object(online, "asyncio", _Asyncio(run)))
        stack.enter_context(patch.object(cli, "explain", _say))
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        yield


def _say(error: BaseException, *_: object, **__: object) -> int:
    """Say what went wrong: only an error for an operator is no defect."""
    if isinstance(error, GuardrailsError):
        return 1
    raise error


class _Asyncio:
    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self.run = run


def command_of(argv: tuple[str, ...]) -> str:
    """Return the command and its action, as `commands` names them."""
    return next(
        name for name in sorted(commands(), key=len, reverse=True) if [*argv][: len(name.split())] == name.split()
    )


OFFLINE: Final = frozenset({"policy build"})
"""Actions that use no service, of commands of which another does."""


def commands() -> list[str]:
    """Return every command that uses the service, with its actions: `breaker close`."""
    found = []
    for name in cli.COMMANDS:
        module = cli.module_of(name)
        if _uses_service(module, set()):
            parser = argparse.ArgumentParser()
            module.arguments(parser)
            found += [" ".join((name, *action)) for action in _actions(parser)]
    return [one for one in found if one not in OFFLINE]


def _uses_service(module: Any, seen: set[str]) -> bool:
    """Whether a module of the command line, or one that it imports, calls `with_service`."""
    seen.add(module.__name__)
    if "with_service(" in inspect.getsource(module):
        return True
    parts = [
        one for one in vars(module).values() if inspect.ismodule(one) and one.__name__.startswith("guardrails.cli.")
    ]
    return any(_uses_service(part, seen) for part in parts if part.__name__ not in seen)


def _actions(parser: argparse.ArgumentParser) -> list[tuple[str, ...]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or (action.dest == "action" and action.choices):
            return [(name,) for name in action.choices or ()]
    return [()]
