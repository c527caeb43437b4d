"""Delivers notices over HTTP, one attempt a call; whoever calls does the retries.

An address is a secret, and aiohttp's errors have it in their text: what is told of a failure is our words, chosen by
the kind of the error.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from guardrails.errors import GuardrailsError
from guardrails.notice import Notice
from guardrails.notify.answer import meaning
from guardrails.notify.destination import Destination
from guardrails.notify.portal import PUBLIC
from guardrails.notify.teams import message
from guardrails.notify.webhook import signed
from guardrails.ports import Clock, Delivery, TryAgain, Undeliverable

TIMEOUT: Final = 20.0
"""Seconds for one attempt, from connecting to the end of the answer (Standard Webhooks: 15 to 30)."""

_MOST_READ: Final = 4096
"""Bytes read of an answer."""


def plain_session(*, proxies: bool = False) -> aiohttp.ClientSession:
    """Return a session without cookies and without decompression (of an answer only the first bytes are read).

    `proxies` obeys HTTPS_PROXY and its kin in the environment.
    """
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), trust_env=proxies, auto_decompress=False, raise_for_status=False
    )


class HttpChannels:
    """Teams and webhooks, as ports.Channels. Close it, or use it as an async context manager.

    Args:
        routes: destinations by the name of their route, see `guardrails.notify.routes.destinations`.
        clock: the present; it stamps signatures and measures Retry-After dates.
        session: makes the HTTP session, called on first use.
        allow_loopback: the sandbox's: addresses on this machine are fit, also over http.
        portal: the origin of the Azure portal that cards link to.
        timeout: seconds for one attempt.
    """

    def __init__(
        self,
        routes: Mapping[str, Destination],
        clock: Clock,
        *,
        session: Callable[[], aiohttp.ClientSession] = plain_session,
        allow_loopback: bool = False,
        portal: str = PUBLIC,
        timeout: float = TIMEOUT,
    ) -> None:
        self._routes = routes
        self._clock = clock
        self._make_session = session
        self._session: aiohttp.ClientSession | None = None
        self._allow_loopback = allow_loopback
        self._portal = portal
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def deliver(self, notice: Notice, route: str) -> Delivery:
        """Hand one notice to one route, once. Never raises for what a channel does."""
        destination = self._routes.get(route)
        if destination is None:
            return Undeliverable(f"the ruleset has no route '{route}'; add it, or have the notice sent to another")
        problem = destination.problem(allow_loopback=self._allow_loopback)
        if problem:
            return Undeliverable(problem)
        try:
            headers, body = self._request(notice, destination)
        except GuardrailsError as error:
            return Undeliverable(f"route '{route}': {error.message}")
        answer = await self._post(destination, headers, body)
        return _named(answer, route)

    def _request(self, notice: Notice, destination: Destination) -> tuple[dict[str, str], bytes]:
        if destination.channel == "webhook":
            return signed(notice, destination.secrets, self._clock.now())
        return {"Content-Type": "application/json"}, message(notice, self._portal)

    async def _post(self, destination: Destination, headers: dict[str, str], body: bytes) -> Delivery:
        # encoded=True: the address goes out as it is spelled, for its signature may cover the spelling.
        address = URL(destination.address, encoded=True)
        everywhere = {"User-Agent": "exemption-guardrails", "Accept-Encoding": "identity"}
        try:
            async with self._opened().post(
                address,
                data=body,
                headers={**everywhere, **headers},
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                start = await _start_of(response) if destination.channel == "teams" else b""
                return meaning(destination.channel, response.status, response.headers, start, self._clock.now())
        except TimeoutError:
            return TryAgain(f"no answer within {self._timeout.total:g} s")
        except aiohttp.InvalidURL:
            return Undeliverable(f"the address in the setting {destination.address_setting} is not a URL")
        except (aiohttp.ClientError, OSError) as error:
            return TryAgain(_failure(error))
        except ValueError:  # an address that passed our checks and not those of the HTTP library
            return Undeliverable(f"the address in the setting {destination.address_setting} cannot be used")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = self._make_session()
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _start_of(response: aiohttp.ClientResponse) -> bytes:
    """Return at most _MOST_READ bytes of the body; leaving the response drops the rest and its connection."""
    read = b""
    while len(read) < _MOST_READ:
        chunk = await response.content.read(_MOST_READ - len(read))
        if not chunk:
            break
        read += chunk
    return read


_FAILURES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "the certificate of its address was not accepted"),
    (aiohttp.ClientSSLError, "no secure connection could be made"),
    (aiohttp.ClientConnectorDNSError, "the host name of its address could not be resolved"),
    (aiohttp.ClientProxyConnectionError, "the proxy could not be reached"),
    (aiohttp.ClientConnectorError, "no connection could be made"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.ClientResponseError, "the answer was not HTTP"),
)


def _failure(error: Exception) -> str:
    """Return what went wrong, in our words: the error's own text holds the address."""
    return next((words for kind, words in _FAILURES if isinstance(error, kind)), "the connection failed")


def _named(answer: Delivery, route: str) -> Delivery:
    """Return the answer with the route in its reason."""
    match answer:
        case TryAgain(reason, delay):
            return TryAgain(f"route '{route}': {reason}", delay)
        case Undeliverable(reason):
            return Undeliverable(f"route '{route}': {reason}")
        case _:
            return answer
