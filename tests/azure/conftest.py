"""The ARM adapter against the ARM stand-in, over real HTTP on loopback."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport

from guardrails.azure.arm import ArmRest
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.conftest import VirtualClock
from tests.sandbox.conftest import build_tenant

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


def hurried() -> AioHttpTransport:
    """A transport that waits 0.2 s for an answer, not 20."""
    return AioHttpTransport(use_env_settings=False, connection_timeout=1, read_timeout=0.2)


type MakeArm = Callable[..., ArmRest]


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud(time_scale=0.001) as running:
        build_tenant(running)
        yield running


@pytest.fixture
def credential() -> StaticCredential:
    return StaticCredential()


@pytest.fixture
async def arm(cloud: Cloud, credential: StaticCredential, clock: VirtualClock) -> AsyncIterator[ArmRest]:
    client = ArmRest(cloud.addresses["arm"], credential, clock, audience="https://management.azure.com")
    yield client
    await client.close()


@pytest.fixture
async def make_arm(cloud: Cloud, credential: StaticCredential, clock: VirtualClock) -> AsyncIterator[MakeArm]:
    """Makes adapters with other settings."""
    made: list[ArmRest] = []

    def make(**settings: Any) -> ArmRest:
        audience = "https://management.azure.com"
        made.append(ArmRest(cloud.addresses["arm"], credential, clock, audience=audience, **settings))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def hurried_arm(
    cloud: Cloud, credential: StaticCredential, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ArmRest]:
    monkeypatch.setattr("guardrails.azure.arm.transport", hurried)
    client = ArmRest(cloud.addresses["arm"], credential, clock, audience="https://management.azure.com")
    yield client
    await client.close()
