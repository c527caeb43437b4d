"""The function `json()`: JSON as the engine's lenient parser reads it. Pure.

Beyond strict JSON it reads comments, single quotes, keys without quotes, line ends in texts and a comma before the
end. What else it may read is Unknown here.
"""

import json
import re
from typing import Any, Final

from guardrails.evaluation.functions.base import unsure
from guardrails.evaluation.values import EngineError, Value
from guardrails.lazy_regex import lazy_regex

_DEEPEST: Final = 60
_TOKEN: Final = lazy_regex(
    r"""\s+|//[^\n\r]*|/\*.*?\*/|(?P<mark>[{}\[\]:,])
    |(?P<double>"(?:[^"\\\x00-\x08\x0b\x0c\x0e-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*")
    |(?P<single>'[^'"\\\x00-\x1f]*')
    |(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.])|(?P<word>[A-Za-z_$][\w$]*)""",
    re.X | re.S,
)
_WORDS: Final[dict[str, Value]] = {"true": True, "false": False, "null": None}


_NOWHERE: Final = "%&()=?!@~^*;<>|#`"
"""With these no value begins."""


class _Unexpected(Exception):
    """The parser may read this, or not: it is not known for certain."""


def parse(text: str, name: str) -> Value:
    """Return the value that a text of JSON holds. Raises EngineError where it holds none."""
    if not text.strip():
        raise EngineError(f"{name}() was given an empty text")
    try:
        value = json.loads(text, parse_constant=_unexpected, parse_int=_integer, parse_float=_decimal)
    except RecursionError:
        return unsure(f"{name}() of JSON that is nested so deep")
    except (ValueError, _Unexpected):
        return _lenient(text, name)
    if _depth_of(text) > _DEEPEST:
        return unsure(f"{name}() of JSON that is nested so deep")
    return value if is_encodable(value) else unsure("half a character")


def _unexpected(constant: str) -> Any:
    raise _Unexpected(constant)


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise _Unexpected(digits)
    return int(digits)


def _decimal(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")) or len(digits) > 25:
        raise _Unexpected(digits)
    return number


def is_encodable(value: Value) -> bool:
    """Whether no text in a value holds half a character (a lone surrogate)."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, list):
        return all(map(is_encodable, value))
    return (
        all(is_encodable(key) and is_encodable(one) for key, one in value.items()) if isinstance(value, dict) else True
    )


def _depth_of(text: str) -> int:
    depth = deepest = 0
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"|([\[\]{}])', text):
        depth += {"": 0, "[": 1, "{": 1}.get(mark, -1)
        deepest = max(deepest, depth)
    return deepest


def _lenient(text: str, name: str) -> Value:
    try:
        value = _Parser(text).whole()
    except _Unexpected:
        return unsure(f"{name}() of this text")
    except EngineError as error:
        raise EngineError(f"{name}() was given a text that is not JSON: {error.message}") from None
    return value if is_encodable(value) else unsure("half a character")


class _Parser:
    """Reads one value after the other from tokens."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                if text[at] in _NOWHERE and not self._tokens:
                    raise EngineError(f"no value begins with {text[at]!r}")
                raise _Unexpected
            at = found.end()
            if found.lastgroup:
                self._tokens.append((found.lastgroup, found[0]))
        self._next = 0

    def whole(self) -> Value:
        """Read the value of the whole text. Raises EngineError or _Unexpected."""
        value = self.value(0)
        if self.peek():
            raise EngineError("there is more text after its end")
        return value

    def peek(self) -> str:
        """Return the next token, "" at the end."""
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def value(self, depth: int) -> Value:
        """Read one value. Raises EngineError for what is certainly refused, _Unexpected where that is not known."""
        if self._next >= len(self._tokens):
            raise EngineError("it ends too early")
        kind, found = self._tokens[self._next]
        self._next += 1
        if depth > _DEEPEST:
            raise _Unexpected
        if found == "{":
            return self._object(depth)
        if found == "[":
            return self._array(depth)
        return _scalar(kind, found)

    def _object(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while not self._took("}"):
            kind, key = self._tokens[self._next] if self._next < len(self._tokens) else ("", "")
            if kind not in ("double", "single", "word"):
                raise _Unexpected
            self._next += 1
            self._need(":")
            found[key if kind == "word" else _scalar(kind, key)] = self.value(depth + 1)
            if self.peek() != "}":
                self._need(",")
        return found

    def _array(self, depth: int) -> list[Value]:
        found: list[Value] = []
        while not self._took("]"):
            found.append(self.value(depth + 1))
            if self.peek() != "]":
                self._need(",")
        return found

    def _took(self, mark: str) -> bool:
        found = self.peek() == mark
        self._next += found
        return found

    def _need(self, mark: str) -> None:
        if not self._took(mark):
            raise EngineError(f"there is no {mark} where one is needed")


def _scalar(kind: str, token: str) -> Value:
    if kind == "double":
        return json.loads(token, strict=False)
    if kind == "single":
        return token[1:-1]
    if kind == "number":
        return _number(token)
    if kind == "word" and token in _WORDS:
        return _WORDS[token]
    if kind == "word" and token[0] not in "nuNI":
        raise EngineError(f"no value is written {token[:20]!r}")
    raise _Unexpected


def _number(token: str) -> Value:
    digits = token.removeprefix("-")
    if digits.isdecimal() and digits.startswith("0") and len(digits) > 1:
        if len(digits) > 2 or digits[1] in "89":  # read as octal, or refused
            raise _Unexpected
        return int(token)
    return json.loads(token, parse_int=_integer, parse_float=_decimal)
