"""The values of records, where all of them are certain. Pure."""

from operator import is_not
from typing import TYPE_CHECKING, Any, Final

from guardrails.evaluation.expressions import DEEPEST_RECORD, Interpolation, Parameter, Variable
from guardrails.evaluation.frames import Env
from guardrails.evaluation.functions.base import LONGEST_TEXT
from guardrails.evaluation.values import EngineError, TooMuch, Value

if TYPE_CHECKING:
    from guardrails.evaluation.evaluate import Evaluator

DEPTH: Final = 120
"""Nodes within nodes that are computed, across variables, lambdas and functions."""
_SCALARS: Final = frozenset({str, int, bool, type(None)})


def certain(evaluator: "Evaluator", values: dict[str, Any], env: Env, step: int) -> dict[str, Value] | None:
    """Return a record's values where all are certain; None where its members are to be computed one by one.

    Args:
        evaluator: computes them.
        values: as guardrails.evaluation.expressions.Record has them.
        env: where the record is computed.
        step: the work that an object in it costs.
    """
    if evaluator.depth + DEEPEST_RECORD >= DEPTH:
        return None
    before = evaluator.left, evaluator.doubtful, evaluator.depth
    try:
        found = _certain(evaluator, values, env, step)
        if found is not None and evaluator.left >= 0:
            return found
    except (EngineError, TooMuch, RecursionError):
        pass
    evaluator.left, evaluator.doubtful, evaluator.depth = before
    return None


def _certain(evaluator: "Evaluator", values: dict[str, Any], env: Env, step: int) -> dict[str, Value] | None:
    found: dict[str, Value] = {}
    for key, one in values.items():
        kind = type(one)
        if kind in _SCALARS:
            found[key] = one
            continue
        if kind is dict:
            evaluator.left -= step
            evaluator.depth += step
            value: Value = _certain(evaluator, one, env, step)
            evaluator.depth -= step
            if value is None:
                return None
        elif kind is list:
            evaluator.left -= 1
            value = one.copy()
        else:
            value = _text(evaluator, one, env) if kind is Interpolation else evaluator.value(one, env)
            if type(value) not in _SCALARS:
                return None
        found[key] = value
    return found


def _text(evaluator: "Evaluator", node: Interpolation, env: Env) -> Value:
    """Return a text in which parameters and variables are interpolated that are texts: quick, as most are."""
    frame = env.frame
    parts: list[Any] = node.parts
    if not (evaluator.marked or env.default or env.arguments is not None):
        values: dict[Any, dict[str, Value]] = {Parameter: frame.known_parameters, Variable: frame.known_variables}
        try:
            written = [part if type(part) is str else values[type(part)][part.name] for part in parts]
            whole = "".join(written)
        except (KeyError, TypeError):
            return evaluator.value(node, env)
        if len(whole) <= LONGEST_TEXT:
            evaluator.left -= 1 + sum(map(is_not, written, parts))
            return whole
    return evaluator.value(node, env)
