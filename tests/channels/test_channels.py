"""Delivery over real HTTP to a server on loopback."""

import base64
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Self

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from azure.core.credentials import AccessToken
from standardwebhooks.webhooks import Webhook

from guardrails.channels import slack
from guardrails.channels.channels import HttpChannels
from guardrails.channels.destination import Destination
from guardrails.channels.egress_guard import CheckedConnector, Egress
from guardrails.channels.teams import card
from guardrails.notices.notice import Notice
from guardrails.ports import Channels, Clock, Delivered, TryAgain, Undeliverable
from tests.channels.samples import hostile, notice
from tests.channels.sink import Sink, running
from tests.patience import PATIENCE

SECRET = "whsec_" + base64.b64encode(b"canary-secret-canary-secret-1234").decode()
PATH = "/workflows/x?sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=canary%2Bsig~"


class RealClock:
    """The present: the verifying library uses it too."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def channels(address: str, *, timeout: float = PATIENCE, clock: Clock | None = None) -> HttpChannels:
    routes = {
        "secops": Destination("secops", "teams", address + PATH, (), "TEAMS_URL"),
        "chat": Destination("chat", "slack", address + PATH, (), "CHAT_URL"),
        "siem": Destination("siem", "webhook", address + PATH, (SECRET,), "SIEM_URL", "SIEM_SECRET"),
    }
    return HttpChannels(routes, clock or RealClock(), allow_loopback=True, timeout=timeout)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with running() as found:
        yield found


async def test_teams_gets_the_card(sink: Sink) -> None:
    sink.always(202)
    async with channels(sink.address) as sending:
        port: Channels = sending
        assert await port.deliver(notice(), "secops") == Delivered()
    (got,) = sink.got
    assert got.path == PATH  # spelled as in the setting: the signature in it covers the spelling
    assert got.headers["Content-Type"] == "application/json"
    assert json.loads(got.body)["attachments"][0]["content"] == card(notice())
    assert "Cookie" not in got.headers


async def test_slack_gets_blocks(sink: Sink) -> None:
    sink.always(200, "ok")
    async with channels(sink.address) as sending:
        assert await sending.deliver(notice(), "chat") == Delivered()
    (got,) = sink.got
    assert got.path == PATH
    assert got.body == slack.message(notice())


async def test_slack_says_why(sink: Sink) -> None:
    async with channels(sink.address) as sending:
        sink.always(410, "channel_is_archived\n")
        assert await sending.deliver(notice(), "chat") == Undeliverable(
            "route 'chat': Slack answered 410 Gone (channel_is_archived); the address is gone for good", disable=True
        )
        sink.always(404, "canary_no_such_word")
        assert await sending.deliver(notice(), "chat") == TryAgain("route 'chat': Slack answered 404 Not Found")


class Identity:
    """A credential that gives one token."""

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        assert scopes
        return AccessToken("canary", 2**31)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


async def test_a_topic_gets_an_event_within_the_same_bounds(sink: Sink) -> None:
    sink.always(200)
    routes = {
        "topic": Destination("topic", "eventgrid", sink.address + "/api/events", (), "TOPIC"),
        "bound": Destination("bound", "eventgrid", "https://canary.example/api/events", (), "BOUND"),
    }
    port = int(sink.address.rsplit(":", 1)[1])

    def connect(egress: Egress) -> CheckedConnector:
        return CheckedConnector(egress, Resolver(port))

    async with HttpChannels(
        routes, RealClock(), credential=Identity(), connect=connect, allow_loopback=True, timeout=PATIENCE
    ) as sending:
        assert await sending.deliver(notice(), "topic") == Delivered()
        refused = await sending.deliver(notice(), "bound")
    assert isinstance(refused, TryAgain)
    assert "canary" not in refused.reason
    (got,) = sink.got
    assert json.loads(got.body)[0]["id"] == notice().id
    async with HttpChannels(routes, RealClock(), allow_loopback=True) as sending:
        assert "need an identity" in repr(await sending.deliver(notice(), "topic"))


async def test_a_webhook_gets_a_signed_body(sink: Sink) -> None:
    sink.always(204)
    async with channels(sink.address) as sending:
        assert await sending.deliver(notice(), "siem") == Delivered()
        assert await sending.deliver(notice(), "siem") == Delivered()
    first, second = sink.got
    assert Webhook(SECRET).verify(first.body, first.headers)["data"]["title"] == notice().title
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == notice().id


@pytest.mark.parametrize("route", ["secops", "chat", "siem"])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Delivered), (201, Delivered), (204, Delivered), (400, Undeliverable), (401, TryAgain), (403, TryAgain),
        (404, TryAgain), (408, TryAgain), (410, Undeliverable), (413, Undeliverable), (425, TryAgain), (429, TryAgain),
        (500, TryAgain), (502, TryAgain), (503, TryAgain), (504, TryAgain),
    ],
)  # fmt: skip
async def test_only_2xx_is_success(sink: Sink, route: str, status: int, outcome: type) -> None:
    sink.always(status, Retry_After="3")
    async with channels(sink.address) as sending:
        found = await sending.deliver(notice(), route)
    assert isinstance(found, outcome)
    assert len(sink.got) == 1
    if isinstance(found, Undeliverable):
        assert found.disable == (status == 410)
    if isinstance(found, TryAgain):
        assert found.delay == 3.0
        assert f"route '{route}'" in found.reason
        assert str(status) in found.reason


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_a_failure_and_never_followed(sink: Sink, status: int) -> None:
    sink.always(status, Location=sink.address + "/elsewhere")
    async with channels(sink.address) as sending:
        found = await sending.deliver(notice(), "siem")
    assert isinstance(found, Undeliverable)
    assert "redirects are not followed" in found.reason
    assert [got.path for got in sink.got] == [PATH]


async def test_throttling_in_the_body_of_a_200_is_seen(sink: Sink) -> None:
    sink.always(200, "Microsoft Teams endpoint returned HTTP error 429 with ContextId x")
    async with channels(sink.address) as sending:
        assert isinstance(await sending.deliver(notice(), "secops"), TryAgain)
        assert await sending.deliver(notice(), "siem") == Delivered()


@pytest.mark.parametrize("route", ["secops", "chat", "siem"])
async def test_a_stall_ends_in_a_retry(sink: Sink, route: str) -> None:
    async def stall(_: web.Request) -> web.StreamResponse:
        await sink.released.wait()
        return web.Response()

    sink.answer = stall
    async with channels(sink.address, timeout=0.1) as sending:
        found = await sending.deliver(notice(), route)
    assert found == TryAgain(f"route '{route}': no answer within 0.1 s")


@pytest.mark.parametrize("route", ["secops", "chat", "siem"])
async def test_an_endless_body_is_not_read_to_its_end(sink: Sink, route: str) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})  # nor is it decompressed
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while not sink.released.is_set():
                await response.write(b"x" * 65536)
                sent += 65536
        return response

    sink.answer = endless
    async with channels(sink.address) as sending:
        assert await sending.deliver(notice(), route) == Delivered()
    assert sent < 64 * 1024 * 1024


async def test_nobody_listening_is_a_retry() -> None:
    with socket.socket() as taken:  # bound and not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        async with channels(f"http://127.0.0.1:{taken.getsockname()[1]}") as sending:
            found = await sending.deliver(notice(), "siem")
    assert found == TryAgain("route 'siem': no connection could be made")


async def test_a_server_that_hangs_up_or_talks_nonsense_is_a_retry(sink: Sink) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def nonsense(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"canary is not HTTP\r\n\r\n")
        request.transport.close()
        return web.Response()

    async with channels(sink.address) as sending:
        for answer in (hang_up, nonsense):
            sink.answer = answer
            found = await sending.deliver(notice(), "siem")
            assert isinstance(found, TryAgain)
            assert "canary" not in found.reason


async def test_a_sink_that_recovers_gets_the_notice(sink: Sink) -> None:
    async with channels(sink.address) as sending:
        sink.always(503)
        assert isinstance(await sending.deliver(notice(), "siem"), TryAgain)
        sink.always(200)
        assert await sending.deliver(notice(), "siem") == Delivered()


async def test_an_unknown_route_and_a_missing_setting_are_named() -> None:
    routes = {"secops": Destination("secops", "teams", "", (), "TEAMS_URL")}
    async with HttpChannels(routes, RealClock()) as sending:
        assert await sending.deliver(notice(), "siem") == Undeliverable(
            "the ruleset has no route 'siem'; add it, or have the notice sent to another"
        )
        assert await sending.deliver(notice(), "secops") == Undeliverable(
            "route 'secops': the address in the setting TEAMS_URL is missing"
        )


async def test_a_notice_that_cannot_be_signed_is_undeliverable(sink: Sink) -> None:
    async with channels(sink.address) as sending:
        found = await sending.deliver(notice(id="a.b"), "siem")
    assert isinstance(found, Undeliverable)
    assert sink.got == []


@pytest.mark.parametrize("text", ["x" * 100_000, "\ud800\x00", "https://evil.example"])
async def test_hostile_text_is_delivered(sink: Sink, text: str) -> None:
    sink.always(200)
    async with channels(sink.address) as sending:
        assert await sending.deliver(hostile(text, findings=200), "secops") == Delivered()
        assert await sending.deliver(hostile(text, findings=200), "siem") == Delivered()


CANARY = "canary0host"


class Resolver(AbstractResolver):
    """Finds every name on loopback at `port`, or nowhere where that is 0: no test asks a real name server."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        del port, family
        if not self._port:
            raise OSError(None, f"nobody knows {host}")
        found = {"hostname": host, "host": "127.0.0.1", "port": self._port, "family": socket.AF_INET}
        return [ResolveResult(**found, proto=0, flags=0)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    "address",
    [
        f"https://{CANARY}.invalid/{CANARY}?sig={CANARY}", f"https://{CANARY}:{CANARY}@example.com/",
        f"http://{CANARY}.example/", f"https://{'a' * 70}.{CANARY}/", f"https://{CANARY}..example/{CANARY}",
        f"https://exa%mple/{CANARY}", f"https://*{CANARY}*/", f"https://[v1.{CANARY}]/", f"https://{CANARY}:99999/",
        f"http://127.0.0.1:1/{CANARY}?sig={CANARY}", f"https://127.0.0.1:1/{CANARY}", f"{CANARY}://x", CANARY,
        f"http://localhost:%31/{CANARY}", f"https://xn--{CANARY}-.invalid/", f"https://.{CANARY}.invalid/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("found", ["nowhere", "refusing", "no TLS", "unsafe"])
async def test_no_address_is_ever_shown(
    address: str, found: str, sink: Sink, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    port = {"nowhere": 0, "refusing": 1}.get(found, int(sink.address.rsplit(":", 1)[1]))

    def connect(egress: Egress) -> CheckedConnector:
        if found != "unsafe":
            egress = Egress.LOOPBACK  # where every name is found
        return CheckedConnector(egress, Resolver(port))

    routes = {
        "secops": Destination("secops", "teams", address, (), "TEAMS_URL"),
        "chat": Destination("chat", "slack", address, (), "CHAT_URL"),
        "siem": Destination("siem", "webhook", address, (SECRET,), "SIEM_URL", "SIEM_SECRET"),
    }
    async with HttpChannels(routes, RealClock(), connect=connect, allow_loopback=True, timeout=PATIENCE) as sending:
        shown = [repr(await sending.deliver(notice(), route)) for route in routes]
        shown += [repr(sending), repr(vars(sending)), repr(routes)]
    assert shown[0].startswith(("TryAgain", "Undeliverable"))
    shown += [caplog.text, *capfd.readouterr()]
    assert CANARY not in "".join(shown).lower()
    assert SECRET not in "".join(shown)


async def test_a_redirect_or_an_error_page_does_not_leak_either(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="aiohttp.client")
    async with channels(sink.address) as sending:
        for status in (302, 400, 500, 410):
            sink.always(status, f"canary {sink.address}", Location=sink.address + "/canary")
            found = repr(await sending.deliver(notice(), "siem"))
            assert "canary" not in found
            assert "127.0.0.1" not in found
    assert "canary" not in caplog.text


async def test_a_card_addresses_whom_the_ruleset_names(sink: Sink) -> None:
    sink.always(202)
    people = (("Data platform", "8f5e2a10-0000-4000-8000-000000000001"),)
    routes = {"secops": Destination("secops", "teams", sink.address + PATH, (), "TEAMS_URL")}
    async with HttpChannels(routes, RealClock(), allow_loopback=True, mentions=lambda _: people) as sending:
        assert await sending.deliver(notice(), "secops") == Delivered()
    content = json.loads(sink.got[0].body)["attachments"][0]["content"]
    (entity,) = content["msteams"]["entities"]
    assert (entity["text"], entity["mentioned"]["id"]) == ("<at>Data platform</at>", people[0][1])


async def test_a_message_that_cannot_be_made_is_reported_with_the_name_of_its_route(sink: Sink) -> None:
    sink.always(202)

    def defect(_: Notice) -> Sequence[tuple[str, str]]:
        raise ZeroDivisionError("canary")

    routes = {
        "secops": Destination("secops", "teams", sink.address + PATH, (), "TEAMS_URL"),
        "siem": Destination("siem", "webhook", sink.address + PATH, (SECRET,), "SIEM_URL", "SIEM_SECRET"),
    }
    async with HttpChannels(routes, RealClock(), allow_loopback=True, mentions=defect) as sending:
        answer = await sending.deliver(notice(), "secops")
        assert answer == Undeliverable("route 'secops': the teams message could not be made: ZeroDivisionError")
        assert await sending.deliver(notice(), "siem") == Delivered()
