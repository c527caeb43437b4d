"""Files of EPAC, and the Azure that they are planned for, as the figures of `check` need them."""

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

FILES: Final = 100
ENTRIES: Final = 10_000
SCOPES: Final = 2_000

_ROOT: Final = "/providers/Microsoft.Management/managementGroups/corp"
_AT_ROOT: Final = f"{_ROOT}/providers/Microsoft.Authorization"
_GROUPS: Final = 19
"""Resource groups of each subscription."""
_ASSIGNMENTS: Final = 20
_TENANT: Final = "99999999-8888-7777-6666-555555555555"
_ENDINGS: Final = ("json", "csv", "jsonc", "json", "csv", "json", "jsonc", "csv", "json", "jsonc")
"""Of ten files: four JSON, three JSONC, three tables."""


def furnish(folder: Path, files: int = FILES, entries: int = ENTRIES, scopes: int = SCOPES) -> list[str]:
    """Write the definitions of EPAC, and what Azure has; return the arguments of `check` for them."""
    shutil.rmtree(folder, ignore_errors=True)
    own = folder / "Definitions" / "policyExemptions" / "corp"
    own.mkdir(parents=True)
    (folder / ".git").mkdir()
    ids = [*_scopes(scopes)]
    (folder / "Definitions" / "global-settings.jsonc").write_text(json.dumps(_settings()), encoding="utf-8")
    (folder / "azure.json").write_text(json.dumps([*_azure(ids)], indent=1), encoding="utf-8")
    below = [one for one in ids if "/resourceGroups/" in one]
    each = entries // files
    for number in range(files):
        ending = _ENDINGS[number % len(_ENDINGS)]
        some = [_entry(number * each + one, below) for one in range(each)]
        text = _table(some) if ending == "csv" else json.dumps({"exemptions": some}, indent=2)
        if ending == "jsonc":
            text = text.replace("  },\n  {", "  }, // the next one\n  {").replace("\n  ]", ",\n  ]", 1)
        (own / f"waivers-{number:03}.{ending}").write_text(text, encoding="utf-8")
    return [
        str(folder / "Definitions"), "--azure", str(folder / "azure.json"), "--azure-complete",
        "--time-zone", "UTC", "--culture", "en-US", "--now", "2026-11-29T00:00:00Z",
    ]  # fmt: skip


def _subscription(number: int) -> str:
    return f"/subscriptions/11111111-2222-3333-4444-{number:012}"


def _scopes(count: int) -> Iterator[str]:
    """Yield the ids of the tree: ten management groups, subscriptions, and their resource groups."""
    yield _ROOT
    for number in range(1, 10):
        yield f"/providers/Microsoft.Management/managementGroups/unit-{number}"
    for left in range(count - 10):
        subscription, group = divmod(left, _GROUPS + 1)
        yield _subscription(subscription) + (f"/resourceGroups/rg-{group}" if group else "")


def _azure(ids: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of Azure: the tree, policies, initiatives, assignments."""
    for number, identity in enumerate(ids):
        name = identity.rpartition("/")[2]
        if "managementGroups" in identity:
            parent = {"details": {"parent": {"name": "corp"}}} if number else {}
            yield {"id": identity, "name": name, "properties": {"displayName": name, **parent}}
        elif "resourceGroups" in identity:
            yield {"id": identity, "name": name}
        else:
            chain = [{"name": f"unit-{1 + int(name[-12:]) % 9}"}, {"name": "corp"}]
            said = {"managementGroupAncestorsChain": chain}
            yield {"id": identity, "name": f"prod-{int(name[-12:])}", "properties": said}
    for number in range(_ASSIGNMENTS):
        policy = f"{_AT_ROOT}/policyDefinitions/policy-{number}"
        yield {"id": policy, "properties": {"displayName": f"Policy {number}"}}
        members = [
            {"policyDefinitionId": policy, "policyDefinitionReferenceId": f"ref-{number}-{one}"} for one in range(10)
        ]
        initiative = f"{_AT_ROOT}/policySetDefinitions/set-{number}"
        yield {"id": initiative, "properties": {"policyDefinitions": members}}
        yield {
            "id": f"{_AT_ROOT}/policyAssignments/baseline-{number}",
            "properties": {"policyDefinitionId": initiative if number % 2 else policy},
        }


def _settings() -> dict[str, Any]:
    environment = {
        "pacSelector": "corp", "cloud": "AzureCloud", "tenantId": _TENANT, "deploymentRootScope": _ROOT,
        "managedIdentityLocation": "westeurope", "globalNotScopes": [], "skipResourceValidationForExemptions": True,
        "desiredState": {"strategy": "full", "keepDfcSecurityAssignments": False},
    }  # fmt: skip
    return {"pacOwnerId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "pacEnvironments": [environment]}


def _entry(number: int, scopes: list[str]) -> dict[str, Any]:
    """Return an entry: most name one scope and one assignment; one in ten has two scopes, one in a hundred a pattern.

    One in twenty names an initiative in place of an assignment. One in ten lacks an approval.
    """
    assignment = (number + number // len(scopes) * 7) % _ASSIGNMENTS
    scope = scopes[number * 11 % len(scopes)]
    made: dict[str, Any] = {
        "name": f"waiver-{number}",
        "displayName": f"Waiver {number} of the partner drop",
        "description": "The uploader of a partner cannot use private endpoints until its next release.",
        "exemptionCategory": "Waiver",
        "expiresOn": f"2027-03-{1 + number % 28:02}T00:00:00Z",
    }
    if number % 100 == 50:
        made["scope"] = f"{scope.partition('/resourceGroups/')[0]}/resourceGroups/rg-1*"
    elif number % 10 == 3:
        made["scopes"] = [scope, f"other:{scopes[(number * 11 + 1) % len(scopes)]}"]
    else:
        made["scope"] = scope
    if number % 20 == 7:
        made["policySetDefinitionName"] = f"set-{assignment}"
    else:
        made["policyAssignmentId"] = f"{_AT_ROOT}/policyAssignments/baseline-{assignment}"
    if assignment % 2:
        made["policyDefinitionReferenceIds"] = [f"ref-{assignment}-{number % 10}"]
    made["metadata"] = {"owner": "team@contoso.com", "approver": "ciso@contoso.com", "reviewDate": "2027-02-01"}
    if number % 10:
        made["metadata"]["approvalTicket"] = f"SEC-{number}"
    return made


def _table(entries: list[dict[str, Any]]) -> str:
    """Return the entries as a table."""
    columns = (
        "name", "displayName", "description", "exemptionCategory", "expiresOn", "scopes", "assignmentReferenceId",
        "policyDefinitionReferenceIds", "metadata",
    )  # fmt: skip
    written = io.StringIO(newline="")
    rows = csv.DictWriter(written, columns)
    rows.writeheader()
    rows.writerows(_row(one) for one in entries)
    return written.getvalue()


def _row(entry: Mapping[str, Any]) -> dict[str, str]:
    made = {key: value for key, value in entry.items() if key not in ("policyAssignmentId", "scope")}
    made["scopes"] = "&".join(entry.get("scopes") or [f"here:{entry['scope']}"])
    named = made.pop("policySetDefinitionName", None)
    made["assignmentReferenceId"] = f"policySetDefinitions/{named}" if named else entry["policyAssignmentId"]
    made["policyDefinitionReferenceIds"] = "&".join(entry.get("policyDefinitionReferenceIds", []))
    made["metadata"] = json.dumps(entry["metadata"])
    return made
