"""JSON with the place of every value, read as far as it can be. Pure.

Comments are read, as Azure reads them. After a fault the reader goes on behind it, so that one fault hides nothing
else; each fault has its place. The values are nodes of `guardrails.evaluation.expressions`: `Literal`, `Array`,
`Object`, and `Opaque` for what has no certain value.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from guardrails.evaluation.expressions import Array, Literal, Member, Node, Object, Opaque
from guardrails.evaluation.values import Place, Unknown

DEEPEST: Final = 150
"""Levels of nesting that are read."""
MOST_FAULTS: Final = 20
"""Faults of a file that are reported; after that many nothing more is read of it."""

_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:("(?:[^"\\]|\\.)*")|([{}\[\],:])|(-?(?:0|[1-9]\d*)(?![\w.])|true\b|false\b|null\b)
    |(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|(//[^\n]*|/\*.*?\*/))""",
    re.X | re.S,
)
_STRING, _MARK, _PLAIN, _DECIMAL, _COMMENT = range(1, 6)
_JUNK: Final = re.compile(r'[ \t\r\n]*(?:"(?:[^"\\\n]|\\.)*|/\*.*|[^\s{}\[\],:"]+|.)', re.S)
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


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
    """Line and column of an offset in a text."""

    def __init__(self, text: str, path: str) -> None:
        self._path = path
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(self, offset: int) -> Place:
        """Return the place of an offset."""
        line = bisect_right(self._starts, offset)
        return Place(self._path, line, offset - self._starts[line - 1] + 1)


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
    return _Reader(text, path).read()


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
    for one in members(node):
        if one.key == name:
            return one
        if near is None and isinstance(one.key, str) and one.key.lower() == name.lower():
            near = one
    return near


def text_of(node: Node | None) -> str | None:
    """Return the text that a node is; None for other nodes."""
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else None


class _Stopped(Exception):
    """The text ended, or there are too many faults."""


