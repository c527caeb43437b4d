"""Bicep files and parameter files: text -> declarations, each fault noted with its place. Pure.

A fault costs the smallest part that can be left out: a value, a property, a declaration. What is around it is read.
"""

import re
from collections.abc import Callable
from typing import Final

from guardrails.evaluation.expressions import Literal, Node
from guardrails.evaluation.values import Place
from guardrails.files.bicep_expressions import ExpressionParser
from guardrails.files.bicep_lines import CONSTANTS, NEXT
from guardrails.files.bicep_scanner import BREAK, END, LINE, NAME, NUMBER, OTHER, TEXT, SyntaxFault, new_place
from guardrails.files.bicep_syntax import (
    Argument,
    Block,
    Declaration,
    Decorator,
    File,
    Func,
    Import,
    Other,
    Out,
    Param,
    TargetScope,
    Type,
    TypeList,
    TypeLiteral,
    TypeMember,
    TypeName,
    TypeNullable,
    TypeObject,
    TypeOpaque,
    TypeSyntax,
    TypeTuple,
    TypeUnion,
    Using,
    Var,
)
from guardrails.lazy_regex import lazy_regex

_ENDS_LINE: Final = frozenset({LINE})
_NOTHING: Final[frozenset[str]] = frozenset()
_BLOCK_LINE: Final = lazy_regex(
    rf"(resource|module) ([A-Za-z_][A-Za-z0-9_]{{0,200}}) '([^'\\$\r\n]*+)' = \{{{NEXT}"
).match

_EXEMPTION: Final = "microsoft.authorization/policyexemptions@"  # of other resources the members are asked for


