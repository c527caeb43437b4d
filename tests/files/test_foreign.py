"""Files that are not what Azure returns are named, whatever they are called, and never judged."""

import json
from typing import Any

import pytest

from guardrails.files import foreign
from guardrails.files.arm_json import read_bytes
from tests import reference

TERRAFORM = "Terraform configuration"
EPAC = "an exemption file of Enterprise Policy as Code"

TEXTS = {
    'resource "azurerm_resource_policy_exemption" "x" {\n  name = "x"\n}\n': TERRAFORM,
    '# ours\nlocals {\n  ids = ["a"]\n}\n': TERRAFORM,
    'module "exemption" {\n  source = "./exemption"\n}\n': TERRAFORM,
    'variable "expires_on" { type = string }\n': TERRAFORM,
    "targetScope = 'subscription'\n": "Bicep",
    "@description('x')\nparam name string = 'x'\n": "Bicep",
    "import { x } from 'y.bicep'\nresource e 'Microsoft.Authorization/policyExemptions@x' = {\n": "Bicep",
    "using 'main.bicep'\nparam name = 'x'\n": "Bicep",
    '{\n  // ours\n  "exemptions": [ { "name": "x", }, ],\n}\n': EPAC,
    '{ "exemptions": [ { "name": ... } ] }': EPAC,
    '[{"name": "x", "exemptionCategory": "Waiver", "scope": "/subscriptions/1"},]': EPAC,
    "name,displayName,exemptionCategory,expiresOn,scope\nx,X,Waiver,,/subscriptions/1\n": EPAC,
    '"name";"displayName";"ExemptionCategory";"scope"\n': EPAC,
    '"Id","Name","ExemptionCategory","ExpiresOn"\n"/x","x","Waiver",""\n': "a CSV file",
    "<!DOCTYPE html>\n<html><body>Sign in</body></html>": "a web page",
    '{"$schema": "https://x/deploymentTemplate.json#", /* ours */ "resources": []}': "a deployment template",
}
OBJECTS: dict[str, list[dict[str, Any]]] = {
    EPAC: [
        {"exemptions": []},
        {"exemptions": [{"name": "x"}], "$schema": "https://x/policy-exemption-schema.json"},
        {"name": "x", "displayName": "x", "exemptionCategory": "Waiver", "scopes": ["/subscriptions/1"]},
        {"name": "x", "exemptionCategory": "Waiver", "policySetDefinitionName": "base", "scope": "/subscriptions/1"},
        {"exemptions": {"new": {}, "update": {}, "replace": {}, "delete": {}}},
    ],
    "an exemption file of AzPolicyFactory": [{"policyExemption": {"name": "x"}, "subscriptionId": "1"}],
    "a deployment template": [
        {"$schema": "https://x/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": []},
        {"contentVersion": "1.0.0.0", "resources": {"x": {}}, "parameters": {}},
    ],
    "a parameter file of a deployment": [
        {"$schema": "https://x/deploymentParameters.json#", "contentVersion": "1.0.0.0", "parameters": {}},
        {"contentVersion": "1.0.0.0", "parameters": {"name": {"value": "x"}}},
    ],
    "a state of Terraform": [
        {"version": 4, "terraform_version": "1.9.0", "serial": 1, "resources": [{"type": "azurerm_x"}]},
        {"format_version": "1.0", "values": {"root_module": {}}},
    ],
    "a plan of Terraform": [
        {"format_version": "1.2", "terraform_version": "1.9.0", "planned_values": {}, "resource_changes": []}
    ],
    TERRAFORM: [{"resource": {"azurerm_subscription_policy_exemption": {"x": {"name": "x"}}}}],
    "a report of judge or scan": [
        {"id": "/x", "verdict": "pass", "findings": [], "plan": {}},
        {"generated_at": "x", "judged_at": "x", "exemptions": [], "bypasses": []},
    ],
}


@pytest.mark.parametrize(("text", "what"), TEXTS.items(), ids=lambda value: value[:30])
def test_texts(text: str, what: str) -> None:
    [problem] = read_bytes(text.encode()).problems
    assert problem.message.startswith(f"this is {what}; ")


@pytest.mark.parametrize(("what", "node"), [(what, one) for what, nodes in OBJECTS.items() for one in nodes], ids=str)
def test_objects(what: str, node: dict[str, Any]) -> None:
    reading = read_bytes(json.dumps(node).encode())
    assert reading.items == ()
    [problem] = reading.problems
    assert problem.message.startswith(f"this is {what}; ")


@pytest.mark.parametrize("name", ["a.tf", "a.tfvars", "A.BICEP", "x/a.bicepparam", "a.csv", "a.hcl"])
def test_the_ending_decides_where_the_text_does_not(name: str) -> None:
    [problem] = read_bytes(b"# nothing here\n", name).problems
    assert problem.message.startswith("this is ")


def test_many_are_notified_once() -> None:
    entries = [{"name": f"x{n}", "exemptionCategory": "Waiver", "scope": "/subscriptions/1"} for n in range(300)]
    [problem] = read_bytes(json.dumps(entries).encode()).problems
    assert problem.place == "$[0]"
    assert problem.message.endswith("(299 more like it)")


@pytest.mark.parametrize(
    ("identity", "what"),
    [
        ("/subscriptions/1/providers/Microsoft.Authorization/policyAssignments/a", "a policy assignment"),
        ("/providers/microsoft.authorization/policysetdefinitions/a", "an initiative"),
        ("/providers/Microsoft.Authorization/policySetDefinitions/a/versions/1.0.0", "an initiative"),
        ("/providers/Microsoft.Authorization/policyDefinitions/a", "a policy definition"),
    ],
)
def test_other_resources(identity: str, what: str) -> None:
    assert foreign.of_id(identity).startswith(f"this is {what}, not an exemption; ")


@pytest.mark.parametrize(
    "identity",
    [
        "/subscriptions/1/providers/Microsoft.Authorization/policyExemptions/a", "/subscriptions/1", "", None, 7,
        "/subscriptions/1/providers/Microsoft.Authorization/policyDefinitions/d/providers/microsoft.authorization/policyexemptions/a",
    ],
)  # fmt: skip
def test_exemptions_are_none_of_them(identity: object) -> None:
    assert foreign.of_id(identity) == ""


@pytest.mark.parametrize(
    "text", ["", "WARNING: hello\n[]", "{'id': 1}", "[" * 1000, "name,other\n1,2\n", '{"id": "/a",}']
)
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert foreign.of_text(text) == ""


@pytest.mark.parametrize("folder", ["epac", "arm-bicep", "terraform"])
def test_policy_as_code_of_the_corpus_is_named(folder: str) -> None:
    for path in reference.files(f"corpus/{folder}"):
        for name in (path.name, "exemptions.json"):
            reading = read_bytes(path.read_bytes(), name)
            assert reading.items == (), path.name
            assert [one.message.startswith("this is ") for one in reading.problems] == [True], path.name


@pytest.mark.parametrize(
    "piece", ["/*", "\n", '"', '"\\', ",", " ,", "// x\n", "{", "locals\n", "param ", 'resource "', ";", "\\"]
)
def test_no_text_takes_long(piece: str) -> None:
    for text in (piece * 500_000, "x" + piece * 500_000 + "y"):
        assert foreign.of_text(text, "exemptions.json") in ("", foreign.of_text(text))
