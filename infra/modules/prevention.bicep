// Assigns the initiatives that `exg policy build` makes. See docs/prevention.md.

targetScope = 'managementGroup'

@description('Resource id of the initiative of the guardrails that reports; empty where no rule has a policy.')
param guardrailsId string

@description('Resource id of the initiative of the guardrails that refuses.')
param denialsId string

@description('Rules, such as expiry-missing, by which Azure refuses the write. By all others it only reports.')
param denyRules string[]

@description('Whether Azure refuses deletes of exemptions that are in force.')
param denyDeletes bool

@description('What the initiative that refuses can refuse by: its rules, and delete.')
param references string[]

@description('Object id of the identity of the guardrails. It is let past everywhere: it tags, reverts and restores.')
param principalId string

@description('Rule, or delete, -> object ids and application ids that are let past besides the guardrails.')
param letPast { *: string[] }

@description('Default, or DoNotEnforce while nobody has seen the policies run.')
@allowed([
  'Default'
  'DoNotEnforce'
])
param enforcementMode string

@description('Resource id of the initiative of the policies that an approved tag lets past; empty: it is not assigned.')
param tagExceptionsId string

resource guardrails 'Microsoft.Authorization/policyAssignments@2025-03-01' = if (!empty(guardrailsId)) {
  name: 'exemption-guardrails'
  properties: {
    displayName: 'Guardrails for policy exemptions'
    policyDefinitionId: guardrailsId
    enforcementMode: enforcementMode
    nonComplianceMessages: [
      {
        message: 'This policy exemption breaks a rule of the exemption guardrails: it lacks an end, a ticket or an owner, or it is too broad.'
      }
    ]
  }
}

resource denials 'Microsoft.Authorization/policyAssignments@2025-03-01' = {
  name: 'guardrails-deny'
  properties: {
    displayName: 'Guardrails for policy exemptions: refusing'
    policyDefinitionId: denialsId
    enforcementMode: enforcementMode
    parameters: union(
      toObject(denyRules, rule => 'effect-${rule}', rule => { value: 'Deny' }),
      denyDeletes ? { 'effect-delete': { value: 'DenyAction' } } : {},
      toObject(references, one => 'letPast-${one}', one => { value: union([principalId], letPast[?one] ?? []) })
    )
    nonComplianceMessages: [
      {
        message: 'Azure refuses this by a rule of the exemption guardrails: the exemption lacks an end, a ticket or an owner, or is too broad, or its writer or the delete is not approved.'
      }
    ]
  }
}

resource tagExceptions 'Microsoft.Authorization/policyAssignments@2025-03-01' = if (!empty(tagExceptionsId)) {
  name: 'tag-exceptions'
  properties: {
    displayName: 'Policies that an approved exception tag lets past'
    policyDefinitionId: tagExceptionsId
    enforcementMode: enforcementMode
  }
}

@description('Resource ids of the assignments. Nobody but the platform team should have exempt/action on them.')
output assignmentIds string[] = [guardrails.id, denials.id]
