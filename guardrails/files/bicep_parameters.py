"""Parameter files of Bicep (`.bicepparam`) -> the values that they give. What is wrong is in the file's diagnostics.

Values are computed in a template of their own, `home`, which has the file's variables and imports, and each value as a
variable: they may refer to each other.
"""

from typing import Final

from guardrails.evaluation.expressions import Call, Literal, Node, Opaque, Variable
from guardrails.evaluation.template import (
    Diagnostic,
    Given,
    Level,
    ParameterFile,
    Stage,
    Template,
    VariableDeclaration,
    takes_null,
)
from guardrails.evaluation.values import Place
from guardrails.files.bicep_checks import parts
from guardrails.files.bicep_kinds import Kinds
from guardrails.files.bicep_library import REMOTE, Library, text_of
from guardrails.files.bicep_lower import Lowering
from guardrails.files.bicep_meanings import Kind, Named, Where
from guardrails.files.bicep_parameters_parser import ParametersParser
from guardrails.files.bicep_syntax import File, Import, Param, Using, Var
from guardrails.files.walk import Unreadable

_BASE: Final = "base"
DEEPEST: Final = 10
"""Parameter files that extend each other and are read."""


def read_parameters(path: str, data: bytes, library: Library, depth: int = 0) -> ParameterFile:
    """Read a parameter file. Nothing is raised."""
    text = text_of(data)
    place = Place(path, 1, 1)
    if text is None:
        wrong = Diagnostic(place, "the file is neither UTF-8 nor UTF-16", "encoding", Level.ERROR, Stage.READ)
        return ParameterFile(path, diagnostics=[wrong], place=place)
    parser = ParametersParser(text, path)
    file = parser.file()
    lowering = _Parameters(file, library, depth, sound=not parser.faults)
    found = lowering.parameter_file()
    found.diagnostics[:0] = parser.faults
    return found


