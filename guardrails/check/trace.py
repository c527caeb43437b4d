"""What an exemption of code comes of: the files, the places, and the expressions of its values. Pure.

With it, two answers of a check can be compared: a value that is unknown in both is the same only if its expression is,
with all that it leads to; and a change has the files through which it comes.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from guardrails.check.explain import Level, level_of, steps
from guardrails.dataclass import dataclass, field, fields
from guardrails.evaluation.expressions import Call, Member, Node, Object, Opaque, Parameter, Record, Symbol, Variable
from guardrails.evaluation.plan import Outcome, PlannedExemption
from guardrails.evaluation.template import ParameterFile, Resource, Template
from guardrails.evaluation.values import Place, escaped

_MOST: Final = 20_000
"""Expressions that are looked at for one exemption."""
_DEEPEST: Final = 80
"""Expressions inside one another, or led to by one another, that are looked at."""
_PLACES: Final = 20
"""Places that are kept of one value."""
_BUILT_IN: Final = ("az", "sys")
"""Namespaces of Bicep's own functions."""
_ASKS: Final = ("reference", "list")
"""What functions begin with that ask for the state of a resource, which may be one of the same template."""
_NAMES: Final = ("/id", "/name", "/scope")
WHOLE: Final = ""
"""The pointer of an exemption as a whole."""
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Trace:
    """What an exemption comes of.

    Attributes:
        run: which deployment it is of: the same text for the same one in another revision.
        world: a hash of where, when and with what objects of Azure it is deployed.
        outcome: of that deployment.
        files: the paths of all files that take part: templates, loaded files, parameters, settings, objects of Azure.
        places: JSON pointer -> the places that the value leads through, besides its own.
        bases: JSON pointer -> a hash of the expression, with all that it leads to, and of the world; None where not all
            was looked at.
            WHOLE is for whether it is deployed, and for all that has none.
        entry: of a deployer's file, a hash of what the entry says; "" elsewhere.
        reason: why a deployer makes no exemption of the entry; "" where it does.
    """

    run: str
    world: str
    outcome: Outcome
    files: tuple[str, ...]
    places: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    bases: Mapping[str, str | None] = field(default_factory=dict)
    entry: str = ""
    reason: str = ""

    def basis(self, at: str) -> str | None:
        """Return the hash of what a value comes of: of the nearest part above it that has one."""
        while at not in self.bases and at:
            at = at.rpartition("/")[0]
        return self.bases.get(at)


def digest(*parts: object) -> str:
    """Return a short hash of what parts look like."""
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Run:
    """A deployment of a template, as far as its exemptions are traced; see Trace."""

    key: str
    world: str
    outcome: Outcome
    files: tuple[str, ...]


def traced(one: PlannedExemption, template: Template, parameters: ParameterFile | None, run: Run) -> Trace:
    """Return what an exemption of a template comes of."""
    home = parameters.home if parameters else None
    top = Level(template, parameters.values if parameters else {}, Level(home, {}, None) if home else None)
    level = level_of(one, top)
    resource = next((each for each in level.template.resources if each.place == one.place), None)
    nodes = _nodes(one, resource)
    places = {at: tuple(step.place for step in steps(node, level, set()))[:_PLACES] for at, node in nodes.items()}
    places = {at: found for at, found in places.items() if found}
    bases = _Forms().bases(one, resource, nodes, (top, level), run.world)
    return Trace(run.key, run.world, run.outcome, run.files, places, bases)


def of_entry(path: str, entry: object, reason: str, run: Run, own: Iterable[str] = ()) -> Trace:
    """Return what the exemption of an entry in a deployer's file comes of.

    Args:
        path: of the file.
        entry: what it says.
        reason: see Trace.
        own: JSON pointers to what the deployer writes by itself, whatever the entry says.
    """
    said = digest(entry)
    bases = {WHOLE: digest(said, run.world)} | dict.fromkeys(own, digest("the deployer writes it"))
    return Trace(run.key, run.world, run.outcome, (path, *run.files), bases=bases, entry=said, reason=reason)


def _nodes(one: PlannedExemption, resource: Resource | None) -> dict[str, Node]:
    """Return the expressions of an exemption's parts, by their JSON pointers, as deep as its objects are literal."""
    found: dict[str, Node] = {}
    if resource and resource.name is not None:
        found["/name"] = found["/id"] = resource.name
    if resource and resource.scope is not None:
        found["/scope"] = resource.scope
    if one.body is not None:
        _put(one.body, "/properties", found)
    return found


def _put(node: Node, at: str, found: dict[str, Node]) -> None:
    found[at] = node
    if isinstance(node, Object):
        for member in node.members:
            key = getattr(member.key, "value", member.key) if isinstance(member, Member) else None
            if isinstance(member, Member) and isinstance(key, str):
                _put(member.value, f"{at}/{escaped(key)}", found)


class _Open(Exception):
    """An expression leads to what is not looked at, so that its value may differ where it looks the same."""


