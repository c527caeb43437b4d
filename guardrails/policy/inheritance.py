"""Tag inheritance: resources take the tags of an exception from their resource group. Pure.

Three times the built-in policy "Inherit a tag from the resource group if missing" (azure-policy,
built-in-policies/policyDefinitions/Tags/InheritTag_Add_Modify.json), once for each tag.
"""

from typing import Any, Final

from guardrails.exemption.names import TagNames
from guardrails.policy.tag_parameters import CATEGORY, tag_parameters

INITIATIVE: Final = "inherit-exception-tags"
"""Name of the initiative and of its assignment. At a management group, an assignment's has at most 24 characters."""
ROLE_FILE: Final = "inherit-role.bicep"
BUILT_IN: Final = "ea3f2387-9b95-492a-a190-fcdc54f7b070"
CONTRIBUTOR: Final = "b24988ac-6180-42a0-ab88-20f7382dd24c"
"""The role that the built-in definition asks for; remediation of existing resources is done with it."""


def initiative(tags: TagNames) -> dict[str, Any]:
    """Return the initiative, `{name, properties}`."""
    parameters = tag_parameters(tags)
    return {
        "name": INITIATIVE,
        "properties": {
            "displayName": "Resources inherit the tags of a policy exception from their resource group",
            "description": "Adds the tags of an exception to resources that lack them: when they are made or changed,"
            " and by remediation to those that are there. A tag that a resource has is left as it is.",
            "policyType": "Custom",
            "metadata": {"category": CATEGORY, "version": "1.0.0"},
            "parameters": parameters,
            "policyDefinitions": [
                {
                    "policyDefinitionReferenceId": f"inherit-{role}",
                    "policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{BUILT_IN}",
                    "parameters": {"tagName": {"value": f"[parameters('{parameter}')]"}},
                }
                for role, parameter in zip(tags._fields, parameters, strict=True)
            ],
        },
    }


def bicep() -> str:
    """Return the initiative, its assignment and the role of the assignment's identity as Bicep."""
    return f"""\
@description('Whether resources take the tags of an exception from their resource group.')
param inheritTags bool = false

@description('Region of the identity that adds inherited tags to resources that are there already.')
param location string = deployment().location

var inheritInitiative = loadJsonContent('initiatives/{INITIATIVE}.json')

resource inheritExceptionTags 'Microsoft.Authorization/policySetDefinitions@2025-03-01' = {{
  name: inheritInitiative.name
  properties: inheritInitiative.properties
}}

resource inheritAssignment 'Microsoft.Authorization/policyAssignments@2025-03-01' = if (inheritTags) {{
  name: inheritInitiative.name
  location: location
  identity: {{
    type: 'SystemAssigned'
  }}
  properties: {{
    displayName: inheritInitiative.properties.displayName
    description: inheritInitiative.properties.description
    policyDefinitionId: inheritExceptionTags.id
  }}
}}

module inheritRole '{ROLE_FILE}' = if (inheritTags) {{
  name: 'inherit-exception-tags-role'
  params: {{
    principalId: inheritAssignment!.identity.principalId
  }}
}}

@description('Resource id of the initiative by which resources inherit the tags of an exception.')
output inheritExceptionTagsId string = inheritExceptionTags.id
"""


def role_bicep() -> str:
    """Return the role of the assignment's identity as Bicep, a module of its own.

    The name of an assignment must be known when a deployment begins. So it holds the principal: an identity that is
    made anew gets an assignment of its own, where Azure would refuse to give it the one of the old.
    """
    return f"""\
// Made by `exg policy build`; edit the ruleset, not this.
// The role that the built-in policy asks for. Only remediation of existing resources uses it.
targetScope = 'managementGroup'

@description('Object id of the identity of the assignment by which resources inherit tags.')
param principalId string

var roleId = tenantResourceId('Microsoft.Authorization/roleDefinitions', '{CONTRIBUTOR}')

resource inherits 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{
  name: guid(managementGroup().id, principalId, roleId)
  properties: {{
    roleDefinitionId: roleId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }}
}}
"""
