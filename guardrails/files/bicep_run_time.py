"""What a Bicep file may only say with values that are known before the deployment starts. Pure.

Each check names the compiler's error. A resource that exists already, and is found by a value of the deployment, has
nothing that is known before.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from guardrails.evaluation.expressions import (
    Access,
    Call,
    Comprehension,
    Impossible,
    Lambda,
    Literal,
    Local,
    Member,
    Node,
    Parameter,
    Symbol,
    Variable,
)
from guardrails.evaluation.template import Resource, Template
from guardrails.evaluation.values import Place
from guardrails.files.bicep_checks import Placed, name_of, parts

type Fault = Callable[[Place, str, str], Impossible]

_AT_START: Final = frozenset({"id", "name", "type", "apiVersion"})
"""The properties of a resource that are known before a deployment starts."""
_GIVEN_AT_START: Final = frozenset({"location", "tags"})
"""Properties whose values must be known before, where a type has them."""
_WITH_LOCATION: Final = frozenset(
    f"microsoft.{one}"
    for one in (
        "compute/disks", "compute/virtualmachines", "containerregistry/registries",
        "containerservice/managedclusters", "eventhub/namespaces", "insights/components", "keyvault/vaults",
        "logic/workflows", "managedidentity/userassignedidentities", "network/loadbalancers",
        "network/networkinterfaces", "network/networksecuritygroups", "network/publicipaddresses",
        "network/virtualnetworks", "operationalinsights/workspaces", "servicebus/namespaces", "sql/servers",
        "storage/storageaccounts", "web/serverfarms", "web/sites",
    )
)  # fmt: skip
"""Some types of which it is certain that they have these."""
_FUNCTIONS: Final = frozenset({"reference", "toLogicalZone", "toLogicalZones", "toPhysicalZone", "toPhysicalZones"})
_EARLY: Final = frozenset({Literal, Local, Parameter})
"""What is known before a deployment starts, and has no part."""
_DEEPEST: Final = 20


class RunTime:
    """Looks at one file.

    Args:
        template: with all that the file declares.
        placed: its resources and modules, by their whole symbol.
        constant: gives the text that the compiler knows an expression to be.
        fault: notes what is refused.
    """

    def __init__(
        self,
        template: Template,
        placed: Mapping[str, Placed],
        constant: Callable[[Node | None], str | None],
        fault: Fault,
    ) -> None:
        self._template, self._placed, self._constant, self._fault = template, placed, constant, fault
        self._found: dict[str, frozenset[str]] = {}
        self._walked = True
        self._unknown: frozenset[str] = frozenset()
        """The existing resources that are found by values of the deployment."""

    def run(self, *, walked: bool) -> None:
        """Note all that is refused. `walked`: there are lambdas or loops, or Azure is asked, so all is looked at."""
        template = self._template
        self._unknown = frozenset(one for one in self._placed if self._identity(one))
        self._walked = walked or bool(self._unknown)
        for variable in template.variables.values():
            if variable.home is None:
                self._variable(variable.value)
        for function in template.functions.values():
            if function.home is None and self._late(function.body):
                self._fault(function.body.place, "a function is computed before the deployment", "BCP341")
        for output in template.outputs.values():
            self._inside(output.value)
        for one in self._placed.values():
            if one.block.existing:
                self._inside(one.block.body, loops=False)
            else:
                self._resource(one)

    def _variable(self, value: Node) -> None:
        self._inside(value, loops=False)
        if isinstance(value, Comprehension):
            for part, rule in ((value.loop.items, "BCP178"), (value.body, "BCP182")):
                if part is not None and self._late(part):
                    self._fault(part.place, "a loop of a variable is computed before the deployment", rule)

    def _resource(self, one: Placed) -> None:
        resource, block = one.resource, one.block
        items = resource.loop.items if resource.loop is not None else None
        if (name := name_of(resource)) is not None and self._late(name):
            self._needed(resource.name, "a name", "BCP120")
        self._needed(resource.condition, "a condition", "BCP177")
        self._needed(items, "what a loop runs over", "BCP178")
        scope = resource.scope if resource.deployment is None else resource.deployment.scope
        if scope is not None and self._late_scope(scope):
            self._fault(scope.place, "a scope must be known before the deployment starts, and this is not", "BCP120")
        if resource.parent and block.name != resource.parent and self._identity(resource.parent):
            said = f"{resource.parent} is not known before the deployment starts, so it is no parent"
            self._fault(block.place, said, "BCP120")
        for member in block.body.members if one.type in _WITH_LOCATION else ():
            key = member.key if isinstance(member, Member) and isinstance(member.key, str) else ""
            if key in _GIVEN_AT_START:
                self._needed(member.value, f"the property {key}", "BCP120")
        self._inside(block.body)

    def _needed(self, node: Node | None, what: str, rule: str) -> None:
        if node is not None and not isinstance(node, Literal) and self._late(node):
            said = f"{what} must be known before the deployment starts, and this is not"
            self._fault(node.place, said, rule)

    def _inside(self, value: Node, *, loops: bool = True) -> None:
        """Look at what is read of resources that are not known before, at lambdas, and at what Azure is asked.

        `loops`: what the loops in the value run over must be known before.
        """
        for one in _all(value) if self._walked else ():
            kind = type(one)
            if kind is Access and self._unknown:
                self._access(one)  # type: ignore[arg-type]
            elif kind is Comprehension and loops:
                self._needed(one.loop.items, "what a loop runs over", "BCP178")  # type: ignore[union-attr]
            elif kind is Lambda:
                self._lambda(one)  # type: ignore[arg-type]
            elif kind is Call and self._asks(one) and any(map(self._late, self._given(one))):  # type: ignore[arg-type]
                said = f"what {one.name}() is given must be known before the deployment starts, and is not"  # type: ignore[union-attr]
                self._fault(one.place, said, "BCP181")

    def _access(self, node: Access) -> None:
        base, name = _base(node), self._constant(node.key)
        if base is not None and base.name in self._unknown and name is not None and name not in _AT_START:
            said = f"{base.name} is not known before the deployment starts, so nothing else of it can be read"
            self._fault(node.place, said, "BCP307")

    def _given(self, node: Call) -> list[Node]:
        """Return what a function that asks Azure is given, without the resource that it is asked of."""
        if not node.arguments:
            return []
        root = first = node.arguments[0]
        while isinstance(root, Access):
            root = root.target
        placed = self._placed.get(root.name) if isinstance(root, Symbol) else None
        of_module = placed is not None and placed.block.keyword == "module" and root is not first
        return node.arguments if of_module else node.arguments[1:]

    def _lambda(self, node: Lambda) -> None:
        """Look at what the body of a lambda asks Azure with the variables of the lambda."""
        names = set(node.names)
        for one in _all(node.body):
            if isinstance(one, Access) and isinstance(one.target, Symbol) and _uses(one.key, names):
                said = "a resource or module of a loop cannot be chosen with the variable of a lambda"
                self._fault(one.place, said, "BCP247")
            elif (
                isinstance(one, Call)
                and self._asks(one)
                and any(
                    _uses(argument, names) for argument in one.arguments if not isinstance(argument, Symbol | Access)
                )
            ):
                self._fault(one.place, f"{one.name}() cannot be asked with the variable of a lambda", "BCP248")

    # what is known only while a deployment runs

    def _late(self, node: Node) -> bool:
        """Whether a part of a value is known only while a deployment runs."""
        seen: set[str] = set()
        stack = [node]
        while stack:
            one = stack.pop()
            if type(one) in _EARLY:
                continue
            if isinstance(one, Symbol) or (isinstance(one, Call) and self._asks(one)):
                return True
            if isinstance(one, Variable):
                if one.name not in seen:
                    seen.add(one.name)
                    declared = self._template.variables.get(one.name)
                    stack += [declared.value] if declared is not None and declared.home is None else []
                continue
            base = _base(one)
            if base is not None and isinstance(one, Access):
                name = self._constant(one.key)
                if name is not None and (name not in _AT_START or name in self._identity(base.name)):
                    return True
                stack += [one.target.key] if isinstance(one.target, Access) else []
                continue
            stack += parts(one)
        return False

    def _asks(self, node: Call) -> bool:
        """Whether a call asks Azure while the deployment runs."""
        return node.name in _FUNCTIONS or (node.name.startswith("list") and node.name not in self._template.functions)

    def _late_scope(self, node: Node) -> bool:
        """Whether a scope is known only while a deployment runs. A resource that is deployed is known before."""
        symbol = node.target if isinstance(node, Access) and isinstance(node.target, Symbol) else node
        if isinstance(symbol, Symbol):
            return bool(self._identity(symbol.name))
        return self._late(node)

    def _identity(self, symbol: str, depth: int = 0) -> frozenset[str]:
        """Return which of the usual properties of an existing resource are known only while a deployment runs."""
        if symbol not in self._found:
            self._found[symbol] = frozenset()  # for cycles
            one = self._placed.get(symbol)
            if one is not None and one.block.existing and depth < _DEEPEST:
                self._found[symbol] = self._read_identity(one.resource, depth)
        return self._found[symbol]

    def _read_identity(self, resource: Resource, depth: int) -> frozenset[str]:
        names: set[str] = set()
        if resource.name is not None and self._late(resource.name):
            names |= {"id", "name"}
        if resource.scope is not None and self._late_scope(resource.scope):
            names.add("id")
        if resource.parent and self._identity(resource.parent, depth + 1):
            names.add("id")
        return frozenset(names)


def _base(node: Node) -> Symbol | None:
    """Return the resource of which an access reads a property, also where it is one of a loop."""
    if not isinstance(node, Access) or (isinstance(node.key, Literal) and isinstance(node.key.value, int)):
        return None
    target = node.target
    if isinstance(target, Access) and isinstance(target.target, Symbol):
        key = target.key
        return None if isinstance(key, Literal) and isinstance(key.value, str) else target.target
    return target if isinstance(target, Symbol) else None


def _uses(node: Node, names: set[str]) -> bool:
    return any(isinstance(one, Local) and one.name in names for one in _all(node))


def _all(node: Node) -> Iterator[Node]:
    """Yield an expression and all in it."""
    stack = [node]
    while stack:
        one = stack.pop()
        yield one
        stack += parts(one)
