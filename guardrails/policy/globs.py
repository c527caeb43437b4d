"""Globs of a ruleset as conditions on the id of the exemption that is written. Pure.

A glob of an override or an exclusion covers the ids that it matches and all below them (guardrails.exemption.patterns);
Azure's `like` takes one `*`, which is any text. So some globs have no exact condition, and get one that covers more.
"""

from collections.abc import Iterable
from datetime import datetime

from guardrails.exemption.patterns import pieces, start_of
from guardrails.rules.control import ID, Condition, around, every, some
from guardrails.ruleset.model import Exclusion


def covers(glob: str) -> Condition | None:
    """Return the condition that an id is matched by a glob or is below what it matches; None where there is none."""
    texts, plain = pieces(glob.rstrip("/"))
    if not plain:
        return None
    match texts:
        case [whole]:
            return some(({**ID, "equals": whole}, {**ID, "like": f"{whole}/*"}))
        case ["", middle, ""] if middle:
            return {**ID, "contains": middle}
        case [start, ""]:
            return {**ID, "like": f"{start}*"}
        case ["", end]:
            return _ends(ID, end)
        case [start, end]:
            return every(({**ID, "like": f"{start}*"}, _ends(_after(start), end)))
        case [start, middle, ""]:
            return every(({**ID, "like": f"{start}*"}, {**_after(start), "contains": middle}))
    return None


def _after(start: str) -> Condition:
    """Return the rest of the id after its first characters, as the subject of a condition."""
    return {"value": f"[skip(coalesce(field('id'),''),{len(start)})]"}


def _ends(subject: Condition, end: str) -> Condition:
    return some(({**subject, "like": f"*{end}"}, {**subject, "contains": f"{end}/"}))


def outside(glob: str) -> Condition:
    """Return a condition that holds nowhere where the glob covers an id; it may fail elsewhere too."""
    return {"not": covers(glob) or around(glob.rstrip("/"))}


def may_meet(one: str, other: str) -> bool:
    """Whether two globs may cover one id: the text before the first wildcard of one begins that of the other."""
    start, other_start = (start_of(glob.rstrip("/").lower()) for glob in (one, other))
    return start.startswith(other_start) or other_start.startswith(start)


def not_excluded(exclusions: Iterable[Exclusion]) -> list[Condition]:
    """Return the conditions that no exclusion covers the id now."""
    found = []
    for one in exclusions:
        condition = outside(one.pattern.text)
        if one.expires is not None:
            over = {"value": "[utcNow()]", "greaterOrEquals": _as_azure(one.expires)}
            condition = some((condition, over))
        found.append(condition)
    return found


def _as_azure(time: datetime) -> str:
    """Return a UTC time as utcNow() writes it, with seven decimals: texts of that form sort by time."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "0Z")
