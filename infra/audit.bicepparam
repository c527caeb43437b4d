// The first weeks: everything is judged, recorded and told, and nothing is changed. The defaults of main.bicep otherwise.
using 'main.bicep'

param environmentName = 'audit'
param location = 'westeurope'
param mode = 'audit'
param sweepScopes = []
param alertEmails = []
