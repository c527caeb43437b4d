"""What AzPolicyFactory's build step keeps of the files: those that have not expired, in its own way to compare. Pure.

A text that PowerShell reads as a date is compared as a date, by its digits in the runner's time zone; any other text
is compared with the present as a text, `11/28/2026 15:40:00`.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from guardrails.azpolicyfactory.config import ConfigFile, member
from guardrails.epac.instants import Kind, NetDate, Runner, json_date, ticks_of
from guardrails.epac.uncertain import Uncertain

_FARTHEST: Final = timedelta(hours=14)
"""No time zone is farther from UTC."""


class Build(StrEnum):
    """What the build step does with a file."""

    KEPT = "kept"
    EXPIRED = "expired"
    NOT_SEEN = "not-seen"
    STOPS = "stops"
    """No template is made, for no file of the folder."""


def build_of(file: ConfigFile, runner: Runner, now: datetime) -> Build | None:
    """Return what the build step does with a file; None where that is not certain.

    Args:
        now: the time of the run, UTC.
    """
    if not file.seen:
        return Build.NOT_SEEN if file.seen is False else None
    if file.stops:
        return Build.STOPS
    if file.doubt or (isinstance(file.value, list) and file.value):
        return None
    end = member(file.exemption, "expiresOn")
    if end is None or end is True or end in ("", 0, []):  # False is 0; true is not before a time
        return Build.KEPT
    if isinstance(end, list | dict):
        return None
    if not isinstance(end, str):
        return Build.STOPS  # a number cannot be compared with a time
    expired = _expired(end, runner, now)
    return None if expired is None else Build.EXPIRED if expired else Build.KEPT


def has_moment(end: str) -> bool:
    """Whether the build step reads an end as a time, and not as any text."""
    return json_date(end, Runner()) is not None


def shifted(end: str) -> bool:
    """Whether the build step compares an end by digits of the runner's time zone."""
    date = json_date(end, Runner())
    return date is not None and date.kind is Kind.LOCAL


def _expired(end: str, runner: Runner, now: datetime) -> bool | None:
    date = json_date(end, runner)
    if date is None:
        return _sorts_before(end, f"{now:%m/%d/%Y %H:%M:%S}")
    try:
        return date.ticks < ticks_of(now)
    except Uncertain:
        return _everywhere(date, now)


def _everywhere(date: NetDate, now: datetime) -> bool | None:
    """Whether a date has passed, where that is so in each time zone."""
    if date.utc < ticks_of(now - _FARTHEST):
        return True
    return False if date.utc >= ticks_of(now + _FARTHEST) else None


def _sorts_before(text: str, present: str) -> bool | None:
    """Whether a text sorts before another one: marks before digits before A to Z; None for rare characters."""
    for one, other in zip(text.lower(), present, strict=False):
        if one != other:
            left, right = _rank(one), _rank(other)
            if left is None or right is None or left == right == 0:
                return None
            return (left, one) < (right, other) if one.isascii() or left != right else None
    return True if len(text) < len(present) else None  # the seconds of the present are not certain


def _rank(one: str) -> int | None:
    if one.isalpha():
        return 2
    return None if not (one.isascii() and one.isprintable()) else 1 if one.isdigit() else 0
