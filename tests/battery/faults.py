"""What may go wrong with a request: each fault that the tests of the adapters know, in one table.

tests/register/test_failures.py and tests/azure/ say what the adapters make of each of them. Here each befalls every
request that it fits: before the request is carried out, after that, or in its answer.

    draw(chance, sent)    a fault for that request, the common ones more often
    fitting(sent)         all of them, by name
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import accumulate
from random import Random
from types import SimpleNamespace
from typing import Final

from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables import RequestTooLargeError, TableTransactionError

from guardrails.azure.refusals import REFUSALS
from guardrails.errors import NO_TOKEN, Retryable
from tests.battery.line import Fault, Sent
from tests.reconcile.world import ABOVE

READ, WRITE, GRAPH, LOG, TABLE_READ, TABLE_WRITE, QUEUE, NONE = (
    "read", "write", "graph", "log", "table read", "table write", "queue", "",
)  # fmt: skip
_ARM: Final = (READ, WRITE, GRAPH, LOG)
_STORAGE: Final = (TABLE_READ, TABLE_WRITE, QUEUE)
_KINDS: Final[Mapping[str, str]] = {
    "GET": READ, "PUT": WRITE, "PATCH": WRITE, "DELETE": WRITE, "POST": GRAPH, "get_entity": TABLE_READ,
    "query_entities": TABLE_READ, "submit_transaction": TABLE_WRITE, "create_table": TABLE_WRITE,
    "send_message": QUEUE, "create_queue": QUEUE,
}  # fmt: skip
_CHANGES: Final = (WRITE, TABLE_WRITE, QUEUE)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One row of the table.

    Attributes:
        name: what it is called; the same name, the same fault.
        kinds: the kinds of requests that it befalls.
        make: returns the fault: anew each time, for an exception keeps where it was raised.
        weight: how often, beside the others of its kind.
        late: whether a request that changes something may be carried out all the same.
    """

    name: str
    kinds: tuple[str, ...]
    make: Callable[[], Fault]
    weight: int = 1
    late: bool = False

    def faults(self, kind: str) -> Iterator[tuple[Callable[[], Fault], int]]:
        """Yield what it may be for a kind of request, and how often: before the request, and after it."""
        yield lambda: replace(self.make(), name=self.name), self.weight
        if self.late and kind in _CHANGES:
            yield lambda: replace(self.make(), name=f"{self.name}, carried out", after=True), self.weight


def kind_of(sent: Sent) -> str:
    """Return which kind of request it is; "" for one that no fault is known of."""
    kind = _KINDS.get(sent.what, NONE)
    return LOG if kind == READ and sent.port == "ActivityLog.deleted_by" else kind


def draw(chance: Random, sent: Sent) -> Fault | None:
    """Return a fault by chance; None for a request that no fault is known of."""
    makers, weights = _of(kind_of(sent))
    return chance.choices(makers, cum_weights=weights)[0]() if makers else None


def fitting(sent: Sent) -> dict[str, Fault]:
    """Return every fault that fits a request, by its name."""
    return {fault.name: fault for fault in (make() for make in _of(kind_of(sent))[0])}


@cache
def _of(kind: str) -> tuple[list[Callable[[], Fault]], list[int]]:
    rows = [one for trouble in TABLE if kind in trouble.kinds for one in trouble.faults(kind)]
    return [make for make, _ in rows], list(accumulate(weight for _, weight in rows))


# Azure Resource Manager


def _answer(status: int, code: str = "", retry_after: str = "") -> Callable[[], Fault]:
    return lambda: Fault(status=status, code=code, retry_after=retry_after)


def _says(body: bytes) -> Callable[[], Fault]:
    return lambda: Fault(body=body)


def _no_token() -> Fault:
    return Fault(Retryable("the managed identity endpoint gave no token", code=NO_TOKEN, delay=60.0))


