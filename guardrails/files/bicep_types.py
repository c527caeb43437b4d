"""Types of a Bicep file: what is written -> `TypeOf`, as far as values are held against it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from guardrails.dataclass import fields, replace
from guardrails.evaluation.expressions import Array, Literal, Node
from guardrails.evaluation.template import TypeOf
from guardrails.evaluation.values import Place
from guardrails.files.bicep_syntax import (
    Decorator,
    TypeList,
    TypeLiteral,
    TypeMember,
    TypeName,
    TypeNullable,
    TypeObject,
    TypeSyntax,
    TypeTuple,
    TypeUnion,
)

_AMBIENT: Final = frozenset({"string", "int", "bool", "array", "object"})
_NUMBERS: Final = {"minValue": "least", "maxValue": "most", "minLength": "shortest", "maxLength": "longest"}
_FIELDS: Final = tuple(one.name for one in fields(TypeOf))
_MOST_MEMBERS: Final = 10_000


UNKNOWN: Final = TypeOf()
"""A type that could not be read: null may be a value of it."""


class TypeReader:
    """Reads the types of one file.

    Args:
        declared: the types that the file declares, by name.
        imported: the types that it imports, by name; of `import * as x`, `x.name`.
        fault: notes what the compiler refuses: place, message, code.
    """

    def __init__(
        self,
        declared: Mapping[str, tuple[TypeSyntax, list[Decorator]]],
        imported: Mapping[str, TypeOf],
        fault: Callable[[Place, str, str], object],
    ) -> None:
        self._declared, self._imported, self._fault = declared, imported, fault
        self.used: dict[str, TypeOf] = {}

    def read(self, type_: TypeSyntax, decorators: list[Decorator]) -> TypeOf:
        """Return a type with what its decorators add."""
        of = self.of(type_)
        if (marked := next((one for one in decorators if one.name == "discriminator"), None)) is not None:
            of = self._tagged(of, type_, marked)
        return self._decorated(of, decorators)

    def _tagged(self, of: TypeOf, type_: TypeSyntax, decorator: Decorator) -> TypeOf:
        """Return a union of objects with the texts by which they differ."""
        name = (
            decorator.arguments[0].value
            if decorator.arguments and isinstance(decorator.arguments[0], Literal)
            else None
        )
        while isinstance(type_, TypeNullable):
            type_ = type_.type
        if not isinstance(name, str) or not isinstance(type_, TypeUnion):
            return of
        variants: dict[str, TypeOf] = {}
        for member in type_.members:
            variant = self._tagged(self.of(member), member, decorator)
            tags = _literals(variant.properties[name]) if name in variant.properties else None
            found = variant.variants or {tag: variant for tag in tags or [] if isinstance(tag, str)}
            if not found:
                return of  # a member is not known, or no member of such a union
            variants |= found
        return replace(of, kind="object", tag=name, variants=variants)

    def of(self, type_: TypeSyntax) -> TypeOf:
        """Return a type."""
        if isinstance(type_, TypeName):
            return self._named(type_)
        if isinstance(type_, TypeLiteral):
            return _of_literals([type_.value], type_.place)
        if isinstance(type_, TypeList):
            return TypeOf(kind="array", items=self.of(type_.item), place=type_.place)
        if isinstance(type_, TypeNullable):
            return replace(self.of(type_.type), nullable=True)
        if isinstance(type_, TypeUnion):
            return self._union(type_)
        if isinstance(type_, TypeObject):
            return self._object(type_)
        if isinstance(type_, TypeTuple):
            items = [self.read(item.type, item.decorators) for item in type_.items]
            return TypeOf(kind="array", longest=len(items), tuple=items, place=type_.place)
        return UNKNOWN

    def named(self, name: str) -> TypeOf:
        """Return a type that the file declares. A type may refer to itself."""
        if name not in self.used:
            made = self.used[name] = TypeOf()
            type_, decorators = self._declared[name]
            of = self.read(type_, decorators)
            for field in _FIELDS:
                setattr(made, field, getattr(of, field))
        return self.used[name]

    def _named(self, type_: TypeName) -> TypeOf:
        path = type_.path
        if path[0] == "sys" and len(path) > 1 and path[1] in _AMBIENT | {"any"}:
            return _ambient(path[1], type_.place)
        name, rest = path[0], path[1:]
        if name in self._declared:
            found = self.named(name)
        elif name in self._imported:
            found = self._imported[name]
        elif rest and f"{name}.{rest[0]}" in self._imported:
            found, rest = self._imported[f"{name}.{rest[0]}"], rest[1:]
        elif name in _AMBIENT or name == "any":
            found = _ambient(name, type_.place)
        elif any(one.startswith(f"{name}.") for one in self._imported):
            if f"{name}." not in self._imported and rest:
                self._fault(type_.place, f"{name} has no type {rest[0]}", "BCP302")
            return UNKNOWN
        else:
            self._fault(type_.place, f"there is no type {name}", "BCP302")
            return UNKNOWN
        for part in rest:
            found = self._part(found, part, type_.place)
        return found

    def _part(self, of: TypeOf, part: str, place: Place) -> TypeOf:
        """Return the type of a part of another: of a property, of all others, of an item."""
        if of.kind == "array":
            if part == "*":
                return of.items or self._no_part(
                    place, "only a list with one type of items has a type for all", "BCP390"
                )
            items = of.tuple or []
            if part.isdecimal() and int(part) < len(items):
                return items[int(part)]
            return self._no_part(place, f"the list has no type for {part}", "BCP388")
        if of.kind == "object" and not of.tag and not of.reference:
            if part == "*":
                return of.additional or self._no_part(place, "the object has no type for other properties", "BCP389")
            return of.properties.get(part) or self._no_part(place, f"the object has no property {part}", "BCP052")
        return UNKNOWN

    def _no_part(self, place: Place, message: str, rule: str) -> TypeOf:
        self._fault(place, message, rule)
        return UNKNOWN

    def _object(self, type_: TypeObject) -> TypeOf:
        made = TypeOf(kind="object", place=type_.place)
        required: set[str] = set()
        for member in type_.members[:_MOST_MEMBERS]:
            of = self.read(member.type, [one for one in member.decorators if one.name != "allowed"])  # it adds nothing
            if member.name is None:
                if made.additional is not None:
                    self._fault(member.place, "an object has one type for all other properties", "BCP315")
                made.additional = of
            else:
                self._once(member, made)
                made.properties[member.name] = of
                if not _is_nullable(member.type) and not of.nullable:
                    required.add(member.name)
        made.required = frozenset(required)
        return made

    def _once(self, member: TypeMember, made: TypeOf) -> None:
        if member.name in made.properties:
            self._fault(member.place, f"the property {member.name} is declared twice", "BCP025")
        elif any(str(member.name).lower() == one.lower() for one in made.properties):
            self._fault(member.place, f"{member.name} differs only in letter case from another property", "BCP353")

    def _union(self, type_: TypeUnion) -> TypeOf:
        values: list[str | int | bool | None] = []
        kinds: set[str] = set()
        nullable = plain = False
        for member in type_.members:
            of = self.of(member)
            nullable = nullable or of.nullable
            literals = _literals(of)
            if literals is None:
                plain = True
                kinds.add(of.kind)
            else:
                values += literals
        if plain:
            kinds |= {_kind(value) for value in values if value is not None}
            return TypeOf(kind=kinds.pop() if len(kinds) == 1 else "", nullable=nullable, place=type_.place)
        return replace(_of_literals(values, type_.place), nullable=nullable or None in values)

    def _decorated(self, of: TypeOf, decorators: list[Decorator]) -> TypeOf:
        """Return a type with the constraints of decorators."""
        changes: dict[str, Any] = {}
        for decorator in decorators:
            argument = decorator.arguments[0] if decorator.arguments else None
            if decorator.name in _NUMBERS:
                self._number(decorator, of, argument, changes)
            elif decorator.name == "allowed":
                if isinstance(argument, Array):
                    changes["allowed"] = argument
                else:
                    self._fault(decorator.place, "@allowed() needs a list of values", "BCP070")
            elif decorator.name == "secure":
                changes["secure"] = True
            elif decorator.name == "sealed":
                changes["sealed"] = True
        return replace(of, **changes) if changes else of

    def _number(self, decorator: Decorator, of: TypeOf, argument: Node | None, changes: dict[str, Any]) -> None:
        kinds = {"int"} if decorator.name.endswith("Value") else {"string", "array"}
        if of.kind and of.kind not in kinds:
            self._fault(decorator.place, f"@{decorator.name}() is not for values of type {of.kind}", "BCP124")
        elif isinstance(argument, Literal) and isinstance(argument.value, int) and not isinstance(argument.value, bool):
            changes[_NUMBERS[decorator.name]] = argument.value
        else:
            self._fault(decorator.place, f"@{decorator.name}() needs a number", "BCP070")


def _ambient(name: str, place: Place) -> TypeOf:
    """Return a type of the language itself."""
    return TypeOf(place=place) if name == "any" else TypeOf(kind=name, place=place)


def _kind(value: str | int | None) -> str:
    if value is None:
        return ""
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "string"


def _of_literals(values: list[str | int | bool | None], place: Place) -> TypeOf:
    """Return the type of some values."""
    kinds = {_kind(value) for value in values if value is not None}
    items: list[Node] = [Literal(value, place) for value in values if value is not None]
    kind = kinds.pop() if len(kinds) == 1 else ""
    if not items:
        return TypeOf(nullable=True, place=place)
    return TypeOf(kind=kind, nullable=None in values, allowed=Array([*items], place), place=place)


def _literals(of: TypeOf) -> list[str | int | bool | None] | None:
    """Return the values of a type that is made of values; None for another."""
    if isinstance(of.allowed, Array):
        return [item.value for item in of.allowed.items if isinstance(item, Literal)]
    return None if of.kind or of.items or not of.nullable else [None]


def _is_nullable(type_: TypeSyntax) -> bool:
    return isinstance(type_, TypeNullable)
