"""Azure Resource Manager without sockets: our adapters, and the stand-in of the sandbox in the same process.

    with over(arm, line):
        service = wiring.connect(...)    # its adapters for Azure ask `arm`

tests/battery/test_wire.py puts the tests of the adapters to it, which they pass over HTTP.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote, urlsplit

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.rest import AsyncHttpResponse

from guardrails.azure.arm import ArmRest, _tag_error
from guardrails.azure.rest import AGENT, Rest, error_of, json_of
from guardrails.errors import Retryable
from sandbox.arm.faults import Fault as ArmFault
from sandbox.arm.reply import Reply, Request
from sandbox.arm.server import Arm
from tests.battery.line import Line

ENDPOINT: Final = "https://management.azure.com"
_USERS: Final = ("guardrails.azure.arm.Rest", "guardrails.azure.graph.Rest", "guardrails.azure.deletions.Rest")


class Answer:
    """What the adapters read of an HTTP response."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.headers = reply.headers
        self._body = reply.body

    def text(self) -> str:
        """Return the body."""
        return self._body.decode(errors="replace")


class Wire(Rest):
    """Rest, over a line to an ARM in this process."""

    def __init__(
        self, arm: Arm, line: Line, endpoint: str, credential: AsyncTokenCredential, transport: object, *,
        audience: str = "",
    ) -> None:  # fmt: skip
        del transport
        self.endpoint = endpoint.rstrip("/")
        self.token_scope = (audience or self.endpoint).rstrip("/") + "/.default"
        self.https = False
        self._arm = arm
        self._line = line
        self._credential = credential

    async def close(self) -> None:
        """Nothing to close."""

    async def exchange(self, method: str, url: str, subject: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request; return its answer whatever it is. Raises Retryable where there is none, and Died."""
        sent = await self._line.depart(method)
        fault = sent.fault
        if fault and fault.error:
            await self._line.arrive()
            raise fault.error
        altered = fault is not None and (fault.cut or fault.body is not None or fault.instead != "")
        if fault and not fault.status and not fault.after and not altered:
            await self._line.arrive()
            raise _no_answer(subject)
        parts = urlsplit(url)
        token = (await self._credential.get_token(self.token_scope)).token
        headers = {"Authorization": f"Bearer {token}", "User-Agent": AGENT}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(method, unquote(parts.path), query, headers, parts.netloc, url)
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
        planned = self._arm.faults.take(method, request.path, unquote(parts.query)) if self._arm.faults.rules else None
        if fault and (fault.status or fault.instead):
            planned = ArmFault(
                status=fault.status, code=fault.code, after=fault.after, retry_after=fault.retry_after,
                instead=fault.instead,
            )  # fmt: skip
        reply = self._arm.answer(request, raw, planned)
        await self._line.arrive()
        if (fault and fault.after and not fault.status and not altered) or (planned and planned.drop):
            raise _no_answer(subject)
        if fault and fault.cut:
            reply = Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        if fault and fault.body is not None:
            reply = Reply(reply.status, fault.body, reply.headers)
        return Answer(reply)


AsyncHttpResponse.register(Answer)  # some callers ask what they were given


def _no_answer(subject: str) -> Retryable:
    return Retryable("Azure Resource Manager did not answer: ServiceResponseError", code="arm-down", subject=subject)


@contextmanager
def over(arm: Arm, line: Line) -> Iterator[None]:
    """Let our adapters that are made meanwhile ask an ARM in this process, over a line."""
    with ExitStack() as stack:
        stack.enter_context(patch("guardrails.wiring.ArmRest", WireArm))
        for user in _USERS:
            stack.enter_context(patch(user, partial(Wire, arm, line)))
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
            error: Any = HttpResponseError(message=message)
            error.response, error.error = response, SimpleNamespace(code=code)
            raise _tag_error(error, scope)
        return response


def _tags_of(response: Any) -> dict[str, str]:
    found = json_of(response) or {}
    return dict(found.get("properties", {}).get("tags") or {})
