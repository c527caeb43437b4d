"""Expiry: whether an exemption is active, expiring or expired, and its reminders. The one place that says so. Pure.

An exemption ends at its `expiresOn`, to the second, UTC: from then on Azure keeps it and no longer honours it
(Microsoft Learn, "Azure Policy exemption structure", Expiration).
"""

from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.times import parse_time, spell_time

DAYS: Final = (30, 14, 7, 1)
"""Days before the end at which owners are reminded, unless the ruleset says otherwise."""

REVIEW_DAYS: Final = (7, 0)
"""Days before a review is due at which owners are reminded, unless the ruleset says otherwise."""


_MARKS: Final = 6
"""Dates whose reminders are remembered: one that goes to and fro is not reminded of each time."""

_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class State(StrEnum):
    """The expiry state of an exemption."""

    NO_EXPIRY = "no-expiry"
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Expiry:
    """An exemption's expiry state at one moment.

    Attributes:
        threshold: for expiring, the sharpest number of days that it has come within; 0 for expired; else None.
        days_left: whole days to the end, rounded down: 0 on the last day, negative afterwards; None without an end.
        since: when it came within the threshold, or ended, UTC; None for the other states.
    """

    state: State
    threshold: int | None = None
    days_left: int | None = None
    since: datetime | None = None

    @property
    def name(self) -> str:
        """The state in one word, as the register keeps it: `expiring-14` for those within 14 days."""
        return f"{self.state}-{self.threshold}" if self.state is State.EXPIRING else str(self.state)


def is_expired(expires_on: datetime | None, now: datetime) -> bool:
    """Whether an exemption with this end has ended."""
    return expires_on is not None and expires_on <= now


def expiry_of(expires_on: datetime | None, now: datetime, days: Sequence[int] = DAYS) -> Expiry:
    """Return the state of an exemption that is there. `days`: the thresholds; within a day it is always expiring."""
    if expires_on is None:
        return Expiry(State.NO_EXPIRY)
    left = expires_on - now
    if is_expired(expires_on, now):
        return Expiry(State.EXPIRED, 0, left.days, expires_on)
    if left.days > 1 and left.days > max(days, default=1):  # the usual case, without a look at each threshold
        return Expiry(State.ACTIVE, None, left.days)
    within = [count for count in {*days, 1} if left <= timedelta(days=count)]
    if not within:
        return Expiry(State.ACTIVE, None, left.days)
    return Expiry(State.EXPIRING, min(within), left.days, _before(expires_on, min(within)))


def next_turn(expires_on: datetime | None, now: datetime, days: Sequence[int] = DAYS) -> datetime | None:
    """Return when the state next changes by itself; None where it never will."""
    if expires_on is None:
        return None
    return next((turn for turn in _turns(expires_on, tuple(days)) if turn > now), None)


@lru_cache(maxsize=1024)  # many exemptions end on the same day
def _turns(expires_on: datetime, days: tuple[int, ...]) -> tuple[datetime, ...]:
    return tuple(sorted(_before(expires_on, count) for count in {*days, 1, 0}))


def later(time: datetime, by: timedelta) -> datetime:
    """Return `time` moved by `by`; itself where the calendar ends before that."""
    try:
        return time + by
    except OverflowError:  # the years 1 and 9999
        return time


def _before(end: datetime, days: int) -> datetime:
    return later(end, -timedelta(days=days))


def review_on(said: Mapping[str, str], written_at: datetime | None, months: int) -> datetime | None:
    """Return when a review is due: the date that the exemption names, else `months` after its last one.

    The last review is the one that its metadata names, but not after the exemption was last written, else that write:
    nobody can have reviewed it later. None where that is not known, where the date cannot be read, and for `months` 0
    where no date is named.
    """
    try:
        named = parse_time(said["review"]) if said.get("review") else None
        last = parse_time(said["reviewed"]) if said.get("reviewed") else written_at
    except ValueError:
        return None
    if named is not None or last is None or not months:
        return named
    return months_after(min(last, written_at or last), months)


def months_after(start: datetime, months: int) -> datetime:
    """Return the same day so many months later.

    It is the month's last day where it has no such day, and `start` where the calendar ends before that.
    """
    if start.year + months // 12 >= MAXYEAR:
        return start
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    for day in (start.day, 30, 29, 28):
        try:
            return start.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise ValueError(f"no day {months} months after {spell_time(start)}")


def reminder(date: datetime | None, now: datetime, days: Sequence[int], reminded: str, at: timedelta) -> int | None:
    """Return the threshold of the reminder that is due now; None where none is.

    Each threshold is announced once for each date, and only the sharpest that has passed: `reminded` is what `mark`
    made of the last one. A new date starts anew. Reminders go once a day, `at` so long after midnight: what comes
    within a threshold before the next time is announced now, for a day later it might be over. Threshold 0 is the date
    itself, and is announced when that has passed.
    """
    if date is None or not days or date - now > timedelta(days=max(days) + 1):  # none goes later than in a day
        return None
    goes = _end_of_day(now, at)
    passed = [count for count in {*days} if date - (goes if count else now) <= timedelta(days=count)]
    if not passed:
        return None
    sharpest = min(passed)
    announced = dict(one.split("/", 1) for one in reminded.split() if "/" in one).get(spell_time(date), "")
    return None if announced.isdigit() and int(announced) <= sharpest else sharpest


@lru_cache(maxsize=1024)  # many exemptions end on the same day
def reminder_turns(date: datetime, days: tuple[int, ...], at: timedelta) -> tuple[datetime, ...]:
    """Return when each of the reminders of a date is first due; see `reminder`."""
    turns = []
    for count in {*days}:
        passes = _before(date, count)
        goes = _end_of_day(passes, at)
        on_time = goes - passes == _DAY  # what passes just when reminders go, goes with them
        turns.append(later(passes if on_time else goes, -_DAY) if count else passes)
    return tuple(turns)


def _end_of_day(now: datetime, at: timedelta) -> datetime:
    """Return the next time at which reminders go; a day begins then."""
    return later(now, _DAY - (now - _EPOCH - at) % _DAY)


def mark(date: datetime, threshold: int, before: str = "") -> str:
    """Return what is kept of a reminder, so that it is sent once, with what was kept `before`: the last few dates."""
    others = [one for one in before.split() if not one.startswith(spell_time(date) + "/")]
    return " ".join([*others[1 - _MARKS :], f"{spell_time(date)}/{threshold}"])


def threshold_of(marked: str) -> int:
    """Return the threshold of the newest reminder in what `mark` made."""
    return int(marked.rpartition("/")[2])


def duration(text: str) -> timedelta:
    """Read `30m`, `12h` or `7d`."""
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[text[-1]]: int(text[:-1])})
