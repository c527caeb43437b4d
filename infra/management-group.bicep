// Everything above the host: roles, onboarding of subscriptions, the activity log, preventive policies.
//   az deployment mg create --confirm-with-what-if --management-group-id MG --location REGION \
//      -f infra/management-group.bicep -p infra/management-group.bicepparam
// The function app and its code come first: Event Grid accepts only functions that are there. See docs/onboarding.md.

targetScope = 'managementGroup'

@description('Region of this deployment, of the policy\'s identity and of the resource group in each subscription.')
param location string = deployment().location

@description('Object id of the app\'s identity.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Resource id of the function app.')
@minLength(1)
param functionAppId string

@description('Whether the app may revert, delete and tag exemptions. Leave it off in audit mode.')
param enforce bool = false

@description('Whether the app may write lost exemptions again, without enforcing. Enforcing includes it.')
param restore bool = false

@description('Whether the app gets the built-in Reader too: only then can it see resources whose tags switch a policy off.')
param readTags bool = false

@description('What the names of the custom roles end in. Names are unique in a tenant: say it where the guardrails are deployed twice.')
param roleSuffix string = ''

@description('Whether subscriptions are onboarded by policy. false: run infra/scripts/onboard.sh.')
param onboard bool = true

@description('What the policy does: deploys, or only shows which subscriptions lack event subscriptions.')
@allowed([
  'deployIfNotExists'
  'auditIfNotExists'
  'disabled'
])
param onboardEffect string = 'deployIfNotExists'

@description('Ids of subscriptions that are onboarded at once. All others wait for the policy: new ones some minutes, present ones for a remediation task.')
param subscriptions string[] = [split(functionAppId, '/')[2]]

@description('Resource ids of management groups and subscriptions that the policy leaves alone.')
param excludedScopes string[] = []

@description('Resource id of the storage account for dead letters, in the resource group of the function app.')
@minLength(1)
param deadLetterAccountId string

@description('Name of its container for them.')
param deadLetterContainer string = 'dead-letters'

@description('Who writes dead letters: one identity for all system topics, or one of each. With a firewall on the dead-letter account only SystemAssigned works.')
@allowed([
  'UserAssigned'
  'SystemAssigned'
])
param deadLetterIdentity string = 'UserAssigned'

@description('Resource id of the identity that writes dead letters, in the resource group of the function app. For UserAssigned the deployment is refused without it.')
param eventsIdentityId string

@description('Types of resources, such as Microsoft.Storage/storageAccounts, whose writes and deletes wake the guardrails up: the types that `exg targets` names. At most 11.')
@maxLength(11)
param targetTypes string[] = []

@description('Name of the resource group that is made in each subscription.')
param groupName string = 'rg-exemption-guardrails-events'

@description('Name of the system topic that is made in each subscription.')
param topicName string = 'evgt-exemption-guardrails'

@description('Tags of the resource group and the system topic, where your policies ask for some.')
param tags object = {}

@description('Whether a remediation task is made for subscriptions that are known to be non-compliant.')
param remediate bool = true

@description('Name of this run, part of the remediation task\'s name.')
param run string = utcNow('yyyyMMddHHmmss')

@description('Names of management groups whose activity log goes to the Event Hub, so that exemptions there are seen within minutes; empty: the sweep finds them within the hour. Each of them has a log of its own.')
param activityLogGroups string[] = []

@description('Resource id of the authorization rule of the Event Hubs namespace; for activityLogGroups.')
param hubRuleId string = ''

@description('Name of the Event Hub; for activityLogGroups.')
param hubName string = 'activity-log'

@description('Whether policies made from the ruleset are deployed and assigned: they report exemptions that break a rule, or refuse them.')
param prevent bool = false

@description('Rules, such as expiry-missing, by which Azure refuses the write; for prevent. By all others it only reports.')
param denyRules string[] = []

@description('Whether Azure refuses deletes of exemptions that are in force, but for the app and whom letPast names; for prevent. Untried on Azure.')
param denyDeletes bool = false

@description('Rule, or delete, -> object ids and application ids that the policy lets past besides the app, such as {\'expiry-missing\': [ID]}; for prevent. Whoever is named is not refused.')
param letPast { *: string[] } = {}

@description('Whether these assignments refuse and change anything yet. DoNotEnforce first: a function that fails in a policy refuses the write, whatever the effect.')
@allowed([
  'Default'
  'DoNotEnforce'
])
param preventMode string = 'DoNotEnforce'

