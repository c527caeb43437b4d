"""Values of ARM templates with their expressions: texts become expressions, `copy` becomes loops. Pure."""

from functools import lru_cache
from sys import intern
from typing import Any

from guardrails.dataclass import dataclass, field
from guardrails.evaluation.expressions import Array, Comprehension, Literal, Loop, Member, Node, Object, Opaque, Record
from guardrails.evaluation.template import Diagnostic, Level, Stage
from guardrails.evaluation.values import NOWHERE, Place, Unknown
from guardrails.files.arm_expressions import NotAnExpression, is_expression, parse, unescaped
from guardrails.files.json_places import member, text_of


@dataclass(slots=True)
class Lowering:
    """Lowers values of one file, and collects what is wrong in `diagnostics`."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def wrong(self, place: Place, message: str, rule: str = "", level: Level = Level.ERROR) -> None:
        """Report what the engine refuses before it computes anything; or what is doubtful, by its level."""
        self.diagnostics.append(Diagnostic(place, message, rule, level, Stage.COMPILE))

    def doubt(self, place: Place, message: str, rule: str) -> None:
        """Report what the engine may refuse."""
        self.diagnostics.append(Diagnostic(place, message, rule, Level.WARNING, Stage.READ))

    def text(self, node: Literal) -> Node:
        """Return a text: an expression, or the text that it means."""
        value = node.value
        if not isinstance(value, str) or value[:1] != "[":
            return node
        if not is_expression(value):
            return Literal(unescaped(value), node.place)
        try:
            return parse(value, node.place)
        except NotAnExpression as error:
            path, line, column = node.place
            self.wrong(
                Place(path, line, column + 1 + error.offset),
                f"{_short(value)} is no expression: {error.message}",
                "expression",
            )
            return Opaque(Unknown(f"Azure refuses this: {_short(value)} is no expression", node.place))

    def value(self, node: Node) -> Node:
        """Return a value with its expressions. The node is changed in place."""
        kind = type(node)
        if kind is Literal:
            return self.text(node)  # type: ignore[arg-type]
        if kind is Array:
            node.items = [self.value(item) for item in node.items]  # type: ignore[union-attr, arg-type]
        elif kind is Object:
            self._object(node)  # type: ignore[arg-type]
        elif kind is Record:
            return self._record(node)  # type: ignore[arg-type]
        return node

    def _record(self, node: Record) -> Object:
        """Return a record with its expressions; an object with all its members where there is more than expressions."""
        try:
            if not node.is_read:
                return node.changed(lowered(node.values), _lowered)
        except NotAnExpression:
            pass
        made = node.whole()
        self._object(made)
        return made

    def _object(self, node: Object) -> None:
        made: list[Member] = []
        replaced: set[int] = set()
        for one in node.members:
            if type(one) is not Member or type(one.key) is not str:
                continue
            key = one.key
            if key[:1] == "[":
                found = self.text(Literal(key, one.place))
                one.key = found.value if isinstance(found, Literal) else found
            elif len(key) == 4 and key.lower() == "copy" and (loops := self.loops(one.value)) is not None:
                made += loops
                replaced.add(id(one))
                continue
            value = one.value
            if type(value) is not Literal or (type(value.value) is str and value.value[:1] == "["):
                one.value = self.value(value)
        if replaced:
            node.members = [*(one for one in node.members if id(one) not in replaced), *made]

    def loops(self, node: Node) -> list[Member] | None:
        """Return the members that a `copy` in an object makes; None where it is none."""
        if not isinstance(node, Array):
            return None
        found: list[Member] = []
        for item in node.items:
            name, count, source = (member(item, part) for part in ("name", "count", "input"))  # type: ignore[arg-type]
            named = text_of(name)
            if named is None or name is None or count is None or source is None:
                return None
            loop = Loop(named, count=self.value(count), place=name.place)
            found.append(Member(named, Comprehension(loop, self.value(source), place=name.place), name.place))
        return found

    def resource_loop(self, node: Node | None, name: str = "") -> Loop | None:
        """Return the loop of a resource or output. `name`: of one that has none."""
        if node is None:
            return None
        count = member(node, "count")
        if count is None:
            self.wrong(node.place, "a copy loop has no count", "copy")
            count = Opaque(Unknown("Azure refuses this: a copy loop has no count", node.place))
        named = text_of(member(node, "name"))
        return Loop(named if named is not None else name, count=self.value(count), place=node.place)


def _lowered(node: Node) -> Node:
    """Lower the members of a record that was lowered before: nothing is wrong with them."""
    return Lowering().value(node)


def lowered(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a record with their expressions. Raises NotAnExpression where it can be no record."""
    found: dict[str, Any] = {}
    for key, one in values.items():
        kind = type(one)
        if key[:1] == "[" or (len(key) == 4 and key.lower() == "copy"):
            raise NotAnExpression(key, 0)
        key = intern(key)  # so that it is kept and sent to another process once  # noqa: PLW2901
        if kind is str:
            found[key] = one if one[:1] != "[" else _expression(one)
        elif kind is dict:
            found[key] = lowered(one)
        elif kind is list and any(type(item) is str and item[:1] == "[" for item in one):
            raise NotAnExpression(key, 0)
        else:
            found[key] = one
    return found


@lru_cache(1024)
def _expression(text: str) -> Node | str:
    """Return the expression in a text, of no place, or the text that it means. Raises NotAnExpression."""
    return parse(text, NOWHERE) if is_expression(text) else unescaped(text)


def _short(text: str) -> str:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return repr(shown)
