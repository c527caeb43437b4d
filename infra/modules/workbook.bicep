// The workbook: what is exempt and until when (Resource Graph, with the reader's own rights), and what the service found
// and did (its logs).

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Resource id of the workspace with the logs.')
param workspaceId string

@description('Resource id of the Application Insights component that the logs came through.')
param insightsId string

// Placeholders, since the resource ids are not known when the file is written.
var content = replace(
  replace(loadTextContent('../workbook.json'), '{{workspace}}', workspaceId),
  '{{insights}}',
  toLower(insightsId)
)

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(insightsId, 'exemptions')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Policy exemptions'
    category: 'workbook'
    serializedData: content
    sourceId: workspaceId
    version: '1.0'
  }
}

@description('Resource id of the workbook.')
output id string = workbook.id
