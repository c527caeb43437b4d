"""What the ARM stand-in offers, and what each operation was checked against; nothing else is served.

`python -m sandbox.arm.checked` prints guesses and differences as a table; docs/sandbox.md leads to it. An operation
that has no entry here is answered with 405, so that a new one cannot be offered without saying where its shape was
seen, or that it is a guess.
"""

import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

from sandbox.arm.target import Target

SOURCES: Final = {
    "policy": "azure-rest-api-specs, `Microsoft.Authorization/policy`, 2026-01-01-preview",
    "policy-2025": "the same, 2025-03-01",
    "locks": "azure-rest-api-specs, `Microsoft.Authorization/locks`, 2020-05-01",
    "permissions": "azure-rest-api-specs, `authorization`, 2015-07-01",
    "resources": "azure-rest-api-specs, `Microsoft.Resources/resources`, 2025-04-01",
    "subscriptions": "azure-rest-api-specs, `Microsoft.Resources/subscriptions`, 2022-12-01",
    "deployments": "azure-rest-api-specs, `Microsoft.Resources/deployments`, 2025-04-01",
    "groups": "azure-rest-api-specs, `managementgroups`, 2023-04-01",
    "groups-old": "the same, 2018-03-01-preview to 2020-10-01",
    "graph": "azure-rest-api-specs, `resourcegraph`, 2018-09-01-preview",
    "insights": "azure-rest-api-specs, `Microsoft.Insights`, 2015-04-01",
    "powershell": "recordings of azure-powershell, `src/Resources/Policy.Autorest/test`",
    "cli": "recordings of azure-cli, `command_modules/resource/tests/latest/recordings`",
    "cli-help": "help and source of azure-cli 2.77 and later",
    "learn": "Microsoft Learn",
    "issues": "answers quoted in public issues, named in the code",
}  # fmt: skip


class Checked(NamedTuple):
    """One operation.

    Attributes:
        seen: source and name of each example or recording, as `source: name, name; source: name`; "" for none.
        guess: what nobody has seen, and is our guess.
        differs: where the stand-in knowingly answers otherwise.
    """

    seen: str = ""
    guess: str = ""
    differs: str = ""


