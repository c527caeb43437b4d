"""Names in a Bicep file: what each stands for, and expressions whose names are looked up. Pure.

`Binder.bind` turns a node of the parser into one that `evaluate` computes. What the compiler refuses about names and
calls is noted in `faults`, with its code.
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
    Loop,
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
from guardrails.evaluation.template import Diagnostic
from guardrails.evaluation.values import Place, Unknown
from guardrails.files.bicep_meanings import ARGUMENT, LOCAL, Kind, Locals, Named, Where
from guardrails.files.bicep_signatures import (
    AT_SCOPES,
    DEFAULTS_ONLY,
    LOADS,
    NO_SIGNATURES,
    OF_AZURE,
    OF_SCOPES,
    OPERATORS,
    OUTSIDE,
    SIGNATURES,
)
from guardrails.files.bicep_syntax import GROUP, METHOD, NESTED, Var, as_it_is
from guardrails.nearest import nearest

_VALUES: Final = frozenset({Kind.PARAMETER, Kind.VARIABLE})
_BUILT_IN: Final = frozenset({"sys", "az"})
_HINTS: Final = 20
"""Faults of a file for which a name is looked for that may have been meant."""
_HEAD: Final = "what a list function of Azure gives is known only in Azure"


class Binder:
    """Looks up the names in expressions of one file.

    Args:
        named: what is declared in the file.
        scope: the file's target scope.
        load: makes the node for a call of a function that reads a file.
    """

    def __init__(self, named: dict[str, Named], load: Callable[[Call], Node]) -> None:
        self.named, self._load = named, load
        self.scope = "resourceGroup"
        self.faults: list[Diagnostic] = []
        self.used: set[str] = set()
        """The declared names that have been looked up since this was cleared."""
        self.unknown_functions: dict[str, Node] = {}
        """Imported names that may be functions, and what a call of one gives."""
        self.outputs: dict[str, frozenset[str]] = {}
        """The outputs of each module whose template was read."""
        self.loops: set[str] = set()
        """The resources and modules that are loops."""
        self.secrets: dict[int, Opaque] = {}
        """The calls of getSecret(), until one is found to be a module's parameter."""
        self.asks = False
        """A call may ask Azure while the deployment runs."""
        self._where = Where.ANYWHERE
        self._shared: dict[str, Node] = {}
        """The parameters and variables that are in records, without a place."""

    def fault(self, place: Place, message: str, rule: str) -> Impossible:
        """Note what the compiler refuses; return what stands for it."""
        self.faults.append(Diagnostic(place, message, rule))
        return Impossible(message, place)

    def value(self, node: Node, names: Locals, where: Where = Where.ANYWHERE) -> Node:
        """Return a node with its names looked up. Parts of it are changed in place."""
        before, self._where = self._where, where
        bound = self.bind(node, names)
        self._where = before
        return bound

    def bind(self, node: Node, names: Locals) -> Node:
        """Return a node with its names looked up."""
        binder = _BIND.get(type(node))
        return node if binder is None else binder(self, node, names)

    def _interpolation(self, node: Interpolation, names: Locals) -> Node:
        node.parts = [part if isinstance(part, str) else self.bind(part, names) for part in node.parts]
        return node

    def _array(self, node: Array, names: Locals) -> Node:
        node.items = [
            Spread(self.bind(item.value, names), item.place) if isinstance(item, Spread) else self.bind(item, names)
            for item in node.items
        ]
        return node

    def body(self, node: Object, names: Locals) -> Object:
        """Return the body of a resource or module with its names looked up."""
        return self._record(node, names) if isinstance(node, Record) else self._object(node, names)

    def _object(self, node: Object, names: Locals) -> Object:
        seen: set[str] = set()
        for member in node.members:
            if type(member) is Member:
                key = member.key
                if not isinstance(key, str):
                    member.key = self.bind(key, names)
                elif key in seen:
                    self.fault(member.place, f"the property {key} is given twice", "BCP025")
                else:
                    seen.add(key)
            if type(member.value) is not Literal:
                member.value = self.bind(member.value, names)
        return node

    def _record(self, node: Record, names: Locals) -> Object:
        """Look up the names in a record; in an object with all its members where one is no parameter or variable."""
        where = self._where
        if where is Where.ANYWHERE and not node.is_read and self._values(node.values, names):
            return node.changed(node.values, lambda made: self.value(made, names, where))
        return self._object(node.whole(), names)

    def _values(self, values: dict[str, Any], names: Locals) -> bool:
        """Look up the names in the values of a record, in place; return whether all are plain values."""
        for key, one in values.items():
            kind = type(one)
            if kind is Local:
                bound = self._value(one, names)
                if bound is None:
                    return False
                values[key] = bound
            elif kind is Interpolation:
                parts = [part if type(part) is str else self._value(part, names) for part in one.parts]
                if None in parts:
                    return False
                one.parts = parts
            elif kind is dict and not self._values(one, names):
                return False
        return True

    def _value(self, node: Local, names: Locals) -> Node | None:
        """Return the parameter, variable or variable of a loop that a name stands for; None for all else."""
        if (inner := names.get(node.name)) is not None:
            return node if inner == LOCAL else None
        found = self._shared.get(node.name)
        if found is None:
            named = self.named.get(node.name)
            if named is None or named.kind not in _VALUES:
                return None
            found = self._shared[node.name] = self._of_kind(node, named)
        self.used.add(node.name)
        return found

    def _local(self, node: Local, names: Locals) -> Node:
        inner = names.get(node.name)
        if inner is not None:
            if inner == LOCAL:
                return node
            return Parameter(node.name, node.place) if inner == ARGUMENT else Symbol(inner, node.place)
        named = self._named(node.name, node.place)
        if isinstance(named, Impossible):
            return named
        self.used.add(node.name)
        return self._of_kind(node, named)

    def _of_kind(self, node: Local, named: Named) -> Node:
        kind, place = named.kind, node.place
        if kind is Kind.ERROR:
            return Opaque(Unknown(f"{node.name} could not be read", place))
        if kind is Kind.PARAMETER and self._where is not Where.FUNCTION:
            return Parameter(node.name, place)
        if kind is Kind.VARIABLE and self._where is not Where.DEFAULT:
            return Variable(node.name, place)
        if kind in {Kind.RESOURCE, Kind.MODULE} and self._where in {Where.ANYWHERE, Where.FUNCTION}:
            return Symbol(node.name, place)
        if self._where is Where.DEFAULT and kind in {Kind.VARIABLE, Kind.RESOURCE, Kind.MODULE}:
            return self.fault(
                place, f"{node.name} is {kind.value}, and a default may refer only to parameters", "BCP072"
            )
        if kind in {Kind.PARAMETER, Kind.RESOURCE, Kind.MODULE}:
            return self._unknown_name(node.name, place)
        return self.fault(place, f"{node.name} is {kind.value}, not a value", "BCP063")

    def _named(self, name: str, place: Place) -> Named | Impossible:
        named = self.named.get(name)
        if named is None and name in _BUILT_IN:
            return Named(Kind.NAMESPACE)
        return self._unknown_name(name, place) if named is None else named

    def _unknown_name(self, name: str, place: Place) -> Impossible:
        names = [one for one, named in self.named.items() if named.kind is not Kind.TYPE]
        return self.fault(place, f"there is no {name} here{self._hint(name, names)}", "BCP057")

    def _hint(self, name: str, names: list[str]) -> str:
        """Return what may have been meant, for the first faults of a file."""
        close = nearest(name, names) if len(self.faults) < _HINTS else []
        return f"; did you mean {close[0]}?" if close else ""

    def _access(self, node: Access, names: Locals) -> Node:
        target, key = node.target, node.key
        if type(target) is Local and target.name not in names and isinstance(key, Literal):
            named = self.named.get(target.name)
            if named is not None and named.kind is Kind.NAMESPACE and named.members is not None:
                return self._imported(target, str(key.value), named.members, node.place)
        node.target = self.bind(target, names)
        if type(target) is Call and target.name == "any" and _has_safe_access(target.arguments[:1]):
            node.target = target.arguments[0]
        if type(key) is not Literal:
            node.key = self.bind(key, names)
        if isinstance(node.target, Symbol):
            return self._of_symbol(node, node.target)
        if isinstance(node.target, Access) and isinstance(key, Literal) and isinstance(key.value, str):
            return self._of_module(node, node.target, key.value)
        return node

    def _of_symbol(self, node: Access, symbol: Symbol) -> Node:
        """Return an access to a resource or module, where it has what is accessed."""
        is_text = isinstance(node.key, Literal) and isinstance(node.key.value, str)
        is_number = isinstance(node.key, Literal) and isinstance(node.key.value, int)
        if symbol.name in self.loops and is_text:
            return self.fault(node.place, f"{symbol.name} is a loop: choose one of it by its number", "BCP055")
        if symbol.name not in self.loops and is_number:
            return self.fault(node.place, f"{symbol.name} is no loop", "BCP076")
        return node

    def _of_module(self, node: Access, target: Access, name: str) -> Node:
        """Return an access to a module's output, where it has one of that name."""
        base = target.target.target if isinstance(target.target, Access) else target.target
        if isinstance(base, Symbol) and isinstance(target.key, Literal) and target.key.value == "outputs":
            outputs = self.outputs.get(base.name)
            if outputs is not None and name not in outputs:
                return self.fault(node.place, f"the module {base.name} has no output {name}", "BCP053")
        return node

    def _imported(self, target: Local, name: str, members: Mapping[str, Kind], place: Place) -> Node:
        """Return what `import * as target` gives for a name."""
        self.used.add(target.name)
        if members.get(name) is Kind.VARIABLE:
            return Variable(f"{target.name}.{name}", place)
        if members.get(name) is Kind.ERROR or Kind.ERROR in members.values():
            return Opaque(Unknown(f"{target.name} could not be read", place))
        return self.fault(place, f"{target.name} has no {name}", "BCP052")

    def _conditional(self, node: Conditional, names: Locals) -> Node:
        node.test, node.yes, node.no = (self.bind(part, names) for part in (node.test, node.yes, node.no))
        return node

    def _lambda(self, node: Lambda, names: Locals) -> Node:
        if len(set(node.names)) < len(node.names):
            self.fault(node.place, "a lambda has two variables of one name", "BCP028")
        node.body = self.bind(node.body, {**names, **dict.fromkeys(node.names, LOCAL)})
        return node

    def _comprehension(self, node: Comprehension, names: Locals) -> Node:
        inner = self.loop(node.loop, names)
        node.body = self.bind(node.body, inner)
        return node

    def loop(self, loop: Loop, names: Locals) -> Locals:
        """Look up the names of a loop's items; return the names inside the loop."""
        if loop.items is not None:
            loop.items = self.bind(loop.items, names)
        if loop.index == loop.name:
            self.fault(loop.place, "a loop has two variables of one name", "BCP028")
        return {**names, loop.name: LOCAL} | ({loop.index: LOCAL} if loop.index else {})

    # calls

    def _call(self, node: Call, names: Locals) -> Node:
        name, arguments = node.name, node.arguments
        special = _CALLS.get(name)
        if special is not None:
            return special(self, node, names)
        if name[0] == METHOD:
            return self._method(node, names)
        if (function := OPERATORS.get(name)) is not None:
            node.name, node.arguments = function, [self.bind(one, names) for one in arguments]
            return node
        named = self.named.get(name)
        if named is not None and named.kind is Kind.FUNCTION:
            self.used.add(name)
            node.arguments = [self.bind(one, names) for one in arguments]
            return node
        if name in self.unknown_functions:
            return self.unknown_functions[name]
        if named is not None and named.kind is Kind.ERROR:
            return Opaque(Unknown(f"{name} could not be read", node.place))
        if name in SIGNATURES and (name in names or name in self.named):
            return self.fault(node.place, f"{name} is a name of this file here, not the function", "BCP265")
        return self._built_in(node, names)

    def _built_in(self, node: Call, names: Locals) -> Node:
        """Look up a call of a function of the language."""
        name = node.name
        node.arguments = [self.bind(one, names) for one in node.arguments]
        if name in LOADS:
            return self._load(node)
        self.asks = self.asks or name == "reference" or name.startswith("to")
        if name == "any":
            return as_it_is(node.arguments[0]) if len(node.arguments) == 1 else self._count(node)
        if name in DEFAULTS_ONLY and self._where is not Where.DEFAULT:
            return self.fault(node.place, f"{name}() may be called only in the default of a parameter", "BCP065")
        if self._where is Where.PARAMETERS and name in OUTSIDE:
            return _from_outside(node)
        if name in SIGNATURES and not (self._where is Where.PARAMETERS and name in OF_AZURE):
            return self._at_scope(node) if name in OF_SCOPES else node
        if name.startswith("list") and name.isalpha():
            if not 2 <= len(node.arguments) <= 3:
                return self.fault(node.place, f"{name}() has 2 to 3 arguments, not {len(node.arguments)}", "BCP071")
            self.asks = True
            return node
        if name in self.named:
            return self.fault(node.place, f"{name} is {self.named[name].kind.value}, not a function", "BCP059")
        if name in NO_SIGNATURES:
            return self.fault(
                node.place, f"Bicep has no function {name}; it has an operator or literal for it", "BCP069"
            )
        functions = [one for one, named in self.named.items() if named.kind is Kind.FUNCTION]
        hint = self._hint(name, [*sorted(SIGNATURES), *functions])
        return self.fault(node.place, f"there is no function {name}{hint}", "BCP057")

    def _count(self, node: Call) -> Node:
        return self.fault(node.place, f"{node.name}() has one argument, not {len(node.arguments)}", "BCP071")

    def _at_scope(self, node: Call) -> Node:
        """Return a call of a scope function, where the file's target scope has it."""
        scopes = AT_SCOPES.get((node.name, len(node.arguments)))
        if self._where is Where.PARAMETERS or (scopes is not None and self.scope not in scopes):
            said = f"{node.name}() with {len(node.arguments)} arguments is not there at the scope {self.scope}"
            return self.fault(node.place, said, "BCP071")
        return node

    def _method(self, node: Call, names: Locals) -> Node:
        """Look up `target.name(...)`."""
        target, name = node.arguments[0], node.name[len(METHOD) :]
        if type(target) is Local and target.name not in names:
            named = self.named.get(target.name)
            if named is None and target.name in _BUILT_IN:
                if name in SIGNATURES and (target.name == "az") != (name in OF_AZURE or name in OF_SCOPES):
                    return self.fault(node.place, f"{target.name} has no function {name}", "BCP107")
                return self._built_in(Call(name, node.arguments[1:], node.place), names)
            if named is not None and named.kind is Kind.NAMESPACE and named.members is not None:
                return self._imported_function(target, name, node, names, named.members)
        bound = [self.bind(argument, names) for argument in node.arguments]
        if isinstance(bound[0], Impossible):
            return bound[0]
        if name == "getSecret":
            secret = Opaque(Unknown("a secret of a key vault is known only in Azure", node.place))
            self.secrets[id(secret)] = secret
            return secret
        self.asks = True
        if not name.startswith("list") and not isinstance(bound[0], Opaque):
            return self.fault(node.place, f"there is no function {name} of such a value", "BCP109")
        return Call(name, bound, node.place)

    def _imported_function(
        self, target: Local, name: str, node: Call, names: Locals, members: Mapping[str, Kind]
    ) -> Node:
        self.used.add(target.name)
        arguments = [self.bind(one, names) for one in node.arguments[1:]]
        if members.get(name) is Kind.FUNCTION:
            return Call(f"{target.name}.{name}", arguments, node.place)
        if Kind.ERROR in members.values():
            return Opaque(Unknown(f"{target.name} could not be read", node.place))
        return self.fault(node.place, f"{target.name} has no function {name}", "BCP107")

    def _nested(self, node: Call, names: Locals) -> Node:
        """Look up `target::name`."""
        target = self.bind(node.arguments[0], names)
        name = node.arguments[1].value if isinstance(node.arguments[1], Literal) else ""
        if isinstance(target, Impossible | Opaque):
            return target
        if not isinstance(target, Symbol):
            return self.fault(node.place, f"only a resource has a nested one, such as {name}", "BCP158")
        symbol = f"{target.name}{NESTED}{name}"
        if symbol not in self.named:
            return self.fault(node.place, f"{target.name} has no nested resource {name}", "BCP159")
        self.used.add(symbol)
        return Symbol(symbol, node.place)

    def _group(self, node: Call, names: Locals) -> Node:
        """Look up `(x)`: a chain of safe accesses ends at its parenthesis."""
        inner = self.bind(node.arguments[0], names)
        return as_it_is(inner) if _has_safe_access([inner]) else inner

    def _not_equals(self, node: Call, names: Locals) -> Node:
        equals = Call("==" if node.name == "!=" else "=~", node.arguments, node.place)
        return Call("not", [self.bind(equals, names)], node.place)

    def _equals_any_case(self, node: Call, names: Locals) -> Node:
        lower: list[Node] = [Call("toLower", [self.bind(one, names)], one.place) for one in node.arguments]
        return Call("equals", lower, node.place)

    def _minus(self, node: Call, names: Locals) -> Node:
        arguments = [self.bind(one, names) for one in node.arguments]
        if len(arguments) == 1:
            arguments.insert(0, Literal(0, node.place))
        return Call("sub", arguments, node.place)

    def _not(self, node: Call, names: Locals) -> Node:
        return Call("not", [self.bind(node.arguments[0], names)], node.place)

    def _nameof(self, node: Call, names: Locals) -> Node:
        """Return the name that `nameof(x)` gives."""
        target = node.arguments[0] if len(node.arguments) == 1 else None
        while isinstance(target, Call) and target.name == GROUP:
            target = target.arguments[0]
        if isinstance(target, Local):
            self.bind(target, names)
            return Literal(target.name, node.place)
        if isinstance(target, Access) and isinstance(target.key, Literal) and isinstance(target.key.value, str):
            self.bind(target, names)
            return Literal(target.key.value, node.place)
        if isinstance(target, Call) and target.name == NESTED:
            return target.arguments[1]
        return self.fault(node.place, "nameof() is for an expression that has a name", "BCP408")

    # constants

    def constant(self, node: Node | None, depth: int = 20) -> str | None:
        """Return the text that the compiler knows an expression to be: made of literals alone; None for others."""
        if isinstance(node, Literal):
            return node.value if isinstance(node.value, str) else None
        if depth == 0:
            return None
        if isinstance(node, Interpolation):
            texts: list[str] = []
            for part in node.parts:
                text = part if isinstance(part, str) else self.constant(part, depth - 1)
                if text is None:
                    return None
                texts.append(text)
            return "".join(texts)
        if isinstance(node, Variable) and (named := self.named.get(node.name)):
            declared = named.declaration
            return self.constant(declared.value, depth - 1) if isinstance(declared, Var) else None
        if isinstance(node, Call) and node.name == GROUP:
            return self.constant(node.arguments[0], depth - 1)
        return None


