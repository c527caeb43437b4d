// The vault holds what may not be read from app settings: the addresses of notice routes and the keys that sign webhooks.
// It is deployed without any: infra/scripts/secrets.sh puts them in.

@description('Region of the vault.')
param location string

@description('What the name ends in: letters and digits, at most 16.')
@maxLength(16)
param suffix string

@description('Tags of the vault.')
param tags object

@description('Object id of the app\'s identity, which may read secrets.')
param appPrincipalId string

@description('Object id of who sets secrets; empty: nobody yet.')
param operatorPrincipalId string

@description('What kind of principal the operator is.')
param operatorPrincipalType string

@description('Resource id of the workspace that the audit log goes to.')
param workspaceId string

@description('Whether the vault is closed to the public network.')
param closed bool

@description('Addresses (CIDR) that may still connect to the vault when it is closed.')
param allowedRanges array

@description('Names of the app settings whose values are in `secrets`. A loop over them, and not over the values, shows what-if each secret.')
param secretNames array

@description('Secrets to set at deployment, by the name of the app setting. For pipelines that hold them; people use the script.')
@secure()
param secrets object

var roles = loadJsonContent('data-roles.json')

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: 'kv-gr-${suffix}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: closed && empty(allowedRanges) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: closed ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: [for block in allowedRanges: { value: block }]
    }
  }
}

resource given 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = [for name in secretNames: {
  parent: vault
  name: toLower(replace(name, '_', '-'))
  properties: {
    value: secrets[name]
    contentType: 'app setting ${name}'
  }
}]

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, appPrincipalId, roles.keyVaultSecretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource setting 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  scope: vault
  name: guid(vault.id, operatorPrincipalId, roles.keyVaultSecretsOfficer)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsOfficer)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the vault.')
output id string = vault.id

@description('Name of the vault: what secrets.sh wants.')
output name string = vault.name

@description('Address of the vault, ending in a slash.')
output uri string = vault.properties.vaultUri
