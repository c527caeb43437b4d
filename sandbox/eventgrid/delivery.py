"""Push delivery: at least once, in any order, with the published retry schedule and dead letters.

Sources: azure-docs, event-grid/delivery-and-retry.md (schedule, statuses that are not retried, least waits, headers);
the 30 s that an endpoint has are the same page's. Queues: event-grid/handler-storage-queues.md; that messages are in
base64: MicrosoftDocs/azure-docs 102923.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, Self

import aiohttp

from sandbox.arm.reply import Operation
from sandbox.arm.store import stamp
from sandbox.eventgrid.events import Event, build, encode, encode_message, to_cloud_event

RETRY_SECONDS = (10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200)
LEAST_WAIT_SECONDS = {404: 300, 408: 120, 503: 30}
NEVER_RETRIED = frozenset({400, 401, 403, 413})
RESPONSE_SECONDS = 30.0


@dataclass(slots=True)
class EventSubscription:
    """Where events go. `endpoint_url` may hold a function key: it is left out of repr and of every report.

    Empty filters let everything through; `operation_names` compare without regard to case, `topic` is a subscription
    id. A StorageQueue gets one event a message; `endpoint_url` is then the address of its messages, with a shared
    access signature that may add. `ttl_minutes` and `max_attempts` end retrying, whichever comes first. `dead_letter`
    is None when there is no dead-letter destination: then the events are only counted.
    """

    name: str
    endpoint_url: str = field(repr=False)
    included_event_types: tuple[str, ...] = ()
    operation_names: tuple[str, ...] = ()
    endpoint_type: Literal["WebHook", "StorageQueue"] = "WebHook"
    schema: Literal["eventgrid", "cloudevents"] = "eventgrid"
    max_events_per_batch: int = 1
    max_attempts: int = 30
    ttl_minutes: float = 1440.0
    topic: str = ""
    dead_letter: list[Event] | None = field(default_factory=list, repr=False)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read one from JSON. Raises TypeError for a key that it does not have."""
        read: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
        return cls(**read)

    def wants(self, event: Event) -> bool:
        operation = event["data"]["operationName"].lower()
        return (
            (not self.included_event_types or event["eventType"] in self.included_event_types)
            and (not self.operation_names or operation in {name.lower() for name in self.operation_names})
            and (not self.topic or event["topic"].lower().endswith(self.topic.lower()))
        )


@dataclass(slots=True)
class Knobs:
    """What goes wrong on purpose. Seconds are real ones. `drop_next` events are lost without a trace."""

    duplicates: int = 1
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    drop_next: int = 0
    drop_ratio: float = 0.0


