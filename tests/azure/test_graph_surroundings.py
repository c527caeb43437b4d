"""What exemptions are judged by, from Resource Graph: where we can look, assignments, initiatives, our tenant."""

import pytest

from guardrails.errors import Retryable
from guardrails.exemption.facts import Assignment, Grouping, Unread
from sandbox.cloud import Cloud
from sandbox.identity import TENANT_ID
from tests.azure.conftest import OID, StaticCredential
from tests.azure.inventory import MakeGraph, asked, fail, seed, trouble
from tests.sandbox.conftest import AUTH, CORP, GROUP, INITIATIVE, SINGLE, SUB, SUBSCRIPTION, exemption, exemption_id

POLICY = f"{AUTH}/policyDefinitions/tls"
SET = f"{AUTH}/policySetDefinitions/base"
OTHER = "11111111-2222-3333-4444-555555555555"
UNSEEN = Unread("Resource Graph does not show its initiative")


def assign(cloud: Cloud, initiative: str, name: str, scope: str = CORP) -> str:
    return cloud.arm.seed(f"{scope}{AUTH}/policyAssignments/{name}", {"properties": {"policyDefinitionId": initiative}})


def initiative(cloud: Cloud, name: str, scope: str = "") -> str:
    members = [{"policyDefinitionId": POLICY, "policyDefinitionReferenceId": "One"}]
    return cloud.arm.seed(f"{scope}{AUTH}/policySetDefinitions/{name}", {"properties": {"policyDefinitions": members}})


