"""Where a Bicep file may name all resources or modules of a loop at once, without a number. Pure.

The compiler takes that in a variable, an output, the properties of a resource, the params of a module and in
`dependsOn`, but, besides `dependsOn`, in no loop.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from guardrails.evaluation.expressions import Access, Comprehension, Impossible, Member, Node, Symbol, Variable
from guardrails.evaluation.template import Template
from guardrails.evaluation.values import Place
from guardrails.files.bicep_checks import Placed, parts

type Fault = Callable[[Place, str, str], Impossible]

_PART: Final = {"resource": "properties", "module": "params"}
"""The part of a resource or module in which the compiler takes them."""


def whole_loops(template: Template, placed: Mapping[str, Placed], loops: Iterable[str], fault: Fault) -> None:
    """Note where all of a loop is named and may not be.

    Args:
        placed: the resources and modules, by their whole symbol.
        loops: the symbols of those that are loops.
    """
    check = _Check(template, frozenset(loops), fault)
    for variable in template.variables.values():
        if variable.home is None:
            check.look(variable.value, taken=True)
    for output in template.outputs.values():
        check.look(output.value, taken=True)
    for one in placed.values():
        loop, condition = one.block.loop, one.block.condition
        if loop is not None and loop.items is not None:
            check.look(loop.items, taken=False)
        if condition is not None:
            check.look(condition, taken=False)
        for member in one.block.body.members:
            key = member.key if isinstance(member, Member) else ""
            if key != "dependsOn":
                check.look(member.value, taken=loop is None and key == _PART[one.block.keyword])


class _Check:
    """Looks at the values of one file."""

    def __init__(self, template: Template, loops: frozenset[str], fault: Fault) -> None:
        self._variables, self._loops, self._fault = template.variables, loops, fault

    def look(self, value: Node, *, taken: bool) -> None:
        """Look at a value. `taken`: all of a loop may be named in it, but for what is inside another loop."""
        stack: list[tuple[Node, bool]] = [(value, taken)]
        while stack:
            one, here = stack.pop()
            symbol = "" if here else self._named(one)
            if symbol:
                said = f"{symbol} is a loop: here, choose one of it by its number"
                self._fault(one.place, said, "BCP144")
            inner = here and not isinstance(one, Comprehension)
            stack += [(part, inner) for part in _inside(one)]

    def _named(self, node: Node) -> str:
        """Return the loop that a name stands for as a whole, also by variables; "" for none."""
        seen: set[str] = set()
        stack: list[Node] = [node] if isinstance(node, Symbol | Variable) else []
        while stack:
            one = stack.pop()
            if isinstance(one, Symbol) and one.name in self._loops:
                return one.name
            if isinstance(one, Variable) and one.name not in seen:
                seen.add(one.name)
                declared = self._variables.get(one.name)
                stack += [declared.value] if declared is not None and declared.home is None else []
            stack += _inside(one)
        return ""


def _inside(node: Node) -> list[Node]:
    """Return the expressions in an expression, without the loop of which it chooses one."""
    return [node.key] if isinstance(node, Access) and isinstance(node.target, Symbol) else parts(node)
