// Once the would-revert notices are what you want: the ruleset decides, so set `mode: enforce` in yours and name it here.
// The same name and the same values as in audit.bicepparam, for it is the same host. What you told azd is not here: who
// began with azd stays with it.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'guardrails')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param mode = 'enforce'
param ruleset = 'ruleset.yaml'
param sweepScopes = []
param alertEmails = []
param alwaysReady = 1
param lockRegister = true
