"""The tenant that the sandbox starts with, and people and pipelines that write exemptions in it through ARM's API."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from sandbox.identity import token_for
from sandbox.stack import Sandbox


def in_days(days: float) -> str:
    """Return the time so many days from now, as ARM spells it."""
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT00:00:00Z")


PROD: Final = "11111111-2222-3333-4444-555555555555"
DEV: Final = "66666666-7777-8888-9999-000000000000"
MANAGEMENT_GROUP: Final = "/providers/Microsoft.Management/managementGroups/contoso"
SUBSCRIPTION: Final = f"/subscriptions/{PROD}"
GROUP: Final = f"{SUBSCRIPTION}/resourceGroups/partner-ingestion"
RESOURCE: Final = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/partnerdrop"
ARCHIVE: Final = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/archive"
REPORTING: Final = f"{SUBSCRIPTION}/resourceGroups/reporting"
REPORTS: Final = f"{REPORTING}/providers/Microsoft.Storage/storageAccounts/reports"
LANDING: Final = f"{SUBSCRIPTION}/resourceGroups/landing"
SCRATCH: Final = f"{LANDING}/providers/Microsoft.Storage/storageAccounts/scratch"
EXCLUDED: Final = f"{SUBSCRIPTION}/resourceGroups/break-glass"
AUTHORIZATION: Final = "/providers/Microsoft.Authorization"
ASSIGNMENT: Final = f"{SUBSCRIPTION}{AUTHORIZATION}/policyAssignments/storage-baseline"
SINGLE: Final = f"{SUBSCRIPTION}{AUTHORIZATION}/policyAssignments/require-owner-tag"
APPROVAL: Final = {
    "owner": "data-platform@contoso.com",
    "approvalTicket": "SEC-1234",
    "approver": "ciso@contoso.com",
    "reviewDate": in_days(60)[:10],
}
VERSION: Final = "2024-12-01-preview"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who writes to ARM."""

    name: str
    token: str


PIPELINE_CLIENT_ID: Final = "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e11"
PIPELINE_OID: Final = "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e10"
_PIPELINE: Final = "landing-zone-pipeline"
PIPELINE: Final = Actor("landing-zone pipeline", token_for(_PIPELINE, PIPELINE_OID, appid=PIPELINE_CLIENT_ID))
EPAC: Final = Actor("policy-as-code", token_for("epac", "5f0e9d1c-1111-4222-8333-444455556666"))
ALICE: Final = Actor("Alice", token_for("Alice", "aaaaaaaa-1111-4222-8333-444455556666", upn="alice@contoso.com"))


def seeds() -> list[dict[str, Any]]:
    """Return the tenant's assignments, definitions and resources, for ARM's control API."""
    definitions = [f"{AUTHORIZATION}/policyDefinitions/{name}" for name in ("deny-public-network", "require-tls")]
    initiative = f"{AUTHORIZATION}/policySetDefinitions/storage-baseline"
    members = [
        {"policyDefinitionId": definition, "policyDefinitionReferenceId": reference}
        for definition, reference in zip(definitions, ("denyPublicNetwork", "requireTls"), strict=True)
    ]
    metadata = {"category": "Storage"}
    rule = {"if": {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}, "then": {"effect": "deny"}}
    return [
        *(
            {"id": one, "body": {"properties": {"policyRule": rule, "mode": "All", "metadata": metadata}}}
            for one in definitions
        ),
        {"id": initiative, "body": {"properties": {"policyDefinitions": members}}},
        {"id": ASSIGNMENT, "body": {"properties": {"policyDefinitionId": initiative}}},
        {"id": SINGLE, "body": {"properties": {"policyDefinitionId": definitions[0]}}},
        *(
            {"id": one, "body": {"location": "westeurope"}}
            for one in (
                GROUP,
                EXCLUDED,
                REPORTING,
                LANDING,
                RESOURCE,
                REPORTS,
                SCRATCH,
                f"{GROUP}/providers/Microsoft.Storage/storageAccounts/archive",
            )
        ),
    ]


async def furnish(sandbox: Sandbox) -> None:
    """Put a management group, subscriptions, policies, resources and the pipeline's identity into an empty sandbox."""
    await sandbox.control("PUT", "identities", {PIPELINE_CLIENT_ID: {"name": _PIPELINE, "oid": PIPELINE_OID}})
    group = {"id": MANAGEMENT_GROUP, "body": {"properties": {"displayName": "Contoso"}}}
    await sandbox.control("POST", "seed", group)
    for subscription, name in ((PROD, "contoso-prod"), (DEV, "contoso-dev")):
        above = MANAGEMENT_GROUP.rpartition("/")[2]
        body = {"subscriptionId": subscription, "displayName": name, "managementGroup": above}
        await sandbox.control("POST", "subscriptions", body)
    await sandbox.control("POST", "seed", seeds())


def exemption_id(scope: str, name: str) -> str:
    """Return the id of an exemption on a scope."""
    return f"{scope}{AUTHORIZATION}/policyExemptions/{name}"


def waiver(**changes: Any) -> dict[str, Any]:
    """Return the body of the compliant partner-ingestion waiver, with properties changed; None takes one out."""
    properties: dict[str, Any] = {
        "policyAssignmentId": ASSIGNMENT,
        "policyDefinitionReferenceIds": ["denyPublicNetwork"],
        "exemptionCategory": "Waiver",
        "displayName": "Partner ingestion over the public endpoint",
        "description": "The partner's uploader cannot use private endpoints until its next release.",
        "metadata": dict(APPROVAL),
        **changes,
    }
    return {"properties": {key: value for key, value in properties.items() if value is not None}}


async def send(sandbox: Sandbox, actor: Actor, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send one request to ARM as `actor`; return status and JSON body (None where there is none)."""
    url = f"{sandbox.addresses['arm']}{quote(path)}?api-version={VERSION}"
    headers = {"Authorization": f"Bearer {actor.token}"}
    async with sandbox.http.request(method, url, json=body, headers=headers) as answer:
        return answer.status, (await answer.json() if answer.content_type == "application/json" else None)
