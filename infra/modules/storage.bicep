// Two accounts, neither with a key that works. One holds the register, the queues and the package, and may be closed to
// the network. The other holds dead letters and nothing else: Event Grid writes to it with a user-assigned identity,
// which no storage firewall lets through, so it stays open to it, by identity only, unless topics have their own.

@description('Region of the accounts.')
param location string

@description('What the names end in: letters and digits, at most 16.')
@maxLength(16)
param suffix string

@description('Tags of the accounts.')
param tags object

@description('Replication of both accounts. Standard_ZRS needs a region with availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param sku string

@description('Name of the register\'s table.')
param tableName string

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Object id of the identity that writes dead letters.')
param eventsPrincipalId string

@description('Object id of who operates the service from the command line; empty: nobody.')
param operatorPrincipalId string

@description('What kind of principal the operator is.')
param operatorPrincipalType string

@description('Days that dead letters are kept.')
@minValue(1)
param deadLetterDays int

@description('Whether the register\'s account is closed to the public network.')
param closed bool

@description('Addresses (CIDR, at least a /30, or one address) that may still connect to a closed account.')
param allowedRanges array

@description('Whether the dead-letter account is closed too: then system topics must write with identities of their own.')
param deadLettersClosed bool

@description('Whether the register\'s account is locked against deletion.')
param locked bool

var roles = loadJsonContent('data-roles.json')

// Storage refuses /32: one address has no suffix. A loop has no place in an object with a spread, so it is here.
var ipRules = [for block in allowedRanges: { value: endsWith(block, '/32') ? split(block, '/')[0] : block }]
var queueNames = ['reconcile', 'reconcile-poison', 'notices', 'notices-poison']
var packageContainer = 'packages'
var deadLetterContainer = 'dead-letters'
var noKeys = {
  minimumTlsVersion: 'TLS1_2'
  supportsHttpsTrafficOnly: true
  allowBlobPublicAccess: false
  allowSharedKeyAccess: false
  defaultToOAuthAuthentication: true
  allowCrossTenantReplication: false
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'stgr${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    ...noKeys
    publicNetworkAccess: closed && empty(allowedRanges) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: closed ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: ipRules
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = {
  parent: blobs
  name: packageContainer
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-08-01' = {
  parent: account
  name: 'default'
}

resource register 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-08-01' = {
  parent: tables
  name: tableName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-08-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-08-01' = [for name in queueNames: {
  parent: queueService
  name: name
}]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  scope: account
  name: 'register'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the register and its history: the record of every exemption.'
  }
}

resource deadLetterAccount 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'stdl${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    ...noKeys
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: deadLettersClosed ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
      ipRules: ipRules
    }
  }
}

resource deadLetterBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: deadLetterAccount
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = {
  parent: deadLetterBlobs
  name: deadLetterContainer
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = {
  parent: deadLetterAccount
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'old-dead-letters'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob', 'appendBlob']
              prefixMatch: ['${deadLetterContainer}/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: deadLetterDays
                }
              }
            }
          }
        }
      ]
    }
  }
}

// The host wants the blob role for its locks, timers and package; tables and queues are ours.
var appRoles = [roles.storageBlobDataOwner, roles.storageQueueDataContributor, roles.storageTableDataContributor]

resource appAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in appRoles: {
  scope: account
  name: guid(account.id, appPrincipalId, role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource eventsAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: deadLetters
  name: guid(deadLetters.id, eventsPrincipalId, roles.storageBlobDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
    principalId: eventsPrincipalId
    principalType: 'ServicePrincipal'
  }
}

var operatorRoles = empty(operatorPrincipalId) ? [] : [
  roles.storageQueueDataContributor
  roles.storageTableDataContributor
]

resource operatorAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in operatorRoles: {
  scope: account
  name: guid(account.id, operatorPrincipalId, role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}]

resource operatorDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  scope: deadLetters
  name: guid(deadLetters.id, operatorPrincipalId, roles.storageBlobDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}

@description('Resource id of the account with the register, the queues and the package.')
output id string = account.id

@description('Its name.')
output name string = account.name

@description('Its blob endpoint.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Its queue endpoint.')
output queueEndpoint string = account.properties.primaryEndpoints.queue

@description('Its table endpoint.')
output tableEndpoint string = account.properties.primaryEndpoints.table

@description('Where the package goes.')
output packageUrl string = '${account.properties.primaryEndpoints.blob}${packages.name}'

@description('Resource id of the account for dead letters.')
output deadLetterAccountId string = deadLetterAccount.id

@description('Name of the container for dead letters.')
output deadLetterContainer string = deadLetters.name
