"""What the topic gets is a CloudEvent that it takes, and what it answers decides what becomes of the notice."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.messaging import CloudEvent

from guardrails.azure.identity import Explained
from guardrails.channels.channels import open_session
from guardrails.channels.egress_guard import HOSTS_SETTING, Egress
from guardrails.channels.eventgrid import SOURCE, TYPES, EventGridTopic, event
from guardrails.channels.webhook import body
from guardrails.notices.notice import Kind
from guardrails.ports import Delivered, TryAgain, Undeliverable
from tests.channels.samples import EXEMPTION_ID, NOW, notice
from tests.channels.topic import SCOPE, Credential, Topic, topic
from tests.patience import PATIENCE


def local() -> aiohttp.ClientSession:
    return open_session(Egress.LOOPBACK)


class FixedClock:
    """Does not move."""

    def now(self) -> datetime:
        return NOW


@asynccontextmanager
async def publisher(
    endpoint: str, credential: AsyncTokenCredential, seconds: float = PATIENCE
) -> AsyncIterator[EventGridTopic]:
    found = EventGridTopic(endpoint, credential, FixedClock(), session=local, timeout=seconds)
    try:
        yield found
    finally:
        await found.close()


async def test_a_notice_arrives_as_a_cloud_event() -> None:
    credential = Credential()
    async with topic() as there, publisher(there.endpoint, credential) as channel:
        assert await channel.deliver(notice(Kind.WOULD_REVERT)) == Delivered()
        assert await channel.deliver(notice(Kind.BREAKER_OPEN, id="service-1", exemption={})) == Delivered()
    assert set(credential.scopes) == {SCOPE}
    first: CloudEvent[dict[str, Any]]
    second: CloudEvent[dict[str, Any]]
    first, second = [CloudEvent.from_dict(got) for got in there.events]
    assert (first.id, first.type, first.source) == (notice().id, "ExemptionGuardrails.WouldRevert", SOURCE)
    assert (first.subject, first.time, first.specversion) == (EXEMPTION_ID, NOW.astimezone(UTC), "1.0")
    assert first.data == json.loads(body(notice(Kind.WOULD_REVERT)))["data"]
    assert (second.id, second.subject) == ("service-1", None)
    assert "exemption-guardrails" in there.sink.got[0].headers["User-Agent"]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_type(kind: Kind) -> None:
    assert event(notice(kind))["type"] == TYPES[kind]
    assert TYPES[kind].removeprefix("ExemptionGuardrails.").isalpha()
    assert len(set(TYPES.values())) == len(Kind)


def test_the_events_of_several_installations_differ() -> None:
    assert event(notice(), "/corp/guardrails")["source"] == "/corp/guardrails"


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
async def test_what_may_be_fixed_is_tried_again(status: int) -> None:
    async with topic() as there, publisher(there.endpoint, Credential()) as channel:
        there.status = status
        there.headers = {"Retry-After": "7"}
        found = await channel.deliver(notice())
        assert isinstance(found, TryAgain)
        assert (str(status) in found.reason, found.delay) == (True, 7.0)
        assert "127.0.0.1" not in found.reason
        assert len(there.sink.got) == 1  # the SDK's own retries are off
        there.status = 200
        assert await channel.deliver(notice()) == Delivered()


@pytest.mark.parametrize("status", [301, 307, 400, 410, 413])
async def test_what_will_never_do_is_final(status: int) -> None:
    async with topic() as there, publisher(there.endpoint, Credential()) as channel:
        there.status = status
        there.headers = {"Location": there.endpoint} if status < 400 else {}
        found = await channel.deliver(notice())
        assert isinstance(found, Undeliverable)
        assert str(status) in found.reason
        assert len(there.sink.got) == 1  # nothing was followed


async def test_a_topic_that_is_gone_disables_its_route() -> None:
    async with topic() as there, publisher(there.endpoint, Credential()) as channel:
        there.status = 410
        found = await channel.deliver(notice())
        assert isinstance(found, Undeliverable)
        assert found.disable


async def test_a_topic_that_is_not_public_gets_nothing() -> None:
    async with topic() as there:
        far = EventGridTopic(there.endpoint, Credential(), FixedClock(), session=lambda: open_session(Egress.PUBLIC))
        found = await far.deliver(notice())
        await far.close()
    assert isinstance(found, TryAgain)
    assert HOSTS_SETTING in found.reason
    assert there.sink.got == []


async def test_no_token_no_server_no_answer_are_tried_again() -> None:
    async def stall(_: web.Request) -> web.StreamResponse:
        await there.sink.released.wait()
        return web.Response()

    async with topic() as there:
        refused = Explained(Credential(broken=True), "the managed identity endpoint", remedy="Look at the identity")
        async with publisher(there.endpoint, refused) as channel:
            found = await channel.deliver(notice())
            why = f"the managed identity endpoint gave no token for {SCOPE}: ClientAuthenticationError"
            assert found == TryAgain(f"{why}. Look at the identity", 60.0, waits=True)
        there.sink.answer = stall
        async with publisher(there.endpoint, Credential(), seconds=0.1) as channel:
            assert await channel.deliver(notice()) == TryAgain("the Event Grid topic gave no answer within 0.1 s")
    async with publisher(there.endpoint, Credential()) as channel:  # the server is gone
        found = await channel.deliver(notice())
        assert isinstance(found, TryAgain)
        assert found.reason.startswith("no connection")


async def test_the_topic_of_the_test_refuses_what_is_wrong() -> None:
    async def status(there: Topic, path: str, headers: dict[str, str], content: bytes) -> int:
        async with local() as session, session.post(there.sink.address + path, data=content, headers=headers) as a:
            return a.status

    good = {"Authorization": "Bearer token-of-the-service", "Content-Type": "application/cloudevents-batch+json"}
    async with topic() as there:
        path = "/api/events?api-version=2018-01-01"
        assert await status(there, path, good, b"[]") == 200
        assert await status(there, "/api/events", good, b"[]") == 404
        assert await status(there, path, {**good, "Authorization": "Bearer other"}, b"[]") == 401
        assert await status(there, path, {**good, "Content-Type": "application/json"}, b"[]") == 400
        assert await status(there, path, good, b'[{"id": "1"}]') == 400


def test_a_notice_that_cannot_be_sent_is_bounded() -> None:
    huge = replace(notice(), title="x" * 100_000, done="x" * 100_000, why=("x" * 100_000,) * 100)
    assert len(json.dumps(event(huge))) < 64 * 1024


def test_the_sdk_is_not_imported_until_it_is_used() -> None:
    code = "import sys, guardrails.channels.eventgrid; print([m for m in sys.modules if m.startswith('azure')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_the_page_says_how_each_type_is_made() -> None:
    page = (Path(__file__).parents[2] / "docs" / "notices.md").read_text()
    assert "the kind in camel case: `would-revert` becomes `WouldRevert`" in page
    assert dict(TYPES) == {kind: "ExemptionGuardrails." + kind.title().replace("-", "") for kind in Kind}
