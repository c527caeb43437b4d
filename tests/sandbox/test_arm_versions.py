"""Versions of definitions and pins of assignments, as ARM shows them.

Shapes: the specification's examples of 2025-03-01, getPolicyAssignment, listPolicyAssignments,
createPolicyAssignmentWithoutEnforcement, getPolicySetDefinition, getBuiltInPolicySetDefinitionVersion,
getPolicySetDefinitionVersionAtManagementGroup, listBuiltInPolicyDefinitionVersions.
"""

from typing import Any

import pytest

from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.sandbox.conftest import AUTH, CORP, GROUP, INITIATIVE, SUBSCRIPTION, Client, exemption, exemption_id

SET = f"{AUTH}/policySetDefinitions/benchmark"
PINNED = f"{SUBSCRIPTION}{AUTH}/policyAssignments/pinned"
BOTH = "LatestDefinitionVersion, EffectiveDefinitionVersion"


def members(*references: str) -> list[dict[str, str]]:
    definition = f"{AUTH}/policyDefinitions/tls"
    return [{"policyDefinitionId": definition, "policyDefinitionReferenceId": one} for one in references]


def seed(cloud: Cloud, set_id: str = SET, **versions: tuple[str, ...]) -> None:
    """Seed an initiative whose versions have these members, the latest first."""
    for number, references in versions.items():
        spelt = number.removeprefix("v").replace("_", ".").replace(".preview", "-preview")
        body = {"properties": {"version": spelt, "policyDefinitions": members(*references)}}
        if number == next(iter(versions)):
            cloud.arm.seed(set_id, body)
        cloud.arm.seed(f"{set_id}/versions/{spelt}", body)


def pin(cloud: Cloud, pattern: str | None, set_id: str = SET) -> None:
    cloud.arm.seed(PINNED, {"properties": {"policyDefinitionId": set_id, "definitionVersion": pattern}})


async def versions_of(client: Client, expand: str = BOTH, **more: str) -> dict[str, Any]:
    properties = (await client.get(PINNED, expand=expand, **more)).body["properties"]
    return {key: properties[key] for key in properties if key.endswith("efinitionVersion")}


@pytest.fixture
def benchmark(cloud: Cloud) -> Cloud:
    seed(
        cloud, v2_0_0=("a", "c"), v1_10_0=("a", "b"), v1_9_3=("a",), v1_9_0=("b",), v1_11_0_preview=("d",),
        v3_0_0_preview=("e",),
    )  # fmt: skip
    return cloud


@pytest.mark.parametrize(
    ("pattern", "effective"),
    [
        ("1.*.*", "1.10.0"), ("1.9.*", "1.9.3"), ("1.9.0", "1.9.0"), ("2.*.*", "2.0.0"), (None, "2.0.0"), ("", "2.0.0"),
        ("1.*.*-preview", "1.11.0-preview"), ("3.*.*-PREVIEW", "3.0.0-preview"),
        ("3.*.*", None), ("1.10.*-preview", None), ("7.*.*", None), ("1.*", None), ("1", None), ("*.*.*.*", None),
    ],
)  # fmt: skip
async def test_the_newest_version_that_a_pin_matches_is_effective(
    benchmark: Cloud, client: Client, pattern: str | None, effective: str | None
) -> None:
    pin(benchmark, pattern)
    shown = await versions_of(client)
    assert (shown.get("effectiveDefinitionVersion"), shown["latestDefinitionVersion"]) == (effective, "2.0.0")
    assert shown["definitionVersion"] == pattern


@pytest.mark.parametrize(
    ("expand", "shown"),
    [
        ("", set()),
        ("effectivedefinitionversion", {"effectiveDefinitionVersion"}),
        (
            " EffectiveDefinitionVersion ,LATESTDEFINITIONVERSION",
            {"effectiveDefinitionVersion", "latestDefinitionVersion"},
        ),
        ("LatestDefinitionVersion", {"latestDefinitionVersion"}),
        ("Other", set()),
    ],
)
async def test_only_what_is_asked_for_is_expanded(
    benchmark: Cloud, client: Client, expand: str, shown: set[str]
) -> None:
    pin(benchmark, "1.*.*")
    assert set(await versions_of(client, expand)) == {"definitionVersion", *shown}


