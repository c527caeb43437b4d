"""Functions of arrays, and those that take arrays and texts alike. Pure."""

from guardrails.evaluation.functions import units
from guardrails.evaluation.functions.base import MANY, function, integer, is_int, kind, text, unsure
from guardrails.evaluation.functions.comparing import NotCertain, equal
from guardrails.evaluation.functions.objects import intersection_of_objects, union_of_objects
from guardrails.evaluation.functions.texts import cut, index_in_text
from guardrails.evaluation.values import EngineError, Partial, Unknown, Value


@function("createArray", 0, MANY, partial=True)
def _create_array(arguments: list[Value]) -> Value:
    return list(arguments)


@function("array", 1, partial=True)
def _array(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, Unknown):
        return value
    return value if isinstance(value, list) else [value]


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
    return found if units.length(whole) == len(whole) else unsure(f"{name}() of these letters")


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


@function("union", 1, MANY, partial=True)
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
        if name == "union":
            return distinct([item for one in arguments for item in one])
        return distinct([item for item in arguments[0] if all(is_in(item, one) for one in arguments[1:])])
    except NotCertain as doubt:
        return doubt.unknown


def distinct(items: list[Value]) -> list[Value]:
    """Return items without those that equal one before them. Raises NotCertain."""
    found: list[Value] = []
    plain: set[tuple[type, Value]] = set()
    for item in items:
        if isinstance(item, str | bool) or is_int(item):
            key = (str if isinstance(item, str) else type(item), item)
            if key in plain:
                continue
            plain.add(key)
            if not any(isinstance(one, Unknown | float) for one in found):
                found.append(item)
                continue
        if not is_in(item, found):
            found.append(item)
    return found


def is_in(item: Value, items: list[Value]) -> bool:
    """Whether one of the items equals this one. Raises NotCertain."""
    doubt: NotCertain | None = None
    for one in items:
        try:
            if equal(one, item):
                return True
        except NotCertain as found:
            doubt = found
    if doubt is not None:
        raise doubt
    return False


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
