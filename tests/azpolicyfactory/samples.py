"""A configuration file of AzPolicyFactory that keeps all rules, and changes of it."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.azpolicyfactory.config import ConfigFile
from guardrails.files.azpolicyfactory import read_config

NOW: Final = datetime(2026, 11, 28, 15, 40, tzinfo=UTC)
SUBSCRIPTION: Final = "11111111-2222-3333-4444-555555555555"
CORP: Final = "/providers/Microsoft.Management/managementGroups/corp"


def config(root: dict[str, Any] | None = None, people: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """Return a file; `root`, `people` and keys of the exemption in place of its own, None takes one out."""
    metadata = {
        "requestedBy": "Mara", "approvedBy": "Tomas", "approvedOn": "2026-10-01", "ticketRef": "SEC-1",
        "owner": "web@contoso.com", "ticket": "SEC-1", **(people or {}),
    }  # fmt: skip
    exemption = {
        "name": "pex-web", "displayName": "The web shop",
        "description": "The uploader of a partner cannot use private endpoints until its next release.",
        "metadata": metadata, "policyAssignmentId": f"{CORP}/providers/Microsoft.Authorization/policyAssignments/net",
        "exemptionCategory": "Waiver", "assignmentScopeValidation": "Default",
        "policyDefinitionReferenceIds": ["tls"], "expiresOn": "2027-03-31T22:00:00Z", **keys,
    }  # fmt: skip
    scope = {"subscriptionId": SUBSCRIPTION, "resourceGroupName": "rg-web"}
    made = {
        "$schema": "../policyExemption.schema.json",
        "policyExemption": _without(exemption),
        **scope,
        **(root or {}),
    }
    return _without(made)


def _without(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def file_of(said: Any, name: str = "a.json") -> ConfigFile:
    """Return a file as it is read: of text, bytes, or a value that is written as JSON."""
    data = said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else json.dumps(said).encode()
    return read_config(data, f"policyExemptions/dev/{name}", name)
