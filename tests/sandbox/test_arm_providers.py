"""Clouds that lag behind: the api-versions that ARM has, lists, and refuses."""

from typing import Any

import pytest

from sandbox.cloud import Cloud
from sandbox.identity import token_for
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


async def test_the_provider_lists_what_the_cloud_has(client: Client) -> None:
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


@pytest.mark.parametrize(
    ("namespace", "policy"),
    [
        ("Microsoft.Authorization", "RegistrationFree"),
        ("microsoft.authorization", "RegistrationFree"),
        ("Microsoft.Storage", "RegistrationRequired"),
    ],
)
async def test_a_subscription_shows_its_providers(client: Client, namespace: str, policy: str) -> None:
    found = (await client.get(f"{SUBSCRIPTION}/providers/{namespace}", version="2022-09-01")).body
    name = found["namespace"]
    assert name.lower() == namespace.lower()
    assert found["id"] == f"{SUBSCRIPTION}/providers/{name}"
    assert (found["registrationPolicy"], found["registrationState"]) == (policy, "Registered")
    listed = (await client.get(f"{SUBSCRIPTION}/providers", version="2022-09-01")).body["value"]
    assert found in listed
    assert {"Microsoft.Authorization", "Microsoft.Resources"} <= {one["namespace"] for one in listed}
    if name == "Microsoft.Authorization":
        tenant = (await client.get(PROVIDER, version="2022-09-01")).body
        assert tenant["resourceTypes"] == found["resourceTypes"]
        assert "registrationState" not in tenant
        await client.control("PUT", "api-versions", {"policyExemptions": ["2020-07-01-preview"]})
        lagging = (await client.get(f"{SUBSCRIPTION}/providers/{namespace}", version="2022-09-01")).body
        versions = {one["resourceType"]: one["apiVersions"] for one in lagging["resourceTypes"]}
        assert versions["policyExemptions"] == ["2020-07-01-preview"]


@pytest.mark.parametrize("scope", ["", SUBSCRIPTION])
async def test_a_provider_that_is_none(client: Client, scope: str) -> None:
    answer = await client.get(f"{scope}/providers/Microsoft.Colour", version="2022-09-01")
    assert (answer.status, answer.code) == (404, "InvalidResourceNamespace")
    assert answer.message == "The resource namespace 'Microsoft.Colour' is invalid."


async def test_a_subscriptions_providers_are_for_those_who_may_read_them(client: Client) -> None:
    absent = "/subscriptions/00000000-0000-0000-0000-000000000000"
    assert (await client.get(f"{absent}/providers", version="2022-09-01")).code == "SubscriptionNotFound"
    await client.control("PUT", "permissions", {"o1": []})
    nobody = client.as_(token_for("nobody", "o1"))
    for path in ("", "/Microsoft.Authorization"):
        answer = await nobody.get(f"{SUBSCRIPTION}/providers{path}", version="2022-09-01")
        assert (answer.status, answer.code) == (403, "AuthorizationFailed")
        assert "'Microsoft.Resources/subscriptions/providers/read'" in answer.message
    assert (await nobody.get(PROVIDER, version="2022-09-01")).status == 200


@pytest.mark.parametrize("path", [SUBSCRIPTION, "/subscriptions", "/tenants", PROVIDER, f"{SUBSCRIPTION}/providers"])
@pytest.mark.parametrize("version", ["2024-05-01", "2021-03-01"])
async def test_resource_managers_own_operations_have_one_list(client: Client, path: str, version: str) -> None:
    answer = await client.get(path, version=version)
    assert (answer.status, answer.code) == (400, "InvalidApiVersionParameter")
    assert answer.message.startswith(
        f"The api-version '{version}' is invalid. The supported versions are '2026-06-01,2025-04-01,2025-03-01,"
    )
    assert answer.message.endswith(",2014-04-01-preview,2014-04-01,2014-01-01,2013-03-01,2014-02-26,2014-04'.")
    assert (await client.get(path, version="2022-12-01")).status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_providers_are_only_read(client: Client, method: str) -> None:
    answer = await client.send(method, f"{SUBSCRIPTION}/providers/Microsoft.Storage", version="2022-09-01")
    assert (answer.status, answer.code) == (405, "HttpMethodNotAllowed")


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