def _has_safe_access(chain: list[Node]) -> bool:
    """Whether there is a safe access in a chain of accesses; `chain` is its last one, or nothing."""
    return any(isinstance(one, Access) and (one.safe or _has_safe_access([one.target])) for one in chain)


def _from_outside(call: Call) -> Node:
    """Return what a function gives that only whoever deploys can answer."""
    name = call.arguments[0].value if call.arguments and isinstance(call.arguments[0], Literal) else None
    if call.name == "getSecret":
        reason = "a secret of a key vault is known only in Azure"
    elif "nv" in call.name and isinstance(name, str):
        reason = f"the environment variable {name} is known only where the deployment is made"
    else:
        reason = "what comes from outside is known only where the deployment is made"
    refused = "nv" in call.name and len(call.arguments) == 1  # where it is not set
    return Opaque(Unknown(reason, call.place, doubt=refused))


_CALLS: Final[dict[str, Callable[[Binder, Call, Locals], Node]]] = {
    "!=": Binder._not_equals,  # noqa: SLF001 - a table of this module's methods
    "!~": Binder._not_equals,  # noqa: SLF001
    "=~": Binder._equals_any_case,  # noqa: SLF001
    "-": Binder._minus,  # noqa: SLF001
    "!": Binder._not,  # noqa: SLF001
    GROUP: Binder._group,  # noqa: SLF001
    NESTED: Binder._nested,  # noqa: SLF001
    "nameof": Binder._nameof,  # noqa: SLF001
}
_BIND: Final[dict[type, Callable[[Binder, Any, Locals], Node]]] = {
    Interpolation: Binder._interpolation,  # noqa: SLF001
    Array: Binder._array,  # noqa: SLF001
    Object: Binder._object,  # noqa: SLF001
    Record: Binder._record,  # noqa: SLF001
    Local: Binder._local,  # noqa: SLF001
    Access: Binder._access,  # noqa: SLF001
    Conditional: Binder._conditional,  # noqa: SLF001
    Lambda: Binder._lambda,  # noqa: SLF001
    Comprehension: Binder._comprehension,  # noqa: SLF001
    Call: Binder._call,  # noqa: SLF001
}
