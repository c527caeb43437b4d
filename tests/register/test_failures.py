"""What a store that is down, slow, busy or closed to us turns into."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import AioHttpTransport

from guardrails.azure.identity import Explained
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.errors import NO_TOKEN, GuardrailsError, Misconfigured, Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register import queues
from guardrails.register.table_register import TableRegister, connect
from tests.clock import VirtualClock
from tests.register.conftest import EXEMPTION

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY = "AccountName=acme;AccountKey=c2VjcmV0"


@asynccontextmanager
async def storage(handler: Handler) -> AsyncIterator[str]:
    """A store of our own on loopback that does what `handler` says; yields its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def register_at(address: str, clock: VirtualClock, over: AioHttpTransport | None = None) -> TableRegister:
    connection = f"{KEY};TableEndpoint={address};QueueEndpoint={address}"
    return connect(clock=clock, connection_string=connection, transport=over)


def answering(*statuses: int, counted: list[str] | None = None, headers: Mapping[str, str] | None = None) -> Handler:
    """Answer with these statuses in turn, the last for ever."""
    turns: Iterator[int] = iter(statuses)

    async def handle(request: web.Request) -> web.StreamResponse:
        if counted is not None:
            counted.append(request.method)
        return web.Response(status=next(turns, statuses[-1]), headers=headers)

    return handle


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
async def test_a_busy_store_is_worth_another_try(clock: VirtualClock, status: int) -> None:
    counted: list[str] = []
    async with storage(answering(status, counted=counted)) as address, register_at(address, clock) as register:
        with pytest.raises(Retryable) as caught:
            await register.read(EXEMPTION)
    assert caught.value.code == "storage-busy"
    assert len(counted) == 1


async def test_retry_after_is_handed_on_and_not_waited_for(clock: VirtualClock) -> None:
    counted: list[str] = []
    handler = answering(503, counted=counted, headers={"Retry-After": "17"})
    async with storage(handler) as address, register_at(address, clock) as register:
        with pytest.raises(Retryable) as caught:
            await register.commit(EXEMPTION, None, _row(clock), Entry(clock.now(), "judged", {}))
    assert caught.value.delay == 17.0
    assert len(counted) == 1


@pytest.mark.parametrize("status", [403, 503])
async def test_decisions_that_share_a_transaction_fail_each_with_its_own_exemption(
    clock: VirtualClock, status: int
) -> None:
    exemptions = [ExemptionId.parse(f"{EXEMPTION.text}-{n}") for n in range(4)]
    counted: list[str] = []
    handler = answering(status, counted=counted, headers={"x-ms-error-code": "AuthorizationFailure"})
    async with storage(handler) as address, register_at(address, clock) as register:
        entry = Entry(clock.now(), "judged", {})
        rows = [Row(one.text, Status.COMPLIANT, clock.now()) for one in exemptions]
        commits = [register.commit(one, None, row, entry) for one, row in zip(exemptions, rows, strict=True)]
        errors = await asyncio.gather(*commits, return_exceptions=True)
    assert len(counted) < len(exemptions)
    assert [error.subject for error in errors if isinstance(error, GuardrailsError)] == [one.text for one in exemptions]


@pytest.mark.parametrize(("said", "delay"), [("nan", 5.0), ("soon", 5.0), ("-1", 1.0), ("0", 1.0), ("inf", 3600.0)])
async def test_a_malformed_retry_after_gives_a_delay_that_a_queue_takes(
    clock: VirtualClock, said: str, delay: float
) -> None:
    handler = answering(503, headers={"Retry-After": said})
    async with storage(handler) as address, register_at(address, clock) as register:
        with pytest.raises(Retryable) as caught:
            await register.read(EXEMPTION)
    assert caught.value.delay == delay


