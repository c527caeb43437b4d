"""Azure Resource Manager over REST: exemptions, the assignments they exempt from, tags on their scopes.

No released Python SDK has exemption operations (azure-mgmt-resource-policy 1.0.0 removed them), and every API version
of policyExemptions is a preview; so the calls are made with azure-core and one pinned version. It must be the newest
that the cloud offers: a PUT with an older one drops the fields that it does not know.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast
from urllib.parse import quote

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import AsyncHttpResponse

from guardrails.azure.policies import POLICY_VERSION, Policies
from guardrails.azure.policy_tokens import RestWithPolicyTokens
from guardrails.azure.refusals import is_refusal, wait_after
from guardrails.azure.rest import AGENT, PLAIN, answer_of, delay_of, error_of, json_of, refusal, write_error
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import TYPE, ExemptionId
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Unread
from guardrails.exemption.sources import NEWEST, arm
from guardrails.ports import Clock
from guardrails.runtime.transport import Foreign, asking, reading, transport

EXEMPTIONS_VERSION: Final = NEWEST

ENROLLMENTS: Final = "Microsoft.Authorization/policyEnrollments"
ENROLLMENTS_VERSION: Final = "2026-01-01-preview"
"""The one api-version of enrollments that the specification has (Azure/azure-rest-api-specs)."""

_GONE_CODES: Final = frozenset(
    {
        "policyexemptionnotfound", "resourcenotfound", "resourcegroupnotfound", "parentresourcenotfound",
        "managementgroupnotfound", "notfound",
    }
)  # fmt: skip
_NO_TARGET_CODES: Final = _GONE_CODES - {"policyexemptionnotfound"}


class ArmRest:
    """ports.Arm over HTTP.

    Args:
        endpoint: https://management.azure.com, or a sovereign cloud's; http only on loopback.
        credential: who calls; its token audience is the endpoint.
        clock: for the cache's lifetimes.
        facts_lifetime: how long assignments, initiatives and policies are kept.
        version: the api-version for exemptions.
        policy_version: the api-version for assignments, initiatives and policies, to begin with.
        audience: what our token is for, where that is not the endpoint.
        change_reference: goes with every request for a policy token; "" for none.
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        clock: Clock,
        *,
        facts_lifetime: timedelta = timedelta(minutes=10),
        version: str = EXEMPTIONS_VERSION,
        policy_version: str = POLICY_VERSION,
        audience: str = "",
        change_reference: str = "",
    ) -> None:
        self._credential = credential
        self._version = version
        self.source = arm(version)
        self._rest = RestWithPolicyTokens(
            endpoint, credential, transport(), audience=audience, change_reference=change_reference
        )
        self._policies = Policies(self._rest, clock, lifetime=facts_lifetime, version=policy_version)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def get(self, exemption: ExemptionId) -> Mapping[str, Any] | Gone | Unread:
        """Return the exemption's body; Gone; or Unread where we may not read it."""
        return await self._read(exemption.text, self._version, _GONE_CODES)

    async def put(self, exemption: ExemptionId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create or replace the exemption; return Azure's answer, {} where it is not this exemption or broken.

        Raises Permanent (no-target, cannot-act), Retryable.
        """
        response = await self._send("PUT", exemption.text, self._version, body)
        if isinstance(refusal(response, _NO_TARGET_CODES), Gone):
            message, remedy = ": ".join(error_of(response)), "It can be written when its scope exists again."
            raise Permanent(message, code="no-target", subject=exemption.text, remedy=remedy)
        self._accepted(response, exemption.text)
        written = answer_of(response, exemption.text)
        return {} if isinstance(written, Unread) else written

    async def delete(self, exemption: ExemptionId) -> None:
        """Delete the exemption. Raises Permanent (cannot-act), Retryable."""
        response = await self._send("DELETE", exemption.text, self._version)
        if response.status_code != 404:
            self._accepted(response, exemption.text)

    async def list(self, container: str) -> Sequence[Mapping[str, Any]] | Unread:
        """Return the exemptions in a subscription (id), or at one management group (mg~name); none inherited.

        Unread where the container is not there or we may not read all of it. Raises Retryable.
        """
        found: list[Mapping[str, Any]] = []
        async for page in self.list_pages(container):
            if isinstance(page, Unread):
                return page
            found += page
        return found

    async def list_pages(self, container: str) -> AsyncIterator[Sequence[Mapping[str, Any]] | Unread]:
        """Yield the same page by page; Unread, at its end, where the rest may not be read. Raises Retryable."""
        group = container.removeprefix("mg~")
        scope = f"/subscriptions/{container}"
        if group != container:
            scope = f"/providers/Microsoft.Management/managementGroups/{group}"
        # a subscription's list has what it inherits, too, and no filter that leaves just that out
        options = {"filter": "atExactScope()"} if group != container else {}
        async for page in self._pages(scope, options):
            if isinstance(page, AsyncHttpResponse):
                yield Unread(": ".join(error_of(page)))
            else:
                yield page if isinstance(page, Unread) else [row for row in page if _is_in(row, scope)]

    async def at_same_scope(self, exemption: ExemptionId) -> Sequence[Mapping[str, Any]] | Gone | Unread:
        """Return the exemptions attached to exactly the scope of this one, itself included where it is there.

        Gone where ARM says that the scope is not there. It is not known whether ARM always does: an empty list does
        not prove that the scope is there. Unread where we may not read it. Raises Retryable.
        """
        found: list[Any] = []
        async for page in self._pages(exemption.scope, {"filter": "atExactScope()"}):
            if isinstance(page, AsyncHttpResponse):
                return refusal(page, _NO_TARGET_CODES)
            if isinstance(page, Unread):
                return page
            found += page
        return [row for row in found if _is_at(row, exemption)]

    async def enrollments(self, scope: str) -> Sequence[Mapping[str, Any]] | Gone | Unread:
        """Return the policy enrollments at a scope and above it. Raises Retryable.

        Gone where ARM says that the scope is not there; Unread where it does not list all of them, as in a cloud that
        has no such type. `atScope()` is what the reference of the list operations names for that.
        """
        found: list[Mapping[str, Any]] = []
        async for page in self._pages(scope, {"filter": "atScope()"}, ENROLLMENTS, ENROLLMENTS_VERSION):
            if isinstance(page, AsyncHttpResponse):
                return refusal(page, _NO_TARGET_CODES)
            if isinstance(page, Unread):
                return page
            if not all(isinstance(row, Mapping) for row in page):
                return Unread("Azure's list of policy enrollments holds what is none")
            found += page
        return found

    async def _pages(
        self, scope: str, options: Mapping[str, str], kind: str = TYPE, version: str = ""
    ) -> AsyncIterator[Sequence[Any] | AsyncHttpResponse | Unread]:
        """Yield the rows of a list, page by page; where ARM refuses one, its answer, as the last."""
        name = kind.rpartition("/")[2]
        url = self._rest.url(f"{scope}/providers/{kind}", version or self._version, **options)
        seen: set[str] = set()
        while url:
            if url in seen or not self._rest.is_ours(url):
                yield Unread(f"Azure's list of {name} goes on at an address that is not followed")
                return
            seen.add(url)
            response = await self._rest.send("GET", url, scope)
            if response.status_code != 200:
                yield response
                return
            body = json_of(response)
            rows = body.get("value") if isinstance(body, Mapping) else None
            if not isinstance(rows, Sequence) or isinstance(rows, str):
                yield Unread(f"Azure's answer is not a list of {name}")
                return
            yield rows
            url = str(body.get("nextLink") or "")

    async def assignment(self, assignment_id: str, *, max_age: timedelta = timedelta.max) -> Assignment | Gone | Unread:
        """Return the assignment and the members of its initiative, kept for a while, and no older than `max_age`."""
        return await self._policies.assignment(assignment_id, max_age=max_age)

    async def policies(self, ids: Collection[str], *, max_age: timedelta = timedelta.max) -> PoliciesById:
        """Return what policy definitions say of themselves, at most 8 read at once, and kept as assignments are."""
        return await self._policies.policies(ids, max_age=max_age)

    @property
    def policy_versions(self) -> Mapping[str, str]:
        """The api-versions in use for assignments, initiatives and policies, by type."""
        return self._policies.versions

    async def leaves_out(self, scope: str, assignment_id: str) -> tuple[str, ...] | Unread | None:
        """Return the notScopes of an assignment, if it is listed at a scope, for it was made there or above it.

        None where ARM lists all that are and this is not among them. Raises nothing.
        """
        listed = await self._policies.at(scope)
        return listed if isinstance(listed, Unread) else listed.get("/" + assignment_id.strip("/ ").lower())

    async def tag_scope(self, scope: str, name: str, value: str | None) -> None:
        """Merge or remove one tag on a scope by the Tags API. Raises Permanent (cannot-act), Retryable."""
        # imported here: most installations tag exemptions, not scopes, and the SDK costs cold start
        from azure.mgmt.resource.resources.aio import ResourceManagementClient  # noqa: PLC0415
        from azure.mgmt.resource.resources.models import Tags, TagsPatchResource  # noqa: PLC0415

        client = ResourceManagementClient(
            self._credential,
            scope.split("/")[2],
            base_url=self._rest.endpoint,
            credential_scopes=[self._rest.token_scope],
            transport=transport(),
            retry_total=0,
            permit_redirects=False,  # with a redirect the body and the policy token would go to another host
            raw_request_hook=asking,
            user_agent=AGENT,
            per_call_policies=[self._rest.in_pipeline(scope)],
        )
        # the SDK takes it as a part of an address: a `#` or `?` in a name would cut it off
        where, wire = quote(scope.lstrip("/"), safe=PLAIN), cast(dict[str, Any], {"enforce_https": self._rest.https})
        async with client:
            try:
                operation, tags = "Merge", {name: value or ""}
                if value is None:
                    with reading():
                        found = await client.tags.get_at_scope(where, **wire)
                    # Delete takes out name and value together ("based on given names or name/value pairs")
                    there = _tags_of(found)
                    operation, tags = "Delete", {k: v for k, v in there.items() if k.lower() == name.lower()}
                if tags:
                    patch = TagsPatchResource(operation=operation, properties=Tags(tags=tags))
                    with reading():
                        poller = await client.tags.begin_update_at_scope(where, patch, polling_interval=1, **wire)
                        await poller.result()
            except Retryable as error:  # no token
                error.subject = error.subject or scope
                raise
            except (AzureError, Foreign) as error:
                raise _tag_error(error, scope) from error

    async def _read(self, path: str, version: str, gone: frozenset[str]) -> Mapping[str, Any] | Gone | Unread:
        response = await self._send("GET", path, version)
        return answer_of(response, path) if response.status_code == 200 else refusal(response, gone)

    @staticmethod
    def _accepted(response: AsyncHttpResponse, subject: str) -> None:
        if response.status_code in (200, 201, 202, 204):
            return
        raise write_error(response, subject)

    async def _send(
        self, method: str, path: str, version: str, body: Mapping[str, Any] | None = None
    ) -> AsyncHttpResponse:
        return await self._rest.send(method, self._rest.url(path, version), path, body)


def _is_in(row: object, scope: str) -> bool:
    return isinstance(row, Mapping) and str(row.get("id")).lower().startswith(scope.lower() + "/")


def _is_at(row: object, exemption: ExemptionId) -> bool:
    try:
        found = ExemptionId.parse(row.get("id") if isinstance(row, Mapping) else None)
    except Permanent:
        return False
    return found.key.removesuffix(found.name.lower()) == exemption.key.removesuffix(exemption.name.lower())


def _tags_of(found: object) -> Mapping[str, str]:
    """Return the tags of what the SDK made of an answer, which may be anything. Raises Foreign."""
    properties = getattr(found, "properties", None)
    tags = getattr(properties, "tags", None) or {}
    if properties is None or not isinstance(tags, Mapping):
        raise Foreign("no tags")
    return tags


def _tag_error(error: Exception, scope: str) -> Permanent | Retryable:
    response = error.response if isinstance(error, HttpResponseError) else None
    status = (response.status_code if response else 0) or 0
    said = str(getattr(getattr(error, "error", None), "code", None) or "")
    if is_refusal(status, said) or (status == 404 and said.lower() in _NO_TARGET_CODES):
        message = str(getattr(error, "message", "") or status).splitlines()[0][:300]
        return Permanent(f"the scope cannot be tagged: {message}", code="cannot-act", subject=scope)
    asked = delay_of(cast(Any, response).headers if response else {})
    wait = wait_after(status, asked) if status >= 400 else asked  # below: an answer that breaks off
    message = f"the scope could not be tagged: {type(error).__name__}"
    return Retryable(message, code="arm-busy", subject=scope, delay=wait)