async def test_what_is_visible_has_its_display_name(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.add_management_group("Sand", parent="root", display_name="Sand box")
    found = await graph_of().surroundings()
    assert found.containers == {"mg~corp": "corp", "mg~root": "root", "mg~sand": "Sand box", SUB: "demo"}
    assert found.missing == ()


async def test_resource_groups_are_no_containers(graph_of: MakeGraph, cloud: Cloud) -> None:
    found = await graph_of(scopes=[SUB]).surroundings()
    assert found.containers == {SUB: "demo"}


async def test_assignments_come_with_the_members_of_their_initiatives(graph_of: MakeGraph) -> None:
    graph = graph_of()
    found = await graph.surroundings()
    members, latest = {"limit_skus": POLICY.lower(), "tls": POLICY.lower()}, "the latest; the assignment pins none"
    assert found.assignments == {
        SINGLE.lower(): Assignment(SINGLE, POLICY, {}),
        INITIATIVE.lower(): Assignment(INITIATIVE, SET, members, "1.0.0", latest),
    }
    assert graph.requests == 3


async def test_initiatives_that_are_assigned_have_their_display_names(graph_of: MakeGraph, cloud: Cloud) -> None:
    named, bare = f"{AUTH}/policySetDefinitions/Named", initiative(cloud, "bare")
    cloud.arm.seed(named, {"properties": {"displayName": "The <b>baseline</b>", "policyDefinitions": []}})
    for number, one in enumerate((named, bare)):
        assign(cloud, one, f"a{number}")
    initiative(cloud, "idle")
    assert (await graph_of().surroundings()).initiatives == {named.lower(): "The <b>baseline</b>"}


async def test_many_things_come_in_pages(graph_of: MakeGraph, cloud: Cloud) -> None:
    sets = [initiative(cloud, f"set{n}") for n in range(230)]
    names = [assign(cloud, one, f"a{n}") for n, one in enumerate(sets)]
    graph = graph_of(top=90)
    found = await graph.surroundings()
    assert len(found.assignments) == 232
    assert all(found.assignments[name.lower()].members == {"one": POLICY.lower()} for name in names)
    assert graph.requests == asked(cloud) == 1 + 3 + 5  # containers; 232 assignments; initiatives: 100, 100 and 31


async def test_an_initiative_that_is_not_shown_is_unread(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.store.remove(SET.lower())
    found = await graph_of().surroundings()
    assert found.assignments[INITIATIVE.lower()].members == UNSEEN


async def test_an_initiative_without_members_is_unread(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.store.entries[SET.lower()].body = {"properties": {"policyDefinitions": None}}
    found = await graph_of().surroundings()
    assert isinstance(found.assignments[INITIATIVE.lower()].members, Unread)


@pytest.mark.parametrize("name", ["o'brien", "a') or (1 == 1", "tab\tname", "ünï", "back\\"])
async def test_an_initiative_may_have_any_name(graph_of: MakeGraph, cloud: Cloud, name: str) -> None:
    assigned = assign(cloud, initiative(cloud, name), "quoted")
    found = await graph_of().surroundings()
    expected = UNSEEN if "\t" in name else {"one": POLICY.lower()}
    assert found.assignments[assigned.lower()].members == expected
    assert found.assignments[INITIATIVE.lower()].members != UNSEEN
    assert found.missing == ()


async def test_a_version_of_an_initiative_is_found(graph_of: MakeGraph, cloud: Cloud) -> None:
    assigned = assign(cloud, f"{SET}/versions/1.0.0", "versioned")
    found = await graph_of().surroundings()
    assert found.assignments[assigned.lower()].members == {"limit_skus": POLICY.lower(), "tls": POLICY.lower()}


async def test_a_listed_subscription_brings_the_assignments_above_it(graph_of: MakeGraph, cloud: Cloud) -> None:
    custom = initiative(cloud, "custom", CORP)
    above = assign(cloud, custom, "above")
    cloud.arm.add_management_group("beside", parent="root")
    elsewhere = assign(cloud, custom, "beside", "/providers/Microsoft.Management/managementGroups/beside")
    found = await graph_of(scopes=[SUB]).surroundings()
    assert found.assignments[above.lower()].members == {"one": POLICY.lower()}
    assert elsewhere.lower() not in found.assignments


async def test_a_listed_scope_that_is_not_there_is_named(graph_of: MakeGraph, cloud: Cloud) -> None:
    found = await graph_of(scopes=[SUB, OTHER, "CORP"]).surroundings()
    assert set(found.containers) == {SUB, "mg~corp"}
    [sentence] = found.missing
    assert sentence.startswith(f"subscription {OTHER} is listed in GUARDRAILS_SWEEP_SCOPES but ")


async def test_a_management_group_without_rights_is_named_once(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.add_management_group("secret")
    cloud.arm.control._put_permissions({OID: [{"scope": CORP, "actions": ["*/read"]}]})
    found = await graph_of(scopes=["corp", "secret"]).surroundings()
    assert set(found.containers) == {"mg~corp", SUB}
    assert SINGLE.lower() in found.assignments
    [sentence] = found.missing
    assert sentence.startswith("management group secret could not be read: ")


async def test_a_table_that_cannot_be_read_is_named_and_the_rest_comes(graph_of: MakeGraph, cloud: Cloud) -> None:
    fail(cloud, status=500, count=3)
    found = await graph_of().surroundings()
    assert found.containers == {}
    assert len(found.assignments) == 2
    assert found.missing == (
        "the subscriptions and management groups of the tenant could not be read: ServiceUnavailable: as answered",
    )


async def test_the_limit_of_subscriptions_is_named_once(graph_of: MakeGraph, cloud: Cloud) -> None:
    trouble(cloud, limit_hit=True)
    found = await graph_of().surroundings()
    assert len(found.missing) == 1
    assert "10,000" in found.missing[0]


async def test_our_tenant_is_known_by_our_token(graph_of: MakeGraph) -> None:
    assert (await graph_of().surroundings()).tenant == TENANT_ID


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "e30.W10.x", "e30.e30.x", "e30.eyJ0aWQiOjV9.x", "a.ü.c"])
async def test_a_token_that_names_no_tenant_is_no_trouble(
    graph_of: MakeGraph, cloud: Cloud, credential: StaticCredential, token: str
) -> None:
    graph = graph_of()
    credential.token = token
    assert await graph._tenant() == ""


async def test_without_a_token_there_are_no_surroundings(graph_of: MakeGraph, credential: StaticCredential) -> None:
    credential.token = "nonsense"
    with pytest.raises(Retryable):
        await graph_of().surroundings()


async def test_what_may_not_be_seen_is_not_there(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.control._put_permissions({OID: [{"scope": SUBSCRIPTION, "actions": ["*/read"]}]})
    found = await graph_of().surroundings()
    assert found.containers == {SUB: "demo"}
    assert found.assignments == {}


# For a scan: ids alone, some rows in full, and what is visible whatever is listed.


async def test_ids_come_without_anything_else_and_in_order(graph_of: MakeGraph, cloud: Cloud) -> None:
    wanted = seed(cloud, 7)
    graph = graph_of(top=3)
    found = [row async for page in graph.ids() for row in page.rows]
    assert [row["id"] for row in found] == wanted
    assert {name for row in found for name in row} == {"id", "tenantId"}
    assert graph.requests == 3


async def test_some_exemptions_are_shown_in_full_by_their_ids(graph_of: MakeGraph, cloud: Cloud) -> None:
    known = seed(cloud, 230)
    quoted = cloud.arm.seed(exemption_id(GROUP, "o'brien (1)"), exemption())
    graph = graph_of(scopes=["corp"])
    asked_for = [one.upper() for one in known[:205]] + [quoted, exemption_id(GROUP, "gone"), "tab\there"]
    found = [row async for page in graph.shown(asked_for) for row in page.rows]
    assert {row["id"] for row in found} == {*known[:205], quoted}
    assert all(row["properties"] and row["systemData"] for row in found)
    assert graph.requests == 3  # 100 ids a query
    assert [page async for page in graph.shown([])] == []


async def test_what_is_visible_is_shown_whatever_scopes_are_listed(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.add_subscription(OTHER, name="other")
    names, missing = await graph_of(scopes=[SUB]).visible()
    assert names == {"mg~corp": "corp", "mg~root": "root", SUB: "demo", OTHER: "other"}
    assert missing == []
    fail(cloud, status=403, code="AccessDenied")
    names, missing = await graph_of().visible()
    assert names == {}
    assert len(missing) == 1


async def test_a_group_that_is_called_like_a_subscription_can_be_listed(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.add_management_group(OTHER, display_name="Root")
    found = await graph_of(scopes=[f"mg~{OTHER}", "mg~CORP"]).surroundings()
    assert found.containers == {f"mg~{OTHER}": "Root", "mg~corp": "corp", SUB: "demo"}
    assert found.missing == ()
    [sentence] = (await graph_of(scopes=["mg~absent"]).surroundings()).missing
    assert sentence.startswith("management group absent ")


async def test_the_management_groups_above_come_the_nearest_first(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.add_management_group("Sand", parent="corp")
    assert (await graph_of().surroundings()).above == {
        "mg~root": (), "mg~corp": ("root",), "mg~sand": ("corp", "root"), SUB: ("corp", "root"),
    }  # fmt: skip
    cloud.arm.seed(f"/providers/Microsoft.Management/managementGroups/Sand/subscriptions/{SUB}")
    assert (await graph_of().surroundings()).above[SUB] == ("sand", "corp", "root")


@pytest.mark.parametrize("field", ["properties.managementGroupAncestorsChain", "properties.details"])
async def test_a_chain_that_is_not_shown_is_unread(graph_of: MakeGraph, cloud: Cloud, field: str) -> None:
    trouble(cloud, nulls={field: ""})
    found = await graph_of().surroundings()
    hidden = {SUB} if "Ancestors" in field else {"mg~corp", "mg~root"}
    assert {key for key, chain in found.above.items() if isinstance(chain, Unread)} == hidden
    assert found.missing == ()


async def test_assignments_say_what_they_leave_out(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.seed(SINGLE, {"properties": {"policyDefinitionId": POLICY, "notScopes": [GROUP, 7, ""]}})
    found = (await graph_of().surroundings()).assignments
    assert found[SINGLE.lower()].not_scopes == (GROUP,)
    assert found[INITIATIVE.lower()].not_scopes == ()


MANY = tuple(f"mg{number}" for number in range(11))


@pytest.mark.parametrize(("scopes", "in_order"), [((), True), (("corp", SUB), True), (MANY, False)])
async def test_groups_come_first_unless_they_are_too_many_for_a_query(
    graph_of: MakeGraph, scopes: tuple[str, ...], in_order: bool
) -> None:
    assert (await graph_of(scopes=list(scopes)).surroundings()).in_order == in_order


async def test_assignments_come_with_the_groups_of_their_initiatives(graph_of: MakeGraph, cloud: Cloud) -> None:
    said = cloud.arm.store.entries[SET.lower()].body["properties"]
    said |= {"displayName": "Base", "policyDefinitionGroups": [{"name": "g", "displayName": "Group"}]}
    said["policyDefinitions"][0]["groupNames"] = ["g"]
    found = (await graph_of().surroundings()).assignments[INITIATIVE.lower()]
    assert found.grouping == Grouping({"limit_skus": ("g",)}, {"g": "Group"})
    assert found.initiative == "Base"
