"""ARM templates and their parameter files, as the model that `deploy` computes. Pure: linked files are asked for."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from guardrails.dataclass import replace
from guardrails.evaluation.expressions import (
    Array,
    Call,
    Comprehension,
    Literal,
    Node,
    Object,
    Opaque,
    Parameter,
    Record,
    Variable,
)
from guardrails.evaluation.functions.base import unsure
from guardrails.evaluation.identity import is_exemption
from guardrails.evaluation.template import (
    Deployment,
    Diagnostic,
    FunctionDeclaration,
    Given,
    Language,
    Level,
    Output,
    ParameterDeclaration,
    ParameterFile,
    RecordedExemption,
    Resource,
    ScopeKind,
    Stage,
    Template,
    VariableDeclaration,
)
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.arm_expressions import NotAnExpression
from guardrails.files.arm_lowering import Lowering, lowered
from guardrails.files.arm_types import read_type
from guardrails.files.bicep_checks import parts
from guardrails.files.json_places import Fault, JsonText, fields, member, members, read, text_of
from guardrails.lazy_regex import lazy_regex

type Linked = Callable[[str, str, Place], Template | Unknown]
"""Gives the template that a `relativePath` names, or why not: for a file's path, the relative path, its place."""

DEEPEST: Final = 12
"""Nested templates within each other that are read."""
_SCHEMA: Final = lazy_regex(r"/(subscription|managementGroup|tenant)?deploymentTemplate\.json#?$", re.I)
_PARAMETERS: Final = lazy_regex(r"/(subscription|managementGroup|tenant)?deploymentParameters\.json#?$", re.I)
_SCOPES: Final = {
    "": ScopeKind.RESOURCE_GROUP,
    "subscription": ScopeKind.SUBSCRIPTION,
    "managementgroup": ScopeKind.MANAGEMENT_GROUP,
    "tenant": ScopeKind.TENANT,
}
_READ: Final = frozenset({
    "type", "apiversion", "name", "condition", "copy", "scope", "existing", "properties", "resources", "comments",
    "subscriptionid", "resourcegroup", "metadata",
})  # fmt: skip
"""Fields of a resource that are read by themselves, or not computed."""
_OF_RESOURCES: Final = _READ | {
    "location", "tags", "dependson", "kind", "sku", "plan", "identity", "zones", "scale", "managedby",
    "managedbyextended", "extendedlocation", "etag", "import", "extension", "asserts", "placement", "options",
    "@options", "id", "apiprofile", "symbolicname", "osprofile",
}  # fmt: skip
"""Fields that a resource may have. The engine refuses others."""
_OF_TEMPLATES: Final = frozenset({
    "$schema", "contentversion", "apiprofile", "languageversion", "parameters", "variables", "functions", "resources",
    "outputs", "metadata", "definitions", "imports", "extensions", "asserts", "rules",
})  # fmt: skip
_TEXTS: Final = ("type", "apiVersion", "name")
_OF_EXEMPTION: Final = frozenset({*_TEXTS, "properties"})
"""What most exemptions have, as most people spell it."""
_ASKING: Final = lazy_regex(r"reference|list", re.I)
"""What is in the names of all functions that ask Azure."""
_TYPES: Final = frozenset({"string", "securestring", "int", "bool", "array", "object", "secureobject"})
_LEAVES: Final = frozenset({Literal, Parameter, Variable})
_NESTED: Final = "microsoft.resources/deployments"


def is_template(root: Node | None) -> bool:
    """Whether a JSON document is an ARM template."""
    schema = text_of(member(root, "$schema"))
    if schema is not None:
        return bool(_SCHEMA.search(schema))
    return member(root, "contentVersion") is not None and member(root, "resources") is not None


def is_parameter_file(root: Node | None) -> bool:
    """Whether a JSON document is an ARM parameter file."""
    schema = text_of(member(root, "$schema"))
    if schema is not None:
        return bool(_PARAMETERS.search(schema))
    parameters = member(root, "parameters")
    if member(root, "contentVersion") is None or member(root, "resources") is not None or parameters is None:
        return False
    return all(member(one.value, "value") or member(one.value, "reference") for one in members(parameters))


def read_template(text: str, path: str, linked: Linked | None = None) -> Template:
    """Read an ARM template. Nothing is raised: what is wrong is in its diagnostics, what could be read beside it."""
    return template_of(read(text, path), path, linked)


