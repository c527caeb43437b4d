"""Run by test_arm_sdk.py in an environment of its own: every exemption operation of Azure's typed Python client.

Usage: sdk_client.py ARM_ADDRESS SUBSCRIPTION_ID. Prints one JSON object. Nothing of the client is changed: it is given
an address, a credential, and, because that address is plain HTTP, enforce_https=False.
"""

import importlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential

CORP = "/providers/Microsoft.Management/managementGroups/corp"


def run(address: str, subscription: str) -> dict[str, Any]:
    policy = importlib.import_module("azure.mgmt.resource.policy")
    models = importlib.import_module("azure.mgmt.resource.policy.models")
    group = f"/subscriptions/{subscription}/resourceGroups/demoCluster"
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/kv1"
    plain = {"enforce_https": False}
    found: dict[str, Any] = {}
    with (
        ManagedIdentityCredential() as credential,
        policy.PolicyClient(credential, subscription, base_url=address, retry_total=2) as client,
    ):
        exemptions = client.policy_exemptions
        body = models.PolicyExemption(
            policy_assignment_id=f"{CORP}/providers/Microsoft.Authorization/policyAssignments/initiative",
            policy_definition_reference_ids=["tls"],
            exemption_category=models.ExemptionCategory.WAIVER,
            expires_on=datetime(2027, 1, 31, tzinfo=UTC),
            display_name="Partner ingestion",
            metadata={"ticket": "SEC-1"},
        )
        for name, scope in {"mg": CORP, "sub": f"/subscriptions/{subscription}", "rg": group, "res": vault}.items():
            made = exemptions.create_or_update(scope, name, body, **plain)
            got = exemptions.get(scope, name, **plain)
            assert got.id == made.id, (got.id, made.id)
        found["expires_on"] = got.expires_on.isoformat()
        found["metadata"] = dict(got.metadata)
        found["created_by_type"] = got.system_data.created_by_type.value
        selector = models.ResourceSelector(
            name="s", selectors=[models.Selector(kind="resourceLocation", in_property=["westeurope"])]
        )
        changed = exemptions.update(vault, "res", models.PolicyExemptionUpdate(resource_selectors=[selector]), **plain)
        found["patched"] = changed.resource_selectors[0].selectors[0].in_property
        found["lists"] = {
            "sub": _names(exemptions.list(**plain)),
            "sub at scope": _names(exemptions.list(filter="atScope()", **plain)),
            "mg": _names(exemptions.list_for_management_group("corp", filter="atScope()", **plain)),
            "rg": _names(exemptions.list_for_resource_group("demoCluster", **plain)),
            "res": _names(
                exemptions.list_for_resource(
                    "demoCluster", "Microsoft.KeyVault", "", "vaults", "kv1", filter="atExactScope()", **plain
                )
            ),
        }
        found["assignments"] = _names(client.policy_assignments.list(**plain))
        found["builtin"] = client.policy_definitions.get_built_in("tls", **plain).policy_type
        exemptions.delete(vault, "res", **plain)
        exemptions.delete(vault, "res", **plain)
        try:
            exemptions.get(vault, "res", **plain)
        except ResourceNotFoundError as error:
            found["not_found"] = error.error.code if error.error else str(error)
        try:
            exemptions.create_or_update(group, "bad", models.PolicyExemption(exemption_category="Waiver"), **plain)
        except HttpResponseError as error:
            found["refused"] = error.error.code if error.error else str(error)
    return found


def _names(rows: Any) -> list[str]:
    return sorted(row.name for row in rows)


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2])))
