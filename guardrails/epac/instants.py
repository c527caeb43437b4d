"""Dates as .NET reads, compares and writes them: EPAC's ends depend on each of these. Pure.

A date of .NET has ticks of 100 ns and a kind, and two dates are compared by their ticks alone, whatever their kind. So
a local date and one of UTC that are the same instant differ, unless the runner is in UTC.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from guardrails.dataclass import dataclass
from guardrails.epac.uncertain import Uncertain
from guardrails.lazy_regex import lazy_regex

SECOND: Final = 10_000_000
"""Ticks of a second."""
_MINUTE: Final = 60 * SECOND
_DAY: Final = 24 * 60 * _MINUTE
_EPOCH: Final = datetime(1, 1, 1)  # noqa: DTZ001 - ticks count from it without a zone
_UNIX: Final = 621_355_968_000_000_000
_LAST: Final = 3_155_378_975_999_999_999
"""The last ticks of .NET, at the end of the year 9999."""


class Kind(StrEnum):
    """What a date of .NET says of its zone."""

    UTC = "utc"
    LOCAL = "local"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True)
class NetDate:
    """A date of .NET.

    Attributes:
        utc: its instant in ticks of UTC; one without zone is taken for UTC, as Azure takes it.
        offset: minutes that its own ticks are ahead of `utc`; None where it is local and nobody said the runner's zone,
            or where it is at the end of what .NET can count.
    """

    utc: int
    kind: Kind
    offset: int | None = 0

    @property
    def ticks(self) -> int:
        """What .NET compares. Raises Uncertain where the runner's time zone is not known."""
        if self.offset is None:
            raise Uncertain("EPAC compares this date in the runner's time zone; say it with --time-zone")
        return self.utc + self.offset * _MINUTE

    def __str__(self) -> str:
        """The text that is sent; a local date in UTC where the runner's zone is not known: the instant is the same."""
        text = _text(self.utc + (self.offset or 0) * _MINUTE)
        if self.kind is Kind.UNSPECIFIED:
            return text
        if self.kind is Kind.UTC or self.offset is None:
            return text + "Z"
        sign, minutes = "-" if self.offset < 0 else "+", abs(self.offset)
        return f"{text}{sign}{minutes // 60:02}:{minutes % 60:02}"

    @property
    def at_edge(self) -> bool:
        """Whether it is local, and so near to what .NET can count at all that its own ticks are not known."""
        return self.offset is None and not _DAY < self.utc < _LAST - _DAY

    @property
    def moment(self) -> datetime:
        """Its instant, cut to microseconds."""
        return (_EPOCH + timedelta(microseconds=self.utc // 10)).replace(tzinfo=UTC)


def ticks_of(moment: datetime) -> int:
    """Return a moment's ticks of UTC."""
    since = moment.astimezone(UTC).replace(tzinfo=None) - _EPOCH
    return (since.days * 86400 + since.seconds) * SECOND + since.microseconds * 10


@lru_cache(maxsize=1024)  # many exemptions end on few days
def _text(ticks: int) -> str:
    whole, rest = divmod(ticks, SECOND)
    said = (_EPOCH + timedelta(seconds=whole)).isoformat()
    return f"{said}.{rest:07}".rstrip("0") if rest else said


class NoZone(ValueError):
    """No time zone has this name."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Where EPAC runs. `zone`: None where nobody said. `culture`: "" where nobody said; such as en-US."""

    zone: ZoneInfo | None = None
    culture: str = ""

    @classmethod
    def of(cls, zone: str, culture: str) -> "Runner":
        """Return the runner with an IANA time zone. Raises NoZone."""
        try:
            return cls(ZoneInfo(zone) if zone else None, culture)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise NoZone(f"'{zone[:60]}' is no IANA time zone, such as UTC or Europe/Berlin") from None

    def local(self, utc: int) -> NetDate:
        """Return an instant as a local date."""
        if not _exists(utc):
            return NetDate(min(max(utc, 0), _LAST), Kind.LOCAL, None)
        offset = self._offset(utc)
        return NetDate(utc, Kind.LOCAL, offset if offset is not None and _exists(utc + offset * _MINUTE) else None)

    def from_local(self, ticks: int) -> int:
        """Return the instant of ticks that are local. Raises Uncertain where the zone is not known."""
        if self.zone is None:
            raise Uncertain("EPAC takes this date for one of the runner's time zone; say it with --time-zone")
        there = (_EPOCH + timedelta(seconds=ticks // SECOND)).replace(tzinfo=self.zone)
        if _minutes(there) != _minutes(there.replace(fold=1)):
            raise Uncertain("EPAC takes this date for one of an hour that the runner's clock has twice, or never")
        return ticks - _minutes(there) * _MINUTE

    def _offset(self, utc: int) -> int | None:
        if self.zone is None:
            return None
        at = (_EPOCH + timedelta(seconds=utc // SECOND)).replace(tzinfo=UTC)
        try:
            return _minutes(at.astimezone(self.zone))
        except OverflowError:
            return None


def _exists(ticks: int) -> bool:
    return 0 <= ticks <= _LAST


def _minutes(at: datetime) -> int:
    return round((at.utcoffset() or timedelta()).total_seconds() / 60)


_ISO: Final = lazy_regex(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,7}))?"
    r"(?:([Zz])|([+-])(\d\d):?(\d\d)?|:(?:\d\d)?|(?:(?<=:\d\d)|(?<=\.\d{7}))\d\d)?",
    re.ASCII,
)
"""A date as the reader of JSON takes it. It takes minutes of a zone without hours, too, and passes over them."""
_MICROSOFT: Final = lazy_regex(r"/Date\((-?\d{1,15})([+-]\d{4})?\)/", re.ASCII)


def json_date(text: str, runner: Runner) -> NetDate | None:
    """Return the date that a text of JSON is for PowerShell's reader; None where it stays a text.

    It reads texts of 19 to 40 characters with a T behind the day, and /Date(...)/.
    """
    if text[:1] == "/":
        found = _MICROSOFT.fullmatch(text)
        if not found:
            return None
        utc = _UNIX + int(found[1]) * 10_000
        if not _exists(utc):
            return None
        return runner.local(utc) if found[2] else NetDate(utc, Kind.UTC)
    return _iso_date(text, runner) if 19 <= len(text) <= 40 and text[10] == "T" else None


@lru_cache(maxsize=1024)  # as `_text`
def _iso_date(text: str, runner: Runner) -> NetDate | None:
    found = _ISO.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
    fraction = int((found[7] or "").ljust(7, "0"))
    midnight = hour == 24 and not (minute or second or fraction)
    ticks = _ticks((year, month, day), (0 if midnight else hour, minute, second), fraction)
    if ticks is None:
        return None
    ticks += _DAY if midnight else 0
    if not _exists(ticks):
        return None
    if found[8]:
        return NetDate(ticks, Kind.UTC)
    if not found[9]:
        return NetDate(ticks, Kind.UNSPECIFIED)
    offset = (int(found[10]) * 60 + int(found[11] or 0)) * (1 if found[9] == "+" else -1)
    return runner.local(ticks - offset * _MINUTE)


def _ticks(day: tuple[int, int, int], time: tuple[int, int, int], rest: int = 0) -> int | None:
    try:
        since = datetime(*day, *time) - _EPOCH  # noqa: DTZ001 - see _EPOCH
    except ValueError:
        return None
    return (since.days * 86400 + since.seconds) * SECOND + rest


AT_EDGE: Final = "how EPAC reads a date at the end of what .NET can count is not known"


class NoDate(ValueError):
    """.NET refuses to read a text as a date."""


_CLOCK: Final = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<rest>\d{1,15}))?)?"
    r"(?:\s*(?P<half>[AaPp][Mm]))?"
)
_ZONE: Final = r"(?:\s*(?P<z>[Zz])|\s*(?P<sign>[+-])(?P<oh>\d\d):?(?P<om>\d\d)?)?"
_YEAR_FIRST: Final = lazy_regex(
    rf"(?P<y>\d{{4}})(?P<mark>[-/])(?P<m>\d{{1,2}})(?P=mark)(?P<d>\d{{1,2}})(?:(?:[Tt]|\s+){_CLOCK}{_ZONE})?", re.ASCII
)
_YEAR_LAST: Final = lazy_regex(
    rf"(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})(?P=mark)(?P<y>\d{{4}}|\d\d)(?:\s+{_CLOCK})?", re.ASCII
)
_NAMED: Final = lazy_regex(
    rf"(?:(?P<d>\d{{1,2}})\s+)?(?P<name>[A-Za-z]+)\s+(?:(?P<e>\d{{1,2}}),?\s+)?(?P<y>\d{{4}})(?:\s+{_CLOCK})?", re.ASCII
)
_RFC1123: Final = lazy_regex(
    r"(?P<day>[A-Z][a-z]{2}), (?P<d>\d\d) (?P<name>[A-Z][a-z]{2}) (?P<y>\d{4}) "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) GMT"
)
_RARE_CLOCK: Final = lazy_regex(r"\d[Tt](?:\d:|.*[AaPp][Mm])", re.ASCII)
"""Behind a T, an hour of one digit, or one of twelve."""
_TIME_ALONE: Final = lazy_regex(_CLOCK + _ZONE, re.ASCII)
_SAYS_ZONE: Final = lazy_regex(r".*:\d\d(?:\.\d+)?(?:\s*[AaPp][Mm])?\s*(?:[Zz]|GMT|[+-]\d\d:?(?:\d\d)?)", re.ASCII)
_WORD: Final = lazy_regex(r"[A-Za-z]+")

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_OTHER_WORDS: Final = frozenset(("am", "pm", "a", "p", "z", "t", "gmt", "ad", "bc", "b", "c", "d", "e"))
_WORDS: Final = _OTHER_WORDS.union(_DAYS, _MONTHS, (one[:3] for one in (*_DAYS, *_MONTHS)), ("sept",))

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


