"""What exemptions hang on: groups, resources, assignments, tags, deployments, and the inventory."""

from typing import Any

import pytest

from sandbox.cloud import Cloud
from sandbox.identity import TENANT_ID, token_for
from tests.sandbox.conftest import (
    AUTH,
    CORP,
    GROUP,
    INITIATIVE,
    SUB,
    SUBSCRIPTION,
    VAULT,
    Client,
    exemption,
    exemption_id,
)

RESOURCES = "2021-04-01"


async def test_deleting_a_target_takes_its_exemptions_along(client: Client) -> None:
    for scope, name in ((SUBSCRIPTION, "s"), (GROUP, "g"), (VAULT, "v")):
        await client.put(exemption_id(scope, name), exemption())
    assert (await client.send("DELETE", VAULT)).status == 200
    assert set(await client.names(f"{SUBSCRIPTION}{AUTH}/policyExemptions")) == {"s", "g"}
    assert (await client.send("DELETE", VAULT)).status == 204
    assert (await client.send("DELETE", GROUP)).status == 200
    assert await client.names(f"{SUBSCRIPTION}{AUTH}/policyExemptions") == ["s"]
    assert (await client.get(exemption_id(GROUP, "g"))).code == "ResourceGroupNotFound"
    assert (await client.put(GROUP, {"location": "westeurope"})).status == 201
    assert await client.names(f"{GROUP}{AUTH}/policyExemptions", filter="atExactScope()") == []


async def test_resources_need_what_they_depend_on(client: Client) -> None:
    lost = f"{SUBSCRIPTION}/resourceGroups/none/providers/Microsoft.Web/sites/a"
    assert (await client.put(lost, {})).code == "ResourceGroupNotFound"
    site = f"{GROUP}/providers/Microsoft.Web/sites/a"
    assert (await client.put(f"{site}/slots/b", {})).code == "ResourceNotFound"
    assert (await client.put(site, {"location": "x", "properties": {"a": 1}})).status == 201
    assert (await client.put(f"{site}/slots/b", {})).status == 201
    shown = (await client.get(site.upper())).body
    assert (shown["id"], shown["type"], shown["properties"]["a"]) == (site, "Microsoft.Web/sites", 1)
    assert (await client.send("POST", f"{site}/restart")).status == 200
    assert await client.names(f"{GROUP}/resources", version=RESOURCES) == ["kv1", "a", "b"]
    sites = "resourceType eq 'microsoft.web/sites'"
    typed = await client.names(f"{SUBSCRIPTION}/resources", version=RESOURCES, filter=sites)
    assert typed == ["a"]
    await client.send("DELETE", site)
    assert (await client.get(f"{site}/slots/b")).code == "ResourceNotFound"
    assert await client.names(f"{SUBSCRIPTION}/resourcegroups", version=RESOURCES) == ["demoCluster"]


async def test_assignments_and_definitions(client: Client) -> None:
    definition = f"{SUBSCRIPTION}{AUTH}/policySetDefinitions/mine"
    members = [{"policyDefinitionId": f"{AUTH}/policyDefinitions/tls"}]
    made = await client.put(definition, {"properties": {"policyDefinitions": members}}, version="2023-04-01")
    assert made.status == 201
    assert made.body["properties"]["policyType"] == "Custom"
    reference = made.body["properties"]["policyDefinitions"][0]["policyDefinitionReferenceId"]
    assert reference.isdigit()

    assignment = f"{GROUP}{AUTH}/policyAssignments/a1"
    assert (await client.put(assignment, {"properties": {}})).code == "InvalidCreatePolicyAssignmentRequest"
    wrong = {"properties": {"policyDefinitionId": definition + "x"}}
    assert (await client.put(assignment, wrong)).code == "PolicySetDefinitionNotFound"
    put = await client.put(assignment, {"properties": {"policyDefinitionId": definition}})
    assert (put.status, put.body["properties"]["scope"]) == (201, GROUP)
    narrow = exemption(assignment, policyDefinitionReferenceIds=[reference])
    assert (await client.put(exemption_id(VAULT, "e1"), narrow)).status == 201

    assert set(await client.names(f"{GROUP}{AUTH}/policyAssignments", filter="atScope()")) == {
        "a1",
        "single",
        "initiative",
    }
    assert (await client.send("DELETE", assignment)).body["name"] == "a1"
    assert (await client.get(assignment)).code == "PolicyAssignmentNotFound"
    assert (await client.get(exemption_id(VAULT, "e1"))).status == 200
    builtin = await client.get(f"{AUTH}/policyDefinitions/tls")
    assert builtin.body["properties"]["policyType"] == "BuiltIn"
    assert (await client.put(f"{AUTH}/policyDefinitions/tls", {})).status == 403
    assert (await client.get(f"{AUTH}/policyDefinitions/no")).code == "PolicyDefinitionNotFound"


