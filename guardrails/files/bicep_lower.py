"""A Bicep file, parsed -> the template that it deploys. What the compiler refuses is in the template's diagnostics."""

import re
from collections.abc import Callable
from typing import Any, Final

from guardrails.evaluation.expressions import (
    Access,
    Array,
    Call,
    Comprehension,
    Literal,
    Local,
    Member,
    Node,
    Object,
    Opaque,
    Parameter,
    Spread,
    Symbol,
    Variable,
)
from guardrails.evaluation.template import (
    Deployment,
    FunctionDeclaration,
    Given,
    Language,
    Level,
    Output,
    ParameterDeclaration,
    Resource,
    ScopeKind,
    Template,
    TypeOf,
    VariableDeclaration,
)
from guardrails.evaluation.values import Unknown
from guardrails.files.bicep_library import REMOTE, Library, Lowered
from guardrails.files.bicep_loads import Loads
from guardrails.files.bicep_names import ARGUMENT, LOCAL, Binder, Kind, Locals, Named, Where
from guardrails.files.bicep_syntax import (
    GROUP,
    NESTED,
    Block,
    Declaration,
    Decorator,
    File,
    Func,
    Import,
    Other,
    Out,
    Param,
    TargetScope,
    Type,
    TypeSyntax,
    Var,
)
from guardrails.files.bicep_types import TypeReader
from guardrails.files.walk import Unreadable

_TYPE: Final = re.compile(
    r"([a-z0-9][a-z0-9.-]*(?:/[a-z0-9][a-z0-9.-]*)*)(?:@([a-z0-9][a-z0-9.-]+))?", re.IGNORECASE
)
_SCOPES: Final = {kind.value: kind for kind in ScopeKind}
_KINDS: Final = {Param: Kind.PARAMETER, Var: Kind.VARIABLE, Type: Kind.TYPE, Func: Kind.FUNCTION}
_DEPLOYMENTS: Final = "Microsoft.Resources/deployments"


