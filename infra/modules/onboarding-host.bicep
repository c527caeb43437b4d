// What the identity of the onboarding policy may do where the guardrails run: name the functions as destinations, the
// identity that writes dead letters, and where they go. Deployed to the resource group of the function app.

@description('Object id of the identity of the policy assignment.')
param principalId string

@description('Name of the function app.')
param functionAppName string

@description('Name of the storage account for dead letters.')
param deadLetterAccountName string

@description('Name of its container for them.')
param deadLetterContainer string

@description('Who writes dead letters: UserAssigned or SystemAssigned.')
param deadLetterIdentity string

@description('Name of the identity that writes dead letters; not read for SystemAssigned.')
param eventsIdentityName string

@description('What the names of the roles end in.')
param roleSuffix string

var hostRole = loadJsonContent('../roles/onboarder-host.json')
var groupRole = loadJsonContent('../roles/onboarder-group.json')
var operatorId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f1a07417-d97a-45cb-824c-7a7467783830')
var accessAdministratorId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f58310d9-a9f6-439a-9e8d-f62e7b41a168')
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var shared = deadLetterIdentity == 'UserAssigned'

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: deadLetterAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' existing = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' existing = {
  parent: blobs
  name: deadLetterContainer
}

resource events 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: empty(eventsIdentityName) ? 'none' : eventsIdentityName
}

resource hostDefinition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'exemption-guardrails', 'onboarder-host', roleSuffix)
  properties: {
    roleName: '${hostRole.roleName}${roleSuffix}'
    description: hostRole.description
    type: 'CustomRole'
    permissions: hostRole.permissions
    assignableScopes: [resourceGroup().id]
  }
}

var hostRoleId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', hostDefinition.name)

// The names hold the principal: Azure lets no other take an assignment over, and the policy's identity may be made anew.
resource onApp 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: app
  name: guid(app.id, principalId, hostRoleId)
  properties: {
    roleDefinitionId: hostRoleId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource onAccount 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, principalId, hostRoleId)
  properties: {
    roleDefinitionId: hostRoleId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource onIdentity 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (shared) {
  scope: events
  name: guid(events.id, principalId, operatorId)
  properties: {
    roleDefinitionId: operatorId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// With SystemAssigned, each onboarding gives the new topic's identity its role on the container, by a deployment in this
// group; the condition allows that one role, to service principals.
resource groupDefinition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!shared) {
  name: guid(resourceGroup().id, 'exemption-guardrails', 'onboarder-group', roleSuffix)
  properties: {
    roleName: '${groupRole.roleName}${roleSuffix}'
    description: groupRole.description
    type: 'CustomRole'
    permissions: groupRole.permissions
    assignableScopes: [resourceGroup().id]
  }
}

var groupRoleId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', groupDefinition.name)

resource onGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!shared) {
  name: guid(resourceGroup().id, principalId, groupRoleId)
  properties: {
    roleDefinitionId: groupRoleId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

var requested = '@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${blobContributor}} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'}'

resource onContainer 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!shared) {
  scope: container
  name: guid(container.id, principalId, accessAdministratorId)
  properties: {
    roleDefinitionId: accessAdministratorId
    principalId: principalId
    principalType: 'ServicePrincipal'
    conditionVersion: '2.0'
    condition: '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR (${requested})) AND (!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'}))'
  }
}

@description('Resource id of the role that the policy\'s identity has on the function app and the dead-letter account.')
output roleId string = hostRoleId
