"""What the start-up check asks of Azure: who we are, what we see, what we may do there, and what time it is.

Everything here reads. What Azure refuses, or does not answer, is Unread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

from azure.core.credentials_async import AsyncTokenCredential

from guardrails.azure.graph_pages import CONTAINERS, Query, Reader, chained, segments
from guardrails.azure.identity import claims_of
from guardrails.azure.policies import POLICY_VERSION, Policies
from guardrails.azure.rest import Rest, error_of, json_of
from guardrails.dataclass import dataclass
from guardrails.errors import Retryable
from guardrails.exemption.facts import Unread
from guardrails.ports import Clock
from guardrails.runtime.transport import transport

STORAGE_SCOPE: Final = "https://storage.azure.com/.default"
PROVIDERS_VERSION: Final = "2021-04-01"
LOGS_VERSION: Final = "2020-08-01"

PAC_OWNER: Final = "pacOwnerId"
"""The metadata key by which Enterprise Azure Policy as Code (EPAC) knows what it manages."""

_AT_ONCE: Final = 16
_MANAGED: Final = Query(
    "policyresources | where type =~ 'microsoft.authorization/policyassignments'"
    " and tostring(properties.metadata) contains 'pacOwnerId'"
    " | order by tolower(id) asc | project id, metadata = properties.metadata",
    "policy assignments",
    above=True,
)


@dataclass(frozen=True, slots=True)
class Scopes:
    """What the identity sees.

    Attributes:
        subscriptions, groups: ids, with one slash in front.
        missing: what could not be read, a sentence each.
    """

    subscriptions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Estate:
    """Reads Azure for the start-up check, at most 16 requests at once.

    Args:
        endpoint, credential, clock, audience: as ArmRest's.
        scopes: as Graph's: names of management groups and ids of subscriptions; () is all that the identity sees.
        policy_version: as ArmRest's.
        sleep: waits where Azure asks for it, in seconds.

    Attributes:
        policies: assignments, initiatives and policies, by the api-version that is set, or by one that the cloud has.
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        clock: Clock,
        *,
        scopes: Sequence[str] = (),
        audience: str = "",
        policy_version: str = POLICY_VERSION,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._credential = credential
        self._clock = clock
        self._rest = Rest(endpoint, credential, transport(), audience=audience)
        self._reader = Reader(self._rest, clock, 1000, sleep)
        self._segments = segments(scopes)
        self.policies = Policies(self._rest, clock, lifetime=timedelta(), version=policy_version)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._turn = asyncio.Lock()
        self._scopes: Scopes | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def claims(self) -> Mapping[str, Any] | Unread:
        """Return the claims of our token for Resource Manager; {} where the token is not one that can be read."""
        return await informed(self._credential, self._rest.token_scope)

    async def scopes(self) -> Scopes:
        """Return the subscriptions and management groups that we see, asked for once. Raises Retryable."""
        async with self._turn:
            if self._scopes is None:
                self._scopes = await self._look()
            return self._scopes

    async def _look(self) -> Scopes:
        found: dict[str, str] = {}
        missing: list[str] = []
        async for page in chained(self._reader.pages(CONTAINERS, segment) for segment in self._segments):
            missing += [page.missing] if page.missing else []
            found |= {one.lower(): one for row in page.rows if (one := "/" + str(row.get("id") or "").strip("/"))}
        return Scopes(
            tuple(one for key, one in found.items() if key.startswith("/subscriptions/")),
            tuple(one for key, one in found.items() if key.startswith("/providers/microsoft.management/")),
            tuple(dict.fromkeys(missing)),
        )

    async def managed(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """Return the assignments that EPAC manages, id -> pacOwnerId, and what could not be read, a sentence each.

        Raises Retryable.
        """
        found: dict[str, tuple[str, str]] = {}
        missing: list[str] = []
        async for page in chained(self._reader.pages(_MANAGED, segment) for segment in self._segments):
            missing += [page.missing] if page.missing else []
            for row in page.rows:
                metadata = row.get("metadata")
                if isinstance(metadata, Mapping) and metadata.get(PAC_OWNER):
                    one = "/" + str(row.get("id") or "").strip("/")
                    found[one.lower()] = (one, str(metadata[PAC_OWNER]))
        return dict(found.values()), tuple(dict.fromkeys(missing))

    async def rows(self, path: str, version: str) -> Sequence[Mapping[str, Any]] | Unread:
        """Return the rows of a list, to its end."""
        found: list[Mapping[str, Any]] = []
        seen: set[str] = set()
        url = self._rest.url(path, version)
        while url:
            if url in seen or not self._rest.is_ours(url):
                return Unread("Azure's list goes on at an address that is not followed")
            seen.add(url)
            body = await self._get(url, path)
            if isinstance(body, Unread):
                return body
            rows = body.get("value")
            if not isinstance(rows, Sequence) or isinstance(rows, str):
                return Unread("Azure's answer is not a list")
            found += [row for row in rows if isinstance(row, Mapping)]
            url = str(body.get("nextLink") or "")
        return found

    async def provider(self, namespace: str) -> Mapping[str, Any] | Unread:
        """Return what Resource Manager knows of a resource provider: its types and their api-versions."""
        path = f"/providers/{namespace}"
        return await self._get(self._rest.url(path, PROVIDERS_VERSION), path)

    async def resource(self, path: str, version: str) -> Mapping[str, Any] | Unread:
        """Return a resource as Resource Manager has it, by its id."""
        return await self._get(self._rest.url(path, version), path)

    async def logs(self, workspace: str, query: str, timespan: str) -> Sequence[Mapping[str, Any]] | Unread:
        """Return the rows that a query of a Log Analytics workspace gives, by column.

        `timespan`: how far it looks back, in ISO 8601. Source: Microsoft Learn, Azure Monitor Log Analytics API:
        request format (there through Azure Resource Manager), response format.
        """
        path = f"{workspace}/api/query"
        url = f"{self._rest.url(path, LOGS_VERSION)}&timespan={quote(timespan)}&query={quote(query, safe='')}"
        body = await self._get(url, workspace)
        if isinstance(body, Unread):
            return body
        try:
            (table, *_) = body["tables"]
            names = [str(column["name"]) for column in table["columns"]]
            return [dict(zip(names, row, strict=True)) for row in table["rows"]]
        except (KeyError, TypeError, ValueError):
            return Unread("Azure's answer has no table of rows")

    async def skew(self) -> timedelta | Unread:
        """Return how far our clock is ahead of Azure's, by the Date header of an answer, whatever else it says."""
        path = "/providers/Microsoft.Authorization"
        before = self._clock.now()
        try:
            response = await self._rest.exchange("GET", self._rest.url(path, PROVIDERS_VERSION), path)
        except Retryable as error:
            return Unread(error.message)
        ours = before + (self._clock.now() - before) / 2
        try:
            return ours - parsedate_to_datetime(response.headers.get("Date", ""))
        except (ValueError, TypeError):  # none, not a date, or one without a zone
            return Unread("Azure's answer has no date")

    async def _get(self, url: str, subject: str) -> Mapping[str, Any] | Unread:
        try:
            async with self._slots:
                response = await self._rest.send("GET", url, subject)
        except Retryable as error:
            return Unread(error.message)
        if response.status_code != 200:
            return Unread(": ".join(error_of(response)))
        body = json_of(response)
        return body if isinstance(body, Mapping) else Unread("Azure's answer is not a JSON object")


async def informed(credential: AsyncTokenCredential, scope: str) -> Mapping[str, Any] | Unread:
    """Return what a token says of whom it is for; Unread where there is none."""
    try:
        return await claims_of(credential, scope)
    except Retryable as error:
        return Unread(f"there is no token: {error.message}")
