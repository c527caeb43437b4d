"""Where an expression is computed: a template with its scope and parameters, and the loops around it. Pure."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.evaluation.template import takes_null
from guardrails.evaluation.values import NOWHERE, EngineError, Partial, Place, Unknown, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from guardrails.evaluation.expressions import Lambda, Node
    from guardrails.evaluation.template import Given, ParameterDeclaration, Template

UNSET: Final[Any] = object()
"""Stands for a parameter that is not given, and for a value that is being computed."""


@dataclass(slots=True, eq=False, repr=False)
class Frame:
    """One deployment of a template: a file that is checked, or one call of a module.

    Attributes:
        scope: the id that it is deployed to, `/` for the tenant; Unknown where that is not given.
        name: the deployment's name.
        location: of the resource group, or of the deployment at another scope.
        given: the values for its parameters, with the frame in which each is computed.
        memo: parameters and variables computed so far; UNSET for one that is being computed.
        resources: finds the template's resources and modules; None where there are none.
        outer: the frame around a nested template or module.
        known_parameters, known_variables: values by the names that expressions use.
        names, homes: look-ups made once.
    """

    template: "Template"
    scope: "str | Unknown"
    name: Value
    location: Value
    given: "Mapping[str, tuple[Given, Env | None]]" = field(default_factory=dict)
    memo: dict[tuple[str, str], Value] = field(default_factory=dict)
    known_parameters: dict[str, Value] = field(default_factory=dict)
    known_variables: dict[str, Value] = field(default_factory=dict)
    resources: "Resources | None" = None
    outer: "Frame | None" = None
    names: "dict[str, dict[str, str]]" = field(default_factory=dict)
    homes: "dict[str, Frame]" = field(default_factory=dict)

    def find(self, kind: str, declared: "Mapping[str, Any]", name: str) -> str | None:
        """Return the declared name that a reference means: the exact one, in ARM whatever the letter case."""
        if name in declared:
            return name
        if self.template.language != "arm":
            return None
        if kind not in self.names:
            self.names[kind] = {one.lower(): one for one in declared}
        return self.names[kind].get(name.lower())


@dataclass(slots=True, eq=False, repr=False)
class Env:
    """What names mean at the place of an expression.

    Attributes:
        locals: variables of lambdas and of Bicep's loops.
        turns: the number of the current turn of ARM's loops by name in lower case; "" is the innermost one.
        arguments: the parameters of the user function whose body this is; None outside of one.
        default: this is the default value of a parameter, where utcNow() and newGuid() are allowed.
        outside: this is written in a nested template, but is computed in the template around it.
        target: the id that resources here are deployed to, where it is not the frame's; None for the frame's.
    """

    frame: Frame
    locals: dict[str, Value] = field(default_factory=dict)
    turns: dict[str, Value] = field(default_factory=dict)
    arguments: dict[str, Value] | None = None
    default: bool = False
    outside: bool = False
    target: "Value" = None

    def with_locals(self, more: dict[str, Value]) -> "Env":
        """Return the environment inside a lambda or loop."""
        return Env(
            self.frame, {**self.locals, **more}, self.turns, self.arguments, self.default, self.outside, self.target
        )

    def moved(self, target: Value) -> "Env":
        """Return the environment for a nested template that is computed here, but deployed elsewhere."""
        return replace(self, outside=True, target=target)

    def with_turn(self, name: str, number: Value, *, innermost: bool = True) -> "Env":
        """Return the environment inside one turn of an ARM loop."""
        turns = {**self.turns, name.lower(): number}
        if innermost:
            turns[""] = number
        return Env(self.frame, self.locals, turns, self.arguments, self.default, self.outside, self.target)


NO_SCOPE: Final = Unknown("where the template is deployed to is not given; give its id with --deploy-to", NOWHERE)


class TenantScope(Partial):
    """What tenant() gives: as a scope, the tenant itself."""


class Handle(ABC):
    """A resource or module as a value: what `Access` reads of a `Symbol`. `deploy` gives the real ones."""

    @abstractmethod
    def member(self, name: str, place: Place) -> Value:
        """Return a property, such as its id; Unknown for what only Azure knows."""

    @abstractmethod
    def item(self, number: Value, place: Place) -> Value:
        """Return the handle of one of a loop's resources."""


class Resources(ABC):
    """The resources and modules of a template that is deployed. `deploy` gives the real ones."""

    @abstractmethod
    def symbol(self, name: str) -> Handle | Unknown:
        """Return the handle of a resource or module by its symbolic name. Raises EngineError."""

    @abstractmethod
    def reference(self, name: str, function: str, place: Place) -> Value | None:
        """Return what `reference` or `resourceInfo` says of a resource by its name, symbolic name or id.

        None: nothing of it is known here.
        """


class Closure:
    """A lambda, with the environment that it is written in."""

    def __init__(self, compute: "Callable[[Node, Env], Value]", node: "Lambda", env: Env) -> None:
        self._compute, self._node, self._env = compute, node, env

    @property
    def arity(self) -> int:
        """The number of its variables."""
        return len(self._node.names)

    def __call__(self, *values: Value) -> Value:
        """Return the body's value for these variables."""
        names = self._node.names
        return self._compute(self._node.body, self._env.with_locals(dict(zip(names, values, strict=False))))


def home_frame(frame: Frame, home: "Template") -> Frame:
    """Return the frame in which what was imported from another file is computed."""
    found = frame.homes.get(home.path)
    if found is None:
        found = frame.homes[home.path] = Frame(home, frame.scope, frame.name, frame.location)
    return found


def without_value(declared: "ParameterDeclaration", frame: Frame, *, given: bool) -> tuple[Value, Place]:
    """Return the value of a parameter that has no other, and its place. Raises EngineError where it must have one.

    `given`: it is given null.
    """
    if given or takes_null(declared.type, frame.template):
        return None, declared.place
    if frame.outer is not None:
        raise EngineError(f"the parameter {declared.name!r} is given no value", declared.place)
    message = f"the parameter {declared.name!r} has no value here; give one with --parameters"
    return Unknown(message, declared.place), declared.place


def argument(arguments: "Mapping[str, Value]", name: str, place: Place) -> Value:
    """Return an argument of a user function, whatever its letter case. Raises EngineError where there is none."""
    found = next((one for one in arguments if one == name or one.lower() == name.lower()), None)
    if found is None:
        raise EngineError(f"there is no parameter {name!r} in this function", place)
    return arguments[found]


def of_handle(target: Handle, key: Value, place: Place) -> Value:
    """Return what is accessed of a resource or module."""
    return target.member(key, place) if isinstance(key, str) else target.item(key, place)


def known(value: Value, place: Place) -> Value:
    """Return a value that may be part of another; Unknown for a resource that is used as a value."""
    return Unknown("a resource is no value that is known here", place) if isinstance(value, Handle) else value
