"""Computes expressions. Pure, and bounded: work, depth and sizes beyond a limit make a value Unknown.

`Evaluator.value` returns a node's value. It raises `EngineError` where the engine refuses the expression.
"""

from collections.abc import Callable
from typing import Any, Final

from guardrails.dataclass import replace
from guardrails.evaluation import expressions as ex
from guardrails.evaluation.calls import CALLS, call_function
from guardrails.evaluation.frames import (
    UNSET,
    Closure,
    Env,
    Frame,
    Handle,
    argument,
    home_frame,
    known,
    of_handle,
    without_value,
)
from guardrails.evaluation.functions.base import LONGEST_TEXT, TOO_LONG, kind, unsure
from guardrails.evaluation.functions.comparing import NotCertain, equal
from guardrails.evaluation.functions.formatting import formatted
from guardrails.evaluation.functions.objects import MISSING, from_end, member, spread_into
from guardrails.evaluation.loops import turns_of, turns_over
from guardrails.evaluation.records import DEPTH, certain
from guardrails.evaluation.template import Language, TypeOf, VariableDeclaration
from guardrails.evaluation.values import (
    NO_MARKS,
    NOWHERE,
    EngineError,
    Loose,
    MarkedNumber,
    MarkedText,
    Marks,
    Partial,
    Place,
    TooMuch,
    Unknown,
    Value,
    first_unknown,
    marks_of,
)
from guardrails.evaluation.world import World

WORK: Final = 300_000
"""Steps of one deployment that are computed. A step is one node, or one item of a list or object that is copied."""


TOO_MUCH: Final = "it takes more work to compute than this command spends on one template"
TOO_DEEP: Final = f"it is nested more than {DEPTH} levels deep"