def says_zone(text: str) -> bool:
    """Whether a text that is a date with a time says its zone, too."""
    return _SAYS_ZONE.fullmatch(text.strip()) is not None


def text_date(text: str, runner: Runner) -> NetDate:
    """Return the date that a text is for DateTime.Parse, taken for UTC. Raises NoDate, Uncertain."""
    if runner.culture:
        return _read(text.strip(), runner.culture.lower())
    found = [_outcome(text.strip(), culture.lower()) for culture in _USUAL]
    if any(one != found[0] for one in found):
        raise Uncertain("how EPAC reads this date depends on the culture of the runner; say it with --culture")
    if isinstance(found[0], NetDate):
        return found[0]
    raise NoDate


def _outcome(text: str, culture: str) -> NetDate | None:
    try:
        return _read(text, culture)
    except NoDate:
        return None


@lru_cache(maxsize=1024)  # as `_text`
def _read(text: str, culture: str) -> NetDate:
    if culture not in _CULTURES:
        raise Uncertain("how EPAC reads this date in that culture is not known")
    order, mark = _CULTURES[culture]
    english = culture in ("", "invariant") or culture.startswith("en-")
    if found := _YEAR_FIRST.fullmatch(text):
        if _RARE_CLOCK.search(text):
            raise Uncertain("how EPAC reads an hour of one digit, or with AM or PM, behind a T is not known")
        return _made(found, int(found["y"]), int(found["m"]), int(found["d"]), english=english)
    if found := _YEAR_LAST.fullmatch(text):
        return _year_last(found, order, mark, english=english)
    if text.isascii() and text.isdecimal():
        raise NoDate  # one number alone is no date
    if _TIME_ALONE.fullmatch(text):
        raise Uncertain("a time without a day is read as one of the day that EPAC runs on")
    if english and (found := _RFC1123.fullmatch(text)):
        return _rfc1123(found)
    if english and (found := _NAMED.fullmatch(text)):
        return _named(found, us=culture == "en-us")
    words = [word.lower() for word in _WORD.findall(text)]
    if english and text.isascii() and any(word not in _WORDS for word in words):
        raise NoDate
    raise Uncertain("how EPAC reads this date is not known")


