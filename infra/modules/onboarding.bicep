// The policy that onboards every subscription below a management group, present and future, and the rights of its identity.

targetScope = 'managementGroup'

@description('Region of the assignment, its identity and its deployments.')
param location string

@description('Resource id of the function app. Its code must be deployed.')
param functionAppId string

@description('Resource id of the storage account for dead letters, in the resource group of the function app.')
param deadLetterAccountId string

@description('Name of its container for them.')
param deadLetterContainer string

@description('Who writes dead letters: the one identity of eventsIdentityId, or one of each system topic. With a firewall on the dead-letter account only SystemAssigned works.')
@allowed([
  'UserAssigned'
  'SystemAssigned'
])
param deadLetterIdentity string

@description('Resource id of the identity that writes dead letters, in the resource group of the function app; empty for SystemAssigned.')
param eventsIdentityId string

@description('Types of resources whose writes and deletes wake the guardrails up.')
@maxLength(11)
param targetTypes string[]

@description('Name of the resource group in each subscription.')
param groupName string

@description('Name of the system topic in each subscription.')
param topicName string

@description('Tags of both.')
param tags object

@description('What the policy does: deploys, or only shows which subscriptions lack event subscriptions.')
@allowed([
  'deployIfNotExists'
  'auditIfNotExists'
  'disabled'
])
param effect string

@description('Resource ids of management groups and subscriptions that the policy leaves alone.')
param excludedScopes string[]

@description('Ids of subscriptions that are onboarded by this deployment, without waiting for the policy.')
param subscriptions string[]

@description('Whether a remediation task is made.')
param remediate bool

@description('Name of this run: a remediation task runs once, so each deployment makes a new one.')
param run string

@description('Resource id of the role that onboards subscriptions.')
param onboarderRoleId string

@description('What the names of the roles on the host end in.')
param roleSuffix string

var policy = loadJsonContent('../onboarding/policy.json')
var template = loadJsonContent('../onboarding/subscription.json')
var identityOperator = tenantResourceId('Microsoft.Authorization/roleDefinitions', 'f1a07417-d97a-45cb-824c-7a7467783830')
var host = split(functionAppId, '/')

// Whatever changes what is deployed changes the version, and so makes subscriptions with the older one non-compliant.
var version = uniqueString(
  string(template),
  functionAppId,
  deadLetterAccountId,
  deadLetterContainer,
  deadLetterIdentity,
  eventsIdentityId,
  string(targetTypes),
  string(tags)
)

resource definition 'Microsoft.Authorization/policyDefinitions@2025-03-01' = {
  name: 'exemption-guardrails-onboarding'
  properties: {
    policyType: 'Custom'
    mode: policy.mode
    displayName: policy.displayName
    description: policy.description
    metadata: policy.metadata
    parameters: policy.parameters
    policyRule: {
      if: policy.policyRule.if
      then: {
        effect: policy.policyRule.then.effect
        details: union(policy.policyRule.then.details, {
          roleDefinitionIds: [onboarderRoleId, identityOperator]
          deployment: {
            location: policy.policyRule.then.details.deployment.location
            properties: {
              mode: policy.policyRule.then.details.deployment.properties.mode
              parameters: policy.policyRule.then.details.deployment.properties.parameters
              template: template
            }
          }
        })
      }
    }
  }
}

resource assignment 'Microsoft.Authorization/policyAssignments@2025-03-01' = {
  name: 'guardrails-onboarding'
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    displayName: policy.displayName
    description: policy.description
    policyDefinitionId: definition.id
    notScopes: excludedScopes
    parameters: {
      effect: { value: effect }
      functionAppId: { value: functionAppId }
      deadLetterAccountId: { value: deadLetterAccountId }
      deadLetterContainer: { value: deadLetterContainer }
      deadLetterIdentity: { value: deadLetterIdentity }
      eventsIdentityId: { value: eventsIdentityId }
      targetTypes: { value: targetTypes }
      version: { value: version }
      location: { value: location }
      groupName: { value: groupName }
      topicName: { value: topicName }
      tags: { value: tags }
    }
    nonComplianceMessages: [
      {
        message: 'The exemption guardrails hear of this subscription\'s exemptions by the hourly sweep only. Remediate, or run infra/scripts/onboard.sh.'
      }
    ]
  }
}

module onboards 'onboarding-access.bicep' = {
  name: 'guardrails-onboarding-access'
  params: {
    principalId: assignment.identity.principalId
    roleId: onboarderRoleId
  }
}

module access 'onboarding-host.bicep' = {
  name: 'guardrails-onboarding-host'
  scope: resourceGroup(host[2], host[4])
  params: {
    principalId: assignment.identity.principalId
    functionAppName: last(host)
    deadLetterAccountName: last(split(deadLetterAccountId, '/'))
    deadLetterContainer: deadLetterContainer
    deadLetterIdentity: deadLetterIdentity
    eventsIdentityName: last(split(eventsIdentityId, '/'))
    roleSuffix: roleSuffix
  }
}

// At once, and with the rights of who deploys this: the policy takes half an hour to know that it is needed.
#disable-next-line not-checked
module now '../onboarding/subscription.json' = [
  for id in subscriptions: {
    name: 'guardrails-onboarding-${uniqueString(id)}'
    scope: subscription(id)
    params: {
      functionAppId: functionAppId
      deadLetterAccountId: deadLetterAccountId
      deadLetterContainer: deadLetterContainer
      deadLetterIdentity: deadLetterIdentity
      eventsIdentityId: eventsIdentityId
      targetTypes: targetTypes
      version: version
      location: location
      groupName: groupName
      topicName: topicName
      tags: tags
    }
  }
]

// It takes what is known to be non-compliant: to evaluate anew is not offered at a management group. Nothing is known in
// the first half hour of an assignment; docs/onboarding.md says what to do then.
resource remediation 'Microsoft.PolicyInsights/remediations@2024-10-01' = if (remediate && effect == 'deployIfNotExists') {
  name: 'guardrails-onboarding-${run}'
  properties: {
    policyAssignmentId: assignment.id
    resourceDiscoveryMode: 'ExistingNonCompliant'
    parallelDeployments: 10
    resourceCount: 10000
    failureThreshold: {
      percentage: 1
    }
  }
  dependsOn: [onboards, access]
}

@description('Resource id of the policy assignment.')
output assignmentId string = assignment.id

@description('The label that event subscriptions of this deployment have.')
output version string = version
