"""What is in a Bicep file: declarations as they are written, their names not yet looked up. Pure data.

Expressions are nodes of `evaluation`, not yet bound: every name is a `Local`, and what the language has beyond
functions is a `Call` whose name is no name of a function: an operator (`==`, `-` with one argument or two), `METHOD`
before a name, `NESTED`, `GROUP`.

The classes are plain ones: to make so many dataclasses of the standard library costs as much time as to start Python.
"""

from typing import Final

from guardrails.evaluation.expressions import Access, Conditional, Literal, Loop, Node, Object
from guardrails.evaluation.values import Place

METHOD: Final = "."
"""`target.name(x)` is the call of METHOD + name with target and x."""
NESTED: Final = "::"
"""`target::name`: a resource that is declared in another; the arguments are the target and the name as a literal."""
NOT_NULL: Final = "!!"
"""`x!` where nothing more is accessed."""
GROUP: Final = "()"
"""`(x)` around a safe access: what is accessed on it is no part of its chain."""


class TypeName:
    """A type by its name, or an access to a part of another type: `shared.waiver`, `waiver.ends`, `list[*]`.

    `path`: the name, then what is accessed; `*` for all members.
    """

    __slots__ = ("path", "place")

    def __init__(self, path: list[str], place: Place) -> None:
        self.path, self.place = path, place


class TypeLiteral:
    """A type of one value: `'Waiver'`, `1`, `true`."""

    __slots__ = ("place", "value")

    def __init__(self, value: str | int | None, place: Place) -> None:
        self.value, self.place = value, place


class TypeList:
    """`item[]`."""

    __slots__ = ("item", "place")

    def __init__(self, item: "TypeSyntax", place: Place) -> None:
        self.item, self.place = item, place


class TypeNullable:
    """`type?`."""

    __slots__ = ("place", "type")

    def __init__(self, type_: "TypeSyntax", place: Place) -> None:
        self.type, self.place = type_, place


class TypeUnion:
    """`a | b`."""

    __slots__ = ("members", "place")

    def __init__(self, members: "list[TypeSyntax]", place: Place) -> None:
        self.members, self.place = members, place


class TypeMember:
    """A property of an object type, or an item of a tuple. `name`: None for `*`, all others; an item's number."""

    __slots__ = ("decorators", "name", "place", "type")

    def __init__(self, name: str | None, type_: "TypeSyntax", decorators: "list[Decorator]", place: Place) -> None:
        self.name, self.type, self.decorators, self.place = name, type_, decorators, place


class TypeObject:
    """`{ name: type, *: type }`."""

    __slots__ = ("members", "place")

    def __init__(self, members: list[TypeMember], place: Place) -> None:
        self.members, self.place = members, place


class TypeTuple:
    """`[type, type]`."""

    __slots__ = ("items", "place")

    def __init__(self, items: list[TypeMember], place: Place) -> None:
        self.items, self.place = items, place


class TypeOpaque:
    """A type that is not looked into: `resource 'a/b@1'`, or a part of `resourceInput<'a/b@1'>`.

    `rule`: the code with which the compiler refuses it, "" where it takes it.
    """

    __slots__ = ("place", "rule")

    def __init__(self, place: Place, rule: str = "") -> None:
        self.place, self.rule = place, rule


type TypeSyntax = TypeName | TypeLiteral | TypeList | TypeNullable | TypeUnion | TypeObject | TypeTuple | TypeOpaque


class Decorator:
    """`@name(arguments)`; `name` without the namespace `sys`. `bare`: no namespace is written."""

    __slots__ = ("arguments", "bare", "name", "place")

    def __init__(self, name: str, arguments: list[Node], place: Place, *, bare: bool = True) -> None:
        self.name, self.arguments, self.place, self.bare = name, arguments, place, bare


class Declaration:
    """What all declarations have. `place`: of its first token, behind the decorators."""

    __slots__ = ("decorators", "name", "place")

    def __init__(self, name: str, decorators: list[Decorator], place: Place) -> None:
        self.name, self.decorators, self.place = name, decorators, place


class TargetScope(Declaration):
    """`targetScope = value`."""

    __slots__ = ("value",)

    def __init__(self, name: str, decorators: list[Decorator], place: Place, value: Node) -> None:
        super().__init__(name, decorators, place)
        self.value = value


