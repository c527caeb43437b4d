// The right to publish notices to one Event Grid topic, where a route of the ruleset names it.

@description('Name of the topic.')
param topicName string

@description('Object id of the app\'s identity.')
param appPrincipalId string

var roles = loadJsonContent('data-roles.json')

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: topicName
}

resource sending 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: topic
  name: guid(topic.id, appPrincipalId, roles.eventGridDataSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventGridDataSender)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}
