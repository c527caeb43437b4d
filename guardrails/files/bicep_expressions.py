"""Expressions of Bicep: text -> nodes of `evaluation` that are not bound yet (see `bicep_syntax`). Pure."""

import re
from collections.abc import Callable
from typing import Final

from guardrails.evaluation.expressions import (
    DEEPEST_RECORD,
    Access,
    Array,
    Call,
    Comprehension,
    Conditional,
    Interpolation,
    Lambda,
    Literal,
    Local,
    Loop,
    Member,
    Node,
    Object,
    Opaque,
    Record,
    Spread,
)
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.bicep_lines import CONSTANTS, HOLES, ITEM_LINE, MEMBER_LINE, TEXTS, read_lines
from guardrails.files.bicep_scanner import END, LINE, NAME, NUMBER, OTHER, TEXT, SyntaxFault, new_place
from guardrails.files.bicep_syntax import GROUP, METHOD, NESTED
from guardrails.files.bicep_texts import DEEPEST, TextParser

LONGEST: Final = 100
"""Accesses or operators of one chain that are read: a chain is as deep as it is long."""

_STRENGTH: Final = {
    "%": 100, "*": 100, "/": 100, "+": 90, "-": 90, ">": 80, ">=": 80, "<": 80, "<=": 80, "==": 70, "!=": 70,
    "=~": 70, "!~": 70, "&&": 50, "||": 40, "??": 30,
}  # fmt: skip
_JOINED: Final = frozenset({"&&", "||", "??"})
"""Operators of which a chain is one call, so that it is not deep."""
_DECLARING: Final = frozenset({
    "assert", "import", "metadata", "param", "var", "resource", "output", "module", "type",
})  # fmt: skip
"""The keywords before which a line break ends a lambda without a body."""
_ENDS_PROPERTY: Final = frozenset({LINE, "}"})
_ENDS_ITEM: Final = frozenset({LINE, "]"})
_LARGEST: Final = 2**63 - 1


