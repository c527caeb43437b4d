"""JSON with the place of every value, read as far as it can be. Pure.

Comments are read, as Azure reads them. After a fault the reader goes on behind it, so that one fault hides nothing
else; each fault has its place, and a line has one fault at most. The values are nodes of `evaluation.expressions`:
`Literal`, `Array`, `Object`, and `Opaque` for what has no certain value. The place of a scalar is that of its key, if
it has one and is no expression.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.evaluation.expressions import (
    DEEPEST_RECORD,
    Array,
    Literal,
    Member,
    Node,
    Object,
    Opaque,
    Record,
    Spread,
)
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.json_records import values_at
from guardrails.lazy_regex import lazy_regex

DEEPEST: Final = 150
"""Levels of nesting that are read."""
MOST_FAULTS: Final = 20
"""Faults of a file that are reported; after that many nothing more is read of it."""

_MOST_SUFFERED: Final = 1000
"""Faults after which nothing more is read, those included that are not reported."""

_TOKEN: Final = lazy_regex(
    r"""[ \t\r\n]*(?:("(?:[^"\\]|\\.)*")|([{}\[\],:])|(-?(?:0|[1-9]\d*)(?![\w.])|true\b|false\b|null\b)
    |(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|(//[^\n]*|/\*.*?\*/))""",
    re.X | re.S,
)
_STRING, _MARK, _PLAIN, _DECIMAL, _COMMENT = range(1, 6)
_SCALAR: Final = (
    r"""(?:"([^"\\\x00-\x1f]*+)"|(-?(?:0|[1-9]\d{0,17}+)(?![\w.])|true\b|false\b|null\b)|([{\[]))[ \t\r\n]*+(,?)"""
)
_ITEM: Final = lazy_regex(r"[ \t\r\n]*+" + _SCALAR)
"""One item of a list, with its comma: the usual case, at once."""
_MEMBER: Final = lazy_regex(r'[ \t\r\n]*+"([^"\\\x00-\x1f]*+)"[ \t\r\n]*+:[ \t\r\n]*+' + _SCALAR)
"""One member of an object, with its comma: the usual case, at once."""
_RESOURCES: Final = 2
"""The level of nesting of the resources of a template: an item of a list from there on may be a record."""
_RECORDS: Final = _RESOURCES + 1
"""The level at which their content begins: from there on any object may be one."""
_UNEXPECTED: Final = ("", None, None, None, "")
_BEHIND: Final = lazy_regex(r"[ \t\r\n]*+([,}\]])")
_JUNK: Final = lazy_regex(r'[ \t\r\n]*(?:"(?:[^"\\\n]|\\.)*|/\*.*|[^\s{}\[\],:"]+|.)', re.S)
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_CONTROL: Final = lazy_regex(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_new: Final = tuple.__new__
"""Makes a Place in half the time of its own constructor."""


class Fault(NamedTuple):
    """What is wrong with a file at a place: one plain sentence without a full stop. `fatal`: it is no JSON."""

    place: Place
    message: str
    fatal: bool = True


@dataclass(slots=True)
class JsonText:
    """A text of JSON, read. `root`: None where there is none."""

    root: Node | None
    faults: list[Fault] = field(default_factory=list)


class Lines:
    """Line and column of an offset in a text. Quick for offsets that do not go back, as those of a reader."""

    def __init__(self, text: str, path: str) -> None:
        self.path, self._text = path, text
        self._at, self._line, self._start = 0, 1, 0
        self._starts: list[int] | None = None
        """The offset of each line, once an offset went back."""

    def place(self, offset: int) -> Place:
        """Return the place of an offset."""
        at = self._at
        if self._starts is None and offset >= at:
            if more := self._text.count("\n", at, offset):
                self._line += more
                self._start = self._text.rfind("\n", at, offset) + 1
            self._at = offset
            return _new(Place, (self.path, self._line, offset - self._start + 1))
        if self._starts is None:
            self._starts = [0, *accumulate([len(line) + 1 for line in self._text.split("\n")])]
        line = bisect_right(self._starts, offset)
        return _new(Place, (self.path, line, offset - self._starts[line - 1] + 1))

    def behind(self, start: Place, at: int, offset: int) -> Place:
        """Return the place of an offset, by a place before it and that one's offset: quick where they are near."""
        if more := self._text.count("\n", at, offset):
            return Place(self.path, start.line + more, offset - self._text.rfind("\n", at, offset))
        return start._replace(column=start.column + offset - at)


def decoded(data: bytes, path: str) -> str | Fault:
    """Return a file's text: UTF-8, UTF-16 or UTF-32, with a byte order mark or without."""
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, errors="replace")
        place = Place(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Fault(place, f"it is not {encoding.upper().removesuffix('-SIG')} text")
    if "\0" in text:
        return Fault(Place(path, 1, 1), "it is not text: it holds bytes of zero")
    return text


def read(text: str, path: str) -> JsonText:
    """Read a text of JSON. Nothing is raised."""
    return _Reader(text, Lines(text, path)).read()


def members(node: Node | None) -> Iterator[Member]:
    """Yield an object's members whose key is a plain text; nothing for other nodes."""
    if isinstance(node, Object):
        for member in node.members:
            if isinstance(member, Member) and isinstance(member.key, str):
                yield member


def member(node: Node | None, name: str) -> Node | None:
    """Return the value of an object's member, whatever the letter case of its key; None where there is none."""
    found = find(node, name)
    return None if found is None else found.value


def find(node: Node | None, name: str) -> Member | None:
    """Return an object's member, whatever the letter case of its key; None where there is none."""
    near: Member | None = None
    for one in node.members if isinstance(node, Object) else ():
        if not isinstance(one, Member) or not isinstance(one.key, str):
            continue
        if one.key == name:
            return one
        if near is None and len(one.key) == len(name) and one.key.lower() == name.lower():
            near = one
    return near


def fields(node: Node | None) -> dict[str, Node]:
    """Return an object's values by their keys in lower case, of two that differ in letter case alone the first."""
    found: dict[str, Node] = {}
    for one in node.members if isinstance(node, Object) else ():
        if isinstance(one, Member) and isinstance(one.key, str):
            found.setdefault(one.key.lower(), one.value)
    return found


def text_of(node: Node | None) -> str | None:
    """Return the text that a node is; None for other nodes."""
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else None


class _Reader:
    """Reads one text. `_at` is the offset of what is not read yet.

    The usual case of a member or item is one match. What that does not fit is read token by token, which finds what is
    wrong, and goes on behind it.
    """

    def __init__(self, text: str, lines: Lines, at: int = 0, *, records: bool = True) -> None:
        self._text = text
        self._lines = lines
        self._place = lines.place
        self._at = at
        self._records = records and "\\u" not in text
        """Whether objects may be read as records. A text with an escaped half of a character has no certain value."""
        self._kind = 0
        self._word = ""
        self._start = 0
        self._faults: list[Fault] = []
        self._broken = 0
        self._suffered = 0
        self._stopped = False

    def read(self) -> JsonText:
        if not self._text.strip():
            self._fault("it is empty")
            return JsonText(None, self._faults)
        self._next()
        root = self._value(0)
        self._next(end=True)
        if self._kind:
            self._fault("there is more text after the end of the JSON")
        return JsonText(root, self._faults)

    # the usual case

    def _object(self, place: Place, depth: int) -> Object:
        """Read an object behind its brace."""
        found = Object([], place)
        members, seen = found.members, dict[str, Member]()
        self._deep(depth)
        text, place_of = self._text, self._place
        while True:
            one = _MEMBER.match(text, self._at)
            key, plain, constant, bracket, comma = one.groups() if one is not None else _UNEXPECTED
            if one is None or (bracket and comma) or key in seen:
                if self._unexpected_member(found, seen, depth):
                    return found
                continue
            at = place_of(one.start(1) - 1)
            self._at = one.end()
            if plain is not None:
                value: Node = Literal(plain, place_of(one.start(2) - 1) if plain[:1] == "[" else at)
            elif constant is not None:
                value = Literal(_CONSTANTS[constant] if constant in _CONSTANTS else int(constant), at)
            elif bracket == "{":
                quick = self._record(at, one.start(4), depth + 1) if depth + 1 >= _RECORDS else None
                value = quick or self._object(at, depth + 1)
            else:
                value = self._array(at, depth + 1)
            members.append(added := Member(key, value, at))
            seen[key] = added
            if comma:
                continue
            if self._ended("}"):
                return found

    def _record(self, place: Place, start: int, depth: int) -> Record | None:
        """Read an object as a record; None where it is to be read by its members.

        `start`: the offset of its brace.
        """
        if not self._records or depth >= DEEPEST - DEEPEST_RECORD:
            return None
        try:
            values, end = values_at(self._text, start)
        except (ValueError, RecursionError):
            self._records = False  # or it would be tried in vain for each object in this one, too
            return None
        if values is None:
            return None
        self._at = end
        text, lines, records = self._text, self._lines, depth < _RECORDS
        return Record(values, place, lambda: _Reader(text, lines, start + 1, records=records).members(place, depth))

    def members(self, place: Place, depth: int) -> list[Member | Spread]:
        """Read the members of an object behind its brace."""
        found = self._object(place, depth)
        return found.members

    def _array(self, place: Place, depth: int) -> Node:
        """Read a list behind its bracket."""
        found = Array([], place)
        items = found.items
        self._deep(depth)
        text, place_of = self._text, self._place
        while True:
            one = _ITEM.match(text, self._at)
            if one is None or (one[3] and one[4]):
                if self._unexpected_item(found, depth):
                    return found
                continue
            plain, constant, bracket, comma = one.groups()
            self._at = one.end()
            if plain is not None:
                items.append(Literal(plain, place_of(one.start(1) - 1)))
            elif constant is not None:
                value = _CONSTANTS[constant] if constant in _CONSTANTS else int(constant)
                items.append(Literal(value, place_of(one.start(2))))
            elif bracket == "{":
                at = place_of(one.start(3))
                quick = self._record(at, one.start(3), depth + 1) if depth + 1 >= _RESOURCES else None
                items.append(quick or self._object(at, depth + 1))
            else:
                items.append(self._array(place_of(one.start(3)), depth + 1))
            if comma:
                continue
            if self._ended("]"):
                return found

    def _ended(self, end: str) -> bool:
        """Go past what is behind a member or item: True past the end of the whole, False before the next one."""
        found = _BEHIND.match(self._text, self._at)
        if found is not None and found[1] in (end, ","):
            self._at = found.end()
            return found[1] == end
        self._next()
        return self._separated(end)

    # token by token

    def _fault(self, message: str, place: Place | None = None, *, fatal: bool = True) -> None:
        """Report a fault, unless one that is fatal is reported of its line already."""
        place = place or self._place(self._start)
        self._suffered += 1
        if self._suffered >= _MOST_SUFFERED:
            self._stop()
        if fatal and place.line == self._broken:
            return
        self._broken = place.line if fatal else self._broken
        self._faults.append(Fault(place, message, fatal))
        if len(self._faults) >= MOST_FAULTS:
            self._stop()

    def _stop(self) -> None:
        """Read nothing more."""
        self._at, self._stopped = len(self._text), True

    def _next(self, *, end: bool = False) -> None:
        """Go to the next token; at the end of the text the kind is 0, and the text should `end` here."""
        while True:
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                if not self._junk(end=end):
                    return
                continue
            self._at = found.end()
            kind = found.lastindex or 0
            if kind != _COMMENT:
                self._kind, self._word, self._start = kind, found[kind], found.start(kind)
                return

    def _is(self, marks: str) -> bool:
        """Whether the token is one of these marks."""
        return self._kind == _MARK and self._word in marks

    def _back(self) -> None:
        """Leave the token for the next match."""
        self._at = self._start

    def _junk(self, *, end: bool) -> bool:
        """Skip what is no token, and report it; False at the end of the text."""
        found = _JUNK.match(self._text, self._at)
        if found is None or not found[0].strip():
            self._kind, self._word, self._start = 0, "", max(0, len(self._text.rstrip()) - 1)
            if not end and not self._stopped:
                self._fault("the text ends too early: a bracket or brace is not closed")
                self._stop()
            return False
        self._start = found.end() - len(found[0].lstrip())
        self._at = found.end()
        junk = found[0].strip()
        what = "a text that is not closed" if junk[0] == '"' else f"{junk[:30]!r}, which is no JSON"
        self._fault(f"there is {what}")
        return True

    def _value(self, depth: int) -> Node:
        """Read the value that begins with the token."""
        place, kind, word = self._place(self._start), self._kind, self._word
        if kind == _STRING:
            return self._string(word, place)
        if kind == _PLAIN:
            return self._plain(word, place)
        if self._is("{"):
            return self._object(place, depth)
        if self._is("["):
            return self._array(place, depth)
        if kind == _DECIMAL:
            return _decimal(word, place)
        if kind:
            self._fault(f"there is {word!r} where a value is needed")
        return Opaque(Unknown("the JSON is broken here", place))

    def _string(self, word: str, place: Place) -> Node:
        text = word[1:-1]
        if "\\" in text:
            try:
                text = json.loads(word, strict=False)
            except ValueError:
                self._fault("there is a text with a backslash that escapes nothing", place)
                return Opaque(Unknown("the JSON is broken here", place))
            if any("\ud800" <= character <= "\udfff" for character in text):
                return Opaque(Unknown("it holds half a character", place))
        if ("\n" in word or "\r" in word) and not (text.startswith("[") and text.endswith("]")):
            self._fault("there is a line break in a text, which not every tool reads", place, fatal=False)
            return Opaque(Unknown("a text with a line break in the file is not read alike by all tools", place))
        if _CONTROL.search(word):
            self._fault("there is a control character in a text", place, fatal=False)
        return Literal(text, place)

    @staticmethod
    def _plain(word: str, place: Place) -> Node:
        if word in _CONSTANTS:
            return Literal(_CONSTANTS[word], place)
        if len(word) > 20 or not -(2**63) <= int(word) < 2**63:
            return Opaque(Unknown("it is a number beyond 64 bits", place))
        return Literal(int(word), place)

    def _unexpected_member(self, found: Object, seen: dict[str, Member], depth: int) -> bool:
        """Read a member that is not the usual case, or the end of the object: True then."""
        self._next()
        if self._is("}]") or not self._kind:
            return self._close("}")
        if self._kind != _STRING:
            self._fault(f"there is {self._word[:30]!r} where a key in quotes is needed")
            if self._is(",:"):
                return False
            if self._kind == _MARK:
                self._value(depth + 1)
                return self._ended("}")
        self._member(found, seen, depth)
        return self._ended("}")

    def _member(self, found: Object, seen: dict[str, Member], depth: int) -> None:
        place = self._place(self._start)
        key = text_of(self._string(self._word, place)) if self._kind == _STRING else self._word
        self._next()
        if self._is(":"):
            self._next()
        elif self._kind:
            self._fault("there is no : after a key")
        if self._is("},]"):
            self._fault("there is no value after a key")
            self._back()
            value: Node = Opaque(Unknown("the JSON is broken here", place))
        else:
            value = self._value(depth + 1)
        self._add(found, seen, Member(key or "", value, place))

    def _add(self, found: Object, seen: dict[str, Member], one: Member) -> None:
        key = str(one.key)
        first = seen.get(key)
        if first is None:
            seen[key] = one
            found.members.append(one)
            return
        line = first.place.line
        self._fault(f"{key[:60]!r} is given twice, first in line {line}", one.place, fatal=False)
        first.value = Opaque(Unknown(f"{key[:60]!r} is given twice, in lines {line} and {one.place.line}", one.place))

    def _unexpected_item(self, found: Array, depth: int) -> bool:
        """Read an item that is not the usual case, or the end of the list: True then."""
        self._next()
        if self._is("}]") or not self._kind:
            return self._close("]")
        if self._is(",:"):
            self._fault(f"there is {self._word!r} where a value is needed")
            return False
        found.items.append(self._value(depth + 1))
        return self._ended("]")

    def _separated(self, end: str) -> bool:
        """Go past the comma behind a member or item that is not the usual case; True past the end."""
        if self._is("}]") or not self._kind:
            return self._close(end)
        if not self._is(","):
            self._fault("there is no comma between two items")
            if not self._is(":"):
                self._back()
        return False

    def _close(self, end: str) -> bool:
        """Go past the bracket that ends a list or object, the right one or not."""
        if not self._kind:
            return True
        if self._word != end:
            self._fault(f"there is {self._word} where {end} is needed")
        before = self._start - 1
        while self._text[before] in " \t\r\n":
            before -= 1
        if self._text[before] == ",":
            self._fault(
                "there is a comma behind the last item, which not every tool reads", self._place(before), fatal=False
            )
        return True

    def _deep(self, depth: int) -> None:
        if depth >= DEEPEST:
            self._start = max(0, self._at - 1)
            self._fault(f"it is nested more than {DEEPEST} levels deep")
            self._stop()


def _decimal(word: str, place: Place) -> Node:
    number = float(word)
    if len(word) > 25 or number in (float("inf"), float("-inf")):
        return Opaque(Unknown("it is a number that cannot be kept exactly", place))
    return Literal(number, place)
