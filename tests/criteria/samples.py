"""Assignments and exemptions with real facts: the Microsoft cloud security benchmark, and Azure's SOC 2 initiative."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from guardrails.criteria.table import own_table
from guardrails.exemption.facts import Assignment, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.sources import ARM, Source
from guardrails.exemption.versions import Choice, assigned, definition_of
from guardrails.rules.sample import ASSIGNMENT, BODY

DEFINITIONS = "/providers/Microsoft.Authorization/policyDefinitions/"
INITIATIVES = "/providers/Microsoft.Authorization/policySetDefinitions/"
PREFIX = "Azure_Security_Benchmark_v3.0_"
_BENCHMARK = json.loads(Path(__file__).with_name("benchmark.json").read_text(encoding="utf-8"))
BENCHMARK = INITIATIVES + _BENCHMARK["name"]
SOC2 = INITIATIVES + own_table().source.id


def benchmark_body(*, grouped: bool = True) -> dict[str, Any]:
    """Return the properties of the benchmark, as ARM gives them."""
    members = [
        {
            "policyDefinitionReferenceId": reference,
            "policyDefinitionId": DEFINITIONS + guid,
            **({"groupNames": [PREFIX + name for name in names]} if grouped else {}),
        }
        for reference, guid, names in _BENCHMARK["policyDefinitions"]
    ]
    about = {name: _BENCHMARK[name] for name in ("displayName", "version")}
    return {**about, "policyType": "BuiltIn", "versions": [about["version"]], "policyDefinitions": members}


def soc2_body() -> dict[str, Any]:
    """Return the properties of the SOC 2 initiative, as ARM gives them."""
    table = own_table()
    members = [
        {
            "policyDefinitionReferenceId": guid,
            "policyDefinitionId": DEFINITIONS + guid.upper(),
            "groupNames": [f"SOC_2_{criterion}" for criterion in criteria],
        }
        for guid, criteria in {**table.technical, **table.manual}.items()
    ]
    version = table.source.version
    return {"displayName": "SOC 2 Type 2", "version": version, "policyType": "BuiltIn", "policyDefinitions": members}


def assignment_of(definition: str, properties: Mapping[str, Any] | Unread) -> Assignment:
    """Return the assignment of an initiative with these properties."""
    found = properties if isinstance(properties, Unread) else definition_of(definition, properties)
    version = "" if isinstance(properties, Unread) else str(properties.get("version", ""))
    return assigned(ASSIGNMENT, definition, found, Choice(version, "its only version"), ())


def custom(members: Iterable[Mapping[str, Any]], **more: Any) -> Assignment:
    """Return the assignment of a custom initiative."""
    body = {"policyType": "Custom", "version": "1.0.0", "displayName": "Ours", "policyDefinitions": list(members)}
    return assignment_of("/subscriptions/s" + INITIATIVES + "ours", {**body, **more})


def exempting(*references: str, source: Source = ARM, **properties: Any) -> Exemption:
    """Return an exemption from some policies of an assignment; from all of them without any."""
    body = {
        **BODY,
        "properties": {**BODY["properties"], "policyDefinitionReferenceIds": list(references), **properties},
    }
    return Exemption.from_arm(body, source=source)
