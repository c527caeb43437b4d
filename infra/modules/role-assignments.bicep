// What the app's identity may do below a management group. Audit mode needs the reader alone.

targetScope = 'managementGroup'

@description('Object id of the app\'s identity.')
param principalId string

@description('Resource id of the role that reads.')
param readerId string

@description('Resource id of the role that enforces.')
param enforcerId string

@description('Resource id of the role that restores.')
param restorerId string

@description('Whether the app may revert, delete and tag exemptions.')
param enforce bool

@description('Whether the app may write lost exemptions again, without enforcing.')
param restore bool

@description('Whether the app may read every resource, as the built-in Reader does. Only then can it see resources whose tags switch a policy off.')
param readTags bool

var builtInReader = tenantResourceId('Microsoft.Authorization/roleDefinitions', 'acdd72a7-3385-48ef-bd42-f606fba81ae7')
var wanted = concat(
  [readerId],
  enforce ? [enforcerId] : [],
  restore ? [restorerId] : [],
  readTags ? [builtInReader] : []
)

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for roleId in wanted: {
    name: guid(managementGroup().id, principalId, roleId)
    properties: {
      roleDefinitionId: roleId
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

@description('The roles that the app\'s identity has here, by resource id.')
output roleIds array = wanted
