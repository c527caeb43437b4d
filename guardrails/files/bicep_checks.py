"""What the Bicep compiler refuses about resources and modules: scopes, names, copies of one id, loops, spreads. Pure.

Each check names the compiler's error. What only resource types could show is not checked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.evaluation.expressions import (
    Access,
    Array,
    Call,
    Comprehension,
    Conditional,
    Impossible,
    Interpolation,
    Lambda,
    Literal,
    Member,
    Node,
    Object,
    Opaque,
    Spread,
    Symbol,
)
from guardrails.evaluation.template import RecordedExemption, Resource, ScopeKind, Template
from guardrails.evaluation.values import Place
from guardrails.files.bicep_azure import scopes_of
from guardrails.files.bicep_syntax import GROUP, METHOD, Block

type Fault = Callable[[Place, str, str], Impossible]

_GROUP: Final = "microsoft.resources/resourcegroups"
_MANAGEMENT: Final = "microsoft.management/managementgroups"
_FUNCTIONS: Final = frozenset({"resourceGroup", "subscription", "managementGroup", "tenant"})
_FROM: Final = {
    ("tenant", 0): {"tenant", "managementGroup", "subscription", "resourceGroup"},
    ("managementGroup", 1): {"tenant", "managementGroup"},
    ("managementGroup", 0): {"tenant", "managementGroup"},
    ("subscription", 1): {"tenant", "managementGroup", "subscription", "resourceGroup"},
    ("subscription", 0): {"subscription", "resourceGroup"},
    ("resourceGroup", 2): {"tenant", "managementGroup", "subscription", "resourceGroup"},
    ("resourceGroup", 1): {"subscription", "resourceGroup"},
    ("resourceGroup", 0): {"resourceGroup"},
}
"""The target scopes from which a module may go to a scope, by how many arguments name it."""
_REFUSED: Final = {"tenant": "BCP113", "managementGroup": "BCP114", "subscription": "BCP115", "resourceGroup": "BCP116"}
_SET: Final = frozenset(
    {
        "id",
        "type",
        "apiVersion",
        "location",
        "tags",
        "kind",
        "sku",
        "identity",
        "plan",
        "zones",
        "properties",
        "managedBy",
    }
)
_READ: Final = frozenset({"id", "type", "apiVersion"})
_CHECKED: Final = _SET | {"scope", "parent", "dependsOn"}
_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Placed:
    """A resource or module, as it is declared and as it is lowered. `type`: in lower case, "" where it is not known."""

    block: Block
    resource: Resource
    type: str = ""

    @classmethod
    def of(cls, block: Block, resource: Resource) -> "Placed":
        """Return a resource or module with its type."""
        if isinstance(resource, RecordedExemption):
            return cls(block, resource, resource.values["type"].lower())
        type_ = resource.type
        return cls(block, resource, str(type_.value).lower() if isinstance(type_, Literal) else "")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something is deployed to: a kind, and how many arguments name it; `on`: the resource that it is on."""

    kind: str
    named: int = 0
    on: str = ""
    node: Node | None = None


