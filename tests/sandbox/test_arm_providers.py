"""Clouds that lag behind: the api-versions that ARM has, tells, and refuses."""

from typing import Any

import pytest

from sandbox.cloud import Cloud
from tests.sandbox.conftest import AUTH, GROUP, INITIATIVE, SUBSCRIPTION, Client, exemption, exemption_id

PROVIDER = "/providers/Microsoft.Authorization"
SET = f"{AUTH}/policySetDefinitions/base"
GOVERNMENT = {
    "policyAssignments": ["2020-09-01", "2021-06-01", "2022-06-01"],
    "policySetDefinitions": ["2020-09-01", "2021-06-01"],
}


async def offered(client: Client) -> dict[str, list[str]]:
    body = (await client.get(PROVIDER, version="2021-04-01")).body
    return {one["resourceType"]: one["apiVersions"] for one in body["resourceTypes"]}


@pytest.mark.parametrize(
    "version", ["2015-10-01-preview", "2022-06-01", "2023-04-01", "2025-11-01", "2026-01-01-PREVIEW"]
)
async def test_assignments_have_many_api_versions(client: Client, version: str) -> None:
    assert (await client.get(INITIATIVE, version=version)).status == 200


@pytest.mark.parametrize(
    ("path", "version"),
    [
        (SET, "2022-06-01"), (SET, "2024-04-01"), (f"{SET}/versions", "2021-06-01"),
        (f"{SET}/versions/1.0.0", "2020-09-01"), (f"{AUTH}/policyDefinitions/tls/versions", "2021-06-01"),
        (exemption_id(GROUP, "e"), "2025-03-01"), (f"{SUBSCRIPTION}{AUTH}/policyExemptions", "2025-03-01"),
    ],
)  # fmt: skip
async def test_each_type_has_versions_of_its_own(client: Client, path: str, version: str) -> None:
    answer = await client.get(path, version=version)
    assert (answer.status, answer.code) == (404, "InvalidResourceType")


@pytest.mark.parametrize("path", [INITIATIVE, f"{SUBSCRIPTION}{AUTH}/policyAssignments"])
async def test_a_cloud_that_lags_names_what_it_has(client: Client, path: str) -> None:
    await client.control("PUT", "api-versions", GOVERNMENT)
    answer = await client.get(path, version="2025-03-01")
    assert (answer.status, answer.code) == (404, "InvalidResourceType")
    assert answer.message == (
        "The resource type 'policyAssignments' could not be found in the namespace 'Microsoft.Authorization' for api "
        "version '2025-03-01'. The supported api-versions are '2020-09-01,2021-06-01,2022-06-01'."
    )
    assert (await client.get(path, version="2022-06-01")).status == 200


async def test_or_in_the_words_of_types_with_locations(client: Client) -> None:
    await client.control("PUT", "api-versions", {**GOVERNMENT, "refusal": "NoRegisteredProviderFound"})
    answer = await client.get(SET, version="2025-03-01")
    assert (answer.status, answer.code) == (400, "NoRegisteredProviderFound")
    assert answer.message == (
        "No registered resource provider found for location 'global' and API version '2025-03-01' for type "
        "'policySetDefinitions'. The supported api-versions are '2020-09-01, 2021-06-01'. The supported locations are "
        "'global'."
    )


async def test_a_type_without_any_version_has_no_list(client: Client) -> None:
    await client.control("PUT", "api-versions", GOVERNMENT)
    answer = await client.get(f"{SET}/versions/1.0.0", version="2025-03-01")
    assert (answer.status, answer.code) == (404, "InvalidResourceType")
    assert answer.message == (
        "The resource type could not be found in the namespace 'Microsoft.Authorization' for api version '2025-03-01'."
    )


async def test_the_provider_tells_what_the_cloud_has(client: Client) -> None:
    usual = await offered(client)
    assert usual["policyAssignments"][:3] == ["2026-07-01", "2026-06-01", "2026-01-01-preview"]
    assert usual["policySetDefinitions/versions"][-1] == "2023-04-01"
    await client.control("PUT", "api-versions", GOVERNMENT)
    lagging = await offered(client)
    assert lagging["policyAssignments"] == ["2022-06-01", "2021-06-01", "2020-09-01"]
    assert lagging["policySetDefinitions/versions"] == []
    assert lagging["policyExemptions"] == usual["policyExemptions"]
    await client.control("DELETE", "api-versions")
    assert await offered(client) == usual
    await client.control("PUT", "api-versions", GOVERNMENT)
    await client.control("POST", "reset")
    assert (await client.get(INITIATIVE, version="2025-03-01")).status == 200


async def test_exemptions_may_lag_too_or_be_ahead(client: Client) -> None:
    path = exemption_id(GROUP, "e1")
    await client.put(path, exemption(exemptionManagementMode="Admin"))
    await client.control("PUT", "api-versions", {"policyExemptions": ["2022-07-01-preview", "2027-01-01-preview"]})
    assert (await client.get(path)).code == "InvalidResourceType"
    assert "exemptionManagementMode" not in (await client.get(path, version="2022-07-01-preview")).body["properties"]
    assert "exemptionManagementMode" in (await client.get(path, version="2027-01-01-preview")).body["properties"]


@pytest.mark.parametrize("body", [{"colour": []}, {"policyAssignments": "2020-09-01"}, {"refusal": "Other"}])
async def test_what_is_no_list_of_versions_is_refused(client: Client, body: Any) -> None:
    async with client.session.put(f"{client.address}/_sandbox/api-versions", json=body) as answer:
        assert answer.status == 400


async def test_a_cloud_can_refuse_to_expand(cloud: Cloud, client: Client) -> None:
    fault = {"path": "policyAssignments", "query": r"\$expand=", "status": 400, "code": "InvalidQueryParameterValue"}
    await client.control("POST", "faults", fault)
    refused = await client.get(INITIATIVE, expand="EffectiveDefinitionVersion")
    assert (refused.status, refused.code) == (400, "InvalidQueryParameterValue")
    assert (await client.get(INITIATIVE)).status == 200
    assert (await client.get(f"{SET}/versions", expand="EffectiveDefinitionVersion")).status == 200
    async with client.session.post(f"{client.address}/_sandbox/faults", json={"query": "("}) as answer:
        assert answer.status == 400
    assert len(cloud.arm.faults.rules) == 1
