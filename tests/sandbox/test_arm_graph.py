"""Resource Graph's stand-in: what it understands, whom it shows what, and what goes wrong on request."""

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from sandbox.arm import changes
from sandbox.arm.target import parse
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.clock import VirtualClock
from tests.sandbox.conftest import AUTH, CORP, GROUP, SUB, SUBSCRIPTION, VAULT, Answer, Client, exemption, exemption_id

PATH = "/providers/Microsoft.ResourceGraph/resources"
QUERY = "policyresources | where type =~ 'microsoft.authorization/policyexemptions' | order by tolower(id) asc"
CONTAINERS = (
    "resourcecontainers | where type in~ ('microsoft.resources/subscriptions', 'Microsoft.Management/managementGroups')"
)


async def ask(client: Client, query: str = f"{QUERY} | project id", **body: Any) -> Answer:
    return await client.send("POST", PATH, {"query": query, **body}, version="2022-10-01")


def seed(cloud: Cloud, count: int) -> list[str]:
    return [cloud.arm.seed(exemption_id(GROUP, f"e{n:02}"), exemption()) for n in range(count)]


def ids(answer: Answer) -> list[str]:
    return [row["id"] for row in answer.body["data"]]


async def test_columns_are_computed_and_absent_ones_are_null(cloud: Cloud, client: Client) -> None:
    seed(cloud, 1)
    columns = "name, about = properties.policyAssignmentId, deep = properties.metadata.owner, nothing"
    found = await ask(client, f"{QUERY} | project {columns}")
    expected = {"name": "e00", "about": f"{CORP}{AUTH}/policyAssignments/single", "deep": None, "nothing": None}
    assert found.body["data"] == [expected]


async def test_ids_select_rows_in_any_casing(cloud: Cloud, client: Client) -> None:
    seeded = seed(cloud, 3)
    quoted = cloud.arm.seed(exemption_id(GROUP, "o'dd | one"), exemption())
    condition = QUERY.replace("' |", f"' and id in~ ('{seeded[1].upper()}', '{quoted.replace("'", "\\'")}') |")
    assert ids(await ask(client, f"{condition} | project id")) == [seeded[1], quoted]


async def test_containers_are_rows_with_their_names(client: Client) -> None:
    found = (await ask(client, f"{CONTAINERS} | project name, display = properties.displayName, type")).body["data"]
    assert [(row["name"], row["display"]) for row in found] == [("corp", "corp"), ("root", "root"), ("demo", None)]
    assert {row["type"] for row in found} == {
        "microsoft.management/managementgroups",
        "microsoft.resources/subscriptions",
    }


TOP = "root"
"""The name of the highest management group."""


async def test_containers_show_what_is_above_them_and_that_lags_too(cloud: Cloud, client: Client) -> None:
    chain = "above = properties.managementGroupAncestorsChain, over = properties.details.managementGroupAncestorsChain"

    async def shown() -> dict[str, list[str]]:
        rows = (await ask(client, f"{CONTAINERS} | project name, {chain}")).body["data"]
        return {row["name"]: [one["name"] for one in row["above"] or row["over"] or []] for row in rows}

    assert await shown() == {"corp": ["root"], "root": [], "demo": ["corp", "root"]}
    cloud.arm.graph.freeze(on=True)
    moved = await client.put(f"/providers/Microsoft.Management/managementGroups/{TOP}/subscriptions/{SUB}", {})
    assert moved.status == 200
    assert (await shown())["demo"] == ["corp", "root"]
    cloud.arm.graph.freeze(on=False)
    assert (await shown())["demo"] == ["root"]


async def test_a_table_has_only_its_own_types(cloud: Cloud, client: Client) -> None:
    seed(cloud, 1)
    found = await ask(client, QUERY.replace("policyresources", "resourcecontainers"))
    assert found.body["totalRecords"] == 0


