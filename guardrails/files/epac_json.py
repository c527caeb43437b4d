"""JSON as PowerShell's reader takes it: comments, trailing commas, single quotes, keys without quotes. Pure.

The place of every object and of its keys is kept. Of keys that are there twice the last counts.

Most entries of a file are JSON as everybody reads it: the json module reads these, and the offsets of their keys are
looked for where somebody asks for them. What it refuses, or might read otherwise, is read here, character by character.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from guardrails.epac.instants import NetDate
from guardrails.epac.uncertain import Uncertain
from guardrails.lazy_regex import lazy_regex

DEEPEST: Final = 100
"""Levels of nesting that PowerShell reads for EPAC."""
_ENTRIES: Final = 2
"""The level of the list of entries."""

_CUT_SHORT: Final = "the text ends too early: a bracket or brace is not closed"
_NEXT: Final = lazy_regex(r"[ \t\r\n]*,[ \t\r\n]*(?=\{)")
"""What is between two entries: the usual case."""
_MEMBER: Final = lazy_regex(r'[ \t\r\n]*+[{,][ \t\r\n]*+"([^"\\]*+)"[ \t\r\n]*+:[ \t\r\n]*+')
"""What is before the value of a plain entry's member."""
_END: Final = lazy_regex(r"[ \t\r\n]*\}")
_SKIP: Final = lazy_regex(
    r"(?:[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]|//[^\r\n]*|/\*.*?\*/)*", re.S
)
_PLAIN: Final = lazy_regex(r'"([^"\\]*)"')
_TEXT: Final = lazy_regex(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.S)
_KEY: Final = lazy_regex(r"[^\W]([\w$])*|\$[\w$]*")
_WORD: Final = lazy_regex(r"[^\s,\]\}/]+")
_NUMBER: Final = lazy_regex(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z", re.ASCII)
_ESCAPE: Final = lazy_regex(r"\\(u[0-9a-fA-F]{4}|.)", re.S)
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
_DIGITS: Final = 300
"""More digits of a number are not read here."""
_NO_NUMBER: Final = "what PowerShell makes of this number is not known"
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

    __slots__ = ("_offsets", "_reader", "at", "doubled")
    at: int
    doubled: Sequence[tuple[str, int]]
    _offsets: dict[str, int] | None
    _reader: "_Reader"

    @property
    def offsets(self) -> dict[str, int]:
        """The offset of each key."""
        if self._offsets is None:
            self._offsets = self._reader.offsets_at(self.at)
        return self._offsets


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _int(word: str) -> int:
    """Return a number without a fraction. Raises Uncertain for one of very many digits."""
    if len(word) > _DIGITS:
        raise Uncertain(_NO_NUMBER)
    return int(word)


def _float(word: str) -> float:
    """Return another number. Raises Uncertain for one of very many digits, or that no double can hold."""
    if len(word) > _DIGITS or math.isinf(found := float(word)):
        raise Uncertain(_NO_NUMBER)
    return found


_SCAN: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder(
    parse_constant=_refuse, parse_int=_int, parse_float=_float
).scan_once  # type: ignore[attr-defined]  # what raw_decode calls; as old as the module


def read_json(text: str, date_of: Callable[[str], NetDate | None], *, level: int = _ENTRIES, gaps: bool = False) -> Any:
    """Return the value of a text. Raises BrokenJson, and Uncertain for what PowerShell may read otherwise.

    Args:
        date_of: the date that a text is, None where it stays a text.
        level: nobody asks for places inside of what the objects of lists at this level hold.
        gaps: a comma in place of a list's item stands for null, as for PowerShell, which others may not take.
    """
    return _Reader(text, date_of, level, gaps=gaps).read()


def read_value(text: str, date_of: Callable[[str], NetDate | None]) -> Any:
    """Return the same for a text of which nobody asks for places."""
    return _Reader(text, date_of, gaps=True).read(placeless=True)


class _Reader:
    def __init__(
        self, text: str, date_of: Callable[[str], NetDate | None], level: int = _ENTRIES, *, gaps: bool = False
    ) -> None:
        self._text = text
        self._gaps = gaps
        self._level = level
        self._at = 0
        self._date_of = date_of

    def read(self, *, placeless: bool = False) -> Any:
        """Return the value of the whole text. `placeless`: nobody asks where what is in it is."""
        if not self._text:
            raise BrokenJson("it is empty", 0)
        self._skip()
        if self._at == len(self._text):
            return None  # blanks and comments alone
        quick = self._plain_entry() if placeless and self._text[self._at : self._at + 1] == "{" else None
        value = self._value(0) if quick is None else quick
        self._skip()
        if self._at < len(self._text):
            raise BrokenJson("there is more text after the end of the JSON", self._at)
        return value

    def _skip(self) -> None:
        text, at = self._text, self._at
        if "/" < text[at : at + 1] < "\x7f":
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
            date = self._date_of(plain)
            return plain if date is None else date
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
        doubled: list[tuple[str, int]] = []
        found.at, found._offsets, found.doubled = self._at, {}, doubled  # noqa: SLF001 - it is made here
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
                doubled.append((key, start))
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
                if not self._gaps:
                    raise Uncertain("a list has a comma in place of an item")
                found.append(None)
                self._at += 1
                continue
            plain = self._plain_entry() if mark == "{" and depth == self._level else None
            while plain is not None and (behind := _NEXT.match(self._text, self._at)):
                found.append(plain)
                self._at = behind.end()
                plain = self._plain_entry()
            found.append(self._value(depth) if plain is None else plain)
            if self._ended("]"):
                return found

    def _plain_entry(self) -> Object | None:
        """Return the object that begins here if it is JSON for every reader, and go past it; else None."""
        text, at = self._text, self._at
        try:
            value, end = _SCAN(text, at)
        except (ValueError, StopIteration, RecursionError):
            return None
        quotes = text.count('"', at, end)
        if text.find("\\", at, end) >= 0:
            if text.find("\\u", at, end) >= 0 or text.find("\\\\", at, end) >= 0:
                return None
            quotes -= text.count('\\"', at, end)
        levels = text.count("{", at, end) + text.count("[", at, end)
        if levels >= DEEPEST - _ENTRIES or quotes != 2 * self._texts_of(value):
            return None
        found = Object(value)
        found.at, found._offsets, found.doubled, found._reader = at, None, (), self  # noqa: SLF001 - see _object
        self._at = end
        return found

    def _texts_of(self, found: dict[str, Any]) -> int:
        """Return how many texts the json module read in an object, and put dates in the place of some.

        Keys are among them: of a key that is there twice, the text has more.
        """
        texts = len(found)
        for key, value in found.items():
            kind = type(value)
            if kind is str:
                texts += 1
                if value[10:11] == "T" or value[:6] == "/Date(":
                    found[key] = self._dated(value)
            elif kind is dict:
                texts += self._texts_of(value)
            elif kind is list:
                texts += self._texts_in(value)
        return texts

    def _texts_in(self, found: list[Any]) -> int:
        """Do the same in a list."""
        texts = 0
        for at, value in enumerate(found):
            kind = type(value)
            if kind is str:
                texts += 1
                found[at] = self._dated(value)
            elif kind is dict:
                texts += self._texts_of(value)
            elif kind is list:
                texts += self._texts_in(value)
        return texts

    def _dated(self, text: str) -> str | NetDate:
        date = self._date_of(text)
        return text if date is None else date

    def offsets_at(self, at: int) -> dict[str, int]:
        """Return the offsets of the keys of a plain entry, by the offset of its brace."""
        found: dict[str, int] = {}
        behind = at
        while member := _MEMBER.match(self._text, behind):
            found[member[1]] = member.start(1) - 1
            _, behind = _SCAN(self._text, member.end())
        if _END.match(self._text, behind):
            return found
        again = _Reader(self._text, self._date_of, gaps=self._gaps)
        again._at = at
        return again._object(0).offsets

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
            value = _int(word) if word.lstrip("-").isdecimal() else _float(word)
        elif _STRANGE.fullmatch(word):
            raise Uncertain(_NO_NUMBER)
        else:
            raise BrokenJson("there is no value where one is needed" if word else _CUT_SHORT, self._at)
        self._at += len(word)
        return value