def _arm() -> Iterator[Trouble]:
    yield Trouble("no answer", _ARM, Fault, 12, late=True)
    yield Trouble("slow", (*_ARM, *_STORAGE), lambda: Fault(delay=3.0), 4)
    yield Trouble("very slow", (*_ARM, *_STORAGE), lambda: Fault(delay=12.0), 4)
    yield Trouble("no token", _ARM, _no_token, 2)
    yield Trouble("HTTP 401", _ARM, _answer(401), 2)
    for status in (408, 429, 500, 502, 503, 504):
        yield Trouble(f"HTTP {status}", _ARM, _answer(status, "ServerBusy"), 2, late=status != 429)
    for wait in ("17", "0", "-5", "99999", "soon", "nan"):
        yield Trouble(f"429, Retry-After: {wait}", _ARM, _answer(429, "TooManyRequests", wait))
    yield Trouble("cut off", _ARM, lambda: Fault(cut=True), 6)
    for body in (b"", b"[]", b"null", b"<html>", b"\xff\xfe", b'{"id": "/subscri', b"[" * 100_000):
        yield Trouble(f"answer {body[:16]!r}", _ARM, _says(body))
    for status in (301, 302, 307):
        yield Trouble(f"HTTP {status}", (READ, WRITE), _answer(status))
    for status, code in (
        (400, "InvalidApiVersionParameter"), (403, ""), (403, "AuthorizationFailed"),
        (403, "PolicyExemptionNotFound"), (404, ""), (404, "InvalidResourceType"), (404, "PolicyAssignmentNotFound"),
        (404, "SubscriptionNotFound"), (409, "SubscriptionDisabled"),
    ):  # fmt: skip
        yield Trouble(f"HTTP {status} {code}", (READ,), _answer(status, code))
    yield Trouble("another object", (READ,), lambda: Fault(instead=ABOVE), 2)
    for status in (400, 403, 405, 409, 410, 412, 413, 415, 423, 425, 451, 499, 501, 507, 520, 598):
        for code in ("", "SomethingNew"):
            late = status in (409, 499) or status >= 500
            yield Trouble(f"HTTP {status} {code}", (WRITE,), _answer(status, code), late=late)
    for code in sorted(REFUSALS):
        yield Trouble(f"HTTP 409 {code}", (WRITE,), _answer(409, code))
    for status, code in ((400, "ResponsePayloadTooLarge"), (400, "BadRequest"), (403, "AccessDenied")):
        yield Trouble(f"HTTP {status} {code}", (GRAPH,), _answer(status, code))
    for status, code in ((403, "AuthorizationFailed"), (400, "BadRequest"), (404, "NotFound")):
        yield Trouble(f"HTTP {status} {code}", (LOG,), _answer(status, code), 2)


# Storage


def _failed(status: int | None, code: str = "", retry_after: str = "", kind: type = HttpResponseError) -> Fault:
    error = kind(message=code or f"HTTP {status}")
    error.status_code, error.error_code = status, code
    error.response = SimpleNamespace(headers={"Retry-After": retry_after} if retry_after else {})
    return Fault(error)


def _raised(error: Exception) -> Fault:
    return Fault(type(error)(*error.args))


def _refused(
    status: int | None, code: str = "", retry_after: str = "", kind: type = HttpResponseError
) -> Callable[[], Fault]:
    return lambda: _failed(status, code, retry_after, kind)


def _storage() -> Iterator[Trouble]:
    yield Trouble("unreachable", _STORAGE, lambda: Fault(ServiceRequestError("no connection")), 8)
    yield Trouble("no answer", _STORAGE, lambda: Fault(ServiceResponseError("lost")), 8, late=True)
    yield Trouble("something else", _STORAGE, lambda: Fault(AzureError("broken")), late=True)
    for status in (408, 429, 500, 502, 503, 504):
        yield Trouble(f"HTTP {status}", _STORAGE, _refused(status, "ServerBusy"), 2, late=status in (408, 500, 504))
    for wait in ("17", "99999", "soon"):
        yield Trouble(f"503, Retry-After: {wait}", _STORAGE, _refused(503, "ServerBusy", wait))
    for status in (400, 401, 403):
        yield Trouble(f"HTTP {status}", _STORAGE, _refused(status))
    yield Trouble("no token", _STORAGE, _no_token)
    for error in (IncompleteReadError("cut off"), DecodeError("not JSON"), zlib.error("no gzip"), KeyError("value")):
        name = f"an answer that cannot be read: {type(error).__name__}"
        yield Trouble(name, _STORAGE, partial(_raised, error), late=True)
    for status in (404, 409, 412):
        yield Trouble(f"HTTP {status} of somebody else", _STORAGE, _refused(status))
    yield Trouble("too large, in a 202", (TABLE_WRITE,), _refused(202, kind=RequestTooLargeError))
    yield Trouble("TableBeingDeleted", (TABLE_WRITE,), _refused(409, "TableBeingDeleted", kind=TableTransactionError))
    yield Trouble("TableNotFound", (TABLE_WRITE,), _refused(404, "TableNotFound", kind=TableTransactionError))
    yield Trouble("RequestBodyTooLarge", (TABLE_WRITE,), _refused(413, "RequestBodyTooLarge"))
    yield Trouble("QueueBeingDeleted", (QUEUE,), _refused(409, "QueueBeingDeleted"))
    yield Trouble("QueueNotFound", (QUEUE,), _refused(404, "QueueNotFound", kind=ResourceNotFoundError))


TABLE: Final = (*_arm(), *_storage())
"""Every fault there is."""
