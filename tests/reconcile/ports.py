"""A watched port: counts its operations, runs a test's code before one, and plays a process that dies."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from inspect import isasyncgenfunction
from typing import Any

from guardrails.errors import Retryable
from guardrails.ports import Queues

WRITES = {
    "arm.put", "arm.delete", "arm.tag_scope", "register.commit", "register.sent", "register.take_revert",
    "register.breaker_notified", "register.take_outbox", "queues.send", "sweeps.begin", "sweeps.end", "sweeps.cover",
    "sweeps.expect", "bypasses.write", "bypasses.mark_gone", "bypasses.forget",
    "record.begin", "record.end", "record.prune", "record.use",
    "record.keep_heads",
}  # fmt: skip
"""Where a process can die. A read changes nothing: to die at one is to die before the write that follows."""


class Died(Exception):
    """The process is dead: nothing that it does from now on has any effect."""


class Watch:
    """What all ports of one world share.

    Attributes:
        calls: operations by name, such as `arm.put`.
        before: what to do before the next operation of a name; taken out when it runs.
        left: writes until the process dies; None: it lives.
        after: whether it dies when that write is done, rather than before it.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self.left: int | None = None
        self.after = False
        self.dead = False

    def die_at(self, write: int, *, after: bool) -> None:
        """Die at the write with this number, counted from now; the first is 1."""
        self.left, self.after = write, after

    def revive(self) -> bool:
        """Start a new process; return whether the old one had died."""
        died, self.left, self.dead = self.dead, None, False
        return died

    async def run(self, name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
        if self.dead:
            raise Died(name)
        self.calls[name] += 1
        if hook := self.before.pop(name, None):
            await hook()
        last = False
        if self.left is not None and name in WRITES:
            self.left -= 1
            last = self.left == 0
        if last and not self.after:
            self.dead = True
            raise Died(f"before {name}")
        result = await operation()
        if last:
            self.dead = True
        if self.dead:
            raise Died(f"after {name}")
        return result


class Watched:
    """A port whose operations all go through a Watch."""

    def __init__(self, name: str, port: Any, watch: Watch) -> None:
        self._name, self._port, self._watch = name, port, watch

    def __getattr__(self, operation: str) -> Any:
        method, watch, name = getattr(self._port, operation), self._watch, f"{self._name}.{operation}"
        if isasyncgenfunction(method) or not callable(method):
            return method  # a read, or what the port is: nobody dies at it

        async def call(*args: Any, **more: Any) -> Any:
            now = getattr(self._port, operation)  # not `method`: tests replace operations
            return await watch.run(name, lambda: now(*args, **more))

        setattr(self, operation, call)
        return call


def watched(name: str, port: Any, watch: Watch) -> Any:
    """Return the port, watched; Any, for it has whatever operations the port has."""
    return Watched(name, port, watch)


class NotedQueues:
    """The real queues, with a note of what was sent: a message that is hidden for a time cannot be read from them."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self.sent: list[tuple[str, dict[str, Any], float]] = []
        self.down = False

    async def send(self, queue: str, body: dict[str, Any], delay: float = 0.0) -> None:
        if self.down:
            await asyncio.sleep(0)
            raise Retryable("the queue is down", code="storage-busy", subject=queue)
        await self._queues.send(queue, body, delay)
        self.sent.append((queue, dict(body), delay))
