"""What the Bicep compiler refuses about types as they are written, and about the decorators on them. Pure.

What hangs on a type of another file is checked as far as that type is known.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from guardrails.evaluation.expressions import Array, Literal, Member, Node, Object, Spread
from guardrails.evaluation.template import TypeOf
from guardrails.evaluation.values import Place
from guardrails.files.bicep_checks import cycles
from guardrails.files.bicep_decorators import check_member_decorators
from guardrails.files.bicep_syntax import (
    Declaration,
    Decorator,
    Func,
    Other,
    Out,
    Param,
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
    Var,
)

type Fault = Callable[[Place, str, str], object]
type _Values = list[str | int | None]

_AMBIENT: Final = frozenset({"string", "int", "bool", "array", "object", "any"})
_NOT_ON_ALIASES: Final = frozenset({"secure", "allowed", "minValue", "maxValue", "minLength", "maxLength", "sealed"})
_NOT_ON_LITERALS: Final = frozenset({"allowed", "minLength", "maxLength"})
_KINDS: Final = {"secure": ("string", "object"), "sealed": ("object",), "discriminator": ("object",)}
_LENGTHS: Final = frozenset({"minLength", "maxLength"})
_CONSTANT: Final = _NOT_ON_ALIASES | {"description", "metadata", "discriminator"}
_ARGUMENTS: Final = {"description": "string", "discriminator": "string", "metadata": "object"}
_REFUSED: Final = {
    "BCP231": "resources as parameters and outputs are an experimental feature, which is not switched on",
    "BCP383": "this type has no other type in it",
    "BCP394": "the whole type of a resource is no type here, only a part of it: .properties",
}
_PAIRS: Final = (("minLength", "maxLength"), ("minValue", "maxValue"))
_DEEPEST: Final = 60
_MOST: Final = 10_000


class TypeChecks:
    """Looks at the types of one file.

    Args:
        declared: the types that the file declares, by name.
        imported: the types that it imports, by name; of `import * as x`, `x.name`.
        fault: notes what is refused.
        experimental: whether experimental features may be switched on.
    """

    def __init__(
        self,
        declared: Mapping[str, tuple[TypeSyntax, list[Decorator]]],
        imported: Mapping[str, TypeOf],
        fault: Fault,
        experimental: Callable[[], bool],
    ) -> None:
        self._declared, self._imported, self._fault, self._experimental = declared, imported, fault, experimental

    def run(self, declarations: Iterable[Declaration]) -> None:
        """Note all that is refused."""
        described: set[str] = set()
        for one in declarations:
            _constants(one.decorators, self._fault)
            if isinstance(one, Other) and one.keyword == "metadata" and one.value is not None:
                if not _is_constant(one.value):
                    self._fault(one.value.place, "metadata is made of literals", "BCP032")
                if one.name in described:
                    self._fault(one.place, f"the metadata {one.name} is declared twice", "BCP145")
                described.add(one.name)
            if isinstance(one, Func):
                for type_ in (one.output, *(argument.type for argument in one.arguments)):
                    self._type(type_, [])
            elif isinstance(one, Param | Out | Type | Var) and one.type is not None:
                if isinstance(one, Type) and one.name.lower() == "resource":
                    self._fault(one.place, "the name resource is reserved", "BCP301")
                self._type(one.type, one.decorators)
        self._cycles()

    def _type(self, type_: TypeSyntax, decorators: list[Decorator], depth: int = 0, *, listed: bool = False) -> None:
        """Look at a type with its decorators. `listed`: it is the item of a list."""
        if depth > _DEEPEST:
            return
        if decorators:
            self._decorators(type_, decorators)
        bare = _bare(type_)
        if isinstance(bare, TypeLiteral) and bare.value is None:
            self._fault(bare.place, "null is no type by itself", "BCP289")
        elif isinstance(bare, TypeOpaque) and bare.rule and not (bare.rule == "BCP231" and self._experimental()):
            self._fault(bare.place, _REFUSED[bare.rule], bare.rule)
        elif isinstance(bare, TypeList):
            self._type(bare.item, [], depth + 1, listed=True)
        elif isinstance(bare, TypeTuple):
            for item in bare.items[:_MOST]:
                self._member(item, depth)
        elif isinstance(bare, TypeObject):
            for member in bare.members[:_MOST]:
                self._member(member, depth)
        elif isinstance(bare, TypeUnion):
            self._members(bare, decorators, depth, listed=listed)

    def _members(self, union: TypeUnion, decorators: list[Decorator], depth: int, *, listed: bool) -> None:
        marked = [one for one in decorators if one.name == "discriminator"]
        for one in union.members[:_MOST]:
            if not isinstance(one, TypeLiteral) and not (marked and isinstance(_bare(one), TypeUnion)):
                self._type(one, [], depth + 1)
        if marked:
            self._tagged(union, marked[0])
        else:
            self._union(union, listed=listed)

    def _member(self, member: TypeMember, depth: int) -> None:
        if member.decorators:
            check_member_decorators(member.decorators, self._fault)
            _constants(member.decorators, self._fault)
        self._type(member.type, member.decorators, depth + 1)

    # what a name stands for

    def _resolved(self, type_: TypeSyntax) -> TypeSyntax:
        """Return what a name that the file declares stands for, nullable or not; the same where it is no such name."""
        bare = _bare(type_)
        for _ in range(_DEEPEST):
            if not (isinstance(bare, TypeName) and len(bare.path) == 1 and bare.path[0] in self._declared):
                break
            bare = _bare(self._declared[bare.path[0]][0])
        return bare

    def _is_alias(self, type_: TypeSyntax) -> bool:
        bare = _bare(type_)
        if not isinstance(bare, TypeName):
            return False
        name = bare.path[0]
        return name in self._declared or any(one == name or one.startswith(f"{name}.") for one in self._imported)

    def _kind(self, type_: TypeSyntax) -> str:
        """Return the kind of a type, "" where it is not certain."""
        bare = self._resolved(type_)
        if isinstance(bare, TypeLiteral):
            return _kind(bare.value)
        if isinstance(bare, TypeList | TypeTuple):
            return "array"
        if isinstance(bare, TypeObject):
            return "object"
        if isinstance(bare, TypeName):
            name = bare.path[-1] if bare.path[0] == "sys" else bare.path[0] if len(bare.path) == 1 else ""
            found = self._imported.get(".".join(bare.path))
            return found.kind if found is not None else name if name in _AMBIENT - {"any"} else ""
        return ""

    # unions

    def _union(self, type_: TypeUnion, *, listed: bool) -> None:
        """Check a union that is no tagged one: literals of one kind, besides null."""
        literals: _Values = []
        kinds: set[str] = set()
        plain: list[Place] = []
        for member, place in self._flat(type_):
            if isinstance(member, TypeLiteral):
                literals.append(member.value)
                kinds.add(_kind(member.value))
            elif isinstance(member, TypeName | TypeList | TypeObject | TypeTuple) and (kind := self._kind(member)):
                kinds.add(kind)
                if not self._is_literal(member):
                    plain.append(place)
            else:
                return  # what it is cannot be said
        kinds.discard("null")
        if len(kinds) != 1 and not (listed and kinds):
            self._fault(type_.place, "the members of a union of types are literals of one kind", "BCP294")
        for place in plain:
            self._fault(place, "the members of a union of types are literals", "BCP293")

    def _flat(self, type_: TypeUnion) -> Iterator[tuple[TypeSyntax, Place]]:
        """Yield the members of a union and of the unions in it, each with the place of the outermost."""
        seen: set[int] = set()
        stack = [(member, member.place) for member in reversed(type_.members[:_MOST])]
        while stack:
            member, place = stack.pop()
            found = self._resolved(member)
            if isinstance(member, TypeNullable):
                yield TypeLiteral(None, place), place
            if not isinstance(found, TypeUnion):
                yield found, place
            elif id(found) not in seen:
                seen.add(id(found))
                stack += [(one, place) for one in reversed(found.members[:_MOST])]

    def _is_literal(self, type_: TypeSyntax, depth: int = 0) -> bool:
        """Whether a type has a single value. Without certainty it counts as one."""
        found = self._resolved(type_)
        if isinstance(found, TypeName):
            return ".".join(found.path) in self._imported
        if isinstance(found, TypeList):
            return False
        inner: list[TypeSyntax] = []
        if isinstance(found, TypeTuple):
            inner = [item.type for item in found.items]
        elif isinstance(found, TypeObject):
            if any(member.name is None for member in found.members):
                return False
            inner = [member.type for member in found.members]
        return depth > _DEEPEST or all(self._is_literal(one, depth + 1) for one in inner)

    def _tagged(self, type_: TypeUnion, decorator: Decorator) -> None:
        """Check a union of objects of which one property says which it is."""
        name = _text(decorator)
        if name is None:
            return
        seen: dict[str, TypeSyntax] = {}
        for member, place in self._flat(type_):
            if isinstance(member, TypeOpaque) or (isinstance(member, TypeName) and not self._kind(member)):
                continue
            if not isinstance(member, TypeObject):
                if not (isinstance(member, TypeName) and ".".join(member.path) in self._imported):
                    self._fault(place, "the members of a tagged union are objects", "BCP286")
                continue
            tag = next((one for one in member.members if one.name == name), None)
            value = self._resolved(tag.type) if tag is not None else None
            if tag is None or isinstance(tag.type, TypeNullable) or not isinstance(value, TypeLiteral | TypeName):
                self._fault(place, f"each member of a tagged union has a literal {name}", "BCP364")
            elif isinstance(value, TypeLiteral):
                self._tag(value, name, seen, (member, place))

    def _tag(self, value: TypeLiteral, name: str, seen: dict[str, TypeSyntax], where: tuple[TypeSyntax, Place]) -> None:
        member, place = where
        if not isinstance(value.value, str):
            self._fault(place, f"each member of a tagged union has a literal text {name}", "BCP364")
        elif seen.setdefault(value.value.lower(), member) is not member:
            self._fault(place, f"two members of a tagged union have the same {name}", "BCP365")

    # decorators

    def _decorators(self, type_: TypeSyntax, decorators: list[Decorator]) -> None:
        bare, kind = _bare(type_), self._kind(type_)
        for decorator in decorators:
            name, place = decorator.name, decorator.place
            if name in _KINDS and kind and kind not in _KINDS[name]:
                self._fault(place, f"@{name}() is not for values of type {kind}", "BCP124")
            elif name == "secure" and isinstance(bare, TypeName) and bare.path[-1] == "any":
                self._fault(place, "@secure() is for texts and objects", "BCP440")
            elif name in _NOT_ON_ALIASES and self._is_alias(type_):
                self._fault(place, f"@{name}() may not stand on the name of another type", "BCP308")
            elif name in _NOT_ON_LITERALS and isinstance(bare, TypeLiteral | TypeUnion):
                self._fault(place, f"@{name}() may not stand on a type of literals", "BCP295")
            elif name == "sealed" and isinstance(bare, TypeObject) and any(one.name is None for one in bare.members):
                self._fault(place, "@sealed() may not stand on an object that takes other properties", "BCP316")
            elif name == "discriminator" and kind and not isinstance(self._resolved(type_), TypeUnion):
                self._fault(place, "@discriminator() is for a union of objects", "BCP363")
            elif name == "allowed":
                self._allowed(decorator, kind)
        self._numbers(type_, decorators)

    def _numbers(self, type_: TypeSyntax, decorators: list[Decorator]) -> None:
        numbers: dict[str, int] = {}
        for decorator in decorators:
            number = _number(decorator)
            if number is not None:
                numbers[decorator.name] = number
                if decorator.name in _LENGTHS and number < 0:
                    self._fault(decorator.place, "a length is not negative", "BCP168")
        for least, most in _PAIRS:
            if least in numbers and most in numbers and numbers[least] > numbers[most]:
                self._fault(type_.place, f"{least} is greater than {most}", "BCP331")

    def _allowed(self, decorator: Decorator, kind: str) -> None:
        """Check the items of `@allowed([...])`. For a list they may be the values of its items."""
        values = decorator.arguments[0] if len(decorator.arguments) == 1 else None
        if not isinstance(values, Array):
            return
        if not values.items:
            self._fault(values.place, "@allowed() needs a value", "BCP099")
        if kind == "array" and not any(isinstance(item, Array) for item in values.items):
            return
        for item in values.items:
            found = _kind_of(item)
            if kind and found and found != kind:
                self._fault(values.place, f"a value of type {kind} is expected here, not of type {found}", "BCP034")

    # types that hold themselves

    def _cycles(self) -> None:
        needs = {name: list(self._needed(type_, 0)) for name, (type_, _) in self._declared.items()}
        for cycle in cycles(needs):
            for name in cycle:
                place = self._declared[name][0].place
                rule = "BCP298" if len(cycle) == 1 else "BCP299"
                self._fault(place, f"the type {name} needs itself", rule)

    def _needed(self, type_: TypeSyntax, depth: int, *, inside: bool = False) -> Iterator[str]:
        """Yield the types without which no value of a type can be. `inside`: it is part of a list or object."""
        if depth > _DEEPEST or (inside and isinstance(type_, TypeNullable)):
            return
        type_ = _bare(type_)
        if isinstance(type_, TypeName):
            name = type_.path[0]
            if name in self._declared and not (inside and len(type_.path) == 1 and self._is_nullable(name)):
                yield name
        elif isinstance(type_, TypeList):
            yield from self._needed(type_.item, depth + 1, inside=True)
        elif isinstance(type_, TypeTuple):
            for item in type_.items:
                yield from self._needed(item.type, depth + 1, inside=True)
        elif isinstance(type_, TypeObject):
            for member in type_.members:
                if member.name is not None:
                    yield from self._needed(member.type, depth + 1, inside=True)
        elif isinstance(type_, TypeUnion) and not (inside and any(_is_null(one) for one in type_.members)):
            for one in type_.members:
                yield from self._needed(one, depth + 1, inside=inside)

    def _is_nullable(self, name: str) -> bool:
        type_: TypeSyntax = self._declared[name][0]
        for _ in range(_DEEPEST):
            if isinstance(type_, TypeNullable):
                return True
            if isinstance(type_, TypeUnion):
                return any(_is_null(one) or isinstance(one, TypeNullable) for one in type_.members)
            if not (isinstance(type_, TypeName) and len(type_.path) == 1 and type_.path[0] in self._declared):
                return False
            type_ = self._declared[type_.path[0]][0]
        return True


def _bare(type_: TypeSyntax) -> TypeSyntax:
    while isinstance(type_, TypeNullable):
        type_ = type_.type
    return type_


def _is_null(type_: TypeSyntax) -> bool:
    return isinstance(type_, TypeLiteral) and type_.value is None


def _kind(value: str | int | None) -> str:
    if value is None:
        return "null"
    return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "string"


def _kind_of(node: Node | Spread) -> str:
    """Return the kind of a written value, "" where it is not certain."""
    if isinstance(node, Literal) and isinstance(node.value, str | int | None):
        return _kind(node.value)
    return "array" if isinstance(node, Array) else "object" if isinstance(node, Object) else ""


def _text(decorator: Decorator) -> str | None:
    node = decorator.arguments[0] if len(decorator.arguments) == 1 else None
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else None


def _number(decorator: Decorator) -> int | None:
    node = decorator.arguments[0] if len(decorator.arguments) == 1 else None
    value = node.value if isinstance(node, Literal) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _constants(decorators: list[Decorator], fault: Fault) -> None:
    """Note arguments of decorators that are of another type, or not known to the compiler."""
    for decorator in decorators:
        if decorator.name not in _CONSTANT:
            continue
        for argument in decorator.arguments:
            wanted, found = _ARGUMENTS.get(decorator.name), _kind_of(argument)
            if not _is_constant(argument):
                fault(argument.place, f"@{decorator.name}() needs a value that is made of literals", "BCP032")
            elif wanted and found and found != wanted:
                fault(argument.place, f"@{decorator.name}() needs a value of type {wanted}", "BCP070")


def _is_constant(node: Node | Spread) -> bool:
    stack: list[Node | Spread] = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, Array):
            stack += one.items
        elif isinstance(one, Object):
            for member in one.members:
                if not isinstance(member, Member) or not isinstance(member.key, str):
                    return False
                stack.append(member.value)
        elif not isinstance(one, Literal):
            return False
    return True
