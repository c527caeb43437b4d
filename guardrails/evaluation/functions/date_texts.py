"""Dates as .NET reads them in the invariant culture. Pure.

A text gives a `Moment`, or a sentence why the engine refuses it, or Unknown: .NET reads more forms than are read here.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Final, NamedTuple

from guardrails.evaluation.functions.base import unsure
from guardrails.evaluation.functions.characters import BLANKS
from guardrails.evaluation.values import EngineError, Unknown
from guardrails.lazy_regex import lazy_regex


class Moment(NamedTuple):
    """A time with its offset. `ticks`: the tenths of a microsecond that a datetime cannot hold, 0 to 9."""

    time: datetime
    ticks: int = 0
    offset_given: bool = False


_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK: Final = r"""(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,7}))?)?
    (?:\ ?(?P<half>[AaPp][Mm]))?"""
_ZONE: Final = r"(?P<zone>[Zz]|\ ?[+-][0-9]{2}(?::?[0-9]{2})?|\ GMT)?"
_NAME: Final = r"(?P<name>[A-Za-z]+)"
_FORMS: Final = (
    (r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})(?:-(?P<day>[0-9]{1,2}))?", r"(?:T|\ +)"),
    (r"(?P<year>[0-9]{4})/(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})", r"\ +"),
    (r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4}|[0-9]{2})", r"\ +"),
    (rf"(?:(?P<weekday>[A-Za-z]+),?\ +)?(?P<day>[0-9]{{1,2}})\ {_NAME},?\ (?P<year>[0-9]{{4}})", r"\ +"),
    (rf"(?P<day>[0-9]{{1,2}})-{_NAME}-(?P<year>[0-9]{{4}})", r"\ +"),
    (rf"(?:(?P<weekday>[A-Za-z]+),?\ +)?{_NAME}\ (?P<day>[0-9]{{1,2}}),?\ (?P<year>[0-9]{{4}})", r"\ +"),
)
_COMPACT: Final = lazy_regex(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})T(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})(?P<zone>Z)"
)
_REFUSED: Final = lazy_regex(r"[0-9]+|[^0-9]*")
"""Digits alone, or none at all: no date."""
_TIME_ALONE: Final = lazy_regex(_CLOCK + _ZONE, re.X)


@cache
def _forms() -> list[re.Pattern[str]]:
    return [re.compile(rf"{date}(?:{between}{_CLOCK}{_ZONE})?", re.X) for date, between in _FORMS]


def parse(text: str) -> Moment | Unknown:
    """Read a date. Without an offset it is in UTC. Raises EngineError for what .NET certainly refuses."""
    bare = text.strip(BLANKS)
    for form in (*_forms(), _COMPACT):
        if found := form.fullmatch(bare):
            if re.search(r"T[0-9]:", bare) or (found.groupdict().get("hour") and found["day"] is None):
                return unsure("a date that is written like this")
            return _moment(found.groupdict(), text)
    if _REFUSED.fullmatch(bare):
        raise _refused(text)
    if _TIME_ALONE.fullmatch(bare):
        return Unknown("the day of the deployment is added to a time of day without a date")
    return unsure("a date that is written like this")


def _refused(text: str) -> EngineError:
    return EngineError(f"{text[:60]!r} is no date")


def _moment(parts: dict[str, str | None], text: str) -> Moment | Unknown:
    year = int(parts["year"] or 0)
    if len(parts["year"] or "") == 2:
        if 30 <= year <= 49:
            return unsure("a year of two digits")
        year += 2000 if year < 50 else 1900
    month = _month(parts)
    offset = _offset(parts.get("zone"), text)
    hour = _hour(parts, text)
    if month is None:
        return unsure("a date that is written like this")
    fraction = (parts.get("fraction") or "").ljust(7, "0")
    try:
        time = datetime(
            year, month, int(parts.get("day") or 1), hour, int(parts.get("minute") or 0), int(parts.get("second") or 0),
            int(fraction[:6]), tzinfo=timezone(offset) if offset else UTC,
        )  # fmt: skip
        time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _refused(text) from None
    if not _weekday_fits(parts.get("weekday"), time):
        raise _refused(text)
    return Moment(time, int(fraction[6]), parts.get("zone") is not None)


def _month(parts: dict[str, str | None]) -> int | None:
    if name := (parts.get("name") or "").lower():
        return next((n for n, month in enumerate(_MONTHS, 1) if name in (month, month[:3])), None)
    return int(parts["month"] or 0)


def _hour(parts: dict[str, str | None], text: str) -> int:
    hour = int(parts.get("hour") or 0)
    half = (parts.get("half") or "").lower()
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise _refused(text)
    return hour % 12 + (12 if half == "pm" else 0)


def _offset(zone: str | None, text: str) -> timedelta:
    zone = zone.strip() if zone else zone
    if zone is None or zone in ("Z", "z", "GMT"):
        return timedelta()
    sign, digits = zone[0], zone[1:].replace(":", "")
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    if minutes > 59 or hours * 60 + minutes > 14 * 60:
        raise _refused(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if sign == "-" else offset


def _weekday_fits(name: str | None, time: datetime) -> bool:
    if name is None:
        return True
    day = _DAYS[time.weekday()]
    return name.lower() in (day, day[:3])
