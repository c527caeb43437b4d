"""The four checks of AzPolicyFactory's tests on a configuration file. Pure.

Azure DevOps runs the first two, the workflow of GitHub all four. None of them runs for a file that PowerShell cannot
read, nor for those behind it.
"""

import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from guardrails.azpolicyfactory.config import ConfigFile, Value, member
from guardrails.azpolicyfactory.people import same_person
from guardrails.azpolicyfactory.schema import Verdict
from guardrails.epac.instants import Runner, json_date
from guardrails.epac.schema import Verdict as Status
from guardrails.lazy_regex import lazy_regex

_DAY: Final = lazy_regex(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_NO_RUNNER: Final = Runner()


class Checks(NamedTuple):
    """Whether each check passes; None where that is not certain.

    Attributes:
        schema: the file is of the schema.
        schema_named: `$schema` is there and not empty.
        approved_before: `approvedOn` is a day before now.
        two_people: `requestedBy` and `approvedBy` differ.
    """

    schema: bool | None
    schema_named: bool | None
    approved_before: bool | None
    two_people: bool | None


def checks_of(file: ConfigFile, verdict: Verdict, now: datetime) -> Checks:
    """Return what the checks say of a file that PowerShell reads, at a time in UTC."""
    schema = None if verdict.status is None else verdict.status is Status.VALID
    if file.doubt or _by_members(file.value) or _by_members(file.exemption):
        return Checks(schema, None, None, None)
    metadata = member(file.exemption, "metadata")
    named = _filled(member(file.value, "$schema"))
    if _by_members(metadata):
        return Checks(schema, named, None, None)
    approved = _before(member(metadata, "approvedOn"), now)
    return Checks(schema, named, approved, _differ(member(metadata, "requestedBy"), member(metadata, "approvedBy")))


def _by_members(value: Value) -> bool:
    """Whether PowerShell looks up keys in the items of a list: what comes of that is not certain."""
    return isinstance(value, list) and bool(value)


def _filled(value: Value) -> bool | None:
    if value is None or isinstance(value, str):
        return bool(value)
    return True if isinstance(value, int | float) else None  # also false and 0: a text of them is not empty


def _before(value: Value, now: datetime) -> bool | None:
    """Whether a value is a day yyyy-MM-dd whose midnight is before now in UTC."""
    if isinstance(value, list) and value:
        return None
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return False
    try:
        day = date(*map(int, found.groups()))
    except ValueError:
        return False
    return datetime(day.year, day.month, day.day, tzinfo=UTC) < now


def _differ(one: Value, other: Value) -> bool | None:
    """Whether two people differ; what is no text cannot be trimmed, so that the check fails."""
    if isinstance(one, list) or isinstance(other, list):
        return _lists_differ(one, other)
    for value in (one, other):
        if not isinstance(value, str) or json_date(value, _NO_RUNNER) is not None:  # that is read as a date
            return False
    same = same_person(one, other)
    return None if same is None else not same


def _lists_differ(one: Value, other: Value) -> bool | None:
    """Whether lists of people differ: PowerShell compares their items."""
    for value in (one, other):
        if not isinstance(value, str | list):
            return False
    alone = all(isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) for value in (one, other))
    return False if alone and same_person(one[0], other[0]) else None
