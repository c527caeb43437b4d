"""What a sweep must know of a row without reading it, and what is kept of a run of sweeps. Pure values."""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from sys import intern
from typing import Any, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.decisions.row import Row, Status
from guardrails.ruleset.budgets import BREAKER


class Watch(NamedTuple):
    """What a sweep must know of a row to see that nothing is to be done: a small entity of its own.

    Attributes:
        listed, ruleset: as in the row.
        at: when to look again without being asked, in seconds since 1970, UTC; 0 for never.
        gone: whether it is gone.
        held: whether a revert waits for the breaker; what waits for a budget has a time.
        begun: whether something is left to do: messages to send, a write to settle, a look that is due; not just time
            that turns its expiry.
        mapped: whether it says which criteria are weakened, or need not: a row of before they were kept does not.
    """

    listed: str
    ruleset: str
    at: int
    gone: bool = False
    held: bool = False
    begun: bool = False
    mapped: bool = True

    @classmethod
    def of(cls, row: Row) -> "Watch":
        """Return what is kept of a row. What was begun and not ended is to be looked at as soon as it is left alone."""
        begun = [row.intent.at] if row.intent else [row.outbox_at or row.since] if row.outbox else []
        left = [time for time in (row.due, row.taken, *begun) if time]
        at = min([*left, *([row.turn] if row.turn else [])], default=None)
        when = max(ceil(at.timestamp()), 1) if at else 0
        gone = row.status is Status.GONE
        mapped = bool(row.criteria_weakened) or gone or row.status is Status.LOST or not row.content
        return cls(row.listed, row.ruleset, when, gone, row.held == BREAKER, bool(left), mapped)

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        flags = f"{'g' * self.gone}{'h' * self.held}{'b' * self.begun}{'c' * self.mapped}"
        return f"{self.listed}/{self.ruleset}/{self.at}/{flags}"

    @classmethod
    def parse(cls, text: str) -> "Watch":
        """Read it. One that cannot be read asks for a look: a damaged row must not be passed over."""
        parts = text.split("/")
        if len(parts) != 4 or not (parts[2].isascii() and parts[2].isdigit()):
            return cls("", "", 1, begun=True)
        listed, ruleset, at, flags = parts
        gone = "g" in flags
        return cls(listed, intern(ruleset), int(at), gone, "h" in flags, "b" in flags, gone or "c" in flags)


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep, under way or ended. Times are UTC.

    Attributes:
        started: when it began.
        holder: a name for who does it.
        until: until when the lease holds, unless it is held for longer; None once it ended.
        adopting: when the first sweep began whose adoptions are not announced yet; None where all are.
        before: when the run before it began; None for the first.
        report: what the last run that ended came to, as JSON: see guardrails.sweep.compare.Report.
        etag: the guard for the next change.
    """

    started: datetime
    holder: str
    until: datetime | None
    adopting: datetime | None = None
    before: datetime | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""

    def holder_at(self, now: datetime) -> str:
        """Return who holds the lease at a time (UTC); "" where nobody does."""
        return self.holder if self.until is not None and now < self.until else ""
