// Where the logs go. Application Insights takes them from an identity only: its connection string alone admits nobody.

@description('Region.')
param location string

@description('What the names end in.')
param suffix string

@description('Tags.')
param tags object

@description('Resource id of a Log Analytics workspace that is there already; empty: one is made.')
param existingWorkspaceId string

@description('Days that a workspace made here keeps logs.')
@minValue(30)
@maxValue(730)
param retentionDays int

@description('Gigabytes that a workspace made here takes in a day at most; -1: no limit.')
param dailyQuotaGb int

@description('Object id of the app\'s identity.')
param appPrincipalId string

var roles = loadJsonContent('data-roles.json')

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = if (empty(existingWorkspaceId)) {
  name: 'log-${suffix}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyQuotaGb
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

var workspaceResourceId = empty(existingWorkspaceId) ? workspace.id : existingWorkspaceId

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${suffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceResourceId
    DisableLocalAuth: true
    DisableIpMasking: false
  }
}

resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, appPrincipalId, roles.monitoringMetricsPublisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspaceResourceId

@description('Resource id of the Application Insights component.')
output insightsId string = insights.id

@description('Address that telemetry goes to. No secret: local authentication is off.')
output ingestion string = insights.properties.ConnectionString
