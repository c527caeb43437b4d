"""What Event Grid says about ARM's operations, and how it delivers it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, SystemEventNames
from azure.storage.queue import QueueSasPermissions, TextBase64DecodePolicy, generate_queue_sas
from azure.storage.queue.aio import QueueClient

from sandbox.arm.listener import Listener
from sandbox.cloud import Cloud
from sandbox.eventgrid.delivery import EventSubscription
from sandbox.identity import token_for
from tests.sandbox.conftest import CORP, GROUP, SUB, SUBSCRIPTION, VAULT, Client, exemption, exemption_id

PATH = exemption_id(GROUP, "e1")
WRITE = "Microsoft.Authorization/policyExemptions/write"
DELETE = "Microsoft.Authorization/policyExemptions/delete"


@dataclass
class Receiver:
    """An endpoint: it answers the statuses in `script`, then 200, and keeps what it got."""

    script: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    url: str = ""
    busy: int = 0
    most_busy: int = 0
    together: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(1))
    """How many answers are given at a time."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        self.got.append((dict(request.headers), json.loads(await request.text())))
        await self.together.wait()
        self.busy -= 1
        return web.Response(status=self.script.pop(0) if self.script else 200)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in self.got for event in (body if isinstance(body, list) else [body])]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    listener = Listener(made.handle)
    made.url = await listener.start() + "/hook?code=secret"
    yield made
    await listener.stop()


def subscribe(cloud: Cloud, receiver: Receiver, **options: Any) -> EventSubscription:
    return cloud.eventgrid.subscribe(EventSubscription("guardrails", receiver.url, **options))


async def test_a_write_and_a_delete_send_events_as_documented(cloud: Cloud, client: Client, receiver: Receiver) -> None:
    subscribe(cloud, receiver)
    for method, body in (("PUT", exemption()), ("PUT", exemption()), ("DELETE", None)):
        await client.send(method, PATH, body)
        await cloud.eventgrid.settled()
    created, updated, deleted = receiver.events
    assert [event["eventType"] for event in receiver.events] == [
        SystemEventNames.ResourceWriteSuccessEventName.value,
        SystemEventNames.ResourceWriteSuccessEventName.value,
        SystemEventNames.ResourceDeleteSuccessEventName.value,
    ]
    assert created["subject"] == created["data"]["resourceUri"] == PATH
    assert created["topic"] == SUBSCRIPTION
    assert created["data"]["operationName"] == created["data"]["authorization"]["action"] == WRITE
    assert created["data"]["subscriptionId"] == SUB
    assert created["data"]["status"] == "Succeeded"
    assert "httpRequest" not in created["data"]
    assert updated["data"]["httpRequest"]["method"] == "PUT"
    assert updated["data"]["httpRequest"]["url"].startswith(f"https://management.azure.com{PATH}?api-version=")
    assert deleted["data"]["operationName"] == DELETE
    assert len({event["id"] for event in receiver.events}) == 3
    claims = created["data"]["claims"]
    assert claims["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"] == "ada@contoso.com"
    assert all(isinstance(value, str) for value in claims.values())
    headers = {key.lower(): value for key, value in receiver.got[0][0].items()}
    assert headers["aeg-event-type"] == "Notification"
    assert headers["aeg-subscription-name"] == "GUARDRAILS"
    assert headers["aeg-delivery-count"] == "0"
    assert EventGridEvent.from_json(json.dumps(created)).subject == PATH


async def test_one_cloud_event_is_an_object_and_a_batch_an_array(
    cloud: Cloud, client: Client, receiver: Receiver
) -> None:
    hook = subscribe(cloud, receiver, schema="cloudevents")
    await client.put(PATH, exemption())
    await cloud.eventgrid.settled()
    headers, body = receiver.got[0]
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    event: CloudEvent[Any] = CloudEvent.from_json(json.dumps(body))
    assert (event.subject, event.source, event.specversion) == (PATH, SUBSCRIPTION, "1.0")

    hook.max_events_per_batch = 10
    cloud.eventgrid.pause()
    for number in range(15):
        await client.put(exemption_id(GROUP, f"b{number}"), exemption())
    cloud.eventgrid.resume()
    await cloud.eventgrid.settled()
    headers, body = receiver.got[1]
    assert headers["Content-Type"].startswith("application/cloudevents-batch+json")
    assert [len(batch) for _, batch in receiver.got[1:]] == [10, 5]


