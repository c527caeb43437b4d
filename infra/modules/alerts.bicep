// What somebody must hear of. All but one are questions to the logs, by the names of the facts in guardrails/telemetry.py;
// dead letters are counted in the account that holds nothing else. docs/respond.md says what each asks of you.

@description('Region of the rules.')
param location string

@description('What the names end in.')
param suffix string

@description('Tags.')
param tags object

@description('Resource id of the workspace with the logs.')
param workspaceId string

@description('Resource id of the Application Insights component that the logs came through.')
param insightsId string

@description('Resource id of the account for dead letters.')
param deadLetterAccountId string

@description('Who gets an e-mail; empty: alerts are seen in the portal only.')
param emails array

@description('Resource ids of action groups that are there already.')
param actionGroupIds array

@description('Percent of decisions with an Unknown that is too much.')
@minValue(1)
@maxValue(100)
param unknownPercent int = 20

@description('Minutes that a message may wait on a queue.')
@minValue(1)
param queueMinutes int = 30

// The windows of whole hours that Azure takes; it refuses every other one (Azure/azure-rest-api-specs, issue 21258).
@description('Hours without a sweep that are too many.')
@allowed([1, 2, 3, 4, 5, 6, 24, 48])
param sweepLateHours int = 3

// A line that is no JSON has no event, and so counts for nothing.
var facts = 'AppTraces | where _ResourceId =~ "${insightsId}" | where Message startswith "{" | extend fact = parse_json(Message) | extend event = tostring(fact.event)'

var rules = [
  {
    name: 'poison'
    title: 'A message was given up'
    says: 'A message cannot be processed and is kept as a dead letter. See them with: exg dead-letters list.'
    severity: 1
    every: 'PT5M'
    window: 'PT5M'
    query: '${facts} | where event == "poison" | project TimeGenerated, queue = tostring(fact.queue)'
  }
  {
    name: 'breaker-open'
    title: 'The breaker is open: nothing is reverted'
    says: 'More reverts than an hour allows. Read what was reverted before closing it: exg breaker.'
    severity: 1
    every: 'PT5M'
    // Each sweep logs its state: the alert stays until one finds it closed.
    window: 'PT3H'
    query: '${facts} | where event == "breaker" | summarize arg_max(TimeGenerated, fact) | where tostring(fact.state) == "open" | project TimeGenerated, recent = toint(fact.recent)'
  }
  {
    name: 'sweep-late'
    title: 'No sweep for ${sweepLateHours} hours'
    says: 'Sweeps run by a schedule. Without them ends, reviews, management groups and lost events go unseen. The app says at /api/health how old the last one is.'
    severity: 2
    every: 'PT30M'
    window: sweepLateHours < 24 ? 'PT${sweepLateHours}H' : 'P${sweepLateHours / 24}D'
    // Where no fact reaches the logs, the host's own record of the timer's calls is used: a call that only failed inside
    // leaves a fact, sweep_broken.
    query: '${facts} | extend called = 0 | project event, called | union (AppRequests | where _ResourceId =~ "${insightsId}" | where Name has "sweep" and Success == true | project event = "", called = 1) | summarize sweeps = countif(event == "sweep"), facts = countif(called == 0), calls = countif(called == 1) | where sweeps == 0 and (facts > 0 or calls == 0)'
  }
  {
    name: 'unknown-rate'
    title: 'Too much could not be judged'
    says: 'Rules answered Unknown for too many exemptions: mostly a missing permission. Run: exg doctor.'
    severity: 2
    every: 'PT15M'
    window: 'PT1H'
    query: '${facts} | where event in ("decision", "unknown") | summarize decisions = countif(event == "decision"), unknowns = countif(event == "unknown") | where decisions >= 10 and 100 * unknowns >= ${unknownPercent} * decisions'
  }
  {
    name: 'delivery-failing'
    title: 'A notice was not delivered'
    says: 'A route refused a notice for good, or for about an hour. See them with: exg notices.'
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
    query: '${facts} | where event == "notice" and (tostring(fact.state) == "failed" or tostring(fact.state) == "retry" and toint(fact.attempt) >= 8) | summarize notices = count() by route = tostring(fact.route)'
  }
  {
    name: 'ruleset-broken'
    title: 'Ruleset or storage access is broken: nothing is judged'
    says: 'The code says which. ruleset-broken: exg rules --ruleset FILE. Any other: exg doctor.'
    severity: 1
    every: 'PT5M'
    window: 'PT5M'
    query: '${facts} | where event == "ruleset_broken" | project TimeGenerated, code = tostring(fact.code)'
  }
  {
    name: 'queue-late'
    title: 'Messages wait too long'
    says: 'The app does not keep up, or did not run. While it does not run nothing reports on queues: see sweep-late.'
    severity: 2
    every: 'PT15M'
    window: 'PT30M'
    query: '${facts} | where event == "queue_age" and todouble(fact.seconds) > ${queueMinutes * 60} | summarize seconds = max(todouble(fact.seconds)) by queue = tostring(fact.queue)'
  }
  {
    name: 'doctor-failing'
    title: 'A check at the start of the app failed'
    says: 'A setting, a permission or an event subscription is missing. Run: exg doctor.'
    severity: 2
    every: 'PT15M'
    // It runs at each start and once a day: the alert stays until a check passes.
    window: 'P2D'
    query: '${facts} | where event == "doctor" | summarize arg_max(TimeGenerated, fact) by check = tostring(fact.check) | where tostring(fact.state) == "fail" | project TimeGenerated, check, detail = tostring(fact.detail)'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'guardrails'
    enabled: true
    emailReceivers: [for email in emails: {
      name: email
      emailAddress: email
      useCommonAlertSchema: true
    }]
  }
}

var notified = concat(actionGroupIds, empty(emails) ? [] : [people.id])

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'alert-${suffix}-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Exemption guardrails: ${rule.title}'
    description: rule.says
    severity: rule.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: rule.every
    windowSize: rule.window
    autoMitigate: true
    // A workspace that is minutes old does not know its tables yet, and would refuse the query.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: notified
    }
  }
}]

resource deadLetters 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'alert-${suffix}-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid gave up on an event and put it away. docs/dead-letters.md says how to replay it.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: ['${deadLetterAccountId}/blobServices/default']
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'written'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.Storage/storageAccounts/blobServices'
          metricName: 'Transactions'
          dimensions: [
            {
              name: 'ApiName'
              operator: 'Include'
              values: ['PutBlob', 'PutBlockList', 'AppendBlock']
            }
            {
              name: 'ResponseType'
              operator: 'Include'
              values: ['Success']
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
          skipMetricValidation: true
        }
      ]
    }
    actions: [for id in notified: {
      actionGroupId: id
    }]
  }
}
