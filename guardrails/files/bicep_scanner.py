"""The tokens of a Bicep text, one at a time, with their places. Pure.

The facts are those of the language's own lexer (github.com/Azure/bicep, docs/grammar.md): a line break is a token, a
comment is none, and a text with `${` is read by the parser, for expressions stand in it.
"""

import re
from typing import Final

from guardrails.evaluation.template import Diagnostic
from guardrails.evaluation.values import Place
from guardrails.lazy_regex import lazy_regex

END: Final = ""
"""The token at the end of the text."""
LINE: Final = "\n"
"""The token of one or more line breaks, with the blanks, empty lines and comments after them."""

NAME, TEXT, BREAK, PUNCTUATION, NUMBER, COMMENT, BLOCK, _END, OTHER = range(1, 10)
"""The kinds of tokens: the groups of _TOKEN, in order. TEXT: one without escapes and expressions."""

_PRAGMA: Final = r"#(?:disable-next-line|disable-diagnostics|restore-diagnostics)[ \t]+[^\r\n]+"
_TOKEN: Final = lazy_regex(
    r"[ \t]*+(?:"
    r"([A-Za-z_][A-Za-z0-9_]*+)"
    r"|('(?:[^'\\$\r\n]++'|'(?!')))"
    rf"|([\r\n](?:[\r\n \t]++|//[^\r\n]*+|{_PRAGMA})*+)"
    r"|(=>|==|=~|!=|!~|<=|>=|&&|\|\||\?\?|::|\.\.\.|/(?![/*])|[{}()\[\],.:;?!<>=+\-*%^@|])"
    r"|([0-9]++)"
    r"|(//[^\r\n]*+)"
    r"|(/\*)"
    r"|(\Z)"
    r"|(.))",
    re.DOTALL,
).match
_START: Final = lazy_regex(rf"(?:[\r\n \t]++|//[^\r\n]*+|{_PRAGMA})*+").match
_TRIVIA: Final = lazy_regex(r"(?:[ \t\r\n]++|//[^\r\n]*+|/\*.*?\*/)*+", re.DOTALL).match
_DECLARATION: Final = lazy_regex(
    r"@[a-z]|targetScope[ \t]*=|import[ \t]"
    r"|(?:metadata|param|var|type|func|resource|module|output|assert)[ \t]+[A-Za-z_]"
).match
_LINES: Final = r"'''.*?(?:'''+|\Z)"
_STRAY_TEXT: Final = lazy_regex(rf"\$++(?:{_LINES})?|{_LINES}|'(?:[^'\\\r\n]|\\.)*+'?", re.DOTALL).match


new_place: Final = tuple.__new__
"""Makes a Place of the class and its three parts, in half the time: there is one for each node."""


class SyntaxFault(Exception):
    """The text is no Bicep at a place."""

    def __init__(self, place: Place, message: str, rule: str) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(place, message, rule)


