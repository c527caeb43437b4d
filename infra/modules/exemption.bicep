// An exemption that is deployed together with what it exempts, and so comes back with it. See docs/layers.md.
//
// The name is a GUID made of the target, the assignment and the policies: the same template gives the same exemption
// each time, whatever became of the one before.

@description('Resource id of what is exempted: a resource in this resource group, or the resource group itself. Pass the id of the resource that the template deploys, such as account.id: the exemption then waits for it.')
@minLength(1)
param targetId string = resourceGroup().id

@description('Resource id of the policy assignment.')
@minLength(1)
param assignmentId string

@description('The policies of the initiative that are exempted, by reference id. The assignment must be of an initiative; the whole of it cannot be exempted here.')
@minLength(1)
param referenceIds string[]

@description('Waiver: the risk is accepted. Mitigated: the goal is met by other means.')
@allowed([
  'Waiver'
  'Mitigated'
])
param category string = 'Waiver'

@description('When it ends, UTC, ISO 8601: 2027-03-31T00:00:00Z. After that Azure no longer honours it.')
@minLength(10)
param expiresOn string

@description('A short name for people.')
@minLength(1)
@maxLength(128)
param displayName string

@description('Why it is needed.')
@minLength(1)
@maxLength(512)
param reason string

@description('Who answers for it: an address or a team.')
@minLength(1)
param owner string

@description('The ticket in which it was approved.')
@minLength(1)
param ticket string

@description('Who approved it.')
@minLength(1)
param approver string

@description('When it is reviewed next: 2027-02-01.')
@minLength(10)
param reviewDate string

@description('What meets the goal instead. Say it for Mitigated.')
param compensatingControl string = ''

var sortedReferences = sort(map(referenceIds, one => toLower(one)), (one, other) => one < other)
var exemptionName = guid(toLower(targetId), toLower(assignmentId), join(sortedReferences, ','))
var isGroup = toLower(targetId) == toLower(resourceGroup().id)

// The guardrails read these keys; coLocated says that this module deployed it.
var approval = union(
  {
    owner: owner
    approvalTicket: ticket
    approver: approver
    reviewDate: reviewDate
    coLocated: true
  },
  empty(compensatingControl) ? {} : { compensatingControl: compensatingControl }
)

var exemption = {
  policyAssignmentId: assignmentId
  policyDefinitionReferenceIds: referenceIds
  exemptionCategory: category
  expiresOn: expiresOn
  displayName: displayName
  description: reason
  metadata: approval
}

resource onGroup 'Microsoft.Authorization/policyExemptions@2026-01-01-preview' = if (isGroup) {
  name: exemptionName
  properties: exemption
}

// Bicep wants the type of a scope when it compiles. ARM takes an id, so a module in JSON serves every type of resource.
#disable-next-line not-checked
module onResource 'exemption-on-resource.json' = if (!isGroup) {
  name: 'exemption-${exemptionName}'
  params: {
    targetId: targetId
    name: exemptionName
    properties: exemption
  }
}

@description('Name of the exemption: a GUID, the same for the same target, assignment and policies.')
output name string = exemptionName

@description('Resource id of the exemption.')
output id string = extensionResourceId(targetId, 'Microsoft.Authorization/policyExemptions', exemptionName)
