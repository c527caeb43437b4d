"""What a sweep finds of an exemption and others (facts.Together): as JSON, and as a part of its token. Pure.

The token of the inventory (guardrails.reconcile.inventory) has a tail where there is anything to report: a name for the
overlap, and one for whether the assignment applies. So a sweep sees by the register's token alone that what it reports
is known.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from guardrails.exemption.body import canonical_json
from guardrails.exemption.facts import NOBODY_LOOKED, Earlier, Outside, Overlap, Together, Unread
from guardrails.exemption.times import parse_time, spell_time

type Json = Mapping[str, Any]

BASE: Final = 28
"""Digits of a token without a tail."""

NAME: Final = 8
"""Digits of each name in a tail."""

NOTHING: Final = "0" * NAME
"""The name for nothing to report, where the other part has one."""

PARTS: Final = ("overlap", "outside")
"""What is reported, in the order of the names in a tail."""

_UNREADABLE: Final = Unread("what the last sweep found of it cannot be read")
_ID: Final = 400
"""Characters that are kept of an id."""

_TEXT: Final = 90
"""Characters that are kept of any other text; of the reason why it is unknown, four times as many."""

_MOST: Final = 10


def names_in(listed: str) -> tuple[str, str]:
    """Return the names in a token's tail, one for each of PARTS; "" for nothing to report."""
    if len(listed) <= BASE:
        return "", ""
    overlap, outside = listed[BASE : BASE + NAME], listed[BASE + NAME :]
    return "" if overlap == NOTHING else overlap, "" if outside == NOTHING else outside


def with_names(listed: str, overlap: str, outside: str) -> str:
    """Return a token with another tail: names for each of PARTS, "" for nothing to report."""
    base = listed if len(listed) == BASE else listed[:BASE]
    return f"{base}{overlap or NOTHING}{outside or NOTHING}" if overlap or outside else base


def name_of(said: object) -> str:
    """Return a name for what is reported, as JSON."""
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:NAME]


def merged(listed: str, said: Json, known: Json) -> Json:
    """Return what is to be kept of an exemption.

    Args:
        listed: the token that a sweep handed over; "" where it was no sweep that did.
        said: what it found: a part whose name is in the token and which is not here is still as the register has it.
        known: what the register has.
    """
    if not listed:
        return known
    kept: dict[str, Any] = {}
    for part, name in zip(PARTS, names_in(listed), strict=True):
        found = said.get(part)
        if not name:
            continue
        if isinstance(found, Mapping) and found.get("name") == name:
            kept[part] = found
        elif part in known:
            kept[part] = known[part]
    return kept


def named(listed: str, kept: Json) -> str:
    """Return a token with the tail that goes with what is kept."""
    overlap, outside = (str(kept[part].get("name", "")) if part in kept else "" for part in PARTS)
    return with_names(listed, overlap, outside)


def to_json(part: Overlap | Outside | Unread | None, name: str = "") -> dict[str, Any]:
    """Return one part as JSON. `name`: its name; made of what it says where none is given."""
    said: dict[str, Any] = {}
    if isinstance(part, Unread):
        said = {"unknown": part.reason[: 4 * _TEXT]}
    elif isinstance(part, Overlap):
        said = {
            "before": [[one.id[:_ID], spell_time(one.written) if one.written else ""] for one in part.others],
            "count": part.count,
            "controls": [one[:_TEXT] for one in part.controls[:_MOST]],
            "policies": part.policies,
            "whole": part.whole,
        }
    elif isinstance(part, Outside):
        groups = [one[:_TEXT] for one in part.groups[:_MOST]]
        said = {"scope": part.scope[:_ID], "notScope": part.not_scope[:_ID], "groups": groups}
    return {"name": name or name_of(said), **said}


def from_json(kept: Json) -> Together:
    """Read what `to_json` wrote, by parts. What cannot be read is Unread."""
    if not kept:
        return NOBODY_LOOKED
    return Together(_overlap(kept.get("overlap")), _outside(kept.get("outside")))


def without(kept: Json, part: str) -> Json:
    """Return what is kept, less one part."""
    return {name: said for name, said in kept.items() if name != part}


def _overlap(said: Any) -> Overlap | Unread | None:
    if said is None or (isinstance(said, Mapping) and said.keys() == {"name"}):  # looked at, and found nothing
        return None
    try:
        if "unknown" in said:
            return Unread(str(said["unknown"]))
        before = tuple(Earlier(str(one), parse_time(time)) for one, time in said["before"])
        controls = tuple(map(str, said["controls"]))
        return Overlap(before, int(said["count"]), controls, int(said["policies"]), bool(said["whole"]))
    except (KeyError, TypeError, ValueError):
        return _UNREADABLE


def _outside(said: Any) -> Outside | Unread | None:
    if said is None:
        return None
    try:
        if "unknown" in said:
            return Unread(str(said["unknown"]))
        return Outside(str(said["scope"]), str(said["notScope"]), tuple(map(str, said["groups"])))
    except (KeyError, TypeError, ValueError):
        return _UNREADABLE