class Scanner:
    """The tokens of one text. The current one is `lexeme`, of kind `kind`, from offset `start` to `end`.

    Args:
        text: without a byte order mark.
        path: for places.
    """

    def __init__(self, text: str, path: str) -> None:
        self.source, self.path = text, path
        self.line, self._line_start = 1, 0
        self._before_break = 1, 0
        self.lexeme, self.kind, self.start, self.end = LINE, BREAK, 0, 0
        self.holes = 0
        """In how many `${...}` the current token is: no line may end there."""
        self.faults: list[Diagnostic] = []
        start = _START(text)
        if start is not None:
            self.end = start.end()
            self.count_lines(0, self.end)
        self.advance()

    @property
    def place(self) -> Place:
        """The place of the current token."""
        line, line_start = (self.line, self._line_start) if self.kind != BREAK else self._before_break
        return new_place(Place, (self.path, line, self.start - line_start + 1))

    def advance(self) -> None:
        """Go to the next token. Raises SyntaxFault where none is possible."""
        after_break = self.kind == BREAK
        while True:
            found = _TOKEN(self.source, self.end)
            assert found is not None  # noqa: S101 - the last alternative takes any character
            kind = found.lastindex or OTHER
            self.start, self.end = found.span(kind)
            if kind == BREAK:
                self._break()
                if after_break:
                    continue
                return
            if kind == COMMENT:
                continue
            if kind == BLOCK:
                self._skip_comment()
                continue
            self.kind, self.lexeme = kind, found[kind]
            return

    def _break(self) -> None:
        if self.holes:
            place, self.end = self.place, self.start
            raise SyntaxFault(place, "a text ends before its line does, or an expression in it does not", "BCP004")
        self.kind, self.lexeme = BREAK, LINE
        self._before_break = self.line, self._line_start
        self.count_lines(self.start, self.end)

    def _skip_comment(self) -> None:
        close = self.source.find("*/", self.end)
        if close < 0:
            self.faults.append(Diagnostic(self.place, "a comment that begins with /* does not end", "BCP002"))
            close = len(self.source) - 2
        self.end = close + 2
        self.count_lines(self.start, self.end)

    def count_lines(self, start: int, end: int) -> None:
        """Count the line breaks between two offsets: LF, CR LF, or CR alone."""
        source = self.source
        lines = source.count("\n", start, end)
        last = source.rfind("\n", start, end)
        if "\r" in source[start:end]:
            lines += source.count("\r", start, end) - source.count("\r\n", start, end)
            alone = source.rfind("\r", start, end)
            last = max(last, alone)
        if lines:
            self.line += lines
            self._line_start = last + 1

    def jump(self, end: int, line_start: int) -> None:
        """Go on at an offset of the next line, whose start is at `line_start`, before its first token."""
        self.end, self._line_start = end, line_start
        self.line += 1
        self.kind, self.lexeme = BREAK, LINE

    def after_breaks(self, width: int = 1) -> str:
        """Return the characters that follow the line breaks and comments here; those of the token if there are none."""
        if self.kind != BREAK:
            return self.source[self.start : self.start + width]
        found = _TRIVIA(self.source, self.end)
        at = found.end() if found else self.end
        return self.source[at : at + width]

    def fault(self, message: str, rule: str, place: Place | None = None) -> SyntaxFault:
        """Return the fault of the current token, to raise."""
        return SyntaxFault(place or self.place, message, rule)

    def expect(self, lexeme: str, rule: str = "BCP018") -> None:
        """Go over a token that must stand here. Raises SyntaxFault where another does."""
        if self.lexeme != lexeme:
            raise self.fault(f'"{lexeme}" is expected here', rule)
        self.advance()

    def expect_name(self, what: str, rule: str) -> str:
        """Go over a name that must stand here, and return it. `what`: of what it is."""
        if self.kind != NAME or self.lexeme in {"true", "false", "null"}:
            raise self.fault(f"the name of {what} is expected here", rule)
        if len(self.lexeme) > 255:
            raise self.fault("a name has at most 255 characters", "BCP024")
        name = self.lexeme
        self.advance()
        return name

    def skip_breaks(self) -> None:
        """Go over line breaks."""
        if self.kind == BREAK:
            self.advance()

    def at_declaration(self) -> bool:
        """Return whether a declaration seems to begin here, at the start of a line: nothing goes on beyond it."""
        return self.start == self._line_start and _DECLARATION(self.source, self.start) is not None

    def recover(self, fault: SyntaxFault, stops: frozenset[str], holes: int, begun: int = -1) -> None:
        """Note a fault and go to the next token of `stops`, to the next declaration, or to the end.

        Args:
            fault: to note.
            stops: the tokens at which to stop.
            holes: in how many texts what was read stood.
            begun: the offset of the declaration that is broken: at it nothing stops.
        """
        self.faults.append(fault.diagnostic)
        self.holes = holes
        if self.start == begun:
            self.advance()
        while self.lexeme not in stops and self.lexeme != END and not self.at_declaration():
            if self.kind == OTHER and self.lexeme in "'$" and (text := _STRAY_TEXT(self.source, self.start)):
                self.count_lines(self.start, text.end())
                self.end = text.end()
            self.advance()
