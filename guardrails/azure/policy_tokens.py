"""Policy tokens: proof that what a policy asks outside of Azure's request was asked for just this write.

A policy with external evaluation (preview) refuses a write without one: 403 RequestDisallowedByPolicy, with
`missingPolicyTokenDetails`. Then a token is acquired for the method, the address and the body, and the identical bytes
are sent once more with it. A second refusal is final.

Sources, none tried on Azure by us. Azure/azure-policy, ExternalEvaluationPolicies: where the details are, the header,
the answer's result, token, policyAction and message, that Reader is enough. Azure/azure-sdk 10081: every method but
GET, and that the body must be the same byte for byte. The REST reference of Policy Tokens: changeReference, retryAfter,
and 202, which 2025-03-01 had at first. azure-cli 2.85 and Azure/terraform-provider-azapi 1145: the request for a token
holds the body as JSON, x-ms-force-sync asks for an answer at once, and shouldDeny false is not why a write was refused.
@azure/arm-policy, PolicyTokens.acquireAtManagementGroup: the path at a management group, of 2025-03-01 and later.

Guesses: that 2025-11-01 has the path at management groups, too; that a write there is ever asked for a token, for
azure-sdk 10081 says that those without a subscription are not; and what a second refusal looks like.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from guardrails.azure.refusals import UNKNOWN_DELAY
from guardrails.azure.rest import Rest, delay_of, error_of, json_of, write_error
from guardrails.errors import Permanent, Retryable, plain
from guardrails.exemption.times import parse_time
from guardrails.lazy_regex import lazy_regex
from guardrails.runtime.transport import once

VERSION: Final = "2025-11-01"
HEADER: Final = "x-ms-policy-external-evaluations"

_REFUSED: Final = "RequestDisallowedByPolicy"
_WRITES: Final = frozenset({"PUT", "PATCH", "DELETE"})
_CONTAINER: Final = lazy_regex(
    r"/subscriptions/[^/]+|/providers/Microsoft\.Management/managementGroups/[^/]+", re.IGNORECASE
)

log = logging.getLogger(__name__)


class RestWithPolicyTokens(Rest):
    """Rest that sends a write once more, with a policy token, where Azure refuses it because it has none.

    Args:
        endpoint, credential, transport, audience: as of Rest.
        change_reference: goes with every request for a token; "" for none.
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        transport: AioHttpTransport,
        *,
        audience: str = "",
        change_reference: str = "",
    ) -> None:
        super().__init__(endpoint, credential, transport, audience=audience)
        self._change_reference = change_reference

    async def sent(self, request: HttpRequest, subject: str, **options: Any) -> AsyncHttpResponse:
        """Send a request, a write twice at most. Raises Permanent (cannot-act), Retryable."""
        response = await super().sent(request, subject, **options)
        if not await self.add_token(request, response, subject):
            return response
        # a token may be good once: were it sent again for a lost answer, what was done would seem refused
        return await super().sent(request, subject, middlewares=(once,), **options)

    def in_pipeline(self, subject: str) -> AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]:
        """Return the same for the pipeline of an SDK's client, whose writes are about `subject`."""
        return _InPipeline(self, subject)

    async def add_token(self, request: HttpRequest, response: AsyncHttpResponse, subject: str) -> bool:
        """Put a token into a request whose answer asks for one; return whether it does. Raises as `sent`."""
        if request.method not in _WRITES or HEADER in request.headers:
            return False
        container = _CONTAINER.match(urlsplit(request.url).path)
        if not container:
            return False
        demands = [*_demands(response)]
        if not demands:
            return False
        if not self._change_reference and any(_says(one, "isChangeReferenceRequired", "true") for one in demands):
            said = f"{_REFUSED}: a policy requires a change reference, and GUARDRAILS_CHANGE_REFERENCE is not set"
            remedy = "Set it, or exclude this identity from the policy."
            raise Permanent(said, code="cannot-act", subject=subject, remedy=remedy)
        url = f"{self.endpoint}{container[0]}/providers/Microsoft.Authorization/acquirePolicyToken"
        headers = {"Content-Type": "application/json", "x-ms-force-sync": "true"}
        content = _order(request, self._change_reference)
        order = HttpRequest("POST", f"{url}?api-version={VERSION}", content=content, headers=headers)
        request.headers[HEADER] = _issued(await super().sent(order, subject), subject)
        log.info("a policy token was acquired for a %s of %s", request.method, plain(subject))
        return True


