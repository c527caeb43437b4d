// Optional: a network for the app's outbound traffic, and private endpoints for the register and the vault. Either this
// network is made, or subnets that are there are named. With a network of its own the app leaves through a NAT gateway:
// Resource Manager, Teams and Application Insights are called over the public network, from one address.

@description('Region of the network.')
param location string

@description('What the names end in.')
param suffix string

@description('Tags.')
param tags object

@description('Addresses of the network made here.')
param addressSpace string

@description('Existing subnet for the app, delegated to Microsoft.App/environments, at least /27; empty: a network is made.')
param existingAppSubnetId string

@description('Existing subnet for the private endpoints; needed with the one for the app.')
param existingEndpointSubnetId string

@description('Resource id of the storage account with the register.')
param storageId string

@description('Resource id of the vault.')
param vaultId string

@description('Private DNS zones of yours that the endpoints register in: blob, queue, table, vault to resource ids. What is missing is made for a network made here, and left to your own policy otherwise.')
param dnsZoneIds object

var made = empty(existingAppSubnetId)
var storageDomain = environment().suffixes.storage
var endpoints = [
  { name: 'blob', target: storageId, group: 'blob', zone: 'privatelink.blob.${storageDomain}' }
  { name: 'queue', target: storageId, group: 'queue', zone: 'privatelink.queue.${storageDomain}' }
  { name: 'table', target: storageId, group: 'table', zone: 'privatelink.table.${storageDomain}' }
  { name: 'vault', target: vaultId, group: 'vault', zone: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}' }
]

resource address 'Microsoft.Network/publicIPAddresses@2025-09-01' = if (made) {
  name: 'pip-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource gateway 'Microsoft.Network/natGateways@2025-09-01' = if (made) {
  name: 'ng-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-09-01' = if (made) {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressSpace]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 26, 0)
          defaultOutboundAccess: false
          natGateway: {
            id: gateway.id
          }
          delegations: [
            {
              name: 'flex'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 26, 1)
          defaultOutboundAccess: false
        }
      }
    ]
  }
}

// Without names the app would find neither storage nor vault. Nothing but this network sees the zones.
#disable-next-line not-checked
resource zones 'Microsoft.Network/privateDnsZones@2020-06-01' = [for one in endpoints: if (made && !contains(dnsZoneIds, one.name)) {
  name: one.zone
  location: 'global'
  tags: tags
}]

#disable-next-line not-checked
resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (one, at) in endpoints: if (made && !contains(dnsZoneIds, one.name)) {
  parent: zones[at]
  name: 'vnet-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

var appSubnet = made ? resourceId('Microsoft.Network/virtualNetworks/subnets', 'vnet-${suffix}', 'app') : existingAppSubnetId
var endpointSubnet = made
  ? resourceId('Microsoft.Network/virtualNetworks/subnets', 'vnet-${suffix}', 'endpoints')
  : existingEndpointSubnetId

resource private 'Microsoft.Network/privateEndpoints@2025-09-01' = [for one in endpoints: {
  name: 'pe-${suffix}-${one.name}'
  location: location
  tags: tags
  dependsOn: [network]
  properties: {
    subnet: {
      id: endpointSubnet
    }
    privateLinkServiceConnections: [
      {
        name: one.name
        properties: {
          privateLinkServiceId: one.target
          groupIds: [one.group]
        }
      }
    ]
  }
}]

resource registration 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-09-01' = [for (one, at) in endpoints: if (made || contains(dnsZoneIds, one.name)) {
  parent: private[at]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: one.name
        properties: {
          privateDnsZoneId: dnsZoneIds[?one.name] ?? zones[at].id
        }
      }
    ]
  }
}]

@description('Subnet for the app.')
output appSubnetId string = appSubnet
