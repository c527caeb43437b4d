"""Azure Resource Manager over REST: exemptions, the assignments they exempt from, tags on their scopes.

No released Python SDK has exemption operations (azure-mgmt-resource-policy 1.0.0 removed them), and every API version
of policyExemptions is a preview; so the calls are made with azure-core and one pinned version. It must be the newest
that the cloud offers: a PUT with an older one drops the fields that it does not know.
"""

import json
import math
import zlib
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from guardrails.azure.cache import Cache
from guardrails.errors import Permanent, Retryable
from guardrails.exemption import ExemptionId
from guardrails.facts import Assignment, Gone, Unread
from guardrails.ports import Clock
from guardrails.transport import transport

EXEMPTIONS_VERSION: Final = "2026-01-01-preview"
POLICY_VERSION: Final = "2025-03-01"

_GONE_CODES: Final = frozenset(
    {
        "policyexemptionnotfound", "resourcenotfound", "resourcegroupnotfound", "parentresourcenotfound",
        "managementgroupnotfound", "notfound",
    }
)  # fmt: skip
_ABSENT_CODES: Final = _GONE_CODES | {
    "policyassignmentnotfound",
    "policydefinitionnotfound",
    "policysetdefinitionnotfound",
}
_RETRY_CODES: Final = frozenset({408, 429, 500, 502, 503, 504})
_MAX_DELAY: Final = 3600.0


