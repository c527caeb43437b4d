"""The expressions of ARM templates, `[concat('a', parameters('b'))]`, as nodes. Pure."""

import re
from typing import Final

from guardrails.dataclass import replace
from guardrails.evaluation.expressions import Access, Call, Lambda, Literal, Local, Node, Opaque, Parameter, Variable
from guardrails.evaluation.functions.base import unsure
from guardrails.evaluation.values import Place, Unknown
from guardrails.lazy_regex import lazy_regex

DEEPEST: Final = 60
"""Levels of calls within calls that are read."""
_TOKEN: Final = lazy_regex(r"'(?:[^']|'')*'|-?\d+\.\d+|-?\d+(?!\w)|[A-Za-z_]\w*|[()\[\],.]|\S", re.A)
_NAMED: Final = frozenset({"parameters", "variables", "lambdavariables", "lambda"})
_NUMBER: Final = lazy_regex(r"-?\d+(\.\d+)?", re.A)
_SIMPLE: Final = lazy_regex(r"\[(parameters|variables)\('([^'\n]+)'\)\]")
"""The commonest expressions, read at once."""
_PLAIN: Final = r"(?:(?:parameters|variables)\('[^'\n]+'\)|'[^'\n]*')"
_FLAT: Final = lazy_regex(rf"\[([A-Za-z]\w*)\(({_PLAIN}(?:, *{_PLAIN})*)\)\]", re.A)
"""A call whose arguments are texts, parameters and variables."""
_ARGUMENT: Final = lazy_regex(r"(?:(parameters|variables)\()?'([^'\n]*)'")


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


def parse(text: str, place: Place) -> Node:
    """Return the expression in a text with its brackets. Raises NotAnExpression.

    Args:
        text: `[...]`.
        place: of the text; all nodes have it.
    """
    if simple := _SIMPLE.fullmatch(text):
        return (Parameter if simple[1] == "parameters" else Variable)(simple[2], place)
    if flat := _FLAT.fullmatch(text):
        arguments = [_argument(kind, said, place) for kind, said in _ARGUMENT.findall(flat[2])]
        return _lowered(flat[1], arguments, place)
    parser = _Parser(_TOKEN.findall(text, 1, len(text) - 1), place)
    try:
        return parser.whole()
    except _Wrong as wrong:
        starts = [found.start() for found in _TOKEN.finditer(text, 1, len(text) - 1)]
        offset = starts[wrong.at] if wrong.at < len(starts) else len(text) - 1
        raise NotAnExpression(wrong.message, offset) from None


def _argument(kind: str, text: str, place: Place) -> Node:
    return (Parameter if kind == "parameters" else Variable if kind else Literal)(text, place)


class _Wrong(Exception):
    """The tokens are no expression. `at`: the number of the token that does not fit."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message, self.at = message, at


class _Parser:
    """Reads the tokens of one expression."""

    def __init__(self, tokens: list[str], place: Place) -> None:
        self._tokens, self._place = tokens, place
        self._tokens.append("")  # the end
        self._at = 0

    def whole(self) -> Node:
        """Read the whole expression. Raises _Wrong."""
        found = self._postfix(0)
        if left := self._tokens[self._at]:
            raise self._wrong(f"there is {left[:30]!r} behind the end of the expression")
        return found

    def _wrong(self, message: str) -> _Wrong:
        return _Wrong(message, self._at)

    def _need(self, mark: str) -> None:
        word = self._tokens[self._at]
        if word != mark:
            raise self._wrong(f"there is {word[:30]!r} where {mark} is needed" if word else f"{mark} is missing")
        self._at += 1

    def _name(self) -> str:
        """Read a name behind a dot."""
        word = self._tokens[self._at]
        if not (word[:1].isalpha() or word[:1] == "_"):
            raise self._wrong("there is no name behind a dot")
        self._at += 1
        return word

    def _postfix(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise self._wrong(f"it is nested more than {DEEPEST} levels deep")
        found = self._primary(depth)
        while (word := self._tokens[self._at]) == "." or word == "[":
            self._at += 1
            if word == ".":
                key: Node = Literal(self._name(), self._place)
            else:
                key = self._postfix(depth + 1)
                self._need("]")
            found = Access(found, key, place=self._place)
        return found

    def _primary(self, depth: int) -> Node:
        word = self._tokens[self._at]
        first = word[:1]
        if first == "'" and len(word) > 1:
            self._at += 1
            text = word[1:-1].replace("''", "'")
            return Literal(text, self._place) if "\n" not in text else Opaque(_broken_line(self._place))
        if first.isascii() and (first.isalpha() or first == "_"):
            return self._call(depth)
        if word == "+" and _NUMBER.fullmatch(self._tokens[self._at + 1]):
            self._at += 2
            return Opaque(replace(unsure("a number with a plus"), place=self._place))
        if number := _NUMBER.fullmatch(word):
            self._at += 1
            if number[1]:
                return Opaque(replace(unsure("a decimal in an expression"), place=self._place))
            if len(word) > 20 or not -(2**63) <= int(word) < 2**63:
                return Opaque(Unknown("it is a number beyond 64 bits", self._place))
            return Literal(int(word), self._place)
        raise self._wrong(f"there is {word[:30]!r} where a value is needed" if word else "a value is missing")

    def _call(self, depth: int) -> Node:
        tokens = self._tokens
        name = tokens[self._at]
        self._at += 1
        while tokens[self._at] == ".":
            self._at += 1
            name = f"{name}.{self._name()}"
        if tokens[self._at] != "(":
            raise self._wrong(f"{name[:60]!r} is no function call: there is no ( behind it")
        self._at += 1
        arguments: list[Node] = []
        while tokens[self._at] != ")":
            if arguments:
                self._need(",")
            arguments.append(self._postfix(depth + 1))
        self._at += 1
        return _lowered(name, arguments, self._place)


def _broken_line(place: Place) -> Unknown:
    return Unknown("a text with a line break in the file is not read alike by all tools", place)


def _lowered(name: str, arguments: list[Node], place: Place) -> Node:
    """Return a call, or what it stands for: a parameter, a variable, a lambda."""
    folded = name.lower()
    if folded not in _NAMED:
        return Call(name, arguments, place)
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
