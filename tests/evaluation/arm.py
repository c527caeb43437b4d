"""Templates and expressions for tests, in the shortest form."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.plan import Plan
from guardrails.evaluation.values import EngineError, Value, first_unknown
from guardrails.evaluation.world import World
from guardrails.files.arm_template import read_parameter_file, read_template

SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/{}eploymentTemplate.json#"
GUID: Final = "aaaaaaaa-0000-4000-8000-000000000001"
SUBSCRIPTION: Final = f"/subscriptions/{GUID}"
GROUP: Final = f"{SUBSCRIPTION}/resourceGroups/rg"
WORLD: Final = World(GROUP, "bbbbbbbb-0000-4000-8000-000000000002", "northeurope", "daily")
NOW: Final = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
EXEMPTION: Final = "Microsoft.Authorization/policyExemptions"


def exemption(name: str = "e", **more: Any) -> dict[str, Any]:
    """Return an exemption of a template; `properties` add to its usual ones."""
    properties = {"policyAssignmentId": "/a", "exemptionCategory": "Waiver", **more.pop("properties", {})}
    return {"type": EXEMPTION, "apiVersion": "2022-07-01-preview", "name": name, **more, "properties": properties}


def nested(template: dict[str, Any], *, inner: bool = True, name: str = "n", **more: Any) -> dict[str, Any]:
    """Return a nested deployment; `parameters` are given to it."""
    properties: dict[str, Any] = {"mode": "Incremental", "template": template}
    if inner:
        properties["expressionEvaluationOptions"] = {"scope": "Inner"}
    properties["parameters"] = {key: {"value": value} for key, value in more.pop("parameters", {}).items()}
    return {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name, **more,
            "properties": properties}  # fmt: skip


def template(*resources: Any, scope: str = "", **sections: Any) -> dict[str, Any]:
    """Return a template, to a resource group unless `scope` is subscription, managementGroup or tenant."""
    schema = SCHEMA.format(f"{scope}D" if scope else "d")
    return {"$schema": schema, "contentVersion": "1.0.0.0", "resources": list(resources), **sections}


def plan(source: dict[str, Any] | str, world: World = WORLD, given: dict[str, Any] | None = None) -> Plan:
    """Deploy a template, with values for its parameters."""
    text = source if isinstance(source, str) else json.dumps(source, indent=1, ensure_ascii=False)
    parameters = None
    if given is not None:
        values = {
            key: one if isinstance(one, dict) and "reference" in one else {"value": one} for key, one in given.items()
        }
        parameters = read_parameter_file(json.dumps({"parameters": values}), "main.parameters.json")
    return deploy(read_template(text, "main.json"), world, parameters)


def value(expression: str, world: World = WORLD, **sections: Any) -> Value:
    """Return the value of an expression as an output. Raises EngineError where it is refused."""
    found = plan(template(**sections, outputs={"x": {"type": "object", "value": expression}}), world)
    errors = [one for one in found.diagnostics if one.level == "error"]
    if errors:
        raise EngineError(errors[0].message, errors[0].place)
    return found.outputs["x"]


def is_refused(expression: str, **sections: Any) -> bool:
    """Whether an expression is refused."""
    try:
        value(expression, **sections)
    except EngineError:
        return True
    return False


def is_unknown(expression: str, **sections: Any) -> bool:
    """Whether an expression has no value that is known."""
    return first_unknown(value(expression, **sections)) is not None
