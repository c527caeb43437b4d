"""The ARM adapter against the ARM stand-in: over real HTTP on loopback, and over the wire in memory of the battery.

Tests that are marked `http` are about HTTP itself: time-outs, connections, identities that come over HTTP.
"""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken

from guardrails.azure.arm import ArmRest
from guardrails.azure.graph import Graph
from sandbox.arm.reply import Request
from sandbox.arm.server import Arm
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.azure.inventory import MakeGraph, Sleep, make
from tests.battery.line import Line
from tests.battery.wire import ENDPOINT, WireArm, over
from tests.clock import VirtualClock
from tests.sandbox.conftest import LATEST, Answer, Client, build_tenant

OID = "00000000-0000-4000-8000-0000000000aa"


class StaticCredential:
    """A credential that has its token already."""

    def __init__(self, token: str = "") -> None:
        self.token = token or token_for("guardrails", OID)
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken(self.token, 4_000_000_000)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


class Direct(Client):
    """Speaks to an ARM in this process without HTTP."""

    def __init__(self, arm: Arm, token: str) -> None:
        self.arm = arm
        self.token = token

    async def send(self, method: str, path: str, body: Any = None, *, version: str = LATEST, **query: str) -> Answer:
        asked = {"api-version": version, **{f"${key}": value for key, value in query.items()}}
        headers = {"Authorization": f"Bearer {self.token}"}
        raw = b"" if body is None else json.dumps(body).encode()
        reply = self.arm.answer(Request(method, path, asked, headers, "management.azure.com", ENDPOINT + path), raw)
        return Answer(reply.status, reply.headers, json.loads(reply.body) if reply.body else None)

    def as_(self, token: str) -> "Direct":
        return Direct(self.arm, token)


type MakeArm = Callable[..., ArmRest]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Put each test that needs a cloud to both wires."""
    if "wire" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("http")
        metafunc.parametrize("wire", ["http"] if alone else ["http", "memory"])


@pytest.fixture
async def cloud(wire: str) -> AsyncIterator[Cloud]:
    if wire == "memory":
        still = Cloud()
        still.addresses["arm"] = still.arm._listener.address = ENDPOINT
        with over(still.arm, Line()):
            build_tenant(still)
            yield still
        return
    async with Cloud(time_scale=0.001) as running:
        build_tenant(running)
        yield running


@pytest.fixture
def adapter(wire: str) -> type[ArmRest]:
    return WireArm if wire == "memory" else ArmRest


@pytest.fixture
def credential() -> StaticCredential:
    return StaticCredential()


@pytest.fixture
async def make_arm(
    adapter: type[ArmRest], cloud: Cloud, credential: StaticCredential, clock: VirtualClock
) -> AsyncIterator[MakeArm]:
    """Makes adapters with other settings."""
    made: list[ArmRest] = []

    def make(**settings: Any) -> ArmRest:
        audience = "https://management.azure.com"
        made.append(adapter(cloud.addresses["arm"], credential, clock, audience=audience, **settings))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def arm(make_arm: MakeArm) -> ArmRest:
    return make_arm()


@pytest.fixture
async def graph_of(cloud: Cloud, credential: StaticCredential, clock: VirtualClock) -> AsyncIterator[MakeGraph]:
    made: list[Graph] = []

    def one(**more: object) -> Graph:
        made.append(make(cloud, credential, clock, Sleep(), **more))
        return made[-1]

    yield one
    for graph in made:
        await graph.close()
