// The custom roles, at a management group. What they allow is in infra/roles/*.json; docs/permissions.md says why.

targetScope = 'managementGroup'

@description('What the names of the roles end in. Names are unique in a tenant: say it where the guardrails are deployed twice.')
param suffix string = ''

var sources = {
  reader: loadJsonContent('../roles/reader.json')
  enforcer: loadJsonContent('../roles/enforcer.json')
  restorer: loadJsonContent('../roles/restorer.json')
  onboarder: loadJsonContent('../roles/onboarder.json')
}

// A custom role with a management group among its scopes can have one of them only (Azure custom roles, Microsoft Learn).
resource roles 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in items(sources): {
    name: guid(managementGroup().id, 'exemption-guardrails', role.key, suffix)
    properties: {
      roleName: '${role.value.roleName}${suffix}'
      description: role.value.description
      type: 'CustomRole'
      permissions: role.value.permissions
      assignableScopes: [managementGroup().id]
    }
  }
]

// By name, not by position: items() sorts by key.
var names = toObject(
  items(sources),
  role => role.key,
  role => tenantResourceId('Microsoft.Authorization/roleDefinitions', guid(managementGroup().id, 'exemption-guardrails', role.key, suffix))
)

@description('Resource id of the role that reads.')
output readerId string = names.reader

@description('Resource id of the role that enforces.')
output enforcerId string = names.enforcer

@description('Resource id of the role that restores.')
output restorerId string = names.restorer

@description('Resource id of the role that onboards subscriptions.')
output onboarderId string = names.onboarder