class _InPipeline(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    def __init__(self, rest: RestWithPolicyTokens, subject: str) -> None:
        super().__init__()
        self._rest = rest
        self._subject = subject

    async def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        found = await self.next.send(request)
        if found.http_response.status_code == 403:
            await found.http_response.read()
            if await self._rest.add_token(request.http_request, found.http_response, self._subject):
                return await self.next.send(request)
        return found


def _demands(response: AsyncHttpResponse) -> Iterator[Mapping[str, Any]]:
    """Yield each missingPolicyTokenDetails because of which a write was refused.

    One that would not deny (shouldDeny false) is no reason; where it is not said, it is one.
    """
    if response.status_code != 403 or error_of(response)[0].lower() != _REFUSED.lower():
        return
    more = json_of(response)["error"].get("additionalInfo")
    for one in more if isinstance(more, list) else ():
        found: Any = one
        for name in ("info", "evaluationDetails", "missingPolicyTokenDetails"):
            found = found.get(name) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping) and not _says(found, "shouldDeny", "false"):
            yield found


def _says(details: Mapping[str, Any], name: str, wanted: str) -> bool:
    """Whether a field is true or false as wanted; Azure spells such values as texts at times."""
    value = details.get(name)
    return isinstance(value, bool | str) and str(value).lower() == wanted


def _order(request: HttpRequest, change_reference: str) -> bytes:
    """Return the body of the request for a token; in it the bytes of the write's body as they were sent."""
    content: Any = request.content
    raw = content.encode() if isinstance(content, str) else content
    operation = json.dumps({"uri": request.url, "httpMethod": request.method}).encode()
    if raw:
        operation = operation[:-1] + b', "content": ' + raw + b"}"
    reference = b', "changeReference": ' + json.dumps(change_reference).encode() if change_reference else b""
    return b'{"operation": ' + operation + reference + b"}"


def _issued(response: AsyncHttpResponse, subject: str) -> str:
    """Return the token of an answer.

    Raises Permanent (cannot-act) where a policy denies the write, or we may not ask; Retryable (no-policy-token,
    arm-refused) where the token is pending, or could not be issued.
    """
    if not 200 <= response.status_code < 300:
        raise write_error(response, subject, "a policy token was not issued: ")
    body = json_of(response)
    body = body if isinstance(body, Mapping) else {}
    token, result = body.get("token"), str(body.get("result") or "none")
    if response.status_code == 200 and result.lower() == "succeeded" and isinstance(token, str) and _is_sendable(token):
        return token
    results = body.get("results")
    for one in results if isinstance(results, list) else ():
        if isinstance(one, Mapping) and _text(one.get("policyAction")).lower() == "deny" and not _failed(one):
            why = _text(one.get("message"))
            said = f"{_REFUSED}: the external evaluation of {_assignment(one)} denies this write"
            raise Permanent(f"{said}: {why}" if why else said, code="cannot-act", subject=subject)
    said = f"a policy asks for a token, and none was issued (HTTP {response.status_code}, result {plain(result[:40])})"
    raise Retryable(said, code="no-policy-token", subject=subject, delay=_delay(response, body))


def _is_sendable(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable()


def _assignment(result: Mapping[str, Any]) -> str:
    info = result.get("policyInfo")
    return _text(info.get("policyAssignmentId") if isinstance(info, Mapping) else None) or "a policy"


def _failed(result: Mapping[str, Any]) -> bool:
    """Whether the endpoint gave no answer: what follows from that is no answer of its own, and may pass."""
    return _text(result.get("result")).lower() == "failed"


def _text(value: object) -> str:
    """Return the beginning of a text, escaped; "" for what is none."""
    return plain(value[:300]) if isinstance(value, str) else ""


def _delay(response: AsyncHttpResponse, body: Mapping[str, Any]) -> float:
    """Return the seconds until a token may be asked for again: as retryAfter or Retry-After says, an hour at most."""
    try:
        until = parse_time(body.get("retryAfter"))
    except ValueError:
        until = None
    if until:
        return delay_of({"Retry-After": format_datetime(until), "Date": response.headers.get("Date", "")})
    said = response.status_code != 200 or "Retry-After" in response.headers
    return delay_of(response.headers) if said else UNKNOWN_DELAY
