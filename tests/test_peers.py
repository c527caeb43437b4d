"""The models of the peers' compares: what counts for them and what does not."""

import json
from typing import Any

import pytest

from tests.peers import UNCHANGED, epac, terraform

WANTED: dict[str, Any] = {
    "policyAssignmentId": "/subscriptions/1/providers/Microsoft.Authorization/policyAssignments/storage-baseline",
    "policyDefinitionReferenceIds": ["denyPublicNetwork", "requireTls"],
    "exemptionCategory": "Waiver",
    "displayName": "Partner ingestion - partnerdrop",
    "description": "Exemption documented in SEC-1234",
    "expiresOn": "2027-03-31T00:00:00Z",
    "metadata": {
        "approvalTicket": "SEC-1234",
        "pacOwnerId": "a1b2",
        "deployedBy": "epac/a1b2/prod",
        "epacMetadata": {"ordinalString": "00", "policyDefinitionReferenceIds": '["denyPublicNetwork"]'},
    },
}


def body(**changes: Any) -> dict[str, Any]:
    """WANTED as ARM returns it, with properties changed; None takes one out."""
    properties = {**json.loads(json.dumps(WANTED)), **changes}
    return {"id": "/x", "properties": {key: value for key, value in properties.items() if value is not None}}


def metadata(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**WANTED["metadata"], **changes}.items() if value is not None}


SAME = {
    "itself": {},
    "category in lower case": {"exemptionCategory": "waiver"},
    "assignment in lower case": {"policyAssignmentId": WANTED["policyAssignmentId"].lower()},
    "a date with fractions": {"expiresOn": "2027-03-31T00:00:00.0000000Z"},
    "policies in another order": {"policyDefinitionReferenceIds": ["requireTls", "denyPublicNetwork"]},
    "Azure's own default": {"assignmentScopeValidation": "Default"},
    "no selectors": {"resourceSelectors": []},
    "what Azure writes into metadata": {
        "metadata": metadata(createdBy="a", createdOn="b", updatedBy="c", updatedOn="d", lastSyncedToArgOn="e")
    },
}
DIFFERENT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another assignment": ({"policyAssignmentId": "/other"}, ["policyAssignmentId"]),
    "another name": ({"displayName": "x"}, ["displayName"]),
    "no description": ({"description": None}, ["description"]),
    "another category": ({"exemptionCategory": "Mitigated"}, ["exemptionCategory"]),
    "a later end": ({"expiresOn": "2028-03-31T00:00:00Z"}, ["expiresOn"]),
    "no end": ({"expiresOn": None}, ["expiresOn"]),
    "a policy less": ({"policyDefinitionReferenceIds": ["requireTls"]}, ["policyDefinitionReferenceIds"]),
    "a policy twice": ({"policyDefinitionReferenceIds": ["requireTls"] * 2}, ["policyDefinitionReferenceIds"]),
    "the whole initiative": ({"policyDefinitionReferenceIds": None}, ["policyDefinitionReferenceIds"]),
    "our tag": ({"metadata": metadata(guardrails={"status": "violation"})}, ["metadata"]),
    "a key whose value is null": ({"metadata": {**WANTED["metadata"], "note": None}}, ["metadata"]),
    "a key less": ({"metadata": metadata(deployedBy=None)}, ["metadata"]),
    "another value inside": ({"metadata": metadata(epacMetadata={"ordinalString": "01"})}, ["metadata"]),
    "another owner": ({"metadata": metadata(pacOwnerId="other")}, ["pacOwnerId"]),
    "no owner": ({"metadata": metadata(pacOwnerId=None)}, ["pacOwnerId"]),
    "no metadata": ({"metadata": None}, ["metadata", "pacOwnerId"]),
    "not validated": ({"assignmentScopeValidation": "DoNotValidate"}, ["assignmentScopeValidation"]),
    "a selector": ({"resourceSelectors": [{"name": "s", "selectors": []}]}, ["resourceSelectors"]),
}


@pytest.mark.parametrize("changes", SAME.values(), ids=list(SAME))
def test_epac_has_nothing_to_do(changes: dict[str, Any]) -> None:
    assert epac(body(**changes), WANTED) == UNCHANGED


@pytest.mark.parametrize(("changes", "fields"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_epac_would_write_it_again(changes: dict[str, Any], fields: list[str]) -> None:
    assert epac(body(**changes), WANTED) == fields


def test_epac_counts_the_selectors_that_it_wants() -> None:
    wanted = {**WANTED, "resourceSelectors": [{"name": "s", "selectors": [{"kind": "resourceLocation", "in": ["we"]}]}]}
    assert epac(body(), wanted) == ["resourceSelectors"]
    assert epac(body(resourceSelectors=wanted["resourceSelectors"]), wanted) == UNCHANGED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, UNCHANGED),
        ({"metadata": metadata(assignedBy="a", createdOn="b", updatedBy="c")}, UNCHANGED),
        ({"resourceSelectors": [{"name": "not read"}]}, UNCHANGED),
        ({"metadata": metadata(guardrails={"status": "violation"})}, ["metadata"]),
        ({"metadata": metadata(lastSyncedToArgOn="now")}, ["metadata"]),
        ({"policyDefinitionReferenceIds": ["requireTls", "denyPublicNetwork"]}, ["policyDefinitionReferenceIds"]),
        ({"expiresOn": None}, ["expiresOn"]),
        ({"description": "edited"}, ["description"]),
    ],
)
def test_terraform(changes: dict[str, Any], said: str | list[str]) -> None:
    assert terraform(body(**changes), WANTED) == said


def test_terraform_leaves_metadata_alone_that_it_was_not_given() -> None:
    silent = {key: value for key, value in WANTED.items() if key != "metadata"}
    assert terraform(body(metadata=metadata(guardrails={"status": "violation"})), silent) == UNCHANGED


def test_terraform_makes_again_what_is_gone() -> None:
    assert terraform(None, WANTED) == "create"
