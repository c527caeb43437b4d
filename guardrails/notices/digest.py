"""Digests: which notices of a route go at once, which are collected, and what the message about these says. Pure.

Time is cut into windows. The first notices of a window go at once; the rest wait and go as one at its end. What cannot
wait is never collected, and does not count. Reminders wait in a box of their own: all of a day go as one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import parse_time, spell_time
from guardrails.notices.notice import TITLES, Kind, Notice
from guardrails.notices.route_state import RateLimit, RouteState
from guardrails.notices.routing import Route

URGENT: Final = frozenset(
    {
        Kind.BREAKER_OPEN,
        Kind.RULESET_BROKEN,
        Kind.DELIVERY_FAILING,
        Kind.CANNOT_ACT,
        Kind.REGISTER_ALTERED,
        Kind.DIGEST,
        Kind.ADOPTED,
        Kind.FIGHT,
        Kind.BYPASS_FOUND,
        Kind.BUDGET_REACHED,
        Kind.HOLD,
        Kind.EVASION_ATTEMPTED,
        Kind.SWEEP_LATE,
        Kind.RECORD_DIGEST,
    }
)
"""Kinds that are never collected."""

REMINDERS: Final = frozenset({Kind.EXPIRING, Kind.EXPIRED, Kind.REVIEW_DUE, Kind.REMOVED})
"""Kinds that a route with a digest gets once a day, in one message."""

DAY: Final = timedelta(days=1)

WORST: Final = 10
"""How many notices a digest shows one by one."""

MOST: Final = 5_000
"""How many notices one digest takes, so that it fits into one transaction; what is beyond goes with the next."""

KEPT: Final = timedelta(days=30)
"""How long a digest is kept after it was delivered."""

GRACE: Final = timedelta(seconds=5)
"""How long after its end a window is closed: what was decided just before is in the register by then."""

_BOX: Final = "~reminders"
_STAMP: Final = "%Y%m%dT%H%MZ"
_NAMES: Final = 20
_SHORT: Final = 80
_TEXT: Final = 300
_LONG: Final = 600


DAILY_TITLE: Final = "Policy exemptions that end or are due for review"
"""The title of a digest of reminders."""


@dataclass(frozen=True, slots=True)
class DigestItem:
    """A notice that waits for the digest of a window."""

    window: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class Kept:
    """A digest as the register keeps it: what is sent, and an entry for each notice in it.

    Attributes:
        notice: the digest itself; its id is this one's.
        route: where it was collected: the name of a route, or its box of reminders; see `route_of`.
        entries: {id, kind, severity, at, exemption, rules, done, next} of each notice, worst first.
    """

    notice: Notice
    route: str
    entries: tuple[Mapping[str, Any], ...]

    @property
    def members(self) -> frozenset[str]:
        """The ids of the notices in it."""
        return frozenset(str(entry["id"]) for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Window:
    """The window that a notice is collected in.

    Attributes:
        box: where it is collected: the name of a route, or its box of reminders.
        name: its beginning.
        woken: whether the message that closes it is on the queue.
    """

    box: str
    name: str
    length: timedelta
    woken: bool


def box_of(route: str) -> str:
    """Return the name of a route's box of reminders."""
    return route + _BOX  # no route's name has a tilde


def route_of(box: str) -> str:
    """Return the name of the route that a box belongs to, or that it is."""
    return box.removesuffix(_BOX)


def is_daily(box: str) -> bool:
    """Whether it is a box of reminders."""
    return box.endswith(_BOX)


def window_of(now: datetime, length: timedelta, start: timedelta = timedelta()) -> str:
    """Return the name of the window that `now` is in: its beginning.

    Windows begin at multiples of their length, and `start` later.
    """
    since = now - datetime(1970, 1, 1, tzinfo=UTC) - start
    return f"{now - since % length:{_STAMP}}"


def end_of(window: str, length: timedelta) -> datetime:
    """Return when a window ends. Raises ValueError where `window` is no name of one."""
    return datetime.strptime(window, _STAMP).replace(tzinfo=UTC) + length


def _seconds(length: timedelta) -> int:
    return round(length.total_seconds())


