// The host: all that runs the service, in one resource group of one subscription. What the service may do to exemptions,
// and which subscriptions send it events, is management-group.bicep's; nothing here is outside the group.
targetScope = 'subscription'

// --- eight of the ten decisions: the others are the subscription, and the management group of the second command -------

@description('Name of this deployment, in the names of all that it makes.')
@minLength(2)
@maxLength(64)
param environmentName string

@description('Region. Flex Consumption must be offered there: az functionapp list-flexconsumption-locations.')
param location string

@description('Path of your ruleset in the package; empty: the one that is shipped.')
param ruleset string = ''

@description('App settings that hold notice addresses and signing keys. Each becomes a reference into the vault; secrets.sh fills it.')
param secretSettings array = ['TEAMS_WEBHOOK_URL', 'GUARDRAILS_ALERT_TEAMS_URL']

@description('Who gets an e-mail when the service is in trouble; empty: alerts are seen in the portal only.')
param alertEmails array = []

@description('Resource id of a Log Analytics workspace of yours; empty: one is made.')
param workspaceId string = ''

@description('Whether register and vault are closed to the public network, with private endpoints.')
param privateNetwork bool = false

@description('Whether to make an Event Hub for the activity log of a management group. It needs shared access keys: see docs/deploy.md.')
param activityHub bool = false

// --- what seldom changes -------------------------------------------------------------------------------------------

@description('audit: everything is judged and notified, and nothing is changed, whatever the ruleset says. enforce: the ruleset decides.')
@allowed(['audit', 'enforce'])
param mode string = 'audit'

@description('Management groups (names) and subscriptions (ids) to sweep; empty: all that the identity can see.')
param sweepScopes array = []

@description('Name of the resource group.')
param resourceGroupName string = 'rg-guardrails-${environmentName}'

@description('Tags of everything.')
param tags object = {}

@description('Object id of who operates the service: sets secrets, and reads register and dead letters; empty: nobody yet.')
param operatorPrincipalId string = ''

