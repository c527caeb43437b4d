// Two identities: one runs the service, the other only puts dead letters away. User-assigned, so that their roles at the
// management group outlive the function app.

@description('Region of the identities.')
param location string

@description('What the names end in, such as guardrails-x7k2.')
param suffix string

@description('Tags of the identities.')
param tags object

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${suffix}'
  location: location
  tags: tags
}

resource events 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${suffix}-events'
  location: location
  tags: tags
}

@description('Resource id of the identity that the function app runs as.')
output appId string = app.id

@description('Its client id: what tokens are asked for with.')
output appClientId string = app.properties.clientId

@description('Its object id: what roles are given to.')
output appPrincipalId string = app.properties.principalId

@description('Resource id of the identity that system topics write dead letters with.')
output eventsId string = events.id

@description('Its object id.')
output eventsPrincipalId string = events.properties.principalId
