"""The category and the severity of policies: from ARM one by one, from Resource Graph all at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.azure.graph import Graph
from guardrails.azure.rest import Rest
from guardrails.exemption.facts import Gone, PoliciesById, Policy, Unread
from sandbox.cloud import Cloud
from tests.azure.conftest import OID, MakeArm, StaticCredential
from tests.azure.inventory import Sleep, make, trouble
from tests.azure.inventory import fail as refuse
from tests.azure.test_facts import fail, requests
from tests.categories import definition
from tests.clock import VirtualClock
from tests.sandbox.conftest import AUTH, CORP, SUB, SUBSCRIPTION

BUILT_IN = f"{AUTH}/policyDefinitions/Storage-TLS"
OWN = f"{CORP}{AUTH}/policyDefinitions/own"
KEY = BUILT_IN.lower()


@pytest.fixture
def defined(cloud: Cloud) -> Cloud:
    cloud.arm.seed(BUILT_IN, definition("Storage", "High"))
    cloud.arm.seed(OWN, definition("Sealed"))
    return cloud


@pytest.fixture
async def graph(defined: Cloud, credential: StaticCredential, clock: VirtualClock) -> AsyncIterator[Graph]:
    made = make(defined, credential, clock, Sleep(), scopes=[SUB], top=2)
    yield made
    await made.close()


# Azure Resource Manager


async def test_each_is_read_by_its_id(arm: ArmRest, defined: Cloud) -> None:
    assert await arm.policies([BUILT_IN, OWN.lower()]) == {
        KEY: Policy("Storage", "High"),
        OWN.lower(): Policy("Sealed"),
    }
    assert requests(defined) == 2


async def test_nothing_asked_is_no_request(arm: ArmRest, cloud: Cloud) -> None:
    assert await arm.policies([]) == {}
    assert requests(cloud) == 0


async def test_every_spelling_of_an_id_is_one_policy_and_one_read(arm: ArmRest, defined: Cloud) -> None:
    spelled = [BUILT_IN, BUILT_IN.upper(), BUILT_IN.strip("/"), BUILT_IN + "/", f"{BUILT_IN}/versions/1.*.*"]
    found = await asyncio.gather(*(arm.policies([one]) for one in spelled))
    assert found == [{KEY: Policy("Storage", "High")}] * len(spelled)
    assert requests(defined) == 1


async def test_one_that_azure_says_is_not_there_is_gone(arm: ArmRest) -> None:
    absent = f"{SUBSCRIPTION}{AUTH}/policyDefinitions/absent".lower()
    assert await arm.policies([absent]) == {absent: Gone()}


async def test_what_may_not_be_read_is_unread_but_all_may_read_what_is_built_in(arm: ArmRest, defined: Cloud) -> None:
    defined.arm.control._put_permissions({OID: []})
    found = await arm.policies([BUILT_IN, OWN])
    assert found[KEY] == Policy("Storage", "High")
    refused = found[OWN.lower()]
    assert isinstance(refused, Unread)
    assert "policyDefinitions/read" in refused.reason


@pytest.mark.parametrize("status", [429, 503])
async def test_an_azure_that_is_busy_gives_unread_for_five_seconds(
    arm: ArmRest, defined: Cloud, clock: VirtualClock, status: int
) -> None:
    fail(defined, "policyDefinitions", status)
    busy = {KEY: Unread("the policy definition could not be read now: Busy: as answered")}
    assert await arm.policies([BUILT_IN]) == busy
    defined.arm.faults.rules.clear()
    clock.advance(seconds=4)
    assert await arm.policies([BUILT_IN]) == busy
    assert requests(defined) == 1
    clock.advance(seconds=1)
    assert await arm.policies([BUILT_IN]) == {KEY: Policy("Storage", "High")}


async def test_they_are_kept_as_long_as_assignments_and_no_older_than_is_asked(
    arm: ArmRest, defined: Cloud, clock: VirtualClock
) -> None:
    await arm.policies([BUILT_IN])
    defined.arm.seed(BUILT_IN, definition("Network"))
    clock.advance(minutes=9, seconds=59)
    assert await arm.policies([BUILT_IN]) == {KEY: Policy("Storage", "High")}
    assert await arm.policies([BUILT_IN], max_age=timedelta(minutes=5)) == {KEY: Policy("Network")}
    defined.arm.seed(BUILT_IN, definition("Compute"))
    clock.advance(minutes=10)
    assert await arm.policies([BUILT_IN]) == {KEY: Policy("Compute")}


async def test_at_most_eight_are_read_at_once_whoever_asks(
    arm: ArmRest, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [cloud.arm.seed(f"{AUTH}/policyDefinitions/p{n}", definition(f"c{n}")) for n in range(40)]
    now, most, send = 0, 0, Rest.send

    async def counted(self: Rest, *args: object) -> object:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            return await send(self, *args)  # type: ignore[arg-type]
        finally:
            now -= 1

    monkeypatch.setattr(Rest, "send", counted)
    found = await asyncio.gather(arm.policies(ids[:25]), arm.policies(ids[15:]))
    assert {**found[0], **found[1]} == {one.lower(): Policy(f"c{n}") for n, one in enumerate(ids)}
    assert most == 8
    assert requests(cloud) == 40


@pytest.mark.parametrize(
    "identity",
    [
        "", "/", "nonsense", f"{AUTH}/policySetDefinitions/base", f"{AUTH}/policyDefinitions", f"{BUILT_IN}/x/y",
        f"{AUTH}/policyDefinitions/..", f"{AUTH}/policyDefinitions/.", f"{SUBSCRIPTION}/..{AUTH}/policyDefinitions/a",
        f"/subscriptions/..{AUTH}/policyDefinitions/a", f"{BUILT_IN}/versions/1.0.0/versions/2.0.0",
        f"{SUBSCRIPTION}/resourceGroups/g{AUTH}/policyDefinitions/a", f"/{AUTH}/policyDefinitions//a",
        f"//evil.example{AUTH}/policyDefinitions/a", f"https://evil.example{AUTH}/policyDefinitions/a",
        f"{AUTH}/policyDefinitions/a\nb", f"{AUTH}/policyDefinitions/\ud800", f"{AUTH}/roleAssignments/a",
    ],
    ids=ascii,
)  # fmt: skip
async def test_an_id_that_leads_elsewhere_is_not_followed(arm: ArmRest, cloud: Cloud, identity: str) -> None:
    (found,) = (await arm.policies([identity])).values()
    assert found == Unread("that is no id of a policy definition")
    assert requests(cloud) == 0


@pytest.mark.parametrize("name", ["a?api-version=1", "a#b", "a%zz", "ünï cödé"])
async def test_unusual_characters_in_a_name_lead_nowhere_else(arm: ArmRest, cloud: Cloud, name: str) -> None:
    identity = f"{AUTH}/policyDefinitions/{name}"
    assert await arm.policies([identity]) == {identity.lower(): Gone()}
    (seen,) = cloud.arm.log.requests
    assert seen.path.lower() == identity.lower()


@pytest.mark.parametrize("name", ["a%2f..%2fb", "a\\..\\b", "%2e%2e", "a%252fb"])
async def test_a_name_that_may_be_more_than_one_is_not_asked_for(arm: ArmRest, cloud: Cloud, name: str) -> None:
    (found,) = (await arm.policies([f"{AUTH}/policyDefinitions/{name}"])).values()
    assert isinstance(found, Unread)
    assert requests(cloud) == 0


@pytest.mark.parametrize("properties", [None, {}, "text", {"metadata": "@{category=Storage}"}, {"metadata": [1]}])
async def test_malformed_bodies_are_unread(arm: ArmRest, defined: Cloud, properties: object) -> None:
    entry = defined.arm.store.entries[KEY]
    entry.body = {"properties": properties}
    entry.rendered.clear()
    (found,) = (await arm.policies([BUILT_IN])).values()
    assert isinstance(found, Unread)


async def test_a_cloud_that_lacks_the_api_version_is_asked_by_the_newest_that_it_names(
    make_arm: MakeArm, defined: Cloud
) -> None:
    defined.arm.control._put_api_versions({"policyDefinitions": ["2020-09-01", "2021-06-01"]})
    arm = make_arm()
    assert await arm.policies([BUILT_IN]) == {KEY: Policy("Storage", "High")}
    assert arm.policy_versions["policyDefinitions"] == "2021-06-01"
    assert arm.policy_versions["policySetDefinitions"] == arm.policy_versions["policyAssignments"] == "2025-03-01"


# Resource Graph


async def test_one_query_shows_all_those_above_listed_scopes_too(graph: Graph, defined: Cloud) -> None:
    defined.arm.seed(f"{SUBSCRIPTION}{AUTH}/policyDefinitions/Low", definition(severity="Low"))
    plain = await graph.surroundings()
    before = graph.requests
    found = await graph.surroundings(policies=True)
    assert graph.requests - before == before + 2  # four definitions in pages of two
    assert plain.policies == {}
    assert found.policies == {
        KEY: Policy("Storage", "High"),
        OWN.lower(): Policy("Sealed"),
        f"{AUTH}/policyDefinitions/tls".lower(): Policy(),
        f"{SUBSCRIPTION}{AUTH}/policyDefinitions/Low".lower(): Policy("", "Low"),
    }
    assert (found.assignments, found.missing) == (plain.assignments, ())


async def test_metadata_counts_in_any_casing_there_too(graph: Graph, defined: Cloud) -> None:
    defined.arm.seed(BUILT_IN, definition(metadata={"Category": "Storage", "SEVERITY": "High", "version": 1}))
    assert (await graph.surroundings(policies=True)).policies[KEY] == Policy("Storage", "High")


async def test_one_that_may_not_be_seen_is_not_among_them(graph: Graph, defined: Cloud) -> None:
    defined.arm.control._put_permissions({OID: [{"scope": SUBSCRIPTION, "actions": ["*/read"]}]})
    found = await graph.surroundings(policies=True)
    assert OWN.lower() not in found.policies
    assert found.policies[KEY] == Policy("Storage", "High")


async def test_what_could_not_be_read_is_said_and_the_rest_is_there(
    defined: Cloud, credential: StaticCredential, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = make(defined, credential, clock, Sleep())
    plain, policies = await graph.surroundings(), graph._policies

    async def refused(missing: list[str]) -> PoliciesById:
        refuse(defined, status=403, code="AccessDenied")
        return await policies(missing)

    monkeypatch.setattr(graph, "_policies", refused)
    found = await graph.surroundings(policies=True)
    await graph.close()
    assert (found.policies, found.assignments, found.whole) == ({}, plain.assignments, True)
    assert found.missing == ("the policy definitions of the tenant could not be read: AccessDenied: as answered",)


async def test_a_row_without_an_id_is_passed_over(graph: Graph, defined: Cloud) -> None:
    trouble(defined, nulls={"id": "policyDefinitions/own"})
    assert set((await graph.surroundings(policies=True)).policies) == {KEY, f"{AUTH}/policyDefinitions/tls".lower()}
