"""The state of a route: what all instances share about one address that notices go to. Pure.

Routes that name the same channel and the same address share a rate limit: it is the address that limits its callers.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.exemption.times import parse_time, spell_time
from guardrails.lazy_regex import lazy_regex

DIGEST_LEASE: Final = timedelta(minutes=1)
"""How long a digest is left to the instance that began to hand it over: longer than an attempt takes."""

ALERT_LEASE: Final = timedelta(seconds=5)
"""How long an alert is left to the instance that began to send it; shorter than a crash hides a message (host.json)."""

DISABLED: Final = "disabled-"
"""How the name of a trouble begins that is a disabled route."""

_WINDOW: Final = lazy_regex(r"[0-9]{8}T[0-9]{4}Z")


@dataclass(frozen=True, slots=True)
class RouteState:
    """The state of a route. Times are UTC.

    Attributes:
        window: the digest window that `count` is about; "" before the first.
        seconds: how long that window is; 0 where an earlier version wrote the state, which matches no length.
        count: notices of that window that went at once.
        woken: whether the message that closes the window is on the queue.
        disabled_at: since when nothing is sent; None where it is in use.
        disabled_why: the channel's words for it, in ours.
        notified: the trouble that people were last notified of: a day, or `disabled-` and a time.
        notifying_at: when an instance began to notify people; None when it is done.
        digests: the digests that were taken on to be handed over, by their ids, and for when.
    """

    window: str = ""
    count: int = 0
    woken: bool = False
    seconds: int = 0
    disabled_at: datetime | None = None
    disabled_why: str = ""
    notified: str = ""
    notifying_at: datetime | None = None
    digests: Mapping[str, datetime] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, without what is at its default."""
        out: dict[str, Any] = {"window": self.window, "count": self.count, "woken": self.woken}
        out |= {"told": self.notified}  # stored name
        out |= {"disabled_why": self.disabled_why, "seconds": self.seconds}
        times = {"disabled_at": self.disabled_at, "telling_at": self.notifying_at}  # stored name
        out |= {name: spell_time(at) for name, at in times.items() if at}
        out |= {"digests": {name: spell_time(at) for name, at in self.digests.items()}}
        return {name: value for name, value in out.items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RouteState":
        """Read what `to_json` wrote. Raises ValueError."""
        count, seconds, window = data.get("count", 0), data.get("seconds", 0), str(data.get("window", ""))
        if type(count) is not int or type(seconds) is not int:
            raise ValueError("the count or the length of a window is not a number")
        if window and not _WINDOW.fullmatch(window):
            raise ValueError(f"'{window[:60]}' is no window")
        return cls(
            window=window,
            count=count,
            woken=data.get("woken") is True,
            seconds=seconds,
            disabled_at=parse_time(data.get("disabled_at")),
            disabled_why=str(data.get("disabled_why", "")),
            notified=str(data.get("told", "")),  # stored name
            notifying_at=parse_time(data.get("telling_at")),  # stored name
            digests={str(name): at for name, text in data.get("digests", {}).items() if (at := parse_time(text))},
        )

    @property
    def trouble(self) -> str:
        """The name of the trouble that it is disabled for."""
        return f"{DISABLED}{self.disabled_at:%Y%m%dT%H%M%S}" if self.disabled_at else ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The shared state of one address.

    Attributes:
        free: the first moment that no request has been promised, in milliseconds since 1970, UTC; 0 at first.
        routes: the state of each route, by its name; its box of reminders has an entry of its own.
    """

    free: int = 0
    routes: Mapping[str, RouteState] = field(default_factory=dict)

    def route(self, name: str) -> RouteState:
        """Return the state of a route."""
        return self.routes.get(name) or RouteState()

    def with_route(self, name: str, state: RouteState) -> "RateLimit":
        """Return the rate limit with a route's state replaced."""
        return self if state == self.route(name) else replace(self, routes={**self.routes, name: state})


def disabled(rate_limit: RateLimit, route: str, why: str, now: datetime) -> tuple[RateLimit, RouteState]:
    """Disable a route, and return its state; one that is disabled stays as it is."""
    state = rate_limit.route(route)
    if state.disabled_at is None:
        state = replace(state, disabled_at=now.replace(microsecond=0), disabled_why=why)
    return rate_limit.with_route(route, state), state


def enabled(rate_limit: RateLimit, route: str) -> tuple[RateLimit, bool]:
    """Put a route back in use; say whether it was disabled. What people were notified of stays recorded."""
    state = rate_limit.route(route)
    if state.disabled_at is None:
        return rate_limit, False
    return rate_limit.with_route(route, replace(state, disabled_at=None, disabled_why="", notifying_at=None)), True


def taken_on(rate_limit: RateLimit, route: str, digest: str, now: datetime) -> bool:
    """Whether a digest is being handed over by an instance that took it on: several messages may close a window."""
    at = rate_limit.route(route).digests.get(digest)
    return at is not None and now < at + DIGEST_LEASE


def take_on(rate_limit: RateLimit, route: str, digest: str, at: datetime) -> RateLimit:
    """Take a digest on, to be handed over at a time; what was taken on long ago is forgotten."""
    state = rate_limit.route(route)
    others = {name: taken for name, taken in state.digests.items() if at < taken + DIGEST_LEASE}
    return rate_limit.with_route(route, replace(state, digests={**others, digest: at}))


def claimed(rate_limit: RateLimit, route: str, trouble: str, now: datetime) -> tuple[RateLimit, bool]:
    """Claim the notification of a trouble; False where it was sent, another instance claimed it, or it is needless.

    A disabled route is a trouble until the route is enabled.
    """
    state = rate_limit.route(route)
    if trouble.startswith(DISABLED) and trouble != state.trouble:
        return rate_limit, False
    if state.notified == trouble or (state.notifying_at is not None and abs(now - state.notifying_at) < ALERT_LEASE):
        return rate_limit, False
    return rate_limit.with_route(route, replace(state, notifying_at=now)), True


def notified(rate_limit: RateLimit, route: str, trouble: str) -> tuple[RateLimit, None]:
    """Record that people were notified."""
    return rate_limit.with_route(route, replace(rate_limit.route(route), notified=trouble, notifying_at=None)), None
