"""Events of resources, resource groups and deployments; and that a cascade sends none of exemptions."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from guardrails.azure.events import Dropped, Scope, read_scope_event
from sandbox.arm.listener import Listener
from sandbox.cloud import Cloud
from sandbox.eventgrid.delivery import EventSubscription
from sandbox.eventgrid.events import encode
from sandbox.stack import EVENT_FUNCTIONS
from tests.sandbox.conftest import GROUP, SUBSCRIPTION, VAULT, Client, exemption, exemption_id
from tests.sandbox.test_arm_resources import template
from tests.sandbox.test_eventgrid import Receiver

RESOURCES = "2021-04-01"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st1"
STORAGE = {"type": "Microsoft.Storage/storageAccounts", "name": "st1", "apiVersion": "2023-01-01", "location": "x"}
RELEASE = f"{GROUP}/providers/Microsoft.Resources/deployments/release-7"


@pytest.fixture
async def delivered(cloud: Cloud) -> AsyncIterator[Receiver]:
    """All that Event Grid delivers."""
    receiver = Receiver()
    listener = Listener(receiver.handle)
    cloud.eventgrid.subscribe(EventSubscription("all", await listener.start()))
    yield receiver
    await listener.stop()


async def happened(cloud: Cloud, delivered: Receiver) -> list[tuple[str, str]]:
    """The events since the last call: event type, without its prefix, and operation; sorted."""
    await cloud.eventgrid.settled()
    events = delivered.events
    delivered.got.clear()
    return sorted((event["eventType"].split(".")[-1], event["data"]["operationName"]) for event in events)


def wrote(kind: str) -> tuple[str, str]:
    return "ResourceWriteSuccess", f"{kind}/write"


def deleted(kind: str) -> tuple[str, str]:
    return "ResourceDeleteSuccess", f"{kind}/delete"


GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
DEPLOYMENTS = "Microsoft.Resources/deployments"


async def test_a_resource_sends_an_event_when_it_is_written_and_deleted(
    cloud: Cloud, client: Client, delivered: Receiver
) -> None:
    for method, body in (("PUT", {"location": "x"}), ("PATCH", {"tags": {"a": "b"}}), ("DELETE", None)):
        assert (await client.send(method, ACCOUNT, body)).status in (200, 201)
    assert await happened(cloud, delivered) == [deleted(ACCOUNTS), wrote(ACCOUNTS), wrote(ACCOUNTS)]
    assert (await client.send("DELETE", ACCOUNT)).status == 204
    assert await happened(cloud, delivered) == []


async def test_a_deleted_group_sends_an_event_and_its_exemptions_send_none(
    cloud: Cloud, client: Client, delivered: Receiver
) -> None:
    for scope in (GROUP, VAULT):
        cloud.arm.seed(exemption_id(scope, "e"), exemption())
    assert (await client.send("DELETE", GROUP)).status == 200
    assert await client.names(f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyExemptions") == []
    assert await happened(cloud, delivered) == [deleted(GROUPS)]
    await client.put(GROUP, {"location": "x"}, version=RESOURCES)
    assert await happened(cloud, delivered) == [wrote(GROUPS)]


async def test_deleting_a_resource_sends_no_events_of_its_exemptions(
    cloud: Cloud, client: Client, delivered: Receiver
) -> None:
    cloud.arm.seed(exemption_id(VAULT, "e"), exemption())
    await client.send("DELETE", VAULT)
    assert (await client.get(exemption_id(VAULT, "e"))).status == 404
    assert await happened(cloud, delivered) == [deleted("Microsoft.KeyVault/vaults")]


async def test_an_incremental_deployment_sends_events_of_itself_and_of_what_it_wrote(
    cloud: Cloud, client: Client, delivered: Receiver
) -> None:
    await client.put(RELEASE, template(STORAGE), version=RESOURCES)
    assert await happened(cloud, delivered) == [wrote(DEPLOYMENTS), wrote(ACCOUNTS)]


async def test_a_complete_deployment_sends_events_of_what_it_deleted_too(
    cloud: Cloud, client: Client, delivered: Receiver
) -> None:
    cloud.arm.seed(exemption_id(VAULT, "e"), exemption())
    await client.put(RELEASE, template(STORAGE, mode="Complete"), version=RESOURCES)
    assert (await client.get(VAULT)).status == 404
    assert await happened(cloud, delivered) == [
        deleted("Microsoft.KeyVault/vaults"),
        wrote(DEPLOYMENTS),
        wrote(ACCOUNTS),
    ]


async def test_a_failed_deployment_sends_a_failure_event(cloud: Cloud, client: Client, delivered: Receiver) -> None:
    broken = {"type": "Microsoft.KeyVault/vaults/secrets", "name": "none/s", "apiVersion": "2023-01-01"}
    assert (await client.put(RELEASE, template(broken), version=RESOURCES)).status == 404
    assert Counter(kind for kind, _ in await happened(cloud, delivered)) == {"ResourceWriteFailure": 2}


async def test_the_subscription_of_on_scope_changed_lets_through_just_what_it_reads(
    cloud: Cloud, client: Client, delivered: Receiver
) -> None:
    types, operations = EVENT_FUNCTIONS["on_scope_changed"]
    wanted = EventSubscription("on-scope-changed", "", tuple(types), tuple(operations))
    await client.put(RELEASE, template(STORAGE), version=RESOURCES)
    await client.put(exemption_id(ACCOUNT, "e"), exemption())
    await client.send("DELETE", ACCOUNT)
    await client.send("DELETE", VAULT)
    await client.send("DELETE", GROUP)
    await client.put(GROUP, {"location": "x"}, version=RESOURCES)
    await cloud.eventgrid.settled()
    through = [event for event in delivered.events if wanted.wants(event)]
    read: list[Any] = [read_scope_event(encode([event], cloud=cloud_schema, batched=False)[0].decode())
                       for event in through for cloud_schema in (False, True)]  # fmt: skip
    assert {(one.id, one.written) for one in read} == {(GROUP, True), (ACCOUNT, True), (ACCOUNT, False), (GROUP, False)}
    assert len(through) == 5
    others = [read_scope_event(encode([event], cloud=False, batched=False)[0].decode()) for event in delivered.events]
    assert sum(isinstance(one, Scope) for one in others) == 6  # the vault is of a type that is not asked for
    assert sum(isinstance(one, Dropped) for one in others) == 1  # the exemption
