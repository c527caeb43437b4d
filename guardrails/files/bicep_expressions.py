"""Expressions of Bicep: text -> nodes of `evaluation` that are not bound yet (see `bicep_syntax`). Pure."""

import re
from collections.abc import Callable
from typing import Final

from guardrails.evaluation.expressions import (
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
    Spread,
)
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.bicep_scanner import END, LINE, NAME, NUMBER, OTHER, TEXT, Scanner, SyntaxFault
from guardrails.files.bicep_syntax import GROUP, METHOD, NESTED

DEEPEST: Final = 100
"""Levels of brackets, texts and conditions inside one another that are read: all that walk a tree use the stack."""
LONGEST: Final = 100
"""Accesses or operators of one chain that are read: a chain is as deep as it is long."""

_STRENGTH: Final = {
    "%": 100, "*": 100, "/": 100, "+": 90, "-": 90, ">": 80, ">=": 80, "<": 80, "<=": 80, "==": 70, "!=": 70,
    "=~": 70, "!~": 70, "&&": 50, "||": 40, "??": 30,
}  # fmt: skip
_JOINED: Final = frozenset({"&&", "||", "??"})
"""Operators of which a chain is one call, so that it is not deep."""
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_DECLARING: Final = frozenset({
    "assert", "import", "metadata", "param", "var", "resource", "output", "module", "type",
})  # fmt: skip
"""The keywords before which a line break ends a lambda without a body."""
_ENDS_PROPERTY: Final = frozenset({LINE, "}"})
_ENDS_ITEM: Final = frozenset({LINE, "]"})
_LARGEST: Final = 2**63 - 1

_PLAIN: Final = r"'([^'\\$\r\n]*+)'"
_NEXT: Final = r"\r?\n([ \t]*+)(?![\r\n/#])"
_MEMBER_LINE: Final = re.compile(
    rf"(?:([A-Za-z_][A-Za-z0-9_]*+):[ ]?+(?:{_PLAIN}|([{{\[]))|(}})){_NEXT}"
).match
_ITEM_LINE: Final = re.compile(rf"(?:{_PLAIN}|(\])){_NEXT}").match
"""Lines of the forms that most lines of most files have: a key and a plain text or a bracket, a text, a closing
bracket. Read at once, each costs a fifth of what its tokens cost."""
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", "$": "$"}
_CHUNK: Final = re.compile(r"[^'\\$\r\n]++|\$(?!\{)").match
_CODE_POINT: Final = re.compile(r"u\{([0-9A-Fa-f]++)\}").match
_QUOTES: Final = re.compile("'''+").search
_DOLLARS: Final = re.compile(r"(\$++)\{|'''+").search


