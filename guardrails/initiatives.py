"""Initiatives: which policies one holds, as Azure or a file lists them, and the ids of definitions. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from guardrails.facts import Unread

UNSAID: Final = Unread("it does not say which policies it holds")
_CUT: Final = Unread("the list of its policies was cut off; in PowerShell, save it with ConvertTo-Json -Depth 10")
_ODD: Final = Unread("the list of its policies has entries without an id, or one id twice")
_VERSIONED: Final = re.compile(r"(.*)/versions/([^/]+)", re.IGNORECASE | re.DOTALL)


def base_of(definition_id: str) -> str:
    """Return a definition's or an initiative's id with one slash in front, without the version that it may name."""
    text = "/" + definition_id.strip("/ ")
    named = _VERSIONED.fullmatch(text)
    return named[1] if named else text


def version_in(definition_id: str) -> str:
    """Return the version that an id names at its end; "" for none."""
    named = _VERSIONED.fullmatch(definition_id.rstrip("/ "))
    return named[2] if named else ""


def members_of(listed: object) -> Mapping[str, str] | Unread:
    """Return reference id -> definition id, both in lower case, of an initiative's `policyDefinitions`.

    The ids are those of definitions, without a version that they may name.
    Keys count in any casing, and a single policy may stand without its list, as PowerShell unrolls it. Where the list,
    or any entry of it, cannot be read, the members are Unread and never fewer: part of an initiative would look like
    the whole of it.
    """
    if isinstance(listed, Mapping):
        inner = _folded(listed)
        listed = inner["value"] if inner.keys() == {"value", "count"} else [listed]  # Windows PowerShell wraps lists so
    if not isinstance(listed, list) or any(isinstance(one, str) for one in listed):
        return _CUT if listed and isinstance(listed, str | list) else UNSAID
    members: dict[str, str] = {}
    for one in listed:
        entry = _folded(one) if isinstance(one, Mapping) else {}
        reference, definition = entry.get("policydefinitionreferenceid"), entry.get("policydefinitionid")
        if not (
            isinstance(reference, str) and isinstance(definition, str) and reference.strip() and definition.strip()
        ):
            return _ODD
        members[reference.lower()] = base_of(definition).lower()
    return _ODD if len(members) < len(listed) else members or UNSAID


def _folded(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in entry.items()}