@description('What kind of principal the operator is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param operatorPrincipalType string = 'User'

@description('Names of the app settings whose values are in `secrets`: what-if shows these, and never a value.')
param secretNames array = []

@description('Secrets to set at deployment, by the name of the app setting; secretNames names each. For pipelines that hold them; people use secrets.sh.')
@secure()
param secrets object = {}

@description('When to sweep: second minute hour day month weekday, UTC, one blank between. A time span does not do.')
param sweepSchedule string = '0 10 * * * *'

@description('Hours without a sweep after which the alert sweep-late fires: the least of these that is three times the longest gap of sweepSchedule.')
@allowed([1, 2, 3, 4, 5, 6, 24, 48])
param sweepLateHours int = 3

@description('Name of the register\'s table.')
@minLength(3)
@maxLength(63)
param tableName string = 'guardrails'

@description('More app settings of docs/settings.md: name to value.')
param moreSettings object = {}

@description('Resource id of the Event Grid topic that a route of the ruleset publishes to; empty: none.')
param noticeTopicId string = ''

@description('Python version of the app.')
param pythonVersion string = '3.13'

@description('Most instances of the app at once. Less than 40 is not known to work.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Instances kept warm for exemption writes and deletes, each; 0: none.')
@minValue(0)
param alwaysReady int = 0

@description('Replication of storage. Standard_ZRS needs a region with availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('Whether the account with the register is locked against deletion.')
param lockRegister bool = false

@description('Days that dead letters are kept.')
@minValue(1)
param deadLetterDays int = 30

@description('Days that a workspace made here keeps logs.')
@minValue(30)
@maxValue(730)
param logDays int = 90

@description('Gigabytes of logs a day at most, in a workspace made here; -1: no limit.')
param logQuotaGb int = 1

@description('Resource ids of action groups that are there already.')
param actionGroupIds array = []

@description('Addresses of the network that privateNetwork makes; at least a /25.')
param addressSpace string = '10.255.255.0/25'

@description('Existing subnet for the app, delegated to Microsoft.App/environments; empty: a network is made.')
param appSubnetId string = ''

@description('Existing subnet for private endpoints; needed with appSubnetId.')
param endpointSubnetId string = ''

@description('Private DNS zones of yours: blob, queue, table, vault to resource ids.')
param dnsZoneIds object = {}

@description('Addresses (CIDR) that may still connect to register and vault when privateNetwork closes them, such as an operator\'s.')
param allowedRanges array = []

@description('Whether dead letters are behind a firewall too. Needs deadLetterIdentity SystemAssigned in management-group.bicep.')
param closeDeadLetters bool = false

@description('Whether only Event Grid may call the app\'s own address. Not tried in a real subscription: watch the dead letters.')
param eventGridOnly bool = false

@description('Addresses (CIDR) that may deploy when eventGridOnly is set; empty: all, with an Entra login.')
param deployRanges array = []

// --- what does not fit together: refused with these words, before anything is made ------------------------------------

var refused = map(filter([
  {
    wrong: length(union(secretNames, objectKeys(secrets))) != length(intersection(secretNames, objectKeys(secrets)))
    said: 'secretNames and secrets do not name the same app settings: each value needs its name in secretNames, each name its value.'
  }
  {
    wrong: length(union(secretSettings, secretNames)) != length(union(secretSettings, secretSettings))
    said: 'secretNames has a name that secretSettings lacks: the secret would be in the vault, and the app without it.'
  }
  {
    wrong: empty(appSubnetId) != empty(endpointSubnetId)
    said: 'appSubnetId and endpointSubnetId go together: give both, or neither, and a network is made.'
  }
  {
    wrong: !privateNetwork && (!empty(appSubnetId) || !empty(dnsZoneIds))
    said: 'appSubnetId and dnsZoneIds do nothing without privateNetwork: register and vault would be open to all networks.'
  }
  {
    wrong: !privateNetwork && !closeDeadLetters && !empty(allowedRanges)
    said: 'allowedRanges close nothing: without privateNetwork register and vault are open to all networks. Set privateNetwork (GUARDRAILS_PRIVATE_NETWORK) to true, or give no allowedRanges.'
  }
  {
    wrong: !eventGridOnly && !empty(deployRanges)
    said: 'deployRanges close nothing without eventGridOnly: set it to true, or give no deployRanges.'
  }
  {
    wrong: length(split(sweepSchedule, ' ')) != 6
    said: 'sweepSchedule is not six fields with one blank between: second minute hour day month weekday. Flex Consumption takes no time span, such as 01:00:00.'
  }
], one => one.wrong), one => one.said)

// In a condition: conditions are evaluated before anything is made.
var closes = empty(refused) ? privateNetwork : fail(join(refused, ' '))

// --- names ---------------------------------------------------------------------------------------------------------

func withoutSlash(address string) string => endsWith(address, '/') ? take(address, length(address) - 1) : address

var token = toLower(uniqueString(subscription().id, environmentName))
var suffix = 'guardrails-${take(token, 6)}'
var allTags = union({ 'azd-env-name': environmentName, service: 'exemption-guardrails' }, tags)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: allTags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: allTags
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    suffix: token
    tags: allTags
    sku: storageSku
    tableName: tableName
    appPrincipalId: identity.outputs.appPrincipalId
    eventsPrincipalId: identity.outputs.eventsPrincipalId
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
    deadLetterDays: deadLetterDays
    closed: privateNetwork
    allowedRanges: allowedRanges
    deadLettersClosed: closeDeadLetters
    locked: lockRegister
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: allTags
    existingWorkspaceId: workspaceId
    retentionDays: logDays
    dailyQuotaGb: logQuotaGb
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    suffix: token
    tags: allTags
    appPrincipalId: identity.outputs.appPrincipalId
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
    workspaceId: monitoring.outputs.workspaceId
    closed: privateNetwork
    allowedRanges: allowedRanges
    secretNames: secretNames
    secrets: secrets
  }
}

module network 'modules/network.bicep' = if (closes) {
  name: 'network'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: allTags
    addressSpace: addressSpace
    existingAppSubnetId: appSubnetId
    existingEndpointSubnetId: endpointSubnetId
    storageId: storage.outputs.id
    vaultId: vault.outputs.id
    dnsZoneIds: dnsZoneIds
  }
}

