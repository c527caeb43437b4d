"""The schedule of sweeps: what an NCRONTAB text says, the longest time between two of its times, and the tick of the
second clock. Pure.

The host's timer reads the same text (NCrontab, the library of Azure Functions): six fields, and names of months and
weekdays by their first three characters.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.decisions.watch import Run
from guardrails.exemption.times import parse_time

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 6, _WEEKDAYS),
)
"""Name, least and most value, and the names of values; weekday 0 is Sunday."""

_YEARS: Final = 40
"""So many years have every leap day on every weekday."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The one message of the second clock that is on its way.

    Attributes:
        at: when it is due, UTC.
        name: unlike that of any other.
        etag: the guard for the next change of what is known of it.
    """

    at: datetime
    name: str
    etag: str = ""


def read_schedule(text: str) -> tuple[list[int], ...]:
    """Return the values of each of the six FIELDS, ascending. Raises ValueError, which says what is wrong."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        raise ValueError("six fields are wanted (second minute hour day month weekday)")
    return tuple(_values(part, *field) for part, field in zip(parts, FIELDS, strict=True))


def _values(part: str, name: str, low: int, high: int, names: tuple[str, ...]) -> list[int]:
    """Read `*`, numbers, ranges, lists and steps."""
    values: set[int] = set()
    try:
        for item in part.split(","):
            span, _, step = item.partition("/")
            first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
            begin = _number(first, low, names)
            end = _number(last, low, names) if last else (high if step else begin)
            values |= set(range(begin, min(end, high + 1) + 1, int(step or 1)))
    except ValueError:
        raise ValueError(f"{part!r} is not a {name}") from None
    if not values or min(values) < low or max(values) > high:
        raise ValueError(f"{part!r} is outside {name} {low}-{high}")
    return sorted(values)


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    short = text.lower()[:3]
    return names.index(short) + low if short in names else int(text)


@cache
def longest_gap(text: str) -> timedelta:
    """Return the longest time between two times of a schedule that follow each other.

    Raises ValueError, which says what is wrong: with its form, or that it comes once or never.
    """
    seconds, minutes, hours, days, months, weekdays = read_schedule(text)
    dates = [0, 1] if len(days) + len(months) + len(weekdays) == 31 + 12 + 7 else _dates(days, months, weekdays)
    if len(dates) < 2:
        raise ValueError("it never comes")
    begin = end = gap = 0
    for unit, values in ((1, seconds), (60, minutes), (3600, hours), (86_400, dates)):
        gap = max([gap, *((after - one) * unit - (end - begin) for one, after in pairwise(values))])
        begin, end = values[0] * unit + begin, values[-1] * unit + end
    return timedelta(seconds=gap)


def _dates(days: list[int], months: list[int], weekdays: list[int]) -> list[int]:
    """Return the days of 40 years that match, by number."""
    first = datetime(2000, 1, 1, tzinfo=UTC)
    every = ((number, first + timedelta(days=number)) for number in range(int(_YEARS * 365.25) + 1))
    return [
        number
        for number, date in every
        if date.day in days and date.month in months and date.isoweekday() % 7 in weekdays
    ]


def last_sweep(run: Run | None) -> datetime | None:
    """Return when the last sweep that ended began, UTC; None where none did, or its row is damaged.

    A run under way keeps the report of the one before it.
    """
    if run is None:
        return None
    if run.until is None:
        return run.started
    try:
        return parse_time(run.report.get("started"))
    except ValueError:
        return None