async def test_newer_fields_of_exemptions_are_not_shown(cloud: Cloud, client: Client) -> None:
    inner = [
        {"kind": "UserPrincipalId", "in": ["u"]}, {"kind": "resourceLocation", "in": ["westeurope"]},
        {"kind": "groupPrincipalId", "notIn": ["g"]},
    ]  # fmt: skip
    selectors = [{"name": "s", "selectors": inner}, {"name": "t"}]
    newer = {"exemptionManagementMode": "UserSelfServe", "assignmentScopeValidation": "DoNotValidate"}
    cloud.arm.seed(exemption_id(GROUP, "newer"), exemption(**newer, resourceSelectors=selectors))
    cloud.arm.seed(exemption_id(GROUP, "plain"), exemption())
    shown, plain = [row["properties"] for row in (await ask(client, QUERY)).body["data"]]
    assert "exemptionManagementMode" not in shown
    assert shown["resourceSelectors"] == [{"name": "s", "selectors": [inner[1]]}, {"name": "t"}]
    assert (shown["assignmentScopeValidation"], plain["assignmentScopeValidation"]) == (None, None)


VERSION_ROWS = "policyresources | where type =~ 'microsoft.authorization/policysetdefinitions/versions'"
SET_ROWS = "policyresources | where type =~ 'microsoft.authorization/policysetdefinitions' and id in~ ({ids})"
INITIATIVE_COLUMNS = (
    "project id, version = properties.version, versions = properties.versions, policyType = properties.policyType, "
    "members = properties.policyDefinitions"
)


def seed_versions(cloud: Cloud) -> tuple[str, str]:
    """Seed a built-in with two versions, and an own one of the management group corp."""
    identity = f"{AUTH}/policySetDefinitions/benchmark"
    for path, number in (("", "2.0.0"), ("/versions/2.0.0", "2.0.0"), ("/versions/1.0.0", "1.0.0")):
        members = [{"policyDefinitionId": "x", "policyDefinitionReferenceId": number}]
        cloud.arm.seed(identity + path, {"properties": {"version": number, "policyDefinitions": members}})
    return identity, cloud.arm.seed(f"{CORP}{AUTH}/policySetDefinitions/own", {"properties": {}})


async def test_initiatives_have_their_versions(cloud: Cloud, client: Client) -> None:
    identity, own = seed_versions(cloud)
    where = SET_ROWS.format(ids=f"'{identity.upper()}', '{own}'")
    rows = (await ask(client, f"{where} | order by tolower(id) asc | {INITIATIVE_COLUMNS}")).body["data"]
    members = [{"policyDefinitionId": "x", "policyDefinitionReferenceId": "2.0.0"}]
    assert rows == [
        {
            "id": identity,
            "version": "2.0.0",
            "versions": ["2.0.0", "1.0.0"],
            "policyType": "BuiltIn",
            "members": members,
        },
        {"id": own, "version": "1.0.0", "versions": ["1.0.0"], "policyType": "Custom", "members": []},
    ]


DEFINITION_ROWS = (
    "policyresources | where type =~ 'microsoft.authorization/policydefinitions' | order by tolower(id) asc"
)


async def test_policy_definitions_have_their_metadata_and_are_no_versions(cloud: Cloud, client: Client) -> None:
    metadata = {"category": "Storage", "version": "1.0.0"}
    own = cloud.arm.seed(f"{CORP}{AUTH}/policyDefinitions/own", {"properties": {"metadata": metadata}})
    cloud.arm.seed(f"{own}/versions/0.9.0", {"properties": {"metadata": {"category": "Old"}}})
    query = f"{DEFINITION_ROWS} | project id, metadata = properties.metadata, category = properties.metadata.category"
    rows = [
        {"id": f"{AUTH}/policyDefinitions/tls", "metadata": None, "category": None},
        {"id": own, "metadata": metadata, "category": "Storage"},
    ]
    assert (await ask(client, query)).body["data"] == rows
    assert (await ask(client, query, subscriptions=[SUB])).body["data"] == rows[:1]
    above = {"authorizationScopeFilter": "AtScopeAboveAndBelow"}
    assert (await ask(client, query, subscriptions=[SUB], options=above)).body["data"] == rows
    await client.control("PUT", "permissions", {"o1": []})
    assert (await ask(client.as_(token_for("reader", "o1")), query)).body["data"] == rows[:1]