def template_of(document: JsonText, path: str, linked: Linked | None = None) -> Template:
    """Return the template that a document of JSON is."""
    lowering = Lowering([_diagnostic(fault) for fault in document.faults])
    root = document.root if document.root is not None else Object([], Place(path, 1, 1))
    found = _Reader(lowering, path, linked).template(root, 0)
    found.diagnostics = lowering.diagnostics
    if any(fault.fatal for fault in document.faults):
        found.incomplete = "parts of the file could not be read"
    if not isinstance(root, Object):
        lowering.wrong(root.place, "a template is a JSON object", "shape")
    return found


def read_parameter_file(text: str, path: str) -> ParameterFile:
    """Read an ARM parameter file. Nothing is raised."""
    return parameter_file_of(read(text, path), path)


def parameter_file_of(document: JsonText, path: str) -> ParameterFile:
    """Return the parameter file that a document of JSON is."""
    found = ParameterFile(path, place=Place(path, 1, 1))
    found.diagnostics = [_diagnostic(fault) for fault in document.faults]
    for one in members(member(document.root, "parameters")):
        value = _given(one.value)
        text = text_of(value)
        if text is not None and text[:1] == "[" and text[-1:] == "]":
            value = Opaque(replace(unsure("a text in brackets in a parameter file"), place=one.place))
        if value is None:
            found.diagnostics.append(
                Diagnostic(one.place, f"{str(one.key)[:60]!r} has neither a value nor a reference", "shape")
            )
            value = Opaque(Unknown("its value is not given", one.place))
        found.values[str(one.key)] = Given(value, value.place)
    return found


def _given(node: Node) -> Node | None:
    """Return the value that a parameter is given, unchanged."""
    value = member(node, "value")
    if value is not None:
        return value
    if (reference := member(node, "reference")) is not None:
        return Opaque(Unknown("it is a secret in a key vault", reference.place))
    if (expression := member(node, "expression")) is not None:
        return Opaque(Unknown("it is given from outside, when the deployment runs", expression.place))
    return None


def _diagnostic(fault: Fault) -> Diagnostic:
    return Diagnostic(fault.place, fault.message, "json", Level.ERROR if fault.fatal else Level.WARNING, Stage.READ)


