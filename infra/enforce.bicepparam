// Once the would-revert notices are what you want: the ruleset decides, so set `mode: enforce` in yours and name it here.
// The same environmentName as in audit.bicepparam, for it is the same host.
using 'main.bicep'

param environmentName = 'audit'
param location = 'westeurope'
param mode = 'enforce'
param ruleset = 'ruleset.yaml'
param sweepScopes = []
param alertEmails = []
param alwaysReady = 1
param lockRegister = true
