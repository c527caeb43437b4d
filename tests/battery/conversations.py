"""What each method of each port says to storage, and what it is answered: taken down where the flows come by it.

for talk in conversations():      # one of each method and each kind of request that it makes
    await replay(talk, fault)     # the same once more, by the SDK's clients and real HTTP, with one answer spoiled
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from inspect import isasyncgen
from typing import Any, Final
from unittest.mock import patch

from azure.core.exceptions import HttpResponseError

from guardrails.register import queues, table_register
from guardrails.register.account import code_of
from guardrails.register.table_register import TableRegister
from tests.battery import matrix, worker
from tests.battery.line import Fault, Sent
from tests.battery.stage import Stage
from tests.register import answers
from tests.storage import MemoryQueue, MemoryTable

type Asked = tuple[str, str]
"""A method of a port, as `Register.commit`, and the SDK's method by which it asks storage, as `submit_transaction`."""

type Said = tuple[str, bytes]
"""The name of the SDK's method that asked, and the answer as it goes over the line."""

_TALK: Final[ContextVar["Talk | None"]] = ContextVar("TALK", default=None)
_PARTS: Final[Mapping[str, Callable[[TableRegister, queues.StorageQueues], Any]]] = {
    "Register": lambda register, _: register,
    "Sweeps": lambda register, _: register.sweeps,
    "SharedParts": lambda register, _: register.parts,
    "Bypasses": lambda register, _: register.bypasses,
    "Record": lambda register, _: register.record,
    "RateLimits": lambda register, _: register.rate_limits,
    "DigestItems": lambda register, _: register.digest_items,
    "Reinstate": lambda register, _: register.reinstate,
    "Queues": lambda _, outward: outward,
}


@dataclass(frozen=True, slots=True)
class At:
    """ports.Clock that does not move."""

    time: datetime

    def now(self) -> datetime:
        """Return the time, UTC."""
        return self.time


@dataclass(slots=True)
class Talk:
    """One call of a method of a port: `name` as `Register.commit`, its arguments, when it was, and what was said."""

    name: str
    args: tuple[Any, ...]
    more: Mapping[str, Any]
    at: datetime
    said: list[Said] = field(default_factory=list)


def conversations() -> Mapping[Asked, Talk]:
    """Return a call of each method of a port for each kind of request to storage that it makes, by their names."""
    return _heard()[0]


def asked_by_ports() -> frozenset[Asked]:
    """Return all of these kinds, as the lines of the processes counted them."""
    return _heard()[1]


def flows() -> Mapping[Asked, tuple[str, str]]:
    """Return a flow that comes by each kind of request once it is set off, and where it is played."""
    return _heard()[2]


@cache
def _heard() -> tuple[Mapping[Asked, Talk], frozenset[Asked], Mapping[Asked, tuple[str, str]]]:
    heard: list[Talk] = []
    requests: Counter[Asked] = Counter()
    met: dict[Asked, tuple[str, str]] = {}
    matrix.undisturbed.cache_clear()
    with _listening(heard, requests):
        for place in matrix.places(matrix.few()):
            with _noting_flow(met, place):
                matrix.undisturbed(*place)
    found: dict[Asked, Talk] = {}
    for talk in heard:
        for what, _ in talk.said:
            found.setdefault((talk.name, what), talk)
    storage = frozenset(asked for asked in requests if asked[0] and asked[1] in answers.OK)
    return dict(sorted(found.items())), storage, {one: met[one] for one in sorted(storage & met.keys())}


async def replay(talk: Talk, what: str, fault: bytes | None) -> list[str]:
    """Make the call again, to a store that says the same, but for its first answer to `what`: that is `fault`.

    Return what was asked, but for rows that the process remembered not to be there. Raises what the call raises.
    """
    left, asked = list(talk.said), list[str]()
    reads = any(asks == "get_entity" for asks, _ in talk.said)

    def answer(asks: str) -> bytes:
        if asks == "get_entity" and not reads:
            return answers.refusal(404, "ResourceNotFound")
        asked.append(asks)
        if fault is not None and asks == what:
            return fault
        index = next((index for index, (other, _) in enumerate(left) if other == asks), None)
        return answers.refusal(500, "NothingMoreToSay") if index is None else left.pop(index)[1]

    port, _, method = talk.name.partition(".")
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(answers.speaking(answer))
        register = table_register.connect(clock=At(talk.at), connection_string=connection, table=worker.TABLE)
        outward = queues.connect(connection_string=connection)
        for part in (register, outward):
            stack.push_async_callback(part.close)
        call = getattr(_PARTS[port](register, outward), method)(*talk.args, **talk.more)
        if isasyncgen(call):
            [one async for one in call]
        else:
            await call
    return asked


