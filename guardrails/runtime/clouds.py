"""Azure's clouds: what else is where, given where Azure Resource Manager is. Pure.

Sources: Microsoft Learn, "Microsoft Graph national cloud deployments" and "Compare Azure Government and global Azure".
"""

from typing import Final
from urllib.parse import urlsplit

from guardrails.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud's addresses: of the portal, and of Microsoft Graph."""

    portal: str
    microsoft_graph: str


PUBLIC: Final = Cloud("https://portal.azure.com", "https://graph.microsoft.com")

_CLOUDS: Final = {
    "management.azure.com": PUBLIC,
    "management.usgovcloudapi.net": Cloud("https://portal.azure.us", "https://graph.microsoft.us"),
    "management.chinacloudapi.cn": Cloud("https://portal.azure.cn", "https://microsoftgraph.chinacloudapi.cn"),
}


def cloud_of(arm_endpoint: str) -> Cloud:
    """Return the cloud of an address of Azure Resource Manager; the public one where that is not known."""
    try:
        return _CLOUDS.get(urlsplit(arm_endpoint).hostname or "", PUBLIC)
    except ValueError:  # no address at all
        return PUBLIC
