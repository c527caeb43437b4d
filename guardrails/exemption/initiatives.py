"""Initiatives: which policies one holds, as Azure or a file lists them; policies, and the ids of definitions. Pure."""

import re
from collections.abc import Mapping
from sys import intern
from typing import Any, Final

from guardrails.exemption.facts import Grouping, Policy, Unread
from guardrails.lazy_regex import lazy_regex

UNSAID: Final = Unread("it does not list its policies")
_CUT: Final = Unread("the list of its policies was cut off; in PowerShell, save it with ConvertTo-Json -Depth 10")
_MALFORMED: Final = Unread("the list of its policies has entries without an id, or one id twice")
_NO_METADATA: Final = Unread("its metadata is not an object; in PowerShell, save it with ConvertTo-Json -Depth 10")
_GROUPS: Final = Unread("the groups of its policies are not lists of names")
_GROUPS_CUT: Final = Unread(
    "the groups of its policies were cut off; in PowerShell, save it with ConvertTo-Json -Depth 10"
)
_MOST_GROUPED: Final = 50_000
"""Pairs of a policy and a group: Azure's own initiatives have 3,475 at most."""
_LONGEST_NAME: Final = 128
_NO_EFFECT: Final = Unread("the definition has no default effect")
_PARAMETER: Final = lazy_regex(r"\[\s*parameters\(\s*'([^']+)'\s*\)\s*\]", re.IGNORECASE)
_SILENT: Final = Unread("it has neither metadata nor a rule")
_POLICY: Final = lazy_regex(
    r"(?:/subscriptions/[^/]+|/providers/microsoft\.management/managementgroups/[^/]+)?"
    r"/providers/microsoft\.authorization/policydefinitions/[^/]+"
)
_VERSIONED: Final = lazy_regex(r"(.*)/versions/([^/]+)", re.IGNORECASE | re.DOTALL)


def base_of(definition_id: str) -> str:
    """Return a definition's or an initiative's id with one slash in front, without the version that it may name."""
    text = "/" + definition_id.strip("/ ")
    named = _VERSIONED.fullmatch(text)
    return named[1] if named else text


def version_in(definition_id: str) -> str:
    """Return the version that an id names at its end; "" for none."""
    named = _VERSIONED.fullmatch(definition_id.rstrip("/ "))
    return named[2] if named else ""


def is_policy(key: str) -> bool:
    """Whether a lower-case id, as `base_of` returns it, is that of a policy definition and leads nowhere else."""
    return _POLICY.fullmatch(key) is not None and key.isprintable() and not {".", ".."}.intersection(key.split("/"))


def policy_of(said: Mapping[str, Any]) -> Policy | Unread:
    """Return what the properties of a policy definition say of it, or a row with its metadata; keys in any case.

    Metadata that is null says nothing. Where it is absent and the rule is, too, the definition was not read whole.
    """
    folded = _folded(said)
    metadata = folded.get("metadata")
    if isinstance(metadata, Mapping):
        said = _folded(metadata)
        category, severity = said.get("category"), said.get("severity")
        severity = str(severity) if isinstance(severity, int | float) else severity  # some write `"severity": 8`
        return Policy(*(text if isinstance(text, str) else "" for text in (category, severity)))
    if metadata is not None:
        return _NO_METADATA
    return Policy() if folded.keys() & {"metadata", "policyrule"} else _SILENT


def members_of(listed: object) -> Mapping[str, str] | Unread:
    """Return reference id -> definition id, both in lower case, of an initiative's `policyDefinitions`.

    The ids are those of definitions, without a version that they may name.
    Keys count in any casing, and a single policy may come without its list, as PowerShell unrolls it. Where the list,
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
            return _MALFORMED
        members[reference.lower()] = base_of(definition).lower()
    return _MALFORMED if len(members) < len(listed) else members or UNSAID


def effect_of(said: Mapping[str, Any]) -> str | Unread:
    """Return the effect that a policy definition has by default, by its properties; keys in any case."""
    folded = _folded(said)
    effect = _inner(_inner(folded.get("policyrule")).get("then")).get("effect")
    named = _PARAMETER.fullmatch(effect) if isinstance(effect, str) else None
    if named:
        effect = _inner(_inner(folded.get("parameters")).get(named[1].lower())).get("defaultvalue")
    return effect if isinstance(effect, str) and effect else _NO_EFFECT


def _inner(value: object) -> dict[str, Any]:
    return _folded(value) if isinstance(value, Mapping) else {}


def grouping_of(listed: object, groups: object) -> Grouping | Unread:
    """Return which groups an initiative's `policyDefinitions` are in, by their `groupNames`; none where it has none.

    `groups`: its `policyDefinitionGroups`, for what groups are called. Where these were removed, or are malformed, the
    names stay as they are. Keys in any case; names are cut short.
    """
    if isinstance(listed, Mapping):
        inner = _folded(listed)
        listed = inner["value"] if inner.keys() == {"value", "count"} else [listed]
    if not isinstance(listed, list):
        return UNSAID
    found: dict[str, tuple[str, ...]] = {}
    pairs = 0
    for one in listed:
        entry = _folded(one) if isinstance(one, Mapping) else {}
        names = _names(entry.get("groupnames"))
        if isinstance(names, Unread):
            return names
        pairs += len(names)
        if pairs > _MOST_GROUPED:
            return Unread(f"its groups list policies more than {_MOST_GROUPED:,} times")
        if names:
            found[str(entry.get("policydefinitionreferenceid")).lower()] = names
    return Grouping(found, _titles(groups))


def _names(listed: object) -> tuple[str, ...] | Unread:
    if listed is None or listed == "":
        return ()
    if isinstance(listed, str):
        return _GROUPS_CUT if listed.startswith(("System.", "@{")) else (intern(listed.strip()[:_LONGEST_NAME]),)
    if not isinstance(listed, list) or not all(isinstance(one, str) and one.strip() for one in listed):
        return _GROUPS
    return tuple(dict.fromkeys(intern(one.strip()[:_LONGEST_NAME]) for one in listed))


def _titles(groups: object) -> dict[str, str]:
    found = {}
    for one in groups if isinstance(groups, list) else ():
        entry = _folded(one) if isinstance(one, Mapping) else {}
        name, title = entry.get("name"), entry.get("displayname")
        if isinstance(name, str) and isinstance(title, str) and title.strip() not in ("", name.strip()):
            found[name.strip()[:_LONGEST_NAME]] = title.strip()[:_LONGEST_NAME]
    return found


def _folded(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in entry.items()}
