"""Bypasses of policies, from Resource Graph: whole assignments, what carries tags, and who changed these last."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from guardrails.azure.graph import Graph
from guardrails.bypasses.model import Bypass, BypassKind
from guardrails.ports import Page
from guardrails.ruleset.model import parse_ruleset
from guardrails.sweep.look_for_bypasses import Look, look
from sandbox.arm import changes
from sandbox.arm.target import parse
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.azure.conftest import OID, Direct
from tests.azure.inventory import MakeGraph, asked, fail, missing, rows, trouble
from tests.sandbox.conftest import AUTH, CORP, GROUP, SINGLE, SUB, SUBSCRIPTION, VAULT, Client

NAMES = ("policyExceptionId", "exceptionTicket", "exceptionExpiry")
TAGS = {"policyExceptionId": "EXC-1", "exceptionTicket": "SEC-1", "exceptionExpiry": "2099-01-01"}
RULESET = parse_ruleset("""
version: 1
mode: audit
rules: {expired: alert}
bypasses: {approved: [EXC-1]}
notices: [{route: team, channel: teams, address_setting: TEAMS_WEBHOOK_URL}]
""")


@pytest.fixture
async def ada(cloud: Cloud, wire: str) -> AsyncIterator[Client]:
    token = token_for("Ada", "00000000-0000-4000-8000-0000000000ad", upn="ada@contoso.com")
    if wire == "memory":
        yield Direct(cloud.arm, token)
        return
    async with ClientSession() as session:
        yield Client(session, cloud.addresses["arm"], token)


async def carriers(graph: Graph) -> list[Page]:
    return [page async for page in graph.tagged(NAMES)]


async def looked(graph: Graph) -> Look:
    return await look(graph, await graph.surroundings(), RULESET, datetime(2026, 11, 21, tzinfo=UTC))


def by_name(found: list[Page]) -> dict[str, Mapping[str, Any]]:
    return {row["name"]: row for row in rows(found)}


def notes(found: list[Page]) -> list[str]:
    return [page.note for page in found if page.note]


def storage(cloud: Cloud, name: str, tags: Any = None) -> str:
    identity = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}"
    return cloud.arm.seed(identity, {"location": "westeurope", "tags": TAGS if tags is None else tags})


def change(cloud: Cloud, identity: str, who: str, *, days: float, **tags: str) -> None:
    """Note a change of tags by hand, or a creation where none are named, so many days ago."""
    said = {f"tags.{name}": {"previousValue": None, "newValue": value} for name, value in tags.items()}
    moment = cloud.arm.clock() - timedelta(days=days)
    changes.add(cloud.arm.store, parse(identity), who, moment, said or None)


async def test_every_property_of_an_assignment_gets_through(graph_of: MakeGraph, ada: Client) -> None:
    properties = {
        "policyDefinitionId": f"{AUTH}/policyDefinitions/tls",
        "displayName": "Everything",
        "notScopes": [GROUP],
        "enforcementMode": "DoNotEnforce",
        "resourceSelectors": [{"name": "EU", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}],
        "overrides": [{"kind": "policyEffect", "value": "Audit"}, {"kind": "definitionVersion", "value": "1.*.*"}],
        "selfServeExemptionSettings": {"enabled": True, "policyDefinitionReferenceIds": []},
        "parameters": {"effect": {"value": "Disabled"}},
        "metadata": {"approvalTicket": "SEC-9"},
    }
    answer = await ada.put(f"{SUBSCRIPTION}{AUTH}/policyAssignments/all", {"properties": properties})
    assert answer.status == 201
    found = (await looked(graph_of())).found
    others = (BypassKind.EXEMPTION, BypassKind.TAG, BypassKind.UNREAD, BypassKind.UNENROLLED)
    assert [one.kind for one in found] == [kind for kind in BypassKind if kind not in others]
    assert {(one.name, one.ticket, one.who) for one in found} == {("Everything", "SEC-9", "ada@contoso.com")}
    assert all(one.since for one in found)
    assert {one.scope for one in found} == {GROUP, SUBSCRIPTION}


async def test_a_tenant_without_any_costs_two_requests_more(graph_of: MakeGraph, cloud: Cloud) -> None:
    storage(cloud, "plain", {"env": "prod"})
    graph = graph_of()
    around = await graph.surroundings()
    before = graph.requests
    found = await look(graph, around, RULESET, datetime(2026, 11, 21, tzinfo=UTC))
    assert (found.found, found.missing, found.notes, found.partial) == ([], [], [], set())
    assert before == 3
    assert graph.requests == asked(cloud) == 5


async def test_resources_groups_and_subscriptions_are_found_by_any_of_the_tags(
    graph_of: MakeGraph, cloud: Cloud
) -> None:
    storage(cloud, "whole")
    storage(cloud, "ticket", {"exceptionTicket": "SEC-1"})
    storage(cloud, "empty", {"policyExceptionId": ""})
    storage(cloud, "shouting", {"POLICYEXCEPTIONID": "EXC-1"})
    storage(cloud, "plain", {"env": "prod"})
    cloud.arm.seed(GROUP, {"location": "westeurope", "tags": TAGS})
    cloud.arm.seed(SUBSCRIPTION, {"displayName": "demo", "tags": {"exceptionExpiry": "2027-01-01"}})
    found = by_name(await carriers(graph_of()))
    assert found.keys() == {"whole", "ticket", "empty", "shouting", GROUP.rpartition("/")[2], "demo"}
    assert found["shouting"]["tags"] == {"POLICYEXCEPTIONID": "EXC-1"}
    seen = {one.scope: one for one in (await looked(graph_of())).found}
    assert seen[SUBSCRIPTION].subject == ""
    assert seen[f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shouting"].subject == "EXC-1"


async def test_a_value_that_reads_like_a_tag_is_no_bypass(graph_of: MakeGraph, cloud: Cloud) -> None:
    storage(cloud, "talk", {"about": "policyExceptionId", "said": '"policyExceptionId":"x"'})
    assert by_name(await carriers(graph_of())).keys() == {"talk"}
    assert (await looked(graph_of())).found == []


async def test_who_changed_the_tags_last_is_known(graph_of: MakeGraph, cloud: Cloud, ada: Client) -> None:
    storage(cloud, "old", {"env": "prod"})
    tags = f"{VAULT}/providers/Microsoft.Resources/tags/default"
    body = {"operation": "Merge", "properties": {"tags": TAGS}}
    assert (await ada.send("PATCH", tags, body, version="2021-04-01")).status == 200
    body = {"operation": "Merge", "properties": {"tags": {"policyExceptionId": "EXC-2"}}}
    bob = ada.as_(token_for("Bob", "00000000-0000-4000-8000-0000000000b0", upn="bob@contoso.com"))
    assert (await bob.send("PATCH", tags, body, version="2021-04-01")).status == 200
    group = {"location": "westeurope", "tags": TAGS}
    assert (await ada.put(GROUP, group, version="2021-04-01")).status == 200
    [vault, ours] = (await looked(graph_of())).found
    assert (vault.scope, vault.who, vault.subject) == (VAULT, "bob@contoso.com", "EXC-2")
    assert (ours.scope, ours.who) == (GROUP, "ada@contoso.com")
    assert vault.since is not None
    assert abs(vault.since - cloud.arm.clock()) < timedelta(minutes=1)


async def test_what_was_made_with_its_tags_was_tagged_by_its_maker(graph_of: MakeGraph, ada: Client) -> None:
    made = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/made"
    assert (await ada.put(made, {"location": "x", "tags": TAGS}, version="2024-01-01")).status == 201
    [found] = (await looked(graph_of())).found
    assert (found.scope, found.who) == (made, "ada@contoso.com")


async def test_the_latest_change_counts_and_others_do_not(graph_of: MakeGraph, cloud: Cloud) -> None:
    identity = storage(cloud, "one")
    change(cloud, identity, "first@contoso.com", days=9)
    change(cloud, identity, "last@contoso.com", days=2, exceptionTicket="SEC-2")
    change(cloud, identity.upper(), "before@contoso.com", days=3, policyExceptionId="EXC-1")
    change(cloud, identity, "other@contoso.com", days=1, env="test")
    [found] = (await looked(graph_of())).found
    assert found.who == "last@contoso.com"


async def test_changes_are_forgotten_after_two_weeks(graph_of: MakeGraph, cloud: Cloud) -> None:
    change(cloud, storage(cloud, "one"), "first@contoso.com", days=15, policyExceptionId="EXC-1")
    found = await looked(graph_of())
    assert (found.found[0].who, found.found[0].since, found.notes) == ("", None, [])


@pytest.mark.parametrize("how", ["closed", "absent"])
async def test_without_changes_there_is_a_note_and_nothing_is_missing(
    graph_of: MakeGraph, cloud: Cloud, how: str
) -> None:
    storage(cloud, "one")
    trouble(cloud, **{how: ["resourcechanges", "resourcecontainerchanges"]})
    graph = graph_of()
    found = await carriers(graph)
    assert by_name(found).keys() == {"one"}
    assert graph.requests == 3  # with the one that was refused
    assert missing(found) == []
    [note] = notes(found)
    assert note.startswith("for some tags, it is unknown who wrote them and when: the changes of tags of the tenant ")
    seen = await looked(graph_of())
    assert (len(seen.found), seen.missing, len(seen.notes), seen.partial) == (1, [], 1, set())


async def test_many_come_in_pages_and_cost_a_request_for_every_hundred(graph_of: MakeGraph, cloud: Cloud) -> None:
    made = [storage(cloud, f"s{n:03}") for n in range(250)]
    change(cloud, made[0], "ada@contoso.com", days=1, policyExceptionId="EXC-1")
    graph = graph_of(top=100)
    found = await carriers(graph)
    assert [row["id"] for row in rows(found)] == made
    assert graph.requests == 3 + 1 + 3 + 1  # pages; changes; creations: 99, 100 and 50; groups and subscriptions
    for identity in made[100:]:
        change(cloud, identity, "ada@contoso.com", days=1, policyExceptionId="EXC-1")
    graph = graph_of(top=1000)
    await carriers(graph)
    assert graph.requests == 1 + 1 + 1 + 1  # of the creations, only the first 99


async def test_who_made_more_than_so_many_is_not_asked(
    graph_of: MakeGraph, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guardrails.azure.graph_tagged._MOST_CREATED", 150)
    made = [storage(cloud, f"s{n:03}") for n in range(250)]
    for identity in made:
        change(cloud, identity, "ada@contoso.com", days=1)
    graph = graph_of(top=100)
    found = rows(await carriers(graph))
    assert [row.get("changedBy") for row in found] == ["ada@contoso.com"] * 150 + [None] * 100
    assert graph.requests == 3 + 1 + 2 + 1


async def test_where_the_table_has_no_system_data_the_metadata_says_who(graph_of: MakeGraph, cloud: Cloud) -> None:
    trouble(cloud, without=["systemData"])
    noted = {"createdBy": "ada", "createdOn": "2026-01-01T00:00:00Z", "updatedBy": None}
    properties = {"policyDefinitionId": f"{AUTH}/policyDefinitions/tls", "enforcementMode": "DoNotEnforce"}
    cloud.arm.seed(f"{SUBSCRIPTION}{AUTH}/policyAssignments/off", {"properties": {**properties, "metadata": noted}})
    [found] = (await looked(graph_of())).found
    assert (found.kind, found.who, found.since) == (BypassKind.NOT_ENFORCED, "ada", datetime(2026, 1, 1, tzinfo=UTC))


async def test_what_cannot_be_read_is_missing(graph_of: MakeGraph, cloud: Cloud) -> None:
    storage(cloud, "one")
    cloud.arm.seed(GROUP, {"location": "westeurope", "tags": TAGS})
    trouble(cloud, closed=["resources"])
    found = await looked(graph_of())
    assert [one.scope for one in found.found] == [GROUP]
    assert len(found.missing) == 1
    assert found.partial == {BypassKind.TAG}


async def test_assignments_that_cannot_be_read_make_the_look_partial(graph_of: MakeGraph, cloud: Cloud) -> None:
    graph = graph_of()
    trouble(cloud, closed=["policyresources"])
    around = await graph.surroundings()
    assert (around.assigned, around.whole) == ([], False)
    assert any("policy assignments" in sentence for sentence in around.missing)
    found = await look(graph, around, RULESET, datetime(2026, 11, 21, tzinfo=UTC))
    assert BypassKind.NOT_SCOPE in found.partial
    assert BypassKind.TAG not in found.partial


async def test_initiatives_that_cannot_be_read_leave_the_assignments_whole(graph_of: MakeGraph, cloud: Cloud) -> None:
    graph = graph_of()
    around = await graph.surroundings()
    assert around.whole
    cloud.arm.store.remove(f"{AUTH}/policySetDefinitions/base".lower())
    assert (await graph_of().surroundings()).whole


async def test_a_group_that_may_not_be_read_is_named_once(graph_of: MakeGraph, cloud: Cloud) -> None:
    cloud.arm.add_management_group("secret")
    storage(cloud, "one")
    cloud.arm.control._put_permissions({OID: [{"scope": CORP, "actions": ["*/read"]}]})
    graph = graph_of(scopes=["corp", "secret"])
    around = await graph.surroundings()
    found = await look(graph, around, RULESET, datetime(2026, 11, 21, tzinfo=UTC))
    assert len(around.missing) == 1
    assert found.missing == []
    assert [one.name for one in found.found] == ["one"]
    assert set(BypassKind) - found.partial == {BypassKind.EXEMPTION}


async def test_listed_scopes_show_what_is_in_them(graph_of: MakeGraph, cloud: Cloud) -> None:
    other = "/subscriptions/11111111-2222-3333-4444-555555555555"
    cloud.arm.add_subscription(other.rpartition("/")[2])
    storage(cloud, "one")
    cloud.arm.seed(f"{other}/resourceGroups/there", {"location": "x", "tags": TAGS})
    cloud.arm.seed(
        SINGLE, {"properties": {"policyDefinitionId": f"{AUTH}/policyDefinitions/tls", "notScopes": [GROUP]}}
    )

    async def scopes_of(*scopes: str) -> list[str]:
        return [one.scope for one in (await looked(graph_of(scopes=scopes))).found]

    vaults = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one"
    assert await scopes_of(SUB) == [GROUP, vaults]
    assert await scopes_of(SUB, "corp") == [GROUP, vaults]
    assert f"{other}/resourceGroups/there" in await scopes_of()


@pytest.mark.parametrize("name", ["o'brien", 'say "x"', "ünï", "a') or (1 == 1", "x|y"])
async def test_a_tag_may_have_any_name(graph_of: MakeGraph, cloud: Cloud, name: str) -> None:
    identity = storage(cloud, "other", {name: "EXC-1"})
    change(cloud, identity, "ada@contoso.com", days=1, **{name: "EXC-1"})
    storage(cloud, "plain", {"env": "prod"})
    found = [page async for page in graph_of().tagged([name])]
    assert [(row["name"], row["changedBy"]) for row in rows(found)] == [("other", "ada@contoso.com")]
    assert missing(found) + notes(found) == []


@pytest.mark.parametrize("tags", [None, 5, "policyExceptionId", ["policyExceptionId"], {"policyExceptionId": 5}])
async def test_tags_of_any_shape_are_read(graph_of: MakeGraph, cloud: Cloud, tags: Any) -> None:
    cloud.arm.store.entries[VAULT.lower()].body["tags"] = tags
    cloud.arm.store.version += 1
    verdicts: list[Bypass] = (await looked(graph_of())).found
    assert [one.verdict for one in verdicts] in ([], ["violation"], ["unknown"])


async def test_throttling_is_waited_out(graph_of: MakeGraph, cloud: Cloud) -> None:
    storage(cloud, "one")
    fail(cloud, status=429, retry_after="3", count=2)
    assert by_name(await carriers(graph_of())).keys() == {"one"}
