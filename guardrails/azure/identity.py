"""Who we are in Azure: the function's managed identity, or an engineer's own login."""

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential


def credential(client_id: str = "") -> AsyncTokenCredential:
    """Return the credential to use here.

    In Azure Functions (IDENTITY_ENDPOINT is set) that is the managed identity, `client_id` naming a user-assigned one.
    Elsewhere it is what azure-identity finds: environment, Azure CLI, and so on.
    """
    # azure-identity brings msal and cryptography: a fifth of the cold start, so only where a token is needed
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    if os.environ.get("IDENTITY_ENDPOINT"):
        return ManagedIdentityCredential(client_id=client_id or None)
    return DefaultAzureCredential(managed_identity_client_id=client_id or None)


async def claims_of(credential: AsyncTokenCredential, scope: str) -> Mapping[str, Any]:
    """Return what our own token says of us, and never the token; {} for one that cannot be read. Raises AzureError.

    It is not checked, for nobody but us gave it to us.
    """
    token = (await credential.get_token(scope)).token
    try:
        part = token.split(".")[1]
        read = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return read if isinstance(read, Mapping) else {}
