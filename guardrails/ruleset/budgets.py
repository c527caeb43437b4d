"""Budgets: how many reverts and restores an hour lets through: of one exemption, one author, one subscription, in all.

Asked in this order. Who has used up a narrow budget is held back and takes nothing from a wider one, so that one who
floods stops nobody else. Pure.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from guardrails.dataclass import dataclass
from guardrails.exemption.exemption_id import ExemptionId

WINDOW: Final = timedelta(hours=1)
"""Budgets are of so long, up to now."""

MOST: Final = 5_000
"""More in all count as so many: they are kept in one row of a table."""

REMEMBERED: Final = 20
"""How many times of reverts, and of restores, a row remembers besides the newest: one exemption has no wider budget."""

BREAKER: Final = "breaker"
RESTORES: Final = "restores"

WAITS: Final[Mapping[str, str]] = {
    BREAKER: "the breaker is open",
    "exemption": "the budget of reverts in an hour for this exemption is used up",
    "fight": "somebody writes it again after each revert, so it is reverted once an hour",
    "author": "the budget of reverts in an hour for its author is used up",
    "subscription": "the budget of reverts in an hour for its subscription is used up",
    RESTORES: "the budget of restores in an hour is used up",
    f"{RESTORES}-exemption": "the budget of restores in an hour for this exemption is used up",
    f"{RESTORES}-author": "the budget of restores in an hour for deletes by the same person is used up",
    f"{RESTORES}-subscription": "the budget of restores in an hour for its subscription is used up",
}
"""What `Row.held` says -> why a revert or a restore waits, our words."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many an hour lets through. `exemption`, `author` and `subscription` are of one of them each."""

    total: int
    exemption: int
    author: int
    subscription: int

    @classmethod
    def of(cls, total: int, said: Mapping[str, int] | None = None, *, exemption: int = 3) -> "Budget":
        """Return a budget of so many in all; what `said` leaves out is a part of that, and at least one.

        An author gets half, a subscription three quarters: one alone never uses up all, unless that is one.
        """
        said, total = said or {}, min(total, MOST)
        parts = {"exemption": exemption, "author": total // 2, "subscription": total * 3 // 4}
        return cls(total, **{name: max(said.get(name, part), 1) for name, part in parts.items()})


@dataclass(frozen=True, slots=True)
class Fights:
    """So many reverts of one exemption within so long are a fight."""

    times: int = 5
    window: timedelta = timedelta(days=1)


class Use(NamedTuple):
    """One revert or restore that was let through.

    Attributes:
        what: a short hash of the exemption and since when this was wanted: asked for again, it is the same one.
        author, subscription: short hashes; "" where an older version did not note them, or nobody is known.
        removal: whether that was the removal of one that had ended.
        at: when, in milliseconds since 1970, UTC; 0 while it is asked for.
    """

    what: str = ""
    author: str = ""
    subscription: str = ""
    removal: bool = False
    at: int = 0

    @classmethod
    def of(cls, exemption: ExemptionId, author: str, since: datetime, *, removal: bool = False) -> "Use":
        """Return what is asked for, and was first asked for at `since`. Nobody floods by what has ended."""
        what = _short(f"{exemption.key}|{millis(since)}")
        if removal:
            return cls(what, removal=True)
        return cls(what, _short(author.strip().lower()), _short(exemption.container))

    def __str__(self) -> str:
        """Return whose it is, as `parse` reads it."""
        return f"{'-' * self.removal}{self.what}.{self.author}.{self.subscription}"

    @classmethod
    def parse(cls, at: int, text: object) -> "Use":
        """Read it. Raises ValueError."""
        if not isinstance(text, str) or text.count(".") != 2:
            raise ValueError("it does not say whose a revert was")
        what, author, subscription = text.removeprefix("-").split(".")
        return cls(what, author, subscription, text.startswith("-"), at)

    def among(self, uses: "Sequence[Use]") -> bool:
        """Whether it was let through already."""
        return self.what != "" and any(use.what == self.what for use in uses)


@dataclass(frozen=True, slots=True)
class Full:
    """A budget that is used up.

    Attributes:
        name: exemption, fight, author, subscription or total.
        limit: how many it lets through.
        until: when it has room again, UTC.
        key: which one of its kind; "" for the total and for an exemption's own.
    """

    name: str
    limit: int
    until: datetime
    key: str = ""

    @property
    def whose(self) -> str:
        """The name under which its notification is recorded."""
        return f"{self.name}/{self.key}"

    def notified_at(self, now: datetime) -> datetime:
        """Return the time, UTC, from which a notification at `now` counts: an hour later the budget has room.

        The clock that noted the use that filled it may be ahead of this one.
        """
        return max(now, self.until - WINDOW)


def recent(uses: Sequence[Use], now: datetime) -> tuple[Use, ...]:
    """Return those that still count."""
    since = millis(now - WINDOW)
    return tuple(use for use in uses if use.at > since)


def full(uses: Sequence[Use], asked: Use, budget: Budget, now: datetime) -> Full | None:
    """Return the budget that has no room for one more; None where all have, or it was let through before.

    `uses` are recent ones. Removals are no reverts: they have half of the total, what reverts leave of it, and use up
    nothing of what reverts have.
    """
    if asked.among(uses):
        return None
    same = [use for use in uses if use.removal == asked.removal]
    if asked.removal:
        is_full = len(uses) >= budget.total // 2
        return _used_up("total", budget.total // 2, uses, now) if is_full else None
    for name, limit in (("author", budget.author), ("subscription", budget.subscription)):
        key = getattr(asked, name)
        mine = [use for use in same if key and getattr(use, name) == key]
        if len(mine) >= limit:
            return _used_up(name, limit, mine, now, key)
    return _used_up("total", budget.total, same, now) if len(same) >= budget.total else None


def full_of_one(times: Sequence[datetime], limit: int, now: datetime, fights: Fights | None = None) -> Full | None:
    """Return the budget of one exemption where that is used up. `times`: when it was reverted, oldest first.

    While it is fought over, it is reverted more slowly, once in a window: never at once, and never not at all.
    """
    fought = [time for time in times if fights and now - time < fights.window]
    fighting = fights is not None and len(fought) >= fights.times
    limit = 1 if fighting else limit
    counted = [time for time in times if now - time < WINDOW]
    if len(counted) < limit:
        return None
    return Full("fight" if fighting else "exemption", limit, counted[-limit] + WINDOW)


def _used_up(name: str, limit: int, uses: Sequence[Use], now: datetime, key: str = "") -> Full:
    """Say that it has room when the newest use does not count any more: then all that waits has a chance alike."""
    newest = max((use.at for use in uses), default=millis(now))
    return Full(name, limit, datetime.fromtimestamp(newest / 1000, UTC) + WINDOW, key)


def millis(time: datetime) -> int:
    """Return a time in milliseconds since 1970, UTC."""
    return int(time.astimezone(UTC).timestamp() * 1000)


def _short(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:10] if text else ""
