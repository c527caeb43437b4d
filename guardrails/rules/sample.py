"""The sample exemption that rule cases change: a compliant waiver, and the facts that go with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from guardrails.dataclass import replace
from guardrails.exemption.facts import Assignment, Author, Facts
from guardrails.exemption.model import DEFAULT_NAMES, Exemption, Names
from guardrails.rules.base import Case

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = SUBSCRIPTION + "/resourceGroups/partner-ingestion"
RESOURCE = GROUP + "/providers/Microsoft.Storage/storageAccounts/partnerdrop"
EXEMPTIONS = "/providers/Microsoft.Authorization/policyExemptions/"
ASSIGNMENT = SUBSCRIPTION + "/providers/Microsoft.Authorization/policyAssignments/storage-baseline"
INITIATIVE = "/providers/Microsoft.Authorization/policySetDefinitions/storage-baseline"
DENY_PUBLIC = "/providers/microsoft.authorization/policydefinitions/deny-public-network"
REQUIRE_TLS = "/providers/microsoft.authorization/policydefinitions/require-tls"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

BODY: Mapping[str, Any] = {
    "id": RESOURCE + EXEMPTIONS + "partner-ingestion",
    "name": "partner-ingestion",
    "type": "Microsoft.Authorization/policyExemptions",
    "properties": {
        "policyAssignmentId": ASSIGNMENT,
        "policyDefinitionReferenceIds": ["denyPublicNetwork"],
        "exemptionCategory": "Waiver",
        "displayName": "Partner ingestion over the public endpoint",
        "description": "The partner's uploader cannot use private endpoints until its release of March 2027.",
        "expiresOn": "2027-03-31T00:00:00Z",
        "metadata": {
            "owner": "data-platform@contoso.com",
            "approvalTicket": "SEC-1234",
            "approver": "ciso@contoso.com",
            "reviewDate": "2027-02-01",
        },
    },
    "systemData": {
        "createdBy": "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e10",
        "createdByType": "Application",
        "createdAt": "2026-11-20T09:00:00Z",
        "lastModifiedBy": "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e10",
        "lastModifiedByType": "Application",
        "lastModifiedAt": "2026-11-20T09:00:00Z",
    },
}

FACTS = Facts(
    now=NOW,
    written_at=datetime(2026, 11, 20, 9, tzinfo=UTC),
    assignment=Assignment(ASSIGNMENT, INITIATIVE, {"denypublicnetwork": DENY_PUBLIC, "requiretls": REQUIRE_TLS}),
    author=Author("9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e10", "Application"),
    approved=frozenset({"9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e10"}),
)


def metadata(**changes: object) -> dict[str, Any]:
    """Return properties with the sample's metadata, with these changes; None removes a key."""
    kept = {**BODY["properties"]["metadata"], **changes}
    return {"metadata": {name: value for name, value in kept.items() if value is not None}}


def body_of(case: Case) -> dict[str, Any]:
    """Return the case's exemption as ARM JSON."""
    properties = {**BODY["properties"], **case.properties}
    return {
        **BODY,
        "id": case.id or BODY["id"],
        "properties": {name: value for name, value in properties.items() if value is not None},
        "systemData": None if case.system is None else {**BODY["systemData"], **case.system},
    }


def read(case: Case, names: Names = DEFAULT_NAMES) -> tuple[Exemption, Facts]:
    """Return the case's exemption and facts."""
    return Exemption.from_arm(body_of(case), names, case.source), replace(FACTS, **case.facts)
