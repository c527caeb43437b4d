"""The managed identity of a function app: a token is one request to the endpoint that App Service gives to the app.

azure-identity makes the same request, and brings msal, requests and cryptography for all else that it can do: a fifth
of the time until a process has answered its first event (docs/performance.md). Source: "How to use managed identities
for App Service and Azure Functions", Microsoft Learn, REST endpoint reference.
"""

import time
from typing import Any, Final, Self

from azure.core import AsyncPipelineClient
from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import UserAgentPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from guardrails.azure.rest import AGENT, json_of

_VERSION: Final = "2019-08-01"
_LONG: Final = 7200
"""Seconds that a token must last to be renewed at half of its time, as azure-identity does."""
_FRESH: Final = 300
"""Seconds that another must have left to be given again, unless it was asked for just now."""
_JUST: Final = 30
"""Seconds that are just now."""


class ManagedIdentityCredential:
    """azure.identity.aio.ManagedIdentityCredential in App Service. `exg scan` says this name, wherever it runs.

    Args:
        endpoint, secret: IDENTITY_ENDPOINT and IDENTITY_HEADER.
        client_id: of a user-assigned identity; "" for the system-assigned one.
        transport: the connections; closed with this.
    """

    def __init__(self, endpoint: str, secret: str, client_id: str, transport: AioHttpTransport) -> None:
        self._endpoint = endpoint
        self._headers = {"X-IDENTITY-HEADER": secret}
        self._params = {"api-version": _VERSION, **({"client_id": client_id} if client_id else {})}
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            endpoint, policies=[UserAgentPolicy(AGENT)], transport=transport
        )
        self._tokens: dict[str, tuple[int, AccessTokenInfo]] = {}

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for one scope. Raises as `get_token_info`."""
        found = await self._found(*scopes, claims=options.get("claims"))
        return AccessToken(found.token, found.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return the same, with when it is best renewed.

        Raises ClientAuthenticationError for an answer without a token, AzureError without an answer, ValueError for a
        token that ends at no time.
        """
        return await self._found(*scopes, claims=(options or {}).get("claims"))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _found(self, scope: str, *, claims: str | None) -> AccessTokenInfo:
        """Return the token at hand; another where it is to be renewed, or `claims` say that it does not do."""
        renewed, known = self._tokens.get(scope, (0, None))
        if known is None or claims or time.time() >= renewed:
            renewed, known = self._tokens[scope] = await self._asked_for(scope.removesuffix("/.default"))
        return known

    async def _asked_for(self, resource: str) -> tuple[int, AccessTokenInfo]:
        """Return a token, and when it is to be renewed, in seconds since the epoch."""
        now, params = int(time.time()), {**self._params, "resource": resource}
        request = HttpRequest("GET", self._endpoint, params=params, headers=self._headers)
        answer = await self._client.send_request(request)
        given = json_of(answer) if answer.status_code == 200 else None
        if not isinstance(given, dict) or not given.keys() >= {"access_token", "expires_on"}:
            raise ClientAuthenticationError("no token in the answer", response=answer)
        end = int(given["expires_on"])
        half = now + (end - now) // 2 if end - now >= _LONG else None
        token = AccessTokenInfo(given["access_token"], end, refresh_on=half)
        return half or min(end, max(end - _FRESH, now + _JUST)), token