async def test_a_connection_that_the_server_dropped_is_opened_anew(clock: VirtualClock) -> None:
    dropped: list[int] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        if not dropped and request.transport:
            dropped.append(1)
            request.transport.close()
        return web.Response(status=404, headers={"x-ms-error-code": "ResourceNotFound"})

    async with storage(handle) as address, register_at(address, clock) as register:
        assert await register.read(EXEMPTION) is None
    assert dropped


async def test_a_refusal_names_the_role_that_is_missing(clock: VirtualClock) -> None:
    handler = answering(403, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"})
    async with storage(handler) as address, register_at(address, clock) as register:
        with pytest.raises(Misconfigured, match="Storage Table Data Contributor"):
            await register.read(EXEMPTION)
        async with queues.connect(connection_string=f"{KEY};TableEndpoint={address};QueueEndpoint={address}") as ours:
            with pytest.raises(Misconfigured, match="Storage Queue Data Contributor"):
                await ours.send("notices", {"id": "n-1"})


async def test_a_token_that_storage_does_not_take_is_no_missing_role(clock: VirtualClock) -> None:
    handler = answering(401, headers={"x-ms-error-code": "InvalidAuthenticationInfo"})
    async with storage(handler) as address, register_at(address, clock) as register:
        connection = f"{KEY};TableEndpoint={address};QueueEndpoint={address}"
        async with queues.connect(connection_string=connection) as ours:
            for service, asked in (("table", register.read(EXEMPTION)), ("queue", ours.send("notices", {"id": "n-1"}))):
                with pytest.raises(Retryable, match=f"{service} storage does not take our token") as caught:
                    await asked
                assert (caught.value.code, caught.value.delay) == (NO_TOKEN, 60.0)
                assert "Contributor" not in str(caught.value)


@pytest.mark.parametrize("status", [404, 409, 412])
@pytest.mark.parametrize("code", ["NotFound", "Conflict", "ConditionFailed", "entityalreadyexists", ""])
async def test_a_code_that_storage_does_not_have_is_no_answer_of_storage(
    clock: VirtualClock, status: int, code: str
) -> None:
    """A gateway's, say: nothing is missing, and no race is lost, because of it."""

    async def handle(_: web.Request) -> web.StreamResponse:
        error = {"odata.error": {"code": code, "message": {"lang": "en", "value": "no"}}}
        return web.json_response(error, status=status, headers={"x-ms-error-code": code} if code else None)

    def listed(register: TableRegister) -> Any:
        async def ask() -> list[Any]:
            return [row async for row in register.rows()]

        return ask()

    async with storage(handle) as address, register_at(address, clock) as register:
        connection = f"{KEY};TableEndpoint={address};QueueEndpoint={address}"
        async with queues.connect(connection_string=connection) as ours:
            for asked in (
                register.read(EXEMPTION),
                register.commit(EXEMPTION, None, _row(clock), Entry(clock.now(), "judged", {})),
                listed(register),
                register.sweeps.begin(clock.now(), "me", timedelta(minutes=2)),
                ours.send("notices", {"id": "n-1"}),
            ):
                with pytest.raises(Retryable) as caught:
                    await asked
                assert caught.value.code == "storage-unreachable"


async def test_in_the_answer_of_a_transaction_a_foreign_code_is_no_lost_race(clock: VirtualClock) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("$batch"):
            return web.Response(status=404, headers={"x-ms-error-code": "ResourceNotFound"})
        body = (
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n"
            "Content-Transfer-Encoding: binary\r\n\r\n"
            "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n\r\n"
            '{"odata.error":{"code":"Busy","message":{"lang":"en","value":"0:no"}}}\r\n--c--\r\n--b--\r\n'
        )
        return web.Response(status=202, body=body.encode(), headers={"Content-Type": "multipart/mixed; boundary=b"})

    async with storage(handle) as address, register_at(address, clock) as register:
        with pytest.raises(Retryable) as caught:
            await register.sweeps.begin(clock.now(), "me", timedelta(minutes=2))
    assert caught.value.code == "storage-unreachable"


async def test_a_store_that_is_not_there_is_worth_another_try(clock: VirtualClock) -> None:
    async with storage(answering(200)) as address:
        pass
    async with register_at(address, clock) as register:
        with pytest.raises(Retryable) as caught:
            await register.read(EXEMPTION)
    assert caught.value.code == "storage-unreachable"
    assert "c2VjcmV0" not in str(caught.value)


async def test_a_store_that_does_not_answer_is_given_up(clock: VirtualClock) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response(status=200)

    over = AioHttpTransport(use_env_settings=False, connection_timeout=1, read_timeout=0.1)
    async with storage(handle) as address, register_at(address, clock, over) as register:
        with pytest.raises(Retryable) as caught:
            await register.read(EXEMPTION)
    assert caught.value.code == "storage-unreachable"


async def test_a_queue_or_table_that_is_being_deleted_is_worth_another_try(clock: VirtualClock) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT" or request.path.endswith("/Tables"):
            code = "QueueBeingDeleted" if request.method == "PUT" else "TableBeingDeleted"
            return web.Response(status=409, headers={"x-ms-error-code": code})
        error = {"odata.error": {"code": "TableNotFound", "message": {"lang": "en", "value": "gone"}}}
        missing = "QueueNotFound" if request.path.endswith("/messages") else "TableNotFound"
        return web.json_response(error, status=404, headers={"x-ms-error-code": missing})

    async with storage(handle) as address, register_at(address, clock) as register:
        with pytest.raises(Retryable, match="TableBeingDeleted"):
            await register.commit(EXEMPTION, None, _row(clock), Entry(clock.now(), "judged", {}))
        async with queues.connect(connection_string=f"{KEY};TableEndpoint={address};QueueEndpoint={address}") as ours:
            with pytest.raises(Retryable, match="QueueNotFound"):
                await ours.send("notices", {"id": "n-1"})


async def test_a_request_that_storage_calls_wrong_is_not_tried_again(clock: VirtualClock) -> None:
    handler = answering(400, headers={"x-ms-error-code": "InvalidInput"})
    async with storage(handler) as address, register_at(address, clock) as register:
        with pytest.raises(Permanent) as caught:
            await register.read(EXEMPTION)
    assert caught.value.code == "storage-refused"


class Identity:
    """A credential that gives a token, or none."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.scopes: tuple[str, ...] = ()

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes = scopes
        if not self.token:
            raise ClientAuthenticationError("no managed identity endpoint")
        return AccessToken(self.token, 4_000_000_000)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_an_identity_without_a_token_is_worth_another_try(clock: VirtualClock) -> None:
    refused = Explained(Identity(""), "the managed identity endpoint")
    async with connect(clock=clock, endpoint="https://acme.invalid", credential=refused) as register:
        with pytest.raises(
            Retryable, match=r"the managed identity endpoint gave no token for https://storage\.azure\.com"
        ):
            await register.read(EXEMPTION)


async def test_an_identity_asks_for_storage_and_nothing_else(clock: VirtualClock) -> None:
    identity = Identity("t0ken")
    async with connect(clock=clock, endpoint="https://127.0.0.1:1", credential=identity) as register:
        with pytest.raises(Retryable) as caught:
            await register.read(EXEMPTION)
    assert identity.scopes == ("https://storage.azure.com/.default",)
    assert "t0ken" not in str(caught.value)


def test_a_bad_connection_string_is_explained_and_never_shown(clock: VirtualClock) -> None:
    for text in ("AccountKey=c2VjcmV0", "garbage c2VjcmV0", ""):
        with pytest.raises(Misconfigured) as caught:
            connect(clock=clock, connection_string=text)
        assert caught.value.code == "bad-connection-string"
        assert "c2VjcmV0" not in str(caught.value)


def _row(clock: VirtualClock) -> Row:
    return Row(EXEMPTION.text, Status.UNKNOWN, clock.now())
