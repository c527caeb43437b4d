// The function app on a Flex Consumption plan. Every secret in its settings is a reference into the vault, and every
// connection an identity; there is no key among them.

@description('Region of the plan and the app.')
param location string

@description('What the names end in.')
param suffix string

@description('Tags of the plan and the app.')
param tags object

@description('Resource id of the identity that the app runs as.')
param identityId string

@description('Client id of that identity.')
param identityClientId string

@description('Blob endpoint of the storage account, for the host\'s own locks and timers.')
param blobEndpoint string

@description('Queue endpoint of the storage account.')
param queueEndpoint string

@description('Table endpoint of the storage account.')
param tableEndpoint string

@description('Container that the package goes to, as an address.')
param packageUrl string

@description('Application Insights connection string; an address, for it needs an identity besides.')
param ingestion string

@description('Address of the vault, ending in a slash.')
param vaultUri string

@description('The service\'s own settings: name to value. What is empty is left out, so that the code\'s default holds.')
param settings object

@description('Names of the app settings that are references into the vault: notice addresses and signing keys.')
param secretSettings array

@description('Python version. The app is tested with 3.13.')
param pythonVersion string

@description('Most instances at once.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int

@description('Instances kept warm for exemption writes and for deletes, each; 0: cold starts, and no cost while nothing happens.')
@minValue(0)
param alwaysReady int

@description('Subnet for outbound traffic, delegated to Microsoft.App/environments; empty: none.')
param subnetId string

@description('Whether only Event Grid may call the app\'s own address.')
param eventGridOnly bool

@description('Addresses (CIDR) that may deploy when only Event Grid may call the app; empty: all, with an Entra login.')
param deployRanges array

var warm = ['on_exemption_written', 'on_exemption_deleted']
var references = toObject(
  secretSettings,
  name => name,
  name => '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${toLower(replace(name, '_', '-'))})'
)
var given = toObject(filter(items(settings), item => !empty(item.value)), item => item.key, item => item.value)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${suffix}'
  location: location
  // azd deploys to the one resource with this tag, and to none where there are two.
  tags: union(tags, { 'azd-service-name': 'guardrails' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: eventGridOnly ? 'Deny' : 'Allow'
      ipSecurityRestrictions: eventGridOnly
        ? [
            {
              name: 'event-grid'
              action: 'Allow'
              priority: 100
              tag: 'ServiceTag'
              ipAddress: 'AzureEventGrid'
            }
          ]
        : []
      scmIpSecurityRestrictionsUseMain: false
      scmIpSecurityRestrictionsDefaultAction: eventGridOnly && !empty(deployRanges) ? 'Deny' : 'Allow'
      scmIpSecurityRestrictions: [for (block, at) in deployRanges: {
        name: 'deploy-${at}'
        action: 'Allow'
        priority: 100 + at
        ipAddress: block
      }]
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstances
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: [for name in (alwaysReady > 0 ? warm : []): {
          name: 'function:${name}'
          instanceCount: alwaysReady
        }]
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
    }
  }
}

// Three connections without a key: AzureWebJobsStorage, Application Insights, and the hub, whose name comes with `settings`.
resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    ...given
    ...references
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsStorage__blobServiceUri: blobEndpoint
    AzureWebJobsStorage__queueServiceUri: queueEndpoint
    AzureWebJobsStorage__tableServiceUri: tableEndpoint
    APPLICATIONINSIGHTS_CONNECTION_STRING: ingestion
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    // All of it: alerts and workbook count single records. Sampling in host.json does nothing with OpenTelemetry.
    OTEL_TRACES_SAMPLER: 'always_on'
    GUARDRAILS_CLIENT_ID: identityClientId
    GUARDRAILS_FUNCTION_APP_ID: app.id
  }
}

// Publishing with a name and a password is off; azd, az and func log in with Entra. Two resources, not a loop: the type
// depends on the name.
resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

@description('Resource id of the function app: what the event subscriptions point at.')
output id string = app.id

@description('Its name: what the package is deployed to.')
output name string = app.name
