"""A Bicep file, parsed -> the template that it deploys. What the compiler refuses is in the template's diagnostics."""

from collections.abc import Callable
from typing import Any, Final

from guardrails.evaluation.expressions import Call, Literal, Node, Opaque, Parameter, Symbol, Variable
from guardrails.evaluation.template import (
    FunctionDeclaration,
    Language,
    Level,
    Output,
    ParameterDeclaration,
    ScopeKind,
    Template,
    TypeOf,
    VariableDeclaration,
)
from guardrails.evaluation.values import NOWHERE, Place, Unknown
from guardrails.files.bicep_blocks import Blocks
from guardrails.files.bicep_checks import Loops, cycles, parts, shapes
from guardrails.files.bicep_constants import text_of
from guardrails.files.bicep_decorators import check_decorators
from guardrails.files.bicep_kinds import Kinds
from guardrails.files.bicep_library import REMOTE, Library, Lowered, is_missing
from guardrails.files.bicep_loads import Loads
from guardrails.files.bicep_meanings import ARGUMENT, Kind, Named, Where
from guardrails.files.bicep_names import Binder
from guardrails.files.bicep_shapes import Shape, without_places
from guardrails.files.bicep_syntax import (
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
from guardrails.files.bicep_type_checks import TypeChecks
from guardrails.files.bicep_types import UNKNOWN, TypeReader
from guardrails.files.walk import Unreadable

_SCOPES: Final = {kind.value: kind for kind in ScopeKind}
_RESERVED: Final = frozenset({"sys", "az", "this"})
_KINDS: Final = {Param: Kind.PARAMETER, Var: Kind.VARIABLE, Type: Kind.TYPE, Func: Kind.FUNCTION}


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
        self.imported_shapes: dict[str, Shape] = {}
        self.typed: dict[str, TypeOf] = {}
        """The types of variables that are declared with one."""
        self.uses: dict[str, set[str]] = {}
        self._lower: dict[tuple[Kind, str], str] = {}
        self._imports: set[tuple[str, str]] = set()
        self.binder = Binder(self.named, self._load)
        self.loads = Loads(file.path, library.files, self._constant, self.binder.fault)
        self.blocks = Blocks(self.template, self.binder, self.named, library)
        self.types = TypeReader(self._declared_types(), self.imported_types, self.binder.fault)

    def _load(self, call: Call) -> Node:
        return self.loads.load(call)

    def _constant(self, node: Node) -> str | Unknown | None:
        text = self.binder.constant(node)
        return text_of(node, self.template) if text is None else text

    def _declared_types(self) -> dict[str, tuple[TypeSyntax, list[Decorator]]]:
        return {one.name: (one.type, one.decorators) for one in self.file.declarations if isinstance(one, Type)}

    def _check_types(self) -> None:
        TypeChecks(self._declared_types(), self.imported_types, self.binder.fault, self._experimental).run(
            self.file.declarations
        )

    def _experimental(self) -> bool:
        return self.library.experimental(self.file.path)

    def lowered(self) -> Lowered:
        """Return the template, and what other files may import of it."""
        self._scope()
        self._names()
        self._check_types()
        self._declarations({
            Param: self._param, Var: self._var, Func: self._func, Out: self._output, Other: self._other,
        })  # fmt: skip
        for block, around, symbol in self.blocks.blocks:
            self.binder.used = set()
            self.blocks.lower(block, around, symbol)
            self.uses.setdefault(symbol, set()).update(self.binder.used)
        self.blocks.shaped = self.file.shaped
        self.blocks.check()
        kinds = Kinds(self.template, self.binder.fault)
        kinds.run(self.typed, self.imported_shapes)
        self.blocks.check_kinds(kinds)
        for one in self._declared_types():
            self.types.named(one)
        self._exports()
        template = self._finished()
        exported = {one.name: one for one in self.file.declarations if _has(one, "export")}
        types = {name: self.types.named(name) for name in self._declared_types()}
        shapes = {name: without_places(kinds.variable(name)) for name, one in exported.items() if isinstance(one, Var)}
        return Lowered(template, exported, types, shapes)

    def _declarations(self, readers: dict[type, Callable[[Any], None]]) -> None:
        """Read declarations, and note what each refers to."""
        for one in self.file.declarations:
            if one.decorators:
                self._check_decorators(one)
            if self.file.shaped:
                self._shapes(one)
            reader = readers.get(type(one))
            if reader is not None:
                self.binder.used = set()
                reader(one)
                if not isinstance(one, Out):
                    self.uses.setdefault(one.name, set()).update(self.binder.used)

    def _check_decorators(self, one: Declaration) -> None:
        check_decorators(one, self.binder.fault, experimental=self._experimental())
        for decorator in one.decorators:
            if decorator.bare and decorator.name in self.named:
                said = f"{decorator.name} is a name of this file here; the decorator is sys.{decorator.name}"
                self.binder.fault(decorator.place, said, "BCP265")

    def _shapes(self, one: Declaration) -> None:
        """Note lambdas, loops and spreads of a declaration that may not stand there."""
        if isinstance(one, Block):
            shapes(one.body, Loops.PROPERTIES, self.binder.fault)
            for inner in one.nested:
                self._shapes(inner)
        elif isinstance(one, Var | Out | Other) and one.value is not None:
            shapes(one.value, Loops.NOWHERE if isinstance(one, Other) else Loops.WHOLE, self.binder.fault)
        elif isinstance(one, Param) and one.default is not None:
            shapes(one.default, Loops.WHOLE if one.type is None else Loops.NOWHERE, self.binder.fault)
        elif isinstance(one, Func):
            shapes(one.body, Loops.NOWHERE, self.binder.fault)

    def _exports(self) -> None:
        """Note exported variables that hang on what only this file has."""
        for one in self.file.declarations:
            if isinstance(one, Var) and _has(one, "export") and self._is_bound(one.name):
                said = f"{one.name} is made of a parameter or resource, so it is not exported"
                self.binder.fault(one.place, said, "BCP372")

    def _is_bound(self, name: str) -> bool:
        seen: set[str] = set()
        stack: list[Node] = [Variable(name, NOWHERE)]
        while stack:
            node = stack.pop()
            if isinstance(node, Parameter | Symbol):
                return True
            if isinstance(node, Variable):
                declared = self.template.variables.get(node.name)
                if declared is not None and declared.home is None and node.name not in seen:
                    stack.append(declared.value)
                seen.add(node.name)
            else:
                stack += parts(node)
        return False

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
        for one in self.file.declarations:
            kind = _KINDS.get(type(one))
            if kind is not None:
                self._declare(one.name, Named(kind, one), one)
                self._differs(kind, one.name, one.place)
            elif isinstance(one, Block):
                self._declare(one.name, Named(Kind.RESOURCE if one.keyword == "resource" else Kind.MODULE, one), one)
                self.blocks.collect(one, None, one.name)
            elif isinstance(one, Import):
                self._import(one)
            elif isinstance(one, Other) and one.keyword == "extension":
                self._declare(one.name, Named(Kind.NAMESPACE, one, {"": Kind.ERROR}), one)
                self.blocks.extended = True
        for place in self.file.broken:
            self._broken(place.line)

    def _differs(self, kind: Kind, name: str, place: Place) -> None:
        """Note a name that differs from another of its kind in letter case alone."""
        if self._lower.setdefault((kind, name.lower()), name) != name:
            self.binder.fault(place, f"{name} differs only in letter case from another name", "BCP353")

    def _broken(self, line: int) -> None:
        """Note the name of a declaration that could not be read: what refers to it is no further fault."""
        name = self.library.name_at(self.file.path, line)
        if name:
            self.named.setdefault(name, Named(Kind.ERROR))

    def _declare(self, name: str, named: Named, one: Declaration) -> None:
        if name in self.named:
            self.binder.fault(one.place, f"{name} is declared twice", "BCP028")
        elif named.kind is Kind.VARIABLE and name.lower() == "copy":
            self.binder.fault(one.place, "the name copy is reserved", "BCP239")
        elif name in _RESERVED and named.kind is not Kind.NAMESPACE:
            self.binder.fault(one.place, f"the name {name} is reserved", "BCP084")
        else:
            self.named[name] = named

    # what other files export

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
                    continue
                kind = self._take(other, name, here)
                self._declare(here, Named(kind, one), one)
                self._differs(kind, here, place)
                if (path, name) in self._imports:
                    self.binder.fault(place, f"{name} of {path} is imported twice", "BCP362")
                self._imports.add((path, name))
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
            if is_missing(error):
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
            self.template.variables[here] = VariableDeclaration(here, Opaque(Unknown(why, place, doubt=True)), place)
            self.imported_types[here] = UNKNOWN
            unknown: Node = Opaque(Unknown(why, place, doubt=True))
            self.binder.unknown_functions[here] = unknown
        if not one.names:
            self.named.setdefault(one.name, Named(Kind.NAMESPACE, one, {"": Kind.ERROR}))
            self.imported_types[f"{one.name}."] = UNKNOWN

    def _take(self, other: Lowered, name: str, here: str) -> Kind:
        """Take an exported name from another file into this one; return what it is."""
        source, declaration = other.template, other.exported[name]
        if isinstance(declaration, Type):
            self.imported_types[here] = other.types.get(name, UNKNOWN)
            return Kind.TYPE
        if isinstance(declaration, Func) and (function := _function(source, name)) is not None:
            self.template.functions[here] = FunctionDeclaration(
                here, function.parameters, function.body, function.output, function.place, function.home or source
            )
            return Kind.FUNCTION
        if name in source.variables:
            variable = source.variables[name]
            home = variable.home or source
            if name in other.shapes:
                self.imported_shapes[here] = other.shapes[name]
            self.template.variables[here] = VariableDeclaration(here, variable.value, variable.place, home)
            return Kind.VARIABLE
        return Kind.ERROR

    # declarations

    def _param(self, one: Param) -> None:
        type_ = self.types.read(one.type, one.decorators) if one.type is not None else TypeOf()
        self._decorators(one)
        if type_.nullable and one.default is not None and type_.kind:
            self.binder.fault(one.place, f"{one.name} may be null, so it has no other default", "BCP326")
        default = None if one.default is None else self.binder.value(one.default, {}, Where.DEFAULT)
        if default is None and type_ is UNKNOWN:
            default = Opaque(Unknown(f"the type of {one.name} is not known here, so it may be null", one.place))
        self.template.parameters.setdefault(one.name, ParameterDeclaration(one.name, type_, default, one.place))

    def _decorators(self, one: Declaration) -> None:
        for decorator in one.decorators:
            decorator.arguments = [self.binder.value(argument, {}) for argument in decorator.arguments]

    def _var(self, one: Var) -> None:
        if one.type is not None:
            self.typed[one.name] = self.types.read(one.type, one.decorators)
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
        same = next((name for name in self.template.outputs if name.lower() == one.name.lower()), None)
        if same is not None:
            rule = "BCP145" if same == one.name else "BCP353"
            self.binder.fault(one.place, f"the output {one.name} is declared twice", rule)
        self.template.outputs[one.name] = Output(one.name, value, type_, None, one.place)

    def _other(self, one: Other) -> None:
        if one.value is not None:
            self.binder.value(one.value, {})
        if one.keyword in {"assert", "test"} and not self._experimental():
            said = f"{one.keyword} is an experimental feature, which is not switched on"
            self.binder.fault(one.place, said, "BCP349" if one.keyword == "assert" else "BCP348")

    def _cycles(self) -> None:
        for cycle in cycles(self.uses):
            declaration = self.named[cycle[0]].declaration
            if declaration is not None:
                way = " -> ".join([*cycle, cycle[0]])
                self.binder.fault(declaration.place, f"{cycle[0]} refers to itself: {way}", "BCP080")


def _function(template: Template, name: str) -> FunctionDeclaration | None:
    """Return a user function of a template; that of an ARM template has a namespace before its name."""
    if template.language is Language.BICEP:
        return template.functions.get(name)
    return next((one for key, one in template.functions.items() if key.rpartition(".")[2] == name), None)


def _has(one: Declaration, decorator: str) -> bool:
    return any(found.name == decorator for found in one.decorators)
