"""Intake: what a trigger does with what it was handed, so that nothing is lost and nothing is retried in vain.

An event that cannot be finished at once is put on the `reconcile` queue and answered: Event Grid would send the whole
delivery again, and puts an endpoint that fails often on hold for hours. What can never be processed is dead-lettered.
"""

import asyncio
import hashlib
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from guardrails.decisions import notify
from guardrails.decisions.evasion import Habit, forged_id
from guardrails.decisions.row import Status
from guardrails.decisions.schedule import Tick
from guardrails.delivery.dead_letters import DeadLetterQueue, dead_letter_id, read_attempt, read_object
from guardrails.errors import NO_TOKEN, GuardrailsError, Misconfigured, Permanent, Retryable, defect
from guardrails.exemption.exemption_id import TYPE, ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import parse_time
from guardrails.notices.notice import Kind
from guardrails.notices.rate_limit import FIRST_DELAY, MAX_ATTEMPTS, attempts_after, backoff
from guardrails.reconcile.outbox import IN_HAND
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import Outcome, World, wake_up
from guardrails.runtime.telemetry import Fact, correlated, fact
from guardrails.sweep.differences import sweep_message
from guardrails.sweep.in_force import InForce
from guardrails.sweep.invitation import read_invitation
from guardrails.sweep.second_clock import SecondClock, read_tick

if TYPE_CHECKING:
    from guardrails.delivery.deliver import Courier
    from guardrails.sweep.report import Report
    from guardrails.sweep.sweep import Sweeper

log = logging.getLogger("guardrails")

_RULESET_DELAY: Final = 300.0
_POISON_DELAY: Final = 600.0
_TOKEN_WAIT: Final = 30.0
_TOKEN_PATIENCE: Final = 1200.0
"""Seconds that a message is kept in hand while storage gives no token: less than functionTimeout (host.json)."""
_SAID: Final = {"operation": "operation", "actor": "actor", "event_id": "event", "listed": "listed"}
_PATIENCE: Final = (0.1, 0.3, 0.9)
_TARGET: Final = "target-"
_AT_ONCE: Final = 8
_NOW: Final = 20
"""How many exemptions one event about a scope has looked at by itself; more go on the queue."""