class ArmRest:
    """ports.Arm over HTTP.

    Args:
        endpoint: https://management.azure.com, or a sovereign cloud's; http only on loopback.
        credential: who calls; its token audience is the endpoint.
        clock: for the cache's lifetimes.
        facts_lifetime: how long assignments and initiatives are kept.
        version: the api-version for exemptions.
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        clock: Clock,
        *,
        facts_lifetime: timedelta = timedelta(minutes=10),
        version: str = EXEMPTIONS_VERSION,
        audience: str = "",
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._credential = credential
        self._scope = (audience or self._endpoint).rstrip("/") + "/.default"
        self._https = urlsplit(endpoint).scheme == "https"
        self._version = version
        bearer = AsyncBearerTokenCredentialPolicy(credential, self._scope)
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            self._endpoint,
            policies=[UserAgentPolicy("exemption-guardrails"), bearer],
            transport=transport(),
        )
        briefly = timedelta(seconds=5)
        self._assignments: Cache[Assignment | Gone | Unread] = Cache(
            clock, lambda value: facts_lifetime if isinstance(value, Assignment) and _whole(value) else briefly
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, exemption: ExemptionId) -> Mapping[str, Any] | Gone | Unread:
        """Return the exemption's body; Gone; or Unread where we may not read it."""
        return await self._read(exemption.text, self._version, _GONE_CODES)

    async def put(self, exemption: ExemptionId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create or replace the exemption. Raises Permanent (cannot-act), Retryable."""
        response = await self._send("PUT", exemption.text, self._version, body)
        return self._written(response, exemption.text)

    async def delete(self, exemption: ExemptionId) -> None:
        """Delete the exemption. Raises Permanent (cannot-act), Retryable."""
        response = await self._send("DELETE", exemption.text, self._version)
        if response.status_code != 404:
            self._written(response, exemption.text)

    async def assignment(self, assignment_id: str) -> Assignment | Gone | Unread:
        """Return the assignment and the members of its initiative, kept for a while."""
        key = "/" + assignment_id.strip("/").lower()
        return await self._assignments.get(key, lambda: self._fetch_assignment("/" + assignment_id.strip("/")))

    async def tag_scope(self, scope: str, name: str, value: str | None) -> None:
        """Merge or remove one tag on a scope by the Tags API. Raises Permanent (cannot-act), Retryable."""
        # imported here: most installations tag exemptions, not scopes, and the SDK costs cold start
        from azure.mgmt.resource.resources.aio import ResourceManagementClient  # noqa: PLC0415
        from azure.mgmt.resource.resources.models import Tags, TagsPatchResource  # noqa: PLC0415

        client = ResourceManagementClient(
            self._credential,
            scope.split("/")[2],
            base_url=self._endpoint,
            credential_scopes=[self._scope],
            transport=transport(),
            retry_total=0,
        )
        where, wire = scope.lstrip("/"), cast(dict[str, Any], {"enforce_https": self._https})
        async with client:
            try:
                operation, tags = "Merge", {name: value or ""}
                if value is None:
                    # Delete takes out name and value together ("based on given names or name/value pairs")
                    found = (await client.tags.get_at_scope(where, **wire)).properties.tags or {}
                    operation, tags = "Delete", {k: v for k, v in found.items() if k.lower() == name.lower()}
                if tags:
                    patch = TagsPatchResource(operation=operation, properties=Tags(tags=tags))
                    poller = await client.tags.begin_update_at_scope(where, patch, polling_interval=1, **wire)
                    await poller.result()
            except (AzureError, zlib.error) as error:
                raise _tag_error(error, scope) from error

    async def _fetch_assignment(self, assignment_id: str) -> Assignment | Gone | Unread:
        try:
            found = await self._read(assignment_id, POLICY_VERSION, _ABSENT_CODES)
            if isinstance(found, Gone | Unread):
                return found
            definition = str(_properties(found).get("policyDefinitionId") or "")
            if not definition:
                return Unread("Azure's answer does not say what the assignment assigns")
            if "/policysetdefinitions/" not in definition.lower():
                return Assignment(assignment_id, definition, {})
            initiative = await self._read(definition, POLICY_VERSION, _ABSENT_CODES)
        except Retryable as error:
            return Unread(f"the assignment could not be read now: {error.message}")
        if isinstance(initiative, Gone):
            return Assignment(assignment_id, definition, Unread("the initiative does not exist"))
        if isinstance(initiative, Unread):
            return Assignment(assignment_id, definition, initiative)
        return Assignment(assignment_id, definition, _members(initiative))

    async def _read(self, path: str, version: str, gone: frozenset[str]) -> Mapping[str, Any] | Gone | Unread:
        response = await self._send("GET", path, version)
        if response.status_code == 200:
            body = _json(response)
            if isinstance(body, Mapping):
                return body
            return Unread("Azure's answer is not a JSON object")
        code, message = _error(response)
        if response.status_code == 404 and code.lower() in gone:
            return Gone()
        return Unread(f"{code}: {message}")

    def _written(self, response: AsyncHttpResponse, subject: str) -> Mapping[str, Any]:
        if response.status_code in (200, 201, 202, 204):
            body = _json(response)
            return body if isinstance(body, Mapping) else {}
        code, message = _error(response)
        raise Permanent(f"{code}: {message}", code="cannot-act", subject=subject)

    async def _send(
        self, method: str, path: str, version: str, body: Mapping[str, Any] | None = None
    ) -> AsyncHttpResponse:
        """Send one request; return its answer, read whole. Raises Retryable for what may pass."""
        url = f"{self._endpoint}{quote(path, safe='/-._~()')}?api-version={version}"
        request = HttpRequest(method, url, json=body)
        try:
            response = await self._client.send_request(request, enforce_https=self._https)
        except ClientAuthenticationError as error:
            remedy = "Check the managed identity of the function app."
            raise Retryable("no token for Azure", code="no-token", subject=path, remedy=remedy, delay=60) from error
        except (AzureError, zlib.error) as error:  # no connection, no answer in time, one that breaks off
            message = f"Azure Resource Manager did not answer: {type(error).__name__}"
            raise Retryable(message, code="arm-down", subject=path) from error
        if response.status_code in _RETRY_CODES or response.status_code == 401:
            code, message = _error(response)
            raise Retryable(f"{code}: {message}", code="arm-busy", subject=path, delay=_delay(response.headers))
        return response


def _whole(assignment: Assignment) -> bool:
    return not isinstance(assignment.members, Unread)


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = body.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _members(initiative: Mapping[str, Any]) -> Mapping[str, str] | Unread:
    """Return reference id -> definition id, lower case. One without readable members is Unread, never empty."""
    listed = _properties(initiative).get("policyDefinitions")
    try:
        members = {str(one["policyDefinitionReferenceId"]): str(one["policyDefinitionId"]) for one in listed or ()}
    except (KeyError, TypeError):
        members = {}
    if not members:
        return Unread("Azure's answer does not say which policies the initiative holds")
    return {reference.lower(): definition.lower() for reference, definition in members.items()}


def _json(response: AsyncHttpResponse) -> Any:
    try:
        return json.loads(response.text() or "null")
    except (ValueError, RecursionError):
        return None


def _error(response: AsyncHttpResponse) -> tuple[str, str]:
    """Return ARM's error code and message (Azure REST guidelines: error.code, error.message)."""
    body = _json(response)
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return f"HTTP {response.status_code}", "no particulars"
    return str(error.get("code") or f"HTTP {response.status_code}"), str(error.get("message") or "")[:500]


def _delay(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: Retry-After in seconds or as a date, between 1 s and an hour; 10 s without one."""
    told = headers.get("Retry-After", "")
    try:
        seconds = float(told)
    except ValueError:
        try:
            sent = parsedate_to_datetime(headers.get("Date", ""))
            seconds = (parsedate_to_datetime(told) - sent).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 10.0
    return 10.0 if math.isnan(seconds) else min(max(seconds, 1.0), _MAX_DELAY)


def _tag_error(error: Exception, scope: str) -> Permanent | Retryable:
    response = error.response if isinstance(error, HttpResponseError) else None
    status = (response.status_code if response else 0) or 0
    if status < 400 or status in _RETRY_CODES or status == 401:  # below 400: an answer that breaks off
        message = f"the scope could not be tagged: {type(error).__name__}"
        return Retryable(
            message, code="arm-busy", subject=scope, delay=_delay(cast(Any, response).headers if response else {})
        )
    message = str(getattr(error, "message", "") or status).splitlines()[0][:300]
    return Permanent(f"the scope cannot be tagged: {message}", code="cannot-act", subject=scope)
