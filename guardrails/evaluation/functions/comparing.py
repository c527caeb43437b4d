"""Functions that compare: equality, order, and the logical ones. Pure."""

from guardrails.evaluation.functions import characters
from guardrails.evaluation.functions.base import MANY, function, is_int, kind, unsure
from guardrails.evaluation.values import EngineError, Partial, Unknown, Value, first_unknown


class NotCertain(Exception):
    """Whether two values are equal is not known. `unknown`: why."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.reason)
        self.unknown = unknown


def equal(one: Value, other: Value) -> bool:
    """Whether the engine takes two values for equal: kinds and letter case count, the order of keys does not.

    Raises NotCertain where an Unknown in them decides, or where a decimal is compared with an integer.
    """
    doubts: list[Unknown] = []
    found = _equal(one, other, doubts)
    if found and doubts:
        raise NotCertain(doubts[0])
    return found


def _equal(one: Value, other: Value, doubts: list[Unknown]) -> bool:
    """Whether two values may be equal; what is not certain is added to `doubts`."""
    if isinstance(one, Unknown | Partial) or isinstance(other, Unknown | Partial):
        doubts.append(first_unknown([one, other]) or unsure("this comparison"))
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_equal(a, b, doubts) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(key in other and _equal(one[key], other[key], doubts) for key in one)
    if isinstance(one, float) or isinstance(other, float):
        return _equal_decimals(one, other, doubts)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return _same_kind(one, other) and bool(one == other)


def _same_kind(one: Value, other: Value) -> bool:
    return isinstance(one, str) == isinstance(other, str) and is_int(one) == is_int(other)


def _equal_decimals(one: Value, other: Value, doubts: list[Unknown]) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other
    if not (is_int(one) or is_int(other)) or one != other:
        return False
    doubts.append(unsure("an integer compared with a decimal"))
    return True


@function("equals", 2, partial=True)
def _equals(arguments: list[Value]) -> Value:
    try:
        return equal(*arguments)
    except NotCertain as doubt:
        return doubt.unknown


@function("less", 2)
def _less(arguments: list[Value]) -> Value:
    order = _order(arguments, "less")
    return order if isinstance(order, Unknown) else order < 0


@function("lessOrEquals", 2)
def _less_or_equals(arguments: list[Value]) -> Value:
    order = _order(arguments, "lessOrEquals")
    return order if isinstance(order, Unknown) else order <= 0


@function("greater", 2)
def _greater(arguments: list[Value]) -> Value:
    order = _order(arguments, "greater")
    return order if isinstance(order, Unknown) else order > 0


@function("greaterOrEquals", 2)
def _greater_or_equals(arguments: list[Value]) -> Value:
    order = _order(arguments, "greaterOrEquals")
    return order if isinstance(order, Unknown) else order >= 0


def _order(arguments: list[Value], name: str) -> int | Unknown:
    one, other = arguments
    if is_int(one) and is_int(other):
        return int(one > other) - int(one < other)
    if isinstance(one, str) and isinstance(other, str):
        try:
            return characters.compare(one, other)
        except characters.Uncertain:
            return unsure("the order of these texts")
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if numbers and not isinstance(one, bool) and not isinstance(other, bool):
        return unsure("the order of decimals")
    raise EngineError(f"{name}() compares two integers or two texts, not {kind(one)} and {kind(other)}")


@function("not", 1)
def _not(arguments: list[Value]) -> Value:
    return not truth(arguments[0], "not")


def truth(value: Value, name: str) -> bool:
    """Return a value that must be true or false. Raises EngineError."""
    if not isinstance(value, bool):
        raise EngineError(f"{name}() needs true or false, not {kind(value)}")
    return value


@function("true", 0)
def _true(arguments: list[Value]) -> Value:  # noqa: ARG001  as all implementations
    return True


@function("false", 0)
def _false(arguments: list[Value]) -> Value:  # noqa: ARG001  as all implementations
    return False


@function("null", 0)
def _null(arguments: list[Value]) -> Value:  # noqa: ARG001  as all implementations
    return None


@function("empty", 1, partial=True)
def _empty(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, Unknown):
        return value
    if value is None:
        return True
    if isinstance(value, Partial):
        return False if value else value.rest
    if isinstance(value, str | list | dict):
        return not value
    raise EngineError(f"empty() needs a text, an array or an object, not {kind(value)}")


@function("contains", 2, partial=True)
def _contains(arguments: list[Value]) -> Value:
    whole, part = arguments
    if isinstance(whole, Unknown):
        return whole
    if isinstance(whole, list):
        return _list_contains(whole, part)
    if isinstance(part, Unknown):
        return part
    if isinstance(whole, dict) and isinstance(part, str):
        found = any(characters.same_key(key, part) for key in whole)
        return whole.rest if not found and isinstance(whole, Partial) else found
    if isinstance(whole, str) and isinstance(part, str):
        return part in whole
    return unsure(f"contains() of {kind(whole)} and {kind(part)}")


def _list_contains(whole: list[Value], part: Value) -> Value:
    doubt: Unknown | None = None
    for item in whole:
        try:
            if equal(item, part):
                return True
        except NotCertain as found:
            doubt = found.unknown
    return False if doubt is None else doubt


@function("and", 1, MANY, partial=True)
def _and(arguments: list[Value]) -> Value:
    return _decide(arguments, "and", decisive=False)


@function("or", 1, MANY, partial=True)
def _or(arguments: list[Value]) -> Value:
    return _decide(arguments, "or", decisive=True)


def _decide(arguments: list[Value], name: str, *, decisive: bool) -> Value:
    doubt: Unknown | None = None
    decided = not decisive
    for argument in arguments:
        if isinstance(argument, Unknown):
            doubt = doubt or argument
        elif truth(argument, name) is decisive:
            decided = decisive
    return doubt if doubt is not None and decided is not decisive else decided