class Evaluator:
    """Computes nodes in environments. One for each deployment that is checked.

    Attributes:
        left: the work that may still be spent.
        depth: in how many nodes the one is that is computed.
        marked: some value has marks.
        doubtful: some value may be refused by Azure.
    """

    def __init__(self, world: World, work: int = WORK) -> None:
        self.world = world
        self.left = work
        self.marked = False
        self.doubtful = False
        self.depth = 0

    def value(self, node: ex.Node, env: Env) -> Value:
        """Return a node's value. Raises EngineError where it is refused, TooMuch where the work is used up."""
        kind_ = type(node)
        if kind_ is ex.Literal:
            return node.value  # type: ignore[union-attr]
        self.left -= 1
        if self.left < 0:
            raise TooMuch
        if self.depth >= DEPTH:
            return Unknown(TOO_DEEP, node.place, doubt=True)
        names = (
            env.frame.known_parameters
            if kind_ is ex.Parameter
            else env.frame.known_variables
            if kind_ is ex.Variable
            else None
        )
        if names and env.arguments is None and not env.default:
            known_text = names.get(node.name)  # type: ignore[union-attr]
            if type(known_text) is str:
                return known_text
        self.depth += 1
        try:
            found = _COMPUTE[type(node)](self, node, env)
        except EngineError as error:
            if error.place is NOWHERE:
                error.place = node.place
            raise
        except RecursionError:
            return Unknown(TOO_DEEP, node.place, doubt=True)
        finally:
            self.depth -= 1
        if type(found) is Unknown and found.doubt:
            self.doubtful = True
        return found

    def spend(self, steps: int) -> None:
        """Count work. Raises TooMuch when it is used up."""
        self.left -= steps
        if self.left < 0:
            raise TooMuch

    def charge(self, value: Value) -> Value:
        """Count the work of a value that was built, and return it: shared parts count each time they are used."""
        if isinstance(value, list | dict):
            stack: list[Any] = [value]
            while stack:
                one = stack.pop()
                self.spend(1 + len(one))
                members = one.values() if isinstance(one, dict) else one
                stack += [part for part in members if isinstance(part, list | dict)]
        return value

    # names

    def parameter(self, frame: Frame, name: str, place: Place = NOWHERE) -> Value:
        """Return a parameter's value, given or by default. Raises EngineError."""
        found = frame.find("parameters", frame.template.parameters, name)
        if found is None:
            raise EngineError(f"there is no parameter {name!r}", place)
        return self._remembered(frame, "parameter", found, lambda: self._parameter(frame, found), place)

    def variable(self, frame: Frame, name: str, place: Place = NOWHERE) -> Value:
        """Return a variable's value. Raises EngineError."""
        found = frame.find("variables", frame.template.variables, name)
        if found is None:
            raise EngineError(f"there is no variable {name!r}", place)
        declared = frame.template.variables[found]
        return self._remembered(frame, "variable", found, lambda: self._variable(frame, declared), place)

    def _remembered(self, frame: Frame, kind_: str, name: str, compute: Callable[[], Value], place: Place) -> Value:
        key = (kind_, name)
        known = frame.memo.get(key)
        if known is UNSET:
            raise EngineError(f"the {kind_} {name!r} depends on itself", place)
        if known is not None or key in frame.memo:
            if isinstance(known, EngineError):
                raise EngineError(known.message, known.place)
            return known
        frame.memo[key] = UNSET
        depth, self.depth = self.depth, self.depth + 1
        try:
            frame.memo[key] = compute()
        except EngineError as error:
            frame.memo[key] = error
            raise
        except BaseException:
            del frame.memo[key]
            raise
        finally:
            self.depth = depth
        return frame.memo[key]

    def _variable(self, frame: Frame, declared: VariableDeclaration) -> Value:
        home = frame if declared.home is None else home_frame(frame, declared.home)
        return self.value(declared.value, Env(home))

    def _parameter(self, frame: Frame, name: str) -> Value:
        declared = frame.template.parameters[name]
        given = frame.given.get(name)
        value = None
        if given is not None:
            place = given[0].place
            value = known(self.value(given[0].value, given[1] or Env(frame)), place)
        if value is None:
            if declared.default is None:
                value, place = without_value(declared, frame, given=given is not None)
            else:
                value, place = self.value(declared.default, Env(frame, default=True)), declared.default.place
        return checked(self, frame, declared.type, value, what=f"the parameter {name!r}", place=place)

    # nodes

    def _interpolation(self, node: ex.Interpolation, env: Env) -> Value:
        values = [part if type(part) is str else self.value(part, env) for part in node.parts]  # type: ignore[arg-type]
        written: list[str] = []
        for value in values:
            if type(value) is str:
                written.append(value)
                continue
            if isinstance(value, Unknown | Partial | Handle):
                return self.unknown(value, values, node.place)
            one = first_unknown(value) or formatted(value, "")
            if isinstance(one, Unknown):
                return self.unknown(one, values, node.place)
            written.append(one)
        whole: Value = "".join(written)
        if len(whole) > LONGEST_TEXT:
            whole = TOO_LONG
        return self.with_marks(whole, self.marks_in(values)) if self.marked else whole

    def _array(self, node: ex.Array, env: Env) -> Value:
        found: list[Value] = []
        for item in node.items:
            if isinstance(item, ex.Spread):
                more = known(self.charge(self.value(item.value, env)), item.place)
                if isinstance(more, Unknown):
                    return more
                if not isinstance(more, list):
                    raise EngineError(f"an array cannot take in {kind(more)}", item.place)
                found += more
            else:
                found.append(self._part(item, env))
        return found

    def _part(self, node: ex.Node, env: Env) -> Value:
        if type(node) is ex.Literal:
            return node.value
        value = known(self.value(node, env), node.place)
        if type(node) in _NOT_BUILT:
            self.charge(value)
        return value

    def _record(self, node: ex.Record, env: Env) -> Value:
        found = certain(self, node.values, env, 1)
        return self._object(node, env) if found is None else found

    def _object(self, node: ex.Object, env: Env) -> Value:
        found: dict[str, Value] = {}
        rest: Unknown | None = None
        spread = loose = False
        for one in node.members:
            if isinstance(one, ex.Spread):
                more = known(self.charge(self.value(one.value, env)), one.place)
                if isinstance(more, Unknown | Partial):
                    found, rest = {}, more.rest if isinstance(more, Partial) else more
                elif not isinstance(more, dict):
                    raise EngineError(f"an object cannot take in {kind(more)}", one.place)
                else:
                    spread_into(found, more)
                    loose = loose or isinstance(more, Loose)
                spread = True
                continue
            key = one.key if isinstance(one.key, str) else self.value(one.key, env)
            if isinstance(key, Unknown):
                found, rest = {}, key
                self._part(one.value, env)
            elif not isinstance(key, str):
                raise EngineError(f"the name of a property is {kind(key)}, not a text", one.place)
            elif spread:
                spread_into(found, {key: self._part(one.value, env)})
            elif key in found and type(one.key) is not str:
                return replace(unsure("an object with one key twice"), place=one.place)
            else:
                found[key] = self._part(one.value, env)
        if rest is not None:
            return Partial(found, rest)
        return Loose(found) if loose else found

    def _parameter_node(self, node: ex.Parameter, env: Env) -> Value:
        if env.arguments is not None:
            return argument(env.arguments, node.name, node.place)
        known = env.frame.known_parameters
        if node.name not in known:
            known[node.name] = self.parameter(env.frame, node.name, node.place)
        return known[node.name]

    def _variable_node(self, node: ex.Variable, env: Env) -> Value:
        if (env.arguments is not None or env.default) and env.frame.template.language == Language.ARM:
            where = "a function of a template" if env.arguments is not None else "the default of a parameter"
            raise EngineError(f"{where} may not use variables: {node.name!r}", node.place)
        known = env.frame.known_variables
        if node.name not in known:
            known[node.name] = self.variable(env.frame, node.name, node.place)
        return known[node.name]

    def _local(self, node: ex.Local, env: Env) -> Value:
        if node.name not in env.locals:
            raise EngineError(f"there is no variable {node.name!r} here", node.place)
        return env.locals[node.name]

    def _symbol(self, node: ex.Symbol, env: Env) -> Value:
        if env.frame.resources is None:
            return Unknown(f"{node.name} is a resource, which is not known here", node.place)
        return env.frame.resources.symbol(node.name)

    def _access(self, node: ex.Access, env: Env) -> Value:
        return self._chain(node, env)[0]

    def _chain(self, node: ex.Access, env: Env) -> tuple[Value, bool, bool]:
        """Return a chain's value, whether it ended early at a safe access, and whether it has a safe access."""
        if isinstance(node.target, ex.Access):
            target, ended, safe = self._chain(node.target, env)
        else:
            target, ended, safe = self.value(node.target, env), False, False
        if ended:
            return None, True, True
        key = self.value(node.key, env)
        if isinstance(target, Unknown):
            return self.unknown(target, [target], node.place), False, safe or node.safe
        if isinstance(target, Handle):
            return of_handle(target, key, node.place), False, safe or node.safe
        if isinstance(key, Unknown):
            return key, False, safe or node.safe
        try:
            found = self._found(node, target, key)
        except EngineError:
            if not node.safe:
                raise
            return replace(unsure(f"a safe access to {kind(target)}"), place=node.place), False, True
        if found is MISSING:
            if node.safe:
                return None, True, True
            if safe:
                return (
                    Unknown("what Azure makes of a member that is missing after .? is not known for certain"),
                    False,
                    True,
                )
            raise EngineError(_missing(target, key), node.place)
        return found, False, safe or node.safe

    def _found(self, node: ex.Access, target: Value, key: Value) -> Any:
        if node.from_end:
            return from_end([target, key], "tryIndexFromEnd" if node.safe else "indexFromEnd")
        return member(target, key)

    def _call(self, node: ex.Call, env: Env) -> Value:
        functions = env.frame.template.functions
        if functions and (declared := env.frame.find("functions", functions, node.name)) is not None:
            return self._user_function(declared, node, env)
        name = node.name.lower()
        special = CALLS.get(name)
        if special is not None:
            return special(self, node, env)
        found = call_function(self, name, node, env)
        return self.charge(found) if isinstance(found, list | dict) else found

    def _user_function(self, name: str, node: ex.Call, env: Env) -> Value:
        declared = env.frame.template.functions[name]
        values = [known(self.value(argument, env), argument.place) for argument in node.arguments]
        if len(values) != len(declared.parameters):
            raise EngineError(f"{name}() needs {len(declared.parameters)} arguments, not {len(values)}", node.place)
        home = env.frame if declared.home is None else home_frame(env.frame, declared.home)
        arguments = {
            one.name: checked(
                self, home, one.type, value, what=f"the argument {one.name!r} of {name}()", place=node.place
            )
            for one, value in zip(declared.parameters, values, strict=True)
        }
        return self.charge(self.value(declared.body, Env(home, arguments=arguments)))

    def _conditional(self, node: ex.Conditional, env: Env) -> Value:
        test = self.value(node.test, env)
        if isinstance(test, bool):
            return self.value(node.yes if test else node.no, env)
        if isinstance(test, Unknown):
            return self.either(test, [node.yes, node.no], env)
        raise EngineError(f"a condition is {kind(test)}, not true or false", node.place)

    def either(self, test: Unknown, sides: list[ex.Node], env: Env) -> Value:
        """Return the value of two sides of which one counts: known only where both are the same."""
        try:
            one, other = (self.value(side, env) for side in sides)
            if equal(one, other):
                return one
        except (EngineError, NotCertain):
            return test
        return self.unknown(test, [test, one, other], test.place)

    def _lambda(self, node: ex.Lambda, _env: Env) -> Value:
        raise EngineError("a lambda is written where no function takes one", node.place)

    def closure(self, node: ex.Lambda, env: Env) -> Closure:
        """Return a lambda that is an argument of a function that takes one."""
        return Closure(lambda body, inside: known(self.value(body, inside), body.place), node, env)

    def _comprehension(self, node: ex.Comprehension, env: Env) -> Value:
        if env.outside and node.loop.count is not None:
            return Unknown(
                "a loop in a nested template that is computed outside of it has no certain value", node.place
            )
        turns = self.turns(node.loop, env, innermost=False)
        if isinstance(turns, Unknown):
            return turns
        found: list[Value] = []
        for turn in turns:
            if node.condition is not None:
                wanted = self.value(node.condition, turn)
                if isinstance(wanted, Unknown):
                    return wanted
                if wanted is not True:
                    continue
            found.append(self._part(node.body, turn))
        return found

    def turns(self, loop: ex.Loop, env: Env, *, innermost: bool) -> list[Env] | Unknown:
        """Return the environment of each turn of a loop. Raises EngineError for a loop that is refused.

        Args:
            loop: a resource's, or a list's.
            env: the environment of the loop.
            innermost: `copyIndex()` without a name means this loop.
        """
        if loop.items is not None:
            found = turns_over(loop, self.value(loop.items, env), env, surely=innermost)
        else:
            count = None if loop.count is None else self.value(loop.count, env)
            found = turns_of(loop, count, env, innermost=innermost)
        if isinstance(found, list):
            self.spend(len(found))
        return found

    # unknown values and marks

    def unknown(self, value: Value, values: list[Value], place: Place) -> Unknown:
        """Return the Unknown of a result, with the marks of all values that it would be made of."""
        if isinstance(value, Partial):
            value = value.rest
        first = value if isinstance(value, Unknown) else Unknown("a resource is no value", place)
        marks = self.marks_in(values)
        return first if marks <= first.marks else replace(first, marks=first.marks | marks)

    def marks_in(self, values: list[Value]) -> Marks:
        """Return the marks of values."""
        return NO_MARKS.union(*map(marks_of, values)) if self.marked else NO_MARKS

    def with_marks(self, value: Value, marks: Marks) -> Value:
        """Return a value that says what it was made of."""
        if not marks or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return MarkedText(value, marks | marks_of(value))
        if isinstance(value, int):
            return MarkedNumber(value, marks | marks_of(value))
        if isinstance(value, Unknown):
            return replace(value, marks=value.marks | marks)
        if isinstance(value, list):
            return [self.with_marks(one, marks) for one in value]
        if type(value) is dict:
            return {key: self.with_marks(one, marks) for key, one in value.items()}
        return value


