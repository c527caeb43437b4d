"""What Resource Manager lists of the caller's tenants: `GET /tenants`. Every identity may ask; here there is one.

Source: REST reference, Tenants - List, 2022-12-01.
"""

import json

from sandbox.arm.reply import Reply
from sandbox.identity import TENANT_ID


def show(name: str) -> Reply:
    """Return the list: the sandbox's tenant, with this display name."""
    domain = "sandbox.onmicrosoft.com"
    tenant = {
        "id": f"/tenants/{TENANT_ID}", "tenantId": TENANT_ID, "displayName": name, "tenantCategory": "Home",
        "tenantType": "AAD", "countryCode": "DE", "defaultDomain": domain, "domains": [domain],
    }  # fmt: skip
    return Reply(200, json.dumps({"value": [tenant]}).encode())
