"""Versions of policy definitions and initiatives: which there are, and which one an assignment uses.

`definitionVersion` of assignments, `version` and `versions` of definitions, and `NAME/versions` are there since
api-version 2023-04-01, `$expand` since 2024-05-01 (Azure/bicep-types-az, types.md of microsoft.authorization for
2023-04-01, 2024-04-01 and 2024-05-01). That older ones take no notice of `$expand` is a guess.

A pin has a number or `*` in each of its three places. With `-preview` it takes previews and nothing else, without it no
preview: ARM stays at 1.3.0-preview where 1.4.0 is out (Azure/Azure-Landing-Zones 4190), and finds nothing for `1.*.*`
where there is just a preview (Azure/Enterprise-Scale 2038).
"""

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from sandbox.arm.errors import ArmError, bad_content
from sandbox.arm.store import Entry, Json, Store
from sandbox.arm.target import ASSIGNMENTS, DEFINITIONS, SET_DEFINITIONS, VERSIONS, Target, parse

PINNED: Final = "2023-04-01"
EXPANDED: Final = "2024-05-01"
INSTANCED: Final = "2025-11-01"
FIRST: Final = "1.0.0"

_WRITTEN: Final = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")
_NUMBER: Final = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-.*)?")
_DEFINITIONS: Final = (DEFINITIONS, SET_DEFINITIONS)
_SINCE_PINNED: Final = ("definitionVersion", "version", "versions")


def own(definition: Entry) -> str:
    """Return the version of a definition's own body, which is its latest."""
    return str(_properties(definition).get("version") or FIRST)


def numbers(store: Store, definition: Entry) -> list[str]:
    """Return a definition's versions, newest first: its own, those that were seeded, those that it lists itself."""
    seeded = (one.target.name for one in store.versions.get(definition.target.key, {}).values())
    listed = _properties(definition).get("versions")
    named = map(str, listed) if isinstance(listed, list) else ()
    return sorted(dict.fromkeys([own(definition), *seeded, *named]), key=_order, reverse=True)


def find(store: Store, target: Target) -> Entry | None:
    """Return what is at a target; a version that was not seeded is what its definition has to say of its own."""
    definition = store.get(target.scope_key) if target.type_key in VERSIONS else None
    if target.key in store.entries or definition is None or target.name.lower() != own(definition).lower():
        return store.get(target.key)
    kept = {key: value for key, value in _properties(definition).items() if key != "versions"}
    return Entry(target, {"properties": {**kept, "version": own(definition)}}, definition.system)


def unseeded(store: Store) -> Iterator[Entry]:
    """Yield the own versions of definitions, where they were not seeded."""
    for entry in list(store.entries.values()):
        if entry.target.type_key in _DEFINITIONS:
            target = parse(f"{entry.target.id}/versions/{own(entry)}")
            if target.key not in store.entries and (found := find(store, target)):
                yield found


def every(store: Store, definition: Entry) -> list[Entry]:
    """Return the versions of a definition that can be read, in the order of their ids."""
    ids = sorted(f"{definition.target.id}/versions/{number}" for number in numbers(store, definition))
    return [found for identity in ids if (found := find(store, parse(identity)))]


def assigned(store: Store, properties: Json) -> tuple[Entry | None, str]:
    """Return the definition that an assignment's properties name, where it is there, and the pin, "" for none."""
    try:
        target, wanted = parse(str(properties.get("policyDefinitionId"))), properties.get("definitionVersion")
    except ArmError:
        return None, ""
    if target.type_key in VERSIONS:
        target, wanted = parse(target.scope), target.name
    return store.get(target.key), str(wanted or "")


def chosen(store: Store, definition: Entry, wanted: str) -> str:
    """Return the newest version that a pin matches, without one the latest; "" where there is none."""
    if not wanted:
        return own(definition)
    return next((number for number in numbers(store, definition) if _matches(wanted, number)), "")


def check(target: Target, properties: Json) -> None:
    """Check a version that is being written. Raises ArmError 400; the specification has the form of the name."""
    if not _WRITTEN.fullmatch(target.name):
        raise bad_content(f"The version '{target.name}' must have the form x.y.z, three numbers")
    if properties.get("version", target.name) != target.name:
        raise bad_content(f"The version must be '{target.name}', as in the id. Path 'properties.version'")


