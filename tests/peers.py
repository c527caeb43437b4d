"""What policy-as-code tools make of an exemption that they own: whether their next run has something to do.

`epac` models the drift compare of Enterprise Azure Policy as Code (Scripts/Helpers/Build-ExemptionsPlan.ps1,
Confirm-MetadataMatches.ps1, Confirm-ObjectValueEqualityDeep.ps1). `terraform` models the plan of the azurerm provider's
policy exemption resources (internal/services/policy). Both get the exemption as ARM returns it, and the properties that
the tool's files ask for, in ARM's spelling. They return UNCHANGED or the names of the fields that differ.
"""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.exemption import canonical, parse_time

UNCHANGED: Final = "unchanged"

_SYSTEM_KEYS: Final = frozenset({"createdBy", "createdOn", "updatedBy", "updatedOn", "lastSyncedToArgOn"})
_PROVIDER_KEYS: Final = frozenset({"assignedBy", "createdBy", "createdOn", "updatedBy", "updatedOn"})


def epac(deployed: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | list[str]:
    """Return what EPAC's plan says. A changed policyAssignmentId is a replace, everything else an update."""
    there, files = canonical(deployed)["properties"], wanted
    metadata, owner = _epac_metadata(there.get("metadata"), files.get("metadata") or {})
    same = {
        "policyAssignmentId": _equal(there.get("policyAssignmentId"), files.get("policyAssignmentId")),
        "displayName": _equal(there.get("displayName"), files.get("displayName")),
        "description": _equal(_blank(there.get("description")), _blank(files.get("description"))),
        "exemptionCategory": _equal(there.get("exemptionCategory"), files.get("exemptionCategory")),
        "expiresOn": parse_time(there.get("expiresOn")) == parse_time(files.get("expiresOn")),
        "policyDefinitionReferenceIds": _deep(
            there.get("policyDefinitionReferenceIds"), files.get("policyDefinitionReferenceIds")
        ),
        "metadata": metadata,
        "pacOwnerId": owner,
        "assignmentScopeValidation": _equal(
            there.get("assignmentScopeValidation") or "Default", files.get("assignmentScopeValidation") or "Default"
        ),
        "resourceSelectors": _deep(there.get("resourceSelectors"), files.get("resourceSelectors")),
    }
    return _verdict(same)


def _epac_metadata(there: Mapping[str, Any] | None, files: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether the metadata is the same, key by key and in number, and whether the owner is.

    Only what is deployed is freed of what Azure and its tools add by themselves.
    """
    if there is None:
        return False, False
    left = {key: value for key, value in there.items() if key not in _SYSTEM_KEYS and key != "pacOwnerId"}
    right = {key: value for key, value in files.items() if key != "pacOwnerId"}
    owner = _equal(there.get("pacOwnerId"), files.get("pacOwnerId"))
    return len(left) == len(right) and _deep(left, right), owner


def _deep(there: Any, files: Any) -> bool:
    """Lists are equal in any order, and an empty one is like none; a key that is null is like one that is absent."""
    if isinstance(there, list) or isinstance(files, list):
        rest = _items(there)
        for item in _items(files):
            at = next((index for index, other in enumerate(rest) if _deep(other, item)), None)
            if at is None:
                return False
            rest.pop(at)
        return not rest
    if isinstance(there, Mapping) and isinstance(files, Mapping):
        extra = [key for key in there if key not in files and there[key] is not None]
        return not extra and all(key in there and _deep(there[key], files[key]) for key in files)
    return _equal(there, files)


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _equal(one: Any, other: Any) -> bool:
    """PowerShell's -eq: texts without regard to case."""
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return bool(one == other)


def _blank(text: Any) -> Any:
    return None if isinstance(text, str) and not text.strip() else text


def terraform(deployed: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str | list[str]:
    """Return what `terraform plan` says of azurerm_*_policy_exemption; "create" where the exemption is not there.

    The provider reads neither selectors nor scope validation. Reference ids are a list: their order counts. `metadata`
    is optional and computed: where the configuration is silent, what is there stays.
    """
    if deployed is None:
        return "create"
    there = canonical(deployed)["properties"]
    same = {
        name: (there.get(name) or None) == (wanted.get(name) or None)
        for name in (
            "policyAssignmentId", "exemptionCategory", "displayName", "description", "policyDefinitionReferenceIds",
            "expiresOn",
        )
    }  # fmt: skip
    asked = wanted.get("metadata")
    same["metadata"] = asked is None or _without(there.get("metadata")) == _without(asked)
    return _verdict(same)


def _without(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (metadata or {}).items() if key not in _PROVIDER_KEYS}


def _verdict(same: Mapping[str, bool]) -> str | list[str]:
    return [name for name, equal in same.items() if not equal] or UNCHANGED
