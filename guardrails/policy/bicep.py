"""policies.bicep: creates the definitions and initiatives at a management group. Pure."""

from collections.abc import Sequence

from guardrails.policy.definition import INITIATIVE


def bicep(names: Sequence[str], more: str) -> str:
    """Return the file for the definitions of these names; `more` is the Bicep of the tag-driven layer."""
    head = """\
// Made by `python -m guardrails policy build`; edit the ruleset, not this.
// Creates policy definitions and initiatives at a management group, and assigns none of the guardrails' own.
targetScope = 'managementGroup'

"""
    return head + (_guardrails(names) if names else "") + more


def _guardrails(names: Sequence[str]) -> str:
    loaded = "\n".join(f"  loadJsonContent('definitions/{name}.json')" for name in names)
    return f"""\
// Guardrails for policy exemptions. loadJsonContent() escapes what starts with a bracket, so that policies keep their
// expressions.
var guardrailDefinitions = [
{loaded}
]
var guardrailInitiative = loadJsonContent('initiatives/{INITIATIVE}.json')

resource guardrailDefinition 'Microsoft.Authorization/policyDefinitions@2025-03-01' = [
  for one in guardrailDefinitions: {{
    name: one.name
    properties: one.properties
  }}
]

resource guardrails 'Microsoft.Authorization/policySetDefinitions@2025-03-01' = {{
  name: guardrailInitiative.name
  properties: {{
    displayName: guardrailInitiative.properties.displayName
    description: guardrailInitiative.properties.description
    policyType: 'Custom'
    metadata: guardrailInitiative.properties.metadata
    parameters: guardrailInitiative.properties.parameters
    policyDefinitions: [
      for one in guardrailInitiative.properties.policyDefinitions: {{
        policyDefinitionReferenceId: one.policyDefinitionReferenceId
        policyDefinitionId: extensionResourceId(
          managementGroup().id,
          'Microsoft.Authorization/policyDefinitions',
          one.policyDefinitionName
        )
        parameters: one.parameters
      }}
    ]
  }}
  dependsOn: [
    guardrailDefinition
  ]
}}

@description('Resource id of the initiative of the guardrails for policy exemptions.')
output guardrailsId string = guardrails.id

"""
