"""Policy exemptions, as ARM keeps them."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests import reference
from tests.sandbox.conftest import (
    AUTH,
    CORP,
    GROUP,
    INITIATIVE,
    SINGLE,
    SUBSCRIPTION,
    VAULT,
    Client,
    exemption,
    exemption_id,
)

SCOPES = {
    "management group": CORP,
    "subscription": SUBSCRIPTION,
    "resource group": GROUP,
    "resource": VAULT,
    "child resource": f"{VAULT}/secrets/s1",
    "extension resource": f"{VAULT}/providers/Microsoft.Insights/diagnosticSettings/d1",
}


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES.keys())
async def test_lives_at_every_scope(cloud: Cloud, client: Client, scope: str) -> None:
    if scope.startswith(VAULT):
        cloud.arm.seed(scope)
    path = exemption_id(scope, "e1")

    made = await client.put(path, exemption(expiresOn="2027-01-31T00:00:00.0000000Z"))
    assert made.status == 201
    assert made.body["id"] == path
    assert made.body["type"] == "Microsoft.Authorization/policyExemptions"
    assert made.body["properties"]["expiresOn"] == "2027-01-31T00:00:00Z"
    assert (await client.get(path)).body == made.body
    assert (await client.put(path, exemption())).status == 200
    assert await client.names(f"{scope}{AUTH}/policyExemptions") == ["e1"]

    gone = await client.send("DELETE", path)
    assert gone.status == 200
    assert gone.body["name"] == "e1"
    assert (await client.send("DELETE", path)).status == 204
    after = await client.get(path)
    assert (after.status, after.body) == (
        404,
        {"error": {"code": "PolicyExemptionNotFound", "message": "The policy exemption 'e1' could not be found."}},
    )


async def test_put_replaces_and_keeps_the_maker(client: Client) -> None:
    path = exemption_id(GROUP, "e1")
    await client.put(path, exemption(metadata={"ticket": "A-1"}, description="d"))
    pipeline = client.as_(token_for("pipeline", "11111111-0000-4000-8000-000000000001", appid="app-1"))
    changed = await pipeline.put(path, exemption(displayName="n"))
    assert set(changed.body["properties"]) == {"policyAssignmentId", "exemptionCategory", "displayName"}
    system = changed.body["systemData"]
    assert (system["createdBy"], system["createdByType"]) == ("ada@contoso.com", "User")
    assert (system["lastModifiedBy"], system["lastModifiedByType"]) == ("app-1", "Application")
    assert system["lastModifiedAt"] > system["createdAt"]


async def test_identity_has_no_case_and_keeps_the_first(client: Client) -> None:
    path = exemption_id(GROUP, "Waiver-One")
    await client.put(path, exemption())
    lower = await client.get("/" + path.lower())
    assert lower.body["id"] == path
    again = await client.put(path.upper(), exemption(displayName="x"))
    assert (again.status, again.body["id"], again.body["name"]) == (200, path, "Waiver-One")


async def test_a_seeded_one_has_the_history_it_is_given(cloud: Cloud, client: Client) -> None:
    path = exemption_id(GROUP, "adopted")
    system = {"createdBy": "eve@contoso.com", "createdByType": "User", "createdAt": "2021-01-01T00:00:00.0000000Z"}
    cloud.arm.seed(path, {**exemption(expiresOn="2021-06-01"), "systemData": system})
    shown = (await client.get(path)).body
    assert (shown["systemData"], shown["properties"]["expiresOn"]) == (system, "2021-06-01T00:00:00Z")
    changed = await client.put(path, exemption())
    assert changed.body["systemData"]["createdBy"] == "eve@contoso.com"
    assert changed.body["systemData"]["lastModifiedBy"] == "ada@contoso.com"


async def test_older_api_versions_hide_and_drop_newer_fields(client: Client) -> None:
    path = exemption_id(GROUP, "e1")
    selectors = [{"name": "s", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    newer: dict[str, Any] = {"resourceSelectors": selectors, "exemptionManagementMode": "Admin"}
    await client.put(path, exemption(**newer))
    middle = (await client.get(path, version="2022-07-01-preview")).body["properties"]
    assert "exemptionManagementMode" not in middle
    assert middle["resourceSelectors"] == selectors
    oldest = (await client.get(path, version="2020-07-01-preview")).body["properties"]
    assert set(oldest) == {"policyAssignmentId", "exemptionCategory"}
    await client.put(path, exemption(**newer), version="2022-07-01-preview")
    now = (await client.get(path)).body["properties"]
    assert now["resourceSelectors"] == selectors
    assert "exemptionManagementMode" not in now


async def test_patch_touches_only_three_properties(client: Client) -> None:
    path = exemption_id(GROUP, "e1")
    await client.put(path, exemption(expiresOn="2027-01-01T00:00:00Z", metadata={"a": "b"}))
    sent = {"expiresOn": "2030-01-01T00:00:00Z", "metadata": {}, "assignmentScopeValidation": "DoNotValidate"}
    patched = await client.send("PATCH", path, {"properties": sent})
    assert patched.status == 200
    assert patched.body["properties"]["expiresOn"] == "2027-01-01T00:00:00Z"
    assert patched.body["properties"]["metadata"] == {"a": "b"}
    assert patched.body["properties"]["assignmentScopeValidation"] == "DoNotValidate"
    assert (await client.send("PATCH", exemption_id(GROUP, "no"), {"properties": {}})).status == 404
    assert (await client.send("PATCH", path, {"properties": {}}, version="2020-07-01-preview")).status == 405


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no assignment": (exemption(policyAssignmentId=None), "InvalidCreatePolicyExemptionRequest"),
    "no category": (exemption(exemptionCategory=None), "InvalidCreatePolicyExemptionRequest"),
    "category": (exemption(exemptionCategory="Forever"), "InvalidCreatePolicyExemptionRequest"),
    "displayName": (exemption(displayName="x" * 129), "InvalidCreatePolicyExemptionRequest"),
    "description": (exemption(description="x" * 513), "InvalidCreatePolicyExemptionRequest"),
    "assignment": (exemption(SINGLE + "x"), "InvalidCreatePolicyExemptionRequest"),
    "reference": (exemption(INITIATIVE, policyDefinitionReferenceIds=["nope"]), "InvalidPolicyDefinitionReference"),
    "single": (exemption(policyDefinitionReferenceIds=["tls"]), "InvalidPolicyDefinitionReference"),
    "date": (exemption(expiresOn="soon"), "InvalidRequestContent"),
    "year": (exemption(expiresOn="10000-01-01T00:00:00Z"), "InvalidRequestContent"),
    "metadata": (exemption(metadata="text"), "InvalidRequestContent"),
    "no properties": ({}, "InvalidRequestContent"),
}


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refuses_a_bad_body(client: Client, body: dict[str, Any], code: str) -> None:
    answer = await client.put(exemption_id(GROUP, "bad"), body)
    assert (answer.status, answer.code) == (400, code)
    assert (await client.get(exemption_id(GROUP, "bad"))).status == 404


@pytest.mark.parametrize("name", ["a" * 65, "a%25b", "a%3Fb", "ends.", "ends "])
async def test_refuses_a_bad_name(client: Client, name: str) -> None:
    assert (await client.put(exemption_id(GROUP, name), exemption())).code == "InvalidPolicyExemptionName"


async def test_accepts_what_real_files_hold(client: Client) -> None:
    path = exemption_id(GROUP, "Temporary%20Waiver")
    body = exemption(INITIATIVE.lower() + "/", exemptionCategory="waiver", policyDefinitionReferenceIds=["limit_skus"])
    made = await client.put(path, body)
    assert made.status == 201
    assert made.body["name"] == "Temporary Waiver"
    assert made.body["properties"]["exemptionCategory"] == "waiver"
    for sent, kept in {
        "2024-12-31": "2024-12-31T00:00:00Z",
        "3021-06-30T23:59:59.1230000Z": "3021-06-30T23:59:59.123Z",
        "2027-01-01T02:00:00+02:00": "2027-01-01T00:00:00Z",
        "0999-01-01T00:00:00Z": "0999-01-01T00:00:00Z",
    }.items():
        again = await client.put(path, exemption(INITIATIVE, expiresOn=sent))
        assert again.body["properties"]["expiresOn"] == kept
    cleared = await client.put(path, exemption(INITIATIVE, expiresOn=""))
    assert "expiresOn" not in cleared.body["properties"]


async def test_assignment_cannot_change_but_may_be_staged(cloud: Cloud, client: Client) -> None:
    path = exemption_id(GROUP, "e1")
    await client.put(path, exemption())
    assert (await client.put(path, exemption(INITIATIVE))).code == "InvalidPolicyAssignmentIdUpdate"
    staged = exemption(SINGLE + "-later", assignmentScopeValidation="DoNotValidate")
    assert (await client.put(exemption_id(GROUP, "staged"), staged)).status == 201
    other = cloud.arm.seed(f"{VAULT}{AUTH}/policyAssignments/below", {"properties": {"policyDefinitionId": "x"}})
    elsewhere = await client.put(exemption_id(GROUP, "wrong"), exemption(other))
    assert (elsewhere.status, elsewhere.code) == (400, "InvalidCreatePolicyExemptionRequest")
    assert "not at or under" in elsewhere.message


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_scope_that_is_none(client: Client, method: str) -> None:
    """As recorded: azure-powershell, GetPolicyExemption."""
    body = exemption() if method == "PUT" else None
    answer = await client.send(method, exemption_id("/someScope", "someName"), body)
    assert (answer.status, answer.code) == (404, "MissingSubscription")
    assert answer.message == "The request did not have a subscription or a valid tenant level resource provider."


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        (f"{GROUP}/providers/Microsoft.KeyVault/vaults/none", "ResourceNotFound"),
        (f"{SUBSCRIPTION}/resourceGroups/none", "ResourceGroupNotFound"),
        ("/subscriptions/00000000-0000-0000-0000-000000000000", "SubscriptionNotFound"),
        ("/providers/Microsoft.Management/managementGroups/none", "ManagementGroupNotFound"),
    ],
)
async def test_a_missing_target_is_named(client: Client, scope: str, code: str) -> None:
    answer = await client.put(exemption_id(scope, "e1"), exemption())
    assert (answer.status, answer.code) == (404, code)


async def test_a_scope_holds_a_thousand(cloud: Cloud, client: Client) -> None:
    for number in range(1000):
        cloud.arm.seed(exemption_id(GROUP, f"e{number}"), exemption())
    assert (await client.put(exemption_id(GROUP, "more"), exemption())).code == "PolicyExemptionQuotaExceeded"
    assert (await client.put(exemption_id(GROUP, "e5"), exemption(displayName="x"))).status == 200


async def test_lists_show_what_applies(cloud: Cloud, client: Client) -> None:
    root = "/providers/Microsoft.Management/managementGroups/root"
    for name, scope in {"r": root, "m": CORP, "s": SUBSCRIPTION, "g": GROUP, "v": VAULT}.items():
        cloud.arm.seed(exemption_id(scope, name), exemption(INITIATIVE if name == "g" else SINGLE))
    cloud.arm.seed(exemption_id(GROUP, "old"), exemption(expiresOn="2020-01-01T00:00:00Z"))
    cloud.arm.seed(GROUP.removesuffix("er"))

    async def names(scope: str, text: str = "") -> set[str]:
        more = {"filter": text} if text else {}
        return set(await client.names(f"{scope}{AUTH}/policyExemptions", **more))

    assert await names(SUBSCRIPTION) == {"r", "m", "s", "g", "v", "old"}
    assert await names(SUBSCRIPTION, "atScope()") == {"r", "m", "s"}
    assert await names(SUBSCRIPTION, "atExactScope()") == {"s"}
    assert await names(SUBSCRIPTION, "excludeExpired()") == {"r", "m", "s", "g", "v"}
    assert await names(SUBSCRIPTION, f"policyAssignmentId eq '{INITIATIVE.upper()}'") == {"g"}
    assert await names(CORP, "atScope()") == {"r", "m"}
    assert await names(CORP) == {"r", "m"}
    assert await names(GROUP, "atExactScope()") == {"g", "old"}
    assert await names(SUBSCRIPTION, "atScopeAndBelow()") == {"s", "g", "v", "old"}
    assert await names(SUBSCRIPTION, "atScopeAndBelow() and excludeExpired()") == {"s", "g", "v"}
    assert await names(root, "atScopeAndBelow()") == {"r", "m", "s", "g", "v", "old"}
    assert await names(CORP, "ATSCOPEANDBELOW()") == {"m", "s", "g", "v", "old"}
    assert await names(VAULT, "atScopeAndBelow()") == {"v"}
    assert await names(GROUP.removesuffix("er"), "atScopeAndBelow()") == set()
    assert await names(VAULT, "atScope()") == {"r", "m", "s", "g", "v", "old"}
    bad = await client.get(f"{SUBSCRIPTION}{AUTH}/policyExemptions", filter="name eq 'x'")
    assert (bad.status, bad.code) == (400, "InvalidFilterInQueryString")


async def test_lists_come_in_pages(cloud: Cloud, client: Client) -> None:
    for number in range(25):
        cloud.arm.seed(exemption_id(GROUP, f"e{number:02}"), exemption())
    await client.control("PUT", "paging", {"size": 10})
    seen: list[str] = []
    link = f"{SUBSCRIPTION}{AUTH}/policyExemptions?api-version=2022-07-01-preview&$filter=excludeExpired()"
    while link:
        body = (await client.get(link)).body
        seen += [row["name"] for row in body["value"]]
        link = body.get("nextLink", "")
    assert seen == [f"e{number:02}" for number in range(25)]
    assert (await client.get(f"{CORP}{AUTH}/policyExemptions")).body == {"value": []}


EXAMPLES = reference.files("corpus/rest", "*createOrUpdatePolicyExemption.json")
RECORDED = reference.files("corpus/rest", "*__PUT201_response.json")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", EXAMPLES, ids=reference.label)
async def test_answers_as_the_specification_shows(cloud: Cloud, client: Client, path: Path) -> None:
    example = read(path)
    given = example["parameters"]
    set_id = f"{AUTH}/policySetDefinitions/base"
    assignment = given["parameters"]["properties"]["policyAssignmentId"]
    cloud.arm.add_subscription(given["scope"].split("/")[1])
    cloud.arm.seed("/" + given["scope"])
    cloud.arm.seed(assignment, {"properties": {"policyDefinitionId": set_id}})
    url = f"/{given['scope']}{AUTH}/policyExemptions/{given['policyExemptionName']}"
    # The stable version of one example was never published (azure.md, section 2).
    version = given["api-version"].replace("2021-07-01", "2020-07-01-preview")
    for status in (201, 200):
        answer = await client.put(url, given["parameters"], version=version)
        expected = example["responses"][str(status)]["body"]
        assert answer.status == status
        assert set(answer.body["systemData"]) == set(expected["systemData"])
        assert {**answer.body, "systemData": None} == {**expected, "systemData": None}


@pytest.mark.parametrize("path", RECORDED, ids=reference.label)
async def test_answers_as_azure_was_recorded(cloud: Cloud, client: Client, path: Path) -> None:
    request = read(path.with_name(path.name.replace("__PUT201_response", "__PUT_request")))
    recorded = read(path)
    assignment = request["properties"]["policyAssignmentId"]
    cloud.arm.add_subscription(assignment.split("/")[2])
    cloud.arm.seed(assignment, {"properties": {"policyDefinitionId": f"{AUTH}/policyDefinitions/tls"}})
    answer = await client.put("/" + recorded["id"], request, version="2024-12-01-preview")
    assert answer.status == 201
    assert {**answer.body, "systemData": None} == {**recorded, "systemData": None}
    assert list(answer.body["systemData"]) == list(recorded["systemData"])
