"""The delivery of notices over HTTP, one attempt a call; whoever calls does the retries.

An address is a secret, and aiohttp's errors hold it in their text: a failure is described in our words, chosen by the
kind of the error.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from yarl import URL

from guardrails.channels import slack, teams
from guardrails.channels.answer import meaning
from guardrails.channels.destination import Destination
from guardrails.channels.egress_guard import HOSTS_SETTING, Bounds, CheckedConnector, Egress, is_egress_blocked
from guardrails.channels.eventgrid import EventGridTopic
from guardrails.channels.portal import PUBLIC
from guardrails.channels.webhook import signed
from guardrails.dataclass import replace
from guardrails.errors import GuardrailsError, defect
from guardrails.notices.notice import Notice
from guardrails.ports import Clock, Delivered, Delivery, TryAgain, Undeliverable
from guardrails.runtime.transport import proxied

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

log = logging.getLogger("guardrails")

TIMEOUT: Final = 20.0
"""Seconds for one attempt, from connecting to the end of the answer (Standard Webhooks: 15 to 30)."""

_MOST_READ: Final = 4096
"""Bytes read of an answer."""


type Mentions = Callable[[Notice], Sequence[tuple[str, str]]]
type Connect = Callable[[Egress], aiohttp.BaseConnector]


def open_session(egress: Egress, connect: Connect = CheckedConnector) -> aiohttp.ClientSession:
    """Return a session without cookies and without decompression (of an answer only the first bytes are read).

    A proxy in the environment is obeyed for allow-listed hosts only: it would find the addresses of host names itself,
    where nobody checks them.
    """
    return aiohttp.ClientSession(
        connector=connect(egress),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=egress is Egress.PRIVATE and proxied(),
        auto_decompress=False,
        raise_for_status=False,
    )


class HttpChannels:
    """Teams, Slack, webhooks and Event Grid topics, as ports.Channels. Close it, or use it as an async context manager.

    Args:
        routes: destinations by the name of their route, see `guardrails.channels.routes.destinations`.
        clock: the present; it stamps signatures and measures Retry-After dates.
        credential: who publishes to Event Grid topics; its owner closes it. Without one, their routes fail.
        allow_loopback: the sandbox's: addresses on this machine are fit, also over http.
        allowed_hosts: the hosts that may be private, see `guardrails.channels.egress_guard.read_hosts`.
        portal: the origin of the Azure portal that notices link to.
        mentions: whom a card addresses, as (name, Teams user) pairs: by the ruleset, never by the exemption's text.
        timeout: seconds for one attempt.
        connect: makes the connector for an Egress, called on first use.
    """

    def __init__(
        self,
        routes: Mapping[str, Destination],
        clock: Clock,
        *,
        credential: "AsyncTokenCredential | None" = None,
        allow_loopback: bool = False,
        allowed_hosts: frozenset[str] = frozenset(),
        portal: str = PUBLIC,
        mentions: Mentions = lambda _: (),
        timeout: float = TIMEOUT,
        connect: Connect = CheckedConnector,
    ) -> None:
        self._routes = routes
        self._clock = clock
        self._credential = credential
        self._bounds = Bounds(allowed_hosts, allow_loopback)
        self._portal = portal
        self._mentions = mentions
        self._timeout = timeout
        self._connect = connect
        self._sessions: dict[Egress, aiohttp.ClientSession] = {}
        self._topics: dict[str, EventGridTopic] = {}

    async def deliver(self, notice: Notice, route: str) -> Delivery:
        """Hand one notice to one route, once. Never raises for what a channel does."""
        destination = self._routes.get(route)
        if destination is None:
            return Undeliverable(f"the ruleset has no route '{route}'; add it, or have the notice sent to another")
        problem = destination.problem(self._bounds)
        if problem:
            return Undeliverable(problem)
        if destination.channel == "eventgrid":
            return _named(await self._publish(notice, destination), route)
        try:
            headers, body = self._request(notice, destination)
        except GuardrailsError as error:
            return Undeliverable(f"route '{route}': {error.message}")
        except Exception as error:  # noqa: BLE001
            # a defect of our rendering: the notice is kept, an error names it, and other routes go on
            text = "the %s message of notice %s could not be made: %s"
            log.error(text, destination.channel, notice.id, defect(error))  # noqa: TRY400 - its text may quote anybody
            what = type(error).__name__
            return Undeliverable(f"route '{route}': the {destination.channel} message could not be made: {what}")
        return _named(await self._post(destination, headers, body), route)

    def _request(self, notice: Notice, destination: Destination) -> tuple[dict[str, str], bytes]:
        if destination.channel == "webhook":
            return signed(notice, destination.secrets, self._clock.now(), self._portal)
        if destination.channel == "slack":
            body = slack.message(notice, self._portal)
        else:
            body = teams.message(notice, self._portal, self._mentions(notice))
        return {"Content-Type": "application/json"}, body

    async def _publish(self, notice: Notice, destination: Destination) -> Delivery:
        if self._credential is None:
            return Undeliverable("Event Grid topics need an identity, and the service was started without one")
        address = destination.address
        if address not in self._topics:
            egress = self._bounds.of(URL(address, encoded=True).raw_host or "")
            self._topics[address] = EventGridTopic(
                address,
                self._credential,
                self._clock,
                session=lambda: open_session(egress, self._connect),
                portal=self._portal,
                timeout=self._timeout,
            )
        return await self._topics[address].deliver(notice)

    async def _post(self, destination: Destination, headers: dict[str, str], body: bytes) -> Delivery:
        everywhere = {"User-Agent": "exemption-guardrails", "Accept-Encoding": "identity"}
        try:
            # encoded=True: the address goes out as it is spelled, for its signature may cover the spelling.
            address = URL(destination.address, encoded=True)
            async with self._opened(address).post(
                address,
                data=body,
                headers={**everywhere, **headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout),
            ) as response:
                start = b"" if destination.channel == "webhook" else await _start_of(response)
                return meaning(destination.channel, response.status, response.headers, start, self._clock.now())
        except TimeoutError:
            return TryAgain(f"no answer within {self._timeout:g} s")
        except aiohttp.InvalidURL:
            return Undeliverable(f"the address in the setting {destination.address_setting} is not a URL")
        except (aiohttp.ClientError, OSError) as error:
            return TryAgain(_failure(error, destination.address_setting))
        except ValueError:  # an address that passed our checks and not those of the HTTP library
            return Undeliverable(f"the address in the setting {destination.address_setting} cannot be used")

    def _opened(self, address: URL) -> aiohttp.ClientSession:
        egress = self._bounds.of(address.raw_host or "")
        session = self._sessions.get(egress)
        if session is None or session.closed:
            session = self._sessions[egress] = open_session(egress, self._connect)
        return session

    async def close(self) -> None:
        """Close the connections."""
        sessions, topics = list(self._sessions.values()), list(self._topics.values())
        self._sessions, self._topics = {}, {}
        for topic in topics:
            await topic.close()
        for session in sessions:
            await session.close()

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
    (aiohttp.ClientProxyConnectionError, "no connection to the proxy could be made"),
    (aiohttp.ClientConnectorError, "no connection could be made"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.ClientResponseError, "the answer was not HTTP"),
)


def _failure(error: Exception, setting: str) -> str:
    """Return what went wrong, in our words: the error's own text holds the address."""
    if is_egress_blocked(error):
        return (
            f"the host of the address in the setting {setting} leads to a machine that is not public; nothing was sent."
            f" If it is meant to be private, add the host name to {HOSTS_SETTING}"
        )
    return next((words for kind, words in _FAILURES if isinstance(error, kind)), "the connection failed")


def _named(answer: Delivery, route: str) -> Delivery:
    """Return the answer with the route in its reason."""
    if isinstance(answer, Delivered):
        return answer
    return replace(answer, reason=f"route '{route}': {answer.reason}")