def _year_last(found: re.Match[str], order: str, mark: str, *, english: bool) -> NetDate:
    first, second, year = int(found["a"]), int(found["b"]), int(found["y"])
    if order == _FIRST_YEAR:
        raise Uncertain("how EPAC reads this date in that culture is not known")
    month, day = (first, second) if order == _MONTH_FIRST else (second, first)
    if len(found["y"]) == 2:
        if 30 <= year < 50:
            raise Uncertain("the century that EPAC takes this year for depends on its version")
        year += 2000 if year < 30 else 1900
    made = _made(found, year, month, day, english=english)
    if found["mark"] == "." != mark:
        raise Uncertain("whether EPAC reads a date with dots in that culture is not known")
    return made


def _named(found: re.Match[str], *, us: bool) -> NetDate:
    name = found["name"].lower()
    months = [n for n, one in enumerate(_MONTHS, 1) if name in (one, one[:3])]
    if not months:
        if name in _WORDS:
            raise Uncertain("how EPAC reads this date is not known")
        raise NoDate
    if (found["d"] and found["e"]) or (months[0] == 9 and name == "sep" and not us):
        raise Uncertain("how EPAC reads this date is not known")
    return _made(found, int(found["y"]), months[0], int(found["d"] or found["e"] or 1), english=True)


def _rfc1123(found: re.Match[str]) -> NetDate:
    months = [n for n, one in enumerate(_MONTHS, 1) if one[:3] == found["name"].lower()]
    days = [n for n, one in enumerate(_DAYS) if one[:3] == found["day"].lower()]
    if not months or not days:
        raise NoDate
    made = _made(found, int(found["y"]), months[0], int(found["d"]), english=True)
    if made.moment.weekday() != days[0]:
        raise NoDate
    return made


def _made(found: re.Match[str], year: int, month: int, day: int, *, english: bool) -> NetDate:
    said = found.groupdict()
    hour, minute, second = (int(said.get(name) or 0) for name in ("hour", "minute", "second"))
    half = (said.get("half") or "").lower()
    if half:
        if not english:
            raise Uncertain("whether EPAC reads AM and PM in that culture is not known")
        if not 1 <= hour <= 12:
            raise Uncertain("how EPAC reads this hour is not known")
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour == 24:
        raise Uncertain("how EPAC reads the hour 24 here is not known")
    rest = said.get("rest") or ""
    ticks = _ticks((year, month, day), (hour, minute, second))
    if ticks is None:
        raise NoDate
    ticks += round(int(rest) * SECOND / 10 ** len(rest)) if rest else 0
    if said.get("sign"):
        ahead = int(said["oh"]) * 60 + int(said.get("om") or 0)
        if int(said.get("om") or 0) > 59:
            raise NoDate
        if ahead > 14 * 60:
            raise Uncertain("whether EPAC reads an offset of more than 14 hours is not known")
        ticks -= ahead * _MINUTE * (1 if said["sign"] == "+" else -1)
    if not _exists(ticks):
        raise Uncertain(AT_EDGE)
    return NetDate(ticks, Kind.UTC)
