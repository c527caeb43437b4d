"""Every generated rule fits the schemas of policy rules."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Validator

from guardrails.policy.build import build
from guardrails.policy.given import read
from guardrails.ruleset.model import Ruleset
from tests.policy import rulesets
from tests.policy.evaluator import Policy
from tests.policy.schemas import SCHEMAS, VALIDATORS, problems

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "infra" / "policies"
ALL = {**rulesets.fixed(), **{f"generated {seed}": rulesets.generated(seed) for seed in range(12)}}


def rule_of(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the rule without the details of denyAction, which is younger than Azure's schema."""
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


@pytest.mark.parametrize("schema", VALIDATORS, ids=[schema["title"] for schema in SCHEMAS])
def test_a_schema_accepts_right_and_refuses_wrong(schema: Validator) -> None:
    condition: dict[str, Any] = {"field": "type", "equals": "x"}
    assert schema.is_valid({"if": condition, "then": {"effect": "[parameters('effect')]"}})
    wrongs: tuple[Any, ...] = (
        {"if": condition, "then": {"effect": "refuse"}},
        {"if": {"field": "type", "equals": True}, "then": {"effect": "deny"}},
        {"if": {"field": "type", "like": "x", "equals": "x"}, "then": {"effect": "deny"}},
        {"if": {"allOf": []}, "then": {"effect": "deny"}},
        {"if": {"allOf": [condition], "field": "type"}, "then": {"effect": "deny"}},
        {"if": condition},
        {"if": {"field": "type"}, "then": {"effect": "deny"}},
        {"if": {"value": "x", "field": "type", "equals": "x"}, "then": {"effect": "deny"}},
        {"if": {"count": {"where": condition}, "equals": 0}, "then": {"effect": "deny"}},
        {"if": {"not": condition, "field": "type"}, "then": {"effect": "deny"}},
        {"if": condition, "then": {"effect": "modify", "details": {"operations": []}}},
        {"if": condition, "then": {"effect": "audit"}, "else": {}},
    )
    for wrong in wrongs:
        assert not schema.is_valid(wrong), wrong


@pytest.mark.parametrize("name", ALL)
def test_generated_rules_are_valid(name: str) -> None:
    for path, definition in definitions(built(ALL[name])):
        assert problems(rule_of(definition)) == [], path
        assert len(definition["name"]) <= 64
        assert len(definition["properties"]["displayName"]) <= 128
        assert len(definition["properties"]["description"]) <= 512
        assert len(json.dumps(definition)) < 1024 * 1024


def test_rules_in_the_repository_are_valid() -> None:
    found = {
        path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GENERATED.rglob("definitions/*.json"))
    }
    assert found
    for path, definition in found.items():
        assert problems(rule_of(definition)) == [], path.name


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