class _Reader:
    """Reads the templates of one file."""

    def __init__(self, lowering: Lowering, path: str, linked: Linked | None) -> None:
        self._lower, self._path, self._linked = lowering, path, linked
        self._typed, self._profile = True, False

    def template(self, root: Node, depth: int) -> Template:
        """Return the template that an object is."""
        schema = _SCHEMA.search(text_of(member(root, "$schema")) or "")
        resources = member(root, "resources")
        self._shape(root, resources)
        found = Template(
            Language.ARM,
            self._path,
            _SCOPES[(schema[1] or "").lower()] if schema else None,
            symbolic=isinstance(resources, Object),
            place=root.place,
        )
        for one in self._members(root, "parameters"):
            found.parameters[one[0]] = self._parameter(*one)
        self._variables(found, member(root, "variables"))
        self._functions(found, member(root, "functions"))
        for name, node, _ in self._members(root, "definitions"):
            found.types[name] = read_type(node)
        for symbol, node in _each(resources):
            self._resource(found, node, symbol, None, depth)
        for name, node, place in self._members(root, "outputs"):
            found.outputs[name] = self._output(name, node, place)
        self._early(found)
        return found

    def _shape(self, root: Node, resources: Node | None) -> None:
        """Report what the engine does not read as a template."""
        self._typed = member(root, "languageVersion") is None
        self._profile = member(root, "apiProfile") is not None
        for one in members(root):
            if str(one.key).lower() not in _OF_TEMPLATES:
                self._lower.wrong(one.place, f"a template has no {str(one.key)[:60]!r}", "shape")
        if self._typed:
            for name in ("$schema", "contentVersion", "resources"):
                if isinstance(root, Object) and member(root, name) is None:
                    self._lower.doubt(root.place, f"the template has no {name}", "shape")
        if resources is not None and isinstance(resources, Object if self._typed else Array):
            message = "resources with symbolic names go with languageVersion 2.0, and a list of them with none"
            self._lower.doubt(resources.place, message, "shape")

    def _type(self, node: Node, place: Place, what: str) -> None:
        """Report a type that there is not. A type may be left out: so Bicep compiles the type any."""
        declared = text_of(member(node, "type"))
        if declared is not None and declared.lower() not in _TYPES:
            self._lower.wrong(place, f"{what} has the type {declared[:40]!r}, which there is not", "shape")

    def _early(self, found: Template) -> None:
        """Report functions that ask Azure where the engine may not take them."""
        early = [one.default for one in found.parameters.values()] + [one.value for one in found.variables.values()]
        for one in found.resources:
            if type(one) is RecordedExemption:
                continue  # it has none
            early += [one.type, one.name, one.api_version, one.condition, one.loop.count if one.loop else None]
        stack = [node for node in early if node is not None]
        while stack:
            node = stack.pop()
            if type(node) in _LEAVES:
                continue
            if isinstance(node, Call) and (node.name.lower() == "reference" or node.name.lower().startswith("list")):
                message = f"{node.name}() asks Azure, and this is computed before the deployment"
                self._lower.doubt(node.place, message, "too-early")
            stack += parts(node)

    def _members(self, root: Node, name: str) -> Iterator[tuple[str, Node, Place]]:
        section = member(root, name)
        if section is not None and not isinstance(section, Object | Opaque):
            self._lower.wrong(section.place, f"{name} is no JSON object", "shape")
        for one in members(section):
            yield str(one.key), one.value, one.place

    def _parameter(self, name: str, node: Node, place: Place) -> ParameterDeclaration:
        default = member(node, "defaultValue")
        self._type(node, place, f"the parameter {name[:60]!r}")
        return ParameterDeclaration(
            name, read_type(node), None if default is None else self._lower.value(default), place
        )

    def _variables(self, found: Template, node: Node | None) -> None:
        for one in members(node):
            key = str(one.key)
            loops = self._lower.loops(one.value) if key.lower() == "copy" else None
            if loops is None:
                found.variables[key] = VariableDeclaration(key, self._lower.value(one.value), one.place)
            for loop in loops or []:
                found.variables[str(loop.key)] = VariableDeclaration(str(loop.key), loop.value, loop.place)

    def _functions(self, found: Template, node: Node | None) -> None:
        for _, space in _each(node):
            prefix = text_of(member(space, "namespace")) or ""
            for one in members(member(space, "members")):
                name = f"{prefix}.{one.key}"
                output = member(one.value, "output")
                body = member(output, "value")
                if body is None:
                    self._lower.wrong(one.place, f"the function {name[:60]!r} has no output value", "shape")
                    continue
                parameters = [
                    ParameterDeclaration(text_of(member(item, "name")) or "", read_type(item), place=item.place)
                    for _, item in _each(member(one.value, "parameters"))
                ]
                found.functions[name] = FunctionDeclaration(
                    name, parameters, self._lower.value(body), read_type(output), one.place
                )

    def _output(self, name: str, node: Node, place: Place) -> Output:
        condition, value = member(node, "condition"), member(node, "value")
        loop_node = member(node, "copy")
        lowered: Node | None = None if value is None else self._lower.value(value)
        if loop_node is not None and (source := member(loop_node, "input")) is not None:
            loop = self._lower.resource_loop(loop_node)
            if loop is not None:
                lowered = Comprehension(loop, self._lower.value(source), place=loop_node.place)
        self._type(node, place, f"the output {name[:60]!r}")
        if lowered is None:
            self._lower.doubt(place, f"the output {name[:60]!r} has no value", "shape")
            lowered = Opaque(Unknown("it has no value", place))
        return Output(
            name, lowered, read_type(node), None if condition is None else self._lower.value(condition), place
        )

    def _resource(self, found: Template, node: Node, symbol: str, enclosing: Resource | None, depth: int) -> None:
        if not isinstance(node, Object):
            if not isinstance(node, Opaque):
                self._lower.wrong(node.place, "a resource is a JSON object", "shape")
            return
        if type(node) is Record and enclosing is None and (recorded := self._recorded(node, symbol)) is not None:
            found.resources.append(recorded)
            return
        found_fields = fields(node)
        type_ = found_fields.get("type")
        for one in () if found_fields.keys() <= _OF_RESOURCES else members(node):
            if str(one.key).lower() not in _OF_RESOURCES:
                self._lower.wrong(one.place, f"a resource has no {str(one.key)[:60]!r}", "shape")
        if type_ is None:
            self._lower.wrong(node.place, "a resource has no type", "shape")
            return
        resource = self._plain(node, found_fields, symbol, enclosing)
        found.resources.append(resource)
        if (text_of(type_) or "").lower() == _NESTED and enclosing is None:
            resource.deployment = self._deployment(node, found_fields, depth)
        elif (properties := found_fields.get("properties")) is not None:
            resource.properties = self._lower.value(properties)
        for name, child in _each(found_fields.get("resources")):
            self._resource(found, child, name, resource, depth)

    def _recorded(self, node: Record, symbol: str) -> RecordedExemption | None:
        """Return an exemption of which the values are enough; None for a resource that is to be read part by part."""
        given = node.values
        texts = [one for key in _TEXTS if type(one := given.get(key)) is str]
        if given.keys() != _OF_EXEMPTION or len(texts) < len(_TEXTS) or type(given["properties"]) is not dict:
            return None
        type_, version, name = texts
        if not is_exemption(type_, "") or version[:1] == "[" or _ASKING.search(name):
            return None
        try:
            values = lowered(given)
        except NotAnExpression:
            return None
        return RecordedExemption(symbol, node.place, values, lambda: self._anew(node, symbol))

    def _anew(self, node: Object, symbol: str) -> Resource:
        """Return a resource, part by part, of which was found before that nothing is wrong with it."""
        reader = _Reader(Lowering(), self._path, self._linked)
        given = fields(node)
        made = reader._plain(node, given, symbol, None)
        made.properties = reader._lower.value(given["properties"])
        return made

    def _plain(self, node: Object, given: dict[str, Node], symbol: str, enclosing: Resource | None) -> Resource:
        existing = given.get("existing")
        name, version = self._lowered(given, "name"), self._lowered(given, "apiversion")
        extended = "import" in given or "extension" in given
        if name is None and not extended:
            self._lower.wrong(node.place, "a resource has no name", "shape")
        if version is None and not extended and not self._profile:
            self._lower.wrong(node.place, "a resource has no API version", "shape")
        return Resource(
            type=self._lower.value(given["type"]),
            name=name,
            api_version=version,
            symbol=symbol,
            condition=self._lowered(given, "condition"),
            loop=self._lower.resource_loop(given.get("copy")),
            scope=self._lowered(given, "scope"),
            enclosing=enclosing,
            existing=isinstance(existing, Literal) and existing.value is True,
            body=node,
            others=[self._lower.value(value) for key, value in given.items() if key not in _READ],
            place=node.place,
        )

    def _lowered(self, given: dict[str, Node], name: str) -> Node | None:
        value = given.get(name)
        return None if value is None else self._lower.value(value)

    # nested deployments

    def _deployment(self, node: Node, given: dict[str, Node], depth: int) -> Deployment:
        properties = given.get("properties")
        options = member(member(properties, "expressionEvaluationOptions"), "scope")
        inner = (text_of(options) or "").lower() == "inner"
        template, missing = self._nested(properties, node.place, depth)
        if template is not None and template.path != self._path:
            inner = True
        return Deployment(
            template,
            missing,
            self._passed(member(properties, "parameters")),
            inner=inner,
            scope=self._lowered(given, "scope"),
            subscription=self._lowered(given, "subscriptionid"),
            resource_group=self._lowered(given, "resourcegroup"),
        )

    def _passed(self, node: Node | None) -> dict[str, Given]:
        found: dict[str, Given] = {}
        for one in members(node):
            value = _given(one.value)
            if value is None:
                value = Opaque(Unknown("its value is not given as value or reference", one.place))
            found[str(one.key)] = Given(self._lower.value(value), one.place)
        return found

    def _nested(self, properties: Node | None, place: Place, depth: int) -> tuple[Template | None, Unknown | None]:
        """Return the template of a nested deployment, or why it cannot be read."""
        inline = member(properties, "template")
        if inline is not None:
            if depth >= DEEPEST:
                self._lower.wrong(inline.place, f"more than {DEEPEST} templates are nested within each other", "nested")
                return None, Unknown("so many nested templates are not read", inline.place)
            if isinstance(inline, Object):
                before = self._typed, self._profile
                template = self.template(inline, depth + 1)
                self._typed, self._profile = before
                return template, None
            return None, Unknown("its template is no JSON object in this file", inline.place)
        link = member(properties, "templateLink")
        relative = member(link, "relativePath")
        path = text_of(relative)
        if path is not None and relative is not None and self._linked is not None:
            found = self._linked(self._path, path, relative.place)
            return (None, found) if isinstance(found, Unknown) else (found, None)
        where = place if link is None else link.place
        return None, Unknown("the linked template is not in a file that can be read", where)


def _each(node: Node | None) -> Iterator[tuple[str, Node]]:
    """Yield the items of a list, or the members of an object with their names."""
    if isinstance(node, Array):
        for item in node.items:
            yield "", item  # type: ignore[misc]
    for one in members(node):
        yield str(one.key), one.value
