// Sends the activity log of a management group to an Event Hub. Exemptions at a management group raise no Event Grid
// event; this is the only push there is for them. Without it the sweep finds them within the hour.

targetScope = 'managementGroup'

@description('Resource id of the authorization rule of the Event Hubs namespace that Azure Monitor sends with.')
@minLength(1)
param hubRuleId string

@description('Name of the Event Hub.')
@minLength(1)
param hubName string

// Writes and deletes of exemptions are in the category Administrative; the others are not read.
resource setting 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'exemption-guardrails'
  properties: {
    eventHubAuthorizationRuleId: hubRuleId
    eventHubName: hubName
    logs: [
      {
        category: 'Administrative'
        enabled: true
      }
    ]
  }
}

@description('Name of the diagnostic setting.')
output name string = setting.name