async def test_lists_are_expanded_over_all_their_pages(benchmark: Cloud, client: Client) -> None:
    pin(benchmark, "1.*.*")
    await client.control("PUT", "paging", {"size": 1})
    found: dict[str, Any] = {}
    link = f"{SUBSCRIPTION}{AUTH}/policyAssignments?api-version=2025-03-01&$filter=atScope()&$expand={BOTH}"
    while link:
        body = (await client.get(link)).body
        found |= {row["name"]: row["properties"]["effectiveDefinitionVersion"] for row in body["value"]}
        link = body.get("nextLink", "")
    assert found == {"pinned": "1.10.0", "single": "1.0.0", "initiative": "1.0.0"}
    plain = await client.get(f"{SUBSCRIPTION}{AUTH}/policyAssignments")
    assert not any("effectiveDefinitionVersion" in row["properties"] for row in plain.body["value"])


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("2022-06-01", set()),
        ("2023-04-01", {"definitionVersion"}),
        ("2024-04-01", {"definitionVersion"}),
        ("2024-05-01", {"definitionVersion", "latestDefinitionVersion", "effectiveDefinitionVersion"}),
        ("2025-03-01", {"definitionVersion", "latestDefinitionVersion", "effectiveDefinitionVersion"}),
    ],
)
async def test_older_api_versions_know_no_pins(benchmark: Cloud, client: Client, version: str, shown: set[str]) -> None:
    pin(benchmark, "1.*.*")
    assert set(await versions_of(client, version=version)) == shown


async def test_a_version_has_its_own_members(benchmark: Cloud, client: Client) -> None:
    found = (await client.get(f"{SET.upper()}/versions/1.9.3")).body
    assert (found["id"], found["name"], found["type"]) == (
        f"{SET}/versions/1.9.3", "1.9.3", "Microsoft.Authorization/policySetDefinitions/versions",
    )  # fmt: skip
    assert found["properties"] == {"policyType": "BuiltIn", "version": "1.9.3", "policyDefinitions": members("a")}
    latest = (await client.get(SET)).body["properties"]
    assert latest["version"] == "2.0.0"
    assert latest["versions"] == ["3.0.0-preview", "2.0.0", "1.11.0-preview", "1.10.0", "1.9.3", "1.9.0"]
    older = (await client.get(SET, version="2021-06-01")).body["properties"]
    assert not {"version", "versions"} & set(older)


@pytest.mark.parametrize("size", [1, 100])
async def test_the_versions_are_listed(benchmark: Cloud, client: Client, size: int) -> None:
    await client.control("PUT", "paging", {"size": size})
    found, link = [], f"{SET}/versions?api-version=2025-03-01"
    while link:
        body = (await client.get(link)).body
        found += [row["properties"]["version"] for row in body["value"]]
        link = body.get("nextLink", "")
    assert sorted(found) == ["1.10.0", "1.11.0-preview", "1.9.0", "1.9.3", "2.0.0", "3.0.0-preview"]


@pytest.mark.parametrize("scope", ["", SUBSCRIPTION, CORP])
@pytest.mark.parametrize("kind", ["policySetDefinitions", "policyDefinitions"])
async def test_without_seeded_versions_there_is_the_own_one(
    cloud: Cloud, client: Client, scope: str, kind: str
) -> None:
    definition = cloud.arm.seed(f"{scope}{AUTH}/{kind}/mine", {"properties": {"displayName": "Mine"}})
    assert await client.names(f"{definition}/versions") == ["1.0.0"]
    found = (await client.get(f"{definition}/versions/1.0.0")).body
    assert (found["id"], found["type"]) == (
        f"{definition}/versions/1.0.0", f"Microsoft.Authorization/{kind}/versions",
    )  # fmt: skip
    assert (found["properties"]["version"], found["properties"]["displayName"]) == ("1.0.0", "Mine")
    assert found["properties"]["policyType"] == ("Custom" if scope else "BuiltIn")
    assert "versions" not in found["properties"]
    absent = await client.get(f"{definition}/versions/1.0.1")
    code = "PolicySetDefinitionVersionNotFound" if "Set" in kind else "PolicyDefinitionVersionNotFound"
    assert (absent.status, absent.code) == (404, code)


