"""The timeline: when exemptions and bypasses end, by month and grade, and where the picture puts each bar. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.report.line import GRADES, UNREADABLE, Line

MONTHS: Final = 24
"""How far the timeline looks ahead, the present month included."""

_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TOP, _HEIGHT, _LEFT, _STEP, _BAR, _GAP = 34.0, 170.0, 44.0, 27.0, 19.0, 62.0


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: its name, a short one for the axis, and how many it has of each grade."""

    name: str
    short: str
    counts: Counter[str]

    @property
    def total(self) -> int:
        """How many it has."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar, in the picture's units."""

    grade: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in the picture: left edge, width, pieces from the bottom up, and the height of its number."""

    column: Column
    x: float
    width: float
    parts: tuple[Part, ...]
    label_y: float


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars on one scale. `ticks` are (y, value) of its grid lines."""

    left: float
    right: float
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """The timeline: months on the left; on the right, on a scale of its own, what ends at no month of it."""

    width: float
    height: float
    floor: float
    months: Panel
    apart: Panel

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, for the table below the picture: what is apart first."""
        return tuple(bar.column for panel in (self.apart, self.months) for bar in panel.bars)


def timeline(lines: Iterable[Line], now: datetime) -> Picture:
    """Return the picture for lines, as at `now`."""
    start = now.year * 12 + now.month - 1
    months = [Column(*_month(start + ahead), Counter()) for ahead in range(MONTHS)]
    expired, later, never, unreadable = (
        Column("Expired", "Expired", Counter()),
        Column("Later", "Later", Counter()),
        Column("No expiry", "Never", Counter()),
        Column("Unreadable date", "Bad date", Counter()),
    )
    for line in lines:
        if line.state == "expired":
            column = expired
        elif line.expires_on is None:
            column = unreadable if line.state == UNREADABLE else never
        else:
            ahead = line.expires_on.year * 12 + line.expires_on.month - 1 - start
            column = months[ahead] if ahead < MONTHS else later
        column.counts[line.grade] += 1
    apart = [expired, never, later, *([unreadable] if unreadable.total else [])]
    left = _panel(months, _LEFT, _STEP, _BAR)
    right = _panel(apart, left.right + _GAP, _STEP * 2, _BAR * 1.7)
    return Picture(right.right + 8, _TOP + _HEIGHT + 42, _TOP + _HEIGHT, left, right)


def scale(highest: int) -> tuple[int, int]:
    """Return the top of an axis and the step between its lines: round numbers, at most five lines."""
    step = 1
    while highest > step * 5:
        step = _next(step)
    return max(-(-highest // step), 1) * step, step


def _next(step: int) -> int:
    """1, 2, 5, 10, 20, 50, ..."""
    return step * 5 // 2 if str(step)[0] == "2" else step * 2


def _panel(columns: Sequence[Column], left: float, step: float, width: float) -> Panel:
    top, between = scale(max(column.total for column in columns))
    bars = [_bar(column, left + 6 + number * step, width, top) for number, column in enumerate(columns)]
    ticks = tuple((round(_TOP + _HEIGHT * (1 - value / top), 1), value) for value in range(0, top + 1, between))
    return Panel(left, left + 6 + step * len(columns), tuple(bars), ticks)


def _bar(column: Column, x: float, width: float, top: int) -> Bar:
    y, parts = _TOP + _HEIGHT, []
    for grade in reversed(GRADES):
        if count := column.counts[grade]:
            height = _HEIGHT * count / top
            y -= height
            parts.append(Part(grade, round(y, 1), round(height, 1)))
    return Bar(column, round(x, 1), round(width, 1), tuple(parts), round(y - 5, 1))


def _month(number: int) -> tuple[str, str]:
    year, month = divmod(number, 12)
    name = _NAMES[month]
    return f"{name} {year}", f"{name} {year}" if month == 0 else name
