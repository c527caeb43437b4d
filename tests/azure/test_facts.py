"""What rules need beyond the exemption: assignments and initiatives, fetched once and kept for a while."""

import asyncio

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.exemption.facts import Assignment, Gone, Unread
from sandbox.cloud import Cloud
from tests.azure.conftest import OID
from tests.clock import VirtualClock
from tests.sandbox.conftest import AUTH, CORP, GROUP, INITIATIVE, SINGLE, SUBSCRIPTION, VAULT

ROOT = "/providers/Microsoft.Management/managementGroups/root"
SET = f"{AUTH}/policySetDefinitions/base"
POLICY = f"{AUTH}/policyDefinitions/tls"


def fail(cloud: Cloud, path: str, status: int = 503, code: str = "Busy", **more: object) -> None:
    cloud.arm.control._post_faults({"path": path, "status": status, "code": code, "message": "as answered", **more})


def requests(cloud: Cloud) -> int:
    return len(cloud.arm.log.requests)


async def test_an_assignment_of_one_policy(arm: ArmRest, cloud: Cloud) -> None:
    found = await arm.assignment(SINGLE)
    assert found == Assignment(SINGLE, POLICY, {})
    assert not found.is_initiative
    assert requests(cloud) == 1


async def test_an_assignment_of_an_initiative(arm: ArmRest) -> None:
    found = await arm.assignment(INITIATIVE)
    assert isinstance(found, Assignment)
    assert found.is_initiative
    assert found.members == {"limit_skus": POLICY.lower(), "tls": POLICY.lower()}


async def test_an_assignment_that_is_gone(arm: ArmRest) -> None:
    assert await arm.assignment(f"{CORP}{AUTH}/policyAssignments/absent") == Gone()


