"""Functions of numbers and truth values. Pure."""

from collections.abc import Callable
from typing import Final

from guardrails.evaluation.functions import characters
from guardrails.evaluation.functions.base import MANY, function, integer, is_int, kind, unsure
from guardrails.evaluation.values import EngineError, Value
from guardrails.lazy_regex import lazy_regex

_INTEGER: Final = lazy_regex(r"[+-]?[0-9]+")
_DECIMAL: Final = lazy_regex(r"[+-]?[0-9]+(\.[0-9]+)?")


def _bounded(number: int, name: str) -> Value:
    return number if -(2**63) <= number < 2**63 else unsure(f"{name}() beyond 64 bits")


def _arithmetic(name: str, compute: Callable[[int, int], int]) -> None:
    @function(name, 2)
    def _compute(arguments: list[Value]) -> Value:
        if any(isinstance(argument, float) for argument in arguments):
            return unsure(f"{name}() of a decimal")
        return _bounded(compute(integer(arguments[0], name), integer(arguments[1], name)), name)


def _quotient(one: int, other: int) -> int:
    if other == 0:
        raise EngineError("div() cannot divide by zero")
    found = abs(one) // abs(other)
    return found if (one < 0) == (other < 0) else -found


def _remainder(one: int, other: int) -> int:
    if other == 0:
        raise EngineError("mod() cannot divide by zero")
    found = abs(one) % abs(other)
    return -found if one < 0 else found


_arithmetic("add", lambda one, other: one + other)
_arithmetic("sub", lambda one, other: one - other)
_arithmetic("mul", lambda one, other: one * other)
_arithmetic("div", _quotient)
_arithmetic("mod", _remainder)


def _extreme(name: str, choose: Callable[[list[int]], int]) -> None:
    @function(name, 1, MANY)
    def _choose(arguments: list[Value]) -> Value:
        if len(arguments) == 1 and not isinstance(arguments[0], list):
            return unsure(f"{name}() of one argument that is no array")
        numbers = arguments[0] if len(arguments) == 1 else arguments
        if not numbers or any(isinstance(number, float | list) for number in numbers):
            return unsure(f"{name}() of nothing, of decimals or of lists")
        return choose([integer(number, name) for number in numbers])


_extreme("min", min)
_extreme("max", max)


@function("int", 1)
def _int(arguments: list[Value]) -> Value:
    value = arguments[0]
    if is_int(value):
        return value
    if isinstance(value, float):
        return unsure("int() of a decimal")
    if not isinstance(value, str):
        raise EngineError(f"int() needs a text or a number, not {kind(value)}")
    if value != value.strip(characters.BLANKS):
        return unsure("int() of a text with blanks")
    if not _INTEGER.fullmatch(value):
        if "," in value:
            return unsure("int() of a text with a comma")
        raise EngineError("int() was given a text that is no integer")
    if len(value) > 20 or not -(2**63) <= int(value) < 2**63:
        raise EngineError("int() was given a number beyond 64 bits")
    return int(value)


@function("float", 1)
def _float(arguments: list[Value]) -> Value:
    value = arguments[0]
    if is_int(value) or isinstance(value, float):
        return float(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value) and len(value) < 17:
        return float(value)
    return unsure(f"float() of {kind(value)} that is no plain number")


@function("bool", 1)
def _bool(arguments: list[Value]) -> Value:
    value = arguments[0]
    if isinstance(value, bool):
        return value
    if is_int(value):
        return value != 0
    if isinstance(value, str):
        found = {"true": True, "false": False}.get(value.strip(characters.BLANKS).lower())
        if found is None and "\0" not in value:
            raise EngineError("bool() was given a text that is neither true nor false")
        return unsure("bool() of this text") if found is None else found
    if isinstance(value, float):
        return unsure("bool() of a decimal")
    raise EngineError(f"bool() needs a text or an integer, not {kind(value)}")


@function("range", 2)
def _range(arguments: list[Value]) -> Value:
    start, count = integer(arguments[0], "range"), integer(arguments[1], "range")
    if not 0 <= count <= 10_000:
        raise EngineError("range() makes 0 to 10000 numbers")
    if start + count > 2_147_483_647 or start < -2_147_483_648:
        raise EngineError("range() makes numbers below 2147483647")
    return list(range(start, start + count))
