"""How far an exemption reaches: which policies of an initiative it exempts, and for what. Not a rule.

Resource selectors, as Microsoft Learn describes them: conditions in one selector must all hold, and a resource matches
when any one selector does. https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from guardrails.exemption import Exemption

REFERENCE = "policydefinitionreferenceid"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a resource selector: its kind in lower case, and the values that it takes in or leaves out."""

    kind: str
    within: tuple[str, ...] | None
    without: tuple[str, ...] | None


def selectors_of(exemption: Exemption) -> list[list[Condition]] | None:
    """Return the conditions of each resource selector; None where they cannot be read."""
    read = []
    for selector in exemption.selectors:
        conditions = _folded(selector).get("selectors") or []
        if isinstance(conditions, Mapping):
            conditions = [conditions]
        if not isinstance(conditions, list):
            return None
        group = []
        for condition in conditions:
            if not isinstance(condition, Mapping):
                return None
            said = _folded(condition)
            group.append(
                Condition(str(said.get("kind") or "").lower(), _values(said.get("in")), _values(said.get("notin")))
            )
        read.append(group)
    return read


def _folded(value: Mapping[str, object]) -> dict[str, object]:
    return {str(key).lower(): item for key, item in value.items()}


def _values(value: object) -> tuple[str, ...] | None:
    """Return the values of `in` or `notIn`, lower case; None where it is absent."""
    if isinstance(value, str):
        return (value.lower(),)
    return tuple(str(item).lower() for item in value) if isinstance(value, list) else None


def narrows(groups: list[list[Condition]]) -> bool:
    """Return whether each selector picks policies of the initiative, so that none leaves all of them exempted."""
    return bool(groups) and all(any(c.kind == REFERENCE for c in group) for group in groups)


def exempted(exemption: Exemption, groups: list[list[Condition]], members: Mapping[str, str]) -> set[str]:
    """Return the lower-cased reference ids among `members` that the exemption switches off for some resource."""
    ids = {name.lower() for name in exemption.reference_ids} & members.keys() if exemption.reference_ids else {*members}
    if not groups:
        return ids
    found: set[str] = set()
    for group in groups:
        left = set(ids)
        for condition in group:
            if condition.kind == REFERENCE:
                if condition.within is not None:
                    left.intersection_update(condition.within)
                if condition.without is not None:
                    left.difference_update(condition.without)
        found |= left
    return found


@lru_cache(maxsize=256)
def globs(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return one pattern for globs on ids: `*` is any text, case does not matter, a last slash neither."""
    return re.compile("|".join(translate(glob.rstrip("/")) for glob in patterns), re.IGNORECASE)