_ASYNC: Final = "Azure answers 202 and continues; the stand-in finishes first and answers 200"
_METADATA: Final = "Azure adds authors and times to `metadata`"
_MEMBERS: Final = "members have no `definitionVersion` unless the body has it"
_TAGS_ASYNC: Final = "Azure may answer 202; the stand-in always answers 200"
_NAMED: Final = "the stand-in's answer also has `name` and `type`"
_SYSTEM_DATA: Final = "the stand-in's answer has `systemData`"
_NO_SCOPE: Final = "the 404 for a missing scope"
OFFERED: Final[Mapping[str, Checked]] = {
    "GET policyExemptions": Checked("policy: getPolicyExemption; powershell: GetPolicyExemption"),
    "LIST policyExemptions": Checked(
        "policy: listPolicyExemptionsForSubscription, ...ForResourceGroup, ...ForResource, ...ForManagementGroup; "
        "powershell: GetPolicyExemption, Backcompat-PolicyExemptionCRUD; cli-help: atScopeAndBelow()",
        f"{_NO_SCOPE}; the code for a bad `$filter`; the size of pages; the order",
        "rows are in the order of their ids; a recording has exemptions below the scope first, then inherited ones",
    ),
    "PUT policyExemptions": Checked(
        "policy: createOrUpdatePolicyExemption, ...WithResourceSelectors, ...WithExemptionManagementMode; "
        "powershell: ExemptionResourceSelector, Backcompat-PolicyExemptionCRUD",
        f"{_NO_SCOPE}; the codes for refused bodies, except codes from the .NET SDK's live tests",
    ),
    "PATCH policyExemptions": Checked(
        "policy: updatePolicyExemptionWithResourceSelectors, ...WithExemptionManagementMode",
        "properties that PATCH cannot change are ignored, not refused",
    ),
    "DELETE policyExemptions": Checked(
        "policy: deletePolicyExemption; powershell: Backcompat-PolicyExemptionCRUD (200 with the exemption)"
    ),
    "GET policyAssignments": Checked(
        "policy-2025: getPolicyAssignment; powershell: Backcompat-PolicyAssignmentEnforcementMode",
        "the stand-in ignores `$expand` before api-version 2024-05-01; the first api-version with `instanceId`",
        "seeded assignments have no `instanceId`; `notScopes` is there only if the body has it",
    ),
    "LIST policyAssignments": Checked("policy-2025: listPolicyAssignments", "the order and size of pages"),
    "PUT policyAssignments": Checked(
        "policy: createPolicyAssignment; policy-2025: createPolicyAssignmentWithoutEnforcement; powershell: "
        "Backcompat-PolicyAssignmentEnforcementMode (201 for one that was there), GetPolicyEnrollment; issues: a pin "
        "that matches nothing",
        differs=_METADATA,
    ),
    "PATCH policyAssignments": Checked("policy: updatePolicyAssignmentWithSelfserveExemptionSettings"),
    "DELETE policyAssignments": Checked(
        "policy: deletePolicyAssignment; powershell: Backcompat-PolicyExemptionCRUD (200 with the assignment)"
    ),
    "GET policyEnrollments": Checked("policy: getPolicyEnrollment; powershell: GetPolicyEnrollment"),
    "LIST policyEnrollments": Checked(
        "policy: listPolicyEnrollmentsForResourceGroup; powershell: GetPolicyEnrollment", "the order and size of pages"
    ),
    "PUT policyEnrollments": Checked(
        "policy: createOrUpdatePolicyEnrollment; powershell: GetPolicyEnrollment",
        "the codes for refused bodies; `policyAssignmentInstanceId` does not change",
    ),
    "PATCH policyEnrollments": Checked(
        "policy: updatePolicyEnrollmentWithResourceSelectors; learn: enrollment structure",
        "properties that PATCH cannot change are refused",
    ),
    "DELETE policyEnrollments": Checked(
        "policy: deletePolicyEnrollment; powershell: GetPolicyEnrollment (200 with the enrollment)"
    ),
    "GET policyDefinitions": Checked(
        "policy: getPolicyDefinition; powershell: GetPolicyEnrollment, Backcompat-PolicyDefinitionMode"
    ),
    "LIST policyDefinitions": Checked(
        "policy: listPolicyDefinitions",
        "the order and size of pages; in a `$filter`, the operator between name and value is `eq`",
    ),
    "PUT policyDefinitions": Checked(
        "policy: createOrUpdatePolicyDefinition; powershell: Backcompat-PolicyDefinitionMode (201 for one that was "
        "there); issues: a custom definition is at 1.0.0",
        differs=_METADATA,
    ),
    "DELETE policyDefinitions": Checked(
        "policy: deletePolicyDefinition; powershell: Backcompat-PolicyDefinitionMode (200 with the definition)"
    ),
    "GET policySetDefinitions": Checked("policy-2025: getPolicySetDefinition"),
    "LIST policySetDefinitions": Checked("policy: listPolicySetDefinitions", "as for policyDefinitions", _MEMBERS),
    "PUT policySetDefinitions": Checked("policy: createOrUpdatePolicySetDefinition", "", f"{_MEMBERS}; {_METADATA}"),
    "DELETE policySetDefinitions": Checked(
        "policy: deletePolicySetDefinition", "the answer has the body that a recording shows for policyDefinitions"
    ),
    "GET policyDefinitions/versions": Checked(
        "policy: getPolicyDefinitionVersion", "the code for a missing version"
    ),
    "LIST policyDefinitions/versions": Checked(
        "policy: listPolicyDefinitionVersions; policy-2025: listBuiltInPolicyDefinitionVersions",
        "the code for a bad `$top`", "rows are in the order of their ids; the example has the newest first",
    ),
    "PUT policyDefinitions/versions": Checked(
        "policy: createOrUpdatePolicyDefinitionVersion",
        "the definition takes the body of its newest version; the codes for refused bodies",
    ),
    "DELETE policyDefinitions/versions": Checked(
        "policy: deletePolicyDefinitionVersion", "the refusal to delete the only version or a built-in one"
    ),
    "GET policySetDefinitions/versions": Checked(
        "policy-2025: getBuiltInPolicySetDefinitionVersion, getPolicySetDefinitionVersionAtManagementGroup",
        "the error code for a missing version; a recording shows this code only for a write of an assignment",
    ),
    "LIST policySetDefinitions/versions": Checked(
        "policy: listPolicySetDefinitionVersionsByManagementGroup", "as for policyDefinitions/versions", _MEMBERS
    ),
    "PUT policySetDefinitions/versions": Checked(
        "policy: createOrUpdatePolicySetDefinitionVersion", "as for policyDefinitions/versions", _MEMBERS
    ),
    "DELETE policySetDefinitions/versions": Checked(
        "policy: deletePolicySetDefinitionVersion", "as for policyDefinitions/versions"
    ),
    "POST listVersions": Checked(
        "policy: listAllPolicyDefinitionVersions, listAllBuiltInPolicySetDefinitionVersions",
        "inherited definitions are left out", "the stand-in returns all versions in one page",
    ),
    "POST acquirePolicyToken": Checked(
        "policy: acquirePolicyToken; learn: Policy Tokens",
        "the answers to invalid tokens; the name of the required permission. A token is valid for one write. The "
        "stand-in percent-decodes the token's address and the write's address, then compares them. If the change "
        "reference is missing, the answer is 200 with the result `Failed`",
        "no `requestDetails`, claims or evaluation details",
    ),
    "GET locks": Checked(
        "locks: ManagementLocks_GetAtScope; cli: test_cannotdelete_resource_group_lock",
        differs=_SYSTEM_DATA,
    ),
    "LIST locks": Checked(
        "locks: ManagementLocks_ListAtSubscriptionLevel; cli: test_cannotdelete_resource_group_lock",
        differs=_SYSTEM_DATA,
    ),
    "PUT locks": Checked(
        "locks: ManagementLocks_CreateOrUpdateAtResourceLevel; cli: test_cannotdelete_resource_group_lock",
        "the code for a bad level", _SYSTEM_DATA,
    ),
    "DELETE locks": Checked("locks: ManagementLocks_DeleteAtResourceGroupLevel"),
    "LIST permissions": Checked("permissions: GetPermissions", "`dataActions`, which the example lacks"),
    "GET tags": Checked("resources: GetTagsResource", differs="`id` is the id of the tags, not of the tagged resource"),
    "PUT tags": Checked("resources: PutTagsResource", "the codes for bad tags", _TAGS_ASYNC),
    "PATCH tags": Checked("resources: PatchTagsResource", "the codes for bad tags", _TAGS_ASYNC),
    "DELETE tags": Checked("resources: DeleteTagsResource", differs=_TAGS_ASYNC),
    "GET deployments": Checked("cli: test_group_deployment_lite", differs="no hash, providers or duration"),
    "LIST deployments": Checked("", "everything"),
    "PUT deployments": Checked(
        "deployments: PutDeploymentResourceGroup; cli: test_group_deployment_lite",
        "the deployment ends at the first error, and returns this error",
        "`provisioningState` is Succeeded in the first answer; no hash, providers or duration",
    ),
    "DELETE deployments": Checked("", "everything"),
    "GET subscriptions": Checked("subscriptions: GetSubscription", differs=_NAMED),
    "LIST subscriptions": Checked("subscriptions: GetSubscriptions", differs=_NAMED),
    "GET resourceGroups": Checked("resources: ResourceGroups_Get; cli: test_resource_group (HEAD: 204, 404)"),
    "LIST resourceGroups": Checked(
        "cli: test_resource_group", "the order and size of pages", "`$filter` is ignored"
    ),
    "PUT resourceGroups": Checked("resources: CreateResourceGroup; cli: test_resource_group"),
    "PATCH resourceGroups": Checked("", "everything"),
    "DELETE resourceGroups": Checked("cli: test_resource_group", differs=_ASYNC),
    "GET managementGroups": Checked("groups-old: GetManagementGroup", differs="no updatedTime or updatedBy"),
    "LIST managementGroups": Checked("groups: ListManagementGroups", differs="the stand-in's answer has `details`"),
    "PUT managementGroups": Checked("groups-old: PutManagementGroup", differs=_ASYNC),
    "PATCH managementGroups": Checked(
        "groups-old: PatchManagementGroup",
        differs="the stand-in takes the body of a PUT, and ignores the example's parentGroupId",
    ),
    "DELETE managementGroups": Checked("groups: DeleteManagementGroup", differs=_ASYNC),
    "GET managementGroups/subscriptions": Checked("groups: GetSubscriptionFromManagementGroup"),
    "LIST managementGroups/subscriptions": Checked("groups: GetAllSubscriptionsFromManagementGroup"),
    "PUT managementGroups/subscriptions": Checked("groups: AddManagementGroupSubscription"),
    "DELETE managementGroups/subscriptions": Checked("groups: RemoveManagementGroupSubscription"),
    "LIST resources": Checked("", "the code for a `$filter` that is not by resourceType"),
    "GET resource": Checked(
        "",
        "all answers except the 404, which many public issues show. In Azure, each provider has its own answers",
    ),
    "LIST resource": Checked("", "as for GET resource"),
    "PUT resource": Checked("", "as for GET resource", _ASYNC),
    "PATCH resource": Checked("", "as for GET resource"),
    "DELETE resource": Checked("", "as for GET resource", _ASYNC),
    "POST resource": Checked("", "every action is answered with 200 and an empty object"),
    "GET metadata": Checked(
        "cli-help: ARM_CLOUD_METADATA_URL; learn: Azure Stack's endpoints",
        "which api-versions answer with a list, and which with one object",
    ),
    "GET tenants": Checked("subscriptions: GetTenants"),
    "GET provider": Checked(
        "resources: GetProvider, GetNamedProviderAtTenant; issues: refused api-versions, InvalidResourceNamespace",
        "the code NoRegisteredProviderFound for a policy type; the values of `capabilities` and `locations`",
        "five providers only, without aliases",
    ),
    "GET providers": Checked(
        "resources: GetProviders", "the values of `capabilities` and `locations`",
        "five providers only, without aliases",
    ),
    "GET activityLog": Checked(
        "insights: GetActivityLogsFiltered",
        "the error code for a filter that lacks the time span or the resource",
        "only the fields that the service reads: no eventName, httpRequest, level or subStatus; no pages",
    ),
    "POST resourceGraph": Checked(
        "graph: ResourcesFirstPageQuery; learn: work with data, get resource changes; issues: rows of exemptions and "
        "of versions",
        "the codes of refused queries, except ResponsePayloadTooLarge and RateLimiting. In resource "
        "selectors, an exemption's row omits conditions on users or groups, and shows the others",
        "simple queries only; the format is always objectArray",
    ),
}  # fmt: skip
"""Name -> what it was checked against. The names are those of `name_of` and of the routes."""

