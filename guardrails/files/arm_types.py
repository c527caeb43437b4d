"""Types of parameters, outputs and definitions of ARM templates. Pure."""

from typing import Final

from guardrails.evaluation.expressions import Array, Literal, Node, Spread
from guardrails.evaluation.template import TypeOf
from guardrails.files.json_places import member, members, text_of

_KINDS: Final = {
    "string": "string",
    "securestring": "string",
    "int": "int",
    "bool": "bool",
    "array": "array",
    "object": "object",
    "secureobject": "object",
}
_REFERENCE: Final = "#/definitions/"
_DEEPEST: Final = 30


def read_type(node: Node | None, depth: int = 0) -> TypeOf:
    """Return the type that an object declares. What is not understood is not checked."""
    if node is None or depth > _DEEPEST:
        return TypeOf()
    reference = text_of(member(node, "$ref")) or ""
    kind = (text_of(member(node, "type")) or "").lower()
    found = TypeOf(
        kind=_KINDS.get(kind, ""),
        nullable=_flag(member(node, "nullable")),
        secure=kind.startswith("secure"),
        allowed=_list(member(node, "allowedValues")),
        least=_integer(member(node, "minValue")),
        most=_integer(member(node, "maxValue")),
        shortest=_integer(member(node, "minLength")),
        longest=_integer(member(node, "maxLength")),
        reference=reference.removeprefix(_REFERENCE) if reference.startswith(_REFERENCE) else "",
        place=node.place,
    )
    if (items := member(node, "items")) is not None:
        found.items = read_type(items, depth + 1)
    if isinstance(first := member(node, "prefixItems"), Array):
        found.tuple = [read_type(item, depth + 1) for item in first.items if not isinstance(item, Spread)]
    discriminator = member(node, "discriminator")
    found.tag = text_of(member(discriminator, "propertyName")) or ""
    for one in members(member(discriminator, "mapping")):
        found.variants[str(one.key)] = read_type(one.value, depth + 1)
    _read_properties(found, node, depth)
    return found


def _read_properties(found: TypeOf, node: Node, depth: int) -> None:
    for one in members(member(node, "properties")):
        found.properties[str(one.key)] = read_type(one.value, depth + 1)
    found.required = frozenset(
        name for name, one in found.properties.items() if not one.nullable and not one.reference and one.kind
    )
    additional = member(node, "additionalProperties")
    if isinstance(additional, Literal):
        found.sealed = additional.value is False
    elif additional is not None:
        found.additional = read_type(additional, depth + 1)


def _flag(node: Node | None) -> bool:
    return isinstance(node, Literal) and node.value is True


def _integer(node: Node | None) -> int | None:
    value = node.value if isinstance(node, Literal) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(node: Node | None) -> Node | None:
    return node if isinstance(node, Array) else None
