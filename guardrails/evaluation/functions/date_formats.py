"""Dates as .NET writes a `DateTimeOffset` in the invariant culture. Pure."""

import re
from collections.abc import Callable
from datetime import UTC
from typing import Final

from guardrails.evaluation.functions.base import unsure
from guardrails.evaluation.functions.date_texts import Moment
from guardrails.evaluation.values import EngineError, Unknown
from guardrails.lazy_regex import lazy_regex

DEFAULT: Final = "yyyy-MM-ddTHH:mm:ssZ"
_STANDARD: Final = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "f": "dddd, dd MMMM yyyy HH:mm",
    "F": "dddd, dd MMMM yyyy HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "M": "MMMM dd",
    "m": "MMMM dd",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffffzzz",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffzzz",
    "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
    "Y": "yyyy MMMM",
    "y": "yyyy MMMM",
}
_WRITTEN: Final = frozenset("dfFghHKmMstyz")
_IN_UTC: Final = "Rru"
_GENERAL: Final = "MM/dd/yyyy HH:mm:ss zzz"
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_TOKEN: Final = lazy_regex(
    r"""'(?P<single>[^'\\]*)'|"(?P<double>[^"\\]*)"|\\(?P<escaped>.)|(?P<unpaired>['"\\])|%(?P<percent>.?)
    |(?P<characters>d+|f+|F+|g+|h+|H+|K|m+|M+|s+|t+|y+|z+)|(?P<other>.)""",
    re.X | re.S,
)
WITH_OFFSET: Final = lazy_regex("[Kz]")


def write(moment: Moment, pattern: str) -> str | Unknown:
    """Return a moment in a format. Raises EngineError for a format that .NET refuses."""
    if not pattern:
        return _custom(moment, _GENERAL)
    if len(pattern) == 1:
        if pattern not in _STANDARD:
            raise EngineError(f"there is no date format {pattern!r}")
        if pattern in _IN_UTC:
            moment = moment._replace(time=moment.time.astimezone(UTC))
        return _custom(moment, _STANDARD[pattern])
    return _custom(moment, pattern)


def keeps_offset(pattern: str) -> bool:
    """Whether a format shows the offset, or the time in UTC."""
    if len(pattern) == 1:
        return pattern in "oORru"
    bare = re.sub(r"""'[^']*'|"[^"]*"|\\.""", "", pattern)
    return not pattern or bool(WITH_OFFSET.search(bare))


def _custom(moment: Moment, pattern: str) -> str | Unknown:
    parts: list[str] = []
    tokens = list(_TOKEN.finditer(pattern))
    for found in tokens:
        kind = found.lastgroup
        if kind == "unpaired":
            if found[0] not in pattern[found.end() :]:
                raise EngineError("a date format has a quote that is not closed, or ends in a backslash")
            return unsure("such a date format")
        part = found[kind or 0]
        if kind == "percent":
            if part in ("", "%"):
                raise EngineError("a date format has a % before nothing")
            if part in "'\"\\":
                return unsure("such a date format")
        if kind in ("characters", "percent") and part[0] in _WRITTEN:
            written = _characters(moment, part, parts)
            if written is None:
                return unsure(f"the date format {part}")
            parts.append(written)
        else:
            parts.append(part)
    return "".join(parts)


def _characters(moment: Moment, token: str, before: list[str]) -> str | None:
    """Return one run of characters filled in; None where what .NET writes is not known for certain."""
    character, count = token[0], len(token)
    if character in "fF":
        return _fraction(moment, token, before)
    write_one = _WRITERS.get(character)
    return write_one(moment, count) if write_one else None


def _fraction(moment: Moment, token: str, before: list[str]) -> str | None:
    if len(token) > 7:
        raise EngineError("a date format has at most 7 digits of a second")
    digits = f"{moment.time.microsecond:06d}{moment.ticks}"[: len(token)]
    if token[0] == "f":
        return digits
    digits = digits.rstrip("0")
    if not digits and before and before[-1].endswith("."):
        before[-1] = before[-1][:-1]
    return digits


def _number(value: int, count: int) -> str:
    return str(value) if count == 1 else f"{value:02d}"


def _day(moment: Moment, count: int) -> str:
    name = _DAYS[moment.time.weekday()]
    return _number(moment.time.day, count) if count <= 2 else name[:3] if count == 3 else name


def _month(moment: Moment, count: int) -> str:
    name = _MONTHS[moment.time.month - 1]
    return _number(moment.time.month, count) if count <= 2 else name[:3] if count == 3 else name


def _year(moment: Moment, count: int) -> str:
    year = moment.time.year
    return _number(year % 100, count) if count <= 2 else f"{year:0{count}d}"


def _half(moment: Moment, count: int) -> str:
    name = "AM" if moment.time.hour < 12 else "PM"
    return name[0] if count == 1 else name


def _offset(moment: Moment, count: int) -> str:
    offset = moment.time.utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset else 0
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    return sign + _number(minutes // 60, count) + (f":{minutes % 60:02d}" if count >= 3 else "")


_WRITERS: Final[dict[str, Callable[[Moment, int], str]]] = {
    "d": _day,
    "g": lambda _moment, _count: "A.D.",
    "h": lambda moment, count: _number((moment.time.hour - 1) % 12 + 1, count),
    "H": lambda moment, count: _number(moment.time.hour, count),
    "K": lambda moment, _count: _offset(moment, 3),
    "m": lambda moment, count: _number(moment.time.minute, count),
    "M": _month,
    "s": lambda moment, count: _number(moment.time.second, count),
    "t": _half,
    "y": _year,
    "z": _offset,
}