class _Reader:
    """Reads one text."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._lines = Lines(text, path)
        self._at = 0
        self._kind = 0
        self._word = ""
        self._start = 0
        self._faults: list[Fault] = []

    def read(self) -> JsonText:
        root: Node | None = None
        try:
            self._next()
            root = self._value(0)
            self._next(end=True)
            if self._kind:
                self._fault("there is more text after the end of the JSON")
        except _Stopped:
            pass
        return JsonText(root, self._faults)

    def _place(self) -> Place:
        return self._lines.place(self._start)

    def _fault(self, message: str, place: Place | None = None, *, fatal: bool = True) -> None:
        self._faults.append(Fault(place or self._place(), message, fatal))
        if len(self._faults) >= MOST_FAULTS:
            raise _Stopped

    def _next(self, *, end: bool = False) -> None:
        """Go to the next token; past the last one only where the text may `end`. Raises _Stopped at the end."""
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

    def _junk(self, *, end: bool) -> bool:
        """Skip what is no token, and report it; False at the end of the text."""
        found = _JUNK.match(self._text, self._at)
        if found is None or not found[0].strip():
            self._kind, self._word, self._start = 0, "", max(0, len(self._text.rstrip()) - 1)
            if not end:
                self._fault("the text ends too early: a bracket or brace is not closed" if self._text.strip() else
                            "it is empty")  # fmt: skip
                raise _Stopped
            return False
        self._start = found.end() - len(found[0].lstrip())
        self._at = found.end()
        junk = found[0].strip()
        what = "a text that is not closed" if junk[0] == '"' else f"{junk[:30]!r}, which is no JSON"
        self._fault(f"there is {what}")
        return True

    def _value(self, depth: int) -> Node:
        place = self._place()
        kind, token = self._kind, self._word
        if kind == _STRING:
            return self._string(token, place)
        if kind == _PLAIN:
            return self._plain(token, place)
        if kind == _MARK and token == "{":  # noqa: S105  a brace
            return self._object(place, depth)
        if kind == _MARK and token == "[":  # noqa: S105  a bracket
            return self._array(place, depth)
        if kind == _DECIMAL:
            return _decimal(token, place)
        self._fault(f"there is {token!r} where a value is needed")
        return Opaque(Unknown("the JSON is broken here", place))

    def _string(self, token: str, place: Place) -> Node:
        text = token[1:-1]
        if "\\" in text:
            try:
                text = json.loads(token, strict=False)
            except ValueError:
                self._fault("there is a text with a backslash that escapes nothing", place)
                return Opaque(Unknown("the JSON is broken here", place))
            if any("\ud800" <= character <= "\udfff" for character in text):
                return Opaque(Unknown("it holds half a character", place))
        if ("\n" in token or "\r" in token) and not (text.startswith("[") and text.endswith("]")):
            self._fault("there is a line break in a text, which not every tool reads", place, fatal=False)
            return Opaque(Unknown("a text with a line break in the file is not read alike by all tools", place))
        if _CONTROL.search(token):
            self._fault("there is a control character in a text", place, fatal=False)
        return Literal(text, place)

    @staticmethod
    def _plain(token: str, place: Place) -> Node:
        if token in _CONSTANTS:
            return Literal(_CONSTANTS[token], place)
        if len(token) > 20 or not -(2**63) <= int(token) < 2**63:
            return Opaque(Unknown("it is a number beyond 64 bits", place))
        return Literal(int(token), place)

    def _object(self, place: Place, depth: int) -> Node:
        found = Object([], place)
        self._next()
        self._deep(depth)
        seen: dict[str, Member] = {}
        while self._word != "}" or self._kind != _MARK:
            if self._word == "]" and self._kind == _MARK:
                self._fault("there is ] where } is needed")
                break
            self._member(found, seen, depth)
            self._separator("}")
        return found

    def _member(self, found: Object, seen: dict[str, Member], depth: int) -> None:
        if self._kind != _STRING:
            self._fault(f"there is {self._word[:30]!r} where a key in quotes is needed")
            if self._word in (",", ":"):
                return
            if self._kind == _MARK:
                self._value(depth + 1)
                return
        key_node = self._string(self._word, self._place()) if self._kind == _STRING else Literal(self._word)
        place = self._place()
        key = text_of(key_node) or ""
        self._next()
        if self._word == ":" and self._kind == _MARK:
            self._next()
        else:
            self._fault("there is no : after a key")
        if self._kind == _MARK and self._word in ("}", ",", "]"):
            self._fault("there is no value after a key")
            self._at = self._start
            value: Node = Opaque(Unknown("the JSON is broken here", place))
        else:
            value = self._value(depth + 1)
        self._add(found, seen, Member(key, value, place))

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

    def _array(self, place: Place, depth: int) -> Node:
        found = Array([], place)
        self._next()
        self._deep(depth)
        while self._word != "]" or self._kind != _MARK:
            if self._word == "}" and self._kind == _MARK:
                self._fault("there is } where ] is needed")
                break
            if self._word in (",", ":") and self._kind == _MARK:
                self._fault(f"there is {self._word!r} where a value is needed")
                self._next()
                continue
            found.items.append(self._value(depth + 1))
            self._separator("]")
        return found

    def _separator(self, end: str) -> None:
        """Go past the comma behind an item, up to the next one or the end."""
        self._next()
        if self._kind == _MARK and self._word in ("}", "]"):
            return
        if self._kind != _MARK or self._word != ",":
            self._fault("there is no comma between two items")
            if self._kind == _MARK and self._word == ":":
                self._next()
            return
        comma = self._place()
        self._next()
        if self._kind == _MARK and self._word == end:
            self._fault("there is a comma behind the last item", comma)

    def _deep(self, depth: int) -> None:
        if depth >= DEEPEST:
            self._fault(f"it is nested more than {DEEPEST} levels deep")
            raise _Stopped


def _decimal(token: str, place: Place) -> Node:
    number = float(token)
    if len(token) > 25 or number in (float("inf"), float("-inf")):
        return Opaque(Unknown("it is a number that cannot be kept exactly", place))
    return Literal(number, place)
