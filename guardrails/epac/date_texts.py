"""Texts as DateTime.Parse of .NET reads them for dates: by the culture of the runner, and in more forms than expected.

It takes numbers and names one by one, whatever is between them. A number of three digits or more is the year; where
that is behind the other two, or is short itself, the culture says which of them is the month. English names, AM, PM,
GMT and Z count in every culture.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from guardrails.epac.instants import MINUTE, SECOND, Kind, NetDate, Runner, exists, ticks_at
from guardrails.epac.uncertain import Uncertain
from guardrails.lazy_regex import lazy_regex

AT_EDGE: Final = "how EPAC reads a date at the end of what .NET can count is not known"
_UNKNOWN: Final = "how EPAC reads this date is not known"
THIS_YEAR: Final = "a date without a year is read as one of the year that EPAC runs in"
TODAY: Final = "a time without a day is read as one of the day that EPAC runs on"
_MOST_DIGITS: Final = 8
_BLANKS: Final = " \t\n\v\f\r"
"""The blanks of ASCII that .NET passes over around a date; with others, little is known."""
_MOST_OF_SECOND: Final = 300
"""More digits of a part of a second are not read here."""
_DOUBT: Final = 10**6
"""What is so near to half a tick, as one in so many, is rounded as .NET's own count of it falls out."""
_FURTHEST: Final = 14 * 60
"""Minutes that a zone may be ahead or behind."""

_MIDNIGHT: Final = (24, 0, 0)
"""The end of a day, which .NET reads from version 11 on."""

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BETWEEN: Final = r"(?:\s*[-/.,]\s*|\s+)"
_CLOCK: Final = (
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<rest>\d+))?)?)?"
    r"(?:\s*(?P<half>[ap]m)(?![a-z]))?"
)
_ZONE: Final = r"(?:\s*(?P<zone>z|gmt|[+-](?:\d{3,4}|\d{1,2}(?::\d{1,2})?)))?"
_BEHIND: Final = rf"(?:(?:(?P<t>\s*t\s*)|\s*,\s*|\s+){_CLOCK})?{_ZONE}"
_WEEKDAY: Final = rf"(?:(?P<weekday>{'|'.join((*_DAYS, *(one[:3] for one in _DAYS)))})(?:\s*,\s*|\s+))?"
_NUMBERS: Final = lazy_regex(
    rf"{_WEEKDAY}(?P<a>\d+)(?P<mark>{_BETWEEN})(?P<b>\d+)(?:(?P<mark2>{_BETWEEN})(?P<c>\d+))?{_BEHIND}",
    re.ASCII | re.IGNORECASE,
)
_NAMED: Final = lazy_regex(
    rf"{_WEEKDAY}(?:(?P<a>\d+){_BETWEEN})?(?P<name>[a-z]++)(?:{_BETWEEN}(?P<b>\d+))?(?:{_BETWEEN}(?P<c>\d+))?{_BEHIND}",
    re.ASCII | re.IGNORECASE,
)
_TIME_ALONE: Final = lazy_regex(_CLOCK + _ZONE, re.ASCII | re.IGNORECASE)
_NUMBER_T: Final = lazy_regex(r"\d+t\d.*", re.ASCII | re.IGNORECASE)
_DAY_T: Final = lazy_regex(r"\d{3,}[-/]\d+[-/]\d+t(?![a-z])[!\"$-~]*", re.ASCII | re.IGNORECASE)
_ONE_MORE: Final = lazy_regex(r"[-+]\d[\d:]*[^\d\s]\Z", re.ASCII)
"""One character too many behind a zone: where a T is before the time, .NET passes over it."""
_NO_MARK: Final = lazy_regex(r"[!\"$%&()*;<=>?@\[\\\]^`{|}~]")
"""Marks that no date has in it."""
_WORD: Final = lazy_regex(r"[a-z]+", re.IGNORECASE)
_DIGIT: Final = lazy_regex(r"\d", re.ASCII)

_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_OTHER_WORDS: Final = frozenset(("am", "pm", "a", "p", "m", "z", "t", "gmt", "ad", "bc", "b", "c", "d", "e", "sept"))
_WORDS: Final = _OTHER_WORDS.union(_DAYS, _MONTHS, (one[:3] for one in (*_DAYS, *_MONTHS)))

