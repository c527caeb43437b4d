"""Functions of objects. Pure. Keys are found whatever their letter case; objects keep the case they were written in."""

from guardrails.evaluation.functions.base import MANY, function, kind, text, unsure
from guardrails.evaluation.functions.characters import ordinal_key, same_key
from guardrails.evaluation.functions.comparing import NotCertain, equal
from guardrails.evaluation.values import EngineError, Loose, Partial, Unknown, Value


def find_key(whole: dict[str, Value], name: str) -> str | None:
    """Return an object's key of this name: the exact one, else the first in another letter case; None for none."""
    if name in whole:
        return name
    wanted = ordinal_key(name)
    return next((key for key in whole if len(key) == len(name) and ordinal_key(key) == wanted), None)


@function("createObject", 0, MANY, partial=True)
def _create_object(arguments: list[Value]) -> Value:
    if len(arguments) % 2:
        raise EngineError("createObject() needs a value for each key")
    found: dict[str, Value] = {}
    for key, value in zip(arguments[::2], arguments[1::2], strict=True):
        if isinstance(key, Unknown):
            return key
        if text(key, "createObject") in found:
            return unsure("createObject() with one key twice")
        found[key] = value
    return found


def union_of_objects(objects: list[dict[str, Value]]) -> Value:
    """Merge objects deeply, the later over the earlier; a null does not replace. Raises EngineError."""
    found = objects[0]
    for one in objects[1:]:
        merged = _merged(found, one)
        if isinstance(merged, Unknown):
            return merged
        found = merged
    return found


def _merged(base: dict[str, Value], over: dict[str, Value]) -> dict[str, Value] | Unknown:
    found = _copy(base, loose=isinstance(over, Loose))
    for key, value in over.items():
        old = find_key(found, key)
        if old is None:
            found[key] = value
            continue
        if sum(same_key(one, key) for one in found) > 1:
            return unsure("union() of objects with one key in two spellings")
        merged = _merged_value(found[old], value)
        if isinstance(merged, _Unclear):
            return merged.unknown
        if old != key:
            del found[old]
            found = _copy(found, loose=True)
        found[key] = merged
    return found


def _copy(base: dict[str, Value], *, loose: bool) -> dict[str, Value]:
    return Loose(base) if loose or isinstance(base, Loose) else dict(base)


class _Unclear:
    """The whole union is unknown."""

    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown


def _merged_value(old: Value, new: Value) -> "Value | _Unclear":
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return _merged_unknown(old, new)
    if new is None:
        return old
    if isinstance(new, dict):
        if isinstance(old, dict):
            merged = _merged(old, new)
            return _Unclear(merged) if isinstance(merged, Unknown) else merged
        if old is None:
            return _Unclear(unsure("union() of null and an object"))
        raise EngineError(f"union() cannot put an object over {kind(old)}")
    if isinstance(old, dict) or (isinstance(new, list) != isinstance(old, list) and old is not None):
        return _Unclear(unsure(f"union() of {kind(old)} and {kind(new)}"))
    return new


def _merged_unknown(old: Value, new: Value) -> Value:
    """Merge where one side is Unknown. A plain value replaces what was there; an object would be merged with it."""
    if isinstance(new, Unknown):
        return new
    return old if new is None or isinstance(new, dict) else new


def intersection_of_objects(objects: list[dict[str, Value]]) -> Value:
    """Return the keys of the first object that all have with an equal value."""
    found: dict[str, Value] = {}
    for key, value in objects[0].items():
        for other in objects[1:]:
            named = find_key(other, key)
            if named is not None and named != key:
                return unsure("intersection() of objects with a key in two spellings")
            try:
                if named is None or not equal(value, other[named]):
                    break
            except NotCertain as doubt:
                return doubt.unknown
        else:
            found[key] = value
    return found


def _known_object(value: Value, name: str) -> dict[str, Value] | Unknown:
    if isinstance(value, Unknown):
        return value
    if isinstance(value, Partial):
        return value.rest
    if not isinstance(value, dict):
        raise EngineError(f"{name}() needs an object, not {kind(value)}")
    return value


