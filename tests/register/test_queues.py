"""Messages arrive on real queues as host.json expects them: base64 JSON, after their delay, for ever."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.storage.queue.aio import QueueClient

from guardrails import ports
from guardrails.errors import Permanent
from guardrails.register.queues import LARGEST_BODY, connect
from guardrails.runtime.telemetry import correlated


@dataclass
class Queues:
    ours: ports.Queues
    sdk: QueueClient

    async def visible(self) -> list[Any]:
        return [json.loads(base64.b64decode(m.content)) async for m in self.sdk.receive_messages(max_messages=10)]


@pytest.fixture
async def queues(connection: str) -> AsyncIterator[Queues]:
    name = f"q-{uuid4().hex}"
    async with (
        connect(connection_string=connection, names={"notices": name}) as ours,
        QueueClient.from_connection_string(connection, name) as sdk,
    ):
        yield Queues(ours, sdk)


async def test_a_message_arrives_whole_on_a_queue_that_was_not_there(queues: Queues) -> None:
    body = {"id": "n-1", "title": "Größe <&> 日本 \ud800", "n": [1, None]}
    await queues.ours.send("notices", body)
    assert await queues.visible() == [body]


async def test_a_delayed_message_waits(queues: Queues) -> None:
    await queues.ours.send("notices", {"id": "later"}, delay=3600)
    await queues.ours.send("notices", {"id": "now"})
    assert await queues.visible() == [{"id": "now"}]
    assert (await queues.sdk.get_queue_properties()).approximate_message_count == 2


async def test_messages_never_expire(queues: Queues) -> None:
    await queues.ours.send("notices", {"id": "now"})
    (found,) = [m async for m in queues.sdk.receive_messages()]
    assert found.expires_on is not None
    assert found.expires_on > datetime.now(UTC) + timedelta(days=365)


@pytest.mark.parametrize("delay", [-5.0, 0.4, 7 * 86400.0, 30 * 86400.0])
async def test_any_delay_is_taken(queues: Queues, delay: float) -> None:
    await queues.ours.send("notices", {"id": "x"}, delay)
    assert (await queues.sdk.get_queue_properties()).approximate_message_count == 1


async def test_the_largest_message_arrives_and_a_larger_one_is_refused(queues: Queues) -> None:
    room = LARGEST_BODY - len('{"id":"n-1","x":""}')
    await queues.ours.send("notices", {"id": "n-1", "x": "y" * room})
    assert len(await queues.visible()) == 1
    with pytest.raises(Permanent, match="does not fit") as caught:
        await queues.ours.send("notices", {"id": "n-2", "x": "y" * (room + 1)})
    assert (caught.value.code, caught.value.subject) == ("message-too-large", "n-2")


async def test_a_message_carries_the_id_of_what_woke_us_and_keeps_the_one_that_it_has(queues: Queues) -> None:
    with correlated("event-1"):
        await queues.ours.send("notices", {"id": "n-1"})
        await queues.ours.send("notices", {"id": "n-2", "correlation": "event-0"})
    assert {one["id"]: one["correlation"] for one in await queues.visible()} == {"n-1": "event-1", "n-2": "event-0"}
