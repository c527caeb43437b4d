"""The pages of a Resource Graph query, one by one: what cannot be read is reported, and the rest is read."""

import asyncio
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Any, Final

from guardrails.azure.graph_answer import LONGEST_WAIT, Answer, Kind, Trouble, quota_wait, read
from guardrails.azure.rest import Rest
from guardrails.dataclass import dataclass, field, replace
from guardrails.errors import NO_TOKEN, Retryable
from guardrails.lazy_regex import lazy_regex
from guardrails.ports import Clock, Page

GRAPH_VERSION: Final = "2022-10-01"
SCOPES_SETTING: Final = "GUARDRAILS_SWEEP_SCOPES"
MARK: Final = "mg~"
"""Before the name of a management group, in ids of containers (ExemptionId.container) and in listed scopes."""
MOST_IDS: Final = 100
"""Ids in one query: about 25 kB of text."""

_PATH: Final = "/providers/Microsoft.ResourceGraph/resources"
_GUID: Final = lazy_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST_GROUPS: Final = 10  # in one query, as _MOST_SUBSCRIPTIONS: REST reference of Resource Graph
_MOST_SUBSCRIPTIONS: Final = 1000
_TRIES: Final = 3
_THROTTLED_TRIES: Final = 6
_LOST_AT_MOST: Final = 3  # pages in a row, before a query is given up
_GOOD_BEFORE_GROWING: Final = 4  # pages in a row, before one that was halved is doubled
_SYSTEM: Final = ", systemData"


@dataclass(frozen=True, slots=True)
class Query:
    """A query. `what` names its rows for people, "" for exemptions; `above`: with rows from above listed scopes."""

    text: str
    what: str = ""
    above: bool = False


CONTAINERS: Final = Query(
    "resourcecontainers"
    " | where type in~ ('microsoft.resources/subscriptions', 'microsoft.management/managementgroups')"
    " | order by tolower(id) asc | project id, name, displayName = properties.displayName,"
    " above = properties.managementGroupAncestorsChain, groupsAbove = properties.details.managementGroupAncestorsChain",
    "subscriptions and management groups",
)
"""Where we can look, and what is above it; a subscription has that elsewhere than a management group."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The scopes of one query; neither groups nor subscriptions: all that the identity sees in the tenant."""

    groups: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it is, for people."""
        if self.groups:
            return f"management group{'s' if len(self.groups) > 1 else ''} {', '.join(self.groups)}"
        if len(self.subscriptions) == 1:
            return f"subscription {self.subscriptions[0]}"
        return f"{len(self.subscriptions)} subscriptions" if self.subscriptions else "the tenant"

    @property
    def parts(self) -> "list[Segment]":
        """Its management groups one by one: Azure refuses all of them for one that we may not read."""
        return [Segment((group,)) for group in self.groups] if len(self.groups) > 1 else []


def segments(scopes: Sequence[str]) -> list[Segment]:
    """Return the queries that names of management groups and subscription ids (GUIDs) need; () is the tenant.

    A management group may be called like a subscription's id, as the root is: `mg~NAME` is always a group.
    """
    known = list(dict.fromkeys(scope.strip().lower() for scope in scopes if scope.strip()))
    groups = list(dict.fromkeys(scope.removeprefix(MARK) for scope in known if not is_subscription(scope)))
    subscriptions = [scope for scope in known if is_subscription(scope)]
    found = [Segment(tuple(some)) for some in chunks(groups, _MOST_GROUPS)]
    return [*found, *of_subscriptions(subscriptions)] or [Segment()]


def of_subscriptions(ids: Sequence[str]) -> "list[Segment]":
    """Return the queries that subscriptions need."""
    return [Segment((), tuple(some)) for some in chunks(ids, _MOST_SUBSCRIPTIONS)]


def is_subscription(scope: str) -> bool:
    """Whether a listed scope is a subscription id, rather than the name of a management group."""
    return _GUID.fullmatch(scope) is not None


def chunks(items: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Yield `items` in parts of at most `most`."""
    for at in range(0, len(items), most):
        yield items[at : at + most]


