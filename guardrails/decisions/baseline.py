"""Baseline: the end that an exemption was accepted with, which later ends are compared with. Pure.

It does not move in small steps. A later end that the rules let pass only because it is near (their tolerance) leaves it
where it is, however often that is done; an earlier end moves it at once, and a later one under a ticket that was not
named before moves it too. A delete, or another assignment, does not lose it within 30 days.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.decisions.grace import WINDOW
from guardrails.exemption.names import mark_of, ticket_mark
from guardrails.exemption.times import parse_time, spell_time

_TICKETS: Final = 20
_FORMER: Final = 6
type Dates = tuple[tuple[datetime, datetime | None], ...]
"""When it was seen with which expiry, oldest first: pairs of (seen at, expires on), UTC."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was accepted.

    Attributes:
        end: the end, UTC; None where it had none, or nothing is accepted yet: then every end passes.
        latest: the latest end that was let pass since; None where that had none.
        at: when `end` was recorded, UTC.
        tickets: marks (see `ticket_mark`) of the tickets that accepted states named, oldest first.
    """

    end: datetime | None
    latest: datetime | None
    at: datetime
    tickets: tuple[str, ...] = ()

    def follow(self, end: datetime | None, ticket: str, now: datetime, *, near: bool) -> "Baseline":
        """Return the baseline once another state is accepted. `near`: its end passes for it is near, and no more."""
        stays = near and self.end is not None and end is not None and end > self.end
        same = stays or end == self.end
        return Baseline(self.end if stays else end, end, self.at if same else now, _with_ticket(self.tickets, ticket))

    def to_json(self) -> list[Any]:
        """Return what `read` reads."""
        return [*(spell_time(one) if one else None for one in (self.end, self.latest, self.at)), list(self.tickets)]

    @classmethod
    def read(cls, data: Sequence[Any]) -> "Baseline":
        """Read what `to_json` wrote. Raises ValueError or TypeError where it is none."""
        end, latest, at, tickets = data
        return cls(parse_time(end), parse_time(latest), _time(at), tuple(tickets))


@dataclass(frozen=True, slots=True)
class Former:
    """What is remembered of an exemption that exempted from another assignment under the same name.

    Attributes:
        assignment: a mark of that assignment's id.
        left: when it was last known not to exempt from it any more, UTC.
        baseline: what was accepted then; None where nothing was.
        dates: of the ends that it was seen with, those that count: see `cut`.
    """

    assignment: str
    left: datetime
    baseline: Baseline | None
    dates: Dates

    def to_json(self) -> list[Any]:
        """Return what `read` reads."""
        dates = [[spell_time(seen), spell_time(end) if end else None] for seen, end in self.dates]
        return [self.assignment, spell_time(self.left), self.baseline.to_json() if self.baseline else None, dates]

    @classmethod
    def read(cls, data: Sequence[Any]) -> "Former":
        """Read what `to_json` wrote. Raises ValueError or TypeError where it is none."""
        assignment, left, baseline, dates = data
        pairs = tuple((_time(seen), parse_time(end)) for seen, end in dates)
        return cls(assignment, _time(left), Baseline.read(baseline) if baseline else None, pairs)


def first(end: datetime | None, ticket: str, now: datetime) -> Baseline:
    """Return the baseline of a first accepted state."""
    return Baseline(end, end, now, _with_ticket((), ticket))


def nothing(now: datetime) -> Baseline:
    """Return the baseline of a state that is not accepted yet: it may turn out to break a rule."""
    return Baseline(None, None, now)


def cut(dates: Dates, most: int) -> Dates:
    """Return at most so many dates (3 at least): the first, the one with the earliest end, and the last ones.

    So nobody pushes out, by ever new ends, since when it has been there, or which end it had at first.
    """
    if len(dates) <= most:
        return dates
    least = min((one for one in dates if one[1] is not None), key=lambda one: one[1] or one[0], default=dates[0])
    kept = tuple(dict.fromkeys((dates[0], least)))
    last = [one for one in dates[len(kept) - most :] if one not in kept]
    return tuple(sorted((*kept, *last), key=dates.index))


def leave(
    former: tuple[Former, ...], assignment: str, left: datetime, baseline: Baseline | None, dates: Dates
) -> tuple[Former, ...]:
    """Return what is remembered once an exemption does not exempt from an assignment any more."""
    mark = mark_of(assignment.lower().strip("/"))
    others = [one for one in former if one.assignment != mark and left - one.left < WINDOW]
    return (*others[1 - _FORMER :], Former(mark, left, baseline, cut(dates, 3)))


def come_back(former: tuple[Former, ...], assignment: str, now: datetime) -> tuple[Baseline | None, Dates]:
    """Return what an exemption from this assignment takes up again; None and () where it is new."""
    mark = mark_of(assignment.lower().strip("/"))
    found = next((one for one in former if one.assignment == mark and now - one.left < WINDOW), None)
    return (found.baseline, found.dates) if found else (None, ())


def _with_ticket(tickets: tuple[str, ...], ticket: str) -> tuple[str, ...]:
    mark = ticket_mark(ticket)
    return (*[one for one in tickets if one != mark], mark)[-_TICKETS:] if ticket.strip() else tickets


def _time(text: str) -> datetime:
    time = parse_time(text)
    if time is None:
        raise ValueError("a time is missing")
    return time
