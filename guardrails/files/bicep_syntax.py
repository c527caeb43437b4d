"""What stands in a Bicep file: declarations as they are written, their names not yet looked up. Pure data.

Expressions are nodes of `evaluation`, not yet bound: every name is a `Local`, and what the language has beyond
functions is a `Call` whose name is no name of a function: an operator (`==`, `-` with one argument or two), `METHOD`
before a name, `NESTED`, `GROUP`.
"""

from dataclasses import dataclass, field
from typing import Final

from guardrails.evaluation.expressions import Loop, Node, Object
from guardrails.evaluation.values import Place

METHOD: Final = "."
"""`target.name(x)` is the call of METHOD + name with target and x."""
NESTED: Final = "::"
"""`target::name`: a resource that is declared in another; the arguments are the target and the name as a literal."""
GROUP: Final = "()"
"""`(x)` and `x!` around a safe access: what is accessed on it is no part of its chain."""


@dataclass(slots=True)
class TypeName:
    """A type by its name, or an access to a part of another type: `shared.waiver`, `waiver.ends`, `list[*]`.

    `path`: the name, then what is accessed; `*` for all members.
    """

    path: list[str]
    place: Place


@dataclass(slots=True)
class TypeLiteral:
    """A type of one value: `'Waiver'`, `1`, `true`."""

    value: str | int | bool | None
    place: Place


@dataclass(slots=True)
class TypeList:
    """`item[]`."""

    item: "TypeSyntax"
    place: Place


@dataclass(slots=True)
class TypeNullable:
    """`type?`."""

    type: "TypeSyntax"
    place: Place


@dataclass(slots=True)
class TypeUnion:
    """`a | b`."""

    members: "list[TypeSyntax]"
    place: Place


@dataclass(slots=True)
class TypeMember:
    """A property of an object type. `name`: None for `*`, all others."""

    name: str | None
    type: "TypeSyntax"
    decorators: "list[Decorator]"
    place: Place


@dataclass(slots=True)
class TypeObject:
    """`{ name: type, *: type }`."""

    members: list[TypeMember]
    place: Place


@dataclass(slots=True)
class TypeTuple:
    """`[type, type]`."""

    items: "list[TypeSyntax]"
    place: Place


@dataclass(slots=True)
class TypeOpaque:
    """A type that is not looked into: `resource 'a/b@1'`, `resourceInput<'a/b@1'>`."""

    place: Place


type TypeSyntax = TypeName | TypeLiteral | TypeList | TypeNullable | TypeUnion | TypeObject | TypeTuple | TypeOpaque


@dataclass(slots=True)
class Decorator:
    """`@name(arguments)`; `name` without the namespace `sys`."""

    name: str
    arguments: list[Node]
    place: Place


@dataclass(slots=True)
class Declaration:
    """What all declarations have. `place`: of its first token, behind the decorators."""

    name: str
    decorators: list[Decorator]
    place: Place


@dataclass(slots=True)
class TargetScope(Declaration):
    """`targetScope = value`."""

    value: Node


@dataclass(slots=True)
class Param(Declaration):
    """`param name type = default`; in a parameter file `param name = default`, with `type` None."""

    type: TypeSyntax | None
    default: Node | None


@dataclass(slots=True)
class Type(Declaration):
    """`type name = type`."""

    type: TypeSyntax


@dataclass(slots=True)
class Var(Declaration):
    """`var name type = value`, the type where there is one."""

    type: TypeSyntax | None
    value: Node


@dataclass(slots=True)
class Argument:
    """A parameter of a user function."""

    name: str
    type: TypeSyntax
    place: Place


@dataclass(slots=True)
class Func(Declaration):
    """`func name(arguments) output => body`."""

    arguments: list[Argument]
    output: TypeSyntax
    body: Node


@dataclass(slots=True)
class Block(Declaration):
    """A resource or module.

    Attributes:
        target: the text after the name: `type@version`, or the module's path.
        condition: of `if (...)`, in a loop too.
        nested: the resources declared in the body.
    """

    keyword: str
    target: Node
    existing: bool
    condition: Node | None
    loop: Loop | None
    body: Object
    nested: "list[Block]"


@dataclass(slots=True)
class Out(Declaration):
    """`output name type = value`."""

    type: TypeSyntax
    value: Node


@dataclass(slots=True)
class Import(Declaration):
    """`import { a, b as c } from 'path'` or `import * as name from 'path'`.

    `names`: (exported name, name here, place); empty for `*`, where `name` is the name here.
    """

    names: list[tuple[str, str, Place]]
    source: Node


@dataclass(slots=True)
class Other(Declaration):
    """What decides nothing that is deployed: metadata, assert, test, extension. `value`: as far as it has one."""

    keyword: str
    value: Node | None = None


@dataclass(slots=True)
class Using(Declaration):
    """`using 'path'` (None for `none`), or `extends 'path'`, of a parameter file. `name`: the keyword."""

    source: Node | None


@dataclass(slots=True)
class File:
    """A file as written.

    Attributes:
        broken: the places of declarations that could not be read.
        shaped: whether there are lambdas, loops or spreads, which may not stand everywhere.
    """

    path: str
    declarations: list[Declaration] = field(default_factory=list)
    broken: list[Place] = field(default_factory=list)
    shaped: bool = False
