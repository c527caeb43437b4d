// The first weeks: everything is judged, recorded and notified, and nothing is changed. The defaults of main.bicep otherwise.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'guardrails')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param mode = 'audit'
param ruleset = ''
param sweepScopes = []
param secretSettings = ['TEAMS_WEBHOOK_URL', 'GUARDRAILS_ALERT_TEAMS_URL']
param alertEmails = []
param actionGroupIds = []
param workspaceId = ''
param activityHub = false
param operatorPrincipalId = ''
param operatorPrincipalType = 'User'
param noticeTopicId = ''
param sweepSchedule = '0 10 * * * *'
param sweepLateHours = 3
param tableName = 'guardrails'
param moreSettings = {}
param tags = {}
// For pipelines: the names of what they give as `secrets`, which no file should hold.
param secretNames = []

// Who may connect: all networks, with an Entra identity, unless privateNetwork closes register and vault.
param privateNetwork = false
param allowedRanges = []
param addressSpace = '10.255.255.0/25'
param appSubnetId = ''
param endpointSubnetId = ''
param dnsZoneIds = {}
param closeDeadLetters = false
param eventGridOnly = false
param deployRanges = []

// How much, and of what.
param storageSku = 'Standard_ZRS'
param alwaysReady = 0
param maximumInstances = 40
param instanceMemoryMB = 2048
param deadLetterDays = 30
param logDays = 90
param logQuotaGb = 1
param pythonVersion = '3.13'
param lockRegister = false
