"""A template as a reader gives it: parameters, variables, resources and outputs, not yet computed. Pure."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.evaluation.expressions import Loop, Node
from guardrails.evaluation.values import NOWHERE, Place, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable


class ScopeKind(StrEnum):
    """Where a template is deployed to, as Bicep's `targetScope` spells it."""

    RESOURCE_GROUP = "resourceGroup"
    SUBSCRIPTION = "subscription"
    MANAGEMENT_GROUP = "managementGroup"
    TENANT = "tenant"


class Language(StrEnum):
    """What a template is written in. It decides which functions there are, and the letter case of their names."""

    ARM = "arm"
    BICEP = "bicep"


class Level(StrEnum):
    """How grave a diagnostic is. An error refuses the deployment."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Stage(StrEnum):
    """Where a deployment is refused."""

    READ = "read"
    """The file cannot be read, such as invalid JSON."""
    COMPILE = "compile"
    """The compiler refuses the Bicep file, or the engine the template, before any expression is computed."""
    EVALUATE = "evaluate"
    """An expression, or a value for a parameter, is refused."""
    PLAN = "plan"
    """EPAC refuses to make a plan."""
    BUILD = "build"
    """AzPolicyFactory refuses to build its deployment."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is wrong at a place.

    Attributes:
        rule: the compiler's code (`BCP139`), or a name of ours in lower case.
        message: one plain sentence without a full stop.
        stage: where it stops the deployment, if its level is error.
    """

    place: Place
    message: str
    rule: str = ""
    level: Level = Level.ERROR
    stage: Stage = Stage.COMPILE


@dataclass(slots=True, eq=False, repr=False)
class TypeOf:
    """A declared type, as far as it is checked when values are given.

    Attributes:
        kind: `string`, `int`, `bool`, `array`, `object`, or "" for any other type, which is not checked.
        nullable: null is a value, and the default where there is none.
        allowed: the values of `allowedValues` or `@allowed`, or of a Bicep union of literals; None for all values.
        least, most: `minValue` and `maxValue` of an int.
        shortest, longest: `minLength` and `maxLength` of a text or list.
        items: the type of each item of a list.
        tuple: the types of a list's items, one for each, where they are declared one by one.
        properties: the types of an object's properties, by name.
        required: the names of properties that must be given.
        additional: the type of other properties; None for any.
        sealed: other properties are refused.
        tag: the property whose text says which of `variants` an object is.
        variants: the types of a union of objects, by the text of `tag`.
        reference: the name of a type of the template (`definitions`, Bicep's `type`), which is meant.
    """

    kind: str = ""
    nullable: bool = False
    secure: bool = False
    allowed: Node | None = None
    least: int | None = None
    most: int | None = None
    shortest: int | None = None
    longest: int | None = None
    items: "TypeOf | None" = None
    tuple: "list[TypeOf] | None" = None
    properties: "dict[str, TypeOf]" = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: "TypeOf | None" = None
    sealed: bool = False
    tag: str = ""
    variants: "dict[str, TypeOf]" = field(default_factory=dict)
    reference: str = ""
    place: Place = NOWHERE

    @property
    def is_open(self) -> bool:
        """Whether every text, integer or boolean of its kind is taken."""
        limits = (self.allowed, self.least, self.most, self.shortest, self.longest)
        return not self.reference and all(limit is None for limit in limits)


@dataclass(slots=True, eq=False, repr=False)
class ParameterDeclaration:
    """A parameter of a template or of a user function. `default`: None where there is none."""

    name: str
    type: TypeOf
    default: Node | None = None
    place: Place = NOWHERE


@dataclass(slots=True, eq=False, repr=False)
class FunctionDeclaration:
    """A function of the template. `name`: with its namespace, `contoso.ticket`, for ARM.

    `home`: the template in which its body is computed, where it was imported from another file; None for its own.
    """

    name: str
    parameters: list[ParameterDeclaration]
    body: Node
    output: TypeOf | None = None
    place: Place = NOWHERE
    home: "Template | None" = None


@dataclass(slots=True, eq=False, repr=False)
class VariableDeclaration:
    """A variable of the template. `home`: as of a function."""

    name: str
    value: Node
    place: Place = NOWHERE
    home: "Template | None" = None


@dataclass(slots=True, eq=False, repr=False)
class Output:
    """An output of a template. `value`: a Comprehension where it is a loop. `condition`: ARM's; None for always."""

    name: str
    value: Node
    type: TypeOf
    condition: Node | None = None
    place: Place = NOWHERE


@dataclass(slots=True, eq=False, repr=False)
class Given:
    """A value that is given to a parameter, by a parameter file, a module's call or an option.

    `value`: Unknown in it (`Opaque`) for a secret. `place`: where it is given.
    """

    value: Node
    place: Place = NOWHERE


@dataclass(slots=True, eq=False, repr=False)
class Deployment:
    """What makes a resource a nested deployment, or a declaration a Bicep module.

    Attributes:
        template: the template that is deployed; None where it cannot be read.
        missing: why it cannot be read.
        parameters: what is given to its parameters. For a Bicep module whose `params` is no plain object, or holds a
            spread: see `parameters_node`.
        parameters_node: an expression for an object of name to value; None where `parameters` has them.
        inner: expressions of the template are computed in it, as in all Bicep modules and linked templates. If not,
            `parameters()`, `variables()` and the scope functions are of the template around it.
        scope: Bicep's `scope:`, an expression that gives a scope's id or an object with `id`; ARM's `scope`.
        subscription, resource_group: ARM's `subscriptionId` and `resourceGroup`.
    """

    template: "Template | None"
    missing: Unknown | None = None
    parameters: dict[str, Given] = field(default_factory=dict)
    parameters_node: Node | None = None
    inner: bool = True
    scope: Node | None = None
    subscription: Node | None = None
    resource_group: Node | None = None


@dataclass(slots=True, eq=False, repr=False)
class Resource:
    """A resource of a template, or a module.

    Attributes:
        symbol: its symbolic name, "" where it has none.
        type: `Microsoft.Authorization/policyExemptions`, with its parents' types for a Bicep child; a text almost
            always.
        api_version: an expression; None where it has none (a Bicep module).
        name: an expression: the last part of the name for one with a `parent`, else as ARM has it, `a/b/c`.
        condition: None for always.
        loop: None for one resource.
        scope: what an extension resource is on: an expression that gives an id, relative or whole, or an object
            with `id`; None for the deployment's own scope.
        parent: the symbolic name of the parent, with `parent_index` where the parent is a loop.
        enclosing: the resource in whose body this one is written (ARM's child resources): its type and name come first.
        existing: it is only referred to.
        properties: the body's `properties`, None where it has none.
        body: the whole body, for places.
        others: other fields that are computed, such as `location`: what is refused there refuses the deployment.
        deployment: set for a nested deployment or a module.
    """

    type: Node
    name: Node | None
    api_version: Node | None = None
    symbol: str = ""
    condition: Node | None = None
    loop: Loop | None = None
    scope: Node | None = None
    parent: str = ""
    parent_index: Node | None = None
    enclosing: "Resource | None" = None
    existing: bool = False
    properties: Node | None = None
    body: Node | None = None
    others: list[Node] = field(default_factory=list)
    deployment: Deployment | None = None
    place: Place = NOWHERE


class RecordedExemption(Resource):
    """An exemption of which the values are read, and its parts only when somebody asks for them: see Record.

    Its type, its name, its API version and its properties are all that it has.

    Attributes:
        values: of its body; see Record. Its type and API version are texts, and its properties are an object.
        read: reads the resource.
    """

    __slots__ = ("read", "values")

    def __init__(self, symbol: str, place: Place, values: dict[str, Any], read: "Callable[[], Resource]") -> None:
        self.symbol, self.place, self.values, self.read = symbol, place, values, read
        self.condition = self.loop = self.scope = self.parent_index = self.enclosing = self.deployment = None
        self.parent, self.existing, self.others = "", False, []

    def __getattr__(self, name: str) -> Any:
        if name not in _PARTS:
            raise AttributeError(name)
        whole = self.read()
        for part in _PARTS:
            setattr(self, part, getattr(whole, part))
        return getattr(self, name)


_PARTS: Final = ("type", "name", "api_version", "properties", "body")


@dataclass(slots=True, eq=False, repr=False)
class Template:
    """A template, not yet computed.

    Attributes:
        scope: where it is deployed to; None where the file does not say.
        symbolic: resources have symbolic names (ARM's language version 2; Bicep always).
        resources: all of them, with children of children, in the order of the file.
        diagnostics: what the reader found wrong. What could be read is here all the same.
        incomplete: why parts of the file were not read; "no exemption here" is then no answer. "" for all read.
        loaded: the paths of files whose content is in it (`loadJsonContent`).
    """

    language: Language
    path: str
    scope: ScopeKind | None
    symbolic: bool = False
    parameters: dict[str, ParameterDeclaration] = field(default_factory=dict)
    variables: dict[str, VariableDeclaration] = field(default_factory=dict)
    functions: dict[str, FunctionDeclaration] = field(default_factory=dict)
    types: dict[str, TypeOf] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Output] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    incomplete: str = ""
    loaded: list[str] = field(default_factory=list)
    place: Place = NOWHERE


def takes_null(type_: TypeOf, template: Template) -> bool:
    """Whether null is a value of a type, by what it refers to in its template too: then nothing need be given."""
    for _ in range(len(template.types) + 1):
        if type_.nullable:
            return True
        named = template.types.get(type_.reference) if type_.reference else None
        if named is None:
            return False
        type_ = named
    return False


def is_secure(type_: TypeOf, template: Template) -> bool:
    """Whether a type is secure, by what it refers to in its template too: what is given out of it is not known."""
    for _ in range(len(template.types) + 1):
        named = template.types.get(type_.reference) if type_.reference else None
        if type_.secure or named is None:
            return type_.secure
        type_ = named
    return False


@dataclass(slots=True, eq=False, repr=False)
class ParameterFile:
    """A parameter file, read.

    Attributes:
        using: the path of the template that it names (Bicep), from the repository's root; "" where it names none.
        values: what it gives, by the parameter's name.
        home: variables, functions and types that its expressions use (Bicep); None where it has none.
    """

    path: str
    using: str = ""
    values: dict[str, Given] = field(default_factory=dict)
    home: Template | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    place: Place = NOWHERE
