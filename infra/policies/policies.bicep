// Made by `exg policy build`; edit the ruleset, not this.
// Creates policy definitions and initiatives at a management group, and assigns none of the guardrails' own.
// loadJsonContent() escapes what starts with a bracket, so that policies keep their expressions.
targetScope = 'managementGroup'

var guardrailDefinitions = [
  loadJsonContent('definitions/exg101-expiry-missing.json')
  loadJsonContent('definitions/exg102-expiry-too-far.json')
  loadJsonContent('definitions/exg104-expired.json')
  loadJsonContent('definitions/exg201-ticket-missing.json')
  loadJsonContent('definitions/exg203-owner-missing.json')
  loadJsonContent('definitions/exg204-justification-missing.json')
  loadJsonContent('definitions/exg205-control-missing.json')
  loadJsonContent('definitions/exg301-scope-too-broad.json')
  loadJsonContent('definitions/exg304-never-exempt.json')
  loadJsonContent('definitions/exg305-category-forbidden.json')
  loadJsonContent('definitions/exg402-not-validated.json')
  loadJsonContent('definitions/exg403-identity-based.json')
]
var guardrailInitiative = loadJsonContent('initiatives/exemption-guardrails.json')

resource guardrailDefinition 'Microsoft.Authorization/policyDefinitions@2025-03-01' = [
  for one in guardrailDefinitions: {
    name: one.name
    properties: one.properties
  }
]

resource guardrails 'Microsoft.Authorization/policySetDefinitions@2025-03-01' = {
  name: guardrailInitiative.name
  properties: {
    displayName: guardrailInitiative.properties.displayName
    description: guardrailInitiative.properties.description
    policyType: 'Custom'
    metadata: guardrailInitiative.properties.metadata
    parameters: guardrailInitiative.properties.parameters
    policyDefinitions: [
      for one in guardrailInitiative.properties.policyDefinitions: {
        policyDefinitionReferenceId: one.policyDefinitionReferenceId
        policyDefinitionId: extensionResourceId(
          managementGroup().id,
          'Microsoft.Authorization/policyDefinitions',
          one.policyDefinitionName
        )
        parameters: one.parameters
      }
    ]
  }
  dependsOn: [
    guardrailDefinition
  ]
}

@description('Resource id of the initiative of the guardrails for policy exemptions that reports.')
output guardrailsId string = guardrails.id

var denialDefinitions = [
  loadJsonContent('definitions/exg101-expiry-missing-deny.json')
  loadJsonContent('definitions/exg102-expiry-too-far-deny.json')
  loadJsonContent('definitions/exg201-ticket-missing-deny.json')
  loadJsonContent('definitions/exg203-owner-missing-deny.json')
  loadJsonContent('definitions/exg204-justification-missing-deny.json')
  loadJsonContent('definitions/exg205-control-missing-deny.json')
  loadJsonContent('definitions/exg301-scope-too-broad-deny.json')
  loadJsonContent('definitions/exg304-never-exempt-deny.json')
  loadJsonContent('definitions/exg305-category-forbidden-deny.json')
  loadJsonContent('definitions/exg402-not-validated-deny.json')
  loadJsonContent('definitions/exg403-identity-based-deny.json')
  loadJsonContent('definitions/exemption-delete-deny.json')
]
var denialInitiative = loadJsonContent('initiatives/exemption-guardrails-deny.json')

resource denialDefinition 'Microsoft.Authorization/policyDefinitions@2025-03-01' = [
  for one in denialDefinitions: {
    name: one.name
    properties: one.properties
  }
]

resource denials 'Microsoft.Authorization/policySetDefinitions@2025-03-01' = {
  name: denialInitiative.name
  properties: {
    displayName: denialInitiative.properties.displayName
    description: denialInitiative.properties.description
    policyType: 'Custom'
    metadata: denialInitiative.properties.metadata
    parameters: denialInitiative.properties.parameters
    policyDefinitions: [
      for one in denialInitiative.properties.policyDefinitions: {
        policyDefinitionReferenceId: one.policyDefinitionReferenceId
        policyDefinitionId: extensionResourceId(
          managementGroup().id,
          'Microsoft.Authorization/policyDefinitions',
          one.policyDefinitionName
        )
        parameters: one.parameters
      }
    ]
  }
  dependsOn: [
    denialDefinition
  ]
}

@description('Resource id of the initiative of the guardrails for policy exemptions that refuses.')
output denialsId string = denials.id

var tagDefinitions = [
  loadJsonContent('definitions/audit-exception-tags.json')
  loadJsonContent('definitions/deny-public-ip-addresses-unless-excepted.json')
  loadJsonContent('definitions/deny-storage-public-network-access-unless-excepted.json')
]
var tagInitiative = loadJsonContent('initiatives/tag-exceptions.json')

resource tagDefinition 'Microsoft.Authorization/policyDefinitions@2025-03-01' = [
  for one in tagDefinitions: {
    name: one.name
    properties: one.properties
  }
]

resource tagExceptions 'Microsoft.Authorization/policySetDefinitions@2025-03-01' = {
  name: tagInitiative.name
  properties: {
    displayName: tagInitiative.properties.displayName
    description: tagInitiative.properties.description
    policyType: 'Custom'
    metadata: tagInitiative.properties.metadata
    parameters: tagInitiative.properties.parameters
    policyDefinitions: [
      for one in tagInitiative.properties.policyDefinitions: {
        policyDefinitionReferenceId: one.policyDefinitionReferenceId
        policyDefinitionId: extensionResourceId(
          managementGroup().id,
          'Microsoft.Authorization/policyDefinitions',
          one.policyDefinitionName
        )
        parameters: one.parameters
      }
    ]
  }
  dependsOn: [
    tagDefinition
  ]
}

@description('Resource id of the initiative of the policies that an approved tag lets past.')
output tagExceptionsId string = tagExceptions.id

@description('Whether resources take the tags of an exception from their resource group.')
param inheritTags bool = false

@description('Region of the identity that adds inherited tags to resources that are there already.')
param location string = deployment().location

var inheritInitiative = loadJsonContent('initiatives/inherit-exception-tags.json')

resource inheritExceptionTags 'Microsoft.Authorization/policySetDefinitions@2025-03-01' = {
  name: inheritInitiative.name
  properties: inheritInitiative.properties
}

resource inheritAssignment 'Microsoft.Authorization/policyAssignments@2025-03-01' = if (inheritTags) {
  name: inheritInitiative.name
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    displayName: inheritInitiative.properties.displayName
    description: inheritInitiative.properties.description
    policyDefinitionId: inheritExceptionTags.id
  }
}

module inheritRole 'inherit-role.bicep' = if (inheritTags) {
  name: 'inherit-exception-tags-role'
  params: {
    principalId: inheritAssignment!.identity.principalId
  }
}

@description('Resource id of the initiative by which resources inherit the tags of an exception.')
output inheritExceptionTagsId string = inheritExceptionTags.id
