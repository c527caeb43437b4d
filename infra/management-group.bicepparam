// Audit mode: the app reads, nothing more. The values come from the outputs of main.bicep; with azd in one command:
//   (set -a; eval "$(azd env get-values)"; az deployment mg create --management-group-id MG --location REGION \
//      -f infra/management-group.bicep -p infra/management-group.bicepparam)
using './management-group.bicep'

param principalId = readEnvironmentVariable('GUARDRAILS_PRINCIPAL_ID')
param functionAppId = readEnvironmentVariable('GUARDRAILS_FUNCTION_APP_ID')
param deadLetterAccountId = readEnvironmentVariable('GUARDRAILS_DEAD_LETTER_ACCOUNT_ID')
param deadLetterContainer = readEnvironmentVariable('GUARDRAILS_DEAD_LETTER_CONTAINER', 'dead-letters')
param eventsIdentityId = readEnvironmentVariable('GUARDRAILS_EVENTS_IDENTITY_ID', '')

// For enforce mode: true. For durable exemptions alone: restore.
param enforce = false
param restore = false

// Names of management groups whose activity log goes to the Event Hub of main.bicep, if it has one (activityHub).
param activityLogGroups = []
param hubRuleId = readEnvironmentVariable('GUARDRAILS_HUB_RULE_ID', '')
param hubName = readEnvironmentVariable('GUARDRAILS_HUB_NAME', '')

// Policies made from the ruleset (docs/prevention.md): first prevent, then preventMode Default, then rules to deny.
param prevent = false
param preventMode = 'DoNotEnforce'
param denyRules = []
param tagExceptions = false
param inheritTags = false
