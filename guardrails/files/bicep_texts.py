"""Texts of Bicep: in quotes on one line, or of many lines, with expressions in them. Pure."""

from abc import ABC, abstractmethod
from typing import Final

from guardrails.evaluation.expressions import Interpolation, Literal, Node, Opaque
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.bicep_scanner import Scanner
from guardrails.lazy_regex import lazy_regex

DEEPEST: Final = 100
"""Levels of brackets, texts and conditions inside one another that are read: all that walk a tree use the stack."""

_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", "$": "$"}
_CHUNK: Final = lazy_regex(r"[^'\\$\r\n]++|\$(?!\{)").match
_CODE_POINT: Final = lazy_regex(r"u\{([0-9A-Fa-f]++)\}").match
_QUOTES: Final = lazy_regex("'''+").search
_DOLLARS: Final = lazy_regex(r"(\$++)\{|'''+").search


class TextParser(Scanner, ABC):
    """Reads texts at the current token."""

    def __init__(self, text: str, path: str) -> None:
        self.depth = 0
        self.complex = True
        """Whether lists and objects may stand here: not in a text's `${...}`."""
        self.records = False
        """Whether objects may be read as records."""
        self.shaped = False
        """Whether there are lambdas, loops or spreads, which may not stand everywhere."""
        super().__init__(text, path)

    @abstractmethod
    def expression(self) -> Node:
        """Read an expression. Raises SyntaxFault."""

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fault(f"what is nested more than {DEEPEST} levels deep is not read", "too-deep")

    def text(self) -> Literal | Interpolation | Opaque:
        """Read a text with escapes or expressions in it, or of many lines."""
        if self.source.startswith("'''", self.start):
            return self._lines(0)
        if self.lexeme == "'":
            return self._one_line()
        dollars = 0
        while self.source.startswith("$", self.start + dollars):
            dollars += 1
        if not self.source.startswith("'''", self.start + dollars):
            raise self.fault("'$' is not known here", "BCP001")
        return self._lines(dollars)

    def _one_line(self) -> Literal | Interpolation | Opaque:
        place, source, at = self.place, self.source, self.end
        parts: list[str | Node] = []
        piece: list[str] = []
        while True:
            if chunk := _CHUNK(source, at):
                piece.append(chunk[0])
                at = chunk.end()
                continue
            char = source[at : at + 1]
            if char == "'":
                break
            if char == "\\":
                made, at = self._escape(at)
                piece.append(made)
            elif char == "$":
                parts += ["".join(piece), self._hole(at + 2)]
                piece, at = [], self.end
            else:
                self.end = at
                raise self.fault("the text does not end", "BCP004" if char else "BCP003", place)
        self.end = at + 1
        self.advance()
        return _text([*parts, "".join(piece)], place)

    def _escape(self, at: int) -> tuple[str, int]:
        """Return what the backslash at an offset stands for, and the offset after it."""
        char = self.source[at + 1 : at + 2]
        if char in _ESCAPES and char:
            return _ESCAPES[char], at + 2
        if (found := _CODE_POINT(self.source, at + 1)) and len(found[1]) <= 8 and int(found[1], 16) <= 0x10FFFF:
            return chr(int(found[1], 16)), found.end()
        place = Place(self.path, self.line, at - self._line_start + 1)
        self.end = at + 1
        if char == "u":
            raise self.fault(r"\u is followed by a code point in braces, such as \u{e9}", "BCP133", place)
        raise self.fault(r"a backslash may only be before n, r, t, \, ', $ and u{...}", "BCP006", place)

    def _hole(self, at: int) -> Node:
        """Read the expression of `${...}`, from behind its brace to behind the closing one, which ends the token."""
        self._deeper()
        self.end = at
        before, self.complex = self.complex, False
        self.holes += 1
        self.advance()
        value = self.expression()
        if self.lexeme != "}":
            raise self.fault('"}" is expected here', "BCP064")
        self.holes -= 1
        self.complex = before
        self.depth -= 1
        return value

    def _lines(self, dollars: int) -> Literal | Interpolation | Opaque:
        """Read `'''...'''`, with this many dollars before it."""
        place, source, at = self.place, self.source, self.start + dollars + 3
        if source.startswith("\r", at):
            at += 1
        if source.startswith("\n", at):
            at += 1
        parts: list[str | Node] = []
        counted, piece, begin = self.start, "", at
        while True:
            found = _DOLLARS(source, at) if dollars else _QUOTES(source, at)
            if found is None:
                self.end = len(source)
                raise self.fault("the text of many lines does not end", "BCP140", place)
            at = found.end()
            run = found[1] if dollars else None
            if run is None:
                break
            if len(run) < dollars:
                continue
            self.count_lines(counted, at)
            parts += [piece + source[begin : at - 1 - dollars], self._hole(at)]
            counted = begin = at = self.end
        self.count_lines(counted, at)
        self.end = at
        self.advance()
        return _text([*parts, source[begin : at - 3]], place)


def _text(parts: list[str | Node], place: Place) -> Literal | Interpolation | Opaque:
    """Return the node of a text made of parts, the literal ones joined to whole code points."""
    for number, part in enumerate(parts):
        if isinstance(part, str) and not part.isascii() and any("\ud800" <= char <= "\udfff" for char in part):
            try:
                parts[number] = part.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                return Opaque(Unknown("the text has half a code point", place, doubt=True))
    if len(parts) == 1:
        return Literal(parts[0], place)
    return Interpolation([part for part in parts if part != ""], place)
