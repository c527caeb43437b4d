"""Functions of arrays, and those that take arrays and texts alike. Pure."""

import json
from typing import Final

from guardrails.evaluation.functions import units
from guardrails.evaluation.functions.base import MANY, function, integer, kind, text, unsure
from guardrails.evaluation.functions.comparing import NotCertain, equal
from guardrails.evaluation.functions.objects import intersection_of_objects, union_of_objects
from guardrails.evaluation.functions.texts import cut, index_in_text
from guardrails.evaluation.values import EngineError, Partial, Unknown, Value, first_unknown


@function("createArray", 0, MANY, partial=True)
def _create_array(arguments: list[Value]) -> Value:
    return list(arguments)


@function("array", 1, partial=True)
def _array(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, Unknown):
        return value
    return unsure("array() of an array") if isinstance(value, list) else [value]


@function("length", 1, partial=True)
def _length(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, Unknown):
        return value
    if isinstance(value, Partial):
        return value.rest
    if isinstance(value, str):
        return units.length(value)
    if isinstance(value, list | dict):
        return len(value)
    raise EngineError(f"length() needs a text, an array or an object, not {kind(value)}")


@function("first", 1, partial=True)
def _first(arguments: list[Value]) -> Value:
    return _end(arguments[0], "first")


@function("last", 1, partial=True)
def _last(arguments: list[Value]) -> Value:
    return _end(arguments[0], "last")


def _end(value: Value, name: str) -> Value:
    if isinstance(value, Unknown):
        return value
    if isinstance(value, str):
        size = units.length(value)
        return cut(value, 0, 1) if name == "first" else cut(value, max(0, size - 1), size)
    if isinstance(value, list):
        return value[0 if name == "first" else -1] if value else None
    raise EngineError(f"{name}() needs a text or an array, not {kind(value)}")


@function("skip", 2, partial=True)
def _skip(arguments: list[Value]) -> Value:
    return _part(arguments, "skip")


@function("take", 2, partial=True)
def _take(arguments: list[Value]) -> Value:
    return _part(arguments, "take")


def _part(arguments: list[Value], name: str) -> Value:
    for argument in arguments:
        if isinstance(argument, Unknown):
            return argument
    value, count = arguments[0], max(0, integer(arguments[1], name))
    if isinstance(value, list):
        return value[count:] if name == "skip" else value[:count]
    if not isinstance(value, str):
        raise EngineError(f"{name}() needs a text or an array, not {kind(value)}")
    size = units.length(value)
    count = min(count, size)
    return cut(value, count, size) if name == "skip" else cut(value, 0, count)


@function("indexOf", 2, partial=True)
def _index_of(arguments: list[Value]) -> Value:
    return _index(arguments, "indexOf")


@function("lastIndexOf", 2, partial=True)
def _last_index_of(arguments: list[Value]) -> Value:
    return _index(arguments, "lastIndexOf")


def _index(arguments: list[Value], name: str) -> Value:
    whole, part = arguments
    if isinstance(whole, list):
        return _index_in_list(whole, part, name)
    for argument in arguments:
        if isinstance(argument, Unknown):
            return argument
    found = index_in_text(text(whole, name), text(part, name), name)
    return found if units.length(whole) == len(whole) else unsure(f"{name}() of these characters")


def _index_in_list(whole: list[Value], part: Value, name: str) -> Value:
    numbers = range(len(whole)) if name == "indexOf" else range(len(whole) - 1, -1, -1)
    for number in numbers:
        try:
            if equal(whole[number], part):
                return number
        except NotCertain as doubt:
            return doubt.unknown
    return -1


@function("flatten", 1, partial=True)
def _flatten(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, Unknown):
        return value
    if not isinstance(value, list):
        raise EngineError(f"flatten() needs an array of arrays, not {kind(value)}")
    found: list[Value] = []
    for item in value:
        if isinstance(item, Unknown):
            return item
        if not isinstance(item, list):
            return unsure("flatten() of an array that holds something else")
        found += item
    return found


@function("union", 2, MANY, partial=True)
def _union(arguments: list[Value]) -> Value:
    return _combined(arguments, "union")


@function("intersection", 2, MANY, partial=True)
def _intersection(arguments: list[Value]) -> Value:
    return _combined(arguments, "intersection")


def _combined(arguments: list[Value], name: str) -> Value:
    for argument in arguments:
        if isinstance(argument, Unknown | Partial):
            return argument.rest if isinstance(argument, Partial) else argument
    if all(isinstance(argument, dict) for argument in arguments):
        return union_of_objects(arguments) if name == "union" else intersection_of_objects(arguments)
    if not all(isinstance(argument, list) for argument in arguments):
        if any(argument is None for argument in arguments):
            return unsure(f"{name}() of null")
        raise EngineError(f"{name}() needs arrays only, or objects only")
    try:
        found = distinct([item for one in arguments for item in one] if name == "union" else arguments[0])
        for one in arguments[1:] if name == "intersection" else ():
            found = Found(one).those_in(found)
    except NotCertain as doubt:
        return doubt.unknown
    return found


class Found:
    """Items, to be asked whether one of them equals another value."""

    def __init__(self, items: list[Value] = []) -> None:  # noqa: B006  it is not changed
        self._keys: set[str] = set()
        self._others: list[Value] = []
        for item in items:
            self.add(item)

    def add(self, item: Value) -> None:
        """Add an item. Raises NotCertain for too many whose equality is not plain."""
        key = _key(item)
        if key is not None:
            self._keys.add(key)
            return
        self._others.append(item)
        if len(self._others) > _MOST_OTHERS:
            raise NotCertain(unsure("so many items that are not known or decimals"))

    def has(self, item: Value) -> bool:
        """Whether an item equals this one. Raises NotCertain where that is not known."""
        key = _key(item)
        if key is not None and key in self._keys:
            return True
        if key is None and self._keys:
            raise NotCertain(first_unknown(item) or unsure("decimals among other items"))
        return any([equal(one, item) for one in self._others])  # noqa: C419  each may be uncertain

    def those_in(self, items: list[Value]) -> list[Value]:
        """Return the items that equal one of these. Raises NotCertain."""
        return [item for item in items if self.has(item)]


_MOST_OTHERS: Final = 100


def _key(value: Value) -> str | None:
    """Return a text that two values share if they are equal; None where equality is not that plain."""
    if isinstance(value, str):
        return f'"{value}'
    if isinstance(value, Unknown | float | Partial):
        return None
    if isinstance(value, list):
        keys = [_key(item) for item in value]
        return None if None in keys else json.dumps(keys)
    if isinstance(value, dict):
        members = {key: _key(item) for key, item in value.items()}
        return None if None in members.values() else json.dumps(members, sort_keys=True)
    return str(value)


def distinct(items: list[Value]) -> list[Value]:
    """Return items without those that equal one before them. Raises NotCertain."""
    seen = Found()
    found: list[Value] = []
    for item in items:
        if not seen.has(item):
            found.append(item)
            seen.add(item)
    return found


@function("distinct", 1, partial=True)
def _distinct(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, Unknown):
        return value
    if not isinstance(value, list):
        raise EngineError(f"distinct() needs an array, not {kind(value)}")
    try:
        return distinct(value)
    except NotCertain as doubt:
        return doubt.unknown
