// Optional: an Event Hub for the activity log of a management group, whose exemptions raise no Event Grid event.
//
// Azure Monitor writes to an Event Hub with a shared access policy only: a diagnostic setting names an authorization rule
// of the namespace, and takes no identity. So local authentication stays on here, alone in this deployment. Nothing of
// ours reads the keys: the app receives with its identity. Who may not have that leaves the hub out; the sweep covers
// these exemptions within the hour.

@description('Region of the namespace; anywhere, for a management group is in none.')
param location string

@description('What the name ends in.')
param suffix string

@description('Tags of the namespace.')
param tags object

@description('Object id of the app\'s identity, which receives.')
param appPrincipalId string

@description('Most throughput units that the namespace grows to by itself.')
@minValue(1)
@maxValue(40)
param maximumUnits int = 2

var roles = loadJsonContent('data-roles.json')

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: 'evhns-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Standard'
    capacity: 1
  }
  properties: {
    minimumTlsVersion: '1.2'
    disableLocalAuth: false
    isAutoInflateEnabled: maximumUnits > 1
    maximumThroughputUnits: maximumUnits > 1 ? maximumUnits : 0
  }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: 'activity-log'
  properties: {
    partitionCount: 2
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: 24
    }
  }
}

resource group 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = {
  parent: hub
  name: 'guardrails'
}

// Azure Monitor's documentation asks for all three rights on the namespace.
resource rule 'Microsoft.EventHub/namespaces/authorizationRules@2024-01-01' = {
  parent: namespace
  name: 'azure-monitor'
  properties: {
    rights: ['Listen', 'Manage', 'Send']
  }
}

resource receiving 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hub
  name: guid(hub.id, appPrincipalId, roles.eventHubsDataReceiver)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventHubsDataReceiver)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

@description('Name of the hub.')
output name string = hub.name

@description('Consumer group of the app.')
output consumerGroup string = group.name

@description('Host name of the namespace, with the domain of this cloud.')
output host string = split(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':')[0]

@description('Resource id of the rule that the diagnostic setting of the management group names.')
output ruleId string = rule.id