_MONTH_FIRST, _DAY_FIRST, _FIRST_YEAR = "month-first", "day-first", "year-first"
_CULTURES: Final[Mapping[str, tuple[str, str]]] = {
    "": (_MONTH_FIRST, "/"), "invariant": (_MONTH_FIRST, "/"), "en-us": (_MONTH_FIRST, "/"),
    "en-gb": (_DAY_FIRST, "/"), "en-au": (_DAY_FIRST, "/"), "en-nz": (_DAY_FIRST, "/"), "en-ie": (_DAY_FIRST, "/"),
    "de-de": (_DAY_FIRST, "."), "de-at": (_DAY_FIRST, "."), "de-ch": (_DAY_FIRST, "."), "fr-fr": (_DAY_FIRST, "/"),
    "es-es": (_DAY_FIRST, "/"), "it-it": (_DAY_FIRST, "/"), "pt-br": (_DAY_FIRST, "/"), "pt-pt": (_DAY_FIRST, "/"),
    "nl-nl": (_DAY_FIRST, "-"), "pl-pl": (_DAY_FIRST, "."), "nb-no": (_DAY_FIRST, "."), "cs-cz": (_DAY_FIRST, ". "),
    "sv-se": (_FIRST_YEAR, "-"), "ja-jp": (_FIRST_YEAR, "/"), "zh-cn": (_FIRST_YEAR, "/"),
}  # fmt: skip
"""Culture in lower case -> the order of its short date, and its mark between the parts."""
_USUAL: Final = ("en-US", "en-GB", "de-DE")
"""Where nobody said the culture, what these agree on is taken."""


class NoDate(ValueError):
    """.NET refuses to read a text as a date."""


class TextDate(NamedTuple):
    """The date that a text is, taken for UTC where it says no zone; `zoned`: it says one."""

    date: NetDate
    zoned: bool


class _Culture(NamedTuple):
    """`well_known`: its own words and marks are known, so that rare forms are, too."""

    order: str
    mark: str
    english: bool
    well_known: bool


def text_date(text: str, runner: Runner) -> TextDate:
    """Return the date that a text is for DateTime.Parse. Raises NoDate, Uncertain."""
    if runner.culture:
        return _read(text.strip(_BLANKS), runner.culture.lower())
    found = usual_dates(text)
    if len(found) > 1:
        raise Uncertain("how EPAC reads this date depends on the culture of the runner; say it with --culture")
    for one in found:
        if one is not None:
            return one
    raise NoDate


@lru_cache(maxsize=1024)  # as `_read`
def usual_dates(text: str) -> frozenset[TextDate | None]:
    """Return the dates that a text is in the usual cultures, None for none. Raises Uncertain."""
    return frozenset(_outcome(text.strip(_BLANKS), culture.lower()) for culture in _USUAL)


def _outcome(text: str, culture: str) -> TextDate | None:
    try:
        return _read(text, culture)
    except NoDate:
        return None


@lru_cache(maxsize=1024)  # many exemptions end on few days
def _read(text: str, name: str) -> TextDate:
    if name not in _CULTURES:
        raise Uncertain("how EPAC reads this date in that culture is not known")
    english = name in ("", "invariant") or name.startswith("en-")
    culture = _Culture(*_CULTURES[name], english, english or name.startswith("de-"))
    if found := _NUMBERS.fullmatch(text):
        return _made(found, *_of_numbers(found, culture), culture)
    if not _DIGIT.search(text) or (text.isascii() and text.isdecimal()):
        raise NoDate  # a word alone and one number alone are no date
    if _TIME_ALONE.fullmatch(text):
        raise Uncertain(TODAY)
    if "t" in text.lower() and _ONE_MORE.search(text):
        raise Uncertain(_UNKNOWN)
    if _NUMBER_T.fullmatch(text) or _DAY_T.fullmatch(text) or (culture.well_known and _NO_MARK.search(text)):
        raise NoDate
    if culture.well_known and (found := _NAMED.fullmatch(text)):
        return _made(found, *_of_name(found, culture), culture)
    _refuse_other_words(text, culture)
    raise Uncertain(_UNKNOWN)


def _refuse_other_words(text: str, culture: _Culture) -> None:
    if culture.english and text.isascii() and any(one.lower() not in _WORDS for one in _WORD.findall(text)):
        raise NoDate


def _of_numbers(found: re.Match[str], culture: _Culture) -> tuple[int, int, int]:
    """Return the year, month and day of two or three numbers."""
    parts = [found[name] for name in "abc" if found[name]]
    years = [at for at, one in enumerate(parts) if len(one) > 2]
    if len(years) > 1 or any(len(one) > _MOST_DIGITS for one in parts):
        raise NoDate
    usual = len(parts) > 2 and found["mark"] == found["mark2"] and found["mark"] in ("-", "/", culture.mark)
    if not culture.well_known and not (usual and (years == [0] or culture.order != _FIRST_YEAR)):
        raise Uncertain(_UNKNOWN)
    numbers = [int(one) for one in parts]
    if len(parts) == 2:
        if not years:
            raise Uncertain(THIS_YEAR)
        _refuse_time(found)
        return numbers[years[0]], numbers[1 - years[0]], 1
    year = numbers.pop(years[0]) if years else _century(numbers.pop(0 if culture.order == _FIRST_YEAR else 2))
    first, second = numbers
    swapped = culture.order == _DAY_FIRST and years in ([], [2])
    return (year, second, first) if swapped else (year, first, second)


