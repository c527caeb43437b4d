"""Intake: what a trigger does with what it was handed, so that nothing is lost and nothing is retried in vain.

An event that cannot be finished at once is put on the `reconcile` queue and answered: Event Grid would send the whole
delivery again, and puts an endpoint that fails often on hold for hours. What can never be processed becomes a letter.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from guardrails import tell
from guardrails.errors import GuardrailsError, Misconfigured, Permanent, Retryable
from guardrails.exemption import ExemptionId
from guardrails.notice import Kind, Notice
from guardrails.ports import Channels, Delivered, Hint, TryAgain
from guardrails.reconcile import Reconciler
from guardrails.record import Letter, Outgoing
from guardrails.ruleset import Route, Ruleset
from guardrails.visit import IN_HAND, Outcome, World

log = logging.getLogger("guardrails")

MAX_ATTEMPTS: Final = 40
"""How often a message is tried before it becomes a letter: with the delays below, for more than a day."""

_FIRST_DELAY: Final = 10.0
_LONGEST_DELAY: Final = 3600.0
_RULESET_DELAY: Final = 300.0
_PATIENCE: Final = (0.1, 0.3, 0.9)


def backoff(attempt: int, asked: float | None = None) -> float:
    """Return the seconds to wait before the next attempt: doubling from 10 s to an hour, or longer where asked."""
    wait = min(_FIRST_DELAY * 2.0 ** min(attempt, 20), _LONGEST_DELAY)
    return max(wait, min(asked or 0.0, _LONGEST_DELAY))


class Intake:
    """The use case of every trigger.

    Args:
        reconciler, world, channels: what does the work.
        ruleset: returns the ruleset in force; raises Misconfigured.
        fallback: the routes for the service's own troubles while the ruleset cannot name any.
        budget: seconds that an event may take before it is handed to the queue. Event Grid waits 30 s.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        world: World,
        channels: Channels,
        ruleset: Callable[[], Ruleset],
        *,
        fallback: tuple[Route, ...] = (),
        budget: float = 20.0,
    ) -> None:
        self._reconciler = reconciler
        self._world = world
        self._channels = channels
        self._ruleset = ruleset
        self._fallback = fallback
        self._budget = budget

    async def event(self, exemption_id: ExemptionId, hint: Hint) -> Outcome | None:
        """Reconcile now; what cannot finish goes on the queue. Raises only when neither was possible."""
        try:
            async with asyncio.timeout(self._budget):
                return await self._patiently(exemption_id, hint)
        except Permanent as error:
            await self._give_up("event", _message(exemption_id, hint), str(error), exemption_id.key, 1)
        except Misconfigured as error:
            await self._ruleset_broken(error)
            await self._later(exemption_id, hint, 0, _RULESET_DELAY, error)
        except (Retryable, TimeoutError) as error:
            asked = error.delay if isinstance(error, Retryable) else None
            await self._later(exemption_id, hint, 0, asked or _FIRST_DELAY, error)
        except Exception as error:
            # a defect of ours: the queue tries it again and in the end makes it a letter; Event Grid would only repeat
            log.exception("reconcile of %s failed; it goes on the queue", exemption_id)
            await self._later(exemption_id, hint, 0, _FIRST_DELAY, error)
        return None

    async def _patiently(self, exemption_id: ExemptionId, hint: Hint) -> Outcome:
        """Reconcile; where another worker is at it, wait a moment for it: that is cheaper than a turn on the queue."""
        for wait in _PATIENCE:
            try:
                return await self._reconciler.reconcile(exemption_id, hint)
            except Retryable as error:
                if error.code != IN_HAND:
                    raise
            await asyncio.sleep(wait)
        return await self._reconciler.reconcile(exemption_id, hint)

    async def malformed(self, raw: str, event_id: str, reason: str) -> None:
        """Keep an event that cannot be read, and answer it: sending it again would not mend it."""
        log.warning("malformed event %s kept as a letter: %s", event_id or "without id", reason)
        await self.bury("event", raw, reason, event_id or raw)

    async def message(self, text: str) -> Outcome | None:
        """Work off one message of the `reconcile` queue. Raises what is a defect; the host then counts and poisons."""
        try:
            data = _object(text)
            exemption_id = ExemptionId.parse(data.get("id"))
        except (ValueError, Permanent) as error:
            await self.bury("reconcile", text, f"not a reconcile message: {error}", text)
            return None
        hint = Hint(
            "queue", str(data.get("operation") or ""), str(data.get("actor") or ""), str(data.get("event") or "")
        )
        attempt = _attempt(data) + 1
        try:
            return await self._reconciler.reconcile(exemption_id, hint)
        except Permanent as error:
            await self._give_up("reconcile", text, str(error), exemption_id.key, attempt)
        except Misconfigured as error:
            await self._ruleset_broken(error)
            await self._again(exemption_id, hint, attempt, asked=_RULESET_DELAY, text=text, error=error)
        except Retryable as error:
            await self._again(exemption_id, hint, attempt, asked=error.delay, text=text, error=error)
        return None

    async def deliver(self, text: str) -> bool:
        """Deliver one message of the `notices` queue. Return whether a channel took it."""
        try:
            data = _object(text)
            notice, route = Notice.from_json(data.get("notice") or {}), str(data["route"])
        except (ValueError, KeyError) as error:
            await self.bury("notices", text, f"not a notice: {error}", text)
            return False
        delivery = await self._channels.deliver(notice, route)
        if isinstance(delivery, Delivered):
            return True
        attempt = _attempt(data) + 1
        if isinstance(delivery, TryAgain) and attempt < MAX_ATTEMPTS:
            wait = backoff(attempt - 1, delivery.delay)
            log.warning(
                "notice %s to %s: %s; attempt %d in %.0f s", notice.id, route, delivery.reason, attempt + 1, wait
            )
            await self._world.queues.send("notices", {**data, "attempt": attempt}, wait)
        else:
            log.error("notice %s to %s failed for good: %s", notice.id, route, delivery.reason)
            await self.bury("notices", text, delivery.reason, f"{notice.id}-{route}", attempt)
        return False

    async def poison(self, queue: str, text: str) -> None:
        """Keep what the host gave up on, and tell: it is a defect of ours, or of the store."""
        await self._give_up(queue, text, "the host gave up on it after repeated failures", text, MAX_ATTEMPTS)

    async def bury(self, source: str, payload: str, reason: str, name: str, attempts: int = 0) -> str:
        """Keep a letter under a name made of `name`. Return its id, or "" where it was kept already."""
        key = f"{source}-{_digest(name, 24)}"
        new = await self._world.register.bury(Letter(key, source, reason, payload, self._now(), attempts))
        return key if new else ""

    async def _give_up(self, source: str, text: str, reason: str, name: str, attempts: int) -> None:
        log.error("a message (%s) is kept as a letter: %s", source, reason)
        letter = await self.bury(source, text, reason, name, attempts)
        if letter and source != "notices":
            await self._tell_service(Kind.POISON, letter, _digest(name, 16), f"It is kept as letter {letter}.", reason)

    async def _again(
        self, exemption_id: ExemptionId, hint: Hint, attempt: int, *, asked: float, text: str, error: GuardrailsError
    ) -> None:
        if attempt < MAX_ATTEMPTS:
            await self._later(exemption_id, hint, attempt, backoff(attempt - 1, asked), error)
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
        """Tell once a day that nothing is judged."""
        if error.code != "ruleset-broken":
            log.error("%s", error)
            return
        name = f"{self._now().date()} " + "\n".join(error.problems)
        letter = await self.bury("ruleset", "\n".join(error.problems), error.message, name)
        if letter:
            log.error("%s", error)
            done = "What comes in waits on the queue."
            await self._tell_service(Kind.RULESET_BROKEN, letter, _digest(name, 16), done, *error.problems)

    async def _tell_service(self, kind: Kind, letter: str, key: str, done: str, *why: str) -> None:
        """Say what a new letter is about. Where that fails the letter goes again, so that the next try tells."""
        notice = tell.service(kind, key, at=self._now(), done=done, why=why)
        try:
            messages = tell.outgoing(notice, self._ruleset())
        except Misconfigured:
            messages = tuple(
                Outgoing(f"{notice.id}-{route.name}", "notices", {"route": route.name, "notice": notice.to_json()})
                for route in self._fallback
            )
        try:
            for message in messages:
                await self._world.queues.send(message.queue, message.body)
        except GuardrailsError:
            await self._world.register.drop_letter(letter)
            raise

    def _now(self) -> datetime:
        return self._world.clock.now()


def _message(exemption_id: ExemptionId, hint: Hint) -> str:
    body = {"id": exemption_id.text, "operation": hint.operation, "actor": hint.actor, "event": hint.event_id}
    return json.dumps({key: value for key, value in body.items() if value})


def _digest(name: str, length: int) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:length]


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(data, Mapping):
        raise ValueError("not a JSON object")
    return dict(data)


def _attempt(data: Mapping[str, Any]) -> int:
    attempt = data.get("attempt")
    return attempt if isinstance(attempt, int) and not isinstance(attempt, bool) and attempt >= 0 else 0