async def test_each_version_is_a_row(cloud: Cloud, client: Client) -> None:
    identity, own = seed_versions(cloud)
    every = f"{VERSION_ROWS} | order by tolower(id) asc | project id"
    base = f"{AUTH}/policySetDefinitions/base/versions/1.0.0"
    shown = [base, f"{identity}/versions/1.0.0", f"{identity}/versions/2.0.0", f"{own}/versions/1.0.0"]
    assert ids(await ask(client, every)) == shown
    wanted = f"'{identity}/VERSIONS/1.0.0', '{own}/versions/1.0.0', '{identity}/versions/3.0.0', '{identity}'"
    rows = (await ask(client, f"{VERSION_ROWS} and id in~ ({wanted}) | {INITIATIVE_COLUMNS}")).body["data"]
    assert [(row["id"], row["version"], row["versions"]) for row in rows] == [
        (shown[1], "1.0.0", None), (shown[3], "1.0.0", None),
    ]  # fmt: skip
    assert rows[0]["members"][0]["policyDefinitionReferenceId"] == "1.0.0"
    assert (await ask(client, VERSION_ROWS)).body["data"][0][
        "type"
    ] == "microsoft.authorization/policysetdefinitions/versions"


async def test_versions_are_where_their_definition_is(cloud: Cloud, client: Client) -> None:
    _, own = seed_versions(cloud)
    query = f"{VERSION_ROWS} | order by tolower(id) asc | project id"
    await client.control("PUT", "permissions", {"o1": []})
    nobody = await ask(client.as_(token_for("reader", "o1")), query)
    assert (len(ids(nobody)), f"{own}/versions/1.0.0" in ids(nobody)) == (3, False)
    assert f"{own}/versions/1.0.0" not in ids(await ask(client, query, subscriptions=[SUB]))
    above = {"authorizationScopeFilter": "AtScopeAboveAndBelow"}
    assert f"{own}/versions/1.0.0" in ids(await ask(client, query, subscriptions=[SUB], options=above))
    assert f"{own}/versions/1.0.0" in ids(await ask(client, query, managementGroups=["corp"]))


async def test_versions_lag_as_other_rows_do(cloud: Cloud, client: Client) -> None:
    identity, own = seed_versions(cloud)
    await client.control("PUT", "graph", {"frozen": True})
    cloud.arm.seed(f"{identity}/versions/1.1.0", {"properties": {}})
    cloud.arm.seed(f"{AUTH}/policySetDefinitions/later", {"properties": {}})
    query = f"{SET_ROWS.format(ids=f"'{identity}', '{own}'")} | {INITIATIVE_COLUMNS}"
    assert (await ask(client, query)).body["data"][0]["versions"] == ["2.0.0", "1.0.0"]
    assert len(ids(await ask(client, f"{VERSION_ROWS} | project id"))) == 4
    await client.control("PUT", "graph", {"frozen": False})
    assert (await ask(client, query)).body["data"][0]["versions"] == ["2.0.0", "1.1.0", "1.0.0"]
    assert len(ids(await ask(client, f"{VERSION_ROWS} | project id"))) == 6


async def test_assignments_show_their_pin_and_no_more(cloud: Cloud, client: Client) -> None:
    identity, _ = seed_versions(cloud)
    pinned = {"properties": {"policyDefinitionId": identity, "definitionVersion": "1.*.*"}}
    cloud.arm.seed(f"{SUBSCRIPTION}{AUTH}/policyAssignments/pinned", pinned)
    query = "policyresources | where type =~ 'microsoft.authorization/policyassignments' | project id, properties"
    (row,) = (await ask(client, query, subscriptions=[SUB])).body["data"]
    assert row["properties"]["definitionVersion"] == "1.*.*"
    assert not {"effectiveDefinitionVersion", "latestDefinitionVersion"} & set(row["properties"])


TAGGED = {
    "plain": {"env": "prod"}, "ours": {"Exception": "E-1"}, "talk": {"about": "exception"},
    "both": {"exception": "", "x": "y"},
}  # fmt: skip


