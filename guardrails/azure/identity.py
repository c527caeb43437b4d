"""Who we are in Azure: the function's managed identity, or an engineer's own login."""

import os

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
