"""What the Bicep compiler refuses of single functions and accesses, beyond the kinds of their parts. Pure."""

from collections.abc import Iterator
from typing import Final

from guardrails.evaluation.expressions import Access, Array, Call, Literal, Local, Variable
from guardrails.evaluation.values import Place
from guardrails.files.bicep_shapes import Shape

_ALIKE: Final = frozenset({"concat", "union", "intersection"})
_SEARCHES: Final = frozenset({"indexOf", "lastIndexOf"})


def refused_arguments(node: Call, shapes: list[Shape]) -> Iterator[tuple[Place, str, str]]:
    """Yield what is refused of a call: place, message, code.

    Args:
        shapes: of the arguments.
    """
    name = node.name
    kinds = {shape.kind for shape in shapes if shape.kind}
    if name in _ALIKE and kinds & {"array", "object"} and len(kinds) > 1:
        yield node.place, f"{name}() takes values of one type", "BCP048"
    if name == "contains" and shapes[0].kind in {"string", "object"} and shapes[1].kind not in {"", "string"}:
        yield node.place, f"contains() looks for a text in a value of type {shapes[0].kind}", "BCP048"
    if name in _SEARCHES and shapes[0].kind == "string" and shapes[1].kind not in {"", "string"}:
        yield node.place, f"{name}() looks for a text in a text", "BCP048"
    listed = node.arguments[0] if node.arguments else None
    if name == "join" and isinstance(listed, Array):
        if any(isinstance(item, Literal) and item.value is None for item in listed.items):
            yield listed.place, "join() does not take null", "BCP070"
    elif name == "flatten" and listed is not None and _is_flat(shapes[0]):
        yield listed.place, "flatten() takes a list of lists", "BCP309"


def is_indirect_output(node: Access) -> bool:
    """Whether an output is read of a variable that is a module, not of the module by its name."""
    outputs = node.target
    if not (isinstance(outputs, Access) and isinstance(outputs.key, Literal) and outputs.key.value == "outputs"):
        return False
    module = outputs.target.target if isinstance(outputs.target, Access) else outputs.target
    return isinstance(module, Variable | Local)


def _is_flat(shape: Shape) -> bool:
    """Whether a list certainly has an item that is no list."""
    items = shape.each if shape.each is not None else (shape.items,) if shape.items is not None else ()
    of = shape.of.items if shape.of is not None else None
    kinds = {one.kind for item in items for one in (item.either or (item,))} | ({of.kind} if of is not None else set())
    return bool(kinds - {"", "array"}) or any(item.nullable for item in items)
