"""What Resource Manager says of its cloud to anybody, token or not: `GET /metadata/endpoints`.

No specification has it. Its three shapes are those that clients read: one object with `galleryEndpoint` and the like
(2015-01-01, Azure Stack's: Microsoft Learn), a list of clouds (2019-05-01: azure-cli at ARM_CLOUD_METADATA_URL,
hashicorp/go-azure-sdk), one object (2022-09-01: hashicorp/go-azure-sdk). From which versions on each is given is a
guess. Names and suffixes are the public cloud's, as azure-cli has them (cloud.py); its name is AzureCloud, too, so that
clients work that know no other. Resource Manager and the login are at the address that was asked, so that nothing goes
out by mistake; nobody can log in there. azure-cli, seen in 2.91.0, takes all of it but the login of a cloud named
AzureCloud, which it sets to login.microsoftonline.com; with a managed identity it asks nobody there.
"""

import json
from typing import Any, Final

from sandbox.arm.reply import Reply

_LIST_SINCE: Final = "2018-01-01"
_OBJECT_SINCE: Final = "2022-09-01"
_AUDIENCES: Final = ("https://management.core.windows.net/", "https://management.azure.com/")
_PUBLIC: Final[dict[str, Any]] = {
    "portal": "https://portal.azure.com",
    "media": "https://rest.media.azure.net",
    "graph": "https://graph.windows.net/",
    "graphAudience": "https://graph.windows.net/",
    "name": "AzureCloud",
    "suffixes": {
        "acrLoginServer": "azurecr.io",
        "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        "keyVaultDns": "vault.azure.net",
        "mariadbServerEndpoint": "mariadb.database.azure.com",
        "mhsmDns": "managedhsm.azure.net",
        "mysqlServerEndpoint": "mysql.database.azure.com",
        "postgresqlServerEndpoint": "postgres.database.azure.com",
        "sqlServerHostname": "database.windows.net",
        "storage": "core.windows.net",
        "synapseAnalytics": "dev.azuresynapse.net",
    },
    "batch": "https://batch.core.windows.net/",
    "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/"
    "quickstart-templates/aliases.json",
    "activeDirectoryDataLake": "https://datalake.azure.net/",
    "sqlManagement": "https://management.core.windows.net:8443/",
    "microsoftGraphResourceId": "https://graph.microsoft.com/",
    "appInsightsResourceId": "https://api.applicationinsights.io",
    "logAnalyticsResourceId": "https://api.loganalytics.io",
    "ossrDbmsResourceId": "https://ossrdbms-aad.database.windows.net",
    "gallery": "https://gallery.azure.com/",
}


def show(address: str, version: str) -> Reply:
    """Return the answer at an address, such as `https://127.0.0.1:40123`, to a request of an api-version."""
    login = {"loginEndpoint": address, "audiences": list(_AUDIENCES)}
    if version < _LIST_SINCE:
        shown: Any = {
            "galleryEndpoint": _PUBLIC["gallery"], "graphEndpoint": _PUBLIC["graph"],
            "portalEndpoint": _PUBLIC["portal"], "authentication": login,
        }  # fmt: skip
    else:
        login |= {"tenant": "common", "identityProvider": "AAD"}
        shown = {**_PUBLIC, "authentication": login, "resourceManager": address}
        shown = shown if version >= _OBJECT_SINCE else [shown]
    return Reply(200, json.dumps(shown).encode())
