"""Points in time as ARM, files and people write them. Pure."""

from datetime import UTC, date, datetime
from functools import lru_cache

from guardrails.exemption.json_values import kind_of


def parse_time(value: object) -> datetime | None:
    """Read a point in time as UTC. None, "" and blanks are None; no zone means UTC; a bare date is its first second.

    Raises ValueError, saying what is wrong, for anything else that is not an ISO 8601 time of the years 1 to 9999.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _read(value)
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(f"{kind_of(value)} is not a time; write it as 2027-06-30T00:00:00Z")


@lru_cache(maxsize=4096)  # the same few times are in a row, its history and its body
def _read(value: str) -> datetime | None:
    text = value.strip()
    if not text:
        return None
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(f"'{value[:60]}' is not an ISO 8601 time such as 2027-06-30T00:00:00Z") from None


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    if time.tzinfo is UTC:
        return time
    try:
        return time.astimezone(UTC)
    except OverflowError:  # an offset that leads out of the years 1 to 9999
        return time.replace(tzinfo=UTC)


@lru_cache(maxsize=4096)
def spell_time(time: datetime) -> str:
    """Write a UTC time as ARM does: 2027-06-30T00:00:00Z, with fractions only where there are any."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat() + "Z"


def read_time(time: datetime) -> str:
    """Write a time for people, in UTC and to the minute: 2027-06-30 00:00 UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def spelled_time(value: object) -> object:
    """Return a time in one spelling, None for none, and what is no time as it is."""
    try:
        time = parse_time(value)
    except ValueError:
        return value
    return spell_time(time) if time else None


def time_or_none(value: object) -> datetime | None:
    """Return a time in UTC; None for none, and for what is no time."""
    try:
        return _read(value) if type(value) is str else parse_time(value)
    except ValueError:
        return None
