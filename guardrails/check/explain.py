"""Where a value comes from: the parameters, variables, modules and files that its expression leads through. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, fields
from guardrails.evaluation.expressions import Literal, Member, Node, Object, Opaque, Parameter, Symbol, Variable
from guardrails.evaluation.plan import PlannedExemption
from guardrails.evaluation.template import Given, Template
from guardrails.evaluation.values import Place

_MOST: Final = 50
"""Steps that are shown of one value."""


class Origin(NamedTuple):
    """One step back: `the parameter ends, given` and the place of that."""

    what: str
    place: Place


@dataclass(frozen=True, slots=True)
class Level:
    """A template, and what its caller gives to its parameters; `above`: the caller's level."""

    template: Template
    given: Mapping[str, Given]
    above: "Level | None"


def explained(one: PlannedExemption, template: Template, given: Mapping[str, Given]) -> list[tuple[str, list[Origin]]]:
    """Return where the values of an exemption come from: JSON pointers into it, and the steps, the nearest first.

    Values that stand in the code as they are have none.
    """
    level = level_of(one, Level(template, given, None))
    found = []
    for pointer, node in leaves(one.body, "/properties"):
        back = [*steps(node, level, set())][:_MOST]
        if back:
            found.append((pointer, back))
    return found


def level_of(one: PlannedExemption, level: Level) -> Level:
    """Return the level of the template that holds an exemption. `level`: of the template that is deployed."""
    for place in one.via:
        inner = next((each for each in level.template.resources if each.place == place and each.deployment), None)
        deployment = inner.deployment if inner else None
        if deployment is None or deployment.template is None:
            return level
        level = Level(deployment.template, deployment.parameters, level)
    return level


def leaves(node: Node | None, pointer: str) -> Iterator[tuple[str, Node]]:
    """Yield the expressions in an object that are computed, each with its JSON pointer."""
    if isinstance(node, Object):
        for member in node.members:
            if isinstance(member, Member):
                key = member.key.value if isinstance(member.key, Literal) else member.key
                if isinstance(key, str):
                    yield from leaves(member.value, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif node is not None and not isinstance(node, Literal):
        yield pointer, node


def steps(node: Any, level: Level, seen: set[tuple[int, str, str]]) -> Iterator[Origin]:
    """Yield the steps back from an expression."""
    if isinstance(node, Parameter):
        yield from _parameter(node, level, seen)
    elif isinstance(node, Variable):
        declared = level.template.variables.get(node.name)
        if declared and _is_new(level, "variable", node.name, seen):
            yield Origin(f"the variable {node.name}", declared.place)
            yield from steps(declared.value, level, seen)
    elif isinstance(node, Symbol):
        resource = next((one for one in level.template.resources if one.symbol == node.name), None)
        if resource and _is_new(level, "resource", node.name, seen):
            yield Origin(f"the resource {node.name}", resource.place)
    elif isinstance(node, Opaque):
        yield Origin(node.unknown.reason, node.place)
    elif isinstance(node, list):
        for item in node:
            yield from steps(item, level, seen)
    elif hasattr(node, "__dataclass_fields__") and not isinstance(node, Literal):
        for field in fields(node):
            if field.name != "place":
                yield from steps(getattr(node, field.name), level, seen)


def _parameter(node: Parameter, level: Level, seen: set[tuple[int, str, str]]) -> Iterator[Origin]:
    declared = next((one for name, one in level.template.parameters.items() if name.lower() == node.name.lower()), None)
    if declared is None or not _is_new(level, "parameter", declared.name, seen):
        return
    given = next((one for name, one in level.given.items() if name.lower() == node.name.lower()), None)
    if given is not None:
        yield Origin(f"the parameter {declared.name}, given", given.place)
        if level.above is not None:
            yield from steps(given.value, level.above, seen)
    elif declared.default is not None:
        yield Origin(f"the parameter {declared.name}, by its default", declared.place)
        yield from steps(declared.default, level, seen)
    else:
        yield Origin(f"the parameter {declared.name}, which has no value", declared.place)


def _is_new(level: Level, kind: str, name: str, seen: set[tuple[int, str, str]]) -> bool:
    key = id(level.template), kind, name
    if key in seen:
        return False
    seen.add(key)
    return True
