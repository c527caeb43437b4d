"""Who we are in Azure: the function's managed identity, or an engineer's own login."""

import asyncio
import base64
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final, Self

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

_FRESH: Final = 300.0
"""Seconds that a token must have left to be used again."""


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


class Remembered:
    """A credential that asks another one for a token once: the Azure CLI is a process of a second each time.

    Args:
        inner: who gives the tokens; closed with this one.
    """

    def __init__(self, inner: AsyncTokenCredential) -> None:
        self._inner = inner
        self._tokens: dict[tuple[str, ...], AccessToken] = {}
        self._turn = asyncio.Lock()

    @property
    def found_by(self) -> str:
        """Which of azure-identity's credentials gave the last token, as AzureCliCredential; of a chain, its member."""
        return type(getattr(self._inner, "_successful_credential", None) or self._inner).__name__

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for scopes. Raises AzureError."""
        async with self._turn:
            known = self._tokens.get(scopes)
            if options.get("claims") or known is None or known.expires_on - time.time() < _FRESH:
                known = self._tokens[scopes] = await self._inner.get_token(*scopes, **options)
            return known

    async def close(self) -> None:
        """Close the other credential."""
        await self._inner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
