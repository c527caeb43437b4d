"""Resource types of Azure that the Bicep compiler knows: how it spells them, and at which scopes they may be. Pure.

The compiler writes a type that it knows as its own definitions spell it, whatever the file's letter case; ids follow.
These are the types that public Bicep files use most (github.com/Azure/bicep-types-az, state of 2026-08). What is known
of no other type is not said of it.
"""

from functools import lru_cache
from typing import Final

from guardrails.lazy_regex import lazy_regex

_GROUP_TYPES: Final = """
Microsoft.ApiCenter: services
Microsoft.ApiManagement: service service/apis service/apis/operations
Microsoft.App: containerApps managedEnvironments
Microsoft.AppConfiguration: configurationStores
Microsoft.Automation: automationAccounts
Microsoft.AzureStackHCI: clusters
Microsoft.Cache: redis redisEnterprise
Microsoft.Cdn: profiles
Microsoft.CognitiveServices: accounts accounts/deployments accounts/projects accounts/projects/connections
Microsoft.Communication: emailServices
Microsoft.Compute: diskEncryptionSets disks galleries proximityPlacementGroups sshPublicKeys
  virtualMachineScaleSets virtualMachines virtualMachines/extensions virtualMachines/runCommands
Microsoft.ContainerRegistry: registries
Microsoft.ContainerService: managedClusters managedClusters/maintenanceConfigurations
Microsoft.DBforMySQL: flexibleServers
Microsoft.DBforPostgreSQL: flexibleServers
Microsoft.DataFactory: factories factories/linkedservices
Microsoft.DataProtection: backupVaults
Microsoft.DesktopVirtualization: applicationGroups hostPools
Microsoft.DevCenter: devcenters devcenters/devboxdefinitions devcenters/environmentTypes devcenters/galleries
  networkConnections projects
Microsoft.DevTestLab: labs
Microsoft.DigitalTwins: digitalTwinsInstances
Microsoft.DocumentDB: databaseAccounts databaseAccounts/sqlDatabases databaseAccounts/sqlDatabases/containers
  databaseAccounts/sqlRoleAssignments databaseAccounts/sqlRoleDefinitions mongoClusters
Microsoft.ElasticSan: elasticSans
Microsoft.EventGrid: domains namespaces systemTopics topics
Microsoft.EventHub: namespaces namespaces/authorizationRules namespaces/eventhubs
  namespaces/eventhubs/consumergroups
Microsoft.ExtendedLocation: customLocations
Microsoft.HealthcareApis: workspaces
Microsoft.HybridCompute: machines
Microsoft.Insights: actionGroups activityLogAlerts components dataCollectionEndpoints dataCollectionRules
  metricAlerts scheduledQueryRules webtests workbooks
Microsoft.KeyVault: vaults vaults/accessPolicies vaults/keys vaults/secrets
Microsoft.Kubernetes: connectedClusters
Microsoft.Kusto: clusters clusters/databases
Microsoft.Logic: integrationAccounts
Microsoft.MachineLearningServices: workspaces workspaces/computes workspaces/connections
Microsoft.Maintenance: maintenanceConfigurations
Microsoft.ManagedIdentity: userAssignedIdentities
Microsoft.NetApp: netAppAccounts
Microsoft.Network: ApplicationGatewayWebApplicationFirewallPolicies applicationGateways
  applicationSecurityGroups azureFirewalls bastionHosts ddosProtectionPlans dnsForwardingRulesets dnsResolvers
  dnsResolvers/outboundEndpoints dnsZones expressRouteGateways firewallPolicies loadBalancers
  localNetworkGateways natGateways networkInterfaces networkManagers networkSecurityGroups
  networkSecurityPerimeters networkWatchers privateDnsZones privateDnsZones/virtualNetworkLinks privateEndpoints
  privateEndpoints/privateDnsZoneGroups privateLinkServices publicIPAddresses publicIPPrefixes routeTables
  trafficmanagerprofiles virtualHubs virtualHubs/hubRouteTables virtualHubs/hubVirtualNetworkConnections
  virtualHubs/routingIntent virtualNetworkGateways virtualNetworks virtualNetworks/subnets
  virtualNetworks/virtualNetworkPeerings virtualWans vpnGateways vpnServerConfigurations vpnSites
Microsoft.OperationalInsights: clusters workspaces workspaces/linkedServices
Microsoft.RecoveryServices: vaults vaults/backupFabrics/protectionContainers/protectedItems
Microsoft.Relay: namespaces namespaces/hybridConnections namespaces/hybridConnections/authorizationRules
Microsoft.Resources: deploymentScripts deploymentScripts/logs
Microsoft.Search: searchServices
Microsoft.ServiceBus: namespaces
Microsoft.ServiceFabric: clusters
Microsoft.ServiceNetworking: trafficControllers
Microsoft.Sql: managedInstances managedInstances/databases servers servers/databases servers/elasticPools
  servers/firewallRules
Microsoft.Storage: storageAccounts storageAccounts/blobServices storageAccounts/blobServices/containers
  storageAccounts/fileServices storageAccounts/fileServices/shares storageAccounts/managementPolicies
  storageAccounts/queueServices storageAccounts/queueServices/queues storageAccounts/tableServices
  storageAccounts/tableServices/tables
Microsoft.Synapse: workspaces workspaces/bigDataPools
Microsoft.VirtualMachineImages: imageTemplates
Microsoft.Web: hostingEnvironments serverfarms sites sites/basicPublishingCredentialsPolicies sites/config
  sites/slots staticSites
"""
"""Types that stand in a resource group."""
_OTHER_TYPES: Final = {
    "Microsoft.Authorization/policyAssignments": "tenant managementGroup subscription resourceGroup resource",
    "Microsoft.Authorization/policyDefinitions": "tenant managementGroup subscription",
    "Microsoft.Authorization/policyDefinitions/versions": "tenant managementGroup subscription",
    "Microsoft.Authorization/policyExemptions": "tenant managementGroup subscription resourceGroup resource",
    "Microsoft.Authorization/policySetDefinitions": "tenant managementGroup subscription",
    "Microsoft.Authorization/policySetDefinitions/versions": "tenant managementGroup subscription",
    "Microsoft.Authorization/roleAssignments": "tenant managementGroup subscription resourceGroup resource",
    "Microsoft.Authorization/roleDefinitions": "tenant managementGroup subscription resourceGroup resource",
    "Microsoft.Management/managementGroups": "tenant",
    "Microsoft.Management/managementGroups/subscriptions": "tenant",
    "Microsoft.PolicyInsights/remediations": "tenant managementGroup subscription resourceGroup resource",
    "Microsoft.Resources/resourceGroups": "subscription",
    "Microsoft.Resources/tags": "tenant managementGroup subscription resourceGroup resource",
    "Microsoft.Subscription/aliases": "tenant",
}
_OLD: Final = lazy_regex("201[0-9]")
"""Versions whose spelling may be another."""
_USUAL: Final = lazy_regex(r"(?:[A-Z]\w*\.)*[A-Z]\w*(?:/[a-z][\w.-]*)+")
_EXEMPTIONS: Final = frozenset({
    "2020-07-01-preview", "2022-07-01-preview", "2024-12-01-preview", "2025-12-01-preview", "2026-01-01-preview",
})  # fmt: skip
"""The versions of exemptions that the compiler knows; others it writes as the file does."""


def _table() -> dict[str, tuple[str, frozenset[str]]]:
    found: dict[str, tuple[str, frozenset[str]]] = {}
    provider = ""
    for word in _GROUP_TYPES.split():
        if word.endswith(":"):
            provider = word[:-1]
            continue
        found[f"{provider}/{word}".lower()] = f"{provider}/{word}", frozenset({"resourceGroup"})
    for name, scopes in _OTHER_TYPES.items():
        found[name.lower()] = name, frozenset(scopes.split())
    return found


_TYPES: Final[dict[str, tuple[str, frozenset[str]]]] = _table()


@lru_cache(256)
def spelled(type_: str, version: str) -> str | None:
    """Return a type as the compiler writes it; None where that is not known."""
    known = _TYPES.get(type_.lower())
    if known is None:
        return type_ if _USUAL.fullmatch(type_) else None
    name = known[0]
    if name == type_:
        return type_
    if name.endswith("/policyExemptions"):
        return name if version.lower() in _EXEMPTIONS else type_
    return None if _OLD.match(version) else name


def scopes_of(type_: str) -> frozenset[str] | None:
    """Return the target scopes, and `resource`, at which a type may be declared; None where that is not known."""
    known = _TYPES.get(type_.lower())
    return None if known is None else known[1]
