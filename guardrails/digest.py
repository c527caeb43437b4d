"""Digests: which notices of a route go at once, which are gathered, and what the message about the rest says. Pure.

Time is cut into windows. The first notices of a window go at once; the rest wait and go as one at its end. What cannot
wait is never gathered, and does not count.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.exemption import spell_time
from guardrails.lane import Lane, RouteState
from guardrails.notice import Kind, Notice
from guardrails.rules.base import Severity
from guardrails.ruleset import Digest
from guardrails.tell import TITLES

URGENT: Final = frozenset(
    {
        Kind.BREAKER_OPEN,
        Kind.RULESET_BROKEN,
        Kind.DELIVERY_FAILING,
        Kind.CANNOT_ACT,
        Kind.RESTORED,
        Kind.REGISTER_ALTERED,
        Kind.DIGEST,
    }
)
"""Kinds that are never gathered."""

WORST: Final = 10
"""How many notices a digest shows one by one."""

MOST: Final = 5_000
"""How many notices one digest takes, so that it fits into one transaction; what is beyond goes with the next."""

GRACE: Final = timedelta(seconds=5)
"""How long after its end a window is closed: what was decided just before is in the register by then."""

_STAMP: Final = "%Y%m%dT%H%MZ"
_NAMES: Final = 20
_TEXT: Final = 300
_LONG: Final = 600


@dataclass(frozen=True, slots=True)
class Gathered:
    """A notice that waits for the digest of a window."""

    window: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class Kept:
    """A digest as the register keeps it: what is sent, and an entry for each notice in it.

    Attributes:
        notice: the digest itself; its id is this one's.
        route: where it goes.
        entries: {id, kind, severity, at, exemption, rules, done, next} of each notice, worst first.
    """

    notice: Notice
    route: str
    entries: tuple[Mapping[str, Any], ...]

    @property
    def members(self) -> frozenset[str]:
        """The ids of the notices in it."""
        return frozenset(str(entry["id"]) for entry in self.entries)


def window_of(now: datetime, length: timedelta) -> str:
    """Return the name of the window that `now` is in: its beginning. Windows begin at multiples of their length."""
    since = now - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{now - since % length:{_STAMP}}"


def end_of(window: str, length: timedelta) -> datetime:
    """Return when a window ends. Raises ValueError where `window` is no name of one."""
    return datetime.strptime(window, _STAMP).replace(tzinfo=UTC) + length


def digest_id(route: str, window: str) -> str:
    """Return the id of a window's digest, the same however often it is made."""
    return f"digest-{route}-{window}"


def admit(lane: Lane, route: str, digest: Digest | None, kind: Kind, now: datetime) -> tuple[Lane, RouteState | None]:
    """Count a notice. Return None where it goes at once, else the state of the window that it is gathered in."""
    if digest is None or kind in URGENT:
        return lane, None
    state, window = lane.route(route), window_of(now, digest.window)
    if window > state.window:
        state = replace(state, window=window, count=0, woken=False)
    if state.count < digest.first:
        return lane.with_route(route, replace(state, count=state.count + 1)), None
    return lane, state


def woken(lane: Lane, route: str, window: str) -> tuple[Lane, None]:
    """Remember that the message that closes a window is on the queue."""
    state = lane.route(route)
    if window < state.window:
        return lane, None
    count = state.count if state.window == window else 0
    return lane.with_route(route, replace(state, window=window, count=count, woken=True)), None


def compose(route: str, window: str, gathered: Sequence[Gathered], now: datetime) -> Kept:
    """Return the digest of what was gathered: counts, the worst ten with what to do, and where the rest is."""
    notices = sorted((one.notice for one in gathered[:MOST]), key=lambda n: (Severity(n.severity).rank, n.at, n.id))
    name = digest_id(route, window)
    kinds = _counts(str(notice.kind) for notice in notices)
    severities = _counts(notice.severity for notice in notices)
    rules = _counts(rule for notice in notices for rule in sorted(_rules(notice)))
    since = min(notice.at for notice in notices)
    total = f"{len(notices)} notice{'s' if len(notices) > 1 else ''}"
    made = Notice(
        id=name,
        kind=Kind.DIGEST,
        severity=notices[0].severity,
        at=now,
        title=TITLES[Kind.DIGEST],
        exemption={},
        findings=tuple(_shown(notice) for notice in notices[:WORST]),
        actor="",
        done=f"{total} since {since:%Y-%m-%d %H:%M} UTC, gathered so as not to flood this channel.",
        why=(),
        next=f"Begin with the worst. All of them: python -m guardrails notices show {name}",
        digest={
            "since": spell_time(since),
            "total": len(notices),
            "kinds": kinds,
            "severities": severities,
            "rules": rules,
        },
    )
    return Kept(made, route, tuple(_entry(notice) for notice in notices))


def _counts(names: Iterable[str]) -> dict[str, int]:
    """Return how often each name is there, most frequent first; beyond twenty names nothing new is told."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))[:_NAMES])


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
        "mend": str(worst.get("mend") or notice.next)[:_TEXT],
    }


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