class Lowering:
    """Lowers one file.

    Args:
        file: as parsed.
        library: gives the other files.
    """

    def __init__(self, file: File, library: "Library") -> None:
        self.file, self.library = file, library
        self.template = Template(Language.BICEP, file.path, ScopeKind.RESOURCE_GROUP, symbolic=True)
        self.named: dict[str, Named] = {}
        self.imported_types: dict[str, TypeOf] = {}
        self.modules: dict[str, Template] = {}
        self.blocks: list[tuple[Block, Block | None, str]] = []
        """Resources and modules, each with the resource around it and its whole symbol."""
        self.nested: dict[str, dict[str, str]] = {}
        """The resources declared in another, by its whole symbol: name -> whole symbol."""
        self.uses: dict[str, set[str]] = {}
        self.binder = Binder(self.named, self._load)
        self.loads = Loads(file.path, library.files, self.binder.constant, self.binder.fault)
        self.types = TypeReader(self._declared_types(), self.imported_types, self.binder.fault)

    def _load(self, call: Call) -> Node:
        return self.loads.load(call)

    def _declared_types(self) -> dict[str, tuple[TypeSyntax, list[Decorator]]]:
        return {one.name: (one.type, one.decorators) for one in self.file.declarations if isinstance(one, Type)}

    def lowered(self) -> Lowered:
        """Return the template, and what other files may import of it."""
        self._scope()
        self._names()
        self._declarations({
            Param: self._param, Var: self._var, Func: self._func, Out: self._output, Other: self._other,
        })  # fmt: skip
        for block, around, symbol in self.blocks:
            self.binder.used = set()
            self._block(block, around, symbol)
            self.uses.setdefault(symbol, set()).update(self.binder.used)
        for one in self._declared_types():
            self.types.named(one)
        template = self._finished()
        exported = {one.name: one for one in self.file.declarations if _has(one, "export")}
        return Lowered(template, exported, {name: self.types.named(name) for name in self._declared_types()})

    def _declarations(self, readers: dict[type, Callable[[Any], None]]) -> None:
        """Read declarations, and note what each refers to."""
        for one in self.file.declarations:
            reader = readers.get(type(one))
            if reader is not None:
                self.binder.used = set()
                reader(one)
                if not isinstance(one, Out):
                    self.uses.setdefault(one.name, set()).update(self.binder.used)

    def _finished(self) -> Template:
        """Return the template with all that was found."""
        self._cycles()
        template = self.template
        template.types = self.types.used
        template.loaded = self.loads.loaded
        template.diagnostics += self.binder.faults
        if self.file.broken:
            template.incomplete = f"{len(self.file.broken)} declarations of the file could not be read"
        return template

    def _scope(self) -> None:
        """Read the target scope."""
        scopes = [one for one in self.file.declarations if isinstance(one, TargetScope)]
        for one in scopes:
            value = one.value.value if isinstance(one.value, Literal) else None
            if value not in _SCOPES:
                self.binder.fault(one.value.place, f"there is no target scope {value!r}", "BCP033")
            else:
                self.template.scope = _SCOPES[str(value)]
                self.binder.scope = str(value)
        for one in scopes[1:]:
            self.binder.fault(one.place, "the target scope is declared twice", "BCP112")

    def _names(self) -> None:
        """Note what each declared name stands for."""
        lower: dict[tuple[type, str], str] = {}
        for one in self.file.declarations:
            kind = _KINDS.get(type(one))
            if kind is not None:
                self._declare(one.name, Named(kind, one), one)
                key = type(one), one.name.lower()
                if lower.setdefault(key, one.name) != one.name:
                    self.binder.fault(one.place, f"{one.name} differs only in letter case from another name", "BCP308")
            elif isinstance(one, Block):
                self._declare(one.name, Named(Kind.RESOURCE if one.keyword == "resource" else Kind.MODULE, one), one)
                self._collect(one, None, one.name)
            elif isinstance(one, Import):
                self._import(one)
            elif isinstance(one, Other) and one.keyword == "extension":
                self._declare(one.name, Named(Kind.NAMESPACE, one, {"": Kind.ERROR}), one)
        for place in self.file.broken:
            self._broken(place.line)

    def _broken(self, line: int) -> None:
        """Note the name of a declaration that could not be read: what refers to it is no further fault."""
        name = self.library.name_at(self.file.path, line)
        if name:
            self.named.setdefault(name, Named(Kind.ERROR))

    def _declare(self, name: str, named: Named, one: Declaration) -> None:
        if name in self.named:
            self.binder.fault(one.place, f"{name} is declared twice", "BCP028")
        elif name in {"sys", "az"} and named.kind is not Kind.NAMESPACE:
            self.binder.fault(one.place, f"the name {name} is reserved", "BCP084")
        else:
            self.named[name] = named

    def _collect(self, block: Block, around: Block | None, symbol: str) -> None:
        """Note a resource with all that are declared in it."""
        self.blocks.append((block, around, symbol))
        if block.loop is not None and block.nested:
            self.binder.fault(block.nested[0].place, "a resource in a loop has no nested resources", "BCP160")
        for inner in block.nested:
            name = f"{symbol}{NESTED}{inner.name}"
            if name in self.named:
                self.binder.fault(inner.place, f"{inner.name} is declared twice", "BCP028")
            self.named[name] = Named(Kind.RESOURCE, inner)
            self.nested.setdefault(symbol, {})[inner.name] = name
            self._collect(inner, block, name)

    # imports

    def _import(self, one: Import) -> None:
        path = one.source.value if isinstance(one.source, Literal) else None
        if not isinstance(path, str):
            self.binder.fault(one.source.place, "a path has no expressions in it", "BCP092")
            return
        other, why = self._other_file(path, one)
        if other is None:
            self._import_unknown(one, why)
        elif one.names:
            for name, here, place in one.names:
                if name not in other.exported:
                    self.binder.fault(place, f"{path} exports no {name}", "BCP360")
                    self.named.setdefault(here, Named(Kind.ERROR))
                else:
                    self._declare(here, Named(self._take(other, name, here), one), one)
        else:
            members = {name: self._take(other, name, f"{one.name}.{name}") for name in other.exported}
            self._declare(one.name, Named(Kind.NAMESPACE, one, members), one)

    def _other_file(self, path: str, one: Import) -> tuple[Lowered | None, str]:
        """Return another Bicep file; None where it cannot be read, and why."""
        if path.startswith(REMOTE):
            return None, f"{path} is in a registry; nothing is fetched"
        try:
            other = self.library.lowered(self.library.files.joined(self.file.path, path), self.file.path)
        except Unreadable as error:
            if self.library.is_missing(error):
                self.binder.fault(one.source.place, f"{path}: {error}", "BCP091")
            return None, f"{path}: {error}"
        if other is None:
            return None, f"{path} is not read as an import"
        if any(fault.level is Level.ERROR for fault in other.template.diagnostics):
            self.binder.fault(one.source.place, f"{path} does not compile", "BCP104")
        return other, ""

    def _import_unknown(self, one: Import, why: str) -> None:
        """Note names that are imported from a file that cannot be read."""
        for _, here, place in one.names:
            self.named.setdefault(here, Named(Kind.VARIABLE, one))
            self.template.variables[here] = VariableDeclaration(here, Opaque(Unknown(why, place)), place)
            self.imported_types[here] = TypeOf(nullable=True, place=place)
            unknown: Node = Opaque(Unknown(why, place))
            self.binder.unknown_functions[here] = unknown
        if not one.names:
            self.named.setdefault(one.name, Named(Kind.NAMESPACE, one, {"": Kind.ERROR}))
            self.imported_types[f"{one.name}."] = TypeOf(nullable=True, place=one.place)

    def _take(self, other: Lowered, name: str, here: str) -> Kind:
        """Take an exported name from another file into this one; return what it is."""
        source, declaration = other.template, other.exported[name]
        if isinstance(declaration, Type):
            self.imported_types[here] = other.types[name]
            return Kind.TYPE
        if isinstance(declaration, Func) and name in source.functions:
            function = source.functions[name]
            self.template.functions[here] = FunctionDeclaration(
                here, function.parameters, function.body, function.output, function.place, function.home or source
            )
            return Kind.FUNCTION
        if name in source.variables:
            variable = source.variables[name]
            home = variable.home or source
            self.template.variables[here] = VariableDeclaration(here, variable.value, variable.place, home)
            return Kind.VARIABLE
        return Kind.ERROR

    # declarations

    def _param(self, one: Param) -> None:
        type_ = self.types.read(one.type, one.decorators) if one.type is not None else TypeOf()
        self._decorators(one)
        default = None if one.default is None else self.binder.value(one.default, {}, Where.DEFAULT)
        self.template.parameters.setdefault(one.name, ParameterDeclaration(one.name, type_, default, one.place))

    def _decorators(self, one: Declaration) -> None:
        for decorator in one.decorators:
            decorator.arguments = [self.binder.value(argument, {}) for argument in decorator.arguments]

    def _var(self, one: Var) -> None:
        if one.type is not None:
            self.types.read(one.type, one.decorators)
        value = self.binder.value(one.value, {})
        self.template.variables.setdefault(one.name, VariableDeclaration(one.name, value, one.place))

    def _func(self, one: Func) -> None:
        parameters = [
            ParameterDeclaration(argument.name, self.types.of(argument.type), None, argument.place)
            for argument in one.arguments
        ]
        names = dict.fromkeys((argument.name for argument in one.arguments), ARGUMENT)
        if len(names) < len(parameters):
            self.binder.fault(one.place, f"{one.name} has two arguments of one name", "BCP028")
        body = self.binder.value(one.body, names, Where.FUNCTION)
        output = self.types.of(one.output)
        self.template.functions.setdefault(one.name, FunctionDeclaration(one.name, parameters, body, output, one.place))

    def _output(self, one: Out) -> None:
        type_ = self.types.read(one.type, one.decorators)
        value = self.binder.value(one.value, {})
        if one.name in self.template.outputs:
            self.binder.fault(one.place, f"the output {one.name} is declared twice", "BCP145")
        self.template.outputs[one.name] = Output(one.name, value, type_, None, one.place)

    def _other(self, one: Other) -> None:
        if one.value is not None:
            self.binder.value(one.value, {})
        if one.keyword in {"assert", "test"} and not self.library.experimental(self.file.path):
            said = f"{one.keyword} is an experimental feature, which is not switched on"
            self.binder.fault(one.place, said, "BCP349" if one.keyword == "assert" else "BCP348")

    # resources and modules

    def _block(self, block: Block, around: Block | None, symbol: str) -> None:
        self._decorators(block)
        names: Locals = self._nested_names(symbol)
        loop = block.loop
        if loop is not None:
            names = self.binder.loop(loop, names)
        condition = None if block.condition is None else self.binder.bind(block.condition, names)
        self.binder.bind(block.body, names)
        members = {one.key: one for one in block.body.members if isinstance(one, Member) and isinstance(one.key, str)}
        for one in block.body.members:
            if isinstance(one, Spread) and not isinstance(one.value, Opaque):
                self.binder.fault(one.place, "nothing can be spread here", "BCP401")
        if block.keyword == "module":
            resource = self._module(block, members)
        else:
            resource = self._resource(block, around, symbol, members)
        resource.symbol, resource.condition, resource.loop = symbol, condition, loop
        resource.place, resource.body = block.place, block.body
        self.template.resources.append(resource)

    def _nested_names(self, symbol: str) -> Locals:
        """Return the names of the resources declared in a resource and in those around it."""
        names: dict[str, str] = {}
        parts = symbol.split(NESTED)
        for depth in range(1, len(parts) + 1):
            names |= self.nested.get(NESTED.join(parts[:depth]), {})
        return names

    def _resource(
        self, block: Block, around: Block | None, symbol: str, members: dict[str, Member]
    ) -> Resource:
        type_, version = self._type_of(block, around)
        place = block.target.place
        name = members.get("name")
        made = Resource(
            Literal(type_, place),
            name.value if name else None,
            api_version=Literal(version, place) if version else None,
            existing=block.existing,
            properties=members["properties"].value if "properties" in members else None,
        )
        extended = any(named.kind is Kind.NAMESPACE for named in self.named.values())
        if name is None and not extended and not any(isinstance(one, Spread) for one in block.body.members):
            self.binder.fault(block.place, f"{block.name} has no name", "BCP035")
        if "scope" in members:
            made.scope = members["scope"].value
        if around is not None:
            made.parent = symbol.rpartition(NESTED)[0]
        elif "parent" in members:
            self._parent(made, members["parent"])
        return made

    def _type_of(self, block: Block, around: Block | None) -> tuple[str, str]:
        """Return a resource's type and version; those of the resource around it come first."""
        text = block.target.value if isinstance(block.target, Literal) else None
        if not isinstance(text, str):
            self.binder.fault(block.target.place, "a resource's type has no expressions in it", "BCP047")
            return "", ""
        found = _TYPE.fullmatch(text)
        if found is None:
            self.binder.fault(block.target.place, f"{text} is no type of resources", "BCP029")
            return "", ""
        type_, version = found[1], found[2] or ""
        if around is not None:
            outer, outer_version = self._type_of_around(around)
            return f"{outer}/{type_}", version or outer_version
        if "/" not in type_ or not version:
            self.binder.fault(block.target.place, f"{text} is no type of resources with a version", "BCP029")
        return type_, version

    def _type_of_around(self, block: Block) -> tuple[str, str]:
        around = next((outer for one, outer, _ in self.blocks if one is block), None)
        before = len(self.binder.faults)
        found = self._type_of(block, around)
        del self.binder.faults[before:]
        return found

    def _parent(self, made: Resource, member: Member) -> None:
        node = member.value
        if isinstance(node, Access) and isinstance(node.target, Symbol):
            made.parent, made.parent_index = node.target.name, node.key
        elif isinstance(node, Symbol):
            made.parent = node.name
        elif isinstance(node, Opaque):
            made.scope = node
        else:
            self.binder.fault(node.place, "a parent is a resource of this file", "BCP240")

    def _module(self, block: Block, members: dict[str, Member]) -> Resource:
        deployment = self._deployment(block)
        params = members.get("params")
        if params is not None:
            self._params(deployment, params.value)
        if "scope" in members:
            deployment.scope = members["scope"].value
        name = members.get("name")
        template = deployment.template
        if template is not None:
            self.modules[block.name] = template
            self._check_params(block, deployment, template, given_whole=deployment.parameters_node is not None)
        return Resource(
            Literal(_DEPLOYMENTS, block.target.place), name.value if name else None, deployment=deployment
        )

    def _params(self, deployment: Deployment, node: Node) -> None:
        if isinstance(node, Object) and all(isinstance(one, Member) and isinstance(one.key, str) for one in node.members):
            for one in node.members:
                if isinstance(one, Member) and isinstance(one.key, str):
                    deployment.parameters[one.key] = Given(one.value, one.place)
            return
        deployment.parameters_node = node
        if not isinstance(node, Object):
            self.binder.fault(node.place, "params of a module is an object as it stands", "BCP183")

    def _deployment(self, block: Block) -> Deployment:
        """Return the module's template, or why it is not read."""
        place = block.target.place
        path = block.target.value if isinstance(block.target, Literal) else None
        if not isinstance(path, str):
            self.binder.fault(place, "a path has no expressions in it", "BCP092")
            return Deployment(None, Unknown("the path of the module is not known", place))
        if path.startswith(REMOTE):
            return Deployment(None, Unknown(f"the module {path} is in a registry; nothing is fetched", place))
        if not path or path.startswith("/") or "\\" in path:
            self.binder.fault(place, f"{path!r} is no relative path with forward slashes", "BCP051")
            return Deployment(None, Unknown("the path of the module is not valid", place))
        try:
            template = self.library.template(self.library.files.joined(self.file.path, path), self.file.path)
        except Unreadable as error:
            if self.library.is_missing(error):
                self.binder.fault(place, f"{path}: {error}", "BCP091")
            return Deployment(None, Unknown(f"the module {path}: {error}", place))
        if isinstance(template, str):
            self.binder.fault(place, f"{path}: {template}", "BCP095")
            return Deployment(None, Unknown(f"the module {path}: {template}", place))
        if any(fault.level is Level.ERROR for fault in template.diagnostics):
            self.binder.fault(place, f"the module {path} does not compile", "BCP104")
        return Deployment(template)

    def _check_params(self, block: Block, deployment: Deployment, template: Template, *, given_whole: bool) -> None:
        """Note parameters that a module needs and is not given, or is given and does not have."""
        if given_whole:
            return
        missing = [
            name
            for name, one in template.parameters.items()
            if one.default is None and not one.type.nullable and name not in deployment.parameters
        ]
        if missing:
            said = f"the module needs {', '.join(missing[:5])}, which {'is' if len(missing) == 1 else 'are'} not given"
            self.binder.fault(block.place, said, "BCP035")
        for name, given in deployment.parameters.items():
            if name not in template.parameters:
                self.binder.fault(given.place, f"the module has no parameter {name}", "BCP037")

    def _cycles(self) -> None:
        for cycle in self.binder.cycles(self.uses):
            declaration = self.named[cycle[0]].declaration
            if declaration is not None:
                way = " -> ".join([*cycle, cycle[0]])
                self.binder.fault(declaration.place, f"{cycle[0]} refers to itself: {way}", "BCP080")


def _has(one: Declaration, decorator: str) -> bool:
    return any(found.name == decorator for found in one.decorators)
