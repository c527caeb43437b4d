"""Calls of functions: those that compute only some of their arguments, or read where they stand. Pure."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from guardrails.dataclass import replace
from guardrails.evaluation.expressions import Lambda
from guardrails.evaluation.frames import Env, Handle
from guardrails.evaluation.functions import MODULES, find
from guardrails.evaluation.functions.base import FUNCTIONS, Function, is_int, kind, unsure
from guardrails.evaluation.functions.comparing import truth
from guardrails.evaluation.values import NOWHERE, EngineError, MarkedText, Partial, Unknown, Value, first_unknown

if TYPE_CHECKING:
    from guardrails.evaluation.evaluate import Evaluator
    from guardrails.evaluation.expressions import Call

_LONG: Final = 1000
"""Characters of a text from which on it costs work to compute with it."""

type Special = Callable[["Evaluator", "Call", Env], Value]


def call_function(evaluator: "Evaluator", name: str, node: "Call", env: Env) -> Value:
    """Return the value of a call whose arguments are all computed first. Raises EngineError.

    `name`: the function's, in lower case.
    """
    found = find(name)
    values = [evaluator.value(argument, env) for argument in node.arguments]
    if found is None:
        return _not_in_table(evaluator, node, values)
    if not found.least <= len(values) <= found.most:
        _count(found.name, found.least, found.most, node)
    for value in values:
        if type(value) is not str or len(value) >= _LONG:
            break
    else:  # plain texts only, as nearly always
        return _placed(evaluator, found, values, node)
    for value in values:
        if isinstance(value, Handle):
            return Unknown(f"what {found.name}() makes of a resource is known only in Azure", node.place)
        if isinstance(value, str):
            evaluator.spend(len(value) // _LONG)
        elif not found.partial:
            evaluator.charge(value)
        elif isinstance(value, list | dict):
            evaluator.spend(len(value) // 10)
    if not found.partial:
        unknown = first_unknown(values)
        if unknown is not None:
            return evaluator.unknown(unknown, values, node.place)
    return _placed(evaluator, found, values, node)


def _placed(evaluator: "Evaluator", found: Function, values: list[Value], node: "Call") -> Value:
    """Compute, and give what comes of it the place of the call and the marks of the arguments."""
    result = found.compute(values)
    if type(result) is str and not evaluator.marked:
        return result
    if isinstance(result, Unknown) and result.place is NOWHERE:
        result = replace(result, place=node.place)
    if isinstance(result, MarkedText):
        evaluator.marked = True
        placed = (mark._replace(place=node.place) if mark.place is NOWHERE else mark for mark in result.marks)
        result = MarkedText(result, frozenset(placed))
    return evaluator.with_marks(result, evaluator.marks_in(values)) if evaluator.marked else result


def _count(name: str, least: int, most: int, node: "Call") -> None:
    if not least <= len(node.arguments) <= most:
        wanted = str(least) if least == most else f"at least {least}" if most >= 1000 else f"{least} to {most}"
        raise EngineError(f"{name}() needs {wanted} arguments, not {len(node.arguments)}", node.place)


def _not_in_table(evaluator: "Evaluator", node: "Call", values: list[Value]) -> Value:
    if node.name.lower().startswith("list"):
        return evaluator.unknown(Unknown(f"{node.name}() asks Azure", node.place), values, node.place)
    return Unknown(f"the function {node.name[:60]}() is not known to this command", node.place, doubt=True)


def _if(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    _count("if", 3, 3, node)
    test = evaluator.value(node.arguments[0], env)
    if isinstance(test, bool):
        return evaluator.value(node.arguments[1 if test else 2], env)
    if isinstance(test, Unknown):
        return evaluator.either(test, node.arguments[1:], env)
    raise EngineError(f"if() needs true or false, not {kind(test)}", node.place)


def _coalesce(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    _count("coalesce", 1, 1000, node)
    for argument in node.arguments:
        value = evaluator.value(argument, env)
        if value is not None:
            return value
    return None


def _logical(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    """Compute `and` and `or`: arguments after the one that decides are not computed."""
    found = FUNCTIONS[node.name.lower()]
    _count(found.name, found.least, found.most, node)
    decisive = found.name == "or"
    values: list[Value] = []
    for argument in node.arguments:
        try:
            value = evaluator.value(argument, env)
            if not isinstance(value, Unknown):
                truth(value, found.name)
        except EngineError as error:
            if not any(isinstance(one, Unknown) for one in values):
                raise
            return Unknown(f"Azure may refuse this: {error.message}", error.place, doubt=True)
        if value is decisive:
            return decisive
        values.append(value)
    return found.compute(values) if len(values) > 1 else unsure(f"{found.name}() of one argument")


def _parameters(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    return _named(evaluator, node, env, evaluator.parameter)


def _variables(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    return _named(evaluator, node, env, evaluator.variable)


def _named(evaluator: "Evaluator", node: "Call", env: Env, look_up: Callable[..., Value]) -> Value:
    _count(node.name, 1, 1, node)
    name = evaluator.value(node.arguments[0], env)
    if isinstance(name, Unknown):
        return name
    if not isinstance(name, str):
        raise EngineError(f"{node.name}() needs a name, not {kind(name)}", node.place)
    if env.arguments is not None:
        found = next((one for one in env.arguments if one.lower() == name.lower()), None)
        if found is None or look_up == evaluator.variable:
            raise EngineError(f"there is no {name!r} in this function", node.place)
        return env.arguments[found]
    return look_up(env.frame, name, node.place)


def _copy_index(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    _count("copyIndex", 0, 2, node)
    values = [evaluator.value(argument, env) for argument in node.arguments]
    for value in values:
        if isinstance(value, Unknown):
            return value
    name = values.pop(0).lower() if values and isinstance(values[0], str) else ""
    offset = values.pop(0) if values else 0
    if values or not is_int(offset) or offset < 0:
        raise EngineError("copyIndex() needs an offset of at least 0", node.place)
    if name not in env.turns:
        if not name and env.turns:
            return replace(unsure("copyIndex() without the name of a loop here"), place=node.place)
        raise EngineError("copyIndex() is used outside of the loop that it names", node.place)
    number = env.turns[name]
    return number if isinstance(number, Unknown) else number + offset


def _lambda_variables(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    _count("lambdaVariables", 1, 1, node)
    name = evaluator.value(node.arguments[0], env)
    found = next((one for one in env.locals if isinstance(name, str) and one.lower() == name.lower()), None)
    if found is None:
        raise EngineError("lambdaVariables() names no variable of a lambda around it", node.place)
    return env.locals[found]


def _fail(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    _count("fail", 1, 1, node)
    message = evaluator.value(node.arguments[0], env)
    said = f": {message[:200]}" if isinstance(message, str) else ""
    raise EngineError(f"fail() stops the deployment{said}", node.place)


def _with_lambda(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    from guardrails.evaluation.functions.lambdas import LAMBDAS  # noqa: PLC0415  loaded when it is needed

    found = LAMBDAS[node.name.lower()]
    _count(found.name, found.least, found.most, node)
    values: list[Value] = [
        evaluator.closure(argument, env) if isinstance(argument, Lambda) else evaluator.value(argument, env)
        for argument in node.arguments
    ]
    whole = values[0]
    if isinstance(whole, Handle):
        return Unknown(f"what {found.name}() makes of a resource is known only in Azure", node.place)
    if isinstance(whole, Unknown | Partial):
        return evaluator.unknown(whole, [whole], node.place)
    result = evaluator.charge(found.compute(values))
    if isinstance(result, Unknown) and result.place is NOWHERE:
        return replace(result, place=node.place)
    return result


def _of_deployment(evaluator: "Evaluator", node: "Call", env: Env) -> Value:
    from guardrails.evaluation.functions.deployment import DEPLOYMENT  # noqa: PLC0415  loaded when it is needed

    values = [evaluator.value(argument, env) for argument in node.arguments]
    found = DEPLOYMENT[node.name.lower()]
    _count(found.name, found.least, found.most, node)
    result = found.compute(evaluator, env, values, node.place)
    if isinstance(result, Unknown) and result.place is NOWHERE:
        result = replace(result, place=node.place)
    return evaluator.with_marks(result, evaluator.marks_in(values)) if evaluator.marked else result


CALLS: Final[dict[str, Special]] = {
    "if": _if,
    "coalesce": _coalesce,
    "and": _logical,
    "or": _logical,
    "parameters": _parameters,
    "variables": _variables,
    "copyindex": _copy_index,
    "lambdavariables": _lambda_variables,
    "fail": _fail,
    **{name.lower(): _with_lambda for name in MODULES["lambdas"]},
    **{name.lower(): _of_deployment for name in MODULES["deployment"]},
}
"""Functions that are more than a computation over the values of their arguments, by name in lower case."""
