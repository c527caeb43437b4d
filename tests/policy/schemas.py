"""The schemas that the rule of a policy keeps: ours, and beside the repository the one that Azure publishes."""

import json
from typing import Any, Final

from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.jsonschema import DRAFT4

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


def validators() -> list[Validator]:
    """Return a validator for each schema that is there."""
    registry: Registry[Any] = Registry().with_resources(
        (address, DRAFT4.create_resource(stand_in)) for address, stand_in in _STAND_INS.items()
    )
    names = ("schemas/policy-rule.json", "schemas/policyDefinition-2020-10-01.json")
    schemas = [json.loads(path.read_text(encoding="utf-8")) for name in names for path in reference.places(name)]
    return [validator_for(schema)(schema, registry=registry) for schema in schemas]


def problems(rule: Any) -> list[str]:
    """Return what is wrong with a rule, by any of the schemas."""
    return [error.message for one in VALIDATORS for error in one.iter_errors(rule)]


VALIDATORS: Final = validators()