class _Forms:
    """The forms of expressions: texts that are the same only where the values are, in the same world."""

    def __init__(self) -> None:
        self._left = _MOST
        self._depth = 0
        self._known: dict[tuple[int, str, str], str] = {}
        self._levels: list[Level] = []
        """Those that were made here: their numbers are keys, so they must not go."""
        self._homes: dict[int, Level] = {}

    def bases(
        self,
        one: PlannedExemption,
        resource: Resource | None,
        nodes: Mapping[str, Node],
        levels: tuple[Level, Level],
        world: str,
    ) -> Mapping[str, str | None]:
        """Return the hash of what each part of an exemption comes of.

        `levels`: of the template that is deployed, and of the one that holds the exemption.
        """
        self._levels += levels
        top, level = levels
        try:
            around = digest(world, one.entry, *self._callers(one, top), self._form(resource and resource.loop, level))
        except _Open:
            return {WHOLE: None}
        names = self._hash(lambda: self._resource(resource, level), around)
        found = {at: self._hash(partial(self._form, node, level), around) for at, node in nodes.items()}
        return found | dict.fromkeys((WHOLE, *_NAMES), names)

    def _hash(self, form: Callable[[], str], around: str) -> str | None:
        try:
            return digest(around, form())
        except _Open:
            return None

    def _callers(self, one: PlannedExemption, top: Level) -> list[str]:
        """Return the forms of the modules that lead to an exemption. Raises _Open."""
        found, level = [], top
        for place in one.via:
            inner = next((each for each in level.template.resources if each.place == place and each.deployment), None)
            deployment = inner.deployment if inner else None
            if inner is None or deployment is None or deployment.template is None or deployment.parameters_node:
                raise _Open
            some = (deployment.scope, deployment.subscription, deployment.resource_group)
            found.append(f"{self._resource(inner, level)}{self._all(some, level)}{deployment.inner}")
            level = Level(deployment.template, deployment.parameters, level)
            self._levels.append(level)
        return found

    def _resource(self, one: Resource | None, level: Level) -> str:
        """Return the form of what a resource is, without its properties. Raises _Open."""
        if one is None:
            raise _Open
        enclosing = self._resource(one.enclosing, level) if one.enclosing else ""
        parent = self._form(Symbol(one.parent), level) if one.parent else ""
        some = (one.type, one.name, one.condition, one.loop, one.scope, one.parent_index)
        return f"resource({one.existing}{parent}{enclosing}{self._all(some, level)})"

    def _all(self, some: Iterable[Any], level: Level, own: frozenset[str] = _NONE) -> str:
        return "".join(f"({self._form(one, level, own)})" for one in some)

    def _form(self, node: Any, level: Level, own: frozenset[str] = _NONE) -> str:
        """Return the form of a part of an expression. Raises _Open.

        `own`: the parameters of the function whose body it is in.
        """
        self._left -= 1
        self._depth += 1
        try:
            if self._left < 0 or self._depth > _DEEPEST or isinstance(node, Opaque):
                raise _Open
            return self._of(node, level, own)
        finally:
            self._depth -= 1

    def _of(self, node: Any, level: Level, own: frozenset[str]) -> str:
        if isinstance(node, Parameter):
            return f"argument {node.name!r}" if node.name in own else self._parameter(node.name, level)
        if isinstance(node, Variable):
            return self._variable(node.name, level)
        if isinstance(node, Symbol):
            return self._symbol(node.name, level)
        if isinstance(node, list | tuple):
            return f"[{self._all(node, level, own)}]"
        if isinstance(node, Record):
            node = node.whole()
        if hasattr(node, "__dataclass_fields__"):
            called = self._function(node.name, level) if isinstance(node, Call) else ""
            parts = (getattr(node, one.name) for one in fields(node) if one.name != "place")
            return f"{type(node).__name__}{called}({self._all(parts, level, own)})"
        return f"{type(node).__name__} {node!r}"

    def _once(self, level: Level, kind: str, name: str, form: Callable[[], str]) -> str:
        """Return the hash of the form of what a name stands for: it may be named often. Raises _Open for a circle."""
        key = id(level), kind, name
        if key not in self._known:
            self._known[key] = ""
            self._known[key] = digest(form())
        if not self._known[key]:
            raise _Open
        return self._known[key]

    def _home(self, template: Template | None, level: Level) -> Level:
        """Return the level that a declaration is computed in: of the file that it was imported from, else its own."""
        return level if template is None else self._homes.setdefault(id(template), Level(template, {}, None))

    def _parameter(self, name: str, level: Level) -> str:
        low = name.lower()
        declared = next((one for key, one in level.template.parameters.items() if key.lower() == low), None)
        given = next((one for key, one in level.given.items() if key.lower() == low), None)
        if given is not None:
            above = level.above or self._home(level.template, level)
            return self._once(level, "parameter", low, lambda: self._form(given.value, above))
        if declared is None:
            raise _Open
        if declared.default is None:
            return f"no value for {low!r}"
        default = declared.default
        return self._once(level, "parameter", low, lambda: self._form(default, level))

    def _variable(self, name: str, level: Level) -> str:
        declared = level.template.variables.get(name)
        if declared is None:
            raise _Open
        home = self._home(declared.home, level)
        return self._once(level, "variable", name, lambda: self._form(declared.value, home))

    def _symbol(self, name: str, level: Level) -> str:
        resource = next((one for one in level.template.resources if one.symbol == name), None)
        if resource is None or resource.deployment is not None:
            raise _Open
        body = "" if resource.existing else self._form(resource.body, level)
        return f"{self._resource(resource, level)}{body}"

    def _function(self, name: str, level: Level) -> str:
        """Return the hash of the body of a function of the template; "" for one of the language."""
        low = name.lower()
        declared = next((one for key, one in level.template.functions.items() if key.lower() == low), None)
        if declared is None:
            space, dot, last = low.rpartition(".")
            if last.startswith(_ASKS) or (dot and space not in _BUILT_IN):
                raise _Open
            return ""
        home = self._home(declared.home, level)
        own = frozenset(one.name for one in declared.parameters)
        return self._once(level, "function", low, lambda: self._form(declared.body, home, own))
