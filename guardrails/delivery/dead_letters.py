"""The dead-letter queue: what cannot be processed is kept, and people are notified of it, as of the service itself."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from guardrails.decisions import notify
from guardrails.decisions.history import DeadLetter, Outgoing
from guardrails.errors import GuardrailsError, Misconfigured
from guardrails.notices.notice import Notice
from guardrails.notices.routing import Route
from guardrails.ports import Clock, Queues, Register
from guardrails.ruleset.model import Ruleset


class DeadLetterQueue:
    """Keeps dead letters, and sends notices about the service.

    Args:
        register, queues, clock: where dead letters are kept, where notices go, the present.
        ruleset: returns the ruleset in force; raises Misconfigured.
        fallback: the routes for the service's own troubles while the ruleset cannot name any.
    """

    def __init__(
        self,
        register: Register,
        queues: Queues,
        clock: Clock,
        ruleset: Callable[[], Ruleset],
        fallback: tuple[Route, ...] = (),
    ) -> None:
        self._register = register
        self._queues = queues
        self._clock = clock
        self._ruleset = ruleset
        self.fallback = fallback

    async def keep_dead_letter(self, source: str, payload: str, reason: str, name: str, attempts: int = 0) -> str:
        """Keep a dead letter under a name made of `name`. Return its id; "" where people were notified of it before."""
        key = dead_letter_id(source, name)
        new = await self._register.keep_dead_letter(DeadLetter(key, source, reason, payload, self.now(), attempts))
        return key if new else ""

    async def drop(self, source: str, name: str) -> None:
        """Forget the dead letter that `keep_dead_letter` keeps under a name; one that is not there is no error."""
        await self._register.drop_dead_letter(dead_letter_id(source, name))

    async def keep_dead_letter_and_notify(
        self, source: str, payload: str, reason: str, name: str, *, notice: Notice, attempts: int = 0
    ) -> bool:
        """Keep a dead letter, and notify people where nobody has; return whether that was done.

        Where that fails the dead letter is dropped, so that the next try keeps it and notifies; where the process dies
        of it, the next that keeps the same dead letter notifies.
        """
        dead_letter = await self.keep_dead_letter(source, payload, reason, name, attempts)
        if not dead_letter:
            return False
        try:
            await self.notify(notice)
        except GuardrailsError:
            await self._register.drop_dead_letter(dead_letter)
            raise
        await self._register.dead_letter_notified(dead_letter)
        return True

    async def notify(self, notice: Notice, *, but: str = "") -> int:
        """Queue a notice for every route that wants it, save one. Return how many.

        Where no such route is left, or the ruleset is broken, the fallback is notified; without one, every other route.
        """
        try:
            ruleset = self._ruleset()
            messages = [one for one in notify.outgoing(notice, ruleset) if one.body["route"] != but]
            others = ruleset.routes
        except Misconfigured:
            messages, others = [], ()
        if not messages:
            left = [route for route in self.fallback or others if route.name != but]
            body = {"notice": notice.to_json(), "attempt": 0}
            messages = [Outgoing(f"{notice.id}-{one.name}", "notices", {"route": one.name, **body}) for one in left]
        for message in messages:
            await self._queues.send(message.queue, message.body)
        return len(messages)

    def now(self) -> datetime:
        """Return the time, UTC."""
        return self._clock.now()


def dead_letter_id(source: str, name: str) -> str:
    """Return the id of a dead letter, of its source and its name: the same trouble, the same dead letter."""
    return f"{source}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:24]}"


def read_object(text: str) -> dict[str, Any]:
    """Read a message. Raises ValueError where it is not a JSON object."""
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(data, Mapping):
        raise ValueError("not a JSON object")
    return dict(data)


def read_attempt(data: Mapping[str, Any]) -> int:
    """Return how often a message was tried; 0 where it does not say."""
    attempt = data.get("attempt")
    return attempt if isinstance(attempt, int) and not isinstance(attempt, bool) and attempt >= 0 else 0
