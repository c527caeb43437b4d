"""The tables that our queries read, for the parser to bind names to: column:type, as Azure documents them.

Log Analytics: Azure Monitor Logs reference, tables AppTraces, AppRequests and AzureActivity. Resource Graph: Microsoft
Learn, Understanding the Azure Resource Graph query language; each of its tables has the columns of a resource.
"""

from typing import Final

_APP: Final = (
    "AppRoleInstance:string AppRoleName:string AppVersion:string _BilledSize:real ClientBrowser:string"
    " ClientCity:string ClientCountryOrRegion:string ClientIP:string ClientModel:string ClientOS:string"
    " ClientStateOrProvince:string ClientType:string IKey:string _IsBillable:string ItemCount:int Measurements:dynamic"
    " OperationId:string OperationName:string ParentId:string Properties:dynamic ReferencedItemId:string"
    " ReferencedType:string ResourceGUID:string _ResourceId:string SDKVersion:string SessionId:string"
    " SourceSystem:string _SubscriptionId:string SyntheticSource:string TenantId:string TimeGenerated:datetime"
    " Type:string UserAccountId:string UserAuthenticatedId:string UserId:string"
)
_ACTIVITY: Final = (
    "ActivityStatus:string ActivityStatusValue:string ActivitySubstatus:string ActivitySubstatusValue:string"
    " Authorization:string Authorization_d:dynamic _BilledSize:real Caller:string CallerIpAddress:string"
    " Category:string CategoryValue:string Claims:string Claims_d:dynamic CorrelationId:string EventDataId:string"
    " EventSubmissionTimestamp:datetime Hierarchy:string HTTPRequest:string _IsBillable:string Level:string"
    " OperationId:string OperationName:string OperationNameValue:string Properties:string Properties_d:dynamic"
    " Resource:string ResourceGroup:string ResourceId:string _ResourceId:string ResourceProvider:string"
    " ResourceProviderValue:string SourceSystem:string SubscriptionId:string _SubscriptionId:string TenantId:string"
    " TimeGenerated:datetime Type:string"
)
_RESOURCE: Final = (
    "id:string name:string type:string tenantId:string kind:string location:string resourceGroup:string"
    " subscriptionId:string managedBy:string sku:dynamic plan:dynamic properties:dynamic tags:dynamic identity:dynamic"
    " zones:dynamic extendedLocation:dynamic"
)

LOG_ANALYTICS: Final = {
    "AppTraces": f"{_APP} Message:string SeverityLevel:int",
    "AppRequests": (
        f"{_APP} DurationMs:real Id:string Name:string ResultCode:string Source:string Success:bool Url:string"
    ),
    "AzureActivity": _ACTIVITY,
}
RESOURCE_GRAPH: Final = {
    "policyresources": f"{_RESOURCE} systemData:dynamic",  # not documented: the service asks again without it
    **dict.fromkeys(
        ("resources", "resourcecontainers", "authorizationresources", "resourcechanges", "resourcecontainerchanges"),
        _RESOURCE,
    ),
}
RESOURCE_GRAPH_OPERATORS: Final = {
    f"{name}Operator" for name in (
        "Count", "Distinct", "Extend", "Filter", "Join", "MvExpand", "Parse", "Project", "ProjectAway", "Sort",
        "Summarize", "Take", "Top", "Union",
    )
}  # fmt: skip
"""The operators that Resource Graph has, as the parser names them: it answers 400 to any other."""