class Param(Declaration):
    """`param name type = default`; in a parameter file `param name = default`, with `type` None."""

    __slots__ = ("default", "type")

    def __init__(
        self, name: str, decorators: list[Decorator], place: Place, type_: TypeSyntax | None, default: Node | None
    ) -> None:
        super().__init__(name, decorators, place)
        self.type, self.default = type_, default


class Type(Declaration):
    """`type name = type`."""

    __slots__ = ("type",)

    def __init__(self, name: str, decorators: list[Decorator], place: Place, type_: TypeSyntax) -> None:
        super().__init__(name, decorators, place)
        self.type = type_


class Var(Declaration):
    """`var name type = value`, the type where there is one."""

    __slots__ = ("type", "value")

    def __init__(
        self, name: str, decorators: list[Decorator], place: Place, type_: TypeSyntax | None, value: Node
    ) -> None:
        super().__init__(name, decorators, place)
        self.type, self.value = type_, value


class Argument:
    """A parameter of a user function."""

    __slots__ = ("name", "place", "type")

    def __init__(self, name: str, type_: TypeSyntax, place: Place) -> None:
        self.name, self.type, self.place = name, type_, place


class Func(Declaration):
    """`func name(arguments) output => body`."""

    __slots__ = ("arguments", "body", "output")

    def __init__(
        self, name: str, decorators: list[Decorator], place: Place, arguments: list[Argument], *, output: TypeSyntax
    ) -> None:
        super().__init__(name, decorators, place)
        self.arguments, self.output = arguments, output
        self.body: Node = Literal(None, place)


class Block(Declaration):
    """A resource or module.

    Attributes:
        keyword: `resource` or `module`.
        target: the text after the name: `type@version`, or the module's path.
        existing: the resource is only referred to.
        condition: of `if (...)`, in a loop too.
        nested: the resources declared in the body.
    """

    __slots__ = ("body", "condition", "existing", "keyword", "loop", "nested", "target")

    def __init__(
        self, name: str, decorators: list[Decorator], place: Place, keyword: str, target: Node, *, existing: bool
    ) -> None:
        super().__init__(name, decorators, place)
        self.keyword, self.target, self.existing = keyword, target, existing
        self.condition: Node | None = None
        self.loop: Loop | None = None
        self.body = Object([], place)
        self.nested: list[Block] = []


class Out(Declaration):
    """`output name type = value`."""

    __slots__ = ("type", "value")

    def __init__(self, name: str, decorators: list[Decorator], place: Place, type_: TypeSyntax, value: Node) -> None:
        super().__init__(name, decorators, place)
        self.type, self.value = type_, value


class Import(Declaration):
    """`import { a, b as c } from 'path'` or `import * as name from 'path'`.

    `names`: (exported name, name here, place); empty for `*`, where `name` is the name here.
    """

    __slots__ = ("names", "source")

    def __init__(
        self, name: str, decorators: list[Decorator], place: Place, names: list[tuple[str, str, Place]], source: Node
    ) -> None:
        super().__init__(name, decorators, place)
        self.names, self.source = names, source


class Other(Declaration):
    """What decides nothing that is deployed: metadata, assert, test, extension. `value`: as far as it has one."""

    __slots__ = ("keyword", "value")

    def __init__(
        self, name: str, decorators: list[Decorator], place: Place, keyword: str, value: Node | None = None
    ) -> None:
        super().__init__(name, decorators, place)
        self.keyword, self.value = keyword, value


class Using(Declaration):
    """`using 'path'` (None for `none`), or `extends 'path'`, of a parameter file. `name`: the keyword."""

    __slots__ = ("source",)

    def __init__(self, name: str, decorators: list[Decorator], place: Place, source: Node | None) -> None:
        super().__init__(name, decorators, place)
        self.source = source


class File:
    """A file as written.

    Attributes:
        broken: the places of declarations that could not be read.
        shaped: whether there are lambdas, loops or spreads, which may not stand everywhere.
    """

    __slots__ = ("broken", "declarations", "path", "shaped")

    def __init__(self, path: str) -> None:
        self.path = path
        self.declarations: list[Declaration] = []
        self.broken: list[Place] = []
        self.shaped = False


def has_safe_access(chain: list[Node]) -> bool:
    """Whether there is a safe access in a chain of accesses; `chain` is its last one, or nothing."""
    return any(isinstance(one, Access) and (one.safe or has_safe_access([one.target])) for one in chain)


def as_it_is(node: Node) -> Node:
    """Return a node with the same value: of no type that is checked, and no part of a chain of safe accesses."""
    return Conditional(Literal(value=True, place=node.place), node, Literal(None, node.place), node.place)