async def test_versions_of_no_definition(client: Client) -> None:
    for path in (f"{SET}x/versions", f"{CORP}{SET}x/versions"):
        assert (await client.get(path)).code == "PolicySetDefinitionNotFound"
    assert (await client.get(f"{SET}x/versions/1.0.0")).code == "PolicySetDefinitionVersionNotFound"


async def test_the_own_version_is_what_the_definition_says_now(cloud: Cloud, client: Client) -> None:
    cloud.arm.seed(SET, {"properties": {"version": "4.1.0", "policyDefinitions": members("a")}})
    cloud.arm.store.entries[SET.lower()].body["properties"]["policyDefinitions"] = members("b")
    found = (await client.get(f"{SET}/versions/4.1.0")).body["properties"]
    assert [one["policyDefinitionReferenceId"] for one in found["policyDefinitions"]] == ["b"]


async def test_a_version_can_be_listed_and_not_be_there(cloud: Cloud, client: Client) -> None:
    cloud.arm.seed(SET, {"properties": {"version": "2.0.0", "versions": ["2.0.0", "1.0.0"]}})
    pin(cloud, "1.*.*")
    assert (await versions_of(client))["effectiveDefinitionVersion"] == "1.0.0"
    assert (await client.get(f"{SET}/versions/1.0.0")).status == 404
    assert await client.names(f"{SET}/versions") == ["2.0.0"]


async def test_versions_come_and_go(benchmark: Cloud, client: Client) -> None:
    pin(benchmark, "1.*.*")
    benchmark.arm.seed(f"{SET}/versions/1.12.0", {"properties": {"policyDefinitions": members("z")}})
    assert (await versions_of(client))["effectiveDefinitionVersion"] == "1.12.0"
    await client.send("DELETE", f"{SET}/versions/1.12.0")
    assert (await versions_of(client))["effectiveDefinitionVersion"] == "1.10.0"
    assert (await client.get(f"{SET}/versions/1.12.0")).status == 404
    assert (await client.put(f"{SET}/versions/1.13.0", {"properties": {}})).status == 403  # a built-in


async def test_reading_a_version_takes_the_right_to(cloud: Cloud, client: Client) -> None:
    own = cloud.arm.seed(f"{CORP}{AUTH}/policySetDefinitions/own", {"properties": {}})
    await client.control("PUT", "permissions", {"o1": []})
    nobody = client.as_(token_for("nobody", "o1"))
    assert (await nobody.get(f"{AUTH}/policySetDefinitions/base/versions/1.0.0")).status == 200
    answer = await nobody.get(f"{own}/versions/1.0.0")
    assert (answer.status, "policySetDefinitions/versions/read" in answer.message) == (403, True)


@pytest.mark.parametrize(
    ("pattern", "references", "status"),
    [
        ("1.9.*", ["a"], 201), ("1.9.*", ["a", "c"], 400), ("1.9.0", ["B"], 201), ("1.9.0", ["a"], 400),
        ("2.*.*", ["c"], 201), (None, ["c"], 201), (None, ["b"], 400), ("1.*.*-preview", ["d"], 201),
        ("1.*.*", ["d"], 400), ("7.*.*", ["a"], 400),
    ],
)  # fmt: skip
async def test_an_exemption_names_members_of_the_pinned_version(
    benchmark: Cloud, client: Client, pattern: str | None, references: list[str], status: int
) -> None:
    pin(benchmark, pattern)
    answer = await client.put(exemption_id(GROUP, "e"), exemption(PINNED, policyDefinitionReferenceIds=references))
    assert answer.status == status
    if status == 400:
        assert answer.code == "InvalidPolicyDefinitionReference"


async def test_the_id_may_name_the_version(benchmark: Cloud, client: Client) -> None:
    made = await client.put(PINNED, {"properties": {"policyDefinitionId": f"{SET}/versions/1.9.0"}})
    assert made.status == 201
    assert (await versions_of(client))["effectiveDefinitionVersion"] == "1.9.0"
    for reference, status in (("a", 400), ("b", 201)):
        body = exemption(PINNED, policyDefinitionReferenceIds=[reference])
        assert (await client.put(exemption_id(GROUP, "e"), body)).status == status