@description('Whether the policies that an approved exception tag lets past are assigned; for prevent.')
param tagExceptions bool = false

@description('Whether resources inherit exception tags from their resource group; for prevent.')
param inheritTags bool = false

module roles 'modules/roles.bicep' = {
  name: 'guardrails-roles'
  params: {
    suffix: roleSuffix
  }
}

module assignments 'modules/role-assignments.bicep' = {
  name: 'guardrails-role-assignments'
  params: {
    principalId: principalId
    readerId: roles.outputs.readerId
    enforcerId: roles.outputs.enforcerId
    restorerId: roles.outputs.restorerId
    enforce: enforce
    restore: restore
    readTags: readTags
  }
}

// What Azure can refuse by: the rules that have a policy, and delete.
var denials = map(
  loadJsonContent('policies/initiatives/exemption-guardrails-deny.json').properties.policyDefinitions,
  one => one.policyDefinitionReferenceId
)

// What does not fit together: refused with these words, before anything is made.
var refused = map(filter([
  {
    wrong: onboard && deadLetterIdentity == 'UserAssigned' && empty(eventsIdentityId)
    said: 'deadLetterIdentity is UserAssigned, but eventsIdentityId is empty. Give the id of the identity that writes dead letters (GUARDRAILS_EVENTS_IDENTITY_ID, an output of main.bicep), or set deadLetterIdentity to SystemAssigned.'
  }
  {
    wrong: !empty(activityLogGroups) && (empty(hubRuleId) || empty(hubName))
    said: 'activityLogGroups need hubRuleId and hubName (GUARDRAILS_HUB_RULE_ID and GUARDRAILS_HUB_NAME, outputs of main.bicep, which are empty without activityHub).'
  }
  {
    wrong: !prevent && (!empty(denyRules) || denyDeletes || !empty(letPast) || tagExceptions || inheritTags)
    said: 'denyRules, denyDeletes, letPast, tagExceptions and inheritTags do nothing without prevent: set it to true, or none of them.'
  }
  {
    wrong: length(union(denials, denyRules)) > length(denials) || contains(denyRules, 'delete')
    said: 'denyRules name something that no policy refuses by: infra/policies/README.md lists the rules that one does. For deletes there is denyDeletes.'
  }
  {
    wrong: length(union(denials, objectKeys(letPast))) > length(denials)
    said: 'letPast names something that no policy refuses by: infra/policies/README.md lists the rules that one does; for deletes it is delete.'
  }
], one => one.wrong), one => one.said)

// In a condition: conditions are evaluated before anything is made. Else a role would go to an identity that is not there.
var onboards = empty(refused) ? onboard : fail(join(refused, ' '))

module onboarding 'modules/onboarding.bicep' = if (onboards) {
  name: 'guardrails-onboarding'
  params: {
    location: location
    functionAppId: functionAppId
    deadLetterAccountId: deadLetterAccountId
    deadLetterContainer: deadLetterContainer
    deadLetterIdentity: deadLetterIdentity
    eventsIdentityId: eventsIdentityId
    targetTypes: targetTypes
    groupName: groupName
    topicName: topicName
    tags: tags
    effect: onboardEffect
    excludedScopes: excludedScopes
    subscriptions: subscriptions
    remediate: remediate
    run: run
    onboarderRoleId: roles.outputs.onboarderId
    roleSuffix: roleSuffix
  }
}

module activityLog 'modules/activity-log.bicep' = [
  for group in activityLogGroups: {
    name: 'guardrails-activity-log-${uniqueString(group)}'
    scope: managementGroup(group)
    params: {
      hubRuleId: hubRuleId
      hubName: hubName
    }
  }
]

module policies 'policies/policies.bicep' = if (prevent) {
  name: 'guardrails-policies'
  params: {
    inheritTags: inheritTags
    location: location
  }
}

module prevention 'modules/prevention.bicep' = if (prevent) {
  name: 'guardrails-prevention'
  params: {
    guardrailsId: policies!.outputs.guardrailsId
    denialsId: policies!.outputs.denialsId
    denyRules: denyRules
    denyDeletes: denyDeletes
    references: denials
    principalId: principalId
    letPast: letPast
    enforcementMode: preventMode
    tagExceptionsId: tagExceptions ? policies!.outputs.tagExceptionsId : ''
  }
}

@description('The roles that the app\'s identity has at this management group, by resource id.')
output roleIds array = assignments.outputs.roleIds
