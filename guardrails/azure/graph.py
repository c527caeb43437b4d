"""The inventory by Resource Graph: exemptions, the assignments that they exempt from, and where we can look.

Assignments are read whole, for they hold bypasses of policies too; what carries tags is read by graph_tagged. Policy
enrollments come with them, in one query: table and type are named as in Azure/enterprise-azure-policy-as-code 1353.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from sys import intern
from typing import Any, Final, NamedTuple, cast

from azure.core.credentials_async import AsyncTokenCredential

from guardrails.azure.graph_pages import (
    CONTAINERS,
    MARK,
    MOST_IDS,
    SCOPES_SETTING,
    Query,
    Reader,
    Segment,
    chained,
    chunks,
    is_subscription,
    of_subscriptions,
    quoted,
    segments,
)
from guardrails.azure.graph_tagged import tagged
from guardrails.azure.identity import claims_of
from guardrails.azure.rest import Rest
from guardrails.bypasses.enrolled import is_enrollment
from guardrails.exemption.applies import Chain, not_scopes_of
from guardrails.exemption.facts import NO_POLICIES, PoliciesById, Policy, Unread
from guardrails.exemption.initiatives import base_of, is_policy, policy_of
from guardrails.exemption.versions import Choice, Definition, Pin, assigned, choose, definition_of, pin_of
from guardrails.ports import Clock, Page, Surroundings
from guardrails.runtime.transport import transport

_EXEMPTIONS: Final = Query(
    "policyresources | where type =~ 'microsoft.authorization/policyexemptions' | order by tolower(id) asc"
    " | project id, tenantId, properties, systemData"
)
_IDS: Final = Query(
    "policyresources | where type =~ 'microsoft.authorization/policyexemptions' | order by tolower(id) asc"
    " | project id, tenantId"
)
_SOME: Final = (
    "policyresources | where type =~ 'microsoft.authorization/policyexemptions' and id in~ ({ids})"
    " | order by tolower(id) asc | project id, tenantId, properties, systemData"
)
_ASSIGNMENTS: Final = Query(
    "policyresources | where type in~ ('microsoft.authorization/policyassignments',"
    " 'microsoft.authorization/policyenrollments') | order by tolower(id) asc"
    " | project id, tenantId, properties, systemData",
    "policy assignments",
    above=True,
)
_INITIATIVES: Final = (
    "policyresources | where type =~ 'microsoft.authorization/policysetdefinitions{kind}' and id in~ ({ids})"
    " | order by tolower(id) asc | project id, displayName = properties.displayName, version = properties.version,"
    " versions = properties.versions, policyType = properties.policyType,"
    " policyDefinitions = properties.policyDefinitions,"
    " policyDefinitionGroups = properties.policyDefinitionGroups"
)
_POLICIES: Final = Query(
    "policyresources | where type =~ 'microsoft.authorization/policydefinitions' | order by tolower(id) asc"
    " | project id, metadata = properties.metadata",
    "policy definitions",
    above=True,
)
_GROUP: Final = "/providers/microsoft.management/managementgroups/"
_SUBSCRIPTION: Final = "/subscriptions/"
_UNSEEN: Final = Unread("Resource Graph does not show its initiative")
_UNLISTED: Final = Unread("Resource Graph does not show the versions of its initiative")
_NO_CHAIN: Final = Unread("Resource Graph does not show the management groups above it")
_NO_CHOICE: Final = Choice("", "")
_SINGLE: Final = Definition({}), _NO_CHOICE


class _Assigned(NamedTuple):
    """What an assignment assigns, without a version in its id, and which version of it."""

    definition_id: str
    pin: Pin


class Graph:
    """ports.Inventory over Resource Graph.

    Args:
        endpoint: as ArmRest's.
        credential: who asks; it sees what it may read, and nothing says what it may not.
        clock: for the skew of clocks.
        scopes: names of management groups and ids of subscriptions; () is all that the identity sees in the tenant.
            `mg~NAME` is a management group, even one that is called like a subscription's id.
        audience: what the token is for, where that is not the endpoint.
        top: rows a page, to 1,000.
        sleep: waits where Azure asks for it, in seconds.
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        clock: Clock,
        *,
        scopes: Sequence[str] = (),
        audience: str = "",
        top: int = 1000,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._credential = credential
        self._rest = Rest(endpoint, credential, transport(), audience=audience)
        self._reader = Reader(self._rest, clock, top, sleep)
        self._scopes = [scope.strip().lower() for scope in scopes if scope.strip()]
        self._segments = segments(scopes)
        self._numbered: dict[str, Definition] = {}

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._reader.requests

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    def exemptions(self, subscriptions: Sequence[str] | None = None) -> AsyncGenerator[Page]:
        """Yield all exemptions in the order of their ids, the next page being read meanwhile. Raises Retryable.

        `subscriptions`: those in these alone, by subscription id, none at management groups.

        With several segments of scopes, the order is that of each, and scopes that overlap give rows twice. `total`
        grows from segment to segment. Close it (aclosing) where it is not read to its end.
        """
        some = self._segments if subscriptions is None else of_subscriptions(subscriptions)
        return _ahead(chained(self._reader.pages(_EXEMPTIONS, segment) for segment in some))

    def ids(self) -> AsyncGenerator[Page]:
        """As `exemptions`, with `id` and `tenantId` alone: little to send, and little to read."""
        return _ahead(self._pages(_IDS))

    def shown(self, ids: Sequence[str]) -> AsyncGenerator[Page]:
        """Yield the rows of some exemptions, by their ids; those that it does not show are left out. Raises Retryable.

        Ids with characters that cannot be written in a query are left out, too. Close it (aclosing).
        """
        some = chunks([one for one in ids if one.isprintable()], MOST_IDS)
        queries = (Query(_SOME.format(ids=", ".join(map(quoted, part)))) for part in some)
        return chained(self._reader.pages(query, Segment()) for query in queries)

    async def visible(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """Return all subscriptions and management groups that the identity sees, whatever scopes are listed.

        As Surroundings has them, and what could not be read, a sentence each. Raises Retryable.
        """
        missing: list[str] = []
        return (await self._containers(self._reader.pages(CONTAINERS, Segment()), missing))[0], missing

    async def surroundings(self, *, policies: bool = False) -> Surroundings:
        """Return what is visible, and the assignments with the members of their initiatives. Raises Retryable.

        `policies`: the policy definitions, too, by one query over all of them.
        """
        missing: list[str] = []
        containers, above = await self._containers(self._pages(CONTAINERS), missing)
        missing += [sentence for scope in self._scopes if (sentence := _unseen(scope, containers, missing))]
        unread: list[str] = []
        listed: list[Mapping[str, Any]] = []
        enrolled: list[Mapping[str, Any]] = []
        async for row in self._rows(_ASSIGNMENTS, unread):
            (enrolled if is_enrollment(row.get("id")) else listed).append(row)
        missing += unread
        assigns = {_slashed(str(row["id"])): said for row in listed if row.get("id") and (said := _assigns(row))}
        left_out = {_slashed(str(row["id"])): some for row in listed if row.get("id") and (some := _left_out(row))}
        names: dict[str, str] = {}
        evaluated = await self._evaluated(assigns.values(), missing, names)
        assignments = {}
        for identity, said in assigns.items():
            found, choice = evaluated.get(said, _SINGLE)
            assignments[identity.lower()] = assigned(
                identity, said.definition_id, found, choice, left_out.get(identity, ())
            )
        known = await self._policies(missing) if policies else NO_POLICIES
        sentences = tuple(dict.fromkeys(missing))
        tenant = await self._tenant()
        in_order = sum(bool(segment.groups) for segment in self._segments) < 2
        return Surroundings(
            containers, assignments, tenant, sentences, listed,
            whole=not unread, policies=known, above=above, in_order=in_order, enrolled=enrolled,
            initiatives=names,
        )  # fmt: skip

    def tagged(self, names: Sequence[str]) -> AsyncGenerator[Page]:
        """Yield what carries any of these tags, and who changed them last. Raises Retryable.

        Scopes that overlap give rows twice. Close it (aclosing) where it is not read to its end.
        """
        return tagged(self._pages, names)

    async def _evaluated(
        self, assigns: Iterable[_Assigned], missing: list[str], names: dict[str, str]
    ) -> dict[_Assigned, tuple[Definition | Unread, Choice]]:
        """Return the version of its initiative that Azure evaluates, for each assignment of one.

        Puts the initiatives' display names into `names`.
        """
        wanted = {one for one in assigns if "/policysetdefinitions/" in one.definition_id.lower()}
        latest = await self._definitions({one.definition_id.lower() for one in wanted}, "", missing)
        names |= {key: one.name for key, one in latest.items() if one.name}
        found: dict[_Assigned, tuple[Definition | Unread, Choice]] = {}
        older: dict[_Assigned, tuple[Definition, Choice]] = {}
        for one in wanted:
            shown = latest.get(one.definition_id.lower())
            choice = choose(one.pin, shown) or _UNLISTED if shown else _UNSEEN
            if shown is None or isinstance(choice, Unread):
                found[one] = _UNSEEN if isinstance(choice, Choice) else choice, _NO_CHOICE
            elif shown.is_meant(choice):
                found[one] = shown, choice
            else:
                older[one] = shown, choice
        await self._learn({name for one, (_, choice) in older.items() for name in _names(one, choice)}, missing)
        for one, (shown, choice) in older.items():
            numbered = {
                name.rpartition("/")[2]: self._numbered[name] for name in _names(one, choice) if name in self._numbered
            }
            picked = shown.pick(choice.version, numbered)
            found[one] = picked or _UNSEEN, choice
        return found

    async def _learn(self, names: set[str], missing: list[str]) -> None:
        """Read the members of numbered versions that are not known yet. They never change, so they are kept."""
        new = await self._definitions(names - self._numbered.keys(), "/versions", missing)
        self._numbered |= {name: one for name, one in new.items() if not isinstance(one.members, Unread)}
        self._numbered = {name: one for name, one in self._numbered.items() if name in names}

    async def _definitions(self, ids: Iterable[str], kind: str, missing: list[str]) -> dict[str, Definition]:
        """Return initiatives, or versions of them, by lower-case id."""
        found = {}
        for some in chunks(sorted(one for one in ids if one.isprintable()), MOST_IDS):
            text = _INITIATIVES.format(kind=kind, ids=", ".join(quoted(one) for one in some))
            async for row in self._rows(Query(text, "initiatives", above=True), missing):
                identity = _slashed(str(row.get("id"))).lower()
                one = definition_of(identity, row)
                if identity not in found or not isinstance(one.members, Unread):
                    found[identity] = one
        return found

    async def _policies(self, missing: list[str]) -> PoliciesById:
        """Return all policy definitions."""
        found: dict[str, Policy | Unread] = {}
        async for row in self._rows(_POLICIES, missing):
            key = _slashed(str(row.get("id"))).lower()
            if is_policy(key):
                found[key] = policy_of(row)
        return found

    async def _containers(
        self, pages: AsyncIterator[Page], missing: list[str]
    ) -> tuple[dict[str, str], dict[str, Chain]]:
        """Return the names of containers, and the management groups above them."""
        found: dict[str, str] = {}
        above: dict[str, Chain] = {}
        async for row in _rows_of(pages, missing):
            key, name = _container(row)
            if key:
                found[key], above[key] = name, _above(row)
        return found, above

    def _rows(self, query: Query, missing: list[str]) -> AsyncIterator[Mapping[str, Any]]:
        return _rows_of(self._pages(query), missing)

    def _pages(self, query: Query) -> AsyncGenerator[Page]:
        return chained(self._reader.pages(query, segment) for segment in self._segments)

    async def _tenant(self) -> str:
        """Return our tenant by our own token, which needs no check for that; "" where it cannot be read."""
        tenant = (await claims_of(self._credential, self._rest.token_scope)).get("tid")
        return tenant.lower() if isinstance(tenant, str) else ""


async def _rows_of(pages: AsyncIterator[Page], missing: list[str]) -> AsyncIterator[Mapping[str, Any]]:
    async for page in pages:
        if page.missing:
            missing.append(page.missing)
        for row in page.rows:
            yield row


def _container(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the register's partition of a subscription or management group, "" for anything else, and its name."""
    key = _slashed(str(row.get("id"))).lower()
    shown = str(row.get("displayName") or row.get("name") or "")
    if key.startswith(_GROUP):
        return "mg~" + key.removeprefix(_GROUP), shown
    return key.removeprefix(_SUBSCRIPTION) if key.startswith(_SUBSCRIPTION) else "", shown


def _above(row: Mapping[str, Any]) -> Chain:
    """Return the management groups above a container, the nearest first.

    So Resource Graph lists them: https://learn.microsoft.com/azure/governance/management-groups/resource-graph-samples
    """
    listed = next((row[name] for name in ("above", "groupsAbove") if row.get(name) is not None), None)
    if not isinstance(listed, list):
        return _NO_CHAIN
    names = [str(one.get("name") or "") if isinstance(one, Mapping) else "" for one in listed]
    return tuple(intern(name.lower()) for name in names) if all(names) else _NO_CHAIN


def _unseen(scope: str, containers: Mapping[str, str], missing: Sequence[str]) -> str:
    """Return what to say of a listed scope that is not visible; "" where it is, or where it was said already."""
    listed, name = is_subscription(scope), scope.removeprefix(MARK)
    words = f"{'subscription' if listed else 'management group'} {name}"
    if (scope if listed else MARK + name) in containers or any(one.startswith(words + " ") for one in missing):
        return ""
    return (
        f"{words} is listed in {SCOPES_SETTING} but is not there, or the identity cannot see it: give it the role "
        "Reader there, or remove it from the list"
    )


def _assigns(row: Mapping[str, Any]) -> _Assigned | None:
    """Return what a row's assignment assigns; None where it does not say."""
    properties = row.get("properties")
    definition = properties.get("policyDefinitionId") if isinstance(properties, Mapping) else None
    return _Assigned(base_of(str(definition)), pin_of(cast(Mapping[str, Any], properties))) if definition else None


def _left_out(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the scopes that a row's assignment leaves out."""
    properties = row.get("properties")
    return not_scopes_of(properties.get("notScopes")) if isinstance(properties, Mapping) else ()


def _names(assigned: _Assigned, choice: Choice) -> tuple[str, ...]:
    """Return the ids that a version may have: its resource may be named without a label such as -preview."""
    numbers = dict.fromkeys((choice.version.lower(), choice.version.partition("-")[0]))
    return tuple(f"{assigned.definition_id.lower()}/versions/{number}" for number in numbers)


def _slashed(identity: str) -> str:
    return "/" + identity.strip("/")


async def _ahead(pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
    """Yield pages, reading the next one, but no more, while the consumer is busy with this one."""

    async def following() -> Page | None:
        return await anext(pages, None)

    coming = asyncio.ensure_future(following())
    try:
        while page := await coming:
            coming = asyncio.ensure_future(following())
            one, page = [page], None
            yield one.pop()  # pages are large: whoever is done with one holds it alone
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await pages.aclose()