class Intake:
    """The use case of every trigger.

    Args:
        reconciler, world: what does the work.
        dead_letters: keeps what cannot be processed, and notifies of it.
        courier: returns what delivers notices. It is made at its first use, for most events need none.
        sweeper: returns what sweeps the tenant; made at its first use, too.
        in_force: the ruleset in force.
        second_clock: sees that sweeps come by.
        budget: seconds that an event may take before it is handed to the queue. Event Grid waits 30 s.
        chance: a number from 0 to 1 that spreads retries.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        world: World,
        dead_letters: DeadLetterQueue,
        courier: "Callable[[], Courier]",
        sweeper: "Callable[[], Sweeper]",
        *,
        in_force: InForce,
        second_clock: SecondClock,
        budget: float = 20.0,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reconciler = reconciler
        self._world = world
        self._dead_letters = dead_letters
        self._courier = courier
        self._sweeper = sweeper
        self._in_force = in_force
        self._second_clock = second_clock
        self._budget = budget
        self._chance = chance
        self._sleep = sleep

    async def event(self, exemption_id: ExemptionId, hint: Hint) -> Outcome | None:
        """Reconcile now; what cannot finish goes on the queue. Raises only when neither was possible."""
        return await self._event(exemption_id, hint, asyncio.get_running_loop().time() + self._budget)

    async def scope(self, scope: str, *, written: bool, actor: str, event_id: str) -> int:
        """See to the exemptions at a scope and below it, which was written or deployed to, or deleted.

        Those that are lost may come back when it is written; those that are there may be lost when it is deleted. What
        does not finish within the budget goes on the queue. Return how many there are. Raises Permanent
        (not-an-exemption) where `scope` is none; Retryable, Misconfigured when the register or the queue failed: the
        event is then to be sent again.
        """
        any_there = ExemptionId.parse(f"{scope}/providers/{TYPE}/any")
        at, until = any_there.key[: len(any_there.scope)], asyncio.get_running_loop().time() + self._budget
        found = await self._world.register.attached_ids(any_there.container, at, lost=written)
        hint = Hint("target", _TARGET + ("write" if written else "delete"), actor, event_id)
        ids = [ExemptionId.parse(one) for one in found]
        looking, sending = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(2 * _AT_ONCE)
        now = [self._event(one, hint, until, looking) for one in ids[:_NOW]]
        later = [self._queue(one, hint, sending) for one in ids[_NOW:]]
        for end in await asyncio.gather(*now, *later, return_exceptions=True):
            if isinstance(end, BaseException):
                raise end
        return len(ids)

    async def _queue(self, exemption_id: ExemptionId, hint: Hint, slots: asyncio.Semaphore) -> None:
        async with slots:
            await self._world.queues.send("reconcile", json.loads(_message(exemption_id, hint)))

    async def _event(
        self,
        exemption_id: ExemptionId,
        hint: Hint,
        until: float,
        slots: AbstractAsyncContextManager[None] | None = None,
    ) -> Outcome | None:
        """Do what `event` says, until a time of the loop's clock; `slots` limits how many are at it at once."""
        try:
            async with asyncio.timeout_at(until), slots or nullcontext():
                return await self._patiently(exemption_id, hint)
        except Permanent as error:
            await self._give_up("event", _message(exemption_id, hint), str(error), exemption_id.key, 1)
        except Misconfigured as error:
            await self._ruleset_broken(error)
            await self._later(exemption_id, hint, 0, _RULESET_DELAY, error)
        except (Retryable, TimeoutError) as error:
            asked = error.delay if isinstance(error, Retryable) else None
            await self._later(exemption_id, hint, 0, asked or FIRST_DELAY, error)
        except Exception as error:  # noqa: BLE001
            # a defect of ours: the queue tries it again and in the end dead-letters it; Event Grid would only repeat
            text = "reconcile of %s failed; it goes on the queue: %s"
            log.error(text, exemption_id, defect(error))  # noqa: TRY400 - its text may quote anybody
            await self._later(exemption_id, hint, 0, FIRST_DELAY, error)
        return None

    async def _patiently(self, exemption_id: ExemptionId, hint: Hint) -> Outcome:
        """Reconcile; where another worker is at it, wait a moment for it: that is cheaper than a turn on the queue."""
        for wait in _PATIENCE:
            try:
                return await self._reconcile(exemption_id, hint)
            except Retryable as error:
                if error.code != IN_HAND:
                    raise
            await asyncio.sleep(wait)
        return await self._reconcile(exemption_id, hint)

    async def _reconcile(self, exemption_id: ExemptionId, hint: Hint) -> Outcome:
        """Reconcile, and say in the log what came of it."""
        await self._in_force.judging()
        with correlated(hint.event_id):
            outcome = await self._reconciler.reconcile(exemption_id, hint)
            _log_outcome(outcome, hint)
            return outcome

    async def malformed(self, raw: str, event_id: str, reason: str, *, forged: str = "") -> None:
        """Dead-letter an event that cannot be read, and answer it: sending it again would not help.

        `forged`: the id of no exemption that it names; a notice says so once an hour.
        """
        log.warning("malformed event %s kept as a dead letter: %s", event_id or "without id", reason)
        register, now = self._world.register, self._world.clock.now()
        new = await self.keep_dead_letter("event", raw, reason, event_id or raw)
        notifying = forged and await register.claim_notification(Habit.FORGED_ID, now)
        if notifying and await self._dead_letters.notify(forged_id(forged, at=now)):
            await register.budget_notified(Habit.FORGED_ID, now)
        if new:
            await register.dead_letter_notified(new)

    async def message(self, text: str) -> Outcome | None:
        """Work off one message of the `reconcile` queue. Raises what is a defect; the host then counts and poisons."""
        return await self._in_hand(partial(self._message, text))

    async def _in_hand[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Work off a message; again, in the same call, while our own identity gives no token for storage.

        It cannot be put back on its queue then, and after five failures the host would take it for poison.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _TOKEN_PATIENCE
        while True:
            try:
                return await work()
            except Retryable as error:
                if error.code != NO_TOKEN or loop.time() >= until:
                    raise
                log.warning("a message cannot be put back on its queue and stays in memory: %s", error)
                wait = max(error.delay or 0.0, _TOKEN_WAIT)
            await self._sleep(wait)

    async def _message(self, text: str) -> Outcome | None:
        try:
            data = read_object(text)
            tick, invitation = read_tick(data), read_invitation(data)
            exemption_id = None if tick or invitation else ExemptionId.parse(data.get("id"))
        except (ValueError, Permanent) as error:
            await self.keep_dead_letter("reconcile", text, f"not a reconcile message: {error}", text)
            return None
        if tick:
            await self._second_clock.strike(
                tick, partial(self._sweep, "the second clock (a message on the queue), and not by the timer")
            )
        if invitation:
            await self._sweep("a message on the queue", partial(self._sweeper().part, invitation))
        if exemption_id is None:
            return None
        hint = _hint(data)
        attempts = read_attempt(data)
        try:
            return await self._reconcile(exemption_id, hint)
        except Permanent as error:
            await self._give_up("reconcile", text, str(error), exemption_id.key, attempts + 1)
        except Misconfigured as error:
            await self._ruleset_broken(error)
            await self._again(exemption_id, hint, attempts, asked=_RULESET_DELAY, text=text, error=error)
        except Retryable as error:
            await self._again(exemption_id, hint, attempts, asked=error.delay, text=text, error=error)
        return None

    async def sweep(self) -> "Report | None":
        """Pass over the whole tenant; None where another run is at it. A failure is notified or logged.

        Nothing is lost then: the next one finds what this one did not. A message of the second clock is on its way
        before it begins, so that the next one comes though the timer should not.
        """
        await self._second_clock.wind(sweeping=True)
        return await self._sweep("the timer")

    async def start(self) -> None:
        """The app starts: see that the second clock goes, for the timer may never call; record the ruleset in force.

        Two reads, most times.
        """
        await self._second_clock.wind(sweeping=False)
        try:
            await self._in_force.start()
        except Misconfigured as error:
            await self._ruleset_broken(error)

    async def age(self) -> timedelta | None:
        """Return how long ago the last sweep that ended began; None where none did. Raises Retryable.

        One read. Where it is late, one more each ten minutes, to see that the second clock goes.
        """
        return await self._second_clock.watched()

    @property
    def late(self) -> timedelta:
        """The age from which the last sweep is late."""
        return self._second_clock.late

    async def _sweep(self, by: str, sweep: "Callable[[], Awaitable[Report | None]] | None" = None) -> "Report | None":
        """Sweep, or do what is given of a sweep."""
        try:
            report = await (sweep() if sweep else self._sweeper().sweep(by))
        except Misconfigured as error:
            await self._ruleset_broken(error)
        except (Retryable, Permanent) as error:
            log.error("the sweep failed; the next sweep does its work: %s", error)  # noqa: TRY400
            fact(Fact.SWEEP_BROKEN, code=error.code, by=by)
        else:
            if report is not None:
                missing, queued, seconds = len(report.missing), report.queued.total(), round(report.seconds, 1)
                fact(Fact.SWEEP, seen=report.seen, missing=missing, queued=queued, seconds=seconds, by=by)
            return report
        return None

    async def deliver(self, text: str) -> bool:
        """Work off one message of the `notices` queue. Return whether a channel took a notice."""
        return await self._in_hand(partial(self._courier().deliver, text))

    async def poison(self, queue: str, text: str) -> None:
        """Dead-letter what the host gave up on, and notify: it is a defect of ours, or of the store."""
        await self._in_hand(partial(self._poison, queue, text))

    async def _poison(self, queue: str, text: str) -> None:
        """Keep it; where it cannot be kept now it goes back on its queue, for a poison queue has none of its own.

        What fails on that five times is tried no more, and the host hides it from everybody.
        """
        try:
            await self._set_aside(queue, text)
        except (Retryable, Misconfigured) as error:
            try:
                data = read_object(text)
            except ValueError:
                raise error from None
            await self._world.queues.send(queue, data, _POISON_DELAY)
            log.warning(
                "a message (%s) that the host gave up on could not be kept; the service tries again: %s", queue, error
            )

    async def _set_aside(self, queue: str, text: str) -> None:
        if queue == "notices":
            fact(Fact.POISON, queue=queue)
            await self._courier().poisoned(text)
            return
        if tick := _tick(text):
            log.error("the host gave up on the message of the second clock; the clock continues without a sweep")
            await self._second_clock.strike(tick, _nothing)
            return
        await self._give_up(queue, text, "the host gave up on it after repeated failures", text, MAX_ATTEMPTS)

    async def keep_dead_letter(self, source: str, payload: str, reason: str, name: str, attempts: int = 0) -> str:
        """Keep a dead letter under an id made of `name`. Return that id, or "" where it was kept already."""
        dead_letter = await self._dead_letters.keep_dead_letter(source, payload, reason, name, attempts)
        if dead_letter:
            fact(Fact.POISON, queue=source)
        return dead_letter

    async def _give_up(self, source: str, text: str, reason: str, name: str, attempts: int) -> None:
        log.error("a message (%s) is kept as a dead letter: %s", source, reason)
        fact(Fact.POISON, queue=source)
        done = f"It is kept as dead letter {dead_letter_id(source, name)}."
        notice = notify.service(Kind.POISON, _digest(name, 16), at=self._dead_letters.now(), done=done, why=(reason,))
        await self._dead_letters.keep_dead_letter_and_notify(
            source, text, reason, name, notice=notice, attempts=attempts
        )

    async def _again(
        self, exemption_id: ExemptionId, hint: Hint, attempts: int, *, asked: float, text: str, error: GuardrailsError
    ) -> None:
        waits = error.code == NO_TOKEN
        attempt = attempts_after(attempts, waits=waits)
        if waits or attempt < MAX_ATTEMPTS:
            await self._later(exemption_id, hint, attempt, backoff(attempts, asked, chance=self._chance()), error)
        else:
            await self._give_up("reconcile", text, str(error), exemption_id.key, attempt)

    async def _later(
        self, exemption_id: ExemptionId, hint: Hint, attempt: int, delay: float, error: BaseException
    ) -> None:  # fmt: skip
        reason = str(error) if isinstance(error, GuardrailsError) else type(error).__name__
        log.warning("%s is looked at again in %.0f s (attempt %d): %s", exemption_id, delay, attempt + 1, reason)
        message = {**json.loads(_message(exemption_id, hint)), "attempt": attempt}
        await self._world.queues.send("reconcile", message, delay)

    async def _ruleset_broken(self, error: Misconfigured) -> None:
        """Notify once a day that nothing is judged."""
        fact(Fact.RULESET_BROKEN, code=error.code)
        if error.code != "ruleset-broken":
            log.error("%s", error)
            return
        name = f"{self._dead_letters.now().date()} " + "\n".join(error.problems)
        notice = notify.service(
            Kind.RULESET_BROKEN,
            _digest(name, 16),
            at=self._dead_letters.now(),
            done="New messages wait on the queue.",
            why=error.problems,
        )
        problems = "\n".join(error.problems)
        if await self._dead_letters.keep_dead_letter_and_notify(
            "ruleset", problems, error.message, name, notice=notice
        ):
            log.error("%s", error)


def _log_outcome(outcome: Outcome, hint: Hint) -> None:
    """Log what was decided, what was done, and what is unknown."""
    row, about = outcome.row, {"exemption": outcome.id.text}
    found = [one.key for one in outcome.assessment.findings] if outcome.assessment else list(row.findings)
    fact(
        Fact.DECISION, **about, status=str(row.status), decision=row.answer, findings=found,
        ruleset=row.ruleset, source=hint.source, recorded=outcome.wrote,
    )  # fmt: skip
    if outcome.did:
        fact(Fact.ACTED, **about, did=outcome.did)
    unknown = [name for name in found if name.endswith("?")]
    if unknown or row.status is Status.UNKNOWN:
        fact(Fact.UNKNOWN, **about, rules=unknown)


def _message(exemption_id: ExemptionId, hint: Hint) -> str:
    body: dict[str, Any] = {"id": exemption_id.text, "operation": hint.operation}
    body |= {"actor": hint.actor, "event": hint.event_id}
    if hint.verified:
        body["verified"] = True
    if hint.source == "target":
        body |= {"operation": "", "target": hint.operation.removeprefix(_TARGET)}
    if hint.source == "wake-up":
        body |= wake_up(exemption_id, hint.due)
    if hint.source == "sweep":
        body |= sweep_message(exemption_id.text, hint)
    return json.dumps({key: value for key, value in body.items() if value})


def _hint(data: Mapping[str, Any]) -> Hint:
    """Read what a message of the `reconcile` queue says besides the id."""
    texts = {name: str(data.get(key) or "") for name, key in _SAID.items()}
    source = "sweep" if data.get("sweep") is True else "wake-up" if data.get("wake") is True else "queue"
    if source == "queue" and (target := data.get("target")) in ("write", "delete"):
        source, texts["operation"] = "target", f"{_TARGET}{target}"
    adopt, seen = (_time(data.get(name)) if source == "sweep" else None for name in ("adopt", "seen"))
    due = _time(data.get("at")) if source == "wake-up" else None
    found = data.get("together") if source == "sweep" else None
    together = found if isinstance(found, Mapping) else {}
    verified = data.get("verified") is True
    return Hint(source, **texts, adopt=adopt, seen=seen, due=due, together=together, verified=verified)


def _tick(text: str) -> Tick | None:
    try:
        return read_tick(read_object(text))
    except ValueError:
        return None


async def _nothing() -> None:
    """Begin no sweep."""


def _time(value: object) -> datetime | None:
    """Return a time in a message; None where it cannot be read."""
    try:
        return parse_time(value)
    except ValueError:
        return None


def _digest(name: str, length: int) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:length]
