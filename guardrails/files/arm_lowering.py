"""Values of ARM templates with their expressions: texts become expressions, `copy` becomes loops. Pure."""

from dataclasses import dataclass, field

from guardrails.evaluation.expressions import Array, Comprehension, Literal, Loop, Member, Node, Object, Opaque
from guardrails.evaluation.template import Diagnostic, Level, Stage
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.arm_expressions import NotAnExpression, is_expression, parse, unescaped
from guardrails.files.json_places import member, members, text_of


@dataclass(slots=True)
class Lowering:
    """Lowers values of one file, and collects what is wrong in `diagnostics`."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def wrong(self, place: Place, message: str, rule: str = "", level: Level = Level.ERROR) -> None:
        """Report what the engine refuses before it computes anything; or what is doubtful, by its level."""
        self.diagnostics.append(Diagnostic(place, message, rule, level, Stage.COMPILE))

    def text(self, node: Literal) -> Node:
        """Return a text: an expression, or the text that it means."""
        value = node.value
        if not isinstance(value, str) or value[:1] != "[":
            return node
        if not is_expression(value):
            return Literal(unescaped(value), node.place)
        start = node.place._replace(column=node.place.column + 1)
        try:
            return parse(value, start, exact="\\" not in value)
        except NotAnExpression as error:
            place = start._replace(column=start.column + error.offset)
            self.wrong(place, f"{_short(value)} is no expression: {error.message}", "expression")
            return Opaque(Unknown(f"Azure refuses this: {_short(value)} is no expression", node.place))

    def value(self, node: Node) -> Node:
        """Return a value with its expressions. The node may be changed in place."""
        if isinstance(node, Literal):
            return self.text(node)
        if isinstance(node, Array):
            node.items = [self.value(item) for item in node.items]  # type: ignore[arg-type]
        elif isinstance(node, Object):
            self._object(node)
        return node

    def _object(self, node: Object) -> None:
        lowered: list[Member] = []
        for one in members(node):
            if one.key == "copy" or (isinstance(one.key, str) and one.key.lower() == "copy"):
                loops = self.loops(one.value)
                if loops is not None:
                    lowered += loops
                    continue
            key = one.key
            if isinstance(key, str) and key[:1] == "[":
                found = self.text(Literal(key, one.place))
                key = found.value if isinstance(found, Literal) else found
            lowered.append(Member(key, self.value(one.value), one.place))
        node.members = list(lowered)

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


def _short(text: str) -> str:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return repr(shown)
