"""The login that a scan runs by: what its token says, whether Azure is available, what the tenant is called."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import ClientConnectorError, ClientHttpProxyError
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ServiceRequestTimeoutError

from guardrails.azure.connectivity import probe, unreachable
from guardrails.azure.identity import claims_of
from guardrails.azure.rest import Rest, error_of, json_of
from guardrails.errors import NO_TOKEN, Retryable
from guardrails.exemption.facts import Unread
from guardrails.runtime.transport import transport

TENANTS_VERSION: Final = "2022-12-01"
SECONDS: Final = 4.0
"""For looking up a name and connecting, and once more for TLS."""

ANSWER: Final = 4.7
"""Seconds for the first answer, TLS among them. An Azure that takes 4 s to answer is slow, and is scanned."""

_PATH: Final = "/tenants"


class Login:
    """Asks Azure for the first time.

    Args:
        endpoint, credential, audience: as ArmRest's.
    """

    def __init__(self, endpoint: str, credential: AsyncTokenCredential, *, audience: str = "") -> None:
        self._credential = credential
        self._rest = Rest(endpoint, credential, transport(connect=SECONDS), audience=audience)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def claims(self) -> Mapping[str, Any]:
        """Return what our token says of us; {} where it cannot be read. Raises Retryable (no-token)."""
        return await claims_of(self._credential, self._rest.token_scope)

    async def tenant_name(self, tenant: str) -> str | Unread:
        """Return the display name of a tenant (its id, lower case), where this login may read it.

        It is the first request of a scan. Raises Retryable (arm-unreachable) within five seconds where there is no
        connection to Azure, or one on which nothing comes.
        """
        await probe(self._rest.endpoint, SECONDS)
        try:
            async with asyncio.timeout(ANSWER):
                response = await self._rest.exchange("GET", self._rest.url(_PATH, TENANTS_VERSION), _PATH)
        except TimeoutError as error:
            raise unreachable(self._rest.endpoint, f"a connection, and no answer within {ANSWER:g} s") from error
        except Retryable as error:
            if error.code == NO_TOKEN:
                raise
            if why := _no_connection(error):
                raise unreachable(self._rest.endpoint, why) from error
            return Unread(error.message)
        if response.status_code != 200:
            return Unread(": ".join(error_of(response)))
        return _name_in(json_of(response), tenant)


def _no_connection(error: Retryable) -> str:
    """Return why no connection could be made, in one phrase; "" where one was made, and no answer came."""
    cause = error.__cause__
    if isinstance(cause, ServiceRequestTimeoutError):
        return f"no connection within {SECONDS:g} s"
    inner = getattr(cause, "inner_exception", None)
    refused = isinstance(inner, ClientConnectorError | ClientHttpProxyError)  # the latter: by the proxy, for us
    return f"{type(inner).__name__}: {inner}" if refused else ""


def _name_in(body: object, tenant: str) -> str | Unread:
    rows = body.get("value") if isinstance(body, Mapping) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and str(row.get("tenantId")).lower() == tenant:
            name = row.get("displayName")
            return name if isinstance(name, str) and name else Unread("Azure does not show the tenant's name")
    return Unread("Azure does not show this tenant to this login")
