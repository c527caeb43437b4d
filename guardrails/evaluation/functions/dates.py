"""Functions of dates. Pure.

A month is 30 days and a year 365, as XML Schema's durations become spans of time in .NET. The result of `dateTimeAdd`
keeps the offset of its input, but the usual formats do not show it.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from guardrails.evaluation.functions import date_formats
from guardrails.evaluation.functions.base import function, integer, kind, text, unsure
from guardrails.evaluation.functions.date_texts import Moment, parse
from guardrails.evaluation.values import NOWHERE, Cause, EngineError, Mark, MarkedText, Unknown, Value
from guardrails.lazy_regex import lazy_regex

_DURATION: Final = lazy_regex(
    r"(?P<sign>-)?P(?:(?P<years>[0-9]+)Y)?(?:(?P<months>[0-9]+)M)?(?:(?P<days>[0-9]+)D)?"
    r"(?P<time>T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?(?:(?P<seconds>[0-9]+)(?:\.(?P<fraction>[0-9]*))?S)?)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
UTC_NOW_DEFAULT: Final = "yyyyMMddTHHmmssZ"


def span(duration: str) -> tuple[timedelta, int] | Unknown:
    """Return an ISO 8601 duration as a span, and the tenths of a microsecond beyond. Raises EngineError."""
    found = _DURATION.fullmatch(duration)
    if not found or not any(found[part] for part in ("years", "months", "days", "hours", "minutes", "seconds")):
        if duration != duration.strip():
            return unsure("a duration with blanks")
        raise EngineError(f"{duration[:60]!r} is no duration")
    if found["time"] == "T":
        raise EngineError(f"{duration[:60]!r} is no duration")
    if any(len(digits) > 9 for digits in found.groupdict("").values() if digits.isdecimal()):
        return unsure("so long a duration")
    numbers = {part: int(digits) for part, digits in found.groupdict("0").items() if digits.isdecimal()}
    fraction = found["fraction"] or ""
    if len(fraction) > 7 or (found["fraction"] is not None and not fraction):
        return unsure("such a fraction of a second")
    return _span(numbers, fraction.ljust(7, "0"), negative=bool(found["sign"]))


def _span(numbers: dict[str, int], fraction: str, *, negative: bool) -> tuple[timedelta, int] | Unknown:
    months = numbers["months"]
    days = (numbers["years"] + months // 12) * 365 + months % 12 * 30 + numbers["days"]
    if days > 10_000_000:
        return unsure("so long a duration")
    whole = timedelta(days=days, hours=numbers["hours"], minutes=numbers["minutes"], seconds=numbers["seconds"])
    whole += timedelta(microseconds=int(fraction[:6]))
    ticks = int(fraction[6])
    return (-whole, -ticks) if negative else (whole, ticks)


@function("dateTimeAdd", 2, 3)
def _date_time_add(arguments: list[Value]) -> Value:
    if not all(isinstance(argument, str) for argument in arguments[:2]):
        raise EngineError("dateTimeAdd() needs a date and a duration as texts")
    pattern = date_formats.DEFAULT if len(arguments) == 2 else arguments[2]
    if not isinstance(pattern, str):
        return unsure(f"{kind(pattern)} as a date format")
    length = span(arguments[1])
    moment = parse(arguments[0])
    if isinstance(length, Unknown):
        return length
    if isinstance(moment, Unknown):
        return moment
    added = _added(moment, *length)
    written = date_formats.write(added, pattern)
    if isinstance(written, Unknown) or not moment.time.utcoffset() or date_formats.keeps_offset(pattern):
        return written
    return MarkedText(written, frozenset({Mark(Cause.OFFSET_DROPPED, NOWHERE)}))


def _added(moment: Moment, whole: timedelta, ticks: int) -> Moment:
    try:
        more, left = divmod(moment.ticks + ticks, 10)
        time = moment.time + whole + timedelta(microseconds=more)
        time.astimezone(UTC)
    except OverflowError:
        raise EngineError("the date is outside the years 1 to 9999") from None
    return Moment(time, left, moment.offset_given)


@function("dateTimeToEpoch", 1)
def _date_time_to_epoch(arguments: list[Value]) -> Value:
    moment = parse(text(arguments[0], "dateTimeToEpoch"))
    if isinstance(moment, Unknown):
        return moment
    if moment.time < _EPOCH and (moment.time.microsecond or moment.ticks):
        return unsure("parts of a second before 1970 in dateTimeToEpoch()")
    return (moment.time - _EPOCH) // timedelta(seconds=1)


@function("dateTimeFromEpoch", 1)
def _date_time_from_epoch(arguments: list[Value]) -> Value:
    seconds = integer(arguments[0], "dateTimeFromEpoch")
    try:
        time = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise EngineError("the date is outside the years 1 to 9999") from None
    return date_formats.write(Moment(time), date_formats.DEFAULT)


def utc_now(now: datetime, pattern: str) -> Value:
    """Return a time as `utcNow` writes it. Raises EngineError."""
    if not pattern or pattern in "oOU" or date_formats.WITH_OFFSET.search(pattern):
        return unsure("utcNow() in this format")  # it may be written with Z or with +00:00
    return date_formats.write(Moment(now.astimezone(UTC)), pattern)
