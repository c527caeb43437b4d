"""The managed-identity endpoint, and who a token says is calling."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

from sandbox.cloud import Cloud
from sandbox.identity import BadToken, read_token, token_for
from tests.sandbox.conftest import GROUP, Client, exemption, exemption_id

SCOPE = "https://management.azure.com/.default"


@pytest.fixture
def environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.identity.environment.items():
        monkeypatch.setenv(name, value)


def _token(**options: Any) -> str:
    with ManagedIdentityCredential(**options) as credential:
        return str(credential.get_token(SCOPE).token)


@pytest.mark.usefixtures("environment")
async def test_azure_identity_gets_a_token_that_arm_accepts(cloud: Cloud, client: Client) -> None:
    robot = client.as_(await asyncio.to_thread(_token))
    made = await robot.put(exemption_id(GROUP, "e1"), exemption())
    assert made.status == 201
    assert made.body["systemData"]["createdByType"] == "ManagedIdentity"
    assert made.body["systemData"]["createdBy"] == cloud.identity.client_id
    assert cloud.identity.issued == 1


@pytest.mark.usefixtures("environment")
async def test_user_assigned_identities_are_chosen_by_client_id(cloud: Cloud) -> None:
    cloud.identity.user_assigned["33333333-0000-4000-8000-000000000003"] = "oid-3"
    token = await asyncio.to_thread(_token, client_id="33333333-0000-4000-8000-000000000003")
    assert read_token(token).oid == "oid-3"
    with pytest.raises(CredentialUnavailableError):
        await asyncio.to_thread(_token, client_id="44444444-0000-4000-8000-000000000004")


@pytest.mark.parametrize(
    ("header", "params", "status"),
    [(None, {}, 200), ("wrong", {}, 401), (None, {"api-version": "2017-09-01"}, 400), (None, {"resource": ""}, 400)],
)
async def test_the_endpoint_checks_what_it_is_asked(
    cloud: Cloud, header: str | None, params: dict[str, str], status: int
) -> None:
    endpoint = cloud.identity.environment["IDENTITY_ENDPOINT"]
    headers = {"X-IDENTITY-HEADER": header or cloud.identity.header}
    asked = {"api-version": "2019-08-01", "resource": "https://management.azure.com"} | params
    async with ClientSession() as session, session.get(endpoint, params=asked, headers=headers) as answer:
        assert answer.status == status
        body = await answer.json()
        assert ("access_token" in body) == (status == 200)


def test_tokens_say_who_calls() -> None:
    user = read_token(token_for("Ada", "o1", upn="ada@contoso.com"))
    assert (user.kind, user.created_by) == ("User", "ada@contoso.com")
    assert user.claims["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"] == "ada@contoso.com"
    application = read_token(token_for("pipeline", "o2", appid="a2"))
    assert (application.kind, application.created_by, application.oid) == ("Application", "a2", "o2")
    assert application.claims["http://schemas.microsoft.com/identity/claims/objectidentifier"] == "o2"
    assert all(isinstance(value, str) for value in application.claims.values())
    for garbage in ("", "x", "a.b.c", token_for("x", "o") + "x"):
        with pytest.raises(BadToken):
            read_token(garbage)