async def test_an_initiative_that_is_gone_is_not_an_empty_one(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.store.remove(SET.lower())
    found = await arm.assignment(INITIATIVE)
    assert isinstance(found, Assignment)
    assert found.members == Unread("the initiative does not exist")


async def test_what_may_not_be_read_is_unread(arm: ArmRest, cloud: Cloud) -> None:
    own = cloud.arm.seed(f"{ROOT}{AUTH}/policySetDefinitions/own", cloud.arm.store.entries[SET.lower()].body)
    assigned = cloud.arm.seed(f"{CORP}{AUTH}/policyAssignments/own", {"properties": {"policyDefinitionId": own}})
    cloud.arm.control._put_permissions({OID: [{"scope": CORP, "actions": ["*"]}]})
    built_in = await arm.assignment(INITIATIVE)
    assert isinstance(built_in, Assignment)
    assert not isinstance(built_in.members, Unread)  # everybody may read what is built in
    found = await arm.assignment(assigned)
    assert isinstance(found, Assignment)
    assert isinstance(found.members, Unread)
    assert found.members.reason.startswith("AuthorizationFailed: ")
    cloud.arm.control._put_permissions({OID: []})
    other = await arm.assignment(SINGLE)
    assert isinstance(other, Unread)


@pytest.mark.parametrize("path", ["policyAssignments", "policySetDefinitions"])
async def test_an_azure_that_is_down_gives_unknown_not_an_error(arm: ArmRest, cloud: Cloud, path: str) -> None:
    fail(cloud, path)
    assert await arm.assignment(INITIATIVE) == Unread("the assignment could not be read now: Busy: as answered")


async def test_many_at_once_make_one_fetch(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.faults.latency = 0.05
    spellings = [INITIATIVE, INITIATIVE.upper(), INITIATIVE.strip("/"), INITIATIVE + "/", "/" + INITIATIVE]
    found = await asyncio.gather(*(arm.assignment(spellings[n % 5]) for n in range(50)))
    assert all(one == found[0] for one in found)
    assert requests(cloud) == 2  # the assignment and its initiative


async def test_facts_are_kept_for_ten_minutes(arm: ArmRest, cloud: Cloud, clock: VirtualClock) -> None:
    await arm.assignment(INITIATIVE)
    clock.advance(minutes=9, seconds=59)
    await arm.assignment(INITIATIVE)
    assert requests(cloud) == 2
    clock.advance(seconds=1)
    await arm.assignment(INITIATIVE)
    assert requests(cloud) == 4


@pytest.mark.parametrize("trouble", ["down", "no initiative", "gone", "forbidden"])
async def test_failures_are_kept_for_five_seconds(
    arm: ArmRest, cloud: Cloud, clock: VirtualClock, trouble: str
) -> None:
    wanted = INITIATIVE
    if trouble == "down":
        fail(cloud, "policyAssignments")
    elif trouble == "no initiative":
        fail(cloud, "policySetDefinitions", 404, "PolicySetDefinitionNotFound")
    elif trouble == "forbidden":
        fail(cloud, "policyAssignments", 403, "AuthorizationFailed")
    else:
        wanted = f"{CORP}{AUTH}/policyAssignments/absent"
    first = await arm.assignment(wanted)
    seen = requests(cloud)
    clock.advance(seconds=4)
    assert await arm.assignment(wanted) == first
    assert requests(cloud) == seen
    cloud.arm.faults.rules.clear()
    cloud.arm.seed(wanted, {"properties": {"policyDefinitionId": SET}})
    clock.advance(seconds=1)
    found = await arm.assignment(wanted)
    assert isinstance(found, Assignment)
    assert isinstance(found.members, dict)


@pytest.mark.parametrize(
    ("assignment", "initiative"),
    [
        ({}, {}),
        ({"policyDefinitionId": None}, {}),
        ({"policyDefinitionId": SET}, {"policyDefinitions": None}),
        ({"policyDefinitionId": SET}, {"policyDefinitions": [{}]}),
        ({"policyDefinitionId": SET}, {"policyDefinitions": ["text", 5]}),
        ({"policyDefinitionId": SET}, {"policyDefinitions": {"a": 1}}),
        ({"policyDefinitionId": SET}, None),
        (None, None),
        ("text", None),
    ],
)
async def test_malformed_bodies_do_not_raise(
    arm: ArmRest, cloud: Cloud, assignment: object, initiative: object
) -> None:
    for path, properties in ((INITIATIVE, assignment), (SET, initiative)):
        entry = cloud.arm.store.entries[path.lower()]
        entry.body = {"properties": properties}
        entry.rendered.clear()
    found = await arm.assignment(INITIATIVE)
    assert isinstance(found, Assignment | Unread)


async def test_an_assignment_id_with_unexpected_characters_is_gone_not_an_error(arm: ArmRest) -> None:
    assert await arm.assignment(f"{CORP}{AUTH}/policyAssignments/what? #1") == Gone()
    assert isinstance(await arm.assignment("nonsense"), Gone | Unread)
    assert isinstance(await arm.assignment(""), Gone | Unread)


@pytest.mark.parametrize("scope", [GROUP, VAULT, SUBSCRIPTION, CORP])
async def test_what_is_assigned_at_a_scope_or_above_it(arm: ArmRest, cloud: Cloud, scope: str) -> None:
    cloud.arm.resources.page_size = 1
    assert await arm.leaves_out(scope, SINGLE.upper()) == ()
    left_out = [f"{GROUP}/x", CORP]
    cloud.arm.seed(SINGLE, {"properties": {"policyDefinitionId": POLICY, "notScopes": left_out}})
    assert await arm.leaves_out(scope, SINGLE) == tuple(left_out)
    of_it = {"properties": {"policyDefinitionId": POLICY}}
    below = cloud.arm.seed(f"{VAULT}/keys/one{AUTH}/policyAssignments/b", of_it)
    assert await arm.leaves_out(scope, below) is None
    assert await arm.leaves_out(scope, f"{CORP}{AUTH}/policyAssignments/absent") is None


async def test_what_is_assigned_is_unread_where_azure_does_not_list_all_of_it(arm: ArmRest, cloud: Cloud) -> None:
    assert isinstance(await arm.leaves_out("/subscriptions/22222222-0000-4000-8000-000000000000", SINGLE), Unread)
    cloud.arm.resources.page_size = 1
    fail(cloud, "policyAssignments$", 403, "AuthorizationFailed", query="skiptoken", count=1)
    assert isinstance(await arm.leaves_out(GROUP, f"{CORP}{AUTH}/policyAssignments/absent"), Unread)
    fail(cloud, "policyAssignments$", 503)
    assert isinstance(await arm.leaves_out(GROUP, SINGLE), Unread)


async def test_an_assignment_says_what_it_leaves_out(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.seed(SINGLE, {"properties": {"policyDefinitionId": POLICY, "notScopes": [GROUP]}})
    assert await arm.assignment(SINGLE) == Assignment(SINGLE, POLICY, {}, not_scopes=(GROUP,))
    known = cloud.arm.store.entries[INITIATIVE.lower()].body["properties"]
    cloud.arm.seed(INITIATIVE, {"properties": known | {"notScopes": [GROUP]}})
    found = await arm.assignment(INITIATIVE)
    assert isinstance(found, Assignment)
    assert found.not_scopes == (GROUP,)