module hub 'modules/hub.bicep' = if (activityHub) {
  name: 'hub'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: allTags
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

// The scope of a module is worked out even where the module is left out, so there must be one.
var here = '/subscriptions/${subscription().subscriptionId}/resourceGroups/${resourceGroupName}'
var topicPath = split(empty(noticeTopicId) ? here : noticeTopicId, '/')

module topic 'modules/topic.bicep' = if (!empty(noticeTopicId)) {
  name: 'notice-topic'
  scope: resourceGroup(topicPath[2], topicPath[4])
  params: {
    topicName: last(topicPath)
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

var hubSettings = activityHub
  ? {
      GUARDRAILS_ACTIVITY_HUB: hub!.outputs.name
      GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace: hub!.outputs.host
      GUARDRAILS_ACTIVITY_HUB_CONNECTION__credential: 'managedidentity'
      GUARDRAILS_ACTIVITY_HUB_CONNECTION__clientId: identity.outputs.appClientId
    }
  : {}

module functions 'modules/functions.bicep' = {
  name: 'functions'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: allTags
    identityId: identity.outputs.appId
    identityClientId: identity.outputs.appClientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    packageUrl: storage.outputs.packageUrl
    ingestion: monitoring.outputs.ingestion
    vaultUri: vault.outputs.uri
    settings: union(
      {
        GUARDRAILS_MODE: mode == 'audit' ? 'audit' : ''
        GUARDRAILS_RULESET: ruleset
        GUARDRAILS_TABLE: tableName
        GUARDRAILS_SWEEP_SCOPES: join(sweepScopes, ',')
        GUARDRAILS_SWEEP_SCHEDULE: sweepSchedule
        GUARDRAILS_ARM_ENDPOINT: withoutSlash(environment().resourceManager)
        GUARDRAILS_PORTAL: withoutSlash(environment().portal)
      },
      hubSettings,
      moreSettings
    )
    secretSettings: secretSettings
    pythonVersion: pythonVersion
    maximumInstances: maximumInstances
    instanceMemoryMB: instanceMemoryMB
    alwaysReady: alwaysReady
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    eventGridOnly: eventGridOnly
    deployRanges: deployRanges
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
    insightsId: monitoring.outputs.insightsId
    deadLetterAccountId: storage.outputs.deadLetterAccountId
    emails: alertEmails
    actionGroupIds: actionGroupIds
    sweepLateHours: sweepLateHours
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
    insightsId: monitoring.outputs.insightsId
  }
}

// --- what the next commands want; azd puts these into its environment under these names -------------------------------

@description('Resource group of the host.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Region of the host, for the next command.')
output AZURE_LOCATION string = location

@description('Name of the function app: what the package is deployed to.')
output GUARDRAILS_FUNCTION_APP string = functions.outputs.name

@description('Resource id of the function app: what event subscriptions point at.')
output GUARDRAILS_FUNCTION_APP_ID string = functions.outputs.id

@description('Object id of the service\'s identity: what roles are given to.')
output GUARDRAILS_PRINCIPAL_ID string = identity.outputs.appPrincipalId

@description('Resource id of the identity that system topics write dead letters with.')
output GUARDRAILS_EVENTS_IDENTITY_ID string = identity.outputs.eventsId

@description('Resource id of the account for dead letters.')
output GUARDRAILS_DEAD_LETTER_ACCOUNT_ID string = storage.outputs.deadLetterAccountId

@description('Container for dead letters.')
output GUARDRAILS_DEAD_LETTER_CONTAINER string = storage.outputs.deadLetterContainer

@description('Name of the vault: what secrets.sh fills.')
output GUARDRAILS_VAULT string = vault.outputs.name

@description('The app settings that are references into the vault, comma-separated.')
output GUARDRAILS_SECRET_SETTINGS string = join(secretSettings, ',')

@description('Hub for the activity log; empty: none.')
output GUARDRAILS_HUB_NAME string = activityHub ? hub!.outputs.name : ''

@description('Authorization rule that the management group\'s diagnostic setting names; empty: none.')
output GUARDRAILS_HUB_RULE_ID string = activityHub ? hub!.outputs.ruleId : ''

@description('Table endpoint, for the command line.')
output AzureWebJobsStorage__tableServiceUri string = storage.outputs.tableEndpoint

@description('Queue endpoint, for the command line.')
output AzureWebJobsStorage__queueServiceUri string = storage.outputs.queueEndpoint

@description('What holds the app at audit, for the command line: it must be held by the same; empty: the ruleset decides.')
output GUARDRAILS_MODE string = mode == 'audit' ? 'audit' : ''

@description('The register\'s table, for the command line.')
output GUARDRAILS_TABLE string = tableName

@description('Resource id of the Application Insights component: where the doctor looks whether records arrive.')
output GUARDRAILS_INSIGHTS_ID string = monitoring.outputs.insightsId

@description('Resource id of the workbook.')
output GUARDRAILS_WORKBOOK_ID string = workbook.outputs.id
