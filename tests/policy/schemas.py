"""The schemas that the rule of a policy keeps: ours, and beside the repository the one that Azure publishes."""

import json
from typing import Any, Final

from jsonschema_rs import Draft4, Registry, validator_for

from tests import reference

_AZURE: Final = "https://schema.management.azure.com/schemas"
_STAND_INS: Final = {
    f"{_AZURE}/common/definitions.json": {
        "definitions": {"expression": {"type": "string", "pattern": r"^\[([^\[](?s:.*))?\]$"}}
    },
    f"{_AZURE}/2018-05-01/Microsoft.Resources.Deployments.json": {
        "definitions": {"DeploymentProperties": {"type": "object"}}
    },
}
"""What Azure's refers to and is published elsewhere: an expression is a text in brackets; deployments are not ours."""


_NAMES: Final = ("schemas/policy-rule.json", "schemas/policyDefinition-2020-10-01.json")
_REGISTRY: Final = Registry(_STAND_INS.items(), draft=Draft4)

SCHEMAS: Final = [json.loads(path.read_text(encoding="utf-8")) for name in _NAMES for path in reference.places(name)]
VALIDATORS: Final = [validator_for(schema, registry=_REGISTRY, offline=True) for schema in SCHEMAS]


def problems(rule: Any) -> list[str]:
    """Return what is wrong with a rule, by any of the schemas."""
    return [error.message for one in VALIDATORS for error in one.iter_errors(rule)]
