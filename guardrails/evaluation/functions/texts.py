"""Functions of texts. Pure."""

import re

from guardrails.evaluation.functions import characters, units
from guardrails.evaluation.functions.base import (
    LONGEST_TEXT,
    MANY,
    TOO_LONG,
    function,
    integer,
    is_int,
    kind,
    text,
    unsure,
)
from guardrails.evaluation.functions.formatting import plain
from guardrails.evaluation.values import EngineError, Unknown, Value


@function("toLower", 1)
def _to_lower(arguments: list[Value]) -> Value:
    try:
        return characters.lower(text(arguments[0], "toLower"))
    except characters.Uncertain:
        return unsure("toLower() of these characters")


@function("toUpper", 1)
def _to_upper(arguments: list[Value]) -> Value:
    try:
        return characters.upper(text(arguments[0], "toUpper"))
    except characters.Uncertain:
        return unsure("toUpper() of these characters")


@function("trim", 1)
def _trim(arguments: list[Value]) -> Value:
    return text(arguments[0], "trim").strip(characters.BLANKS)


@function("startsWith", 2)
def _starts_with(arguments: list[Value]) -> Value:
    return _at_end(arguments, "startsWith")


@function("endsWith", 2)
def _ends_with(arguments: list[Value]) -> Value:
    return _at_end(arguments, "endsWith")


def _at_end(arguments: list[Value], name: str) -> Value:
    whole, part = (characters.without_ignorable(text(argument, name)) for argument in arguments)
    if whole == part or not part:
        return True
    if "\r" in whole or "\r" in part:
        return unsure(f"{name}() of a text with a carriage return")
    try:
        whole, part = characters.folded(whole), characters.folded(part)
    except characters.Uncertain:
        return unsure(f"{name}() of these characters")
    return whole.startswith(part) if name == "startsWith" else whole.endswith(part)


def index_in_text(whole: str, part: str, name: str) -> Value:
    """Return where a text first (`indexOf`) or last (`lastIndexOf`) holds another, -1 where it does not."""
    if not characters.without_ignorable(part):
        return (
            _index_of_nothing(whole, name) if name == "indexOf" or not part else unsure("such a text in lastIndexOf()")
        )
    if "\r" in whole or "\r" in part:
        return unsure(f"{name}() of a text with a carriage return")
    try:
        return characters.index_of(whole, part) if name == "indexOf" else characters.last_index_of(whole, part)
    except characters.Uncertain:
        return unsure(f"{name}() of these characters")


def _index_of_nothing(whole: str, name: str) -> Value:
    if name == "indexOf":
        return 0
    return len(whole) - 1 if whole.isascii() and whole else unsure("lastIndexOf() of an empty text")


@function("replace", 3)
def _replace(arguments: list[Value]) -> Value:
    whole, old, new = (text(argument, "replace") for argument in arguments)
    if not old:
        raise EngineError("replace() cannot look for an empty text")
    if len(whole) + whole.count(old) * len(new) > LONGEST_TEXT:
        return TOO_LONG
    return whole.replace(old, new)


@function("split", 2)
def _split(arguments: list[Value]) -> Value:
    whole = text(arguments[0], "split")
    given = arguments[1] if isinstance(arguments[1], list) else [arguments[1]]
    if not all(isinstance(one, str) for one in given):
        return unsure("split() at something that is no text")
    found = [one for one in given if one]
    if not found:
        return [whole] if not any(blank in whole for blank in characters.BLANKS) else unsure("split() at nothing")
    return re.split("|".join(map(re.escape, found)), whole)


@function("join", 2)
def _join(arguments: list[Value]) -> Value:
    items, delimiter = arguments
    if not isinstance(items, list):
        raise EngineError(f"join() needs an array, not {kind(items)}")
    between = text(delimiter, "join")
    if any(isinstance(item, list | dict) for item in items):
        raise EngineError("join() needs an array of texts, integers and booleans")
    if any(item is None or isinstance(item, float) for item in items):
        return unsure("join() of null or of a decimal")
    parts = [plain(item) for item in items]
    if sum(map(len, parts)) + len(between) * len(parts) > LONGEST_TEXT:
        return TOO_LONG
    return between.join(parts)


@function("substring", 2, 3)
def _substring(arguments: list[Value]) -> Value:
    whole, start = text(arguments[0], "substring"), integer(arguments[1], "substring")
    size = units.length(whole)
    if len(arguments) == 3 and arguments[2] is None:
        return unsure("substring() with null for a length")
    end = start + integer(arguments[2], "substring") if len(arguments) == 3 else size
    if not 0 <= start <= end <= size:
        raise EngineError(f"substring() from {start} to {end} is not inside a text of {size} characters")
    return cut(whole, start, end)


def cut(whole: str, start: int, end: int) -> Value:
    """Return a part of a text, in UTF-16 code units; Unknown where it would cut a character in two."""
    found = units.cut(whole, start, end)
    return unsure("half a character") if found is None else found


@function("padLeft", 2, 3)
def _pad_left(arguments: list[Value]) -> Value:
    value, total = arguments[0], integer(arguments[1], "padLeft")
    if not isinstance(value, str) and not is_int(value):
        raise EngineError(f"padLeft() needs a text or an integer, not {kind(value)}")
    filler = text(arguments[2], "padLeft") if len(arguments) == 3 else " "
    if units.length(filler) != 1:
        raise EngineError("padLeft() needs one character to fill with")
    if total <= 0:
        raise EngineError("padLeft() needs a length of at least 1")
    if total > 10_000:
        return unsure(f"padLeft() to {total} characters")
    whole = plain(value)
    return filler * max(0, total - units.length(whole)) + whole


@function("concat", 1, MANY, partial=True)
def _concat(arguments: list[Value]) -> Value:
    if all(type(argument) is str for argument in arguments):
        found = "".join(arguments)
        return found if len(found) <= LONGEST_TEXT else TOO_LONG
    lists = [argument for argument in arguments if isinstance(argument, list)]
    if lists:
        return _concat_lists(arguments, lists)
    for argument in arguments:
        if isinstance(argument, Unknown):
            return argument
    if any(isinstance(argument, dict) for argument in arguments):
        raise EngineError("concat() needs texts or arrays, not an object")
    if any(argument is None or isinstance(argument, float) for argument in arguments):
        return unsure("concat() of null or of a decimal")
    found = "".join(map(plain, arguments))
    return found if len(found) <= LONGEST_TEXT else TOO_LONG


def _concat_lists(arguments: list[Value], lists: list[list[Value]]) -> Value:
    if len(lists) == len(arguments):
        return [item for one in lists for item in one]
    for argument in arguments:
        if isinstance(argument, Unknown):
            return argument
    raise EngineError("concat() needs arrays only, or none")
