"""Template expressions of a policy, `[addDays(utcNow(), 30)]`: read by a parser of their grammar into a small tree.

Grammar: Microsoft Learn, "Syntax and expressions in ARM templates". A string that begins with `[` and ends with `]` is
an expression; `[[` at its start stands for one `[`. Texts stand in single quotes, doubled inside; numbers are whole.
The limits are those of "Azure Policy definition structure policy rule", Policy rule limits.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 81_920
DEEPEST: Final = 64
MOST_ARGUMENTS: Final = 128


class Refused(ValueError):
    """Azure does not take this rule, or cannot evaluate it: a failed evaluation is an implicit deny."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or a whole number."""

    value: str | int


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `name` in lower case, for names ignore case."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Access:
    """`.name` or `[index]` behind a call."""

    of: "Node"
    key: "Node"


type Node = Literal | Call | Access


def is_expression(text: object) -> bool:
    """Whether a JSON value is an expression."""
    return isinstance(text, str) and text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def plain(text: str) -> str:
    """Return a text that is no expression, its escape taken away."""
    return text[1:] if text.startswith("[[") else text


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """Read an expression with its brackets. Raises Refused, saying where it is wrong."""
    if len(text) > LONGEST:
        raise Refused(f"an expression of {len(text)} characters; {LONGEST} are allowed")
    reader = _Reader(text[1:-1])
    node = reader.node(1)
    reader.end()
    return node


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def node(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise Refused(f"functions nested more than {DEEPEST} deep")
        first = self._peek()
        if first == "'":
            node: Node = Literal(self._quoted())
        elif first.isdigit() or first in ("-", "+"):
            node = Literal(self._number())
        else:
            node = self._call(depth)
        return self._accesses(node, depth)

    def end(self) -> None:
        if self._peek():
            raise self._wrong("something follows the expression")

    def _accesses(self, node: Node, depth: int) -> Node:
        while True:
            mark = self._peek()
            if mark == ".":
                self.at += 1
                node = Access(node, Literal(self._name()))
            elif mark == "[":
                self.at += 1
                node = Access(node, self.node(depth + 1))
                self._take("]")
            else:
                return node

    def _call(self, depth: int) -> Call:
        name = self._name()
        self._take("(")
        arguments: list[Node] = []
        if self._peek() != ")":
            arguments.append(self.node(depth + 1))
            while self._peek() == ",":
                self.at += 1
                arguments.append(self.node(depth + 1))
        self._take(")")
        if len(arguments) > MOST_ARGUMENTS:
            raise Refused(f"{name} has {len(arguments)} arguments; {MOST_ARGUMENTS} are allowed")
        return Call(name.lower(), tuple(arguments))

    def _quoted(self) -> str:
        parts = []
        while True:
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise self._wrong("a text is not closed")
            parts.append(self.text[self.at + 1 : end])
            self.at = end + 1
            if self.text[self.at : self.at + 1] != "'":
                return "'".join(parts)

    def _number(self) -> int:
        start = self.at
        self.at += 1
        while self.text[self.at : self.at + 1].isdigit():
            self.at += 1
        digits = self.text[start : self.at]
        if not digits[-1].isdigit() or self.text[self.at : self.at + 1] == ".":
            raise self._wrong("only whole numbers are literals")
        return int(digits)

    def _name(self) -> str:
        self._peek()
        start = self.at
        while self.text[self.at : self.at + 1].isalnum() or self.text[self.at : self.at + 1] in ("_", "$"):
            self.at += 1
        name = self.text[start : self.at]
        if not name or name[0].isdigit():
            raise self._wrong("a name is wanted")
        return name

    def _peek(self) -> str:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _take(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._wrong(f"'{mark}' is wanted")
        self.at += 1

    def _wrong(self, what: str) -> Refused:
        return Refused(f"{what} at character {self.at + 2} of [{self.text}]")
