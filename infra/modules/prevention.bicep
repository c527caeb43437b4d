// Assigns the initiatives that `python -m guardrails policy build` makes. See docs/prevention.md.

targetScope = 'managementGroup'

@description('Resource id of the initiative of the guardrails.')
param guardrailsId string

@description('Rules, such as expiry-missing, whose policy refuses the write. All others only report.')
param denyRules string[]

@description('Default, or DoNotEnforce while nobody has seen the policies run.')
@allowed([
  'Default'
  'DoNotEnforce'
])
param enforcementMode string

@description('Resource id of the initiative of the policies that an approved tag lets past; empty: it is not assigned.')
param tagExceptionsId string

resource guardrails 'Microsoft.Authorization/policyAssignments@2025-03-01' = {
  name: 'exemption-guardrails'
  properties: {
    displayName: 'Guardrails for policy exemptions'
    policyDefinitionId: guardrailsId
    enforcementMode: enforcementMode
    parameters: toObject(denyRules, rule => 'effect-${rule}', rule => { value: 'Deny' })
    nonComplianceMessages: [
      {
        message: 'This policy exemption breaks a rule of the exemption guardrails: it lacks an end, a ticket or an owner, or it is too broad.'
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

@description('Resource id of the assignment. Nobody but the platform team should have exempt/action on it.')
output assignmentId string = guardrails.id