@dataclass(slots=True)
class Metrics:
    """Counts of events, but `attempts` and `statuses`, which count deliveries (0: no answer)."""

    published: int = 0
    delivered: int = 0
    retried: int = 0
    dead_lettered: int = 0
    dropped: int = 0
    pending: int = 0
    attempts: int = 0
    statuses: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt, for the record: its status, and the seconds since the events were published."""

    subscription: str
    event_ids: tuple[str, ...]
    attempt: int
    status: int
    seconds: float


@dataclass(slots=True)
class _Parcel:
    subscription: EventSubscription
    events: list[Event]
    born: float
    attempts: int = 0
    last_attempt: str = ""


class EventGrid:
    """The system topics of all subscriptions. Register `publish_operation` with an `Arm` as a listener.

    `time_scale` multiplies the waits between retries and the time to live: 0.01 makes 10 s into 0.1 s. `seed` makes
    jitter and losses repeatable.
    """

    def __init__(self, *, time_scale: float = 1.0, concurrency: int = 64, seed: int = 0) -> None:
        self.time_scale = time_scale
        self.subscriptions: list[EventSubscription] = []
        self.knobs = Knobs()
        self.metrics = Metrics()
        self.history: deque[Delivery] = deque(maxlen=20000)
        self._random = random.Random(seed)  # noqa: S311  not for secrets
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._waiting: dict[int, list[tuple[Event, float]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._settled.set()
        self._paused = False
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        connector = aiohttp.TCPConnector(limit=self._concurrency)
        timeout = aiohttp.ClientTimeout(total=RESPONSE_SECONDS)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)

    async def stop(self) -> None:
        """Stop at once; what is pending is lost."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def subscribe(self, subscription: EventSubscription) -> EventSubscription:
        """Add an event subscription, in place of one with the same name."""
        self.subscriptions = [one for one in self.subscriptions if one.name != subscription.name]
        self.subscriptions.append(subscription)
        return subscription

    def publish_operation(self, operation: Operation) -> None:
        """Publish the event of an ARM operation, if Azure would raise one."""
        event = build(operation) if self.subscriptions else None
        if event is not None:
            self.publish(event)

    def publish(self, event: Event) -> None:
        """Queue an event (Event Grid schema) for each subscription that wants it; tests publish malformed ones here."""
        self.metrics.published += 1
        for subscription in self.subscriptions:
            if not subscription.wants(event):
                continue
            if self._loses():
                self.metrics.dropped += 1
                continue
            for _ in range(self.knobs.duplicates):
                self._add(subscription, event)

    def _loses(self) -> bool:
        if self.knobs.drop_next > 0:
            self.knobs.drop_next -= 1
            return True
        return self.knobs.drop_ratio > 0 and self._random.random() < self.knobs.drop_ratio

    def _add(self, subscription: EventSubscription, event: Event) -> None:
        self.metrics.pending += 1
        self._settled.clear()
        waiting = self._waiting.setdefault(id(subscription), [])
        waiting.append((event, time.monotonic()))
        if not self._paused and len(waiting) == 1:
            asyncio.get_running_loop().call_soon(self._pump, subscription)

    def pause(self) -> None:
        """Hold new events back; deliveries under way go on."""
        self._paused = True

    def resume(self, *, order: Literal["same", "reversed", "shuffled"] = "same") -> None:
        """Deliver what was held back, in this order."""
        self._paused = False
        for subscription in self.subscriptions:
            waiting = self._waiting.get(id(subscription), [])
            if order == "reversed":
                waiting.reverse()
            elif order == "shuffled":
                self._random.shuffle(waiting)
            self._pump(subscription)

    def _pump(self, subscription: EventSubscription) -> None:
        waiting = self._waiting.get(id(subscription), [])
        if self._paused:
            return
        size = max(1, subscription.max_events_per_batch) if subscription.endpoint_type == "WebHook" else 1
        while waiting:
            part, waiting[:size] = waiting[:size], []
            parcel = _Parcel(subscription, [event for event, _ in part], part[0][1])
            task = asyncio.get_running_loop().create_task(self._deliver(parcel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, parcel: _Parcel) -> None:
        delay = self.knobs.delay_seconds + self._random.uniform(0, self.knobs.jitter_seconds)
        if delay:
            await asyncio.sleep(delay)
        while True:
            async with self._slots:
                status, outcome = await self._attempt(parcel)
            if 200 <= status < 300:
                self.metrics.delivered += len(parcel.events)
                break
            reason = self._final(parcel, status)
            wait = RETRY_SECONDS[min(parcel.attempts, len(RETRY_SECONDS)) - 1]
            wait = max(wait, LEAST_WAIT_SECONDS.get(status, 0))
            ends = parcel.born + parcel.subscription.ttl_minutes * 60 * self.time_scale
            if not reason and time.monotonic() + wait * self.time_scale >= ends:
                reason = "TimeToLiveExceeded"
            if reason:
                self._dead_letter(parcel, reason, outcome)
                break
            self.metrics.retried += len(parcel.events)
            await asyncio.sleep(wait * self.time_scale)
        self._finish(len(parcel.events))

    @staticmethod
    def _final(parcel: _Parcel, status: int) -> str:
        if status in NEVER_RETRIED:
            return f"UndeliverableDueTo{_outcome(status)}"
        return "MaxDeliveryAttemptsExceeded" if parcel.attempts >= parcel.subscription.max_attempts else ""

    async def _attempt(self, parcel: _Parcel) -> tuple[int, str]:
        """POST once; return the status, 0 for no answer, and Event Grid's word for the outcome."""
        if self._session is None:
            raise RuntimeError("EventGrid.start() has not run")
        subscription = parcel.subscription
        body, headers = _sent(parcel)
        parcel.attempts += 1
        parcel.last_attempt = _now()
        try:
            async with self._session.post(subscription.endpoint_url, data=body, headers=headers) as answer:
                await answer.read()
                status, outcome = answer.status, _outcome(answer.status)
        except TimeoutError:
            status, outcome = 0, "TimedOut"
        except aiohttp.ClientError:
            status, outcome = 0, "SocketError"
        self.metrics.attempts += 1
        self.metrics.statuses[status] = self.metrics.statuses.get(status, 0) + 1
        ids = tuple(event["id"] for event in parcel.events)
        seconds = time.monotonic() - parcel.born
        self.history.append(Delivery(subscription.name, ids, parcel.attempts, status, seconds))
        return status, outcome

    def _dead_letter(self, parcel: _Parcel, reason: str, outcome: str) -> None:
        self.metrics.dead_lettered += len(parcel.events)
        if parcel.subscription.dead_letter is None:
            return
        facts = {
            "deadLetterReason": reason,
            "deliveryAttempts": parcel.attempts,
            "lastDeliveryOutcome": outcome,
            "lastDeliveryAttemptTime": parcel.last_attempt,
        }
        for event in parcel.events:
            dead_letter = facts | {"publishTime": event.get("eventTime")}
            if parcel.subscription.schema == "cloudevents":
                # CloudEvents allows no capitals in the names of attributes.
                shown = to_cloud_event(event) | {name.lower(): fact for name, fact in dead_letter.items()}
            else:
                shown = event | dead_letter
            parcel.subscription.dead_letter.append(shown)

    def _finish(self, count: int) -> None:
        self.metrics.pending -= count
        if not self.metrics.pending:
            self._settled.set()

    async def settled(self, timeout_seconds: float = 300.0) -> None:
        """Wait until nothing is pending, retries included. Raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            await self._settled.wait()

    def report(self) -> dict[str, Any]:
        """Return metrics, knobs and subscriptions (without their addresses) as JSON values."""
        shown = [
            {"name": one.name, "schema": one.schema, "deadLettered": len(one.dead_letter or [])}
            for one in self.subscriptions
        ]
        return {"metrics": asdict(self.metrics), "knobs": asdict(self.knobs), "subscriptions": shown}

    def control(self) -> dict[tuple[str, str], Callable[[Any], Any]]:
        """Return what ARM's control API offers for Event Grid, by method and name."""
        return {
            ("GET", "eventgrid"): lambda _: self.report(),
            ("PUT", "eventgrid"): self._set_knobs,
            ("POST", "eventgrid-pause"): self._pause,
            ("POST", "eventgrid-resume"): self._resume,
            ("PUT", "event-subscriptions"): self._replace,
            ("POST", "event-subscriptions"): self._append,
            ("GET", "dead-letters"): lambda _: {one.name: one.dead_letter for one in self.subscriptions},
        }

    def _set_knobs(self, body: dict[str, Any]) -> dict[str, Any]:
        self.time_scale = float(body.pop("time_scale", self.time_scale))
        self.knobs = Knobs(**{**asdict(self.knobs), **body})
        return self.report()

    def _pause(self, _: Any) -> dict[str, Any]:
        self.pause()
        return self.report()

    def _resume(self, body: dict[str, Any]) -> dict[str, Any]:
        self.resume(order=body.get("order", "same"))
        return self.report()

    def _replace(self, body: list[dict[str, Any]]) -> dict[str, Any]:
        self.subscriptions = [EventSubscription.from_json(one) for one in body]
        return self.report()

    def _append(self, body: dict[str, Any]) -> dict[str, Any]:
        self.subscribe(EventSubscription.from_json(body))
        return self.report()


def _sent(parcel: _Parcel) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of the next attempt."""
    subscription = parcel.subscription
    cloud, batched = subscription.schema == "cloudevents", subscription.max_events_per_batch > 1
    if subscription.endpoint_type == "StorageQueue":
        return encode_message(parcel.events[0], cloud=cloud), {"Content-Type": "application/xml"}
    body, content_type = encode(parcel.events, cloud=cloud, batched=batched)
    headers = {
        "Content-Type": content_type,
        "aeg-event-type": "Notification",
        "aeg-subscription-name": subscription.name.upper(),
        "aeg-delivery-count": str(parcel.attempts),
    }
    return body, headers if cloud else headers | {"aeg-data-version": "2", "aeg-metadata-version": "1"}


def _now() -> str:
    return stamp(datetime.now(UTC))


def _outcome(status: int) -> str:
    if 200 <= status < 300:
        return "Delivered"
    try:
        return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    except ValueError:
        return "GenericError"