class _Parameters(Lowering):
    """Reads the declarations of a parameter file."""

    def __init__(self, file: File, library: Library, depth: int, *, sound: bool) -> None:
        super().__init__(file, library)
        self._depth, self._sound = depth, sound
        self.made = ParameterFile(file.path, place=Place(file.path, 1, 1))
        self._unread = False
        """Whether a parameter may be given in a part or file that could not be read."""

    def parameter_file(self) -> ParameterFile:
        """Return what the file gives."""
        self._names()
        extends = [one for one in self.file.declarations if isinstance(one, Using) and one.name == "extends"]
        for one in extends:
            self._extend(one)
        if len(extends) > 1:
            self.binder.fault(extends[1].place, "a file extends one other", "BCP405")
        self._declarations({Param: self._assignment, Var: self._variable})
        self._check_types()
        for declared in self.file.declarations:
            for decorator in declared.decorators:
                if decorator.name != "description":
                    self.binder.fault(decorator.place, f"a parameter file has no decorator {decorator.name}", "BCP057")
        self._imported_values()
        self.kinds = Kinds(self.template, self.binder.fault)
        self.kinds.run(self.typed, self.imported_shapes)
        made = self.made
        made.home = self._finished()
        self._unread = self._unread or bool(self.file.broken)
        self._using()
        made.home.diagnostics += [one for one in self.binder.faults if one not in made.home.diagnostics]
        made.diagnostics = made.home.diagnostics
        return made

    def _names(self) -> None:
        super()._names()
        if (base := self.named.get(_BASE)) is not None and base.declaration is not None:
            self.binder.fault(base.declaration.place, f"the name {_BASE} is reserved in parameter files", "BCP438")
        for name, named in self.named.items():
            if named.kind is Kind.PARAMETER:
                self.named[name] = Named(Kind.VARIABLE, named.declaration)

    def _imported_values(self) -> None:
        """Note what is imported and asks for the deployment's scope: a parameter file has none."""
        template = self.template
        imported: list[tuple[str, Node, Template | None]] = [
            (name, one.value, one.home) for name, one in template.variables.items() if not name.startswith(f"{_BASE}.")
        ]
        imported += [(name, one.body, one.home) for name, one in template.functions.items()]
        for name, value, home in imported:
            if home is not None and _asks_for_scope(value, home):
                place = next((one.place for one in self.file.declarations if isinstance(one, Import)), self.made.place)
                self.binder.fault(place, f"{name} is known only in a deployment, so it is not imported", "BCP452")

    def _variable(self, one: Var) -> None:
        if one.type is not None:
            self.typed[one.name] = self.types.read(one.type, one.decorators)
        value = self.binder.value(one.value, {}, Where.PARAMETERS)
        self.template.variables.setdefault(one.name, VariableDeclaration(one.name, value, one.place))

    def _assignment(self, one: Param) -> None:
        if one.default is None:
            return
        value = self.binder.value(one.default, {}, Where.PARAMETERS)
        self.template.variables.setdefault(one.name, VariableDeclaration(one.name, value, one.place))
        self.made.values[one.name] = Given(value, one.place)

    def _extend(self, one: Using) -> None:
        """Take in the values of another parameter file."""
        path = self._path(one)
        members: dict[str, Kind] = {}
        if path:
            base = read_parameters(path, self.library.files.read(path), self.library, self._depth + 1)
            if any(fault.level is Level.ERROR for fault in base.diagnostics):
                self.binder.fault(one.place, f"{path} does not compile", "BCP104")
            self._unread = self._unread or base.home is None
            for name, given in base.values.items():
                self.made.values[name] = self._taken(base, name, given)
                members[name] = Kind.VARIABLE
        else:
            self._unread = True
            members[""] = Kind.ERROR
        self.named.setdefault(_BASE, Named(Kind.NAMESPACE, one, members))

    def _taken(self, base: ParameterFile, name: str, given: Given) -> Given:
        here = f"{_BASE}.{name}"
        value = given.value if isinstance(given.value, Literal | Opaque) else Variable(name, given.place)
        if base.home is not None and f"{_BASE}.{name}" in base.home.variables and name not in base.home.variables:
            value = Variable(here, given.place)
        self.template.variables[here] = VariableDeclaration(here, value, given.place, base.home)
        return Given(Variable(here, given.place), given.place)

    def _path(self, one: Using) -> str:
        """Return the path of the file that one extends; "" where it is not read, which is noted."""
        text = self.binder.constant(one.source)
        if not text or self._depth >= DEEPEST:
            self.binder.fault(one.place, "a file extends another, by a relative path", "BCP404")
            return ""
        try:
            path = self.library.files.joined(self.file.path, text)
            self.library.files.read(path)
        except Unreadable as error:
            self.binder.fault(one.place, f"{text}: {error}", "BCP091")
            return ""
        return path

    def _using(self) -> None:
        """Find the template that the file is for, and hold its parameters against what is given."""
        using = [one for one in self.file.declarations if isinstance(one, Using) and one.name == "using"]
        if not using:
            if not self.file.broken:
                self._wrong(self.made.place, "the file does not say with `using` for which template it is", "BCP261")
            return
        one = using[0]
        if len(using) > 1:
            self._wrong(using[1].place, "a file is for one template", "BCP278")
        text = one.source.value if isinstance(one.source, Literal) else ""
        if one.source is None or not isinstance(text, str):
            return
        if text.startswith(REMOTE):
            said = f"the template {text} is in a registry; nothing is fetched"
            self.template.diagnostics.append(Diagnostic(one.place, said, "remote", Level.INFO))
            return
        try:
            self.made.using = self.library.files.joined(self.file.path, text)
            template = self.library.template(self.made.using)
        except Unreadable as error:
            self._wrong(one.place, f"{text}: {error}", "BCP091")
            return
        if isinstance(template, Template):
            self._check(one, template)

    def _wrong(self, place: Place, message: str, rule: str) -> None:
        self.template.diagnostics.append(Diagnostic(place, message, rule))

    def _check(self, one: Using, template: Template) -> None:
        missing = [
            name
            for name, declared in template.parameters.items()
            if declared.default is None and not takes_null(declared.type, template) and name not in self.made.values
        ]
        if missing and not self._unread and not template.incomplete:
            self._wrong(
                one.place, f"the file does not give {', '.join(missing[:5])}, which the template needs", "BCP258"
            )
        for name, given in self.made.values.items():
            if name not in template.parameters and not template.incomplete:
                self._wrong(given.place, f"the template has no parameter {name}", "BCP259")
        owns = [one for one in self.file.declarations if isinstance(one, Param) and one.name in self.made.values]
        for own in owns if self._sound else []:
            value, declared = self.made.values[own.name].value, template.parameters.get(own.name)
            shape = self.kinds.shape(value, {})
            if declared is not None and not (shape.kind == "null" and declared.default is not None):
                self.kinds.assign(shape, declared.type, "BCP033", value.place)


def _asks_for_scope(value: Node, home: Template) -> bool:
    """Whether a value of a Bicep file is made of what only a deployment has."""
    seen: set[str] = set()
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, Call) and (one.name in _OF_DEPLOYMENTS or one.name.startswith("list")):
            return one.name not in home.functions
        if isinstance(one, Variable | Call) and one.name not in seen:
            seen.add(one.name)
            variable = home.variables.get(one.name) if isinstance(one, Variable) else None
            function = home.functions.get(one.name) if isinstance(one, Call) else None
            stack += [variable.value] if variable is not None else []
            stack += [function.body] if function is not None else []
        stack += parts(one)
    return False


_OF_DEPLOYMENTS: Final = frozenset({
    "resourceGroup", "subscription", "managementGroup", "tenant", "deployment", "deployer", "environment", "reference",
})  # fmt: skip