async def test_what_raises_no_event(cloud: Cloud, client: Client, receiver: Receiver) -> None:
    await client.put(exemption_id(VAULT, "v"), exemption())
    subscribe(cloud, receiver)
    await client.put(exemption_id(CORP, "mg"), exemption())
    await client.get(PATH)
    await client.send("DELETE", exemption_id(GROUP, "never-was"))
    await client.as_("").put(PATH, exemption())
    assert cloud.eventgrid.metrics.published == 0
    await client.send("DELETE", VAULT)
    await cloud.eventgrid.settled()
    assert [(event["subject"], event["data"]["operationName"]) for event in receiver.events] == [
        (VAULT, "Microsoft.KeyVault/vaults/delete")
    ]


async def test_failures_tags_actions_and_deployments_send_events(
    cloud: Cloud, client: Client, receiver: Receiver
) -> None:
    subscribe(cloud, receiver)
    resource = {"type": "Microsoft.Web/sites", "name": "w", "apiVersion": "2022-03-01"}
    await client.put(PATH, exemption(exemptionCategory="Forever"))
    await client.put(f"{VAULT}/providers/Microsoft.Resources/tags/default", {"properties": {"tags": {}}})
    await client.send("POST", f"{VAULT}/purge")
    await client.put(
        f"{GROUP}/providers/Microsoft.Resources/deployments/d", {"properties": {"template": {"resources": [resource]}}}
    )
    await cloud.eventgrid.settled()
    operations = {(event["eventType"].rpartition(".")[2], event["data"]["operationName"]) for event in receiver.events}
    assert operations == {
        ("ResourceWriteFailure", WRITE),
        ("ResourceWriteSuccess", "Microsoft.Resources/tags/write"),
        ("ResourceActionSuccess", "Microsoft.KeyVault/vaults/purge/action"),
        ("ResourceWriteSuccess", "Microsoft.Web/sites/write"),
        ("ResourceWriteSuccess", "Microsoft.Resources/deployments/write"),
    }


async def test_filters(cloud: Cloud, client: Client, receiver: Receiver) -> None:
    success = SystemEventNames.ResourceDeleteSuccessEventName.value
    subscribe(cloud, receiver, included_event_types=(success,), operation_names=(DELETE.upper(),))
    await client.put(PATH, exemption())
    await client.send("DELETE", PATH)
    await client.send("DELETE", VAULT)
    await cloud.eventgrid.settled()
    assert [event["data"]["operationName"] for event in receiver.events] == [DELETE]


async def test_a_failed_delivery_is_tried_again(cloud: Cloud, client: Client, receiver: Receiver) -> None:
    hook = subscribe(cloud, receiver)
    receiver.script = [500, 429, 503]
    await client.put(PATH, exemption())
    await cloud.eventgrid.settled()
    assert len({event["id"] for event in receiver.events}) == 1
    assert [headers["aeg-delivery-count"] for headers, _ in receiver.got] == ["0", "1", "2", "3"]
    metrics = cloud.eventgrid.metrics
    assert (metrics.delivered, metrics.retried, metrics.dead_lettered, metrics.pending) == (1, 3, 0, 0)
    assert hook.dead_letter == []
    # 10 s, 30 s and 60 s at a thousandth.
    assert cloud.eventgrid.history[-1].seconds >= 0.1


@pytest.mark.parametrize("status", [400, 401, 403, 413])
async def test_some_answers_end_it(cloud: Cloud, client: Client, receiver: Receiver, status: int) -> None:
    hook = subscribe(cloud, receiver)
    receiver.script = [status]
    await client.put(PATH, exemption())
    await cloud.eventgrid.settled()
    assert len(receiver.got) == 1
    assert hook.dead_letter is not None
    (dead_letter,) = hook.dead_letter
    assert dead_letter["subject"] == PATH
    assert dead_letter["deadLetterReason"].startswith("Undeliverable")
    assert dead_letter["deliveryAttempts"] == 1
    hook.schema, receiver.script = "cloudevents", [status]
    await client.put(PATH, exemption())
    await cloud.eventgrid.settled()
    assert hook.dead_letter[1]["deadletterreason"] == dead_letter["deadLetterReason"]
    assert hook.dead_letter[1]["specversion"] == "1.0"


async def test_attempts_and_lifetime_run_out(cloud: Cloud, client: Client, receiver: Receiver) -> None:
    cloud.eventgrid.time_scale = 0.0001
    hook = subscribe(cloud, receiver, max_attempts=3)
    receiver.script = [500] * 3
    await client.put(PATH, exemption())
    await cloud.eventgrid.settled()
    assert hook.dead_letter is not None
    assert hook.dead_letter[0]["deadLetterReason"] == "MaxDeliveryAttemptsExceeded"
    hook.ttl_minutes, receiver.script = 0.5, [500] * 9
    await client.put(PATH, exemption())
    await cloud.eventgrid.settled()
    assert hook.dead_letter[1]["deadLetterReason"] == "TimeToLiveExceeded"
    assert hook.dead_letter[1]["lastDeliveryOutcome"] == "InternalServerError"