def _of_name(found: re.Match[str], culture: _Culture) -> tuple[int, int, int]:
    """Return the year, month and day of a month's name with one or two numbers."""
    name = found["name"].lower()
    month = next((number for number, one in enumerate(_MONTHS, 1) if name in (one, one[:3])), 0)
    parts = [found[one] for one in "abc" if found[one]]
    if not month:
        _refuse_other_words(name, culture)
        raise Uncertain(_UNKNOWN)
    if len(parts) not in (1, 2):
        raise Uncertain(_UNKNOWN)
    years = [at for at, one in enumerate(parts) if len(one) > 2]
    if len(years) > 1 or any(len(one) > _MOST_DIGITS for one in parts):
        raise NoDate
    numbers = [int(one) for one in parts]
    if len(parts) == 1:
        if not years:
            raise Uncertain(THIS_YEAR)
        _refuse_time(found)
        return numbers[0], month, 1
    if years:
        return numbers[years[0]], month, numbers[1 - years[0]]
    day, year = numbers
    if ticks_at((_century(year), month, day), (0, 0, 0)) is None:
        day, year = year, day
    return _century(year), month, day


def _refuse_time(found: re.Match[str]) -> None:
    """Raise NoDate for a time behind a month without a day, and Uncertain for a zone, or an hour that may be a day."""
    if found["hour"] and (found["minute"] or not found["half"]):
        raise NoDate
    if found["hour"] or found["zone"]:
        raise Uncertain(_UNKNOWN)


def _century(year: int) -> int:
    if 30 <= year < 50:
        raise Uncertain("the century that EPAC takes this year for depends on its version")
    return year + (2000 if year < 30 else 1900) if year < 100 else year


def _made(found: re.Match[str], year: int, month: int, day: int, culture: _Culture) -> TextDate:
    time = _time(found, culture)
    if time == _MIDNIGHT and ticks_at((year, month, day), (0, 0, 0)) is not None:
        raise Uncertain("whether EPAC reads 24:00 as the end of the day depends on its version")
    ticks = ticks_at((year, month, day), time)
    if ticks is None:
        raise NoDate
    if found["weekday"] and not _is_weekday(found["weekday"], NetDate(ticks, Kind.UTC), culture):
        if found["t"]:
            raise Uncertain(_UNKNOWN)  # it is not looked at there
        raise NoDate
    ticks += _rest(found["rest"] or "0")
    ticks -= _ahead(found, culture) * MINUTE
    if not exists(ticks):
        raise Uncertain(AT_EDGE)
    return TextDate(NetDate(ticks, Kind.UTC), found["zone"] is not None)


def _rest(digits: str) -> int:
    """Return the ticks that the digits of a part of a second are."""
    if len(digits) > _MOST_OF_SECOND:
        raise Uncertain(_UNKNOWN)
    unit: int = 10 ** len(digits)
    twice, left = divmod(2 * int(digits) * SECOND, unit)
    if len(digits) > 7 and min(left, unit - left) * _DOUBT < unit and not (left == 0 and twice % 2 == 0):
        raise Uncertain(_UNKNOWN)
    return (twice + 1) // 2


def _time(found: re.Match[str], culture: _Culture) -> tuple[int, int, int]:
    """Return hour, minute and second, which may be none of a day."""
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    half = (found["half"] or "").lower()
    if found["t"]:
        digits = [found[name] for name in ("hour", "minute", "second") if found[name]]
        iso = "name" not in found.re.groupindex and found["c"] and len(found["c"]) < 3
        year_first = iso and (len(found["a"]) > 2 or len(found["b"]) > 2)
        if not year_first or half or len(digits) < 2 or any(len(one) < 2 for one in digits):
            raise NoDate
    elif found["hour"] and not found["minute"] and not half:
        raise NoDate
    if half:
        if not culture.well_known:
            raise Uncertain("whether EPAC reads AM and PM in that culture is not known")
        if half == "am" and hour > 12:
            raise NoDate
        hour = hour % 12 + (12 if half == "pm" else 0) if hour <= 12 else hour
    return hour, minute, second


def _is_weekday(said: str, date: NetDate, culture: _Culture) -> bool:
    if not culture.well_known:
        raise Uncertain(_UNKNOWN)
    return date.moment.weekday() == [one[:3] for one in _DAYS].index(said[:3].lower())


def _ahead(found: re.Match[str], culture: _Culture) -> int:
    """Return the minutes that a date is ahead of UTC."""
    zone = (found["zone"] or "").lower()
    if zone == "gmt" and found["t"]:
        raise NoDate
    if not culture.well_known and zone and not (found["hour"] and len(found["a"]) > 2 and zone != "gmt"):
        raise Uncertain(_UNKNOWN)
    if zone in ("", "z", "gmt"):
        return 0
    hours, colon, minutes = zone[1:].partition(":")
    if not colon and len(hours) > 2:
        hours, minutes = hours[:-2], hours[-2:]
    ahead = int(hours) * 60 + int(minutes or 0)
    if int(minutes or 0) > 59 or ahead > _FURTHEST:
        raise NoDate
    return -ahead if zone[0] == "-" else ahead
