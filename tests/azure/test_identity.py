"""Who we are: the managed identity, at the sandbox's endpoint of App Service; elsewhere the real azure-identity."""

import os

import aiohttp
import pytest
from azure.identity.aio import DefaultAzureCredential

from guardrails.azure.arm import ArmRest
from guardrails.azure.identity import credential
from guardrails.azure.managed_identity import ManagedIdentityCredential
from guardrails.channels.channels import open_session
from guardrails.channels.egress_guard import Egress
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone
from guardrails.runtime.transport import transport
from sandbox.cloud import Cloud
from sandbox.identity import read_token
from tests.clock import VirtualClock
from tests.sandbox.conftest import GROUP, exemption_id

pytestmark = pytest.mark.http

AUDIENCE = "https://management.azure.com"
SCOPE = AUDIENCE + "/.default"
MINE = "33333333-0000-4000-8000-000000000003"
ABSENT = ExemptionId.parse(exemption_id(GROUP, "absent"))


@pytest.fixture
def environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.identity.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
async def test_in_functions_it_is_the_managed_identity(cloud: Cloud, clock: VirtualClock) -> None:
    async with credential() as identity:
        assert isinstance(identity.inner, ManagedIdentityCredential)
        arm = ArmRest(cloud.addresses["arm"], identity, clock, audience=AUDIENCE + "/")
        assert isinstance(await arm.get(ABSENT), Gone)
        assert isinstance(await arm.get(ABSENT), Gone)
        await arm.close()
    assert cloud.identity.issued == 1
    assert {seen.caller for seen in cloud.arm.log.requests} == {cloud.identity.name}


@pytest.mark.usefixtures("environment")
async def test_a_user_assigned_identity_is_named_by_its_client_id(cloud: Cloud) -> None:
    cloud.identity.user_assigned[MINE] = "oid-3"
    async with credential(MINE) as identity:
        assert read_token((await identity.get_token(SCOPE)).token).oid == "oid-3"


@pytest.mark.usefixtures("environment")
async def test_an_identity_without_a_token_is_retried_and_explained(cloud: Cloud, clock: VirtualClock) -> None:
    async with credential(MINE) as identity:
        arm = ArmRest(cloud.addresses["arm"], identity, clock, audience=AUDIENCE)
        with pytest.raises(Retryable) as caught:
            await arm.get(ABSENT)
        await arm.close()
    assert (caught.value.code, caught.value.delay) == ("no-token", 60)
    assert f"the managed identity endpoint {cloud.identity.address}/msi/token gave no token" in caught.value.message
    assert caught.value.message.endswith(f"{SCOPE}: HTTP 400")
    assert caught.value.subject == ABSENT.text
    assert f"managed identity {MINE}" in caught.value.remedy
    assert not cloud.arm.log.requests


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("missing", ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"])
async def test_elsewhere_it_is_what_the_machine_offers(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(missing)
    async with credential() as identity:
        assert isinstance(identity.inner, DefaultAzureCredential)


@pytest.mark.parametrize(
    ("variable", "looks"),
    [
        ("", False), ("NO_PROXY", False), ("no_proxy", False), ("FTP_PROXY", False), ("HTTP_PROXY", True),
        ("https_proxy", True), ("HTTPS_PROXY", True), ("ALL_PROXY", True), ("all_proxy", True),
    ],
)  # fmt: skip
async def test_the_environment_is_read_only_for_a_proxy(
    variable: str, looks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    if variable:
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert transport()._use_env_settings is looks
    async with open_session(Egress.PRIVATE, lambda _: aiohttp.TCPConnector()) as session:
        assert session.trust_env is looks