def tag_vaults(cloud: Cloud) -> None:
    for name, tags in TAGGED.items():
        cloud.arm.seed(f"{GROUP}/providers/Microsoft.KeyVault/vaults/{name}", {"tags": tags})


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("tostring(tags) contains '\"exception\"'", ["both", "ours", "talk"]),
        ("tostring(tags) contains '\"exception\":'", ["both", "ours"]),
        ("tostring(tags) contains '\"x\"' or tostring(tags) contains '\"env\"'", ["both", "plain"]),
        ("tostring(tags) contains '\"x\"' and tostring(tags) contains '\"exception\"'", ["both"]),
        ("tostring(tags.env) =~ 'PROD'", ["plain"]),
        ("tostring(name) in~ ('OURS', 'talk', 'none') and type =~ 'microsoft.keyvault/vaults'", ["ours", "talk"]),
        ("tostring(tags) contains 'nothing'", []),
    ],
)
async def test_conditions_on_texts(cloud: Cloud, client: Client, condition: str, found: list[str]) -> None:
    tag_vaults(cloud)
    answer = await ask(client, f"resources | where {condition} | order by tolower(id) asc | project id, name")
    assert [row["name"] for row in answer.body["data"]] == found


async def test_resources_are_neither_groups_nor_policies(cloud: Cloud, client: Client) -> None:
    seed(cloud, 1)
    found = await ask(client, "resources | order by tolower(id) asc | project id")
    assert ids(found) == [VAULT]
    containers = await ask(client, "resourcecontainers | order by tolower(id) asc | project id")
    assert GROUP in ids(containers)
    assert VAULT not in ids(containers)


async def test_tags_that_change_are_seen_at_once_unless_rows_are_frozen(cloud: Cloud, client: Client) -> None:
    query = "resources | where tostring(tags) contains '\"env\"' | project id, tags"
    tags = f"{VAULT}/providers/Microsoft.Resources/tags/default"
    assert ids(await ask(client, query)) == []
    await client.put(tags, {"properties": {"tags": {"env": "a"}}}, version="2021-04-01")
    assert ids(await ask(client, query)) == [VAULT]
    await client.control("PUT", "graph", {"frozen": True})
    await client.put(tags, {"properties": {"tags": {"env": "b"}}}, version="2021-04-01")
    assert (await ask(client, query)).body["data"][0]["tags"] == {"env": "a"}


async def test_changes_say_who_made_and_who_tagged(client: Client) -> None:
    made = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one"
    for tags in ({"env": "a", "cost": "1"}, {"env": "b", "cost": "1", "empty": ""}, {"env": "b"}):
        await client.put(made, {"location": "x", "tags": tags}, version="2024-01-01")
    await client.put(GROUP, {"location": "x", "tags": {"env": "a"}}, version="2021-04-01")
    columns = "id, who = properties.changeAttributes.changedBy, kind = properties.changeType, what = properties.changes"
    found = (await ask(client, f"resourcechanges | project {columns}")).body["data"]
    assert sorted((row["kind"], sorted(row["what"])) for row in found) == [
        ("Create", []), ("Update", ["tags.cost"]), ("Update", ["tags.env"]),
    ]  # fmt: skip
    assert {row["who"] for row in found} == {"ada@contoso.com"}
    assert all(row["id"].startswith(f"{made}/providers/Microsoft.Resources/changes/") for row in found)
    [group] = (await ask(client, f"resourcecontainerchanges | project {columns}")).body["data"]
    assert group["what"] == {"tags.env": {"previousValue": None, "newValue": "a"}}


async def test_changes_are_shown_to_those_who_may_read_the_resource(cloud: Cloud, client: Client) -> None:
    changes.add(cloud.arm.store, parse(VAULT), "x", cloud.arm.clock(), None)
    changes.add(cloud.arm.store, parse(VAULT), "y", cloud.arm.clock() - timedelta(days=15), None)
    reader = client.as_(token_for("reader", "o1"))
    await client.control("PUT", "permissions", {"o1": []})
    assert ids(await ask(reader, "resourcechanges | project id")) == []
    assert len(ids(await ask(client, "resourcechanges | project id"))) == 1


