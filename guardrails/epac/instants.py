"""Dates as .NET reads, compares and writes them: EPAC's ends depend on each of these. Pure.

A date of .NET has ticks of 100 ns and a kind, and two dates are compared by their ticks alone, whatever their kind. So
a local date and one of UTC that are the same instant differ, unless the runner is in UTC.
"""

import re
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
MINUTE: Final = 60 * SECOND
_DAY: Final = 24 * 60 * MINUTE
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
        return self.utc + self.offset * MINUTE

    def __str__(self) -> str:
        """The text that is sent; a local date in UTC where the runner's zone is not known: the instant is the same."""
        text = _text(self.utc + (self.offset or 0) * MINUTE)
        if self.kind is Kind.UNSPECIFIED:
            return text
        if self.kind is Kind.UTC or self.offset is None:
            return text + "Z"
        sign, minutes = "-" if self.offset < 0 else "+", abs(self.offset)
        return f"{text}{sign}{minutes // 60:02}:{minutes % 60:02}"

    @property
    def as_words(self) -> str:
        """The text that PowerShell turns it into: `11/28/2026 15:40:00`. Raises Uncertain like `ticks`."""
        day, _, time = _text(self.ticks).partition("T")
        year, month, of_month = day.split("-")
        return f"{month}/{of_month}/{year} {time[:8]}"

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
        if not exists(utc):
            return NetDate(min(max(utc, 0), _LAST), Kind.LOCAL, None)
        offset = self._offset(utc)
        return NetDate(utc, Kind.LOCAL, offset if offset is not None and exists(utc + offset * MINUTE) else None)

    def from_local(self, ticks: int) -> int:
        """Return the instant of ticks that are local. Raises Uncertain where the zone is not known."""
        if self.zone is None:
            raise Uncertain("EPAC takes this date for one of the runner's time zone; say it with --time-zone")
        there = (_EPOCH + timedelta(seconds=ticks // SECOND)).replace(tzinfo=self.zone)
        if _minutes(there) != _minutes(there.replace(fold=1)):
            raise Uncertain("EPAC takes this date for one of an hour that the runner's clock has twice, or never")
        return ticks - _minutes(there) * MINUTE

    def _offset(self, utc: int) -> int | None:
        if self.zone is None:
            return None
        at = (_EPOCH + timedelta(seconds=utc // SECOND)).replace(tzinfo=UTC)
        try:
            return _minutes(at.astimezone(self.zone))
        except OverflowError:
            return None


def exists(ticks: int) -> bool:
    """Whether .NET can count so many ticks."""
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
        if not exists(utc):
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
    ticks = ticks_at((year, month, day), (0 if midnight else hour, minute, second), fraction)
    if ticks is None:
        return None
    ticks += _DAY if midnight else 0
    if not exists(ticks):
        return None
    if found[8]:
        return NetDate(ticks, Kind.UTC)
    if not found[9]:
        return NetDate(ticks, Kind.UNSPECIFIED)
    offset = (int(found[10]) * 60 + int(found[11] or 0)) * (1 if found[9] == "+" else -1)
    return runner.local(ticks - offset * MINUTE)


def ticks_at(day: tuple[int, int, int], time: tuple[int, int, int], rest: int = 0) -> int | None:
    """Return the ticks of a day and a time of it; None where there is none."""
    try:
        since = datetime(*day, *time) - _EPOCH  # noqa: DTZ001 - see _EPOCH
    except ValueError:
        return None
    return (since.days * 86400 + since.seconds) * SECOND + rest