def windows_before(window: Window) -> list[str]:
    """Return the windows before one, as far back as digests are kept, the latest first; at least one."""
    begin = end_of(window.name, timedelta())
    return [f"{begin - window.length * n:{_STAMP}}" for n in range(1, max(KEPT // window.length, 1) + 1)]


def digest_id(box: str, window: str, part: int = 1) -> str:
    """Return the id of a window's digest, the same however often it is made; `part` where it takes several."""
    name = f"{'reminders' if is_daily(box) else 'digest'}-{route_of(box)}-{window}"
    return name if part == 1 else f"{name}-{part}"


@dataclass(frozen=True, slots=True)
class Closing:
    """What a message says that closes a window: its digest is to be made, and sent.

    Attributes:
        part: which one, where a window takes several.
    """

    box: str
    window: str
    length: timedelta
    part: int = 1

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Closing | None":
        """Read a message; None where it is another. Raises ValueError where it is a broken one."""
        digest = data.get("digest")
        if digest is None:
            return None
        if not isinstance(digest, Mapping) or not isinstance(digest.get("route"), str):
            raise ValueError("it closes no window")
        seconds, part = digest.get("seconds"), digest.get("part", 1)
        if type(seconds) is not int or type(part) is not int:
            raise ValueError("it closes no window")
        made = cls(digest["route"], str(digest.get("window")), timedelta(seconds=seconds), part)
        end_of(made.window, made.length)
        return made

    def message(self) -> dict[str, Any]:
        """Return it as a message."""
        body = {"route": self.box, "window": self.window, "seconds": _seconds(self.length)}
        return {"digest": body | ({"part": self.part} if self.part > 1 else {})}

    @property
    def end(self) -> datetime:
        """When the window ends."""
        return end_of(self.window, self.length)

    @property
    def following(self) -> "Closing":
        """What makes the next digest of the same window."""
        return replace(self, part=self.part + 1)

    def at(self, now: datetime) -> "Closing":
        """Return what closes the window of the same box that `now` is in."""
        begin = end_of(self.window, timedelta())
        return replace(self, window=f"{now - (now - begin) % self.length:{_STAMP}}", part=1)


def admit(
    rate_limit: RateLimit, route: Route, kind: Kind, now: datetime, daily: timedelta
) -> tuple[RateLimit, Window | None]:
    """Count a notice. Return None where it goes at once, else the window that it is collected in.

    `daily`: when the digest of a day's reminders goes, since midnight UTC.
    """
    if route.digest is None or kind in URGENT:
        return rate_limit, None
    if kind in REMINDERS:
        box = box_of(route.name)
        state = _current(rate_limit.route(box), now, DAY, daily)
        return rate_limit.with_route(box, state), Window(box, state.window, DAY, state.woken)
    length = route.digest.window
    state = _current(rate_limit.route(route.name), now, length)
    if state.count < route.digest.first:
        return rate_limit.with_route(route.name, replace(state, count=state.count + 1)), None
    return rate_limit.with_route(route.name, state), Window(route.name, state.window, length, state.woken)


def _current(state: RouteState, now: datetime, length: timedelta, start: timedelta = timedelta()) -> RouteState:
    """Return the state for the window that `now` is in; as it is where it is in it already, or a clock is behind.

    No clock is two days behind: where the window is later than that, a hand was in that row. A window of another length
    is another window, although it may have the same name: nothing closes it yet. What was counted then counts on.
    """
    window, latest = window_of(now, length, start), window_of(now + 2 * DAY, length, start)
    begun = replace(state, window=window, seconds=_seconds(length), woken=False)
    if state.window < window or state.window > latest:
        return replace(begun, count=0)
    if state.seconds != begun.seconds:
        return begun
    return state


def woken(rate_limit: RateLimit, window: Window) -> tuple[RateLimit, None]:
    """Remember that the message that closes a window is on the queue, where that is still the window of its box."""
    state = rate_limit.route(window.box)
    if (state.window, state.seconds) != (window.name, _seconds(window.length)):
        return rate_limit, None
    return rate_limit.with_route(window.box, replace(state, woken=True)), None


def compose(box: str, window: str, items: Sequence[DigestItem], now: datetime, part: int = 1) -> Kept:
    """Return the digest of what was collected: counts, the worst ten with what to do, and where the rest is.

    A digest of reminders shows those that end or are due first, by the time that is left at `now`.
    """
    name, daily = digest_id(box, window, part), is_daily(box)
    what = "reminder" if daily else "notice"
    if daily:
        notices = sorted((one.notice for one in items), key=_soonest)[:MOST]
        shown = tuple(_reminded(notice, now) for notice in notices[:WORST])
        why = "collected into one message a day"
    else:
        notices = sorted((one.notice for one in items[:MOST]), key=lambda n: (Severity(n.severity).rank, n.at, n.id))
        shown = tuple(_shown(notice) for notice in notices[:WORST])
        why = "collected so as not to flood this channel"
    kinds = _counts(str(notice.kind) for notice in notices)
    severities = _counts(notice.severity for notice in notices)
    rules = _counts(rule for notice in notices for rule in sorted(_rules(notice)))
    since = min(notice.at for notice in notices)
    total = f"{len(notices):,} {what}{'s' if len(notices) > 1 else ''}"
    made = Notice(
        id=name,
        kind=Kind.DIGEST,
        severity=notices[0].severity,
        at=now,
        title=DAILY_TITLE if daily else TITLES[Kind.DIGEST],
        exemption={},
        findings=shown,
        actor="",
        done=f"{total} since {since:%Y-%m-%d %H:%M} UTC, {why}.",
        why=(),
        next=f"Begin with the {'first' if daily else 'worst'} finding. To list all notices: exg notices show {name}",
        digest={
            "since": spell_time(since),
            "total": len(notices),
            "kinds": kinds,
            "severities": severities,
            "rules": rules,
        },
    )
    return Kept(made, box, tuple(_entry(notice) for notice in notices))


def _counts(names: Iterable[str]) -> dict[str, int]:
    """Return how often each name is there; names beyond twenty are left out."""
    return ranked(Counter(names))


def ranked(tally: Counter[str]) -> dict[str, int]:
    """Return the counts, the most frequent first, at most twenty."""
    return dict(sorted(tally.items(), key=lambda item: (-item[1], item[0]))[:_NAMES])


def _rules(notice: Notice) -> set[str]:
    return {str(finding.get("rule") or finding.get("code") or "") for finding in notice.findings} - {""}


def _shown(notice: Notice) -> dict[str, Any]:
    """Return a notice as one finding of the digest: its worst finding, and which exemption it is about."""
    worst = notice.findings[0] if notice.findings else {}
    evidence = {"exemption": str(notice.exemption.get("id") or "")[:_TEXT], "notice": notice.id[:_TEXT]}
    more = len(notice.findings) - 1
    if more > 0:
        evidence["further findings"] = str(more)
    return {
        "code": str(worst.get("code") or notice.kind),
        "rule": str(worst.get("rule") or notice.kind),
        "status": str(worst.get("status") or "violation"),
        "severity": notice.severity,
        "text": str(worst.get("text") or notice.title)[:_TEXT],
        "evidence": {name: value for name, value in evidence.items() if value},
        "remediation": str(worst.get("remediation") or notice.next)[:_TEXT],
    }


def _date_of(notice: Notice) -> datetime | None:
    """Return when the exemption ends, or its review is due; None where the notice does not say."""
    try:
        return parse_time(notice.exemption.get("reviewOn" if notice.kind is Kind.REVIEW_DUE else "expiresOn"))
    except ValueError:
        return None


def _soonest(notice: Notice) -> tuple[int, bool, datetime, str]:
    """Order reminders: by severity, for all channels do; then by the date, what was removed last."""
    date = _date_of(notice) or datetime.max.replace(tzinfo=UTC)
    return Severity(notice.severity).rank, notice.kind is Kind.REMOVED, date, notice.id


def _reminded(notice: Notice, now: datetime) -> dict[str, Any]:
    """Return a reminder as one finding of its digest: what is due, when, and whose it is."""
    about, date = notice.exemption, _date_of(notice)
    when = f"{date:%Y-%m-%d %H:%M} UTC" if date else ""
    terms = {"claims owner" if "knownOwner" in about else "owner": "owner", "ticket": "ticket"}
    said = [f"{term} {str(about.get(name) or 'none')[:_SHORT]}" for term, name in terms.items()]
    shown = _shown(notice)
    return {**shown, "code": str(notice.kind), "rule": _due(notice.kind, date, now), "text": "; ".join([when, *said])}


def _due(kind: Kind, date: datetime | None, now: datetime) -> str:
    """Return what is due and how many days are left, in words."""
    if kind is Kind.REMOVED or date is None:
        return "Deleted, long after its end" if kind is Kind.REMOVED else str(kind).replace("-", " ").capitalize()
    past = is_expired(date, now)
    days = abs(now - date).days
    span = "less than a day" if days == 0 else "1 day" if days == 1 else f"{days} days"
    if kind is Kind.REVIEW_DUE:
        return f"Review overdue for {span}" if past else f"Review due in {span}"
    return f"Ended {span} ago" if past else f"Ends in {span}"


def _entry(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "kind": str(notice.kind),
        "severity": notice.severity,
        "at": spell_time(notice.at),
        "exemption": str(notice.exemption.get("id") or "")[:_LONG],
        "rules": sorted(_rules(notice)),
        "done": notice.done,
        "next": notice.next,
    }