class Checks:
    """Looks at the resources and modules of one file.

    Args:
        placed: all of them, by their whole symbol.
        constant: gives the text that the compiler knows an expression to be.
        fault: notes what is refused.
    """

    def __init__(
        self, template: Template, placed: dict[str, Placed], constant: Callable[[Node | None], str | None], fault: Fault
    ) -> None:
        self._target = template.scope or ScopeKind.RESOURCE_GROUP
        self._own = Scope(self._target.value)
        self._placed, self._constant, self._fault = placed, constant, fault

    def run(self) -> None:
        """Note all that is refused."""
        ids: dict[tuple[object, ...], list[Placed]] = {}
        for one in self._placed.values():
            if one.block.keyword == "module":
                self._module(one)
            else:
                self._resource(one)
            if (key := self._id_of(one)) is not None:
                ids.setdefault(key, []).append(one)
        for copies in ids.values():
            if len(copies) > 1:
                self._copies(copies)

    # resources

    def _resource(self, one: Placed) -> None:
        resource, block = one.resource, one.block
        if not isinstance(resource, RecordedExemption):  # of one, nothing that is looked at here is wrong
            name = next((member.value for member in block.body.members if _key(member) == "name"), resource.name)
            if name is not None:
                self._name(one, name)
            self._properties(one)
        if resource.parent:
            self._child(one)
            return
        scope = self.scope_of(resource.scope)
        if scope is None:
            if resource.scope is not None and _is_text(resource.scope):
                self._fault(resource.scope.place, "a scope is a resource or a scope function, not a text", "BCP036")
            return
        place = resource.scope.place if resource.scope is not None else block.place
        allowed = scopes_of(one.type)
        kind = "resource" if scope.on else scope.kind
        if scope.kind == "module":
            self._fault(place, "a module is no scope", "BCP135")
        elif allowed is not None and kind not in allowed:
            self._fault(place, f"{resource_name(one)} may not stand at the scope {kind}", "BCP135")
        elif not block.existing and not self._deployable(scope, 0):
            message = "a resource of another scope than the file's is deployed by a module"
            self._fault(place, message, "BCP139")

    def _properties(self, one: Placed) -> None:
        """Check the properties that all types have."""
        for member in one.block.body.members:
            name = _key(member)
            if name not in _CHECKED:
                continue
            place = member.place
            if one.block.existing and name in _SET:
                self._fault(place, f"{name} is not set on a resource that exists already", "BCP173")
            elif name in _READ:
                self._fault(place, f"{name} is read, never set", "BCP073")
            elif name in {"scope", "parent"} and _is_any(member.value):
                self._fault(place, f"any() is no {name}", "BCP176")
            elif name in {"scope", "parent"} and isinstance(member.value, Conditional):
                self._fault(place, f"a {name} hangs on no condition", "BCP420")
            elif name == "dependsOn" and isinstance(member.value, Array):
                for item in member.value.items:
                    if isinstance(item, Literal | Interpolation | Object | Call):
                        self._fault(item.place, "a resource or module is expected here", "BCP034")
                    elif not isinstance(item, Spread) and _is_any(item):
                        self._fault(item.place, "any() is no resource", "BCP176")

    def _name(self, one: Placed, name: Node) -> None:
        """Check the parts of a literal name against the type's."""
        texts = [name.value] if isinstance(name, Literal) else name.parts if isinstance(name, Interpolation) else []
        slashes = sum([text.count("/") for text in texts if isinstance(text, str)])
        expected = one.type.count("/") - 1
        if one.resource.parent:
            if slashes:
                self._fault(name.place, "the name of a child resource has no / in it", "BCP170")
        elif one.type and (slashes > expected or (isinstance(name, Literal) and slashes != expected)):
            said = f"the name needs {expected} / in it, one part for each part of the type"
            self._fault(name.place, said, "BCP169")

    def _child(self, one: Placed) -> None:
        if one.resource.scope is not None and not isinstance(one.resource.scope, Opaque):
            self._fault(one.resource.scope.place, "the scope of a child resource is its parent's", "BCP164")
        parent = self._placed.get(one.resource.parent)
        if parent is None:
            return
        if one.block is not parent.block and parent.type and one.type.rpartition("/")[0] != parent.type:
            said = f"{resource_name(one)} is no child of {resource_name(parent)}"
            self._fault(one.block.place, said, "BCP171")
        root = parent
        for _ in range(_DEEPEST):
            above = self._placed.get(root.resource.parent) if root.resource.parent else None
            if above is None:
                break
            root = above
        scope = self.scope_of(root.resource.scope)
        if root.block.existing and not one.block.existing and scope is not None and not self._deployable(scope, 0):
            message = f"the scope of {root.block.name} is not the file's, so nothing in it can be deployed"
            self._fault(one.block.place, message, "BCP165")

    def scope_of(self, node: Node | None) -> Scope | None:
        """Return the scope that an expression is; None where it is not known."""
        if node is None:
            return self._own
        if isinstance(node, Call) and node.name in _FUNCTIONS:
            return Scope(node.name, len(node.arguments), "", node)
        symbol = node.target if isinstance(node, Access) else node
        if not isinstance(symbol, Symbol) or symbol.name not in self._placed:
            return None
        on = self._placed[symbol.name]
        if on.block.keyword == "module":
            return Scope("module", 0, "", node)
        if on.type == _GROUP:
            own = self.scope_of(on.resource.scope)
            return Scope("resourceGroup", 1 + (own is not None and own.named > 0), "", node)
        if on.type == _MANAGEMENT:
            return Scope("managementGroup", 1, "", node)
        return Scope("resource", 0, symbol.name, node)

    def _deployable(self, scope: Scope, depth: int) -> bool:
        """Whether something may be deployed to a scope from this file without a module."""
        if scope.on:
            on = self._placed[scope.on]
            for _ in range(_DEEPEST):
                above = self._placed.get(on.resource.parent) if on.resource.parent else None
                if above is None:
                    break
                on = above
            inner = self.scope_of(on.resource.scope)
            return inner is None or depth > _DEEPEST or self._deployable(inner, depth + 1)
        return scope.kind == "tenant" or (scope.kind == self._target and not scope.named)

    # modules

    def _module(self, one: Placed) -> None:
        deployment = one.resource.deployment
        if deployment is None:
            return
        node = deployment.scope
        scope = self.scope_of(node)
        place = node.place if node is not None else one.block.place
        if scope is None:
            if node is not None and _is_text(node):
                self._fault(node.place, "a scope is a scope function, not a text", "BCP036")
            return
        if scope.on or scope.kind == "module":
            self._fault(place, "a module goes to a resource group, subscription, management group or tenant", "BCP134")
            return
        inner = deployment.template.scope if deployment.template is not None else None
        if inner is not None and inner.value != scope.kind:
            said = f"the module is for the scope {inner.value}, not {scope.kind}"
            self._fault(place, said, "BCP134")
        elif node is not None and self._target.value not in _FROM.get((scope.kind, scope.named), set()):
            said = f"from the scope {self._target.value} no module goes to such a {scope.kind}"
            self._fault(place, said, _REFUSED[self._target.value])

    # ids

    def _id_of(self, one: Placed) -> tuple[object, ...] | None:
        """Return what makes two declarations the same resource for the compiler; None where it does not compare."""
        name = self._constant(name_of(one.resource))
        if name is None or (one.block.condition is not None and not _is_true(one.block.condition)):
            return None
        if one.block.keyword == "module":
            deployment = one.resource.deployment
            scope = self.scope_of(deployment.scope if deployment else None)
            if scope is None:
                return None
            texts = [self._constant(part) for part in scope.node.arguments] if isinstance(scope.node, Call) else []
            if None in texts or (scope.node is not None and not isinstance(scope.node, Call)):
                return None
            return ("module", *texts, name)
        names = [name]
        above = one
        for _ in range(_DEEPEST):
            if not above.resource.parent:
                break
            index = above.resource.parent_index
            above = self._placed[above.resource.parent]
            part = self._constant(name_of(above.resource))
            if part is None or not (index is None or isinstance(index, Literal)):
                return None
            names.append(part if index is None else f"{part}[{index.value}]")
        scope = self.scope_of(above.resource.scope)
        if scope is None or (scope.named and scope.node is not None) or isinstance(scope.node, Access):
            return None
        return (one.type, scope.kind, scope.on, *names)

    def _copies(self, copies: list[Placed]) -> None:
        for one in copies:
            place = one.resource.name.place if one.resource.name is not None else one.block.place
            others = ", ".join(other.block.name for other in copies if other is not one)
            module = one.block.keyword == "module"
            said = f"{one.block.name} is the same {'deployment' if module else 'resource'} as {others}"
            self._fault(place, said, "BCP122" if module else "BCP121")


