import json
from typing import Final

from guardrails.evaluation.deploy import deploy
from guardrails.files.arm_template import read_parameter_file, read_template
from tests.oracles.bicep import FOLDER
from tests.oracles.compare import Tally, compare_expression, compare_plan, expected, expressions, needed, world

SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def test_templates_deploy_what_the_engine_deploys() -> None:
    needed()
    tally = Tally()
    for path in sorted(FOLDER.glob("5?-*.json")):
        if path.name.endswith(".parameters.json"):
            continue
        wanted = expected(path.name)
        beside = path.with_suffix(".parameters.json")
        parameters = read_parameter_file(beside.read_text(), beside.name) if beside.exists() else None
        compare_plan(
            tally, wanted, deploy(read_template(path.read_text(), path.name), world(wanted["scope"]), parameters)
        )
    tally.check("ARM templates")


def test_expressions_have_the_values_that_the_engine_computes() -> None:
    needed()
    tally = Tally()
    for one in expressions("arm"):
        template = {
            "$schema": SCHEMA,
            "contentVersion": "1.0.0.0",
            "resources": [],
            "outputs": {"x": {"type": "object", "value": one["expression"]}},
        }
        compare_expression(tally, one, deploy(read_template(json.dumps(template), "x.json"), world("resourceGroup")))
    tally.check("ARM expressions")
