"""The line between one process and the world: every request takes it there and back, and it may break at either end.

A process that dies is one whose line is cut: whatever it does from then on reaches nobody. What it did before stays.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from types import coroutine
from typing import Final

from tests.storage import Line as StorageLine

CALLED: Final[ContextVar[str]] = ContextVar("CALLED", default="")
"""Which method of which port is being called, such as `Register.commit`; "" outside of all."""

READS: Final = frozenset(
    {"get_entity", "query_entities", "receive_messages", "get_queue_properties", "GET", "POST", "deliver nothing"}
)
"""Requests that change nothing. POST: Resource Graph is asked so."""


@coroutine
def give_way() -> Generator[None]:
    """Let others run: asyncio.sleep(0), without a coroutine around it."""
    yield


class Died(BaseException):
    """The process is dead. No `Exception`, so that nobody takes it for a failure and goes on."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        error: what the client raises.
        status: what Azure Resource Manager answers instead; 0: nothing is answered.
        code: its error code.
        after: whether the request is carried out all the same, and only its answer is lost.
        cut: whether the answer to what was carried out breaks off.
        name: what it is called.
        retry_after: the answer's header; "" for none.
        body: what the answer to what was carried out says instead; None: what it says.
        instead: the path of what is answered with in place of what was asked for; "" for that itself.
        delay: seconds that the request is on its way. A slow one is no failure.
    """

    error: Exception | None = None
    status: int = 0
    code: str = ""
    after: bool = False
    cut: bool = False
    name: str = ""
    retry_after: str = ""
    body: bytes | None = None
    instead: str = ""
    delay: float = 0.0

    @property
    def slow(self) -> bool:
        """Whether nothing is wrong but how long it takes."""
        return self.delay > 0

    @property
    def kind(self) -> str:
        """What it is called where faults are counted."""
        if self.name:
            return self.name
        status = self.status or getattr(self.error, "status_code", None)
        kind = "an answer that breaks off" if self.cut else f"HTTP {status}" if status else "no answer"
        return f"{kind}, carried out" if self.after else kind


@dataclass(slots=True)
class Sent:
    """One request on its way: its name, such as `submit_transaction` or `PUT`, and the port's method that makes it."""

    what: str
    port: str
    fault: Fault | None = None
    last: bool = False

    @property
    def changes(self) -> bool:
        """Whether it may change the world."""
        return self.what not in READS

    @property
    def where(self) -> str:
        """Who is asked."""
        return "Resource Manager" if self.what.isupper() else "a channel" if self.what == "deliver" else "storage"


class Line(StorageLine):
    """One process's.

    Args:
        trouble: says what goes wrong with a request; None: nothing ever does.
        died: called once the process has died, after what it was just doing.

    Attributes:
        requests: how many were made, by the port's method and the request's name.
        dead: whether it is cut.
    """

    def __init__(
        self, trouble: Callable[[Sent], Fault | None] | None = None, died: Callable[[], object] | None = None
    ) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.dead = False
        self._trouble = trouble
        self._died = died
        self._left: int | None = None
        self._after = False

    def die_at(self, write: int, *, after: bool) -> None:
        """Cut it at the request with this number that may change the world, counted from now; the first is 1."""
        self._left, self._after = write, after

    def cut(self) -> None:
        """Let the process die now."""
        self.dead = True
        if self._died:
            asyncio.get_running_loop().call_soon(self._died)

    async def depart(self, what: str) -> Sent:
        """Let others run; return the request, and what is to go wrong with it. Raises Died where the line is cut.

        What comes next is done before anybody else runs.
        """
        await give_way()
        self._alive()
        sent = Sent(what, CALLED.get())
        self.requests[sent.port, what] += 1
        if self._left is not None and sent.changes:
            self._left -= 1
            sent.last = self._left == 0
        if sent.last:
            self.cut()
            if not self._after:
                raise Died
        elif self._trouble:
            sent.fault = self._trouble(sent)
            if sent.fault and sent.fault.slow:
                await asyncio.sleep(sent.fault.delay)
                self._alive()
                sent.fault = None
        return sent

    async def arrive(self) -> None:
        """Let others run. Raises Died where the line was cut meanwhile."""
        await give_way()
        self._alive()

    async def before(self, what: str) -> Sent:
        """As `depart`; raises what the client of storage raises where the request fails and is not carried out."""
        sent = await self.depart(what)
        if sent.fault and sent.fault.error and not sent.fault.after:
            raise sent.fault.error
        return sent

    async def after(self, sent: object) -> None:
        """As `arrive`; raises what the client of storage raises where the answer is lost."""
        await self.arrive()
        if isinstance(sent, Sent) and sent.fault and sent.fault.error:
            raise sent.fault.error

    def _alive(self) -> None:
        if self.dead:
            raise Died