async def test_a_pin_must_match_when_it_is_written(benchmark: Cloud, client: Client) -> None:
    body = {"properties": {"policyDefinitionId": SET, "definitionVersion": "57.*.*"}}
    refused = await client.put(PINNED, body)
    assert (refused.status, refused.code) == (400, "PolicySetDefinitionVersionNotFound")
    assert refused.message == (
        f"The policy assignment create request is invalid. Could not find a version of policy set definition: '{SET}' "
        "that matches '57.*.*'. The available versions are: "
        "'3.0.0-preview, 2.0.0, 1.11.0-preview, 1.10.0, 1.9.3, 1.9.0'"
    )


async def test_azure_writes_a_pin_where_none_is_given(benchmark: Cloud, client: Client) -> None:
    made = await client.put(PINNED, {"properties": {"policyDefinitionId": SET, "effectiveDefinitionVersion": "9.9.9"}})
    assert made.body["properties"]["definitionVersion"] == "2.*.*"
    assert "effectiveDefinitionVersion" not in made.body["properties"]
    benchmark.arm.seed(SET, {"properties": {"version": "5.0.0-preview"}})
    again = await client.put(PINNED, {"properties": {"policyDefinitionId": SET}})
    assert again.body["properties"]["definitionVersion"] == "5.*.*-preview"
    kept = await client.send("PATCH", PINNED, {"properties": {"displayName": "x"}}, version="2022-06-01")
    assert "definitionVersion" not in kept.body["properties"]
    assert (await versions_of(client))["definitionVersion"] == "5.*.*-preview"


async def test_a_custom_definition_is_at_its_first_version(client: Client) -> None:
    own = f"{SUBSCRIPTION}{AUTH}/policySetDefinitions/own"
    sent = {"policyDefinitions": members("a"), "version": "57.0.0", "versions": ["57.0.0"]}
    made = (await client.put(own, {"properties": sent})).body["properties"]
    assert (made["version"], made["versions"]) == ("1.0.0", ["1.0.0"])
    refused = await client.put(PINNED, {"properties": {"policyDefinitionId": own, "definitionVersion": "57.*.*"}})
    assert refused.message.endswith("The available versions are: '1.0.0'")
    made_too = await client.put(PINNED, {"properties": {"policyDefinitionId": own}})
    assert made_too.body["properties"]["definitionVersion"] == "1.*.*"
    assert (await client.send("DELETE", own)).body["properties"]["version"] == "1.0.0"
    assert "effectiveDefinitionVersion" not in await versions_of(client)


RULES = [{"properties": {"displayName": name, "mode": "All"}} for name in ("first", "second", "third")]


@pytest.mark.parametrize("scope", [SUBSCRIPTION, CORP])
@pytest.mark.parametrize("kind", ["policyDefinitions", "policySetDefinitions"])
async def test_versions_of_custom_definitions_are_written(client: Client, scope: str, kind: str) -> None:
    """Statuses: the specification's createOrUpdatePolicyDefinitionVersion. That the newest is shown is a guess."""
    own = f"{scope}{AUTH}/{kind}/own"
    await client.put(own, RULES[0])

    async def said(path: str = own) -> tuple[str, str]:
        properties = (await client.get(path)).body["properties"]
        return properties["version"], properties["displayName"]

    made = await client.put(f"{own}/versions/1.2.1", RULES[1])
    assert (made.status, made.body["id"], made.body["properties"]["version"]) == (201, f"{own}/versions/1.2.1", "1.2.1")
    assert made.body["properties"]["policyType"] == "Custom"
    assert await said() == ("1.2.1", "second")
    assert await said(f"{own}/versions/1.0.0") == ("1.0.0", "first")
    assert (await client.get(own)).body["properties"]["versions"] == ["1.2.1", "1.0.0"]
    assert (await client.put(f"{own}/versions/1.1.0", RULES[2])).status == 201
    assert await said() == ("1.2.1", "second"), "an older version is not what the definition says"
    assert (await client.put(f"{own}/versions/1.2.1", RULES[2])).status == 200
    assert await said() == ("1.2.1", "third")
    await client.put(own, RULES[0])
    assert await said() == ("1.2.1", "first"), "a write of the definition itself is one of its newest version"
    gone = await client.send("DELETE", f"{own}/versions/1.2.1")
    assert (gone.status, gone.body) == (200, None)
    assert await said() == ("1.1.0", "third")
    assert (await client.send("DELETE", f"{own}/versions/1.2.1")).status == 204
    assert (await client.send("DELETE", f"{own}/versions/1.0.0")).status == 200
    assert await client.names(f"{own}/versions") == ["1.1.0"]
    assert (await client.send("DELETE", f"{own}/versions/1.1.0")).status == 400
    assert await said(f"{own}/versions/1.1.0") == ("1.1.0", "third")


