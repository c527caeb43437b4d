"""The functions of Bicep, as far as the compiler checks their calls: how many arguments, of which kinds, which result.

From the compiler's own declarations (github.com/Azure/bicep, version 0.49). Pure data.
"""

from typing import Final, NamedTuple


class Signature(NamedTuple):
    """What a function takes and gives.

    Attributes:
        least, most: how many arguments; `most` is MANY for any number.
        kinds: for each argument the kinds that it may have, as codes of KINDS; the last one for all that follow.
        result: the kind of the result, a code of KINDS; `=` for that of the first argument.
    """

    least: int
    most: int
    kinds: tuple[str, ...]
    result: str


MANY: Final = 1000
KINDS: Final = {"s": "string", "i": "int", "b": "bool", "a": "array", "o": "object", "0": "null", "f": "lambda"}
"""The kinds by their codes; `*` is any."""

_ROWS: Final = """
array 1 1 * a
base64 1 1 s s
base64ToJson 1 1 s *
base64ToString 1 1 s s
bool 1 1 * b
buildUri 1 1 o s
cidrHost 2 2 s,i s
cidrSubnet 3 3 s,i,i s
concat 1 + asib *
contains 2 2 oas,* b
dataUri 1 1 * s
dataUriToString 1 1 s s
dateTimeAdd 2 3 s,s,s s
dateTimeFromEpoch 0 1 i s
dateTimeToEpoch 0 1 s i
deployer 0 0 * o
deployment 0 0 * o
distinct 1 1 a a
empty 1 1 oas0 b
endsWith 2 2 s,s b
environment 0 0 * o
extensionResourceId 3 + s s
fail 1 1 s *
filter 2 2 a,f a
first 1 1 as *
flatten 1 1 a a
format 1 + s,* s
groupBy 2 3 a,f,f o
guid 1 + s s
indexOf 2 2 sa,* i
int 1 1 si i
intersection 2 + ao =
items 1 1 o a
join 2 2 a,s s
json 1 1 s *
last 1 1 as *
lastIndexOf 2 2 sa,* i
length 1 1 soa i
like 2 2 s,s b
managementGroup 0 1 s o
managementGroupResourceId 2 + s s
map 2 2 a,f a
mapValues 2 2 o,f o
max 1 + ia i
min 1 + ia i
newGuid 0 0 * s
objectKeys 1 1 o a
padLeft 2 3 si,i,s s
parseCidr 1 1 s o
parseUri 1 1 s o
pickZones 3 5 s,s,s,i,i a
providers 1 2 s,s o
range 2 2 i,i a
reduce 3 3 a,*,f *
reference 1 3 s,s,s o
replace 3 3 s,s,s s
resourceGroup 0 2 s,s o
resourceId 2 + s s
roleDefinitions 1 1 s o
shallowMerge 1 1 a o
skip 2 2 as,i =
sort 2 2 a,f a
split 2 2 s,sa a
startsWith 2 2 s,s b
string 1 1 * s
subscription 0 1 s o
subscriptionResourceId 2 + s s
substring 2 3 s,i,i s
take 2 2 as,i =
tenant 0 0 * o
tenantResourceId 2 + s s
toLogicalZone 3 3 s,s,s s
toLogicalZones 3 3 s,s,a a
toLower 1 1 s s
toObject 2 3 a,f,f o
toPhysicalZone 3 3 s,s,s s
toPhysicalZones 3 3 s,s,a a
toUpper 1 1 s s
trim 1 1 s s
union 2 + ao =
uniqueString 1 + s s
uri 2 2 s,s s
uriComponent 1 1 s s
uriComponentToString 1 1 s s
utcNow 0 1 s s
"""


def _signatures() -> dict[str, Signature]:
    found: dict[str, Signature] = {}
    for row in _ROWS.split("\n"):
        if row:
            name, least, most, kinds, result = row.split(" ")
            found[name] = Signature(int(least), MANY if most == "+" else int(most), tuple(kinds.split(",")), result)
    return found


SIGNATURES: Final[dict[str, Signature]] = _signatures()
SCOPES: Final = {
    "resourceGroup": ("id", "name", "type", "location", "managedBy", "tags", "properties"),
    "subscription": ("id", "subscriptionId", "tenantId", "displayName"),
    "managementGroup": ("id", "name", "type", "properties"),
    "tenant": ("tenantId", "country", "countryCode", "displayName"),
    "deployment": ("name", "properties"),
    "environment": (
        "activeDirectoryDataLake", "authentication", "batch", "gallery", "graph", "graphAudience", "media", "name",
        "portal", "resourceManager", "sqlManagement", "suffixes", "vmImageAliasDoc",
    ),
}  # fmt: skip
"""The properties of what describes the scope, the deployment or the cloud."""
LAMBDAS: Final = {
    "filter": (1, 2), "map": (1, 2), "sort": (2, 2), "reduce": (2, 3), "toObject": (1, 1), "groupBy": (1, 1),
    "mapValues": (1, 1),
}  # fmt: skip
"""How many variables the lambdas of each function have, at least and at most."""

OPERATORS: Final = {
    "==": "equals", "<": "less", "<=": "lessOrEquals", ">": "greater", ">=": "greaterOrEquals", "&&": "and",
    "||": "or", "??": "coalesce", "+": "add", "*": "mul", "/": "div", "%": "mod",
}  # fmt: skip
"""Bicep's operators, and the functions that the compiler writes for them."""

LOADS: Final = frozenset({
    "loadTextContent", "loadJsonContent", "loadYamlContent", "loadFileAsBase64", "loadDirectoryFileInfo",
})  # fmt: skip
DEFAULTS_ONLY: Final = frozenset({"utcNow", "newGuid"})
NO_SIGNATURES: Final = frozenset({
    "variables", "parameters", "if", "createArray", "createObject", "add", "sub", "mul", "div", "mod", "less",
    "lessOrEquals", "greater", "greaterOrEquals", "equals", "not", "and", "or", "coalesce", "null", "true", "false",
})  # fmt: skip
"""Functions of ARM templates that Bicep writes otherwise."""
AT_SCOPES: Final = {
    ("resourceGroup", 0): {"resourceGroup"},
    ("resourceGroup", 1): {"resourceGroup", "subscription"},
    ("subscription", 0): {"resourceGroup", "subscription"},
    ("managementGroup", 0): {"managementGroup"},
}
"""Scope functions that only some target scopes have, by their number of arguments."""
OF_SCOPES: Final = frozenset({"resourceGroup", "subscription", "managementGroup", "tenant", "deployment", "deployer"})
OUTSIDE: Final = frozenset({"readEnvironmentVariable", "getSecret", "externalInput", "readCliArg", "readEnvVar"})
"""Functions of parameter files that only whoever deploys can answer."""
OF_AZURE: Final = frozenset({
    "environment", "extensionResourceId", "managementGroupResourceId", "pickZones", "providers", "reference",
    "resourceId", "roleDefinitions", "subscriptionResourceId", "tenantResourceId", "toLogicalZone", "toLogicalZones",
    "toPhysicalZone", "toPhysicalZones",
})  # fmt: skip
"""Functions that parameter files do not have."""