def write(store: Store, version: Entry) -> None:
    """Put a version of a definition in place. That the newest becomes what the definition itself says is a guess."""
    definition = store.entries[version.target.scope_key]
    latest, number = own(definition), version.target.name
    if _order(number) < _order(latest):
        store.put(version)
    else:
        if number != latest and (before := find(store, parse(f"{definition.target.id}/versions/{latest}"))):
            store.put(before)
        _say(store, definition, version)


def drop(store: Store, target: Target) -> None:
    """Remove a version; what was the newest one but it is what its definition says from then on.

    Raises ArmError 403 for what a built-in definition says itself, 400 for the only version of a custom one.
    """
    if target.built_in and target.key not in store.entries:
        raise ArmError(403, "AuthorizationFailed", "Built-in definitions cannot be changed.")
    definition, older = store.get(target.scope_key), store.versions.get(target.scope_key, {})
    rest = [entry for key, entry in older.items() if key != target.key]
    if definition and not target.built_in and target.name == own(definition):
        if not rest:
            raise bad_content(f"The definition '{definition.target.id}' has no other version")
        newest = max(rest, key=lambda entry: _order(entry.target.name))
        _say(store, definition, newest)
        store.remove(newest.target.key)
    store.remove(target.key)


def _say(store: Store, definition: Entry, version: Entry) -> None:
    said = {"properties": {**_properties(version), "version": version.target.name}}
    store.put(Entry(definition.target, {**definition.body, **said}, definition.system))
    if version.target.key in store.entries:
        store.put(version)


def members(store: Store, definition: Entry, number: str) -> list[Json]:
    """Return the policies of a version of an initiative."""
    found = find(store, parse(f"{definition.target.id}/versions/{number}")) if number else None
    return (_properties(found).get("policyDefinitions") or []) if found else []


def settle(store: Store, target: Target, properties: Json) -> None:
    """Put into properties that are being written what Azure decides by itself.

    A custom definition is at 1.0.0, whatever it says (Azure/enterprise-azure-policy-as-code 768), or at its newest
    version, if some were written (a guess). An assignment that
    names no version is pinned to the major one (the specification's example createPolicyAssignmentWithoutEnforcement,
    2025-03-01).
    """
    if target.type_key in _DEFINITIONS:
        before = store.get(target.key)
        properties["version"] = own(before) if before and store.versions.get(target.key) else FIRST
        properties.pop("versions", None)
    elif target.type_key == ASSIGNMENTS:
        _pin(store, properties)


def _pin(store: Store, properties: Json) -> None:
    definition, given = assigned(store, properties)
    if definition and not given:
        number, dash, state = own(definition).partition("-")
        properties["definitionVersion"] = f"{number.partition('.')[0]}.*.*{dash}{state}"


def shown(store: Store, entry: Entry, version: str = "9", expand: str = "") -> Json:
    """Return the properties of an assignment, definition or version of one, as an api-version shows them.

    Args:
        expand: the value of `$expand`.
    """
    properties, kind = dict(_properties(entry)), entry.target.type_key
    if kind in _DEFINITIONS:
        properties |= {"version": own(entry), "versions": numbers(store, entry)}
    if version < INSTANCED:
        properties.pop("instanceId", None)
    if version < PINNED:
        return {key: value for key, value in properties.items() if key not in _SINCE_PINNED}
    if kind == ASSIGNMENTS and version >= EXPANDED and expand:
        properties |= _expanded(store, properties, {one.strip().lower() for one in expand.split(",")})
    return properties


def _expanded(store: Store, properties: Json, wanted: set[str]) -> Json:
    definition, given = assigned(store, properties)
    if definition is None:
        return {}
    found = {"latestDefinitionVersion": own(definition), "effectiveDefinitionVersion": chosen(store, definition, given)}
    return {key: value for key, value in found.items() if value and key.lower() in wanted}


def _properties(entry: Entry) -> Json:
    return entry.body.get("properties") or {}


def _order(number: str) -> tuple[tuple[int, ...], bool, str]:
    parts = _NUMBER.fullmatch(number)
    if not parts:
        return (), False, number
    return tuple(map(int, parts.groups()[:3])), not parts[4], number


def _matches(wanted: str, number: str) -> bool:
    (pattern, _, state), (given, _, found) = (text.lower().partition("-") for text in (wanted, number))
    pairs = zip_longest(pattern.split("."), given.split("."))
    return state == found and all(one == other or bool(one == "*" and other) for one, other in pairs)