@pytest.mark.parametrize(
    ("number", "body", "status"),
    [
        ("1.2", RULES[0], 400), ("1.2.3-preview", RULES[0], 400), ("1.2.3", {"properties": {"version": "1.2.4"}}, 400),
        ("1.2.3", {"properties": {"version": "1.2.3"}}, 201),
    ],
)  # fmt: skip
async def test_a_version_is_three_numbers(client: Client, number: str, body: dict[str, Any], status: int) -> None:
    own = f"{SUBSCRIPTION}{AUTH}/policyDefinitions/own"
    assert (await client.put(f"{own}/versions/{number}", body)).code == "PolicyDefinitionNotFound"
    await client.put(own, RULES[0])
    assert (await client.put(f"{own}/versions/{number}", body)).status == status


async def test_what_a_built_in_says_itself_cannot_be_deleted(client: Client) -> None:
    own = f"{AUTH}/policyDefinitions/tls/versions/1.0.0"
    assert (await client.send("DELETE", own)).code == "AuthorizationFailed"
    assert (await client.get(own)).status == 200


async def test_all_versions_at_a_scope_are_listed(benchmark: Cloud, client: Client) -> None:
    own, above = f"{SUBSCRIPTION}{AUTH}/policySetDefinitions/own", f"{CORP}{AUTH}/policySetDefinitions/above"
    for one in (own, above):
        await client.put(one, RULES[0])
    await client.put(f"{own}/versions/2.0.0", RULES[1])

    async def ids(scope: str, what: str = "listPolicySetDefinitionVersions") -> set[str]:
        answer = await client.send("POST", f"{scope}{AUTH}/{what}")
        assert answer.status == 200
        return {row["id"] for row in answer.body["value"]}

    assert await ids(SUBSCRIPTION) == {f"{own}/versions/1.0.0", f"{own}/versions/2.0.0"}
    assert await ids(CORP) == {f"{above}/versions/1.0.0"}
    built_in = await ids("")
    assert f"{SET}/versions/1.9.3" in built_in
    assert all(one.startswith(AUTH) for one in built_in)
    assert await ids("", "listPolicyDefinitionVersions") == {f"{AUTH}/policyDefinitions/tls/versions/1.0.0"}
    old = await client.send("POST", f"{SUBSCRIPTION}{AUTH}/listPolicyDefinitionVersions", version="2021-06-01")
    assert (old.status, old.code) == (404, "InvalidResourceType")


@pytest.mark.parametrize(("top", "status", "shown"), [("2", 200, 2), ("1000", 200, 6), ("0", 400, 0), ("x", 400, 0)])
async def test_top_is_how_many_versions_a_page_has(
    benchmark: Cloud, client: Client, top: str, status: int, shown: int
) -> None:
    answer = await client.get(f"{SET}/versions", top=top)
    assert answer.status == status
    if shown:
        assert len(answer.body["value"]) == shown
        assert ("nextLink" in answer.body) == (shown < 6)


async def test_an_unpinned_initiative_is_as_before(client: Client) -> None:
    shown = (await client.get(INITIATIVE, expand=BOTH)).body["properties"]
    assert "definitionVersion" not in shown
    assert (shown["effectiveDefinitionVersion"], shown["latestDefinitionVersion"]) == ("1.0.0", "1.0.0")
