"""JSON as PowerShell's reader takes it: comments, trailing commas, single quotes, keys without quotes. Pure.

The place of every object and of its keys is kept. Of keys that are there twice the last counts.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from guardrails.epac.instants import NetDate
from guardrails.epac.uncertain import Uncertain
from guardrails.lazy_regex import lazy_regex

DEEPEST: Final = 100
"""Levels of nesting that PowerShell reads for EPAC."""

_CUT_SHORT: Final = "the text ends too early: a bracket or brace is not closed"
_SKIP: Final = lazy_regex(r"(?:[ \t\r\n\x0b\x0c\xa0]|//[^\r\n]*|/\*.*?\*/)*", re.S)
_PLAIN: Final = lazy_regex(r'"([^"\\]*)"')
_TEXT: Final = lazy_regex(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.S)
_KEY: Final = lazy_regex(r"[^\W]([\w$])*|\$[\w$]*")
_WORD: Final = lazy_regex(r"[^\s,\]\}/]+")
_NUMBER: Final = lazy_regex(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z", re.ASCII)
_ESCAPE: Final = lazy_regex(r"\\(u[0-9a-fA-F]{4}|.)", re.S)
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
_STRANGE: Final = lazy_regex(r"NaN|-?Infinity|undefined|new|-?0[xX0-9].*|-?[\d.][\d.eE+-]*")


class BrokenJson(ValueError):
    """The text is no JSON for PowerShell.

    Attributes:
        at: the offset of what is wrong.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Object(dict[str, Any]):
    """An object, the offset of its brace, and the offsets of its keys. `doubled`: a key that is there twice."""

    __slots__ = ("at", "doubled", "offsets")
    at: int
    offsets: dict[str, int]
    doubled: list[tuple[str, int]]


def read_json(text: str, date_of: Callable[[str], NetDate | None]) -> Any:
    """Return the value of a text. Raises BrokenJson, and Uncertain for what PowerShell may read otherwise.

    Args:
        date_of: the date that a text is, None where it stays a text.
    """
    return _Reader(text, date_of).read()


class _Reader:
    def __init__(self, text: str, date_of: Callable[[str], NetDate | None]) -> None:
        self._text = text
        self._at = 0
        self._date_of = date_of

    def read(self) -> Any:
        """Return the value of the whole text."""
        if not self._text.strip():
            if self._text:
                raise Uncertain("what EPAC makes of a file of blanks is not known")
            raise BrokenJson("it is empty", 0)
        self._skip()
        value = self._value(0)
        self._skip()
        if self._at < len(self._text):
            raise BrokenJson("there is more text after the end of the JSON", self._at)
        return value

    def _skip(self) -> None:
        text, at = self._text, self._at
        if text[at : at + 1] > "/":
            return
        found = _SKIP.match(text, at)
        self._at = found.end() if found else at
        if text.startswith("/*", self._at):
            raise BrokenJson("a comment is not closed", self._at)

    def _value(self, depth: int) -> Any:
        text, at = self._text, self._at
        first = text[at : at + 1]
        if first == '"' and (found := _PLAIN.match(text, at)):
            self._at = found.end()
            plain = found[1]
            return plain if self._date_of(plain) is None else self._date_of(plain)
        if first in ('"', "'"):
            plain = self._string()
            date = self._date_of(plain)
            return plain if date is None else date
        if first == "{":
            return self._object(depth + 1)
        if first == "[":
            return self._array(depth + 1)
        return self._scalar()

    def _object(self, depth: int) -> Object:
        found = Object()
        found.at, found.offsets, found.doubled = self._at, {}, []
        self._deep(depth)
        self._at += 1
        while True:
            self._skip()
            start = self._at
            mark = self._text[start : start + 1]
            if mark == "}":
                self._at += 1
                return found
            if mark == ",":
                raise BrokenJson("there is a comma where a key is needed", start)
            key = self._key()
            self._skip()
            if self._text[self._at : self._at + 1] != ":":
                raise BrokenJson("there is no : behind a key", self._at)
            self._at += 1
            self._skip()
            value = self._value(depth)
            if key in found:
                found.doubled.append((key, start))
            found[key], found.offsets[key] = value, start
            if self._ended("}"):
                return found

    def _array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self._deep(depth)
        self._at += 1
        while True:
            self._skip()
            mark = self._text[self._at : self._at + 1]
            if mark == "]":
                self._at += 1
                return found
            if mark == ",":
                raise Uncertain("what EPAC makes of a list with a comma in place of an item is not known")
            found.append(self._value(depth))
            if self._ended("]"):
                return found

    def _ended(self, end: str) -> bool:
        """Go past the mark behind a member or item: True past the end of the whole, False before the next one."""
        self._skip()
        mark = self._text[self._at : self._at + 1]
        if mark not in (end, ",") or not mark:
            raise BrokenJson("there is no comma between two values" if mark else _CUT_SHORT, self._at)
        self._at += 1
        return mark == end

    def _deep(self, depth: int) -> None:
        if depth > DEEPEST:
            raise Uncertain(f"it is nested more than {DEEPEST} levels deep")

    def _key(self) -> str:
        if self._text[self._at] in "\"'" if self._at < len(self._text) else False:
            return self._string()
        found = _KEY.match(self._text, self._at)
        if not found:
            raise BrokenJson("there is no key where one is needed", self._at)
        self._at = found.end()
        return found[0]

    def _string(self) -> str:
        found = _TEXT.match(self._text, self._at)
        if not found:
            raise BrokenJson("a text is not closed", self._at)
        inner, start = found[1] if found[1] is not None else found[2], self._at
        self._at = found.end()
        return self._plain(inner, start) if "\\" in inner else inner

    @staticmethod
    def _plain(inner: str, start: int) -> str:
        def one(found: re.Match[str]) -> str:
            if found[1][0] == "u" and len(found[1]) == 5:
                return chr(int(found[1][1:], 16))
            if found[1] not in _ESCAPES:
                raise BrokenJson("there is a backslash that escapes nothing", start)
            return _ESCAPES[found[1]]

        said = _ESCAPE.sub(one, inner)
        if any("\ud800" <= character <= "\udfff" for character in said):
            try:
                return said.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                raise Uncertain("it holds half a character") from None
        return said

    def _scalar(self) -> Any:
        found = _WORD.match(self._text, self._at)
        word = found[0] if found else ""
        if word in _WORDS:
            value = _WORDS[word]
        elif _NUMBER.match(word):
            value = int(word) if word.lstrip("-").isdecimal() else float(word)
        elif _STRANGE.fullmatch(word):
            raise Uncertain("what EPAC makes of this number is not known")
        else:
            raise BrokenJson("there is no value where one is needed" if word else _CUT_SHORT, self._at)
        self._at += len(word)
        return value