async def test_tables_can_be_absent_or_closed(client: Client) -> None:
    await client.control("PUT", "graph", {"absent": ["resourcechanges"], "closed": ["resources"]})
    assert [(await ask(client, f"{table} | project id")).status for table in ("resourcechanges", "resources")] == [
        400,
        403,
    ]
    assert (await ask(client, f"{CONTAINERS} | project id")).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "nonsense", "tables | count", "policyresources", f"{QUERY} | take 5", f"{QUERY} | project a + b",
        "policyresources | where type =~ 'a' or type =~ 'b'", "policyresources | where name == 'x'",
        "policyresources | where id in~ ('x')", "policyresources | where type =~ 'a", f"{QUERY} | order by name asc",
        "resources | where type contains 'x'", "resources | where tostring(tags) contains 'x' or type =~ 'y'",
        "resources | where tostring(a) =~ 'x' and tostring(b) =~ 'y' or tostring(c) =~ 'z'",
        "resources | where tostring(tags) contains 'x' and", "resources | where tags contains 'x'",
    ],
)  # fmt: skip
async def test_what_is_not_understood_is_refused(client: Client, query: str) -> None:
    found = await ask(client, query)
    assert (found.status, found.code) == (400, "BadRequest")
    assert found.body["error"]["details"][0]["code"] == "InvalidQuery"


async def test_a_management_group_needs_read_on_it(cloud: Cloud, client: Client) -> None:
    seeded = seed(cloud, 1)
    await client.control("PUT", "permissions", {"o1": [{"scope": SUBSCRIPTION, "actions": ["*/read"]}]})
    reader = client.as_(token_for("reader", "o1"))
    assert (await ask(reader, managementGroups=["corp"])).status == 403
    assert ids(await ask(reader, subscriptions=[SUB])) == seeded
    assert (await ask(client, managementGroups=[f"g{n}" for n in range(11)])).status == 400


async def test_new_rights_are_seen_at_once(cloud: Cloud, client: Client) -> None:
    seeded = seed(cloud, 1)
    reader = client.as_(token_for("reader", "o1"))
    await client.control("PUT", "permissions", {"o1": []})
    assert ids(await ask(reader)) == []
    await client.control("PUT", "permissions", {"o1": [{"scope": SUBSCRIPTION, "actions": ["*/read"]}]})
    assert ids(await ask(reader)) == seeded


async def test_writes_are_seen_at_once(cloud: Cloud, client: Client) -> None:
    seeded = seed(cloud, 2)
    assert ids(await ask(client)) == seeded
    await client.send("DELETE", seeded[0])
    assert ids(await ask(client)) == seeded[1:]
    await client.put(exemption_id(GROUP, "new"), exemption())
    assert len(ids(await ask(client))) == 2


async def test_scopes_above_are_shown_when_asked_for(cloud: Cloud, client: Client) -> None:
    query = "policyresources | where type =~ 'microsoft.authorization/policyassignments' | project id"
    assert ids(await ask(client, query, subscriptions=[SUB])) == []
    options = {"authorizationScopeFilter": "AtScopeAboveAndBelow"}
    assert len(ids(await ask(client, query, subscriptions=[SUB], options=options))) == 2


async def test_the_payload_has_a_limit_on_request(cloud: Cloud, client: Client) -> None:
    seed(cloud, 5)
    await client.control("PUT", "graph", {"largest": 3})
    found = await ask(client)
    assert found.body["error"]["details"][0]["code"] == "ResponsePayloadTooLarge"
    assert len(ids(await ask(client, options={"$top": 3}))) == 3