async def test_an_endpoint_that_is_not_there(cloud: Cloud, client: Client) -> None:
    cloud.eventgrid.time_scale = 0.0001
    hook = EventSubscription("gone", "http://127.0.0.1:9/hook?code=secret", max_attempts=2)
    cloud.eventgrid.subscribe(hook)
    await client.put(PATH, exemption())
    await cloud.eventgrid.settled()
    assert hook.dead_letter is not None
    assert hook.dead_letter[0]["lastDeliveryOutcome"] == "SocketError"
    assert "secret" not in repr(hook)
    assert "secret" not in json.dumps(cloud.eventgrid.report())


async def test_duplicates_order_and_losses(cloud: Cloud, client: Client, receiver: Receiver) -> None:
    subscribe(cloud, receiver)
    await client.control("PUT", "eventgrid", {"duplicates": 3})
    cloud.eventgrid.pause()
    for number in range(5):
        await client.put(exemption_id(GROUP, f"e{number}"), exemption())
    await asyncio.sleep(0.02)
    assert receiver.got == []
    with pytest.raises(TimeoutError):
        await cloud.eventgrid.settled(0.01)
    cloud.eventgrid.resume(order="shuffled")
    await cloud.eventgrid.settled()
    assert set(Counter(event["id"] for event in receiver.events).values()) == {3}
    order = [event["subject"][-1] for event in receiver.events]
    assert order != sorted(order)
    await client.control("PUT", "eventgrid", {"duplicates": 1, "drop_next": 1, "jitter_seconds": 0.01})
    await client.put(PATH, exemption())
    await client.send("DELETE", PATH)
    await cloud.eventgrid.settled()
    assert receiver.events[-1]["data"]["operationName"] == DELETE
    assert len(receiver.got) == 16
    assert cloud.eventgrid.metrics.dropped == 1


async def test_deliveries_run_side_by_side_within_a_limit(client: Client, receiver: Receiver) -> None:
    async with Cloud(concurrency=8) as other:
        other.arm.add_subscription(SUB)
        subscribe(other, receiver)
        receiver.together = asyncio.Barrier(8)
        robot = Client(client.session, other.addresses["arm"], token_for("r", "o"))
        other.eventgrid.pause()
        for number in range(40):
            await robot.put(f"{SUBSCRIPTION}/resourceGroups/g{number}", {})
        other.eventgrid.resume()
        await other.eventgrid.settled()
    assert len(receiver.got) == 40
    assert receiver.most_busy == 8


async def test_event_subscriptions_over_http(cloud: Cloud, client: Client, receiver: Receiver) -> None:
    hook = {"name": "over-http", "endpoint_url": receiver.url, "operation_names": [WRITE], "schema": "cloudevents"}
    await client.control("PUT", "event-subscriptions", [hook])
    await client.control("POST", "eventgrid-pause")
    await client.put(PATH, exemption())
    report = await client.control("POST", "eventgrid-resume", {"order": "reversed"})
    assert report["subscriptions"][0]["name"] == "over-http"
    await cloud.eventgrid.settled()
    assert receiver.events[0]["subject"] == PATH
    assert (await client.control("GET", "eventgrid"))["metrics"]["delivered"] == 1
    assert await client.control("GET", "dead-letters") == {"over-http": []}


async def test_a_storage_queue_gets_each_event_in_a_message(cloud: Cloud, client: Client, azurite: str) -> None:
    decode = TextBase64DecodePolicy()
    async with QueueClient.from_connection_string(azurite, "events", message_decode_policy=decode) as queue:
        await queue.create_queue()
        signature = generate_queue_sas(
            str(queue.account_name), queue.queue_name, queue.credential.account_key,
            permission=QueueSasPermissions(add=True), expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        address = f"{queue.url}/messages?{signature}"
        hook = {"name": "queue", "endpoint_type": "StorageQueue", "endpoint_url": address, "max_events_per_batch": 5}
        await client.control("POST", "event-subscriptions", hook)
        cloud.eventgrid.pause()
        await client.put(PATH, exemption())
        await client.send("DELETE", PATH)
        cloud.eventgrid.resume()
        await cloud.eventgrid.settled()
        messages = [json.loads(one.content) async for one in queue.receive_messages()]
    assert sorted(one["data"]["operationName"] for one in messages) == [DELETE, WRITE]
    assert {one["subject"] for one in messages} == {PATH}
    assert cloud.eventgrid.metrics.statuses == {201: 2}
