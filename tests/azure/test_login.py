"""The first request: whether Azure is available, said soon and truly; the tenant's name; one token for all."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from guardrails.azure import login as login_module
from guardrails.azure.connectivity import probe
from guardrails.azure.identity import Explained, Remembered
from guardrails.azure.login import Login
from guardrails.errors import Retryable
from guardrails.exemption.facts import Unread
from sandbox.cloud import Cloud
from sandbox.identity import TENANT_ID
from tests.patience import PATIENCE

from .conftest import StaticCredential

pytestmark = pytest.mark.http

AUDIENCE = "https://management.azure.com"


@pytest.fixture
async def login(cloud: Cloud, credential: StaticCredential) -> AsyncIterator[Login]:
    made = Login(cloud.addresses["arm"], credential, audience=AUDIENCE)
    yield made
    await made.close()


def fault(cloud: Cloud, **more: Any) -> None:
    cloud.arm.control._post_faults({"path": "^/tenants", **more})


@contextmanager
def black_hole() -> Iterator[str]:
    """An address that takes no connection and refuses none: its queue of connections is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(server.getsockname())
            waiting.append(one)
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections, and is held, so that nobody else listens there meanwhile."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


async def said_of(endpoint: str, seconds: float = PATIENCE) -> str:
    """What `probe` says of an endpoint; "" where it connects."""
    try:
        await probe(endpoint, seconds)
    except Retryable as error:
        return error.message if error.code == "arm-unreachable" else error.code
    return ""


# Reached or not.


async def test_it_connects_to_what_answers(cloud: Cloud) -> None:
    assert await said_of(cloud.addresses["arm"]) == ""
    assert await said_of(cloud.addresses["arm"].replace("127.0.0.1", "localhost")) == ""


async def test_a_closed_port_is_named_with_its_address() -> None:
    with closed_port() as port:
        said = await said_of(f"http://127.0.0.1:{port}")
    assert f"is unavailable at http://127.0.0.1:{port}: 127.0.0.1:{port}: connection refused" in said


async def test_a_name_that_is_not_found_is_reported_with_its_address() -> None:
    said = await said_of("https://management.invalid")
    assert "is unavailable at https://management.invalid: management.invalid:443: its name could not be" in said
    assert "could not be looked up" in await said_of(f"https://{'x' * 70}.example")


async def test_an_address_that_swallows_connections_is_reported_in_time() -> None:
    with black_hole() as address:
        said = await said_of(address, 0.3)
    assert said.endswith("no connection within 0.3 s")
    assert login_module.SECONDS < 5