async def test_the_quota_is_enforced_on_request(cloud: Cloud, client: Client, clock: VirtualClock) -> None:
    cloud.arm.graph._clock = clock.now
    await client.control("PUT", "graph", {"quota": {"limit": 2, "seconds": 3600}})
    found = [await ask(client) for _ in range(3)]
    assert [one.status for one in found] == [200, 200, 429]
    assert [one.headers["x-ms-user-quota-remaining"] for one in found] == ["1", "0", "0"]
    assert found[1].headers["x-ms-user-quota-resets-after"] == "01:00:00"
    assert found[2].headers["Retry-After"] == "3600"
    await client.control("POST", "reset")
    assert (await ask(client)).status == 200


async def test_a_page_fails_on_request(cloud: Cloud, client: Client) -> None:
    seed(cloud, 5)
    await client.control("PUT", "graph", {"fail": {"start": 2, "times": 2, "status": 503}})
    assert [(await ask(client, options={"$skip": n})).status for n in (0, 2, 2, 2)] == [200, 503, 503, 200]


async def test_tokens_expire_on_request(cloud: Cloud, client: Client) -> None:
    seed(cloud, 5)
    token = (await ask(client, options={"$top": 2})).body["$skipToken"]
    assert (await ask(client, options={"$skipToken": token})).status == 200
    await client.control("PUT", "graph", {"expire": True})
    assert (await ask(client, options={"$skipToken": token})).status == 400


async def test_raw_rows_are_among_the_exemptions(cloud: Cloud, client: Client) -> None:
    seeded = seed(cloud, 2)
    await client.control("PUT", "graph", {"extra": [{"id": seeded[0].upper(), "tenantId": "other"}, "text"]})
    assert (await ask(client)).body["data"] == [
        "text", {"id": seeded[0]}, {"id": seeded[0].upper(), "tenantId": "other"}, {"id": seeded[1]},
    ]  # fmt: skip
    assert len((await ask(client, f"{CONTAINERS} | project id")).body["data"]) == 3


async def test_fields_of_rows_are_taken_on_request(cloud: Cloud, client: Client) -> None:
    ends = exemption(expiresOn="2027-01-01T00:00:00Z", metadata={"owner": "a", "ticket": "b"})
    for name in ("e1", "e2"):
        cloud.arm.seed(exemption_id(GROUP, name), ends)
    taken = {
        "nulls": {"systemData": "", "properties.expiresOn": "/E2$", "properties.nothing": ""},
        "drops": {"properties.metadata.owner": "e1", "properties.metadata.x.y": "", "tenantId": "e1"},
    }
    await client.control("PUT", "graph", taken)
    first, second = (await ask(client, QUERY)).body["data"]
    assert (first["systemData"], second["systemData"]) == (None, None)
    assert (first["properties"]["expiresOn"], second["properties"]["expiresOn"]) == ("2027-01-01T00:00:00Z", None)
    assert (first["properties"]["metadata"], "tenantId" in first) == ({"ticket": "b"}, False)
    assert (second["properties"]["metadata"], "tenantId" in second) == ({"owner": "a", "ticket": "b"}, True)
    assert (await client.get(first["id"])).body["properties"]["metadata"] == {"owner": "a", "ticket": "b"}
    await client.control("POST", "reset")
    assert (await ask(client, QUERY)).body["data"][0]["systemData"]


async def test_the_graph_has_no_other_knobs(client: Client) -> None:
    async with client.session.put(f"{client.address}/_sandbox/graph", json={"colour": 1}) as answer:
        assert answer.status == 400
        assert "graph has no colour" in await answer.text()


async def test_thousands_are_seeded_and_paged(cloud: Cloud, client: Client) -> None:
    scopes = [f"{SUBSCRIPTION}/resourceGroups/rg{n}" for n in range(10)]
    text = "x" * 200
    items = [{"id": exemption_id(scopes[n % 10], f"e{n}"), "body": exemption(description=text)} for n in range(5000)]
    async with ClientSession() as session, session.post(f"{client.address}/_sandbox/seed", json=items) as answer:
        assert answer.status == 200  # over 1 MiB
        assert len(await answer.json()) == 5000
    for start in range(0, 5000, 1000):
        found = await ask(client, f"{QUERY} | project id, properties", options={"$top": 1000, "$skip": start})
        assert (found.body["count"], found.body["totalRecords"]) == (1000, 5000)
