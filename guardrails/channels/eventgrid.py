"""A notice as a CloudEvent 1.0, published to an Event Grid topic with the service's identity: no key, no secret.

The topic takes `cloudeventschemav1_0`; the identity needs the role *EventGrid Data Sender* on it. Sources: the topic's
REST form (learn.microsoft.com/azure/event-grid/post-to-custom-topic) and the azure-eventgrid package.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp

from guardrails.channels.answer import meaning
from guardrails.channels.egress_guard import HOSTS_SETTING, is_egress_blocked
from guardrails.channels.portal import PUBLIC, identity
from guardrails.channels.webhook import body
from guardrails.dataclass import replace
from guardrails.errors import GuardrailsError, Retryable
from guardrails.exemption.times import spell_time
from guardrails.notices.notice import Kind, Notice
from guardrails.ports import Clock, Delivered, Delivery, TryAgain, Undeliverable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import AzureError
    from azure.eventgrid.aio import EventGridPublisherClient

SOURCE: Final = "/exemption-guardrails"
"""The `source` of the events, a URI reference, unless another is given. CloudEvents: `source` with `id` is unique."""

TYPES: Final[Mapping[Kind, str]] = {
    kind: "ExemptionGuardrails." + "".join(word.capitalize() for word in kind.split("-")) for kind in Kind
}
"""The `type` of an event by the kind of its notice: would-revert is ExemptionGuardrails.WouldRevert."""

TIMEOUT: Final = 20.0
"""Seconds for one attempt, the token included."""

_LONGEST_SUBJECT: Final = 1024


def event(notice: Notice, source: str = SOURCE, portal: str = PUBLIC) -> dict[str, Any]:
    """Return the CloudEvent. Its data is the body's `data` of the webhook: the same fields, bound and shedding.

    Raises Permanent (notice-too-large).
    """
    exemption = identity(notice.exemption)
    whole = {
        "specversion": "1.0",
        "id": notice.id,
        "source": source,
        "type": TYPES[notice.kind],
        "time": spell_time(notice.at),
        "datacontenttype": "application/json",
        "data": json.loads(body(notice, portal))["data"],
    }
    return {**whole, "subject": exemption.text[:_LONGEST_SUBJECT]} if exemption else whole


class EventGridTopic:
    """One topic. Close it after use.

    Args:
        endpoint: the topic's endpoint, `https://NAME.REGION-1.eventgrid.azure.net/api/events`.
        credential: who publishes; its owner closes it.
        clock: the present, to measure Retry-After dates by.
        session: makes the HTTP session, called on first use; one that checks where a host name leads.
        source: the events' `source`, by which receivers know one installation from another.
        portal: the origin of the Azure portal that events link to.
        timeout: seconds for one attempt.
    """

    def __init__(
        self,
        endpoint: str,
        credential: "AsyncTokenCredential",
        clock: Clock,
        *,
        session: Callable[[], aiohttp.ClientSession],
        source: str = SOURCE,
        portal: str = PUBLIC,
        timeout: float = TIMEOUT,
    ) -> None:
        self._endpoint = endpoint
        self._credential = credential
        self._clock = clock
        self._make_session = session
        self._source = source
        self._portal = portal
        self._timeout = timeout
        self._client: EventGridPublisherClient | None = None

    async def deliver(self, notice: Notice) -> Delivery:
        """Publish one notice, once. Never raises for what the topic does."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - only where a route leads to a topic

        try:
            made = event(notice, self._source, self._portal)
        except GuardrailsError as error:
            return Undeliverable(error.message)
        # the SDK sends a token over https only; the sandbox's topic is on loopback, over http
        options: dict[str, Any] = {} if urlsplit(self._endpoint).scheme == "https" else {"enforce_https": False}
        try:
            async with asyncio.timeout(self._timeout):
                await self._opened().send(made, **options)
        except TimeoutError:
            return TryAgain(f"the Event Grid topic gave no answer within {self._timeout:g} s")
        except Retryable as error:  # no token
            return TryAgain(f"{error.message}. {error.remedy}", error.delay, waits=True)
        except AzureError as error:
            return self._meaning(error)
        return Delivered()

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _opened(self) -> "EventGridPublisherClient":
        # imported here: the SDK costs cold start, and few installations publish to a topic
        from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415
        from azure.eventgrid.aio import EventGridPublisherClient  # noqa: PLC0415

        if self._client is None:
            self._client = EventGridPublisherClient(
                self._endpoint,
                self._credential,
                transport=AioHttpTransport(session=self._make_session(), use_env_settings=False),
                retry_total=0,  # the queue does the retries
                permit_redirects=False,
                user_agent="exemption-guardrails",
            )
        return self._client

    def _meaning(self, error: "AzureError") -> Delivery:
        """Return what an error means for the notice, in our words: the error's own text holds the address."""
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415

        # of a 404 the SDK makes an error of its own, without the answer
        answered = [each for each in (error, error.__cause__) if isinstance(each, HttpResponseError)]
        response: Any = next((each.response for each in answered if each.response is not None), None)
        if response is not None:
            found = meaning("eventgrid", response.status_code, response.headers, b"", self._clock.now())
            return _with_help(found, response.status_code)
        if is_egress_blocked(error):
            return TryAgain(
                "the Event Grid topic's host leads to a machine that is not public; nothing was sent. If it is meant to"
                f" be private, add the host name to {HOSTS_SETTING}"
            )
        return TryAgain("no connection to the Event Grid topic could be made, or it broke off")


_HELP: Final[Mapping[int, str]] = {
    400: "it takes CloudEvents 1.0 only when its input schema is CloudEventSchemaV1_0",
    401: "check the identity and its tenant",
    403: "the identity needs the role EventGrid Data Sender, and the topic's firewall must let the service in",
    404: "check the topic's endpoint",
    413: "the event is larger than it takes",
}


def _with_help(answer: Delivery, status: int) -> Delivery:
    help_with = _HELP.get(status)
    if help_with is None or isinstance(answer, Delivered):
        return answer
    return replace(answer, reason=f"{answer.reason}; {help_with}")