def _key(member: Member | Spread) -> str:
    return member.key if isinstance(member, Member) and isinstance(member.key, str) else ""


def _is_any(node: Node) -> bool:
    """Whether an expression is `any(...)`, as the binder leaves it."""
    return isinstance(node, Conditional) and isinstance(node.test, Literal) and not isinstance(node.yes, Access)


def resource_name(one: Placed) -> str:
    """Return a resource's type for a message."""
    type_ = one.resource.type
    return str(type_.value) if isinstance(type_, Literal) else one.block.name


def name_of(resource: Resource) -> Node | None:
    """Return the name of a resource, of which the place may not be known."""
    if isinstance(resource, RecordedExemption):
        name: Node | str = resource.values["name"]
        return Literal(name) if isinstance(name, str) else name
    return resource.name


def _is_text(node: Node) -> bool:
    return isinstance(node, Interpolation) or (isinstance(node, Literal) and node.value is not None)


def _is_true(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is True


class Loops(Enum):
    """Where loops may stand in a value."""

    NOWHERE = 0
    WHOLE = 1
    """The value is one: of a variable, output or parameter."""
    PROPERTIES = 2
    """Values of properties are, as far as lists and objects lead there: in the body of a resource or module."""


def shapes(value: Node, loops: Loops, fault: Fault) -> None:
    """Note lambdas and loops that stand where the compiler does not take them, and spreads beside loops.

    `value`: as it was parsed.
    """
    stack: list[tuple[Node, bool, Loops]] = [(value, False, loops)]
    while stack:
        one, argument, here = stack.pop()
        inner = here if here is Loops.PROPERTIES else Loops.NOWHERE
        if isinstance(one, Lambda):
            if not argument:
                fault(one.place, "a lambda may only be an argument of a function", "BCP242")
            stack.append((one.body, False, Loops.NOWHERE))
        elif isinstance(one, Comprehension):
            if here is not Loops.WHOLE:
                fault(one.place, "a loop may only be the value of a declaration or property", "BCP138")
            stack += [(part, False, Loops.NOWHERE) for part in (one.loop.items, one.body) if part is not None]
        elif isinstance(one, Object):
            _spread_with_loop(one, fault)
            for member in one.members:
                is_loop = inner is Loops.PROPERTIES and isinstance(member.value, Comprehension)
                if is_loop and isinstance(member, Member) and isinstance(member.key, Interpolation):
                    fault(member.value.place, "a property with a loop has no expressions in its name", "BCP143")
                stack.append((member.value, False, Loops.WHOLE if is_loop else inner))
        elif isinstance(one, Array):
            stack += [(part, False, inner) for part in parts(one)]
        else:
            is_call = isinstance(one, Call) and (one.name[0].isalpha() or one.name.startswith(METHOD))
            is_call = is_call or (argument and isinstance(one, Call) and one.name == GROUP)
            stack += [(part, is_call, Loops.NOWHERE) for part in parts(one)]


def _spread_with_loop(one: Object, fault: Fault) -> None:
    spreads = [member for member in one.members if isinstance(member, Spread) and not isinstance(member.value, Opaque)]
    if spreads and any(isinstance(inner, Comprehension) for inner in _property_values(one)):
        fault(spreads[0].place, "nothing can be spread into an object that has a loop as a property", "BCP417")


def _property_values(one: Object) -> Iterator[Node]:
    """Yield the values of properties of an object and of all objects in it."""
    stack: list[Node] = [one]
    while stack:
        node = stack.pop()
        if isinstance(node, Object):
            for member in node.members:
                if isinstance(member, Member):
                    yield member.value
                stack.append(member.value)
        else:
            stack += parts(node)


def parts(node: Node) -> list[Node]:
    """Return the expressions in an expression."""
    if isinstance(node, Literal):
        return []
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Access):
        return [node.target, node.key]
    if isinstance(node, Array):
        return [item.value if isinstance(item, Spread) else item for item in node.items]
    if isinstance(node, Object):
        return [member.value for member in node.members] + [
            member.key for member in node.members if isinstance(member, Member) and not isinstance(member.key, str)
        ]
    if isinstance(node, Interpolation):
        return [part for part in node.parts if not isinstance(part, str)]
    if isinstance(node, Conditional):
        return [node.test, node.yes, node.no]
    if isinstance(node, Lambda):
        return [node.body]
    if isinstance(node, Comprehension):
        return [part for part in (node.loop.items, node.body, node.condition) if part is not None]
    return []


def cycles(uses: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the cycles in which declared names refer to each other. `uses`: what each refers to."""
    done: set[str] = set()
    found: list[list[str]] = []
    for start in uses:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            name, depth = stack.pop()
            del path[depth:]
            if name in path:
                found.append(path[path.index(name) :])
                continue
            if name in done:
                continue
            done.add(name)
            path.append(name)
            stack += [(other, depth + 1) for other in uses.get(name, ())]
    return found
