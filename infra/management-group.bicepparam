// Audit mode: the app reads, nothing more. The values come from the outputs of main.bicep; with azd in one command:
//   (set -a; eval "$(azd env get-values)"; az deployment mg create --confirm-with-what-if --management-group-id MG \
//      --location REGION -f infra/management-group.bicep -p infra/management-group.bicepparam)
using './management-group.bicep'

param principalId = readEnvironmentVariable('GUARDRAILS_PRINCIPAL_ID')
param functionAppId = readEnvironmentVariable('GUARDRAILS_FUNCTION_APP_ID')
param deadLetterAccountId = readEnvironmentVariable('GUARDRAILS_DEAD_LETTER_ACCOUNT_ID')
param deadLetterContainer = readEnvironmentVariable('GUARDRAILS_DEAD_LETTER_CONTAINER', 'dead-letters')
param eventsIdentityId = readEnvironmentVariable('GUARDRAILS_EVENTS_IDENTITY_ID', '')

// For enforce mode: true. For durable exemptions alone: restore. To see resources whose tags switch a policy off: readTags.
param enforce = false
param restore = false
param readTags = false
param roleSuffix = ''

// Onboarding of subscriptions, by policy; the host's own is onboarded at once.
param onboard = true
param onboardEffect = 'deployIfNotExists'
param subscriptions = [split(readEnvironmentVariable('GUARDRAILS_FUNCTION_APP_ID'), '/')[2]]
param excludedScopes = []
param deadLetterIdentity = 'UserAssigned'
param targetTypes = []
param tags = {}
param remediate = true

// Names of management groups whose activity log goes to the Event Hub of main.bicep, if it has one (activityHub).
param activityLogGroups = []
param hubRuleId = readEnvironmentVariable('GUARDRAILS_HUB_RULE_ID', '')
param hubName = readEnvironmentVariable('GUARDRAILS_HUB_NAME', '')

// Policies made from the ruleset: first prevent, then preventMode Default, then rules to deny, one by one. What to look at
// before each step: docs/prevention.md, Rolling out.
param prevent = false
param preventMode = 'DoNotEnforce'
param denyRules = []
param denyDeletes = false
param letPast = {}
param tagExceptions = false
param inheritTags = false
