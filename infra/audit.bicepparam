// The first weeks: everything is judged, recorded and told, and nothing is changed. The defaults of main.bicep otherwise.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'guardrails')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param mode = 'audit'
param sweepScopes = []
param alertEmails = []