class ExpressionParser(Scanner):
    """Reads expressions at the current token."""

    def __init__(self, text: str, path: str) -> None:
        self.depth = 0
        self.complex = True
        """Whether lists and objects may stand here: not in a text's `${...}`."""
        self.shaped = False
        """Whether there are lambdas, loops or spreads, which may not stand everywhere."""
        super().__init__(text, path)

    def expression(self) -> Node:
        """Read an expression. Raises SyntaxFault."""
        return self._continued(self._operand())

    def _continued(self, left: Node) -> Node:
        """Read what follows a first operand: operators, or a condition's two sides."""
        if self.token in _STRENGTH:
            left = self._binary(left, 0)
        if self.token == "?" or (self.token == LINE and self.after_breaks(2)[:1] == "?" != self.after_breaks(2)[1:]):
            return self._conditional(left)
        return left

    def _conditional(self, test: Node) -> Node:
        self.skip_breaks()
        self.advance()
        self._deeper()
        yes = self.expression()
        if self.token == LINE and self.after_breaks(2)[:1] == ":" != self.after_breaks(2)[1:]:
            self.advance()
        self.expect(":")
        no = self.expression()
        self.depth -= 1
        return Conditional(test, yes, no, test.place)

    def _binary(self, left: Node, above: int) -> Node:
        """Read the operators after a first operand that bind more strongly than `above`."""
        for _ in range(LONGEST):
            operator = self.token
            strength = _STRENGTH.get(operator, -1)
            if strength <= above:
                return left
            self.advance()
            right = self._operand()
            if _STRENGTH.get(self.token, -1) > strength:
                self._deeper()
                right = self._binary(right, strength)
                self.depth -= 1
            if operator in _JOINED and isinstance(left, Call) and left.name == operator:
                left.arguments.append(right)
            else:
                left = Call(operator, [left, right], left.place)
        raise self.fault(f"more than {LONGEST} operators in one chain are not read", "too-deep")

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fault(f"what is nested more than {DEEPEST} levels deep is not read", "too-deep")

    def _operand(self) -> Node:
        """Read an operand with what is accessed on it, and a sign before it."""
        sign, place = self.token, self.place
        if sign in {"-", "!"}:
            self.advance()
            value = self._accessed(self._primary(place if sign == "-" else None))
            if sign == "-" and isinstance(value, Literal) and isinstance(value.value, int) and value.value > 0:
                return Literal(-value.value, place)
            return Call(sign, [value], place)
        return self._accessed(self._primary())

    def _accessed(self, target: Node) -> Node:
        for _ in range(LONGEST):
            token, place = self.token, self.place
            if token == ".":
                self.advance()
                safe = self._has("?")
                place = self.place
                name = self.expect_name("a function or property", "BCP020")
                if self.token == "(":
                    if safe:
                        raise self.fault("a function cannot be called with .?", "BCP322", place)
                    target = Call(METHOD + name, [target, *self._arguments()], place)
                else:
                    target = Access(target, Literal(name, place), safe, False, place)  # noqa: FBT003 - a hot path
            elif token == "[":
                self.advance()
                safe, from_end = self._has("?"), self._has("^")
                if self.token == "]":
                    raise self.fault("an index is expected here", "BCP117")
                key = self.expression()
                self.expect("]")
                target = Access(target, key, safe, from_end, place)
            elif token == "::":
                self.advance()
                place = self.place
                name = self.expect_name("a resource", "BCP020")
                target = Call(NESTED, [target, Literal(name, place)], place)
            elif token == "!":
                self.advance()
                target = Call(GROUP, [target], target.place) if isinstance(target, Access) else target
            else:
                return target
        raise self.fault(f"more than {LONGEST} accesses in one chain are not read", "too-deep")

    def _has(self, token: str) -> bool:
        """Go over a token if it stands here; return whether it did."""
        if self.token != token:
            return False
        self.advance()
        return True

    def _primary(self, negative: Place | None = None) -> Node:
        """Read the simplest kinds of expression. `negative`: the place of the minus before it."""
        token, kind, place = self.token, self.kind, self.place
        if kind == TEXT:
            self.advance()
            return Literal(token[1:-1], place)
        if kind == NAME:
            return self._named(token, place)
        if kind == NUMBER:
            if len(token) > 20 or int(token) > _LARGEST + (negative is not None):
                raise self.fault("the number does not fit into 64 bits with a sign", "BCP010", negative)
            self.advance()
            return Literal(int(token), place)
        if kind == OTHER and token in {"'", "$"}:
            return self.text()
        if token not in {"{", "[", "("}:
            raise self._no_expression()
        if token != "(" and not self.complex:
            raise self.fault("no list and no object may stand here", "BCP087")
        self._deeper()
        if token == "{":
            made: Node = self.object_literal()
        elif token == "[":
            made = self._list()
        else:
            made = self._parenthesized()
        self.depth -= 1
        return made

    def _no_expression(self) -> SyntaxFault:
        if self.kind == OTHER:
            hint = "; texts stand in single quotes" if self.token == '"' else ""
            return self.fault(f"{self.token!r} is not known here{hint}", "BCP103" if hint else "BCP001")
        return self.fault("an expression is expected here", "BCP009")

    def _named(self, name: str, place: Place) -> Node:
        if name in _CONSTANTS:
            self.advance()
            return Literal(_CONSTANTS[name], place)
        self.expect_name("a value", "BCP023")
        if self.token == "(":
            return Call(name, self._arguments(), place)
        if self.token == "=>":
            return self._lambda([name], place)
        return Local(name, place)

    def _lambda(self, names: list[str], place: Place) -> Lambda:
        self.shaped = True
        self.advance()
        if self.token == LINE and not self._declares():
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
        while self.token != ")":
            arguments.append(self.expression())
            if self.token == ",":
                self.advance()
                self.skip_breaks()
                if self.token == ")":
                    raise self._no_expression()
            elif self.token == LINE and self.after_breaks() == ")":
                self.advance()
            elif self.token != ")":
                raise self.fault('"," or ")" is expected here', "BCP236" if self.token == LINE else "BCP018")
        self.advance()
        self.depth -= 1
        return arguments

    def _parenthesized(self) -> Node:
        """Read `(x)`, or `(a, b) => x`."""
        place = self.place
        self.advance()
        self.skip_breaks()
        inner: list[Node] = []
        while self.token != ")":
            inner.append(self.expression())
            self.skip_breaks()
            if self.token == ",":
                self.advance()
                self.skip_breaks()
            elif self.token != ")":
                raise self.fault('")" is expected here', "BCP018")
        self.advance()
        if self.token == "=>":
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
        if self.token == LINE and self.after_breaks(3) == "for":
            self.advance()
        if self.token == "for":
            self.shaped = True
            loop = self.loop_head()
            body = self._complex(self.expression)
            self.skip_breaks()
            self.expect("]")
            return Comprehension(loop, body, None, place)
        made = Array([], place)
        items, source = made.items, self.source
        while True:
            if self.token == LINE:
                if plain := _ITEM_LINE(source, self.end):
                    place = Place(self.path, self.line, plain.start() - self._line_start + 1)
                    self.jump(plain.end(), plain.start(3))
                    if plain[2]:
                        return made
                    items.append(Literal(plain[1], place))
                    continue
                self.advance()
            if self.token == "]":
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
        if self.token != END and not self.at_declaration():
            return False
        self.faults.append(self.fault(f'"{close}" is expected here', "BCP018").diagnostic)
        return True

    def loop_head(self) -> Loop:
        """Read `for x in xs:`."""
        place = self.place
        self.expect("for")
        index = None
        if self.token == "(":
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
        if self.token == "...":
            place, self.shaped = self.place, True
            self.advance()
            return Spread(self.expression(), place)
        return self.expression()

    def _separator(self, close: str) -> None:
        """Go over what stands between two members of a list or object: one comma. A line break is left."""
        if self.token == ",":
            self.advance()
            if self.token == LINE:
                self.faults.append(self.fault("a line ends after a comma; leave the comma out", "BCP238").diagnostic)
        elif self.token not in {close, LINE, END}:
            self.faults.append(self.fault("a new line or a comma is expected here", "BCP237").diagnostic)

    def _unread(self, fault: SyntaxFault) -> Opaque:
        """Return what stands for a value that cannot be read."""
        return Opaque(Unknown("this part of the file cannot be read", fault.diagnostic.place))

    def object_literal(self, nested: Callable[[], bool] | None = None) -> Object:
        """Read `{a: b}`.

        Args:
            nested: reads a resource declared in the body, and says whether there was one.
        """
        made = Object([], self.place)
        self.expect("{")
        return self._members(made, nested)

    def _members(self, made: Object, nested: Callable[[], bool] | None = None) -> Object:
        """Read the rest of an object, behind its opening brace."""
        members, source = made.members, self.source
        while True:
            if self.token == LINE:
                if plain := _MEMBER_LINE(source, self.end):
                    if self._plain_member(plain, members):
                        continue
                    return made
                self.advance()
            if self.token == "}":
                self.advance()
                return made
            if nested is not None and nested():
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

    def _plain_member(self, line: re.Match[str], members: list[Member | Spread]) -> bool:
        """Read a line of an object that `_MEMBER_LINE` found; return whether the object goes on."""
        key, text, bracket, closed, _ = line.groups()
        place = Place(self.path, self.line, line.start() - self._line_start + 1)
        self.jump(line.end(), line.start(5))
        if closed:
            return False
        if text is not None:
            members.append(Member(key, Literal(text, place), place))
            return True
        self._deeper()
        value = self._members(Object([], place)) if bracket == "{" else self._rest_of_list(place)
        self.depth -= 1
        if self.token != LINE or self.after_breaks() == "?":
            value = self._continued(self._accessed(value))
            self._separator("}")
        members.append(Member(key, value, place))
        return True

    def _member(self) -> Member | Spread:
        place = self.place
        if self.token == "...":
            self.shaped = True
            self.advance()
            return Spread(self.expression(), place)
        key: str | Node
        if self.kind == NAME:
            key = self.expect_name("a property", "BCP022")
        elif self.kind in {TEXT, OTHER} and self.token[0] in "'$":
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

    def text(self) -> Literal | Interpolation | Opaque:
        """Read a text with escapes or expressions in it, or of many lines."""
        if self.source.startswith("'''", self.start):
            return self._lines(0)
        if self.token == "'":
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
        raise self.fault(r"a backslash stands only before n, r, t, \, ', $ and u{...}", "BCP006", place)

    def _hole(self, at: int) -> Node:
        """Read the expression of `${...}`, from behind its brace to behind the closing one, which ends the token."""
        self._deeper()
        self.end = at
        before, self.complex = self.complex, False
        self.holes += 1
        self.advance()
        value = self.expression()
        if self.token != "}":
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
        if isinstance(part, str) and any("\ud800" <= char <= "\udfff" for char in part):
            try:
                parts[number] = part.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                return Opaque(Unknown("the text has half a code point", place))
    if len(parts) == 1:
        return Literal(parts[0], place)
    return Interpolation([part for part in parts if part != ""], place)
