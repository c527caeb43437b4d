"""The expressions of ARM templates, `[concat('a', parameters('b'))]`, as nodes. Pure."""

import re
from dataclasses import replace
from typing import Final

from guardrails.evaluation.expressions import Access, Call, Lambda, Literal, Local, Node, Opaque, Parameter, Variable
from guardrails.evaluation.functions.base import unsure
from guardrails.evaluation.values import Place, Unknown

DEEPEST: Final = 60
"""Levels of calls within calls that are read."""
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<decimal>-?\d+\.\d+)|(?P<number>-?\d+)(?!\w)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[()\[\],.]))",
    re.A,
)

_SIMPLE: Final = re.compile(r"\[(parameters|variables)\('([^'\n]+)'\)\]")
"""The commonest expressions, read at once."""


class NotAnExpression(Exception):
    """The text is no expression. `offset`: where in it."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message, self.offset = message, offset


def is_expression(text: str) -> bool:
    """Whether Azure takes a text for an expression: it begins with one [ and ends with ]."""
    return text[:1] == "[" and text[-1:] == "]" and text[1:2] != "["


def unescaped(text: str) -> str:
    """Return a plain text as it is meant: `[[x]` is `[x]`."""
    return text[1:] if text[:2] == "[[" and text[-1:] == "]" else text


def parse(text: str, place: Place, *, exact: bool = True) -> Node:
    """Return the expression in a text with its brackets. Raises NotAnExpression.

    Args:
        text: `[...]`.
        place: of the text's first character.
        exact: a character of the text is one of the file, so that the columns inside can be told.
    """
    if simple := _SIMPLE.fullmatch(text):
        at = Place(place.path, place.line, place.column + 1) if exact else place
        return (Parameter if simple[1] == "parameters" else Variable)(simple[2], at)
    return _Parser(text, place, exact=exact).whole()


class _Parser:
    """Reads one expression."""

    def __init__(self, text: str, place: Place, *, exact: bool) -> None:
        self._text, self._origin, self._exact = text, place, exact
        self._broken = "\n" in text
        self._end = len(text) - 1
        self._at = 1
        self._kind, self._word, self._start = "", "", 1

    def whole(self) -> Node:
        self._next()
        found = self._postfix(0)
        if self._kind:
            raise self._wrong(f"there is {self._word[:30]!r} behind the end of the expression")
        return found

    def _place(self, start: int) -> Place:
        if not self._exact:
            return self._origin
        line = self._text.count("\n", 0, start) if self._broken else 0
        if line:
            return Place(self._origin.path, self._origin.line + line, start - self._text.rfind("\n", 0, start))
        path, first, column = self._origin
        return Place(path, first, column + start)

    def _wrong(self, message: str) -> NotAnExpression:
        return NotAnExpression(message, self._start)

    def _next(self) -> None:
        found = _TOKEN.match(self._text, self._at, self._end)
        if found is None:
            rest = self._text[self._at : self._end].strip()
            self._start = self._at
            self._kind, self._word = "", ""
            if rest:
                raise self._wrong(f"there is {rest[:30]!r}, which is no part of an expression")
            return
        self._kind = found.lastgroup or ""
        self._word = found[self._kind]
        self._start = found.start(self._kind)
        self._at = found.end()

    def _is(self, mark: str) -> bool:
        return self._kind == "mark" and self._word == mark

    def _need(self, mark: str) -> None:
        if not self._is(mark):
            raise self._wrong(
                f"there is {self._word[:30]!r} where {mark} is needed" if self._word else f"{mark} is missing"
            )
        self._next()

    def _postfix(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise self._wrong(f"it is nested more than {DEEPEST} levels deep")
        found = self._primary(depth)
        while self._is(".") or self._is("["):
            start = self._start
            dot = self._word == "."
            self._next()
            if dot:
                if self._kind != "name":
                    raise self._wrong("there is no name behind a dot")
                key: Node = Literal(self._word, self._place(self._start))
                self._next()
            else:
                key = self._postfix(depth + 1)
                self._need("]")
            found = Access(found, key, place=self._place(start))
        return found

    def _primary(self, depth: int) -> Node:
        place, token, kind = self._place(self._start), self._word, self._kind
        if kind == "name":
            return self._call(place, depth)
        if kind == "text":
            self._next()
            text = token[1:-1].replace("''", "'")
            return Literal(text, place) if "\n" not in text else Opaque(_broken_line(place))
        if kind == "number":
            self._next()
            if len(token) > 20 or not -(2**63) <= int(token) < 2**63:
                return Opaque(Unknown("it is a number beyond 64 bits", place))
            return Literal(int(token), place)
        if kind == "decimal":
            self._next()
            return Opaque(replace(unsure("a decimal in an expression"), place=place))
        raise self._wrong(f"there is {token!r} where a value is needed" if token else "a value is missing")

    def _call(self, place: Place, depth: int) -> Node:
        name = self._word
        self._next()
        while self._is("."):
            self._next()
            name = f"{name}.{self._word}"
            if self._kind != "name":
                raise self._wrong("there is no name behind a dot")
            self._next()
        if not self._is("("):
            raise self._wrong(f"{name[:60]!r} is no function call: there is no ( behind it")
        self._next()
        arguments: list[Node] = []
        while not self._is(")"):
            if arguments:
                self._need(",")
            arguments.append(self._postfix(depth + 1))
        self._next()
        return _lowered(name, arguments, place)


def _broken_line(place: Place) -> Unknown:
    return Unknown("a text with a line break in the file is not read alike by all tools", place)


def _lowered(name: str, arguments: list[Node], place: Place) -> Node:
    """Return a call, or what it stands for: a parameter, a variable, a lambda."""
    folded = name.lower()
    texts = [one.value for one in arguments if isinstance(one, Literal) and isinstance(one.value, str)]
    if len(texts) == len(arguments) == 1:
        if folded == "parameters":
            return Parameter(texts[0], place)
        if folded == "variables":
            return Variable(texts[0], place)
        if folded == "lambdavariables":
            return Local(texts[0].lower(), place)
    if folded == "lambda" and arguments and len(texts) >= len(arguments) - 1:
        names = [str(one.value).lower() for one in arguments[:-1] if isinstance(one, Literal)]
        return Lambda(names, arguments[-1], place)
    return Call(name, arguments, place)
