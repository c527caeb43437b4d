// A storage account that partners write to over its public endpoint, with the exemption for that. Deploy it to a
// resource group: az deployment group create --confirm-with-what-if --resource-group partner-ingestion --template-file example.bicep ...

@description('Name of the storage account.')
@minLength(3)
@maxLength(24)
param accountName string

@description('Region of the storage account.')
param location string = resourceGroup().location

@description('Resource id of the assignment that demands private endpoints.')
param assignmentId string

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: accountName
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    allowBlobPublicAccess: false
    publicNetworkAccess: 'Enabled'
  }
}

// account.id makes the exemption wait for the account: ARM refuses an exemption of what is not there.
module partnerIngestion 'exemption.bicep' = {
  name: 'partner-ingestion-exemption'
  params: {
    targetId: account.id
    assignmentId: assignmentId
    referenceIds: ['denyPublicNetwork']
    category: 'Waiver'
    expiresOn: '2027-03-31T00:00:00Z'
    displayName: 'Partner ingestion over the public endpoint'
    reason: 'The uploader of the partner cannot use private endpoints until its release of March 2027.'
    owner: 'data-platform@contoso.com'
    ticket: 'SEC-1234'
    approver: 'ciso@contoso.com'
    reviewDate: '2027-02-01'
  }
}

@description('Resource id of the exemption.')
output exemptionId string = partnerIngestion.outputs.id
