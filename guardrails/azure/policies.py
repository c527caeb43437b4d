"""Policy assignments, the initiatives that they assign and their policies, as Azure Resource Manager gives them.

What Azure evaluates is asked of Azure: `$expand=EffectiveDefinitionVersion` names the version of the initiative, and
`policySetDefinitions/NAME/versions/VERSION` has its policies. Where a cloud refuses `$expand`, the pin is resolved
against all versions. guardrails.exemption.versions decides; here is what has to be read for it, and what is kept.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from azure.core.rest import AsyncHttpResponse

from guardrails.azure.cache import Cache
from guardrails.azure.rest import Rest, answer_of, json_of, refusal
from guardrails.dataclass import dataclass
from guardrails.errors import Retryable
from guardrails.exemption.applies import not_scopes_of
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Policy, Unread
from guardrails.exemption.ids import folded, is_same, resource_id
from guardrails.exemption.initiatives import base_of, effect_of, is_policy, policy_of
from guardrails.exemption.versions import (
    PINS_SINCE,
    Choice,
    Definition,
    Pin,
    assigned,
    choose,
    definition_of,
    key_of,
    pin_of,
    pinned,
)
from guardrails.lazy_regex import lazy_regex
from guardrails.ports import Clock

POLICY_VERSION: Final = "2025-03-01"
"""The api-version of assignments, initiatives and policies, unless the settings or the cloud say otherwise."""

ASSIGNMENTS: Final = "policyAssignments"
INITIATIVES: Final = "policySetDefinitions"
VERSIONS: Final = "policySetDefinitions/versions"
DEFINITIONS: Final = "policyDefinitions"

EXPAND: Final = "LatestDefinitionVersion, EffectiveDefinitionVersion"

log = logging.getLogger(__name__)

_GONE: Final = frozenset(
    {
        "resourcenotfound", "resourcegroupnotfound", "parentresourcenotfound", "managementgroupnotfound", "notfound",
        "policyassignmentnotfound", "policydefinitionnotfound", "policysetdefinitionnotfound",
        "policysetdefinitionversionnotfound",
    }
)  # fmt: skip
_LACKS_VERSION: Final = frozenset(
    {"invalidresourcetype", "noregisteredproviderfound", "invalidapiversionparameter", "unsupportedapiversion"}
)
_API_VERSION: Final = lazy_regex(r"\b\d{4}-\d{2}-\d{2}(?:-[a-z]+)?\b", re.IGNORECASE)
_NONE: Final = Choice("", "")
_NO_POLICY: Final = Unread("that is no id of a policy definition")
_AT_ONCE: Final = 8  # policy definitions that are read at the same time
_TRIES: Final = 3
_PAGES: Final = 100
_BRIEFLY: Final = timedelta(seconds=5)
_IMMUTABLE: Final = timedelta(days=1)


class _Said(NamedTuple):
    """An assignment's id, as first asked for, and its properties."""

    id: str
    properties: Mapping[str, Any]