def checked(evaluator: Evaluator, frame: Frame, type_: TypeOf, value: Value, *, what: str, place: Place) -> Value:
    """Return a value that a parameter takes; Unknown where that is not certain. Raises EngineError."""
    if type(value) is _PLAIN.get(type_.kind) and type_.is_open:
        return value
    from guardrails.evaluation import constraints  # noqa: PLC0415  loaded when it is needed

    return constraints.checked(evaluator, frame, type_, value, what=what, place=place)


_PLAIN: Final = {"string": str, "bool": bool, "int": int}


def _missing(target: Value, key: Value) -> str:
    if target is None:
        return f"null has no member {key!r}"
    if isinstance(target, list):
        return f"an array of {len(target)} has no item {key}"
    return f"the object has no member {key!r}"


_NOT_BUILT: Final = frozenset({ex.Parameter, ex.Variable, ex.Local, ex.Access, ex.Conditional})
"""Nodes whose value may be shared, and so is counted where it becomes part of another."""


def _opaque(_evaluator: Evaluator, node: ex.Opaque, _env: Env) -> Value:
    return node.unknown


def _impossible(_evaluator: Evaluator, node: ex.Impossible, _env: Env) -> Value:
    raise EngineError(node.message, node.place)


_COMPUTE: Final[dict[type, Callable[[Evaluator, Any, Env], Value]]] = {
    ex.Opaque: _opaque,
    ex.Impossible: _impossible,
    ex.Interpolation: Evaluator._interpolation,  # noqa: SLF001  a table of this module's methods
    ex.Array: Evaluator._array,  # noqa: SLF001
    ex.Object: Evaluator._object,  # noqa: SLF001
    ex.Record: Evaluator._record,  # noqa: SLF001
    ex.Parameter: Evaluator._parameter_node,  # noqa: SLF001
    ex.Variable: Evaluator._variable_node,  # noqa: SLF001
    ex.Local: Evaluator._local,  # noqa: SLF001
    ex.Symbol: Evaluator._symbol,  # noqa: SLF001
    ex.Access: Evaluator._access,  # noqa: SLF001
    ex.Call: Evaluator._call,  # noqa: SLF001
    ex.Conditional: Evaluator._conditional,  # noqa: SLF001
    ex.Lambda: Evaluator._lambda,  # noqa: SLF001
    ex.Comprehension: Evaluator._comprehension,  # noqa: SLF001
}
