"""A token that is refused: an endpoint of our own, and all that needs a token.

Whatever the endpoint answers, each part says that it was the endpoint, and none takes its status for one of its own.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError

from guardrails import wiring
from guardrails.azure import identity as identity_module
from guardrails.azure.arm import ArmRest
from guardrails.azure.deletions import Deletions
from guardrails.azure.estate import informed
from guardrails.azure.graph import Graph
from guardrails.azure.identity import Explained, Pause, credential
from guardrails.channels.channels import open_session
from guardrails.channels.egress_guard import Egress
from guardrails.channels.eventgrid import EventGridTopic
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.errors import NO_TOKEN, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Unread
from guardrails.exemption.hint import Hint
from guardrails.notices.rate_limit import MAX_ATTEMPTS, PATIENT, attempts_after
from guardrails.ports import TryAgain
from guardrails.register import queues, table_register
from guardrails.register.probe import Probe
from tests.channels.samples import notice
from tests.clock import VirtualClock
from tests.patience import jump
from tests.register.answers import SENT, http, refusal, speaking
from tests.sandbox.conftest import GROUP, exemption_id

pytestmark = pytest.mark.http

NOWHERE = "https://127.0.0.1:1"
ONE = ExemptionId.parse(exemption_id(GROUP, "one"))
GIVEN = json.dumps(
    {"access_token": "t0ken", "expires_on": "4000000000", "resource": "x", "token_type": "Bearer"}
).encode()  # fmt: skip


ANSWERS = {
    **{f"HTTP {status}": http(status, b'{"statusCode": 0, "message": "no"}') for status in (400, 401, 403, 404, 409)},
    **{f"HTTP {status}": http(status, b"{}") for status in (412, 413, 429, 500, 502, 503, 504)},
    "HTTP 429, Retry-After": http(429, b"{}", more="Retry-After: 600\r\n"),
    "HTTP 400, Retry-After": http(400, b"{}", more="Retry-After: 600\r\n"),
    "HTTP 403, a page": http(403, b"<html>no</html>", "text/html"),
    "a redirect": http(302, b"{}", more="Location: http://127.0.0.1:1/\r\n"),
    "nothing": http(200, b""), "no token": http(200, b"{}"), "a page": http(200, b"<html>", "text/html"),
    "another object": http(200, b"[]"), "not JSON": http(200, b'{"access'), "cut off": http(200, b"{", length=99),
    "no gzip": http(200, b"nonsense", more="Content-Encoding: gzip\r\n"), "no text": http(200, b"\xff\xfe"),
    "a token that is none": http(200, GIVEN.replace(b'"t0ken"', b"null")),
    "an end that is none": http(200, GIVEN.replace(b"4000000000", b"soon")),
    "no HTTP": b"HTTP/1.1 nonsense\r\n\r\n", "a closed connection": b"",
}  # fmt: skip


@dataclass
class Endpoint:
    """A managed identity endpoint. `answer`: what it says to every request; None: nothing, for as long as is waited."""

    address: str = ""
    answer: bytes | None = b""
    asked: list[str] = field(default_factory=list)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1])
        if self.answer is None:
            jump(identity_module._SECONDS)
            await reader.read()  # until the client goes
        else:
            writer.write(self.answer)
        writer.close()


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    made = Endpoint()
    async with await asyncio.start_server(made.take, "127.0.0.1", 0) as server:
        made.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/msi/token"
        monkeypatch.setenv("IDENTITY_ENDPOINT", made.address)
        monkeypatch.setenv("IDENTITY_HEADER", "secret-header")
        yield made


@asynccontextmanager
async def closed(*parts: Any) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for part in parts:
            await part.close()


type Ask = Callable[[AsyncTokenCredential, VirtualClock], Awaitable[object]]


async def _arm(identity: AsyncTokenCredential, clock: VirtualClock, what: str, *args: Any) -> None:
    arm = ArmRest(NOWHERE, identity, clock)
    async with closed(arm):
        await getattr(arm, what)(*args)


async def _listed(identity: AsyncTokenCredential, clock: VirtualClock) -> None:
    arm = ArmRest(NOWHERE, identity, clock)
    async with closed(arm):
        [page async for page in arm.list_pages("mg~contoso")]


async def _register(identity: AsyncTokenCredential, clock: VirtualClock, what: str, *args: Any) -> None:
    async with table_register.connect(clock=clock, endpoint=NOWHERE, credential=identity) as register:
        await getattr(register, what)(*args)


async def _rows(identity: AsyncTokenCredential, clock: VirtualClock) -> None:
    async with table_register.connect(clock=clock, endpoint=NOWHERE, credential=identity) as register:
        [row async for row in register.bypasses.rows()]


async def _queue(identity: AsyncTokenCredential, _: VirtualClock) -> None:
    async with queues.connect(endpoint=NOWHERE, credential=identity) as outward:
        await outward.send("notices", {"id": "n-1"})


async def _probe(identity: AsyncTokenCredential, _: VirtualClock, what: str, *args: str) -> None:
    probe = Probe.connect("guardrails", table_endpoint=NOWHERE, queue_endpoint=NOWHERE, credential=identity)
    async with closed(probe):
        await getattr(probe, what)(*args)


async def _graph(identity: AsyncTokenCredential, clock: VirtualClock) -> None:
    graph = Graph(NOWHERE, identity, clock)
    async with closed(graph):
        [row async for row in graph.ids()]


async def _log(identity: AsyncTokenCredential, clock: VirtualClock) -> None:
    log = Deletions(NOWHERE, identity)
    async with closed(log):
        await log.deleted_by(ONE, clock.now() - timedelta(hours=1), clock.now())


def asking(ask: Any, *args: Any) -> Ask:
    return lambda identity, clock: ask(identity, clock, *args)


async def _commit(identity: AsyncTokenCredential, clock: VirtualClock) -> None:
    row = Row(ONE.text, Status.UNKNOWN, clock.now())
    await _register(identity, clock, "commit", ONE, None, row, Entry(clock.now(), "judged", {}))


ASKING: dict[str, Ask] = {
    "get": asking(_arm, "get", ONE),
    "put": asking(_arm, "put", ONE, {}),
    "delete": asking(_arm, "delete", ONE),
    "list": _listed,
    "tag a scope": asking(_arm, "tag_scope", ONE.scope, "a", "b"),
    "untag a scope": asking(_arm, "tag_scope", ONE.scope, "a", None),
    "Resource Graph": _graph,
    "the activity log": _log,
    "read a row": asking(_register, "read", ONE),
    "write a row": _commit,
    "query rows": _rows,
    "send a message": _queue,
    "try a row": asking(_probe, "try_row"),
    "look at a queue": asking(_probe, "waiting", "notices"),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_whatever_needs_a_token_says_who_gave_none(answer: str, endpoint: Endpoint, clock: VirtualClock) -> None:
    endpoint.answer = ANSWERS[answer]
    for what, ask in ASKING.items():
        endpoint.asked.clear()
        async with credential() as identity:
            with pytest.raises(Retryable) as caught:
                await ask(identity, clock)
        assert caught.value.code == NO_TOKEN, what
        assert f"the managed identity endpoint {endpoint.address} gave no token" in caught.value.message, what
        assert 60 <= caught.value.delay <= 3600
        said = f"{caught.value}".lower()
        assert not [word for word in ("role", "storage cannot", "cannot-act", "secret-header") if word in said], what
        assert len(endpoint.asked) == (2 if answer == "a closed connection" else 1), what  # aiohttp connects anew, once


async def test_who_may_not_know_who_deleted_it_says_that_there_was_no_token(
    endpoint: Endpoint, clock: VirtualClock
) -> None:
    endpoint.answer = ANSWERS["HTTP 403"]
    async with credential() as identity:
        answer = await informed(identity, "https://management.azure.com/.default")
    assert isinstance(answer, Unread)
    assert f"{endpoint.address} gave no token" in answer.reason


async def test_a_topic_waits_for_its_token_as_long_as_it_takes(endpoint: Endpoint, clock: VirtualClock) -> None:
    endpoint.answer = ANSWERS["HTTP 403"]
    async with credential() as identity:
        topic = EventGridTopic(
            "https://topic.example/api/events", identity, clock, session=lambda: open_session(Egress.PUBLIC)
        )
        async with closed(topic):
            answer = await topic.deliver(notice())
    assert isinstance(answer, TryAgain)
    assert (answer.waits, answer.delay) == (True, 60)
    assert f"the managed identity endpoint {endpoint.address} gave no token" in answer.reason
    assert "topic" not in answer.reason


def test_attempts_without_a_token_are_never_the_last_one() -> None:
    assert [attempts_after(attempts, waits=False) for attempts in (0, MAX_ATTEMPTS - 1)] == [1, MAX_ATTEMPTS]
    assert [attempts_after(attempts, waits=True) for attempts in (0, PATIENT, PATIENT + 5)] == [1, PATIENT, PATIENT + 5]


@pytest.mark.parametrize("answer", ["HTTP 500", "HTTP 429", "HTTP 429, Retry-After", "cut off", "no HTTP"])
async def test_an_event_asks_once_whatever_it_needs_tokens_for(
    answer: str, endpoint: Endpoint, clock: VirtualClock
) -> None:
    endpoint.answer = ANSWERS[answer]
    pause = Pause()
    async with credential(pause=pause) as identity, credential("mine", pause) as storage:
        for ask, who in ((ASKING["get"], identity), (ASKING["send a message"], storage), (_commit, storage)):
            with pytest.raises(Retryable) as caught:
                await ask(who, clock)
            assert caught.value.delay == (600 if "After" in answer else 60)
            assert endpoint.address in caught.value.message
    assert len(endpoint.asked) == 1


async def test_a_token_of_another_service_is_asked_for_where_one_is_refused(endpoint: Endpoint) -> None:
    async with credential() as identity:
        endpoint.answer = ANSWERS["HTTP 400"]
        for _ in range(2):
            with pytest.raises(Retryable):
                await identity.get_token("https://storage.azure.com/.default")
        endpoint.answer = http(200, GIVEN)
        assert (await identity.get_token("https://management.azure.com/.default")).token == "t0ken"
    assert len(endpoint.asked) == 2


async def test_another_identity_is_asked_for_where_one_is_refused(endpoint: Endpoint) -> None:
    pause = Pause()
    async with credential("one", pause) as one, credential("two", pause) as two:
        endpoint.answer = ANSWERS["HTTP 404"]
        with pytest.raises(Retryable, match="HTTP 404"):
            await one.get_token("a/.default")
        endpoint.answer = http(200, GIVEN)
        assert (await two.get_token("a/.default")).token == "t0ken"
    assert len(endpoint.asked) == 2


class Gives:
    """A credential that gives a token of so many seconds once, and then none."""

    def __init__(self, seconds: float) -> None:
        self.tokens = [AccessToken("t0ken", int(time.time() + seconds))]

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        if not self.tokens:
            raise ClientAuthenticationError("no")
        return self.tokens.pop()

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_token_that_cannot_be_renewed_does_as_long_as_it_lasts() -> None:
    async with Explained(Gives(3600)) as identity:
        given = [(await identity.get_token("a/.default")).token for _ in range(3)]
        given.append((await identity.get_token_info("a/.default")).token)
        assert given == ["t0ken"] * 4
        with pytest.raises(Retryable):  # the service has said that the old one does not do
            await identity.get_token("a/.default", claims="{}")
        with pytest.raises(Retryable):
            await identity.get_token("b/.default")
    async with Explained(Gives(200)) as identity:
        assert [(await identity.get_token("a/.default")).token for _ in range(2)] == ["t0ken"] * 2
    async with Explained(Gives(0)) as identity:  # it has ended
        await identity.get_token("a/.default")
        with pytest.raises(Retryable):
            await identity.get_token("a/.default")


async def test_after_half_a_minute_it_is_asked_again(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_module, "_QUIET", 0.05)
    endpoint.answer = ANSWERS["HTTP 500"]
    async with credential() as identity:
        with pytest.raises(Retryable):
            await identity.get_token("a/.default")
        endpoint.answer = http(200, GIVEN)
        await asyncio.sleep(0.06)
        assert (await identity.get_token("a/.default")).token == "t0ken"


async def test_an_endpoint_that_says_nothing_is_given_up(endpoint: Endpoint) -> None:
    endpoint.answer = None
    async with credential() as identity:
        for _ in range(3):
            with pytest.raises(Retryable, match=r"gave no token for a/\.default: no answer within 15 s"):
                await identity.get_token("a/.default")
    assert len(endpoint.asked) == 1


async def test_a_token_is_renewed_when_it_says_so(endpoint: Endpoint) -> None:
    endpoint.answer = http(200, GIVEN)
    async with credential() as identity:
        assert isinstance(identity, Explained)
        found = await identity.get_token_info("a/.default")
    assert found.refresh_on is not None
    assert found.refresh_on < found.expires_on


# The whole service


def environ(**more: str) -> dict[str, str]:
    return {"GUARDRAILS_ARM_ENDPOINT": NOWHERE, "GUARDRAILS_CLIENT_ID": "mine", **more}


@pytest.mark.parametrize("answer", ["HTTP 500", "HTTP 429, Retry-After", "HTTP 403"])
async def test_an_event_without_a_token_for_azure_waits_on_the_queue(
    answer: str, endpoint: Endpoint, clock: VirtualClock
) -> None:
    endpoint.answer = ANSWERS[answer]
    said: list[str] = []

    def store(what: str) -> bytes:
        said.append(what)
        return SENT if what == "send_message" else refusal(404, "ResourceNotFound")

    async with speaking(store) as connection:
        service = wiring.connect(environ(AzureWebJobsStorage=connection), clock)
        async with closed(service):
            assert await service.intake.event(ONE, Hint("event", "write")) is None
    assert said.count("send_message") == 1
    assert said.count("submit_transaction") == 1  # the ruleset; nothing is recorded of the exemption: nobody looked
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("answer", ["HTTP 500", "HTTP 429, Retry-After"])
async def test_an_event_without_any_token_goes_back_to_who_sent_it_and_has_asked_once(
    answer: str, endpoint: Endpoint, clock: VirtualClock
) -> None:
    endpoint.answer = ANSWERS[answer]
    by_identity = {f"AzureWebJobsStorage__{kind}ServiceUri": NOWHERE for kind in ("table", "queue")}
    service = wiring.connect(environ(**by_identity, AzureWebJobsStorage__clientId="another"), clock)
    async with closed(service):
        with pytest.raises(Retryable, match=f"{endpoint.address} gave no token") as caught:
            await service.intake.event(ONE, Hint("event", "write"))
        assert await service.intake.sweep() is None
    assert caught.value.code == NO_TOKEN
    assert len(endpoint.asked) == 1


async def test_the_log_has_one_line_for_a_token_that_is_refused_and_it_names_who_refused_it(
    endpoint: Endpoint, clock: VirtualClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("azure.identity"), "level", logging.NOTSET)
    endpoint.answer = ANSWERS["HTTP 403"]
    with caplog.at_level(logging.WARNING):
        empty = refusal(404, "ResourceNotFound")
        async with speaking(lambda what: SENT if what == "send_message" else empty) as storage:
            service = wiring.connect(environ(AzureWebJobsStorage=storage), clock)
            async with closed(service):
                assert await service.intake.event(ONE, Hint("event", "write")) is None
    said = [one for one in caplog.records if one.name.startswith("azure") or "token" in one.getMessage()]
    (line,) = [one.getMessage() for one in said]
    assert f"the managed identity endpoint {endpoint.address} gave no token" in line


async def test_the_log_says_once_for_each_time_that_a_token_is_not_renewed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with Explained(Gives(3600), "the managed identity endpoint http://here") as identity:
            given = [(await identity.get_token("a/.default")).token for _ in range(20)]
    assert given == ["t0ken"] * 20
    (line,) = [one.getMessage() for one in caplog.records]
    assert re.match(
        r"the current token is valid until \S+Z: the managed identity endpoint http://here gave no token", line
    )
