// Made by `exg policy build`; edit the ruleset, not this.
// The role that the built-in policy asks for. Only remediation of existing resources uses it.
targetScope = 'managementGroup'

@description('Object id of the identity of the assignment by which resources inherit tags.')
param principalId string

var roleId = tenantResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac-6180-42a0-ab88-20f7382dd24c')

resource inherits 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(managementGroup().id, principalId, roleId)
  properties: {
    roleDefinitionId: roleId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