async def test_policy_definitions_keep_their_metadata_as_it_is_spelled(client: Client) -> None:
    own = f"{CORP}{AUTH}/policyDefinitions/own"
    said = {"mode": "All", "policyRule": {"if": {}}, "metadata": {"Category": "Storage", "severity": "High"}}
    assert (await client.put(own, {"properties": said}, version="2025-03-01")).status == 201
    found = await client.get(own.upper(), version="2021-06-01")
    assert found.body["properties"] == {**said, "policyType": "Custom"}
    listed = (await client.get(f"{CORP}{AUTH}/policyDefinitions", version="2025-03-01")).body["value"]
    assert {row["name"]: row["properties"].get("metadata") for row in listed} == {"own": said["metadata"], "tls": None}


async def test_an_enrollment_is_bound_to_the_life_of_its_assignment(client: Client) -> None:
    """Statuses and fields as recorded: azure-powershell, GetPolicyEnrollment, Backcompat-PolicyDefinitionMode."""
    assignment, enrollment = f"{GROUP}{AUTH}/policyAssignments/a1", f"{GROUP}{AUTH}/policyEnrollments/n1"
    body = {"properties": {"policyDefinitionId": f"{AUTH}/policyDefinitions/tls", "instanceId": "mine"}}
    made = await client.put(assignment, body)
    life = made.body["properties"]["instanceId"]
    assert life != "mine"
    again = await client.put(assignment, body)
    assert (made.status, again.status, again.body["properties"]["instanceId"]) == (201, 201, life)
    assert "instanceId" not in (await client.get(assignment, version="2025-03-01")).body["properties"]
    patched = await client.send("PATCH", assignment, {"properties": {"displayName": "x"}})
    assert (patched.status, patched.body["properties"]["instanceId"]) == (200, life)

    enrolled = await client.put(enrollment, {"properties": {"policyAssignmentId": assignment}})
    assert (enrolled.status, enrolled.body["properties"]["policyAssignmentInstanceId"]) == (201, life)
    assert enrolled.body["etag"].startswith('"')
    await client.send("DELETE", assignment)
    renewed = (await client.put(assignment, body)).body["properties"]["instanceId"]
    assert renewed != life
    kept = await client.put(enrollment, {"properties": {"policyAssignmentId": assignment}})
    assert (kept.status, kept.body["properties"]["policyAssignmentInstanceId"]) == (200, life)
    assert kept.body["etag"] != enrolled.body["etag"]
    gone = await client.send("DELETE", enrollment)
    assert (gone.status, gone.body) == (200, kept.body)
    own = f"{SUBSCRIPTION}{AUTH}/policyDefinitions/own"
    assert [(await client.put(own, {"properties": {}})).status for _ in range(2)] == [201, 201]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["own", "tls"]), ("policyType eq 'Custom'", ["own"]), ("policyType eq 'builtin'", ["tls"]),
        ("category eq 'Storage'", ["own"]), ("category eq 'Other'", []),
        ("atExactScope() and policyType eq 'BuiltIn'", []),
    ],
)  # fmt: skip
async def test_definitions_are_filtered(client: Client, text: str, names: list[str]) -> None:
    said = {"properties": {"metadata": {"category": "Storage"}}}
    await client.put(f"{CORP}{AUTH}/policyDefinitions/own", said)
    more = {"filter": text} if text else {}
    assert sorted(await client.names(f"{CORP}{AUTH}/policyDefinitions", **more)) == names