def _noting_flow(met: dict[Asked, tuple[str, str]], place: tuple[str, str]) -> Any:
    """Take down which requests a flow comes by once it is set off."""
    note = Stage._note

    def noted(self: Stage, sent: Sent) -> Fault | None:
        if self._watching:
            met.setdefault((sent.port, sent.what), place)
        return note(self, sent)

    return patch.object(Stage, "_note", noted)


@contextmanager
def _listening(heard: list[Talk], requests: Counter[Asked]) -> Iterator[None]:
    """Take down what is said meanwhile, and count it."""
    named, name_calls = worker._named, worker.Worker._name_calls
    clocks: list[Any] = []

    def noted(kind: Any, method: str, name: str) -> Any:
        call = named(kind, method, name)

        def begin(part: Any, *args: Any, **more: Any) -> Any:
            talk = Talk(name, args, more, clocks[-1].now())  # a stage has one worker at a time
            heard.append(talk)
            going = call(part, *args, **more)
            return _each(going, talk) if isasyncgen(going) else _whole(going, talk)

        return begin

    def name_them(self: worker.Worker) -> None:
        clocks.append(self.clock)
        self.line.requests = self.requests = requests
        name_calls(self)

    with (
        patch.object(worker, "_naming", cache(worker._naming.__wrapped__)),
        patch.object(worker, "_named", noted),
        patch.object(worker.Worker, "_name_calls", name_them),
        _noting(MemoryTable, "get_entity", lambda _, found: answers.row(found, found.metadata["etag"])),
        _noting(MemoryTable, "submit_transaction", lambda _, done: answers.done([one.get("etag", "") for one in done])),
        _noting(MemoryTable, "create_table", lambda *_: answers.http(201, b"{}")),
        _noting(MemoryQueue, "send_message", lambda *_: answers.SENT),
        _noting(MemoryQueue, "create_queue", lambda *_: answers.http(201)),
        _noting_rows(),
    ):
        yield


async def _whole(going: Any, talk: Talk) -> Any:
    token = _TALK.set(talk)
    try:
        return await going
    finally:
        _TALK.reset(token)


async def _each(going: Any, talk: Talk) -> AsyncIterator[Any]:
    async with aclosing(going) as found:
        while True:
            token = _TALK.set(talk)
            try:
                one = await anext(found)
            except StopAsyncIteration:
                return
            finally:
                _TALK.reset(token)
            yield one


def _note(what: str, answer: bytes) -> None:
    if (talk := _TALK.get()) is not None:
        talk.said.append((what, answer))


def _noting(kind: Any, what: str, spell: Callable[[Any, Any], bytes]) -> Any:
    ask = getattr(kind, what)

    async def noted(self: Any, *args: Any, **more: Any) -> Any:
        try:
            answer = await ask(self, *args, **more)
        except HttpResponseError as error:
            said = answers.refusal(error.status_code or 500, code_of(error))
            _note(what, answers.transaction(said) if what == "submit_transaction" else said)
            raise
        _note(what, spell(args, answer))
        return answer

    return patch.object(kind, what, noted)


def _noting_rows() -> Any:
    ask = MemoryTable.query_entities

    async def noted(self: Any, *args: Any, **more: Any) -> AsyncIterator[Any]:
        found: list[Any] = []
        talk = _TALK.get()
        try:
            async with aclosing(ask(self, *args, **more)) as every:  # type: ignore[type-var]
                async for one in every:
                    found.append((one, one.metadata["etag"]))
                    yield one
        finally:
            if talk is not None:
                talk.said.append(("query_entities", answers.rows(found)))

    return patch.object(MemoryTable, "query_entities", noted)
