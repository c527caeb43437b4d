// For azd: what is not set with `azd env set NAME VALUE` has the default of main.bicep. Lists are comma-separated. What
// has no such name is changed here.
using 'main.bicep'

var scopes = replace(readEnvironmentVariable('GUARDRAILS_SWEEP_SCOPES', ''), ' ', '')
var ranges = replace(readEnvironmentVariable('GUARDRAILS_ALLOWED_RANGES', ''), ' ', '')
var emails = replace(readEnvironmentVariable('GUARDRAILS_ALERT_EMAILS', ''), ' ', '')
var settings = replace(readEnvironmentVariable('GUARDRAILS_SECRET_SETTINGS', 'TEAMS_WEBHOOK_URL,GUARDRAILS_ALERT_TEAMS_URL'), ' ', '')

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'guardrails')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param mode = readEnvironmentVariable('GUARDRAILS_DEPLOY_MODE', 'audit')
param ruleset = readEnvironmentVariable('GUARDRAILS_RULESET', '')
param sweepScopes = empty(scopes) ? [] : split(scopes, ',')
param secretSettings = empty(settings) ? [] : split(settings, ',')
param alertEmails = empty(emails) ? [] : split(emails, ',')
param actionGroupIds = []
param workspaceId = readEnvironmentVariable('GUARDRAILS_WORKSPACE_ID', '')
param activityHub = bool(readEnvironmentVariable('GUARDRAILS_MAKE_ACTIVITY_HUB', 'false'))
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param operatorPrincipalType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User')
param noticeTopicId = ''
param sweepSchedule = '0 10 * * * *'
param sweepLateHours = 3
param tableName = 'guardrails'
param moreSettings = {}
param tags = {}
// For pipelines: the names of what they give as `secrets`, which no file should hold.
param secretNames = []

// Who may connect: all networks, with an Entra identity, unless privateNetwork closes register and vault.
param privateNetwork = bool(readEnvironmentVariable('GUARDRAILS_PRIVATE_NETWORK', 'false'))
param allowedRanges = empty(ranges) ? [] : split(ranges, ',')
param addressSpace = '10.255.255.0/25'
param appSubnetId = ''
param endpointSubnetId = ''
param dnsZoneIds = {}
param closeDeadLetters = false
param eventGridOnly = false
param deployRanges = []

// How much, and of what.
param storageSku = readEnvironmentVariable('GUARDRAILS_STORAGE_SKU', 'Standard_ZRS')
param alwaysReady = int(readEnvironmentVariable('GUARDRAILS_ALWAYS_READY', '0'))
param maximumInstances = 40
param instanceMemoryMB = 2048
param deadLetterDays = 30
param logDays = 90
param logQuotaGb = 1
param pythonVersion = '3.13'
param lockRegister = bool(readEnvironmentVariable('GUARDRAILS_LOCK_REGISTER', 'false'))
