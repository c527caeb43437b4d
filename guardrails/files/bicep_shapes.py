"""What is known of values in Bicep expressions before they are computed. Pure."""

from typing import TYPE_CHECKING, Final

from guardrails.dataclass import dataclass, replace
from guardrails.evaluation.expressions import Array, Literal
from guardrails.evaluation.template import TypeOf
from guardrails.evaluation.values import Place

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value before it is computed.

    Attributes:
        kind: `string`, `int`, `bool`, `array`, `object`, `null`, `lambda`; "" for anything.
        nullable: it may be null as well.
        members: the properties of an object, where all are known; None where they are not.
        items: what each item of a list is.
        each: what the items of a list are, one by one, where all are known.
        value: the text or integer that it is, where that is known.
        either: what it may be, of several that differ.
        of: the declared type that it has.
        place: where it is.
    """

    kind: str = ""
    nullable: bool = False
    members: "Mapping[str, Shape] | None" = None
    items: "Shape | None" = None
    each: "tuple[Shape, ...] | None" = None
    value: str | int | None = None
    either: "tuple[Shape, ...]" = ()
    of: TypeOf | None = None
    place: Place | None = None


ANY: Final = Shape()
PLAIN: Final = {kind: Shape(kind) for kind in ("string", "int", "bool", "array", "object", "null", "lambda")}
_MOST_KINDS: Final = 50


def of_type(type_: TypeOf | None) -> Shape:
    """Return the shape of values of a declared type."""
    if type_ is None or (not type_.kind and not type_.properties):
        return ANY
    return Shape(type_.kind, type_.nullable, of=type_)


def common(shapes: list[Shape]) -> Shape:
    """Return what is known of a value that is one of several."""
    first = shapes[0]
    if all(shape is first for shape in shapes):
        return first
    flat = [one for shape in shapes for one in (shape.either or (shape,))]
    kinds = {one.kind for one in flat} - {"null"}
    if "" in kinds or not kinds or len(flat) > _MOST_KINDS:
        return ANY
    nullable = any(one.kind == "null" or one.nullable for one in flat)
    either = tuple(one for one in flat if one.kind != "null")
    return Shape(kinds.pop() if len(kinds) == 1 else "", nullable, either=either)


def either_of(shapes: list[Shape]) -> Shape:
    """Return what is known of `a ?? b`: where the last is never null, it is never null."""
    found = common(shapes)
    return replace(found, nullable=shapes[-1].nullable or shapes[-1].kind == "null") if found.nullable else found


def clash(shape: Shape, type_: TypeOf) -> str | None:
    """Return why a value is certainly not of a declared type, None where it may be."""
    if shape.kind == "null":
        return None if type_.nullable else f"a value of type {type_.kind} is expected here, not null"
    if shape.kind != type_.kind:
        return f"a value of type {type_.kind} is expected here, not of type {shape.kind}"
    if shape.value is not None and isinstance(type_.allowed, Array):
        values = [item.value for item in type_.allowed.items if isinstance(item, Literal)]
        if len(values) == len(type_.allowed.items) and shape.value not in values:
            return f"{shape.value!r} is none of the allowed values"
    return None