class Policies:
    """Reads assignments, initiatives and policies, and keeps each part for a while.

    Args:
        rest: the way to Resource Manager.
        clock: for the caches' lifetimes.
        lifetime: how long assignments, initiatives and policies are kept. What a numbered version holds never changes.
        version: the api-version to begin with.

    Attributes:
        versions: the api-versions in use, by type: where a cloud lacks the one that is set, one that it names.
    """

    def __init__(self, rest: Rest, clock: Clock, *, lifetime: timedelta, version: str = POLICY_VERSION) -> None:
        self._rest = rest
        self._expands = True
        self.versions = dict.fromkeys((ASSIGNMENTS, INITIATIVES, VERSIONS, DEFINITIONS), version)
        self._assignments: Cache[_Said | Gone | Unread] = Cache(clock, _lifetime(lifetime))
        self._initiatives: Cache[Definition | Gone | Unread] = Cache(clock, _lifetime(lifetime))
        self._lists: Cache[Mapping[str, Definition] | Gone | Unread] = Cache(clock, _lifetime(lifetime))
        self._numbered: Cache[Definition | Gone | Unread] = Cache(clock, _lifetime(_IMMUTABLE))
        self._policies: Cache[Policy | Gone | Unread] = Cache(clock, _lifetime(lifetime))
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def assignment(self, assignment_id: str, *, max_age: timedelta = timedelta.max) -> Assignment | Gone | Unread:
        """Return the assignment, with the members of its initiative in the version that Azure evaluates.

        `max_age`: read again what may have changed since and was read longer ago.
        """
        asked = _path_of(assignment_id, ASSIGNMENTS)
        if isinstance(asked, Unread):
            return asked
        said = await self._assignments.get(folded(asked), lambda: self._read_assignment(asked), max_age=max_age)
        if isinstance(said, Gone | Unread):
            return _plain(said, "assignment")
        path, properties = said
        if not properties.get("policyDefinitionId"):
            return Unread("Azure's answer does not say what the assignment assigns")
        definition = base_of(str(properties["policyDefinitionId"]))
        left_out = not_scopes_of(properties.get("notScopes"))
        if "/policysetdefinitions/" not in definition.lower():
            return Assignment(path, definition, {}, not_scopes=left_out)
        named = _path_of(definition, INITIATIVES)
        if isinstance(named, Unread):
            return Assignment(path, definition, named, not_scopes=left_out)
        pin = pin_of(properties, shown=self.versions[ASSIGNMENTS] >= PINS_SINCE)
        found = await self._evaluated(named, pin, max_age=max_age)
        held, choice = (found, _NONE) if isinstance(found, Unread) else found
        if isinstance(held, _Busy):
            return _plain(held, "assignment")
        return assigned(path, definition, held, choice, left_out)

    async def at(self, scope: str) -> Mapping[str, tuple[str, ...]] | Unread:
        """Return the assignments that ARM lists at a scope, made there or above it: id (lower case) -> its notScopes.

        Raises nothing: Unread where ARM does not list all of them now.
        """
        path = f"{scope}/providers/Microsoft.Authorization/{ASSIGNMENTS}"
        first = await self._get(ASSIGNMENTS, path, listed=True, filter="atScope()")
        rows = await self._list_of(first, path, "assignments")
        if isinstance(rows, Gone | Unread):
            return _reason(rows)
        found = {}
        for row in rows:
            if not isinstance(row, Mapping) or not isinstance(row.get("id"), str):
                return Unread("Azure's list of assignments has entries without an id")
            found["/" + row["id"].strip("/").lower()] = not_scopes_of(_properties(row).get("notScopes"))
        return found

    async def policies(self, ids: Collection[str], *, max_age: timedelta = timedelta.max) -> PoliciesById:
        """Return what policy definitions say of themselves, for each of these ids. `max_age`: as of `assignment`."""
        keys = list(dict.fromkeys(map(key_of, ids)))
        found = await asyncio.gather(*(self._policy(key, max_age=max_age) for key in keys))
        return dict(zip(keys, found, strict=True))

    async def built_in(self, name: str) -> Definition | Gone | Unread:
        """Return the latest version of a built-in initiative, read anew."""
        path = f"/providers/Microsoft.Authorization/{INITIATIVES}/{name}"
        found = await self._read(INITIATIVES, path)
        return _plain(found, "initiative") if isinstance(found, Gone | Unread) else found

    async def effect(self, policy_id: str) -> str | Gone | Unread:
        """Return the effect that a policy definition has by default, read anew; at most eight at a time."""
        async with self._gate:
            found = await self._get(DEFINITIONS, policy_id)
        return effect_of(_properties(found)) if isinstance(found, Mapping) else _plain(found, "policy definition")

    async def in_use(self, scope: str) -> Mapping[str, str | Unread]:
        """Return the api-versions in use, of assignments and of initiatives, once a list at a scope was read by each.

        Unread where none could be.
        """
        found: dict[str, str | Unread] = {}
        for kind in (ASSIGNMENTS, INITIATIVES):
            path = f"{scope}/providers/Microsoft.Authorization/{kind}"
            answer = await self._get(kind, path, listed=True, filter="atExactScope()")
            found[kind] = self.versions[kind] if isinstance(answer, Mapping) else _reason(answer)
        return found

    async def _evaluated(
        self, base: str, pin: Pin, *, max_age: timedelta
    ) -> tuple[Definition | Unread, Choice] | Unread:
        """Return the version that Azure evaluates, and which one that is."""
        latest = await self._initiatives.get(folded(base), lambda: self._read(INITIATIVES, base), max_age=max_age)
        if isinstance(latest, Gone):
            return Unread("the initiative does not exist")
        if isinstance(latest, Unread):
            return latest
        choice = choose(pin, latest)
        if choice is None:
            listed = await self._list(base, max_age=max_age)
            choice = listed if isinstance(listed, Unread) else pinned(pin.pattern, listed)
        if isinstance(choice, Unread):
            return choice
        if latest.is_meant(choice):
            return latest, choice
        return await self._version(base, latest, choice.version, max_age=max_age), choice

    async def _version(self, base: str, latest: Definition, version: str, *, max_age: timedelta) -> Definition | Unread:
        """Return one version of an initiative. `max_age` is for whether it is there still."""
        path = f"{base}/versions/{version}"
        found = await self._numbered.get(folded(path), lambda: self._read(VERSIONS, path), max_age=max_age)
        if isinstance(found, Gone):  # its resource may have another name
            listed = await self._list(base, max_age=max_age)
            if isinstance(listed, Unread):
                return listed
            found = latest.pick(version, listed) or found
        if isinstance(found, Gone):
            return Unread(f"version {version} of the initiative, which the assignment evaluates, is not there any more")
        return found

    async def _list(self, base: str, *, max_age: timedelta = timedelta.max) -> Mapping[str, Definition] | Unread:
        """Return all versions of an initiative by number."""
        found = await self._lists.get(folded(base), lambda: self._read_list(f"{base}/versions"), max_age=max_age)
        return Unread("Azure does not list the versions of the initiative") if isinstance(found, Gone) else found

    async def _read_assignment(self, path: str) -> _Said | Gone | Unread:
        expand = EXPAND if self._expands and self.versions[ASSIGNMENTS] >= PINS_SINCE else ""
        found = await (self._get(ASSIGNMENTS, path, expand=expand) if expand else self._get(ASSIGNMENTS, path))
        if expand and isinstance(found, _Refused) and found.status == 400:
            without = await self._get(ASSIGNMENTS, path)
            if isinstance(without, Mapping) and self._expands:
                self._expands = False
                log.warning("Azure refuses $expand on assignments; pins are resolved by lists: %s", found.reason)
            found = without
        return _Said(path, _properties(found)) if isinstance(found, Mapping) else found

    async def _policy(self, key: str, *, max_age: timedelta) -> Policy | Gone | Unread:
        if not is_policy(key):
            return _NO_POLICY
        found = await self._policies.get(key, lambda: self._read_policy(key), max_age=max_age)
        return _plain(found, "policy definition") if isinstance(found, Gone | Unread) else found

    async def _read_policy(self, key: str) -> Policy | Gone | Unread:
        async with self._gate:
            found = await self._get(DEFINITIONS, key)
        return policy_of(_properties(found)) if isinstance(found, Mapping) else found

    async def _read(self, kind: str, path: str) -> Definition | Gone | Unread:
        found = await self._get(kind, path)
        return definition_of(path, _properties(found)) if isinstance(found, Mapping) else found

    async def _read_list(self, path: str) -> Mapping[str, Definition] | Gone | Unread:
        """Read the list of an initiative's versions to its end."""
        rows = await self._list_of(await self._get(VERSIONS, path, listed=True), path, "versions")
        if isinstance(rows, Gone | Unread):
            return rows
        found: dict[str, Definition] = {}
        for row in rows:
            if isinstance(row, Mapping) and not is_same(str(row.get("id")).rpartition("/")[0], path):
                return Unread("Azure's list of versions has one of another initiative in it")
            one = definition_of(path, _properties(row)) if isinstance(row, Mapping) else None
            if one and (number := one.version or str(row.get("name") or "")):
                found[number] = one
        return found

    async def _list_of(
        self, body: Mapping[str, Any] | Gone | Unread, path: str, what: str
    ) -> list[Any] | Gone | Unread:
        """Return all rows of a list, of which `body` is the first page."""
        found: list[Any] = []
        seen: set[str] = set()
        while isinstance(body, Mapping):
            rows = body.get("value")
            if not isinstance(rows, list):
                return Unread(f"Azure's answer is not a list of {what}")
            found += rows
            url = str(body.get("nextLink") or "")
            if not url:
                return found
            if url in seen or len(seen) >= _PAGES or not self._rest.is_ours(url):
                return Unread(f"Azure's list of {what} goes on at an address that is not followed")
            seen.add(url)
            body = await self._follow(url, path, listed=True)
        return body

    async def _get(
        self, kind: str, path: str, *, listed: bool = False, **query: str
    ) -> Mapping[str, Any] | Gone | Unread:
        """Read, by another api-version where the cloud lacks the one in use and says which it has.

        It may say that twice: first for all of Azure, then for the type. `listed`: a list is read, which has no id.
        """
        try:
            path = resource_id(path)
        except ValueError as error:
            return Unread(f"its id cannot name one object: {error}")
        begun = self.versions[kind]
        tried, offers = [begun], tuple[str, ...]()
        while True:
            found = await self._follow(self._rest.url(path, tried[-1], **query), path, listed=listed)
            offers = found.offers if isinstance(found, _Refused) else ()
            other = best_of(one for one in offers if one not in tried)
            if not other or len(tried) == _TRIES:
                break
            tried.append(other)
        if not offers and self.versions[kind] == begun != tried[-1]:
            self.versions |= {one: tried[-1] for one in self.versions if one.startswith(kind)}
            log.warning("this cloud lacks api-version %s of %s; %s is used from now on", begun, kind, tried[-1])
        return found

    async def _follow(self, url: str, path: str, *, listed: bool) -> Mapping[str, Any] | Gone | Unread:
        try:
            response = await self._rest.send("GET", url, path)
        except Retryable as error:
            return _Busy(error.message)
        if response.status_code == 200:
            if not listed:
                return answer_of(response, path)
            body = json_of(response)
            return body if isinstance(body, Mapping) else Unread("Azure's answer is not a JSON object")
        said = refusal(response, _GONE)
        return _Refused(said.reason, response.status_code, offers_of(response)) if isinstance(said, Unread) else said


