"""Kinds of values in Bicep expressions: what the compiler refuses because a value is of another kind. Pure.

Far less than the compiler's types: only what is certainly text, number, list and so on counts, and what is not certain
is let pass. Expressions are already bound.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

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
    Local,
    Node,
    Object,
    Opaque,
    Parameter,
    Record,
    Spread,
    Symbol,
    Variable,
)
from guardrails.evaluation.functions import units
from guardrails.evaluation.template import FunctionDeclaration, Template, TypeOf
from guardrails.evaluation.values import Place
from guardrails.files.bicep_arguments import is_indirect_output, refused_arguments
from guardrails.files.bicep_shapes import ANY, PLAIN, Shape, clash, common, either_of, of_module, of_scope, of_type
from guardrails.files.bicep_signatures import KINDS, LAMBDAS, MANY, SCOPES, SIGNATURES, Signature

type Fault = Callable[[Place, str, str], Impossible]


_PLAIN_NODES: Final = frozenset({Literal, Parameter, Variable, Local, Symbol, Opaque, Impossible, Record, str})
"""What has no part whose kind could be wrong."""
_NUMBERS: Final = frozenset({"add", "sub", "mul", "div", "mod"})
_ORDERS: Final = frozenset({"less", "lessOrEquals", "greater", "greaterOrEquals"})
_LOGIC: Final = frozenset({"and", "or", "not"})
_DEEPEST: Final = 12
"""Levels of declared types that values are held against."""

type Locals = Mapping[str, Shape]


class Kinds:
    """Finds the kinds of the expressions of one file, and notes what is refused on the way."""

    def __init__(self, template: Template, fault: Fault) -> None:
        self._template, self._fault = template, fault
        self._variables: dict[str, Shape] = {}
        self._typed: dict[str, TypeOf] = {}
        self._arguments: dict[str, Shape] | None = None
        self._modules: dict[str, Shape] | None = None
        self._chosen = 0
        """In how many values of conditions the expression is that is looked at."""

    def run(self, typed: Mapping[str, TypeOf], imported: Mapping[str, Shape]) -> None:
        """Look at all declarations but resources.

        Args:
            typed: the declared types of variables.
            imported: what is known of variables of other files.
        """
        self._typed = dict(typed)
        self._variables.update(imported)
        template = self._template
        for parameter in template.parameters.values():
            if parameter.default is not None:
                self.assign(self.shape(parameter.default, {}), parameter.type, "BCP033", parameter.default.place)
        for name, variable in template.variables.items():
            if variable.home is None:
                self.variable(name)
        for function in template.functions.values():
            if function.home is None:
                self._function(function)
        for output in template.outputs.values():
            self.assign(self.shape(output.value, {}), output.type, "BCP033", output.value.place)

    def variable(self, name: str) -> Shape:
        """Return what is known of a variable."""
        if name not in self._variables:
            self._variables[name] = ANY
            variable = self._template.variables.get(name)
            if variable is not None and variable.home is None:
                shape = self.shape(variable.value, {})
                if name in self._typed:
                    self.assign(shape, self._typed[name], "BCP033", variable.value.place)
                    shape = of_type(self._typed[name])
                self._variables[name] = shape
        return self._variables[name]

    def _function(self, function: FunctionDeclaration) -> None:
        self._arguments = {one.name: of_type(one.type) for one in function.parameters}
        body = self.shape(function.body, {})
        if function.output is not None:
            self.assign(body, function.output, "BCP033", function.body.place)
        self._arguments = None

    def check(self, node: Node, names: Locals) -> None:
        """Look at the expressions in a value of which no more is asked, such as the body of a resource."""
        if isinstance(node, Object):
            for member in node.members:
                if isinstance(member, Spread):
                    self._spread(member, "object", names)
                    continue
                if type(member.value) not in _PLAIN_NODES:
                    self.check(member.value, names)
                if not isinstance(member.key, str):
                    self.shape(member.key, names)
        elif isinstance(node, Array):
            for item in node.items:
                if isinstance(item, Spread):
                    self._spread(item, "array", names)
                elif type(item) not in _PLAIN_NODES:
                    self.check(item, names)
        else:
            self.shape(node, names)

    # shapes

    def shape(self, node: Node, names: Locals) -> Shape:
        """Return what is known of a value."""
        finder = _SHAPES.get(type(node))
        return ANY if finder is None else finder(self, node, names)

    def _literal(self, node: Literal, _names: Locals) -> Shape:
        value = node.value
        if isinstance(value, str):
            return Shape("string", value=value, place=node.place)
        if type(value) is int:
            return Shape("int", value=value, place=node.place)
        return PLAIN["null" if value is None else "bool"] if isinstance(value, int | None) else ANY

    def _interpolation(self, node: Interpolation, names: Locals) -> Shape:
        for part in node.parts:
            if type(part) not in _PLAIN_NODES and not isinstance(part, str):
                self.shape(part, names)
        return PLAIN["string"]

    def _array(self, node: Array, names: Locals) -> Shape:
        shapes = [
            self._spread(item, "array", names) if isinstance(item, Spread) else self.shape(item, names)
            for item in node.items
        ]
        each = None if any(isinstance(item, Spread) for item in node.items) else tuple(shapes)
        return Shape("array", items=common(shapes) if shapes else None, each=each, place=node.place)

    def _spread(self, node: Spread, kind: str, names: Locals) -> Shape:
        shape = self.shape(node.value, names)
        if shape.kind not in {"", kind} or shape.nullable:
            self._fault(node.place, f"only an {kind} can be spread here, and never null", "BCP402")
        return self._item(shape) if kind == "array" else shape

    def _object(self, node: Object, names: Locals) -> Shape:
        members: dict[str, Shape] | None = {}
        for one in node.members:
            if isinstance(one, Spread):
                more = self._spread(one, "object", names).members
                members = None if members is None or more is None else {**members, **more}
                continue
            shape = self.shape(one.value, names)
            if not isinstance(one.key, str):
                self.shape(one.key, names)
                members = None
            elif members is not None:
                members[one.key] = shape
        return Shape("object", members=members, place=node.place)

    def _parameter(self, node: Parameter, _names: Locals) -> Shape:
        if self._arguments is not None:
            return self._arguments.get(node.name, ANY)
        declared = self._template.parameters.get(node.name)
        return of_type(declared.type) if declared is not None else ANY

    def _variable_node(self, node: Variable, _names: Locals) -> Shape:
        return self.variable(node.name)

    def _local(self, node: Local, names: Locals) -> Shape:
        return names.get(node.name, ANY)

    def _is_collection(self, node: Symbol) -> bool:
        return any(one.symbol == node.name and one.loop is not None for one in self._template.resources)

    def _symbol(self, node: Symbol, _names: Locals) -> Shape:
        if self._modules is None:
            self._modules = {one.symbol: of_module(one) for one in self._template.resources if one.deployment}
        return self._modules.get(node.name, ANY)

    def _access(self, node: Access, names: Locals) -> Shape:
        target = self.shape(node.target, names)
        key = self.shape(node.key, names)
        if node.safe and isinstance(node.target, Symbol) and key.kind != "string" and self._is_collection(node.target):
            self._fault(node.place, "a resource or module of a loop is not chosen with [?...]", "BCP323")
        if node.safe and target.kind != "array":
            return ANY
        if node.from_end and not target.kind and key.kind not in {"", "int"}:
            self._fault(node.place, "an item is counted from the end by a number", "BCP415")
        elif target.kind in {"string", "int", "bool", "null"}:
            index = key.kind == "int"
            rule = "BCP076" if index else "BCP055"
            self._fault(node.place, f"a value of type {target.kind} has no {'items' if index else 'members'}", rule)
        elif target.kind == "array":
            if key.kind in {"string", "bool", "array", "object", "null"} and not node.safe:
                self._fault(node.place, "a member of a list is chosen by its number", "BCP074")
            if isinstance(key.value, int):
                return self._numbered(node, target, key.value)
            return ANY if key.of is not None and key.of.allowed is not None else self._item(target)
        elif target.kind == "object":
            if node.from_end:
                self._fault(node.place, "only items of a list are counted from the end", "BCP415")
            if key.kind in {"int", "bool", "array", "object"}:
                self._fault(node.place, "a member of an object is chosen by its name", "BCP075")
            elif isinstance(key.value, str):
                return self._property(node, target, key.value)
        return ANY

    def _numbered(self, node: Access, target: Shape, number: int) -> Shape:
        """Return the item of a list with a known number."""
        each = target.each
        if target.of is not None and target.of.tuple is not None:
            each = tuple(map(of_type, target.of.tuple))
        if each is None:
            return self._item(target)
        if node.from_end:
            return each[-number] if 1 <= number <= len(each) else ANY
        if 0 <= number < len(each):
            return each[number]
        if not node.safe:
            self._fault(node.place, f"the list has {len(each)} items, and none with the number {number}", "BCP311")
        return ANY

    def _item(self, target: Shape) -> Shape:
        if target.of is not None:
            return of_type(target.of.items)
        return target.items or ANY

    def _property(self, node: Access, target: Shape, name: str) -> Shape:
        if target.of is not None and target.of.properties:
            found = target.of.properties.get(name)
            if found is not None:
                return of_type(found)
            if not target.of.sealed:
                return of_type(target.of.additional)
        elif target.members is not None:
            if name in target.members:
                member = target.members[name]
                if member.of is not None and member.of.secure and is_indirect_output(node):
                    self._fault(node.place, "a secure output is read of a module by its name alone", "BCP426")
                return member
        else:
            return ANY
        self._fault(node.place, f"the object has no property {name}", "BCP053")
        return ANY

    def _conditional(self, node: Conditional, names: Locals) -> Shape:
        test = self.shape(node.test, names)
        if test.kind not in {"", "bool"}:
            self._fault(node.test.place, f"a condition is true or false, not of type {test.kind}", "BCP046")
        self._chosen += 1
        yes, no = self.shape(node.yes, names), self.shape(node.no, names)
        self._chosen -= 1
        if not isinstance(node.test, Literal):
            return common([yes, no])
        return ANY if _is_null(node.no) else yes if node.test.value is True else no

    def _lambda(self, node: Lambda, names: Locals) -> Shape:
        self.shape(node.body, {**names, **dict.fromkeys(node.names, ANY)})
        return PLAIN["lambda"]

    def _comprehension(self, node: Comprehension, names: Locals) -> Shape:
        inner = self.loop(node.loop.items, node.loop.name, node.loop.index, names)
        return Shape("array", items=self.shape(node.body, inner), place=node.place)

    def loop(self, items: Node | None, name: str, index: str | None, names: Locals) -> Locals:
        """Return what is known inside a loop."""
        shape = ANY if items is None else self.shape(items, names)
        if items is not None and shape.kind not in {"", "array", "null"}:
            self._fault(items.place, f"a loop runs over a list, not a value of type {shape.kind}", "BCP137")
        return {**names, name: self._item(shape)} | ({index: PLAIN["int"]} if index else {})

    # calls

    def _call(self, node: Call, names: Locals) -> Shape:
        name = node.name
        signature = SIGNATURES.get(name)
        declared = self._template.functions.get(name)
        if declared is not None:
            return self._user_function(node, declared, names)
        if name in LAMBDAS and signature is not None:
            return self._with_lambda(node, signature, names)
        shapes = [self.shape(argument, names) for argument in node.arguments]
        if name in _NUMBERS:
            return self._operator(node, shapes, ("int",), "int")
        if name in _LOGIC:
            return self._operator(node, shapes, ("bool",), "bool")
        if name in _ORDERS:
            return self._operator(node, shapes, ("int", "string"), "bool")
        if name == "equals":
            return PLAIN["bool"]
        if name == "coalesce":
            return either_of(shapes)
        return ANY if signature is None else self._built_in(node, signature, shapes)

    def _operator(self, node: Call, shapes: list[Shape], kinds: tuple[str, ...], result: str) -> Shape:
        found = {shape.kind for shape in shapes if shape.kind}
        if found - set(kinds) or len(found) > 1:
            code = "BCP045" if len(shapes) > 1 else "BCP044"
            said = f"the operator is not for values of type {' and '.join(sorted(found))}"
            self._fault(node.place, said, code)
        elif any(shape.nullable for shape in shapes) and not self._chosen:
            said = "a value of the operator may be null: give another value for null with ??"
            self._fault(node.place, said, "BCP045" if len(shapes) > 1 else "BCP044")
        return PLAIN[result]

    def _built_in(self, node: Call, signature: Signature, shapes: list[Shape]) -> Shape:
        if not self._counted(node, signature):
            return ANY
        for number, shape in enumerate(shapes):
            codes = signature.kinds[min(number, len(signature.kinds) - 1)]
            self._argument(node, number, shape, codes)
        for place, said, rule in refused_arguments(node, shapes):
            self._fault(place, said, rule)
        result = signature.result
        if result == "=":
            return Shape(shapes[0].kind) if shapes[0].kind else ANY
        if node.name in SCOPES:
            return of_scope(node, self._template.scope)
        return ANY if result == "*" else _LISTS.get(node.name) or PLAIN[KINDS[result]]

    def _counted(self, node: Call, signature: Signature) -> bool:
        count = len(node.arguments)
        if signature.least <= count <= signature.most:
            return True
        wanted = str(signature.least)
        if signature.most == MANY:
            wanted = f"at least {signature.least}"
        elif signature.most > signature.least:
            wanted = f"{signature.least} to {signature.most}"
        self._fault(node.place, f"{node.name}() has {wanted} arguments, not {count}", "BCP071")
        return False

    def _argument(self, node: Call, number: int, shape: Shape, codes: str) -> None:
        kinds = {KINDS[code] for code in codes if code != "*"}
        if shape.kind and "*" not in codes and shape.kind not in kinds:
            said = f"{node.name}() does not take a value of type {shape.kind} as argument {number + 1}"
            self._fault(node.arguments[number].place, said, "BCP070")
        elif shape.kind == "lambda" and "lambda" not in kinds:
            self._fault(node.arguments[number].place, f"{node.name}() does not take a lambda", "BCP070")

    def _with_lambda(self, node: Call, signature: Signature, names: Locals) -> Shape:
        if not self._counted(node, signature):
            return ANY
        first = self.shape(node.arguments[0], names)
        self._argument(node, 0, first, signature.kinds[0])
        item = self._item(first) if first.kind == "array" else ANY
        start = self.shape(node.arguments[1], names) if node.name == "reduce" else ANY
        result = ANY
        for number in range(2 if node.name == "reduce" else 1, len(node.arguments)):
            result = self._given_lambda(node, number, item if node.name != "mapValues" else ANY, names)
        if node.name == "map":
            return Shape("array", items=result)
        if node.name in {"filter", "sort"}:
            return first if first.kind == "array" else PLAIN["array"]
        return start if node.name == "reduce" and start.kind == result.kind else ANY

    def _given_lambda(self, node: Call, number: int, item: Shape, names: Locals) -> Shape:
        """Return what a lambda gives that is an argument of a call."""
        argument = node.arguments[number]
        if not isinstance(argument, Lambda):
            if not isinstance(argument, Opaque | Impossible):
                self._fault(argument.place, f"{node.name}() needs a lambda as argument {number + 1}", "BCP070")
            return ANY
        least, most = LAMBDAS[node.name]
        if not least <= len(argument.names) <= most:
            self._fault(argument.place, f"the lambda of {node.name}() has {least} to {most} variables", "BCP244")
            return ANY
        inner = dict(names) | dict.fromkeys(argument.names, item)
        if node.name == "reduce":
            inner[argument.names[0]] = ANY
        if len(argument.names) > (2 if node.name == "reduce" else 1) and node.name != "sort":
            inner[argument.names[-1]] = PLAIN["int"]
        result = self.shape(argument.body, inner)
        wanted = {"filter": "bool", "sort": "bool", "groupBy": "string", "toObject": "string"}.get(node.name)
        if wanted and result.kind not in {"", wanted} and number == 1:
            self._fault(argument.place, f"the lambda of {node.name}() gives a value of type {wanted}", "BCP070")
        return result

    def _user_function(self, node: Call, declared: FunctionDeclaration, names: Locals) -> Shape:
        shapes = [self.shape(argument, names) for argument in node.arguments]
        if len(shapes) != len(declared.parameters):
            wanted = len(declared.parameters)
            self._fault(node.place, f"{node.name}() has {wanted} arguments, not {len(shapes)}", "BCP071")
        for argument, shape, parameter in zip(node.arguments, shapes, declared.parameters, strict=False):
            self.assign(shape, parameter.type, "BCP070", argument.place)
        return of_type(declared.output)

    # assignments

    def assign(self, shape: Shape, type_: TypeOf, rule: str, place: Place, depth: int = 0) -> None:
        """Note where a value is certainly not of a declared type."""
        if depth > _DEEPEST or not type_.kind or not (shape.kind or shape.either):
            return
        place = shape.place or place
        for one in shape.either or (shape,):
            if (said := clash(one, type_)) is not None:
                self._fault(place, said, rule)
                return
        if shape.kind in {"int", "string"} and shape.value is not None:
            self._limits(shape.value, type_, place)
        elif shape.kind == "array":
            self._items(shape, type_, place, depth)
        elif shape.kind == "object" and shape.members is not None:
            self._members(shape.members, type_, place, depth)
        elif shape.kind == "object" and shape.of is not None and shape.of is not type_:
            for name, of in shape.of.properties.items():
                if name in type_.properties:
                    self.assign(of_type(of), type_.properties[name], "BCP036", place, depth + _DEEPEST // 3)

    def _limits(self, value: str | int, type_: TypeOf, place: Place) -> None:
        """Note where a text is certainly too short or long, or a number too small or great."""
        if isinstance(value, int):
            self._within(value, type_.least, type_.most, place, ("BCP328", "BCP327"))
        else:
            self._within(units.length(value), type_.shortest, type_.longest, place, ("BCP333", "BCP332"))

    def _within(self, number: int, least: int | None, most: int | None, place: Place, rules: tuple[str, str]) -> None:
        if least is not None and number < least:
            self._fault(place, f"{number} is below the least, {least}", rules[0])
        elif most is not None and number > most:
            self._fault(place, f"{number} is above the greatest, {most}", rules[1])

    def _items(self, shape: Shape, type_: TypeOf, place: Place, depth: int) -> None:
        types = type_.tuple
        if shape.each is not None:
            least = type_.shortest if types is None else len(types)
            self._within(len(shape.each), least, type_.longest, place, ("BCP333", "BCP332"))
            for number, item in enumerate(shape.each):
                inner = type_.items if types is None else types[number] if number < len(types) else None
                if inner is not None:
                    self.assign(item, inner, "BCP034", place, depth + 1)
        elif type_.items is not None:
            self.assign(self._item(shape), type_.items, "BCP034", place, depth + _DEEPEST // 3)

    def _members(self, members: Mapping[str, Shape], type_: TypeOf, place: Place, depth: int) -> None:
        if type_.tag:
            tag = members.get(type_.tag, PLAIN["null"])
            variant = type_.variants.get(str(tag.value))
            if variant is not None:
                self._members(members, variant, place, depth)
            elif tag.value is not None or tag.kind == "null":
                rule = "BCP036" if type_.tag in members else "BCP078"
                self._fault(place, f"{type_.tag} says which object it is, and says none that is declared", rule)
            return
        missing = sorted(type_.required - members.keys())
        if missing:
            self._fault(place, f"the object lacks {', '.join(missing[:5])}", "BCP035")
        for name, member in members.items():
            inner = type_.properties.get(name) or type_.additional
            if inner is not None:
                self.assign(member, inner, "BCP036", member.place or place, depth + 1)
            elif type_.sealed:
                self._fault(member.place or place, f"the object may not have {name}", "BCP037")


def _is_null(node: Node | Spread) -> bool:
    return isinstance(node, Literal) and node.value is None


_TEXTS: Final = Shape("array", items=PLAIN["string"])
_LISTS: Final = {
    "range": Shape("array", items=PLAIN["int"]), "split": _TEXTS, "objectKeys": _TEXTS,
    "items": Shape("array", items=Shape("object", members={"key": PLAIN["string"], "value": ANY})),
}  # fmt: skip


_SHAPES: Final[dict[type, Callable[[Kinds, Any, Locals], Shape]]] = {
    Literal: Kinds._literal,  # noqa: SLF001 - a table of this module's methods
    Interpolation: Kinds._interpolation,  # noqa: SLF001
    Array: Kinds._array,  # noqa: SLF001
    Object: Kinds._object,  # noqa: SLF001
    Record: Kinds._object,  # noqa: SLF001
    Parameter: Kinds._parameter,  # noqa: SLF001
    Variable: Kinds._variable_node,  # noqa: SLF001
    Local: Kinds._local,  # noqa: SLF001
    Symbol: Kinds._symbol,  # noqa: SLF001
    Access: Kinds._access,  # noqa: SLF001
    Conditional: Kinds._conditional,  # noqa: SLF001
    Lambda: Kinds._lambda,  # noqa: SLF001
    Comprehension: Kinds._comprehension,  # noqa: SLF001
    Call: Kinds._call,  # noqa: SLF001
}
