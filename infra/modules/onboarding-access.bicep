// The role of the onboarding policy's identity at the management group. A module of its own, for the name of an assignment
// must be known when a deployment begins: so it holds the principal, and an identity that is made anew gets its own.

targetScope = 'managementGroup'

@description('Object id of the identity of the policy assignment.')
param principalId string

@description('Resource id of the role that onboards subscriptions.')
param roleId string

resource onboards 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(managementGroup().id, principalId, roleId)
  properties: {
    roleDefinitionId: roleId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the role assignment.')
output id string = onboards.id
