"""Tokens for the managed identity of a function app, from the endpoint that App Service gives to the app.

azure-identity's ManagedIdentityCredential sends the same request, but its import takes too much of a cold start: see
docs/imports.md. tests/azure/test_managed_identity.py compares the two.
"""

import time
from http import HTTPStatus
from typing import Any, Final, Self

from azure.core import AsyncPipelineClient
from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from guardrails.azure.rest import AGENT
from guardrails.runtime.transport import transport

_VERSION: Final = "2019-08-01"

_LONG: Final = 7200
"""Seconds: a token that lasts so long or longer is renewed after half of its time, unless the answer says when."""

_LATE: Final = 300
"""Seconds that any other token has left when it is renewed."""

_AGAIN: Final = 30
"""Seconds before which such a token is not renewed, if it lasts so long."""


class NoToken(Exception):
    """An answer without a token, or with one that is malformed. The answer itself is in no message: it may hold one."""


class ManagedIdentityCredential:
    """A credential for clients of the Azure SDK: a token is asked for once, and again when it is time to renew it.

    It has the name of azure-identity's: `exg scan` says which credential it found.

    Source: https://learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference".

    Args:
        endpoint: IDENTITY_ENDPOINT.
        header: IDENTITY_HEADER.
        client_id: of a user-assigned identity; "" for the system-assigned one.
    """

    def __init__(self, endpoint: str, header: str, client_id: str = "") -> None:
        self._endpoint = endpoint
        self._query = {"api-version": _VERSION, **({"client_id": client_id} if client_id else {})}
        self._headers = {"X-IDENTITY-HEADER": header}
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            endpoint, policies=[UserAgentPolicy(AGENT)], transport=transport()
        )
        self._known: dict[str, tuple[AccessTokenInfo, int]] = {}

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for the one scope. Raises what `get_token_info` does."""
        token = await self.get_token_info(*scopes, options={"claims": options["claims"]} if "claims" in options else {})
        return AccessToken(token.token, token.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return a token for the one scope; with `claims` in the options, a new one.

        Raises AzureError where no answer comes, HttpResponseError for a refusal, NoToken.
        """
        (scope,) = scopes
        resource = scope.removesuffix("/.default")
        token, renewed = self._known.get(resource, (None, 0))
        if token is None or renewed <= time.time() or (options or {}).get("claims"):
            token, _ = self._known[resource] = await self._ask(resource)
        return token

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, resource: str) -> tuple[AccessTokenInfo, int]:
        """Return a token, and when to renew it, in seconds since 1970."""
        query = {**self._query, "resource": resource}
        request, asked = HttpRequest("GET", self._endpoint, params=query, headers=self._headers), int(time.time())
        response = await self._client.send_request(request)
        if response.status_code != HTTPStatus.OK:
            raise HttpResponseError(response=response)
        try:
            content = response.json()
            token = content["access_token"]
        except (ValueError, TypeError, LookupError) as error:
            raise NoToken("no token in the answer") from error
        if not token or not isinstance(token, str):
            raise NoToken("no token in the answer")
        try:
            expires = int(content.get("expires_on") or int(content["expires_in"]) + asked)
            lasts = int(content.get("expires_in") or expires - asked)
            refresh_in = content.get("refresh_in", lasts // 2 if lasts >= _LONG else None)
            refresh_on = None if refresh_in is None else asked + int(refresh_in)
        except (ValueError, TypeError, LookupError) as error:
            raise NoToken("the answer does not say when its token expires") from error
        renewed = max(expires - _LATE, asked + _AGAIN)
        renewed = min(renewed if refresh_on is None else refresh_on, renewed, expires)
        return AccessTokenInfo(token, expires, refresh_on=refresh_on), renewed