class TypeParser(ExpressionParser):
    """Reads types at the current token."""

    def type(self) -> TypeSyntax:
        """Read a type. Raises SyntaxFault."""
        place = self.place
        leading = self._bar()
        members = [self._unary_type()]
        while self._bar():
            members.append(self._unary_type())
        return members[0] if len(members) == 1 and not leading else TypeUnion(members, place)

    def _bar(self) -> bool:
        """Go over `|`, and one line break before it."""
        if self.lexeme == LINE and "/" not in self.source[self.start : self.end] and self.after_breaks() == "|":
            self.advance()
        return self._has("|")

    def _unary_type(self) -> TypeSyntax:
        place, sign = self.place, self.lexeme
        if sign in {"-", "+", "!"}:
            self.advance()
            of = self._member_type()
            if not isinstance(of, TypeLiteral) or not isinstance(of.value, int):
                raise self.fault("a literal is expected here", "BCP285", place)
            value = not of.value if sign == "!" else -of.value if sign == "-" else of.value
            made: TypeSyntax = TypeLiteral(value, place)
        else:
            made = self._member_type()
        while self.lexeme in {"?", "!"}:
            if self.lexeme == "?":
                made = TypeNullable(made, place)
            self.advance()
        return made

    def _member_type(self) -> TypeSyntax:
        place = self.place
        made = self._primary_type()
        while True:
            if self.lexeme == "[":
                self.advance()
                if self.lexeme == "]":
                    made = TypeList(made, place)
                else:
                    made = self._part_of(made, self.lexeme, place)
                    self.advance()
                self.expect("]")
            elif self.lexeme == ".":
                self.advance()
                made = self._part_of(made, self.lexeme, place)
                if self.kind != NAME and self.lexeme != "*":
                    raise self.fault("the name of a property is expected here", "BCP020")
                self.advance()
                if self.lexeme == "<":
                    made = self._type_arguments(place)
            else:
                return made

    def _part_of(self, base: TypeSyntax, part: str, place: Place) -> TypeSyntax:
        if self.lexeme != "*" and self.kind not in {NAME, NUMBER, TEXT}:
            raise self.fault("an index is expected here", "BCP018")
        if isinstance(base, TypeName) and self.kind != TEXT:
            return TypeName([*base.path, part], base.place)
        return TypeOpaque(place)

    def _primary_type(self) -> TypeSyntax:
        lexeme, kind, place = self.lexeme, self.kind, self.place
        if kind == NAME:
            self.advance()
            if lexeme in CONSTANTS:
                return TypeLiteral(CONSTANTS[lexeme], place)
            return self._type_arguments(place) if self.lexeme == "<" else TypeName([lexeme], place)
        if kind in {NUMBER, TEXT} or (kind == OTHER and lexeme in "'$"):
            literal = self._primary()
            if not isinstance(literal, Literal):
                raise self.fault("a type has no expressions in it", "BCP032", place)
            return TypeLiteral(literal.value, place)
        if lexeme not in {"{", "[", "("}:
            raise self.fault("a type is expected here", "BCP279")
        self._deeper()
        made = self._type_object() if lexeme == "{" else self._type_tuple() if lexeme == "[" else self._type_group()
        self.depth -= 1
        return made

    def _type_group(self) -> TypeSyntax:
        self.advance()
        made = self.type()
        self.expect(")")
        return made

    def _type_arguments(self, place: Place) -> TypeSyntax:
        """Read `<'a/b@1'>`."""
        self.advance()
        self.skip_breaks()
        self.type()
        self.skip_breaks()
        self.expect(">")
        return TypeOpaque(place)

    def _type_object(self) -> TypeSyntax:
        made = TypeObject([], self.place)
        self.advance()
        self.skip_breaks()
        while self.lexeme not in {"}", END}:
            decorators = self.decorators()
            place = self.place
            name: str | None
            if self.lexeme == "*":
                self.advance()
                name = None
            elif self.kind == NAME:
                name = self.expect_name("a property", "BCP022")
            elif isinstance(text := self._primary(), Literal) and isinstance(text.value, str):
                name = text.value
            else:
                raise self.fault("the name of a property is expected here", "BCP022", place)
            self.expect(":")
            made.members.append(TypeMember(name, self.type(), decorators, place))
            self._separator("}")
            self.skip_breaks()
        self.expect("}")
        return made

    def _type_tuple(self) -> TypeSyntax:
        made = TypeTuple([], self.place)
        self.advance()
        self.skip_breaks()
        while self.lexeme not in {"]", END}:
            decorators, place = self.decorators(), self.place
            made.items.append(TypeMember(str(len(made.items)), self.type(), decorators, place))
            self._separator("]")
            self.skip_breaks()
        self.expect("]")
        return made

    def declared_type(self, *, optional: bool = False) -> TypeSyntax:
        """Read the type of a declaration, where `resource 'a/b@1'` is one too. `optional`: also without its text."""
        if self.lexeme != "resource" or self.source[self.end : self.end + 1] == "<":
            return self.type()
        place = self.place
        self.advance()
        if not optional or self.lexeme[:1] == "'":
            self._text("BCP068", "a resource's type")
        return TypeOpaque(place)

    def _text(self, rule: str, what: str) -> Node:
        """Read a text that must stand here."""
        if self.kind != TEXT and not (self.kind == OTHER and self.lexeme in "'$"):
            raise self.fault(f"{what} is expected here, as a text", rule)
        return self._primary()

    def decorators(self) -> list[Decorator]:
        """Read `@name(arguments)`, each on its line."""
        made: list[Decorator] = []
        while self.lexeme == "@":
            place = self.place
            self.advance()
            name = self.expect_name("a decorator", "BCP123")
            arguments = self._arguments() if self.lexeme == "(" else None
            bare = self.lexeme != "."
            while self.lexeme == ".":
                self.advance()
                inner = self.expect_name("a decorator", "BCP020")
                name = inner if name == "sys" else f"{name}.{inner}"
                arguments = self._arguments() if self.lexeme == "(" else None
            if arguments is None:
                raise self.fault(f"the decorator {name} is not called: add ()", "BCP152", place)
            if self.lexeme != LINE:
                raise self.fault("a new line is expected here", "BCP019")
            self.advance()
            made.append(Decorator(name, arguments, place, bare=bare))
        return made