@function("items", 1, partial=True)
def _items(arguments: list[Value]) -> Value:
    found = _known_object(arguments[0], "items")
    if isinstance(found, Unknown):
        return found
    if clash := _tied(found):
        return clash
    return [{"key": key, "value": found[key]} for key in sorted(found, key=ordinal_key)]


@function("objectKeys", 1, partial=True)
def _object_keys(arguments: list[Value]) -> Value:
    found = _known_object(arguments[0], "objectKeys")
    if isinstance(found, Unknown):
        return found
    return _tied(found) or sorted(found, key=ordinal_key)


def _tied(found: dict[str, Value]) -> Unknown | None:
    """Return Unknown where the sort order hangs on the keys' order and that is not known."""
    if isinstance(found, Loose) and len({ordinal_key(key) for key in found}) < len(found):
        return unsure("the order of keys that differ in letter case alone")
    return None


@function("shallowMerge", 1, partial=True)
def _shallow_merge(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, Unknown):
        return value
    if not isinstance(value, list):
        raise EngineError(f"shallowMerge() needs an array of objects, not {kind(value)}")
    found: dict[str, Value] = {}
    for one in value:
        known = _known_object(one, "shallowMerge")
        if isinstance(known, Unknown):
            return known
        spread_into(found, known)
    return Loose(found) if any(isinstance(one, Loose) for one in value) else found


def spread_into(found: dict[str, Value], more: dict[str, Value]) -> None:
    """Put an object's members over those of another, which keep the letter case of their keys."""
    for key, value in more.items():
        old = find_key(found, key)
        found[key if old is None else old] = value


@function("tryGet", 2, MANY, partial=True)
def _try_get(arguments: list[Value]) -> Value:
    value = arguments[0]
    for number, key in enumerate(arguments[1:]):
        if isinstance(value, Unknown):
            return value
        if isinstance(key, Unknown):
            return key
        try:
            found = member(value, key)
        except EngineError:
            return unsure(f"tryGet() of {kind(value)} with {kind(key)}")
        if found is MISSING or value is None:
            return None if number == 0 else unsure("tryGet() of a member that is missing further down")
        if found is None and number < len(arguments) - 2:
            return None if number == 0 else unsure("tryGet() of a null further down")
        value = found
    return value


class _Missing:
    """What is not there."""


MISSING = _Missing()


def member(value: Value, key: Value) -> Value | _Missing:
    """Return an object's member or an array's item; MISSING where there is none. Raises EngineError."""
    if isinstance(value, Partial) and isinstance(key, str):
        name = find_key(value, key)
        return value.rest if name is None else value[name]
    if isinstance(value, dict) and isinstance(key, str):
        name = find_key(value, key)
        return MISSING if name is None else value[name]
    if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if 0 <= key < len(value) else MISSING
    if value is None:
        return MISSING
    raise EngineError(f"{kind(value)} has no member {key!r}" if isinstance(key, str) else f"{kind(value)} has no items")


@function("tryIndexFromEnd", 2, partial=True)
def _try_index_from_end(arguments: list[Value]) -> Value:
    found = from_end(arguments, "tryIndexFromEnd")
    return None if found is MISSING else found


@function("indexFromEnd", 2, partial=True)
def _index_from_end(arguments: list[Value]) -> Value:
    found = from_end(arguments, "indexFromEnd")
    if found is MISSING:
        raise EngineError("the array has no such item, counted from its end")
    return found


def from_end(arguments: list[Value], name: str) -> Value | _Missing:
    """Return an array's item, counted from its end from 1. Raises EngineError for what is no array."""
    value, number = arguments
    if isinstance(value, Unknown) or isinstance(number, Unknown):
        return value if isinstance(value, Unknown) else number
    if value is None and name == "tryIndexFromEnd":
        return None
    if not isinstance(value, list) or not isinstance(number, int) or isinstance(number, bool):
        raise EngineError(f"{name}() needs an array and an integer, not {kind(value)} and {kind(number)}")
    return value[-number] if 1 <= number <= len(value) else MISSING