class ExpressionParser(TextParser):
    """Reads expressions at the current token."""

    def expression(self) -> Node:
        """Read an expression. Raises SyntaxFault."""
        return self._continued(self._operand())

    def _continued(self, left: Node) -> Node:
        """Read what follows a first operand: operators, or a condition's two sides."""
        if self.lexeme in _STRENGTH:
            left = self._binary(left, 0)
        if self.lexeme == "?" or (self.lexeme == LINE and self.after_breaks(2)[:1] == "?" != self.after_breaks(2)[1:]):
            return self._conditional(left)
        return left

    def _conditional(self, test: Node) -> Node:
        self.skip_breaks()
        self.advance()
        self._deeper()
        yes = self.expression()
        if self.lexeme == LINE and self.after_breaks(2)[:1] == ":" != self.after_breaks(2)[1:]:
            self.advance()
        self.expect(":")
        no = self.expression()
        self.depth -= 1
        return Conditional(test, yes, no, test.place)

    def _binary(self, left: Node, above: int) -> Node:
        """Read the operators after a first operand that bind more strongly than `above`."""
        for _ in range(LONGEST):
            operator = self.lexeme
            strength = _STRENGTH.get(operator, -1)
            if strength <= above:
                return left
            self.advance()
            right = self._operand()
            if _STRENGTH.get(self.lexeme, -1) > strength:
                self._deeper()
                right = self._binary(right, strength)
                self.depth -= 1
            if operator in _JOINED and isinstance(left, Call) and left.name == operator:
                left.arguments.append(right)
            else:
                left = Call(operator, [left, right], left.place)
        raise self.fault(f"more than {LONGEST} operators in one chain are not read", "too-deep")

    def _operand(self) -> Node:
        """Read an operand with what is accessed on it, and a sign before it."""
        sign, place = self.lexeme, self.place
        if sign in {"-", "!"}:
            self.advance()
            value = self._accessed(self._primary(place if sign == "-" else None))
            if sign == "-" and isinstance(value, Literal) and type(value.value) is int and value.value > 0:
                return Literal(-value.value, place)
            return Call(sign, [value], place)
        return self._accessed(self._primary())

    def _accessed(self, target: Node) -> Node:
        for _ in range(LONGEST):
            lexeme, place = self.lexeme, self.place
            if lexeme == ".":
                self.advance()
                safe = self._has("?")
                place = self.place
                name = self.expect_name("a function or property", "BCP020")
                if self.lexeme == "(":
                    if safe:
                        raise self.fault("a function cannot be called with .?", "BCP322", place)
                    target = Call(METHOD + name, [target, *self._arguments()], place)
                else:
                    target = Access(target, Literal(name, place), safe, False, place)  # noqa: FBT003 - a hot path
            elif lexeme == "[":
                self.advance()
                safe, from_end = self._has("?"), self._has("^")
                if self.lexeme == "]":
                    raise self.fault("an index is expected here", "BCP117")
                key = self.expression()
                self.expect("]")
                target = Access(target, key, safe, from_end, place)
            elif lexeme == "::":
                self.advance()
                place = self.place
                name = self.expect_name("a resource", "BCP020")
                target = Call(NESTED, [target, Literal(name, place)], place)
            elif lexeme == "!":
                self.advance()
            else:
                return target
        raise self.fault(f"more than {LONGEST} accesses in one chain are not read", "too-deep")

    def _has(self, lexeme: str) -> bool:
        """Go over a token if it is here; return whether it was."""
        if self.lexeme != lexeme:
            return False
        self.advance()
        return True

    def _primary(self, negative: Place | None = None) -> Node:
        """Read the simplest kinds of expression. `negative`: the place of the minus before it."""
        lexeme, kind, place = self.lexeme, self.kind, self.place
        if kind == TEXT:
            self.advance()
            return Literal(lexeme[1:-1], place)
        if kind == NAME:
            return self._named(lexeme, place)
        if kind == NUMBER:
            if len(lexeme) > 20 or int(lexeme) > _LARGEST + (negative is not None):
                raise self.fault("the number does not fit into 64 bits with a sign", "BCP010", negative)
            self.advance()
            return Literal(int(lexeme), place)
        if kind == OTHER and lexeme in {"'", "$"}:
            return self.text()
        if lexeme not in {"{", "[", "("}:
            raise self._no_expression()
        if lexeme != "(" and not self.complex:
            raise self.fault("no list and no object may stand here", "BCP087")
        self._deeper()
        if lexeme == "{":
            made: Node = self.object_literal()
        elif lexeme == "[":
            made = self._list()
        else:
            made = self._parenthesized()
        self.depth -= 1
        return made

    def _no_expression(self) -> SyntaxFault:
        if self.kind == OTHER:
            hint = "; texts stand in single quotes" if self.lexeme == '"' else ""
            return self.fault(f"{self.lexeme!r} is not known here{hint}", "BCP103" if hint else "BCP001")
        return self.fault("an expression is expected here", "BCP009")

    def _named(self, name: str, place: Place) -> Node:
        if name in CONSTANTS:
            self.advance()
            return Literal(CONSTANTS[name], place)
        self.expect_name("a value", "BCP023")
        if self.lexeme == "(":
            return Call(name, self._arguments(), place)
        if self.lexeme == "=>":
            return self._lambda([name], place)
        return Local(name, place)

    def _lambda(self, names: list[str], place: Place) -> Lambda:
        self.shaped = True
        self.advance()
        if self.lexeme == LINE and not self._declares():
            self.advance()
        body = self._complex(self.expression)
        return Lambda(names, body, place)

    def _declares(self) -> bool:
        """Return whether a declaration follows the line break here."""
        found = re.match(r"[A-Za-z]*", self.after_breaks(12))
        return found is not None and found[0] in _DECLARING

    def _complex[T](self, read: Callable[[], T]) -> T:
        """Read something in which lists and objects may stand."""
        before, self.complex = self.complex, True
        self._deeper()
        made = read()
        self.depth -= 1
        self.complex = before
        return made

    def _arguments(self) -> list[Node]:
        """Read `(a, b)`."""
        self._deeper()
        self.advance()
        self.skip_breaks()
        arguments: list[Node] = []
        while self.lexeme != ")":
            arguments.append(self.expression())
            if self.lexeme == ",":
                self.advance()
                self.skip_breaks()
                if self.lexeme == ")":
                    raise self._no_expression()
            elif self.lexeme == LINE and self.after_breaks() == ")":
                self.advance()
            elif self.lexeme != ")":
                raise self.fault('"," or ")" is expected here', "BCP237" if self.lexeme == LINE else "BCP236")
        self.advance()
        self.depth -= 1
        return arguments

    def _parenthesized(self) -> Node:
        """Read `(x)`, or `(a, b) => x`."""
        place = self.place
        self.advance()
        self.skip_breaks()
        inner: list[Node] = []
        while self.lexeme != ")":
            inner.append(self.expression())
            self.skip_breaks()
            if self.lexeme == ",":
                self.advance()
                self.skip_breaks()
            elif self.lexeme != ")":
                raise self.fault('")" is expected here', "BCP018")
        self.advance()
        if self.lexeme == "=>":
            names = [value.name for value in inner if isinstance(value, Local)]
            if len(names) != len(inner):
                raise self.fault("the names of a lambda's variables are expected before =>", "BCP018", place)
            return self._lambda(names, place)
        if len(inner) != 1:
            raise self.fault("one expression is expected in the parentheses", "BCP243", place)
        return Call(GROUP, inner, place)

    def _list(self) -> Node:
        """Read `[a, b]`, or `[for x in xs: y]`."""
        place = self.place
        self.advance()
        return self._rest_of_list(place)

    def _rest_of_list(self, place: Place) -> Node:
        """Read a list behind its opening bracket."""
        if self.lexeme == LINE and self.after_breaks(3) == "for":
            self.advance()
        if self.lexeme == "for":
            self.shaped = True
            loop = self.loop_head()
            body = self._complex(self.expression)
            self.skip_breaks()
            self.expect("]")
            return Comprehension(loop, body, None, place)
        made = Array([], place)
        items, source = made.items, self.source
        while True:
            if self.lexeme == LINE:
                if plain := ITEM_LINE(source, self.end):
                    place = new_place(Place, (self.path, self.line, plain.start() - self._line_start + 1))
                    self.jump(plain.end(), plain.start(3))
                    if plain[2]:
                        return made
                    items.append(Literal(plain[1], place))
                    continue
                self.advance()
            if self.lexeme == "]":
                self.advance()
                return made
            if self._is_unclosed("]"):
                items.append(Opaque(Unknown("this part of the file cannot be read", self.place)))
                return made
            holes, depth = self.holes, self.depth
            try:
                items.append(self._item())
            except SyntaxFault as fault:
                items.append(self._unread(fault))
                self.recover(fault, _ENDS_ITEM, holes)
                self.depth, self.complex = depth, True
            self._separator("]")

    def _is_unclosed(self, close: str) -> bool:
        """Return whether a list or object ends here without its bracket: at the end, or before a declaration."""
        if self.lexeme != END and not self.at_declaration():
            return False
        if not self.faults or self.faults[-1].place != self.place:  # said once for all that is open
            self.faults.append(self.fault(f'"{close}" is expected here', "BCP018").diagnostic)
        return True

    def loop_head(self) -> Loop:
        """Read `for x in xs:`."""
        place = self.place
        self.expect("for")
        index = None
        if self.lexeme == "(":
            self.advance()
            item = self.expect_name("the loop's item", "BCP163")
            self.expect(",", "BCP249")
            index = self.expect_name("the loop's index", "BCP163")
            self.expect(")")
        else:
            item = self.expect_name("the loop's item", "BCP162")
        self.expect("in", "BCP012")
        items = self._complex(self.expression)
        self.expect(":")
        return Loop(item, items, None, index, place)

    def _item(self) -> Node | Spread:
        if self.lexeme == "...":
            place, self.shaped = self.place, True
            self.advance()
            return Spread(self.expression(), place)
        return self.expression()

    def _separator(self, close: str) -> None:
        """Go over what is between two members of a list or object: one comma. A line break is left."""
        if self.lexeme == ",":
            self.advance()
            if self.lexeme == LINE:
                self.faults.append(self.fault("a line ends after a comma; leave the comma out", "BCP238").diagnostic)
        elif self.lexeme not in {close, LINE, END} and not self.at_declaration():
            self.faults.append(self.fault("a new line or a comma is expected here", "BCP236").diagnostic)

    def _unread(self, fault: SyntaxFault) -> Opaque:
        """Return what stands for a value that cannot be read."""
        return Opaque(Unknown("this part of the file cannot be read", fault.diagnostic.place))

    def object_literal(self, nested: Callable[[], bool] | None = None) -> Object:
        """Read `{a: b}`.

        Args:
            nested: reads a resource declared in the body, and says whether there was one.
        """
        place = self.place
        self.expect("{")
        return self.rest_of_object(place, nested)

    def rest_of_object(self, place: Place, nested: Callable[[], bool] | None = None) -> Object:
        """Read an object behind its opening brace. `place`: the object's."""
        made = Object([], place)
        members, source = made.members, self.source
        while True:
            if self.lexeme == LINE:
                line = MEMBER_LINE(source, self.end)
                if line is not None:
                    if line[6]:
                        self.jump(line.end(), line.start(7))
                        return made
                    if self._member_line(line, members):
                        continue
                self.advance()
            if self.lexeme == "}":
                self.advance()
                return made
            indented = members and members[0].place.column > 1 and self.at_declaration()
            if nested is not None and not indented and nested():
                self._separator("}")
                continue
            if self._is_unclosed("}"):
                members.append(Spread(Opaque(Unknown("this part of the file cannot be read", self.place)), self.place))
                return made
            holes, depth = self.holes, self.depth
            try:
                members.append(self._member())
            except SyntaxFault as fault:
                members.append(Spread(self._unread(fault), fault.diagnostic.place))
                self.recover(fault, _ENDS_PROPERTY, holes)
                self.depth, self.complex = depth, True
            self._separator("}")

    def _member_line(self, line: re.Match[str], members: list[Member | Spread]) -> bool:
        """Read a line of an object that `MEMBER_LINE` found; return whether it is one that can be read so."""
        key, text, bracket, name, texts = line.group(1, 2, 3, 4, 5)
        place = new_place(Place, (self.path, self.line, line.start() - self._line_start + 1))
        value: Node
        if bracket is not None:
            value = (bracket == "{" and self.record(line, place, self.depth + 1)) or self._opened(line, bracket, place)
            members.append(Member(key, value, place))
            return True
        if text is not None:
            if "$" not in text:
                value = Literal(text, place)
            elif (found := self._holes(text, line.start(2), place)) is not None:
                value = found
            else:
                return False
        elif name is not None:
            if name in CONSTANTS:
                value = Literal(CONSTANTS[name], place)
            else:
                value = Local(name, new_place(Place, (self.path, self.line, line.start(4) - self._line_start + 1)))
        elif ",," in texts or texts[-1] != "'":
            return False
        else:
            value = Array([Literal(one, place) for one in TEXTS(texts)], place)
        self.jump(line.end(), line.start(7))
        members.append(Member(key, value, place))
        return True

    def _holes(self, text: str, start: int, place: Place) -> Interpolation | Literal | None:
        """Return a text of one line in which only names are interpolated; None for another.

        `start`: the offset of the text in the source.
        """
        parts: list[str | Node] = []
        at = holes = 0
        column = start - self._line_start + 1
        for hole in HOLES(text):
            begin, end = hole.span()
            if begin > at:
                parts.append(text[at:begin])
            name = hole[1]
            if name in CONSTANTS:
                return None
            parts.append(Local(name, new_place(Place, (self.path, self.line, column + begin + 2))))
            at, holes = end, holes + 1
        if at < len(text):
            parts.append(text[at:])
        if text.count("${") > holes:
            return None
        return Interpolation(parts, place) if at else Literal(text, place)

    def record(self, line: re.Match[str], place: Place, depth: int) -> Record | None:
        """Read an object of plain lines; None for another. Of one at depth 0, the closing brace is left.

        `line`: the one that its opening brace ends. Its last group is in the next one.
        """
        if not self.records or depth + DEEPEST_RECORD > DEEPEST:
            return None
        start, at = line.start(line.re.groups), self.line
        found = read_lines(self.source, start, self.source[self._line_start : line.start()], closed=depth > 0)
        if found is None:
            return None
        source, path = self.source, self.path

        def members() -> list[Member | Spread]:
            parser = type(self)(source, path)
            parser.depth, parser.line, parser.records = depth, at, depth == 0
            parser.jump(line.end(), start)
            return parser.rest_of_object(place).members

        self.line += found.lines
        self.jump(found.end, found.line_start)
        return Record(found.values, place, members)

    def _opened(self, line: re.Match[str], bracket: str, place: Place) -> Node:
        """Read a value whose opening bracket ends a line."""
        self.jump(line.end(), line.start(7))
        self._deeper()
        value = self.rest_of_object(place) if bracket == "{" else self._rest_of_list(place)
        self.depth -= 1
        if self.lexeme != LINE or self.after_breaks() == "?":
            value = self._continued(self._accessed(value))
            self._separator("}")
        return value

    def _member(self) -> Member | Spread:
        place = self.place
        if self.lexeme == "...":
            self.shaped = True
            self.advance()
            return Spread(self.expression(), place)
        key: str | Node
        if self.kind == NAME:
            key = self.expect_name("a property", "BCP022")
        elif self.kind in {TEXT, OTHER} and self.lexeme[0] in "'$":
            text = self._primary()
            key = text.value if isinstance(text, Literal) else text
        else:
            raise self.fault("the name of a property is expected here", "BCP022")
        self.expect(":")
        holes, depth = self.holes, self.depth
        try:
            return Member(key, self.expression(), place)
        except SyntaxFault as fault:
            self.recover(fault, _ENDS_PROPERTY, holes)
            self.depth, self.complex = depth, True
            return Member(key, self._unread(fault), place)
