"""Azure Resource Manager without sockets: our adapters, and the stand-in of the sandbox in the same process.

    with over(arm, line):
        service = wiring.connect(...)    # its adapters for Azure ask `arm`

The adapters are the real ones but for the client of azure.core below them. tests/azure puts the tests that they pass
over HTTP to them over this wire, too.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote, urlsplit

from azure.core.exceptions import HttpResponseError, ServiceResponseError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from guardrails import wiring
from guardrails.azure import rest
from guardrails.azure.arm import ArmRest, _tag_error
from guardrails.azure.rest import AGENT, error_of, json_of
from guardrails.runtime import transport
from sandbox.arm.faults import Fault as Planned
from sandbox.arm.reply import Reply, Request
from sandbox.arm.server import Arm
from tests.battery.line import Fault, Line

ENDPOINT: Final = "https://management.azure.com"


class Answer:
    """What the adapters read of azure.core's AsyncHttpResponse."""

    def __init__(self, reply: Reply, date: str, fault: Fault | None = None) -> None:
        self.status_code = reply.status
        self.headers = {"Date": date, **reply.headers}
        self._body = reply.body
        if fault and fault.body is not None:
            self._body = fault.body
        elif fault and fault.cut:
            self._body = reply.body[: len(reply.body) // 2]

    @property
    def content(self) -> bytes:
        """The body, as far as it came."""
        return self._body

    def text(self) -> str:
        """Return the body, as far as it came."""
        return self._body.decode("utf-8", "replace")


AsyncHttpResponse.register(Answer)


class Wire:
    """azure.core's AsyncPipelineClient, over a line to an ARM in this process; of its policies, the one for tokens."""

    def __init__(self, arm: Arm, line: Line, endpoint: str, *, policies: list[Any], transport: object) -> None:
        del endpoint, transport
        self._arm = arm
        self._line = line
        (bearer,) = (one for one in policies if isinstance(one, AsyncBearerTokenCredentialPolicy))
        self._credential: Any = bearer._credential
        self._scopes = bearer._scopes
        self._token = ""

    async def close(self) -> None:
        """Nothing to close."""

    async def send_request(self, request: HttpRequest, *, enforce_https: bool, **_: Any) -> Answer:
        """Send one request; return its answer whatever it is. Raises ServiceResponseError where none is, and Died."""
        del enforce_https
        if not self._token:
            credential: Any = self._credential
            self._token = (await credential.get_token(*self._scopes)).token
        method, place, faults = request.method, _place(request.url), self._arm.faults
        sent = await self._line.depart(method)
        if sent.fault and sent.fault.error:
            await self._line.arrive()
            raise sent.fault.error
        fault = _planned(sent.fault) if sent.fault else None
        if fault is None and faults.rules:
            fault = faults.take(method, place.path, place.text)
        if delay := faults.latency + (fault.latency if fault else 0.0):
            await asyncio.sleep(delay)
        lost = fault is not None and fault.drop
        if fault is None or not lost or fault.after:
            headers = dict(request.headers._store.values())  # type: ignore[attr-defined] # its own copy goes one by one
            headers |= {"Authorization": f"Bearer {self._token}", "User-Agent": AGENT}
            asked = Request(method, place.path, place.query, headers, place.host, request.url)
            content: Any = request.content
            reply = self._arm.answer(asked, content or b"", fault)
        await self._line.arrive()
        if lost:
            raise ServiceResponseError("the connection was lost")
        if reply.status == 401:
            self._token = ""
        return Answer(reply, _date(self._arm.clock().replace(microsecond=0)), sent.fault)


class _Place(NamedTuple):
    """Where a request goes: the path and the query as they read decoded, the query taken apart, and the host."""

    path: str
    text: str
    query: Mapping[str, str]
    host: str


@lru_cache(maxsize=4096)
def _place(url: str) -> _Place:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return _Place(_resolved(unquote(parts.path)), unquote(parts.query), query, parts.netloc)


def _resolved(path: str) -> str:
    """Return a path as the client sends it: without `.` and `..`. Azure does not take the sign of Kelvin for a k."""
    kept: list[str] = []
    for part in path.replace("\u212a", "%E2%84%AA").split("/"):
        if part == "..":
            del kept[max(len(kept) - 1, 1) :]
        elif part != ".":
            kept.append(part)
    return "/".join(kept)


def _planned(fault: Fault) -> Planned | None:
    """Return what the stand-in is to do; None where it answers, and only the answer is spoiled."""
    if fault.cut or fault.body is not None:
        return None
    return Planned(
        status=fault.status, code=fault.code, after=fault.after, retry_after=fault.retry_after, instead=fault.instead,
        drop=not fault.status and not fault.instead,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@contextmanager
def over(arm: Arm, line: Line) -> Iterator[None]:
    """Let our adapters that are made meanwhile ask an ARM in this process, over a line."""
    with (
        patch.object(wiring, "ArmRest", WireArm),
        patch.object(rest, "AsyncPipelineClient", partial(Wire, arm, line)),
        patch.object(transport, "getproxies", dict),  # a search of the whole environment for each client
    ):
        yield


class WireArm(ArmRest):
    """ArmRest, whose tags go over the line, too: the SDK for tags has a transport of its own."""

    async def tag_scope(self, scope: str, name: str, value: str | None) -> None:
        """Merge or remove one tag on a scope. Raises Permanent (cannot-act), Retryable."""
        path = f"{scope}/providers/Microsoft.Resources/tags/default"
        operation, tags = "Merge", {name: value or ""}
        if value is None:
            found = _tags_of(await self._tags("GET", path, scope))
            operation, tags = "Delete", {key: said for key, said in found.items() if key.lower() == name.lower()}
        if tags:
            await self._tags("PATCH", path, scope, {"operation": operation, "properties": {"tags": tags}})

    async def _tags(self, method: str, path: str, scope: str, body: Mapping[str, Any] | None = None) -> Any:
        response = await self._rest.exchange(method, self._rest.url(path, "2021-04-01"), scope, body)
        if response.status_code >= 400:
            code, message = error_of(response)
            error: Any = HttpResponseError(message=f"({code}) {message}")  # as the SDK says it
            error.response, error.error = response, SimpleNamespace(code=code)
            raise _tag_error(error, scope)
        return response


def _tags_of(response: Any) -> dict[str, str]:
    found = json_of(response) or {}
    return dict(found.get("properties", {}).get("tags") or {})
