"""Every generated rule fits Azure's published schema of policy rules."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from guardrails.policy.build import build
from guardrails.policy.given import read
from guardrails.ruleset.model import Ruleset
from tests.policy import rulesets
from tests.policy.evaluator import Policy

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / ".." / "shared" / "schemas" / "policyDefinition-2020-10-01.json"
GENERATED = ROOT / "infra" / "policies"
ALL = {**rulesets.fixed(), **{f"generated {seed}": rulesets.generated(seed) for seed in range(12)}}

# What the schema refers to and is published elsewhere: an expression is a text in brackets; deployments are not ours.
STAND_INS = {
    "https://schema.management.azure.com/schemas/common/definitions.json": {
        "definitions": {"expression": {"type": "string", "pattern": r"^\[(?s:.*)\]$"}}
    },
    "https://schema.management.azure.com/schemas/2018-05-01/Microsoft.Resources.Deployments.json": {
        "definitions": {"DeploymentProperties": {"type": "object"}}
    },
}


@pytest.fixture(scope="module")
def schema() -> Draft4Validator:
    if not SCHEMA.is_file():
        pytest.skip("the published schemas are not beside the repository")
    resources = [(address, DRAFT4.create_resource(stand_in)) for address, stand_in in STAND_INS.items()]
    return Draft4Validator(
        json.loads(SCHEMA.read_text(encoding="utf-8")), registry=Registry().with_resources(resources)
    )


def rule_of(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the rule without the details of denyAction, which is younger than the schema."""
    rule: dict[str, Any] = definition["properties"]["policyRule"]
    if rule["then"].get("details") == {"actionNames": ["delete"]}:
        return {**rule, "then": {"effect": rule["then"]["effect"]}}
    return rule


def definitions(files: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, text in files.items():
        if path.startswith("definitions/"):
            yield path, json.loads(text)


def built(ruleset: Ruleset) -> dict[str, str]:
    return build(ruleset, read({path.name: path.read_bytes() for path in (GENERATED / "sources").glob("*.json")}))


def test_the_schema_with_its_stand_ins_accepts_right_and_refuses_wrong(schema: Draft4Validator) -> None:
    condition: dict[str, Any] = {"field": "type", "equals": "x"}
    assert schema.is_valid({"if": condition, "then": {"effect": "[parameters('effect')]"}})
    for wrong in (
        {"if": condition, "then": {"effect": "refuse"}},
        {"if": {"field": "type", "equals": True}, "then": {"effect": "deny"}},
        {"if": {"field": "type", "like": "x", "equals": "x"}, "then": {"effect": "deny"}},
        {"if": {"allOf": []}, "then": {"effect": "deny"}},
        {"if": {"allOf": [condition], "field": "type"}, "then": {"effect": "deny"}},
        {"if": condition},
    ):
        assert not schema.is_valid(wrong), wrong


@pytest.mark.parametrize("name", ALL)
def test_generated_rules_are_valid(name: str, schema: Draft4Validator) -> None:
    for path, definition in definitions(built(ALL[name])):
        problems = [error.message for error in schema.iter_errors(rule_of(definition))]
        assert problems == [], path
        assert len(definition["name"]) <= 64
        assert len(definition["properties"]["displayName"]) <= 128
        assert len(definition["properties"]["description"]) <= 512
        assert len(json.dumps(definition)) < 1024 * 1024


def test_rules_in_the_repository_are_valid(schema: Draft4Validator) -> None:
    found = {
        path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GENERATED.rglob("definitions/*.json"))
    }
    assert found
    for path, definition in found.items():
        assert [error.message for error in schema.iter_errors(rule_of(definition))] == [], path.name


@pytest.mark.parametrize("name", ALL)
def test_the_initiatives_give_each_policy_what_it_wants(name: str) -> None:
    """Every parameter that a member passes on is declared by both, and Azure would take its default."""
    files = built(ALL[name])
    policies = {definition["name"]: Policy(definition) for _, definition in definitions(files)}
    for path, text in files.items():
        if not path.startswith("initiatives/"):
            continue
        properties = json.loads(text)["properties"]
        declared = properties.get("parameters", {})
        passed = set()
        references = [member["policyDefinitionReferenceId"] for member in properties["policyDefinitions"]]
        assert len({reference.lower() for reference in references}) == len(references)
        for member in properties["policyDefinitions"]:
            values = {}
            for parameter, said in member.get("parameters", {}).items():
                shared = said["value"].removeprefix("[parameters('").removesuffix("')]")
                passed.add(shared)
                values[parameter] = declared[shared].get("defaultValue")
            if "policyDefinitionName" in member:
                policy = policies[member["policyDefinitionName"]]
                known = {one: value for one, value in values.items() if value is not None}
                assert policy.values(known)
                assert policy.declared.keys() >= values.keys()
        assert passed == declared.keys(), path
