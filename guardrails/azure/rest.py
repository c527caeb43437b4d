"""One request to Azure Resource Manager's endpoint, and what all of its answers have in common."""

import json
import math
import zlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, UserAgentPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from guardrails.azure.refusals import is_refusal, wait_after
from guardrails.errors import Permanent, Retryable, plain
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.ids import is_same

RETRY_CODES: Final = frozenset({401, 408, 429, 500, 502, 503, 504})
"""Statuses that may pass, whatever was asked. 401 is one of them: the next token may be good. Writes: refusals.py."""

AGENT: Final = "exemption-guardrails"
"""How we are called in Azure's logs."""

PLAIN: Final = "/-._~()"
"""Characters of an id that a URL keeps as they are, as it does A-Z, a-z and 0-9; all else is percent-encoded."""

_MAX_DELAY: Final = 3600.0
_WRITES: Final = frozenset({"PUT", "PATCH"})
_PORTS: Final = {"http": 80, "https": 443}


class Rest:
    """Sends requests with our token.

    Args:
        endpoint: https://management.azure.com, or a sovereign cloud's; http only on loopback.
        credential: who calls.
        transport: the connections.
        audience: what the token is for, where that is not the endpoint.

    Attributes:
        endpoint: as given, without a slash at its end.
        token_scope: the scope that tokens are asked for.
        https: whether the endpoint is https.
    """

    def __init__(
        self, endpoint: str, credential: AsyncTokenCredential, transport: AioHttpTransport, *, audience: str = ""
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.token_scope = (audience or self.endpoint).rstrip("/") + "/.default"
        self.https = urlsplit(endpoint).scheme == "https"
        bearer = AsyncBearerTokenCredentialPolicy(credential, self.token_scope)
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            self.endpoint, policies=[UserAgentPolicy(AGENT), bearer], transport=transport
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def url(self, path: str, version: str, **query: str) -> str:
        """Return the address of a resource id; `query` are options such as filter, for $filter."""
        more = "".join(f"&${name}={quote(value, safe='()')}" for name, value in query.items())
        return f"{self.endpoint}{_quoted(path)}?api-version={version}{more}"

    def is_ours(self, url: str) -> bool:
        """Whether an address that an answer names is on our endpoint: our token goes nowhere else."""
        try:
            return _origin(url) == _origin(self.endpoint)
        except ValueError:
            return False

    async def exchange(
        self, method: str, url: str, subject: str, body: Mapping[str, Any] | None = None
    ) -> AsyncHttpResponse:
        """Send one request; return its answer whatever it is, read whole. Raises Retryable where there is none.

        That is so where we get no token (no-token), too; see `identity`.
        """
        return await self.sent(HttpRequest(method, url) if body is None else _written(method, url, body), subject)

    async def sent(self, request: HttpRequest, subject: str, **options: Any) -> AsyncHttpResponse:
        """As `exchange`, for a request that is made already; `options` are the transport's."""
        try:
            return await self._client.send_request(request, enforce_https=self.https, **options)
        except Retryable as error:  # no token
            error.subject = error.subject or subject
            raise
        except (AzureError, zlib.error) as error:  # no connection, no answer in time, one that breaks off
            message = f"Azure Resource Manager did not answer: {type(error).__name__}"
            raise Retryable(message, code="arm-down", subject=subject) from error

    async def send(
        self, method: str, url: str, subject: str, body: Mapping[str, Any] | None = None
    ) -> AsyncHttpResponse:
        """As `exchange`, but raises Retryable for answers that may pass, too: their text is logged."""
        response = await self.exchange(method, url, subject, body)
        if response.status_code in RETRY_CODES:
            code, message = error_of(response)
            said = code if method in _WRITES else f"{code}: {message}"  # what refuses a write may quote its body
            raise Retryable(said, code="arm-busy", subject=subject, delay=delay_of(response.headers))
        return response


@lru_cache(maxsize=1024)
def _quoted(path: str) -> str:
    return quote(path, safe=PLAIN)


def _written(method: str, url: str, body: Mapping[str, Any]) -> HttpRequest:
    """Return a request with a body, in UTF-8: ASCII takes six bytes a character, too many for what Azure once took.

    Half a character becomes its JSON escape.
    """
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return HttpRequest(method, url, content=raw, headers={"Content-Type": "application/json"})


def answer_of(response: AsyncHttpResponse, asked: str) -> Mapping[str, Any] | Unread:
    """Return the object of an answer; Unread unless it is the one with the id that was asked for.

    Something in between may answer with another: a redirect, a cache, a path that was rewritten.
    """
    body = json_of(response)
    if not isinstance(body, Mapping):
        return Unread("Azure's answer is not a JSON object")
    if not is_same(found := body.get("id"), asked):
        said = plain(found[:300]) if isinstance(found, str) else "nothing that has an id"
        return Unread(f"Azure was asked for one object and answered with another: {said}")
    return body


def json_of(response: AsyncHttpResponse) -> Any:
    """Return the answer's JSON; None where it has none that can be read."""
    usual = response.headers.get("Content-Type", "").lower() == "application/json; charset=utf-8"
    try:  # `text` reads the type by the email package, which costs more than the JSON of an exemption
        return json.loads((response.content.decode("utf-8-sig") if usual else response.text()) or "null")
    except (ValueError, LookupError, RecursionError):  # LookupError: a charset that is none of texts
        return None


def error_of(response: AsyncHttpResponse) -> tuple[str, str]:
    """Return ARM's error code and message, cut off (Azure REST guidelines: error.code, error.message)."""
    body = json_of(response)
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return f"HTTP {response.status_code}", "no particulars"
    return str(error.get("code") or f"HTTP {response.status_code}")[:100], str(error.get("message") or "")[:500]


def refusal(response: AsyncHttpResponse, gone: frozenset[str]) -> Gone | Unread:
    """Return what an answer without a body of ours means: Gone by its code (lower case), else Unread."""
    code, message = error_of(response)
    return Gone() if response.status_code == 404 and code.lower() in gone else Unread(f"{code}: {message}")


def write_error(response: AsyncHttpResponse, subject: str, about: str = "") -> Permanent | Retryable:
    """Return what an answer means that did not take a write; `about` precedes what it says.

    What refuses a write may quote its body, and what is Retryable is logged: of that only the code is kept.
    """
    (code, message), status = error_of(response), response.status_code
    if is_refusal(status, code):
        return Permanent(f"{about}{code}: {message}", code="cannot-act", subject=subject)
    asked = delay_of(response.headers)
    wait = asked if status in RETRY_CODES else wait_after(status, asked)
    return Retryable(f"{about}{code} (HTTP {status})", code="arm-refused", subject=subject, delay=wait)


def delay_of(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: Retry-After in seconds or as a date, between 1 s and an hour; 10 s without one."""
    retry_after = headers.get("Retry-After", "")
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            sent = parsedate_to_datetime(headers.get("Date", ""))
            seconds = (parsedate_to_datetime(retry_after) - sent).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 10.0
    return 10.0 if math.isnan(seconds) else min(max(seconds, 1.0), _MAX_DELAY)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