class Parser(TypeParser):
    """Reads the declarations of a file."""

    def file(self) -> File:
        """Read the whole text. What is wrong is in `faults`."""
        made = File(self.path)
        readers = self._readers()
        while self.lexeme != END:
            if self.lexeme == LINE:
                if (line := _BLOCK_LINE(self.source, self.end)) is not None:
                    made.declarations.append(self._block_line(line))
                    continue
                self.advance()
                continue
            place, start = self.place, self.start
            try:
                made.declarations.append(self._declaration(readers))
            except SyntaxFault as fault:
                made.broken.append(place)
                self.recover(fault, _NOTHING, 0, start)
                self.depth, self.complex = 0, True
                continue
            if self.lexeme not in {LINE, END} and not (self.start > start and self.at_declaration()):
                self._end_of_line(start)
        made.shaped = self.shaped
        return made

    def _block_line(self, line: re.Match[str]) -> Block:
        """Read a resource or module whose first line `_BLOCK_LINE` found."""
        keyword, name, target = line.group(1, 2, 3)
        column = line.start() - self._line_start + 1
        place = new_place(Place, (self.path, self.line, column))
        at = new_place(Place, (self.path, self.line, column + line.start(3) - line.start() - 1))
        made = Block(name, [], place, keyword, Literal(target, at), existing=False)
        recorded = self.record(line, place, 0) if target.lower().startswith(_EXEMPTION) else None
        if recorded is not None:
            made.body = recorded
            self.advance()
            self.expect("}")
        else:
            self.jump(line.end(), line.start(4))
            made.body = self.rest_of_object(place, lambda: self._nested(made) if keyword == "resource" else False)
        if self.lexeme not in {LINE, END} and not self.at_declaration():
            self._end_of_line(-1)
        return made

    def _end_of_line(self, begun: int) -> None:
        """Note that a line does not end here, and go to its end. `begun`: the offset at which a token must be read."""
        self.recover(self.fault("a new line is expected here", "BCP019"), _ENDS_LINE, 0, begun)

    def _readers(self) -> dict[str, Callable[[list[Decorator], Place], Declaration]]:
        return {
            "targetScope": self._target_scope, "metadata": self._other, "assert": self._other, "test": self._test,
            "param": self._param, "var": self._var, "type": self._type, "func": self._func, "resource": self._block,
            "module": self._block, "output": self._output, "import": self._import, "extension": self._extension,
        }  # fmt: skip

    def _declaration(self, readers: dict[str, Callable[[list[Decorator], Place], Declaration]]) -> Declaration:
        decorators = self.decorators()
        read = readers.get(self.lexeme) if self.kind == NAME else None
        if read is None:
            raise self.fault("a declaration is expected here, such as param, var, resource or output", "BCP007")
        return read(decorators, self.place)

    def _head(self, what: str, rule: str) -> str:
        """Go over a declaration's keyword and name; return the name."""
        self.advance()
        return self.expect_name(what, rule)

    def _value(self) -> Node:
        """Read `= value`."""
        self.expect("=")
        return self.expression()

    def _target_scope(self, decorators: list[Decorator], place: Place) -> Declaration:
        self.advance()
        return TargetScope("", decorators, place, self._value())

    def _other(self, decorators: list[Decorator], place: Place) -> Declaration:
        keyword = self.lexeme
        name = self._head("the declaration", "BCP266" if keyword == "metadata" else "BCP344")
        return Other(name, decorators, place, keyword, self._value())

    def _test(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("a test", "BCP346")
        self._text("BCP347", "the path of a file")
        return Other(name, decorators, place, "test", self._value())

    def _param(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("a parameter", "BCP013")
        type_ = self.declared_type()
        default = None
        if self.lexeme == "=":
            default = self._value()
        elif self.lexeme not in {LINE, END}:
            raise self.fault('"=" or a new line is expected here', "BCP008")
        return Param(name, decorators, place, type_, default)

    def _var(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("a variable", "BCP015")
        type_ = self.declared_type() if self.lexeme not in {"=", LINE, END} else None
        return Var(name, decorators, place, type_, self._value())

    def _type(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("a type", "BCP325")
        self.expect("=")
        return Type(name, decorators, place, self.declared_type())

    def _func(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("a function", "BCP015")
        self.expect("(")
        self.skip_breaks()
        arguments: list[Argument] = []
        while self.lexeme != ")":
            at = self.place
            argument = self.expect_name("an argument", "BCP015")
            arguments.append(Argument(argument, self.declared_type(), at))
            self.skip_breaks()
            if self.lexeme == ",":
                self.advance()
                self.skip_breaks()
            elif self.lexeme != ")":
                raise self.fault('")" is expected here', "BCP018")
        self.advance()
        output = self.declared_type()
        if self.lexeme != "=>":
            raise self.fault('"=>" is expected here', "BCP018")
        made = Func(name, decorators, place, arguments, output=output)
        made.body = self._lambda([], place).body
        return made

    def _output(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("an output", "BCP016")
        type_ = self.declared_type(optional=True)
        return Out(name, decorators, place, type_, self._value())

    def _import(self, decorators: list[Decorator], place: Place) -> Declaration:
        self.advance()
        if self.kind in {TEXT, OTHER}:
            return self._extension_tail(decorators, place)
        names: list[tuple[str, str, Place]] = []
        name = ""
        if self.lexeme == "*":
            self.advance()
            self.expect("as", "BCP012")
            name = self.expect_name("the import", "BCP356")
        else:
            self.expect("{", "BCP354")
            self.skip_breaks()
            while self.lexeme not in {"}", END}:
                names.append(self._imported())
                self._separator("}")
                self.skip_breaks()
            self.expect("}")
        self.expect("from", "BCP012")
        return Import(name, decorators, place, names, self._text("BCP358", "the path of a file"))

    def _imported(self) -> tuple[str, str, Place]:
        place = self.place
        if self.kind == NAME:
            original = self.expect_name("what is imported", "BCP355")
        else:
            text = self._text("BCP355", "what is imported")
            original = text.value if isinstance(text, Literal) else ""
            if self.lexeme != "as":
                raise self.fault("a name is expected here: as NAME", "BCP375")
        return original, self.expect_name("the import", "BCP325") if self._has("as") else original, place

    def _extension(self, decorators: list[Decorator], place: Place) -> Declaration:
        self.advance()
        return self._extension_tail(decorators, place)

    def _extension_tail(self, decorators: list[Decorator], place: Place) -> Declaration:
        if self.kind == NAME:
            name = self.expect_name("an extension", "BCP201")
        else:
            text = self._text("BCP201", "an extension")
            name = str(text.value).partition("@")[0] if isinstance(text, Literal) else ""
        config = None
        if self._has("with"):
            config = self.expression()
        if self._has("as"):
            name = self.expect_name("the extension", "BCP202")
        return Other(name, decorators, place, "extension", config)

    def _block(self, decorators: list[Decorator], place: Place) -> Block:
        """Read a resource or module."""
        keyword = self.lexeme
        name = self._head(f"a {keyword}", "BCP017" if keyword == "resource" else "BCP096")
        target = self._text("BCP068" if keyword == "resource" else "BCP097", "its type or path")
        existing = keyword == "resource" and self._has("existing")
        made = Block(name, decorators, place, keyword, target, existing=existing)
        self.expect("=")
        if self.lexeme == LINE and self._if_follows():
            self.advance()
        if self.lexeme == "[":
            self.advance()
            self.skip_breaks()
            made.loop = self.loop_head()
            self._body(made)
            self.skip_breaks()
            self.expect("]")
        else:
            self._body(made)
        return made

    def _if_follows(self) -> bool:
        ahead = self.after_breaks(3)
        return ahead[:2] == "if" and not (ahead[2:].isalnum() or ahead[2:] == "_")

    def _body(self, block: Block) -> None:
        """Read `{...}` or `if (...) {...}`."""
        if self.lexeme == "if" and self.kind == NAME:
            self.advance()
            if self.lexeme != "(":
                raise self.fault('"(" is expected here', "BCP018")
            block.condition = self._parenthesized()
        if self.lexeme != "{":
            rule = "BCP167" if block.loop else "BCP118"
            raise self.fault('"{", "[" or "if" is expected here', rule)
        self._deeper()
        block.body = self.object_literal(lambda: self._nested(block) if block.keyword == "resource" else False)
        self.depth -= 1

    def _nested(self, block: Block) -> bool:
        """Read a resource that is declared in another's body, if one is here."""
        if self.lexeme != "@" and not (self.lexeme == "resource" and self._name_follows()):
            return False
        try:
            decorators = self.decorators()
            if self.lexeme != "resource":
                raise self.fault("a resource is expected here", "BCP007")
            block.nested.append(self._block(decorators, self.place))
        except SyntaxFault as fault:
            self.recover(fault, frozenset({LINE, "}"}), 0)
        return True

    def _name_follows(self) -> bool:
        ahead = self.source[self.end : self.end + 80].lstrip(" \t")[:1]
        return ahead.isascii() and (ahead.isalpha() or ahead == "_")


class ParametersParser(Parser):
    """Reads the declarations of a parameter file."""

    def _readers(self) -> dict[str, Callable[[list[Decorator], Place], Declaration]]:
        return {
            "using": self._using, "extends": self._extends, "param": self._assignment, "var": self._var,
            "import": self._import, "type": self._type, "extension": self._extension,
            "extensionConfig": self._extension,
        }  # fmt: skip

    def _using(self, decorators: list[Decorator], place: Place) -> Declaration:
        self.advance()
        source = None
        if self.kind == NAME:
            self.expect("none", "BCP012")
        else:
            source = self._text("BCP257", "the path of a file")
        if self.kind != BREAK and self._has("with"):
            self.expression()
        return Using("using", decorators, place, source)

    def _extends(self, decorators: list[Decorator], place: Place) -> Declaration:
        self.advance()
        return Using("extends", decorators, place, self._text("BCP404", "the path of a file"))

    def _assignment(self, decorators: list[Decorator], place: Place) -> Declaration:
        name = self._head("a parameter", "BCP013")
        return Param(name, decorators, place, None, self._value())


def parse(text: str, path: str) -> Parser:
    """Return the parser of a Bicep file; `file()` reads it."""
    return Parser(text, path)