def quoted(text: str) -> str:
    """Return a string literal of the query language."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


async def chained(sources: Iterable[AsyncIterable[Page]]) -> AsyncGenerator[Page]:
    """Yield the pages of all sources, one after the other, their totals added up."""
    before = 0
    for source in sources:
        total = 0
        async for page in source:
            total = page.total or total
            yield replace(page, total=before + page.total if page.total else 0)
        before += total


@dataclass(slots=True)
class _Place:
    """How far a query was read: `at` rows, of `total` (0 unknown)."""

    query: Query
    segment: Segment
    most: int
    top: int = field(init=False)
    at: int = 0
    total: int = 0
    token: str = ""
    good: int = 0
    lost: int = 0
    limit_reported: bool = False
    done: bool = False

    def __post_init__(self) -> None:
        self.top = self.most

    @property
    def untouched(self) -> bool:
        return not self.total and not self.at

    def take(self, answer: Answer) -> Iterator[Page]:
        """Yield what an answer gives, and go on behind it."""
        count = len(answer.rows) + answer.malformed
        self.at, self.total, self.lost, self.good = self.at + count, answer.total, 0, self.good + 1
        yield Page(answer.rows, self.total, skew=answer.skew)
        if answer.malformed:
            yield self._missing(f"{answer.malformed} rows{self._of} are not JSON objects")
        if answer.limited and not self.limit_reported:
            self.limit_reported = True
            yield self._missing(
                f"Resource Graph looked at 10,000 subscriptions of {self.segment.words} only; list management groups "
                f"of fewer in the setting {SCOPES_SETTING}"
            )
        more = bool(answer.token) or self.at < self.total
        if answer.truncated and not answer.token:
            yield self._missing(f"the rows{self._of} after row {self.at} were cut off by Resource Graph", lost=True)
        elif more and not count:
            text = f"the rows{self._of} after row {self.at} are missing: Resource Graph gives no more"
            yield self._missing(text, lost=True)
        else:
            self.done = not more
            self.token = answer.token if answer.token != self.token else ""
            self._grow()
            return
        self.done = True

    def stumble(self, trouble: Trouble) -> Iterator[Page]:
        """Yield what trouble leaves out, and go on: with a smaller page, without the token, or after the page."""
        had_token, self.token, self.good = bool(self.token), "", 0
        if trouble.kind is Kind.TOO_LARGE and self.top > 1:
            self.top //= 2
        elif trouble.kind is Kind.REFUSED and had_token:
            pass  # the token, presumably: $skip leads to the same row
        elif trouble.kind in (Kind.FORBIDDEN, Kind.REFUSED) or (not self.total and trouble.kind is not Kind.TOO_LARGE):
            yield self._missing(self._all_lost(trouble), lost=trouble.kind is not Kind.FORBIDDEN)
            self.done = True
        else:
            yield from self._skip(trouble)

    def _skip(self, trouble: Trouble) -> Iterator[Page]:
        self.lost += 1
        first, end = self.at + 1, self.at + self.top
        if self.lost >= _LOST_AT_MOST:
            end, self.done = max(self.total, end), True
        end = min(end, self.total) if self.total else end
        self.at = end
        self.done = self.done or (bool(self.total) and self.at >= self.total)
        rows = f"row {first}" if first == end else f"rows {first} to {end}"
        yield self._missing(f"{rows}{self._of} could not be read: {trouble.reason}", lost=True)

    def _grow(self) -> None:
        if self.top < self.most and self.good >= _GOOD_BEFORE_GROWING:
            self.top, self.good, self.token = min(self.top * 2, self.most), 0, ""

    def _all_lost(self, trouble: Trouble) -> str:
        if self.segment.groups and trouble.kind is Kind.FORBIDDEN:
            return (
                f"{self.segment.words} could not be read: the identity needs Microsoft.Management/managementGroups/read"
                f" there, as the role Reader has it ({trouble.reason})"
            )
        what = self.query.what or "exemptions"
        behind = f" behind row {self.at}" if self.at else ""
        return f"the {what}{behind} of {self.segment.words} could not be read: {trouble.reason}"

    @property
    def _of(self) -> str:
        what = f" of the {self.query.what}" if self.query.what else ""
        return what + (f" of {self.segment.words}" if self.segment != Segment() else "")

    def _missing(self, sentence: str, *, lost: bool = False) -> Page:
        return Page((), self.total, sentence, lost)


class Reader:
    """Asks Resource Graph, no faster than it allows.

    Args:
        rest: the way to it.
        clock: for the skew of clocks.
        top: rows a page, 1 to 1,000.
        sleep: waits, in seconds.

    Attributes:
        requests: how many requests were made.
    """

    def __init__(self, rest: Rest, clock: Clock, top: int, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._rest = rest
        self._clock = clock
        self._top = min(max(top, 1), 1000)
        self._sleep = sleep
        self._quota = 0.0
        self._asking = asyncio.Lock()
        self.requests = 0

    async def pages(self, query: Query, segment: Segment) -> AsyncIterator[Page]:
        """Yield the pages of a query, and one with `missing` for whatever could not be read. Raises Retryable.

        Retryable means that nothing can be read at all: Azure gives us no token, or takes none of ours.
        """
        place = _Place(query, segment, self._top)
        while not place.done:
            result = await self._patiently(place)
            if isinstance(result, Answer):
                for page in place.take(result):
                    yield page
            elif place.untouched and segment.parts and result.kind in (Kind.FORBIDDEN, Kind.REFUSED):
                async for page in chained(self.pages(query, part) for part in segment.parts):
                    yield page
                return
            elif place.untouched and _lacks_system_data(result, place.query):
                place.query = replace(query, text=query.text.replace(_SYSTEM, ""))
            else:
                for page in place.stumble(result):
                    yield page

    async def _patiently(self, place: _Place) -> Answer | Trouble:
        """Ask for a page: a few times where it breaks, more often where we are throttled."""
        broken = throttled = 0
        while True:
            result = await self._ask(place)
            if isinstance(result, Answer) or result.kind not in (Kind.BROKEN, Kind.THROTTLED):
                return result
            broken += result.kind is Kind.BROKEN
            throttled += result.kind is Kind.THROTTLED
            if broken >= _TRIES or throttled >= _THROTTLED_TRIES:
                if result.unauthorized:
                    remedy = "Check the identity that the sweep runs as."
                    raise Retryable(result.reason, code=NO_TOKEN, subject=_PATH, remedy=remedy, delay=60)
                return result
            await self._sleep(min(result.wait or 2.0**broken, LONGEST_WAIT))

    async def _ask(self, place: _Place) -> Answer | Trouble:
        async with self._asking:
            if self._quota:
                await self._sleep(self._quota)
            self._quota = 0.0
            self.requests += 1
            url = self._rest.url(_PATH, GRAPH_VERSION)
            try:
                response = await self._rest.exchange("POST", url, _PATH, _body(place))
            except Retryable as error:
                if error.code == NO_TOKEN:
                    raise
                return Trouble(Kind.BROKEN, error.message)
            result = read(response, self._clock.now())
            if not (isinstance(result, Trouble) and result.kind is Kind.THROTTLED):  # that one says how long itself
                self._quota = quota_wait(response.headers)
            return result


def _body(place: _Place) -> dict[str, Any]:
    options: dict[str, Any] = {"$top": place.top, "resultFormat": "objectArray"}
    if place.token:
        options["$skipToken"] = place.token
    elif place.at:
        options["$skip"] = place.at
    body: dict[str, Any] = {"query": place.query.text, "options": options}
    segment = place.segment
    if segment.subscriptions:
        body["subscriptions"] = list(segment.subscriptions)
    else:
        options["allowPartialScopes"] = True  # beyond 10,000 subscriptions: what there is, and a header that says so
    if segment.groups:
        body["managementGroups"] = list(segment.groups)
    if place.query.above and segment != Segment():
        options["authorizationScopeFilter"] = "AtScopeAboveAndBelow"
    return body


def _lacks_system_data(trouble: Trouble, query: Query) -> bool:
    """Whether the table has no such column: its documentation does not promise one."""
    return trouble.kind is Kind.REFUSED and "systemdata" in trouble.reason.lower() and _SYSTEM in query.text