@dataclass(frozen=True, slots=True)
class _Busy(Unread):
    """No answer now; there may be one soon."""


@dataclass(frozen=True, slots=True)
class _Refused(Unread):
    """An answer that refuses. `offers`: the api-versions that it says there are, where it refuses ours."""

    status: int = 0
    offers: tuple[str, ...] = ()


def offers_of(response: AsyncHttpResponse) -> tuple[str, ...]:
    """Return the api-versions that an answer names for it refuses the one that was asked for; () for any other."""
    body = json_of(response)
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping) or str(error.get("code")).lower() not in _LACKS_VERSION:
        return ()
    _, _, listed = str(error.get("message")).lower().partition("supported")  # the refused version comes before it
    return tuple(dict.fromkeys(_API_VERSION.findall(listed)))


def best_of(offers: Iterable[str]) -> str:
    """Return the newest of some api-versions, "" of none; of one date, the one that is no preview.

    The newest has every field that we use, if any has: none was taken away since they came.
    """
    return max(offers, key=lambda version: (version[:10], len(version) == 10, version), default="")


def _lifetime(whole: timedelta) -> Callable[[object], timedelta]:
    """Return the function that says how long an answer is kept: briefly where something in it could not be read."""

    def lifetime(answer: object) -> timedelta:
        holds = answer.members if isinstance(answer, Definition) else answer
        return _BRIEFLY if isinstance(holds, Gone | Unread) else whole

    return lifetime


@lru_cache(maxsize=4096)  # many exemptions name the same assignment
def _path_of(text: str, kind: str) -> str | Unread:
    """Return the id of an assignment or an initiative as it is asked for; Unread where it names none, or not one."""
    try:
        path = resource_id(text)
    except ValueError as error:
        return Unread(f"the id cannot name one of Azure's {kind}: {error}")
    _, found, name = path.lower().rpartition(f"/providers/microsoft.authorization/{kind.lower()}/")
    return path if found and name and "/" not in name else Unread(f"the id names none of Azure's {kind}")


def _reason(answer: Gone | Unread) -> Unread:
    return Unread("it is not there") if isinstance(answer, Gone) else Unread(answer.reason)


def _plain(found: Gone | Unread, what: str) -> Gone | Unread:
    if isinstance(found, _Busy):
        return Unread(f"the {what} could not be read now: {found.reason}")
    return Unread(found.reason) if isinstance(found, _Refused) else found


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = body.get("properties")
    return properties if isinstance(properties, Mapping) else {}