async def test_a_connection_without_an_answer_is_reported_in_time(
    credential: StaticCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 4 < login_module.ANSWER < 5
    monkeypatch.setattr(login_module, "SECONDS", PATIENCE)
    monkeypatch.setattr(login_module, "ANSWER", 0.3)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        made = Login(f"http://127.0.0.1:{server.getsockname()[1]}", credential, audience=AUDIENCE)
        with pytest.raises(Retryable, match=r"a connection, and no answer within 0\.3 s") as caught:
            await made.tenant_name(TENANT_ID)
        await made.close()
    assert caught.value.code == "arm-unreachable"


async def test_a_look_up_that_hangs_is_reported_in_time_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hangs(*_: object, **__: object) -> list[Any]:
        asyncio.run_coroutine_threadsafe(over.wait(), loop).result(PATIENCE)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    assert (await said_of("https://management.azure.com", 0.2)).endswith("no connection within 0.2 s")
    over.set()


async def test_one_good_address_of_several_is_enough(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(cloud.addresses["arm"].rpartition(":")[2])

    def several(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    assert await said_of(f"http://management.test:{port}") == ""


async def test_behind_a_proxy_it_connects_to_the_proxy(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("https_proxy", cloud.addresses["arm"])
    assert await said_of("https://management.invalid") == ""
    with closed_port() as port:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{port}")
        said = await said_of("https://management.invalid")
    assert f"https://management.invalid: 127.0.0.1:{port} (the proxy): connection refused" in said
    monkeypatch.setenv("https_proxy", "127.0.0.1:99999")
    assert "the address of the proxy cannot be read: Port out of range" in await said_of("https://management.invalid")


# The first request.


async def test_the_tenant_has_a_name(login: Login, cloud: Cloud) -> None:
    cloud.arm.tenant_name = "Fabrikam"
    assert await login.tenant_name(TENANT_ID) == "Fabrikam"
    assert isinstance(await login.tenant_name("11111111-0000-4000-8000-000000000000"), Unread)
    cloud.arm.tenant_name = ""
    assert isinstance(await login.tenant_name(TENANT_ID), Unread)


async def test_a_name_that_may_not_be_read_is_no_reason_to_stop(login: Login, cloud: Cloud) -> None:
    fault(cloud, status=403, code="AuthorizationFailed", message="no")
    assert await login.tenant_name(TENANT_ID) == Unread("AuthorizationFailed: no")
    cloud.arm.faults.reset()
    fault(cloud, status=503)
    assert isinstance(await login.tenant_name(TENANT_ID), Unread)


@pytest.mark.usefixtures("time_jumps")
async def test_a_slow_answer_and_one_that_breaks_off_are_not_taken_for_no_connection(
    cloud: Cloud, credential: StaticCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(cloud, latency=2 * login_module.SECONDS, count=1)
    monkeypatch.setattr(login_module, "ANSWER", PATIENCE)
    made = Login(cloud.addresses["arm"], credential, audience=AUDIENCE)
    assert await made.tenant_name(TENANT_ID) == "Contoso"
    fault(cloud, drop=True)
    assert isinstance(await made.tenant_name(TENANT_ID), Unread)
    await made.close()


async def test_a_connection_without_tls_is_named_as_such(credential: StaticCredential, cloud: Cloud) -> None:
    made = Login(cloud.addresses["arm"].replace("http:", "https:"), credential, audience=AUDIENCE)
    with pytest.raises(Retryable) as caught:
        await made.tenant_name(TENANT_ID)
    assert caught.value.code == "arm-unreachable"
    assert "SSL" in caught.value.message
    await made.close()


# The token.


class Counting(StaticCredential):
    """A credential that counts what it is asked for, and whose tokens end as set."""

    def __init__(self, ends: float) -> None:
        super().__init__()
        self.ends = ends
        self.closed = False

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        await super().get_token(*scopes, **options)
        return AccessToken(self.token, int(self.ends))

    async def close(self) -> None:
        self.closed = True


async def test_a_token_is_asked_for_once_and_again_before_it_ends() -> None:
    inner = Counting(time.time() + 3600)
    async with Remembered(inner) as once:
        await asyncio.gather(*(once.get_token("a") for _ in range(5)), once.get_token("b"))
        assert sorted(inner.scopes) == ["a", "b"]
        await once.get_token("a", claims="{}")  # a challenge: the old one will not do
        assert len(inner.scopes) == 3
        inner.ends = time.time() + 100
        await once.get_token("c")
        await once.get_token("c")
        assert inner.scopes.count("c") == 2
    assert inner.closed


async def test_it_is_said_who_of_a_chain_gave_the_token() -> None:
    class Chain(StaticCredential):
        _successful_credential = StaticCredential()

    assert Remembered(Chain()).found_by == "StaticCredential"
    assert Remembered(StaticCredential()).found_by == "StaticCredential"


async def test_no_token_is_said_as_such(cloud: Cloud) -> None:
    class Refuses(StaticCredential):
        async def get_token(self, *_: str, **__: Any) -> AccessToken:
            raise ClientAuthenticationError("no")

    made = Login(cloud.addresses["arm"], Explained(Refuses()), audience=AUDIENCE)
    for asking in (made.claims(), made.tenant_name(TENANT_ID)):
        with pytest.raises(Retryable) as caught:
            await asking
        assert caught.value.code == "no-token"
    await made.close()


async def test_the_claims_of_the_token_are_read(login: Login) -> None:
    claims = await login.claims()
    assert (claims["tid"], claims["app_displayname"]) == (TENANT_ID, "guardrails")