async def test_the_management_group_tree(client: Client) -> None:
    sales = "/providers/Microsoft.Management/managementGroups/sales"
    parent = {"properties": {"displayName": "Sales", "details": {"parent": {"id": CORP}}}}
    made = await client.put(sales, parent, version="2021-04-01")
    assert made.body["properties"]["details"]["parent"]["name"] == "corp"
    await client.put(exemption_id(sales, "mg"), exemption())
    listed = f"{SUBSCRIPTION}{AUTH}/policyExemptions"
    assert await client.names(listed) == []
    assert (await client.put(f"{sales}/subscriptions/{SUB}", {}, version="2021-04-01")).status == 200
    assert await client.names(listed) == ["mg"]
    (member,) = (await client.get(f"{sales}/subscriptions", version="2021-04-01")).body["value"]
    assert member["properties"] == {
        "displayName": "demo", "parent": {"id": sales}, "state": "Active", "tenant": TENANT_ID,
    }  # fmt: skip
    await client.control("POST", "subscriptions", {"subscriptionId": "s2", "managementGroup": "corp"})
    assert (await client.get("/subscriptions/S2", version=RESOURCES)).body["subscriptionId"] == "s2"
    assert await client.names("/subscriptions/s2" + AUTH + "/policyExemptions") == []


async def test_tags(client: Client) -> None:
    path = f"{GROUP}/providers/Microsoft.Resources/tags/default"

    async def patch(operation: str, **tags: str) -> Any:
        body = {"operation": operation, "properties": {"tags": tags}}
        answer = await client.send("PATCH", path, body, version=RESOURCES)
        assert answer.status == 200
        return answer.body["properties"]["tags"]

    assert (await client.get(path, version=RESOURCES)).body["properties"] == {"tags": {}}
    assert await patch("Merge", Team="a", env="prod") == {"Team": "a", "env": "prod"}
    assert await patch("Merge", TEAM="b") == {"Team": "b", "env": "prod"}
    assert (await client.get(GROUP, version=RESOURCES)).body["tags"] == {"Team": "b", "env": "prod"}
    assert await patch("Delete", team="b", env="other") == {"env": "prod"}
    assert await patch("Replace", x="y") == {"x": "y"}
    put = await client.put(path, {"properties": {"tags": {"z": "1"}}}, version=RESOURCES)
    assert put.body["properties"]["tags"] == {"z": "1"}
    assert (await client.send("DELETE", path, version=RESOURCES)).status == 200
    many = {"properties": {"tags": {f"t{number}": "" for number in range(51)}}}
    assert (await client.put(path, many, version=RESOURCES)).status == 400
    lost = f"{GROUP}x/providers/Microsoft.Resources/tags/default"
    assert (await client.get(lost, version=RESOURCES)).code == "ResourceGroupNotFound"
    await client.put(exemption_id(GROUP, "e1"), exemption())
    own = f"{exemption_id(GROUP, 'e1')}/providers/Microsoft.Resources/tags/default"
    assert (await client.put(own, many, version=RESOURCES)).status == 400


def template(*resources: dict[str, Any], mode: str = "Incremental") -> dict[str, Any]:
    return {"properties": {"mode": mode, "template": {"resources": list(resources)}}}


async def test_deployments(client: Client) -> None:
    path = f"{GROUP}/providers/Microsoft.Resources/deployments/d1"
    storage = {"type": "Microsoft.Storage/storageAccounts", "name": "st1", "apiVersion": "2023-01-01", "location": "x"}
    service = {
        "type": "Microsoft.Storage/storageAccounts/blobServices",
        "name": "st1/default",
        "apiVersion": "2023-01-01",
    }
    waiver = {
        "type": "Microsoft.Authorization/policyExemptions", "apiVersion": "2022-07-01-preview", "name": "deployed",
        "scope": "Microsoft.Storage/storageAccounts/st1", **exemption(INITIATIVE),
    }  # fmt: skip
    done = await client.put(path, template(storage, service, waiver), version=RESOURCES)
    assert (done.status, done.body["properties"]["provisioningState"]) == (201, "Succeeded")
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st1"
    assert (await client.get(f"{account}/blobServices/default")).status == 200
    assert (await client.get(exemption_id(account, "deployed"))).status == 200
    assert (await client.get(VAULT)).status == 200

    await client.put(exemption_id(VAULT, "by-hand"), exemption())
    again = await client.put(path, template(storage, mode="Complete"), version=RESOURCES)
    assert again.status == 200
    assert (await client.get(VAULT)).code == "ResourceNotFound"
    assert (await client.get(exemption_id(VAULT, "by-hand"))).code == "PolicyExemptionNotFound"
    assert (await client.get(exemption_id(account, "deployed"))).status == 200

    bad = template({"type": "A.B/c", "name": "[concat('x')]", "apiVersion": "2020-01-01"})
    assert (await client.put(path, bad, version=RESOURCES)).code == "InvalidTemplate"
    assert (await client.put(path, {}, version=RESOURCES)).code == "InvalidRequestContent"


