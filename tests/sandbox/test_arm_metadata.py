"""`/metadata/endpoints`: how clients find that a cloud is the sandbox."""

from typing import Any

import pytest
from aiohttp import ClientSession

from sandbox.cloud import Cloud
from sandbox.identity import AUDIENCES
from tests.sandbox.conftest import Client

PATH = "/metadata/endpoints"
CLI_READS = {
    "name", "resourceManager", "sqlManagement", "batch", "gallery", "graphAudience", "vmImageAliasDoc", "media",
}  # fmt: skip
"""What azure-cli reads of each cloud without a default (cloud.py), beside authentication and suffixes."""


async def shown(client: Client, version: str, address: str = "") -> Any:
    nobody = client.as_("")
    answer = await nobody.get(f"{address or client.address}{PATH}", version=version)
    assert answer.status == 200
    return answer.body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_anybody_may_ask_and_is_sent_where_it_asked(client: Client, host: str) -> None:
    address = client.address.replace("127.0.0.1", host)
    found = await shown(client, "2022-09-01", address)
    assert (found["name"], found["resourceManager"]) == ("AzureCloud", address)
    assert found["authentication"]["loginEndpoint"] == address
    assert found["authentication"]["identityProvider"] == "AAD"
    assert {one.rstrip("/") for one in found["authentication"]["audiences"]} == AUDIENCES


async def test_the_list_of_clouds_has_what_azure_cli_reads(client: Client) -> None:
    (cloud,) = await shown(client, "2019-05-01")
    assert set(cloud) >= CLI_READS
    assert set(cloud["suffixes"]) >= {"storage", "keyVaultDns", "sqlServerHostname", "acrLoginServer"}
    assert cloud == await shown(client, "2022-09-01")


async def test_the_oldest_shape_is_azure_stacks(client: Client) -> None:
    found = await shown(client, "2015-01-01")
    assert set(found) == {"galleryEndpoint", "graphEndpoint", "portalEndpoint", "authentication"}
    assert set(found["authentication"]) == {"loginEndpoint", "audiences"}


async def test_an_api_version_must_be_named(cloud: Cloud, client: Client) -> None:
    assert (await client.as_("").get(PATH, version="")).code == "MissingApiVersionParameter"
    assert (await client.as_("").send("POST", PATH)).status == 405
    async with ClientSession() as session, session.get(cloud.addresses["arm"] + "/tenants") as answer:
        assert answer.status == 401, "what is about the tenant takes a token still"
