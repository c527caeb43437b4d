"""What is known of values in Bicep expressions before they are computed. Pure."""

from typing import TYPE_CHECKING, Final

from guardrails.dataclass import dataclass, replace
from guardrails.evaluation.expressions import Array, Call, Literal
from guardrails.evaluation.template import Resource, ScopeKind, TypeOf
from guardrails.evaluation.values import Place
from guardrails.files.bicep_signatures import SCOPES

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
_SCOPE_TEXTS: Final = frozenset({"id", "name", "type", "location", "subscriptionId", "tenantId", "displayName"})
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


def without_places(shape: Shape) -> Shape:
    """Return what is known of a value for another file, where the places in this one say nothing."""
    members = shape.members
    return replace(
        shape,
        place=None,
        members=None if members is None else {name: without_places(one) for name, one in members.items()},
        items=None if shape.items is None else without_places(shape.items),
        each=None if shape.each is None else tuple(map(without_places, shape.each)),
        either=tuple(map(without_places, shape.either)),
    )


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


def of_module(one: Resource) -> Shape:
    """Return what is known of a module, or of all of its loop."""
    template = one.deployment.template if one.deployment is not None else None
    outputs = ANY
    if template is not None and not template.incomplete:
        outputs = Shape("object", members={name: of_type(of.type) for name, of in template.outputs.items()})
    module = Shape("object", members={"name": PLAIN["string"], "outputs": outputs, "identity": ANY})
    return module if one.loop is None else Shape("array", items=module)


def of_scope(node: Call, scope: ScopeKind | None) -> Shape:
    """Return what a function gives that describes the deployment's scope. For another scope it has no properties."""
    names = {} if node.arguments else dict.fromkeys(SCOPES[node.name], ANY)
    if node.name == "deployment" and scope != ScopeKind.RESOURCE_GROUP:
        names["location"] = ANY
    return Shape("object", members={name: PLAIN["string"] if name in _SCOPE_TEXTS else ANY for name in names})
