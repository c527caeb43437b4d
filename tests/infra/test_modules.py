"""infra/modules: what the checker says, what the module writes, and that our rules read it as it is meant."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.rules import all_rules
from guardrails.rules.base import Violation
from guardrails.rules.sample import BODY, EXEMPTIONS, FACTS, RESOURCE
from guardrails.runtime.settings import Settings
from tests import reference
from tests.infra.bicep import checked

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "infra" / "modules"
SOURCE = (MODULES / "exemption.bicep").read_text("utf-8")
EXAMPLE = (MODULES / "example.bicep").read_text("utf-8")
TEMPLATE: dict[str, Any] = json.loads((MODULES / "exemption-on-resource.json").read_text("utf-8"))
VERSIONS = re.findall(r"'Microsoft\.Authorization/policyExemptions@([\w-]+)'", SOURCE)
PARAMETERS = re.findall(r"^param (\w+) ", SOURCE, re.MULTILINE)
GUID = "5b7d2c5e-1c0a-5f7e-9b2d-6f3f0a4f8f10"


def block(opening: str) -> dict[str, str]:
    """Return name -> expression of the object that opens with this text; one name a line."""
    _, _, rest = SOURCE.partition(opening)
    assert rest, opening
    return dict(re.findall(r"^ +(\w+): (\S+)$", rest[: rest.index("}")], re.MULTILINE))


PROPERTIES = block("var exemption = {")
APPROVAL = block("var approval = union(\n  {")
GIVEN = dict(re.findall(r"^    (\w+): '([^']*)'$", EXAMPLE, re.MULTILINE))


def test_the_checker_finds_nothing() -> None:
    assert "0 errors, 0 warnings in" in checked("--strict", str(ROOT / "infra"))


def test_both_forms_write_the_version_that_the_guardrails_write() -> None:
    (resource,) = TEMPLATE["resources"]
    (version,) = (item.default for item in fields(Settings) if item.name == "exemptions_version")
    assert {*VERSIONS, resource["apiVersion"]} == {version}


def test_the_template_passes_on_what_it_is_given() -> None:
    (resource,) = TEMPLATE["resources"]
    passed = {name: resource[name] for name in ("scope", "name", "properties")}
    assert passed == {
        "scope": "[parameters('targetId')]",
        "name": "[parameters('name')]",
        "properties": "[parameters('properties')]",
    }
    assert set(TEMPLATE["parameters"]) == {"targetId", "name", "properties"}


@pytest.mark.parametrize("place", reference.places("azure-types"), ids=reference.label)
def test_azure_knows_every_property_that_is_written(place: Path) -> None:
    entries = json.loads((place / "microsoft.authorization" / f"{VERSIONS[0]}.json").read_text("utf-8"))
    (known,) = (one["properties"] for one in entries if one.get("name") == "PolicyExemptionProperties")
    required = {name for name, one in known.items() if one["flags"] & 1}
    assert required <= set(PROPERTIES) <= set(known)


def test_the_name_depends_on_target_assignment_and_policies_and_on_nothing_else() -> None:
    (name,) = re.findall(r"^var exemptionName = (.+)$", SOURCE, re.MULTILINE)
    assert name == "guid(toLower(targetId), toLower(assignmentId), join(sortedReferences, ','))"
    assert not re.search(r"\b(newGuid|utcNow|deployment|uniqueString)\(", SOURCE)


def test_what_must_be_said_has_no_default_and_is_described() -> None:
    optional = set(re.findall(r"^param (\w+) .*= ", SOURCE, re.MULTILINE))
    assert optional == {"targetId", "category", "compensatingControl"}
    for name in PARAMETERS:
        above = SOURCE[: SOURCE.index(f"\nparam {name} ")].rsplit("\n\n", 1)[1]
        assert above.startswith("@description('"), name
        assert name in optional or re.search(r"@minLength\([1-9]", above), name


def deployed(**changes: Any) -> tuple[Exemption, Facts]:
    """The example's exemption as ARM returns it once it is deployed."""

    def value(expression: str) -> Any:
        return True if expression == "true" else GIVEN[expression]

    metadata = {key: value(expression) for key, expression in APPROVAL.items()}
    computed = {"assignmentId": BODY["properties"]["policyAssignmentId"], "referenceIds": ["denyPublicNetwork"]}
    properties = {
        name: metadata if name == "metadata" else computed.get(expression) or value(expression)
        for name, expression in PROPERTIES.items()
    }
    body = {**BODY, "id": f"{RESOURCE}{EXEMPTIONS}{GUID}", "name": GUID, "properties": properties}
    return Exemption.from_arm(body), replace(FACTS, **changes)


def test_the_example_keeps_every_rule_however_often_its_target_is_made_again() -> None:
    exemption, facts = deployed(recreated=100)
    found = {name: rule.check(exemption, facts, rule.options()) for name, rule in all_rules().items()}
    assert {name for name, outcome in found.items() if type(outcome).__name__ != "Pass"} == set()
    said = {role: exemption.said[role] for role in ("owner", "ticket", "approver", "review")}
    assert said == {
        "owner": GIVEN["owner"],
        "ticket": GIVEN["ticket"],
        "approver": GIVEN["approver"],
        "review": GIVEN["reviewDate"],
    }


def test_without_the_mark_of_the_module_it_would_not() -> None:
    exemption, facts = deployed(recreated=100)
    body = json.loads(json.dumps(exemption.body))
    del body["properties"]["metadata"]["coLocated"]
    rule = all_rules()["recreated-often"]
    assert isinstance(rule.check(Exemption.from_arm(body), facts, rule.options()), Violation)
