"""What Resource Manager tells of a resource provider: `GET /providers/NAMESPACE`. Every identity may ask."""

import json
import re
from typing import Final

from sandbox.arm.errors import ArmError
from sandbox.arm.reply import Reply

_PATH: Final = re.compile(r"/providers/(?P<namespace>[^/]+)/?", re.IGNORECASE)
_TYPES: Final = {
    "Microsoft.Authorization": {
        "policyAssignments": ("2025-11-01", "2025-03-01", "2024-04-01", "2023-04-01"),
        "policyDefinitions": ("2025-11-01", "2025-03-01", "2024-05-01", "2023-04-01"),
        "policyExemptions": (
            "2026-01-01-preview", "2025-12-01-preview", "2024-12-01-preview", "2022-07-01-preview",
            "2020-07-01-preview",
        ),
        "permissions": ("2022-04-01", "2018-07-01"),
    },
}  # fmt: skip


def namespace_of(path: str) -> str:
    """Return the namespace where a path is a provider's own; else ""."""
    found = _PATH.fullmatch(path)
    return found["namespace"] if found else ""


def show(namespace: str) -> Reply:
    """Return a provider's types and their api-versions. Raises ArmError 404."""
    name = next((one for one in _TYPES if one.lower() == namespace.lower()), "")
    if not name:
        message = f"The resource namespace '{namespace}' is invalid."
        raise ArmError(404, "InvalidResourceNamespace", message)
    types = [
        {"resourceType": kind, "locations": [], "apiVersions": list(versions), "capabilities": "None"}
        for kind, versions in _TYPES[name].items()
    ]
    body = {"id": f"/providers/{name}", "namespace": name, "resourceTypes": types}
    return Reply(200, json.dumps(body).encode())