QUERY = "policyresources | where type =~ 'microsoft.authorization/policyexemptions' | project id,name,type,properties"
GRAPH = "/providers/Microsoft.ResourceGraph/resources"


async def test_resource_graph_gives_the_inventory_in_pages(cloud: Cloud, client: Client) -> None:
    for number in range(5):
        cloud.arm.seed(exemption_id(GROUP, f"e{number}"), exemption(exemptionManagementMode="Admin"))
    cloud.arm.seed(exemption_id(CORP, "mg"), exemption())

    async def ask(options: dict[str, Any] | None = None, query: str = QUERY, **scopes: list[str]) -> Any:
        body = {"query": query, "options": options or {}, **scopes}
        return (await client.send("POST", GRAPH, body, version="2022-10-01")).body

    first = await ask({"$top": 4, "resultFormat": "objectArray"}, managementGroups=["CORP"])
    assert (first["totalRecords"], first["count"], first["resultTruncated"]) == (6, 4, "false")
    second = await ask({"$top": 4, "$skipToken": first["$skipToken"]}, managementGroups=["corp"])
    assert "$skipToken" not in second
    rows = first["data"] + second["data"]
    assert {row["name"] for row in rows} == {"mg", "e0", "e1", "e2", "e3", "e4"}
    assert {row["type"] for row in rows} == {"microsoft.authorization/policyexemptions"}
    assert not any("exemptionManagementMode" in row["properties"] for row in rows)
    assert (await ask(subscriptions=[SUB]))["count"] == 5
    silent = await ask({"$top": 2}, query=QUERY.replace("id,", ""))
    assert (silent["resultTruncated"], "$skipToken" in silent) == ("true", False)


async def test_resource_graph_lags_and_hides(client: Client) -> None:
    async def names(who: Client) -> set[str]:
        answer = await who.send("POST", GRAPH, {"query": QUERY}, version="2022-10-01")
        assert int(answer.headers["x-ms-user-quota-remaining"]) >= 0
        return {row["name"] for row in answer.body["data"]}

    await client.put(exemption_id(GROUP, "e1"), exemption())
    await client.put(exemption_id(CORP, "mg"), exemption())
    await client.control("PUT", "graph", {"frozen": True})
    await client.send("DELETE", exemption_id(GROUP, "e1"))
    assert await names(client) == {"e1", "mg"}
    await client.control("PUT", "graph", {"frozen": False})
    assert await names(client) == {"mg"}
    await client.put(exemption_id(GROUP, "e2"), exemption())
    await client.control("PUT", "permissions", {"o1": [{"scope": SUBSCRIPTION, "actions": ["*/read"]}]})
    assert await names(client.as_(token_for("reader", "o1"))) == {"e2"}
    bad = await client.send("POST", GRAPH, {"query": "resources | count"}, version="2022-10-01")
    assert bad.status == 400


@pytest.mark.parametrize("name", ["nothing", "faults"])
async def test_the_control_api_says_what_is_wrong(client: Client, name: str) -> None:
    url = f"{client.address}/_sandbox/{name}"
    async with client.session.post(url, json={"colour": "red", "path": "("}) as answer:
        assert answer.status in {400, 404}
        assert "error" in await answer.json()


async def test_every_caller_may_ask_for_its_tenant(client: Client, cloud: Cloud) -> None:
    cloud.arm.tenant_name = "Fabrikam"
    cloud.arm.access.grants["00000000-0000-4000-8000-0000000000ad"] = []
    answer = await client.get("/tenants", version="2022-12-01")
    assert answer.status == 200
    [one] = answer.body["value"]
    assert (one["id"], one["tenantId"], one["displayName"]) == (f"/tenants/{TENANT_ID}", TENANT_ID, "Fabrikam")
    assert cloud.arm.log.counts["GET tenants"] == 1
    assert (await client.as_("").get("/tenants", version="2022-12-01")).status == 401
    assert (await client.get("/tenants", version="")).code == "MissingApiVersionParameter"