_KNOWN: Final = frozenset(name.partition(" ")[2] for name in OFFERED)


def name_of(method: str, target: Target) -> str:
    """Return the name of an operation on a resource or a list of resources."""
    kind = target.type.partition("/")[2].removeprefix("subscriptions/") or target.type
    verb = "LIST" if method == "GET" and not target.name else method
    ours = target.type.startswith(("Microsoft.Authorization/", "Microsoft.Resources/", "Microsoft.Management/"))
    return f"{verb} {kind if ours and kind in _KNOWN else 'resource'}"


def table() -> str:
    """Return a table of guesses and differences, one row for operations with the same ones."""
    rows: dict[str, list[str]] = {}
    for name, one in OFFERED.items():
        if notes := _notes(one):
            rows.setdefault(notes, []).append(name)
    lines = "\n".join(f"| {_names(names)} | {notes} |" for notes, names in rows.items())
    return f"| operation | guesses and differences |\n|---|---|\n{lines}\n"


def _names(operations: list[str]) -> str:
    verbs: dict[str, list[str]] = {}
    for operation in operations:
        verb, _, kind = operation.partition(" ")
        verbs.setdefault(kind, []).append(verb)
    return "; ".join(f"{', '.join(found)} {kind}" for kind, found in verbs.items())


def _notes(one: Checked) -> str:
    notes = (("Guess", one.guess), ("Differs", one.differs))
    return " ".join(f"**{word}:** {text}." for word, text in notes if text)


if __name__ == "__main__":
    sys.stdout.write(table())
