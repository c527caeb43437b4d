"""Functions that take lambdas. Pure."""

from collections.abc import Callable
from functools import cmp_to_key
from typing import Final

from guardrails.evaluation.frames import Closure
from guardrails.evaluation.functions.base import Function, kind, unsure
from guardrails.evaluation.functions.characters import ordinal_key
from guardrails.evaluation.values import EngineError, Unknown, Value

LAMBDAS: Final[dict[str, Function]] = {}
"""Functions that take lambdas, by name in lower case."""
_STABLE: Final = 16
"""Items of a list up to which .NET's sorting keeps the order of equal ones."""


type _Compute = Callable[[list[Value]], Value]


def _lambda_function(name: str, least: int, most: int | None = None) -> Callable[[_Compute], _Compute]:
    def declare(compute: _Compute) -> _Compute:
        LAMBDAS[name.lower()] = Function(name, least, least if most is None else most, compute, partial=True)
        return compute

    return declare


def _list(value: Value, name: str) -> list[Value]:
    if not isinstance(value, list):
        raise EngineError(f"{name}() needs an array, not {kind(value)}")
    return value


def _closure(value: Value, name: str, *arities: int) -> Closure:
    if not isinstance(value, Closure) or value.arity not in arities:
        raise EngineError(f"{name}() needs a lambda with {' or '.join(map(str, arities))} variables")
    return value


@_lambda_function("map", 2)
def _map(arguments: list[Value]) -> Value:
    items, each = _list(arguments[0], "map"), _closure(arguments[1], "map", 1, 2)
    return [each(item, number) for number, item in enumerate(items)]


@_lambda_function("filter", 2)
def _filter(arguments: list[Value]) -> Value:
    items, wanted = _list(arguments[0], "filter"), _closure(arguments[1], "filter", 1, 2)
    found: list[Value] = []
    for number, item in enumerate(items):
        kept = wanted(item, number)
        if isinstance(kept, Unknown):
            return kept
        if not isinstance(kept, bool):
            raise EngineError(f"the lambda of filter() gives {kind(kept)}, not true or false")
        if kept:
            found.append(item)
    return found


@_lambda_function("reduce", 3)
def _reduce(arguments: list[Value]) -> Value:
    items, each = _list(arguments[0], "reduce"), _closure(arguments[2], "reduce", 2, 3)
    value = arguments[1]
    for number, item in enumerate(items):
        value = each(value, item, number)
    return value


@_lambda_function("mapValues", 2)
def _map_values(arguments: list[Value]) -> Value:
    whole, each = arguments[0], _closure(arguments[1], "mapValues", 1)
    if not isinstance(whole, dict):
        raise EngineError(f"mapValues() needs an object, not {kind(whole)}")
    return type(whole)({key: each(value) for key, value in whole.items()})


@_lambda_function("toObject", 2, 3)
def _to_object(arguments: list[Value]) -> Value:
    items, key_of = _list(arguments[0], "toObject"), _closure(arguments[1], "toObject", 1)
    value_of = _closure(arguments[2], "toObject", 1) if len(arguments) == 3 else None
    found: dict[str, Value] = {}
    seen: set[bytes] = set()
    for item in items:
        key = _key(key_of(item), "toObject")
        if isinstance(key, Unknown):
            return key
        folded = ordinal_key(key)
        if folded in seen:
            raise EngineError(f"toObject() was given the key {key[:60]!r} twice")
        seen.add(folded)
        found[key] = item if value_of is None else value_of(item)
    return found


@_lambda_function("groupBy", 2, 3)
def _group_by(arguments: list[Value]) -> Value:
    items, key_of = _list(arguments[0], "groupBy"), _closure(arguments[1], "groupBy", 1)
    value_of = _closure(arguments[2], "groupBy", 1) if len(arguments) == 3 else None
    found: dict[str, list[Value]] = {}
    names: dict[bytes, str] = {}
    for item in items:
        key = _key(key_of(item), "groupBy")
        if isinstance(key, Unknown):
            return key
        name = names.setdefault(ordinal_key(key), str(key))
        found.setdefault(name, []).append(item if value_of is None else value_of(item))
    return found


def _key(value: Value, name: str) -> str | Unknown:
    if isinstance(value, Unknown | str):
        return value
    raise EngineError(f"the lambda of {name}() gives {kind(value)}, not a text")


class _Doubt(Exception):
    """The order of two items is not known."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.reason)
        self.unknown = unknown


@_lambda_function("sort", 2)
def _sort(arguments: list[Value]) -> Value:
    items, before = _list(arguments[0], "sort"), _closure(arguments[1], "sort", 2)
    ties = False

    def first(one: Value, other: Value) -> bool:
        found = before(one, other)
        if isinstance(found, Unknown):
            raise _Doubt(found)
        if not isinstance(found, bool):
            raise EngineError(f"the lambda of sort() gives {kind(found)}, not true or false")
        return found

    def compare(one: Value, other: Value) -> int:
        nonlocal ties
        forward, backward = first(one, other), first(other, one)
        if forward and backward and one != other:
            raise _Doubt(unsure("sort() with a lambda that puts each of two items first"))
        ties = ties or (forward == backward and one != other)
        return forward * -1 or backward * 1

    try:
        found = sorted(items, key=cmp_to_key(compare))
    except _Doubt as doubt:
        return doubt.unknown
    if ties and len(items) > _STABLE:
        return unsure("sort() of so many items of which some are equal")
    return found
