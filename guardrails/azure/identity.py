"""Who we are in Azure: the function's managed identity, or an engineer's own login."""

import asyncio
import base64
import json
import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self, cast

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError

from guardrails.azure.managed_identity import ManagedIdentityCredential, NoToken
from guardrails.azure.rest import delay_of
from guardrails.errors import NO_TOKEN, Retryable, plain
from guardrails.exemption.times import spell_time

log = logging.getLogger("guardrails")

_FRESH: Final = 300.0
"""Seconds that a token must have left to be used again."""

_SECONDS: Final = 15.0
"""For one token, in Azure Functions."""

_QUIET: Final = 30.0
"""Seconds for which nobody is asked for again: longer than an event lasts, and less than until the next try."""

_AGAIN: Final = 60.0
"""Seconds until what wanted a token is tried again, at least."""

_FINAL: Final = frozenset({400, 401, 403, 404})
"""Statuses of an endpoint that refuses this token; the next one may be another's, or for another service."""

_LOGIN: Final = "the login of this machine (azure-identity's DefaultAzureCredential)"
_LOG_IN: Final = "Log in with `az login`, or set the variables of azure-identity"


class Pause:
    """What the credentials of a process share: who gives tokens is asked by one at a time, and not at once again."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.refused: tuple[float, Retryable] | None = None
        """Until when (monotonic) nobody is asked again, and why."""


class Explained:
    """A credential whose every failure is Retryable (no-token), and names who was asked for the token.

    That error passes the Azure SDK as it is; one of azure-identity would come out of it as one of the service that was
    to be called, with the status that the token's endpoint answered. Who gave none is not asked again for half a
    minute, which is longer than an event lasts: what needs a token then fails at once, by the same error.

    Args:
        inner: who gives the tokens; closed with this one.
        asked: what that is called, and where it is, as "the managed identity endpoint http://localhost:8081/msi/token".
        pause: is shared with other credentials that ask the same.
        seconds: how long a token may take; None: as long as `inner` lets it.
        remedy: what to do where there is none.
    """

    def __init__(
        self,
        inner: AsyncTokenCredential,
        asked: str = _LOGIN,
        *,
        pause: Pause | None = None,
        seconds: float | None = None,
        remedy: str = _LOG_IN,
    ) -> None:
        self.inner = inner
        self._asked = asked
        self._pause = pause or Pause()
        self._seconds = seconds
        self._remedy = remedy
        self._refusals: dict[tuple[str, ...], tuple[float, Retryable]] = {}
        self._known: dict[tuple[str, ...], AccessTokenInfo] = {}

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for scopes. Raises Retryable (no-token)."""
        token = await self.get_token_info(*scopes, options=cast(TokenRequestOptions, options))
        return AccessToken(token.token, token.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return the same, with when it is best renewed. Raises Retryable (no-token).

        Where the other one gives none, the last token does as long as it lasts: it is renewed long before it ends. An
        error that is raised is logged by the caller; one that is not is logged here, once for each request.
        """
        async with self._pause.turn:
            quiet = self._quiet(scopes)
            try:
                if quiet is not None:
                    raise quiet from quiet.__cause__
                self._known[scopes] = await self._asked_for(scopes, options or {})
            except Retryable as error:
                last = self._known.get(scopes)
                if (options or {}).get("claims") or last is None or last.expires_on <= time.time():
                    raise
                if quiet is None:
                    ends = spell_time(datetime.fromtimestamp(last.expires_on, UTC))
                    log.warning("the current token is valid until %s: %s", ends, error)
            return self._known[scopes]

    async def close(self) -> None:
        """Close the other credential."""
        await self.inner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _quiet(self, scopes: tuple[str, ...]) -> Retryable | None:
        """Return the error where nobody is to be asked now."""
        for refused in (self._pause.refused, self._refusals.get(scopes)):
            if refused is not None and time.monotonic() < refused[0]:
                again = self._refused(refused[1].message, refused[1].delay)
                again.__cause__ = refused[1].__cause__
                return again
        return None

    async def _asked_for(self, scopes: tuple[str, ...], options: TokenRequestOptions) -> AccessTokenInfo:
        inner: Any = self.inner
        try:
            async with asyncio.timeout(self._seconds):
                if hasattr(inner, "get_token_info"):
                    token: AccessTokenInfo = await inner.get_token_info(*scopes, options=options)
                else:
                    given = await inner.get_token(*scopes, **options)
                    token = AccessTokenInfo(given.token, given.expires_on)
            if token.token and isinstance(token.token, str):
                return token
        except Exception as error:  # azure-identity trips over answers in many ways
            raise self._reported(error, scopes) from error
        raise self._reported(NoToken("no token in the answer"), scopes)

    def _reported(self, error: Exception, scopes: tuple[str, ...]) -> Retryable:
        """Return the error, and remember it: for everybody where it may be that nobody is served."""
        response: Any = error.response if isinstance(error, HttpResponseError) else None
        status = response.status_code if response is not None else None
        why, delay = type(error).__name__, _AGAIN
        if isinstance(error, TimeoutError) and self._seconds:
            why = f"no answer within {self._seconds:g} s"
        elif isinstance(error, NoToken):
            why = str(error)
        elif response is not None:
            why, delay = f"HTTP {status}", max(_AGAIN, delay_of(response.headers))
        message = f"{self._asked} gave no token for {' '.join(scopes)}: {why}"
        refused = self._refused(plain(message), delay)
        refused.__cause__ = error
        if status in _FINAL:
            self._refusals[scopes] = time.monotonic() + _QUIET, refused
        else:
            self._pause.refused = time.monotonic() + _QUIET, refused
        return refused

    def _refused(self, message: str, delay: float) -> Retryable:
        return Retryable(message, code=NO_TOKEN, remedy=self._remedy, delay=delay)


def endpoint_of(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the endpoint of a function app's managed identity and its header; None where App Service gives none."""
    endpoint, header = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
    return (endpoint, header) if endpoint and header else None


def credential(client_id: str = "", pause: Pause | None = None) -> Explained:
    """Return the credential to use here.

    In Azure Functions (IDENTITY_ENDPOINT and IDENTITY_HEADER are set) that is the managed identity, `client_id` naming
    a user-assigned one: one request for a token, of 15 s at most, by our connections. Elsewhere it is what
    azure-identity finds: environment, Azure CLI, and so on; each of them is asked once. `pause` is for all credentials
    of a process. What azure-identity tried in vain is in our own error, so its warnings, two for one token, are left
    out of the log.
    """
    if found := endpoint_of(os.environ):
        endpoint, header = found
        asked, who = f"the managed identity endpoint {endpoint}", f"identity {client_id}" if client_id else "identity"
        remedy = f"If the error stays, check that the managed {who} is assigned to the function app"
        inner = ManagedIdentityCredential(endpoint, header, client_id)
        return Explained(inner, asked, pause=pause, seconds=_SECONDS, remedy=remedy)
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - see managed_identity

    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    options: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 15}
    return Explained(DefaultAzureCredential(managed_identity_client_id=client_id or None, **options), pause=pause)


async def claims_of(credential: AsyncTokenCredential, scope: str) -> Mapping[str, Any]:
    """Return what our own token says of us, and never the token; {} for one that cannot be read.

    Raises Retryable (no-token).

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
        inner = self._inner.inner if isinstance(self._inner, Explained) else self._inner
        return type(getattr(inner, "_successful_credential", None) or inner).__name__

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for scopes. Raises what the other one does."""
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
