"""Texts that the Bicep compiler computes: functions that load files take no others.

The compiler gives many expressions the type of one text: literals, variables of them, parts of a loaded file, and what
some functions make of such texts. It refuses what is known only by a deployment.
"""

from collections.abc import Mapping
from typing import Final

from guardrails.evaluation.evaluate import Evaluator
from guardrails.evaluation.expressions import (
    Access,
    Array,
    Call,
    Interpolation,
    Literal,
    Local,
    Node,
    Object,
    Parameter,
    Symbol,
    Variable,
)
from guardrails.evaluation.frames import Env, Frame
from guardrails.evaluation.template import Template, VariableDeclaration
from guardrails.evaluation.values import EngineError, TooMuch, Unknown
from guardrails.evaluation.world import World
from guardrails.files.bicep_checks import parts

_COMPUTED: Final = frozenset({"format", "toLower", "toUpper", "replace", "trim", "padLeft"})
"""Functions of which the compiler computes the text, where it knows the arguments."""
_BY_DEPLOYMENT: Final = frozenset({
    "deployer", "deployment", "environment", "managementGroup", "newGuid", "reference", "resourceGroup", "subscription",
    "tenant", "utcNow",
})  # fmt: skip
"""Functions whose result only a deployment has."""
_MADE_OF_THEM: Final = (Literal, Interpolation, Access, Array, Object)
_WORK: Final = 10_000
_LARGEST: Final = 10_000
"""Nodes that are looked through."""


def text_of(node: Node, template: Template) -> str | Unknown | None:
    """Return the text that a bound expression is for the compiler.

    Unknown where it is not certain that the compiler computes it; None where only a deployment knows it.
    """
    sure = _is_computed(node, template.variables)
    if sure is None:
        return None
    if not sure:
        return Unknown("whether the compiler computes this text is not known for certain", node.place, doubt=True)
    try:
        found = Evaluator(World(), _WORK).value(node, Env(Frame(template, "/", "", "")))
    except (EngineError, TooMuch):
        found = None
    doubtful = Unknown("which text this is for the compiler is not known for certain", node.place, doubt=True)
    return str(found) if isinstance(found, str) else doubtful


def _is_computed(node: Node, variables: Mapping[str, VariableDeclaration]) -> bool | None:
    """Whether the compiler surely computes an expression; None where it surely does not."""
    seen: set[str] = set()
    stack, sure, left = [node], True, _LARGEST
    while stack and left:
        left -= 1
        one = stack.pop()
        if isinstance(one, Parameter | Symbol | Local) or (isinstance(one, Call) and one.name in _BY_DEPLOYMENT):
            return None
        if isinstance(one, Variable):
            declared = variables.get(one.name)
            if declared is None or declared.home is not None:
                sure = False
            elif one.name not in seen:
                seen.add(one.name)
                stack.append(declared.value)
            continue
        computed = one.name in _COMPUTED if isinstance(one, Call) else isinstance(one, _MADE_OF_THEM)
        sure = sure and computed
        stack += parts(one)
    return sure and not stack
