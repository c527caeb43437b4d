"""The resources and modules of a Bicep file, lowered. What the compiler refuses about them is noted."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from guardrails.evaluation.expressions import (
    Access,
    Call,
    Conditional,
    Interpolation,
    Literal,
    Member,
    Node,
    Object,
    Opaque,
    Parameter,
    Record,
    Spread,
    Symbol,
    Variable,
)
from guardrails.evaluation.identity import is_exemption
from guardrails.evaluation.template import Deployment, Given, Level, RecordedExemption, Resource, Template, takes_null
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.bicep_azure import spelled
from guardrails.files.bicep_checks import Checks, Placed
from guardrails.files.bicep_kinds import Kinds
from guardrails.files.bicep_kinds import Locals as Shapes
from guardrails.files.bicep_library import REMOTE, is_missing, path_fault
from guardrails.files.bicep_meanings import Kind, Locals, Named
from guardrails.files.bicep_names import Binder
from guardrails.files.bicep_run_time import RunTime
from guardrails.files.bicep_syntax import NESTED, Block
from guardrails.files.walk import Unreadable
from guardrails.lazy_regex import lazy_regex

if TYPE_CHECKING:
    from guardrails.files.bicep_library import Library

_TYPE: Final = lazy_regex(r"([a-z0-9][a-z0-9.-]*(?:/[a-z0-9][a-z0-9.-]*)*)(?:@([a-z0-9][a-z0-9.-]+))?", re.IGNORECASE)
_DEPLOYMENTS: Final = "Microsoft.Resources/deployments"
_OF_EXEMPTION: Final = frozenset({"name", "properties"})
_NAMES: Final = frozenset({str, Interpolation, Parameter, Variable})
"""What the name of most is."""
_MODULE: Final = frozenset({"name", "scope", "params", "dependsOn", "identity", "extensionConfigs"})


@lru_cache(256)
def _type_in(text: str) -> tuple[str, str] | None:
    """Return the type and the version that a text names, "" for no version; None where it is no type."""
    found = _TYPE.fullmatch(text.removeprefix("az:"))
    return None if found is None else (found[1], found[2] or "")


class Blocks:
    """Lowers the resources and modules of one file.

    Args:
        template: gets the resources.
        binder: looks up names.
        named: what is declared in the file; resources in resources are added.
        extended: the file uses extensions, whose resources are not Azure's.
        shaped: it has lambdas, loops or spreads.
    """

    def __init__(self, template: Template, binder: Binder, named: dict[str, Named], library: "Library") -> None:
        self._template, self._binder, self._named, self._library = template, binder, named, library
        self._path = template.path
        self.blocks: list[tuple[Block, Block | None, str]] = []
        """Resources and modules, each with the resource around it and its whole symbol."""
        self._nested: dict[str, dict[str, str]] = {}
        """The resources declared in another, by its whole symbol: name -> whole symbol."""
        self._deployments: dict[str, Deployment] = {}
        self._types: dict[str, tuple[str, str]] = {}
        self._placed: dict[str, Placed] = {}
        self.extended = self.shaped = False

    def collect(self, block: Block, around: Block | None, symbol: str) -> None:
        """Note a resource with all that are declared in it, or a module with its template."""
        self.blocks.append((block, around, symbol))
        if block.keyword == "module":
            self._deployments[symbol] = deployment = self._deployment(block)
            if deployment.template is not None and not deployment.template.incomplete:
                self._binder.outputs[symbol] = frozenset(deployment.template.outputs)
        if block.loop is not None:
            self._binder.loops.add(symbol)
            if block.nested:
                self._binder.fault(block.nested[0].place, "a resource in a loop has no nested resources", "BCP160")
        for inner in block.nested:
            name = f"{symbol}{NESTED}{inner.name}"
            if name in self._named:
                self._binder.fault(inner.place, f"{inner.name} is declared twice", "BCP028")
            self._named[name] = Named(Kind.RESOURCE, inner)
            self._nested.setdefault(symbol, {})[inner.name] = name
            self.collect(inner, block, name)

    def lower(self, block: Block, around: Block | None, symbol: str) -> None:
        """Lower one resource or module."""
        binder = self._binder
        names: Locals = self._names(symbol)
        loop = block.loop
        if loop is not None:
            names = binder.loop(loop, names)
        condition = None if block.condition is None else binder.bind(block.condition, names)
        block.body = binder.body(block.body, names)
        recorded = self._recorded(block, symbol, block.body) if type(block.body) is Record else None
        if recorded is not None:
            self._template.resources.append(recorded)
            self._placed[symbol] = Placed.of(block, recorded)
            return
        members = {one.key: one for one in block.body.members if isinstance(one, Member) and isinstance(one.key, str)}
        for one in block.body.members:
            if isinstance(one, Spread) and not isinstance(one.value, Opaque):
                binder.fault(one.place, "nothing can be spread here", "BCP401")
        if block.keyword == "module":
            resource = self._module(block, symbol, members)
        else:
            resource = self._resource(block, around, symbol, members)
        if around is not None and around.condition is not None:
            condition = around.condition if condition is None else Call("and", [around.condition, condition])
        block.condition = condition
        resource.symbol, resource.condition, resource.loop = symbol, condition, loop
        resource.place, resource.body = block.place, block.body
        self._template.resources.append(resource)
        self._placed[symbol] = Placed.of(block, resource)

    def _recorded(self, block: Block, symbol: str, body: Record) -> RecordedExemption | None:
        """Return an exemption of which the values are enough; None for one that is to be read part by part."""
        given, (type_, version) = body.values, self._type_of(block, symbol)
        known, name = spelled(type_, version), given.get("name")
        texts = name.parts if type(name) is Interpolation else [name]
        if given.keys() != _OF_EXEMPTION or type(given["properties"]) is not dict or type(name) not in _NAMES:
            return None
        if (
            not version
            or known is None
            or not is_exemption(known, "")
            or any("/" in one for one in texts if type(one) is str)
        ):
            return None

        def read() -> Resource:
            members = {one.key: one for one in body.members if isinstance(one, Member) and isinstance(one.key, str)}
            made = self._resource(block, None, symbol, members)
            made.body = body
            return made

        return RecordedExemption(symbol, block.place, {"type": known, "apiVersion": version, **given}, read)

    def check(self) -> None:
        """Note what the compiler refuses of all resources and modules together."""
        for secret in self._binder.secrets.values():
            said = "getSecret() gives a value only to a parameter of a module"
            self._binder.fault(secret.place, said, "BCP180")
        if not self.extended:
            Checks(self._template, self._placed, self._binder.constant, self._binder.fault).run()
        placed = {} if self.extended else self._placed
        walked = self.shaped or self._binder.asks
        RunTime(self._template, placed, self._binder.constant, self._binder.fault).run(walked=walked)

    def check_kinds(self, kinds: Kinds) -> None:
        """Note values of the wrong kind in resources and modules."""
        for one in self._placed.values():
            block, deployment = one.block, one.resource.deployment
            names: Shapes = {}
            if block.loop is not None:
                names = kinds.loop(block.loop.items, block.loop.name, block.loop.index, names)
            if block.condition is not None:
                test = kinds.shape(block.condition, names)
                if test.kind not in {"", "bool"}:
                    self._binder.fault(block.condition.place, "a condition is true or false", "BCP046")
            if block.keyword == "module" and one.resource.name is not None:
                name = kinds.shape(one.resource.name, names)
                if name.kind not in {"", "string"}:
                    self._binder.fault(one.resource.name.place, "the name of a module is a text", "BCP036")
            if deployment is not None and deployment.template is not None:
                self._params_kinds(kinds, deployment, deployment.template, names)
            elif type(block.body) is not Record:  # in one there is nothing but names and texts
                kinds.check(block.body, names)

    def _params_kinds(self, kinds: Kinds, deployment: Deployment, template: Template, names: Shapes) -> None:
        for parameter, given in deployment.parameters.items():
            declared = template.parameters.get(parameter)
            null = declared is not None and isinstance(given.value, Literal) and given.value.value is None
            if declared is not None and not (null and declared.default is not None):
                kinds.assign(kinds.shape(given.value, names), declared.type, "BCP036", given.place)

    def _names(self, symbol: str) -> Locals:
        """Return the names of the resources declared in a resource and in those around it."""
        names: dict[str, str] = {}
        if self._nested:
            parts = symbol.split(NESTED)
            for depth in range(1, len(parts) + 1):
                names |= self._nested.get(NESTED.join(parts[:depth]), {})
        return names

    # resources

    def _resource(self, block: Block, around: Block | None, symbol: str, members: dict[str, Member]) -> Resource:
        type_, version = self._type_of(block, symbol)
        place = block.target.place
        name = members.get("name")
        made = Resource(
            Literal(type_, place),
            name.value if name else None,
            api_version=Literal(version, place) if version else None,
            existing=block.existing,
            properties=members["properties"].value if "properties" in members else None,
        )
        if name is None:
            if not self.extended and not any(isinstance(one, Spread) for one in block.body.members):
                self._binder.fault(block.place, f"{block.name} has no name", "BCP035")
        elif (known := spelled(type_, version)) is not None:
            if known != type_:
                made.type = Literal(known, place)
        elif not self.extended:
            made.name = Opaque(Unknown(f"how Azure spells the type {type_} in ids is not known here", name.place))
        if "scope" in members:
            made.scope = members["scope"].value
        if around is not None:
            made.parent = symbol.rpartition(NESTED)[0]
            if "parent" in members:
                self._binder.fault(
                    members["parent"].place, "a nested resource has the one around it as parent", "BCP037"
                )
        elif "parent" in members:
            self._parent(made, members["parent"])
        return made

    def _type_of(self, block: Block, symbol: str) -> tuple[str, str]:
        """Return a resource's type and version; those of the resource around it come first."""
        if symbol not in self._types:
            self._types[symbol] = self._read_type(block, symbol)
        return self._types[symbol]

    def _read_type(self, block: Block, symbol: str) -> tuple[str, str]:
        place = block.target.place
        text = block.target.value if isinstance(block.target, Literal) else None
        if not isinstance(text, str):
            self._binder.fault(place, "a resource's type has no expressions in it", "BCP047")
            return "", ""
        found = _type_in(text)
        if found is None:
            self._binder.fault(place, f"{text} is no type of resources", "BCP029")
            return "", ""
        type_, version = found
        outer = self._types.get(symbol.rpartition(NESTED)[0])
        if outer is not None:
            if "/" in type_:
                self._binder.fault(place, "the type of a nested resource is its last part alone", "BCP156")
            return f"{outer[0]}/{type_}", version or outer[1]
        if ("/" not in type_ or not version) and not self.extended:
            self._binder.fault(place, f"{text} is no type of resources with a version", "BCP029")
        return type_, version

    def _parent(self, made: Resource, member: Member) -> None:
        node = member.value
        if isinstance(node, Access) and isinstance(node.target, Symbol):
            made.parent, made.parent_index = node.target.name, node.key
        elif isinstance(node, Symbol):
            made.parent = node.name
        elif isinstance(node, Opaque):
            made.scope = node
        else:
            self._binder.fault(node.place, "a parent is a resource of this file", "BCP240")

    # modules

    def _module(self, block: Block, symbol: str, members: dict[str, Member]) -> Resource:
        deployment = self._deployments.get(symbol) or self._deployment(block)
        for key, member in members.items():
            if key not in _MODULE:
                self._binder.fault(member.place, f"a module has no {key}", "BCP037")
        if "params" in members:
            self._params(deployment, members["params"].value)
        if "extensionConfigs" in members:
            self._take_secrets(members["extensionConfigs"].value, deep=True)
        if "identity" in members and isinstance(members["identity"].value, Object):
            self._identity(members["identity"].value)
        if "scope" in members:
            deployment.scope = members["scope"].value
        if deployment.template is not None and deployment.parameters_node is None:
            params = members.get("params")
            self._check_params(block, deployment, deployment.template, params.place if params else None)
        name = members["name"].value if "name" in members else None
        return Resource(Literal(_DEPLOYMENTS, block.target.place), name, deployment=deployment)

    def _identity(self, node: Object) -> None:
        """Note an identity of a module that it cannot have."""
        if any(isinstance(one, Spread) for one in node.members):
            return
        kind = next((one.value for one in node.members if isinstance(one, Member) and one.key == "type"), None)
        if kind is None:
            self._binder.fault(node.place, "the identity of a module has a type", "BCP035")
        elif isinstance(kind, Literal) and kind.value not in {"None", "UserAssigned"}:
            self._binder.fault(kind.place, "the type of a module's identity is None or UserAssigned", "BCP088")

    def _params(self, deployment: Deployment, node: Node) -> None:
        if isinstance(node, Object) and all(
            isinstance(one, Member) and isinstance(one.key, str) for one in node.members
        ):
            for one in node.members:
                if isinstance(one, Member) and isinstance(one.key, str):
                    deployment.parameters[one.key] = Given(one.value, one.place)
                    template = deployment.template
                    declared = template.parameters.get(one.key) if template is not None else None
                    if declared is None or declared.type.secure or declared.type.reference or not declared.type.kind:
                        self._take_secrets(one.value)
            return
        deployment.parameters_node = node
        if not isinstance(node, Object | Opaque):
            self._binder.fault(node.place, "params of a module is an object as it stands", "BCP183")
        elif isinstance(node, Object):
            for one in node.members:
                if isinstance(one, Spread) and not isinstance(one.value, Opaque):
                    self._binder.fault(one.place, "nothing can be spread here", "BCP401")

    def _take_secrets(self, node: Node, *, deep: bool = False) -> None:
        """Note that a value may be a secret, directly or by a condition; `deep`: in an object too."""
        self._binder.secrets.pop(id(node), None)
        inner = [node.yes, node.no] if isinstance(node, Conditional) else []
        if deep and isinstance(node, Object):
            inner += [one.value for one in node.members]
        for one in inner:
            self._take_secrets(one, deep=deep)

    def _deployment(self, block: Block) -> Deployment:
        """Return a module's template, or why it is not read."""
        place = block.target.place
        path = block.target.value if isinstance(block.target, Literal) else None
        if not isinstance(path, str):
            self._binder.fault(place, "a path has no expressions in it", "BCP092")
            return Deployment(None, Unknown("the path of the module is not known", place))
        if path.startswith(REMOTE):
            return Deployment(None, Unknown(f"the module {path} is in a registry; nothing is fetched", place))
        if (refused := path_fault(path)) is not None:
            self._binder.fault(place, *refused)
            return Deployment(None, Unknown("the path of the module is not valid", place))
        try:
            template = self._library.template(self._library.files.joined(self._path, path), self._path)
        except Unreadable as error:
            if is_missing(error):
                self._binder.fault(place, f"{path}: {error}", "BCP091")
            return Deployment(None, Unknown(f"the module {path}: {error}", place))
        if isinstance(template, str):
            self._binder.fault(place, f"{path}: {template}", "BCP095")
            return Deployment(None, Unknown(f"the module {path}: {template}", place))
        if any(fault.level is Level.ERROR for fault in template.diagnostics):
            self._binder.fault(place, f"the module {path} does not compile", "BCP104")
        return Deployment(template)

    def _check_params(self, block: Block, deployment: Deployment, template: Template, place: Place | None) -> None:
        """Note parameters that a module needs and is not given, or is given and does not have."""
        if template.incomplete:
            return
        missing = [
            name
            for name, one in template.parameters.items()
            if one.default is None and not takes_null(one.type, template) and name not in deployment.parameters
        ]
        if missing:
            said = f"the module needs {', '.join(missing[:5])}, which {'is' if len(missing) == 1 else 'are'} not given"
            self._binder.fault(place or block.place, said, "BCP035")
        for name, given in deployment.parameters.items():
            if name not in template.parameters:
                self._binder.fault(given.place, f"the module has no parameter {name}", "BCP037")
