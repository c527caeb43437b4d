"""The inventory of exemptions: every row in order, and what cannot be read is named while the rest goes on."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from guardrails.azure.graph import Graph
from guardrails.azure.graph_answer import quota_wait
from guardrails.errors import Retryable
from sandbox.cloud import Cloud
from tests.azure import inventory
from tests.azure.conftest import OID, StaticCredential
from tests.clock import VirtualClock
from tests.patience import PATIENCE
from tests.sandbox.conftest import CORP, GROUP, SUB, SUBSCRIPTION, VAULT, exemption, exemption_id


@pytest.fixture
def sleep() -> inventory.Sleep:
    return inventory.Sleep()


@pytest.fixture
async def graph_of(
    cloud: Cloud, credential: StaticCredential, clock: VirtualClock, sleep: inventory.Sleep
) -> AsyncIterator[inventory.MakeGraph]:
    made: list[Graph] = []

    def one(**more: object) -> Graph:
        made.append(inventory.make(cloud, credential, clock, sleep, **more))
        return made[-1]

    yield one
    for graph in made:
        await graph.close()


async def test_exemptions_of_every_level_come_in_the_order_of_their_ids(
    graph_of: inventory.MakeGraph, cloud: Cloud
) -> None:
    seeded = [one for scope in inventory.LEVELS for one in inventory.seed(cloud, 5, scope)]
    cloud.arm.seed(exemption_id(GROUP, "E0025"), exemption())
    graph = graph_of(top=4)
    found = await inventory.pages(graph)
    assert set(inventory.ids(found)) == {*seeded, exemption_id(GROUP, "E0025")}
    assert inventory.ids(found) == sorted(inventory.ids(found), key=str.lower)
    assert [len(page.rows) for page in found] == [4, 4, 4, 4, 4, 1]
    assert {page.total for page in found} == {21}
    assert inventory.missing(found) == []
    assert graph.requests == inventory.asked(cloud) == 6
    assert inventory.rows(found)[0].keys() == {"id", "tenantId", "properties", "systemData"}


async def test_an_empty_tenant_is_one_empty_page(graph_of: inventory.MakeGraph) -> None:
    found = await inventory.pages(graph_of())
    assert [(page.rows, page.total, page.missing) for page in found] == [((), 0, "")]


async def test_of_no_subscriptions_nothing_is_listed(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    """A part of a sweep all of whose subscriptions are gone is not the whole tenant."""
    inventory.seed(cloud, 10)
    assert [page async for page in graph_of().exemptions([])] == []
    assert inventory.asked(cloud) == 0


async def test_the_next_page_is_read_ahead_but_no_more(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    inventory.seed(cloud, 10)
    coming = graph_of(top=2).exemptions()
    await anext(coming)
    async with asyncio.timeout(PATIENCE):
        while inventory.asked(cloud) < 2:  # noqa: ASYNC110 - the stand-in only counts
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert inventory.asked(cloud) == 2
    rest = [page async for page in coming]
    assert len(rest) == 4


async def test_a_reader_that_stops_early_leaves_nothing_behind(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    inventory.seed(cloud, 10)
    before = asyncio.all_tasks()
    coming = graph_of(top=2).exemptions()
    await anext(coming)
    await coming.aclose()
    ours = {task for task in asyncio.all_tasks() - before if "following" in repr(task)}
    assert ours == set()


async def test_a_payload_that_is_too_large_is_halved(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 20)
    inventory.trouble(cloud, largest=3)
    found = await inventory.pages(graph_of(top=8))
    assert inventory.ids(found) == seeded
    assert inventory.missing(found) == []
    assert max(len(page.rows) for page in found) == 2
    assert inventory.statuses(cloud).count(400) < inventory.statuses(cloud).count(200)


async def test_pages_grow_again_once_rows_are_small(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 40)
    inventory.fail(cloud, status=400, code="ResponsePayloadTooLarge", count=2)
    found = await inventory.pages(graph_of(top=8))
    assert inventory.ids(found) == seeded
    assert [len(page.rows) for page in found] == [2, 2, 2, 2, 4, 4, 4, 4, 8, 8]


async def test_one_row_that_is_too_large_is_named_and_passed_by(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 5)
    inventory.fail(cloud, status=400, code="ResponsePayloadTooLarge", count=3)
    found = await inventory.pages(graph_of(top=4))
    assert inventory.missing(found) == ["row 1 could not be read: ResponsePayloadTooLarge: as answered"]
    assert inventory.ids(found) == seeded[1:]


async def test_a_429_is_waited_for(graph_of: inventory.MakeGraph, cloud: Cloud, sleep: inventory.Sleep) -> None:
    seeded = inventory.seed(cloud, 3)
    inventory.fail(cloud, status=429, retry_after="7", count=4)
    assert inventory.ids(await inventory.pages(graph_of())) == seeded
    assert sleep.waits == [7.0] * 4


async def test_a_429_that_does_not_end_is_given_up(
    graph_of: inventory.MakeGraph, cloud: Cloud, sleep: inventory.Sleep
) -> None:
    inventory.seed(cloud, 3)
    inventory.fail(cloud, status=429, retry_after="86400")
    found = await inventory.pages(graph_of())
    assert inventory.missing(found) == ["the exemptions of the tenant could not be read: TooManyRequests: as answered"]
    assert sleep.waits == [60.0] * 5


async def test_the_quota_is_kept_without_a_429(
    graph_of: inventory.MakeGraph, cloud: Cloud, sleep: inventory.Sleep, clock: VirtualClock
) -> None:
    seeded = inventory.seed(cloud, 12)
    cloud.arm.graph._clock = clock.now
    inventory.trouble(cloud, quota={"limit": 2, "seconds": 5})
    sleep.then = cloud.arm.graph.refill
    assert inventory.ids(await inventory.pages(graph_of(top=2))) == seeded
    assert sleep.waits == [5.0, 5.0]
    assert set(inventory.statuses(cloud)) == {200}


async def test_a_quota_that_others_use_up_is_waited_for(
    graph_of: inventory.MakeGraph, cloud: Cloud, sleep: inventory.Sleep, clock: VirtualClock
) -> None:
    seeded = inventory.seed(cloud, 2)
    cloud.arm.graph._clock = clock.now
    inventory.trouble(cloud, quota={"limit": 0, "seconds": 70})
    sleep.then = lambda: inventory.trouble(cloud, quota={})
    assert inventory.ids(await inventory.pages(graph_of())) == seeded
    assert sleep.waits == [60.0]
    assert inventory.statuses(cloud) == [429, 200]


@pytest.mark.parametrize(
    ("left", "resets", "seconds"),
    [
        ("0", "00:00:05", 5.0), ("0", "00:00:01.5", 1.5), ("0", "00:00:00", 1.0), ("0", "01:00:00", 60.0),
        ("0", "soon", 5.0), ("0", "", 5.0), ("1", "00:00:05", 0.0), ("", "00:00:05", 0.0),
    ],
)  # fmt: skip
def test_how_long_a_used_up_quota_is_waited_for(left: str, resets: str, seconds: float) -> None:
    assert quota_wait({"x-ms-user-quota-remaining": left, "x-ms-user-quota-resets-after": resets}) == seconds


@pytest.mark.parametrize("status", [500, 503, 429, 200])
async def test_a_page_that_fails_for_good_is_named_and_the_rest_comes(
    graph_of: inventory.MakeGraph, cloud: Cloud, status: int
) -> None:
    seeded = inventory.seed(cloud, 9)
    inventory.trouble(cloud, fail={"start": 3, "times": 6 if status == 429 else 3, "status": status})
    found = await inventory.pages(graph_of(top=3))
    assert inventory.ids(found) == seeded[:3] + seeded[6:]
    [sentence] = inventory.missing(found)
    assert sentence.startswith("rows 4 to 6 could not be read: ")
    assert {page.total for page in found} == {9}


async def test_a_page_that_fails_twice_is_read(
    graph_of: inventory.MakeGraph, cloud: Cloud, sleep: inventory.Sleep
) -> None:
    seeded = inventory.seed(cloud, 9)
    inventory.trouble(cloud, fail={"start": 3, "times": 2, "status": 500})
    found = await inventory.pages(graph_of(top=3))
    assert inventory.ids(found) == seeded
    assert inventory.missing(found) == []
    assert sleep.waits == [2.0, 4.0]


@pytest.mark.http
@pytest.mark.usefixtures("time_jumps")
async def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    graph_of: inventory.MakeGraph, cloud: Cloud, sleep: inventory.Sleep
) -> None:
    seeded = inventory.seed(cloud, 3)
    inventory.fail(cloud, latency=16, count=1)
    found = await inventory.pages(graph_of())
    assert inventory.ids(found) == seeded
    assert inventory.missing(found) == []
    assert sleep.waits == [2.0]


async def test_the_last_page_that_fails_names_only_rows_that_are_there(
    graph_of: inventory.MakeGraph, cloud: Cloud
) -> None:
    seeded = inventory.seed(cloud, 5)
    inventory.trouble(cloud, fail={"start": 4, "times": 3})
    found = await inventory.pages(graph_of(top=4))
    assert inventory.ids(found) == seeded[:4]
    assert [one.partition(" could")[0] for one in inventory.missing(found)] == ["row 5"]


async def test_a_graph_that_breaks_down_in_between_is_given_up(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    inventory.seed(cloud, 40)
    graph = graph_of(top=2)
    found = []
    async for page in graph.exemptions():
        found.append(page)
        if not cloud.arm.faults.rules:
            inventory.fail(cloud, drop=True)
    assert len(inventory.missing(found)) == 3
    assert inventory.missing(found)[-1].startswith("rows ")
    assert " to 40 could not be read: Azure Resource Manager did not answer" in inventory.missing(found)[-1]
    assert graph.requests <= 2 + 3 * 3


async def test_a_segment_whose_first_page_fails_is_named_and_the_next_comes(
    graph_of: inventory.MakeGraph, cloud: Cloud
) -> None:
    cloud.arm.seed(exemption_id(CORP, "mg"), exemption())
    seeded = inventory.seed(cloud, 3)
    inventory.fail(cloud, status=500, count=3)
    found = await inventory.pages(graph_of(scopes=["corp", SUB]))
    assert inventory.missing(found) == [
        "the exemptions of management group corp could not be read: ServiceUnavailable: as answered"
    ]
    assert inventory.ids(found) == seeded


async def test_a_token_that_is_refused_is_gone_around(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 9)
    found = []
    async for page in graph_of(top=2).exemptions():
        found.append(page)
        inventory.trouble(cloud, expire=True)
    assert inventory.ids(found) == seeded
    assert inventory.missing(found) == []
    assert 400 in inventory.statuses(cloud)


async def test_rows_that_are_cut_off_are_named(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 9)
    inventory.trouble(cloud, silent=True)
    found = await inventory.pages(graph_of(top=4))
    assert inventory.ids(found) == seeded[:4]
    assert inventory.missing(found) == ["the rows after row 4 were cut off by Resource Graph"]


async def test_the_limit_of_subscriptions_is_named_once(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 9)
    inventory.trouble(cloud, limit_hit=True)
    found = await inventory.pages(graph_of(top=2))
    assert inventory.ids(found) == seeded
    [sentence] = inventory.missing(found)
    assert "10,000 subscriptions" in sentence
    assert "GUARDRAILS_SWEEP_SCOPES" in sentence


async def test_a_management_group_without_rights_is_named_and_the_others_come(
    graph_of: inventory.MakeGraph, cloud: Cloud
) -> None:
    cloud.arm.add_management_group("secret")
    seeded = inventory.seed(cloud, 3)
    cloud.arm.control._put_permissions({OID: [{"scope": CORP, "actions": ["*/read"]}]})
    found = await inventory.pages(graph_of(scopes=["secret", "corp"]))
    assert inventory.ids(found) == seeded
    [sentence] = inventory.missing(found)
    assert sentence.startswith("management group secret could not be read: ")
    assert "Microsoft.Management/managementGroups/read" in sentence
    assert "Reader" in sentence


async def test_scopes_that_may_not_be_read_are_left_out_without_a_word(
    graph_of: inventory.MakeGraph, cloud: Cloud
) -> None:
    cloud.arm.seed(exemption_id(CORP, "mg"), exemption())
    seeded = inventory.seed(cloud, 3)
    cloud.arm.control._put_permissions({OID: [{"scope": SUBSCRIPTION, "actions": ["*/read"]}]})
    found = await inventory.pages(graph_of())
    assert inventory.ids(found) == seeded
    assert inventory.missing(found) == []


async def test_many_scopes_are_several_queries(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    groups = [f"g{n:02}" for n in range(11)]
    for group in groups:
        scope = cloud.arm.add_management_group(group)
        cloud.arm.seed(exemption_id(scope, "one"), exemption())
    seeded = inventory.seed(cloud, 2)
    found = await inventory.pages(graph_of(scopes=[*groups, SUB.upper(), "G00", " "]))
    assert len(inventory.ids(found)) == 13
    assert inventory.ids(found)[-2:] == seeded
    assert inventory.asked(cloud) == 3
    assert [page.total for page in found] == [10, 11, 13]


async def test_subscriptions_are_asked_for_a_thousand_at_a_time(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 2)
    others = [f"00000000-0000-4000-8000-{n:012}" for n in range(1500)]
    found = await inventory.pages(graph_of(scopes=[*others, SUB]))
    assert inventory.ids(found) == seeded
    assert inventory.asked(cloud) == 2


async def test_malformed_rows_pass_through(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    [seeded] = inventory.seed(cloud, 1)
    malformed = [
        {"id": seeded, "tenantId": "other", "properties": None},
        {"id": seeded.upper(), "properties": {"a": 1}},
        {"id": None},
        {},
    ]
    inventory.trouble(cloud, extra=malformed)
    found = inventory.rows(await inventory.pages(graph_of()))
    assert len(found) == 5
    assert all(row in found for row in malformed)


async def test_rows_that_are_no_objects_are_counted(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 3)
    inventory.trouble(cloud, extra=["text", 5, None])
    found = await inventory.pages(graph_of(top=4))
    assert inventory.ids(found) == seeded
    assert inventory.missing(found) == ["3 rows are not JSON objects"]


async def test_the_skew_of_the_clocks_is_reported(
    graph_of: inventory.MakeGraph, cloud: Cloud, clock: VirtualClock
) -> None:
    cloud.arm.graph._clock = clock.now
    for skew in (-300, 0):
        inventory.trouble(cloud, skew=skew)
        [page] = await inventory.pages(graph_of())
        assert page.skew == -skew


async def test_a_table_without_system_data_is_read_without_it(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 5)
    inventory.trouble(cloud, without=["systemData"])
    graph = graph_of(top=2)
    found = await inventory.pages(graph)
    assert inventory.ids(found) == seeded
    assert inventory.missing(found) == []
    assert graph.requests == 4
    assert inventory.rows(found)[0].keys() == {"id", "tenantId", "properties"}


async def test_without_a_token_nothing_is_read(graph_of: inventory.MakeGraph, credential: StaticCredential) -> None:
    credential.token = "nonsense"
    with pytest.raises(Retryable) as caught:
        await inventory.pages(graph_of())
    assert caught.value.code == "no-token"


async def test_rows_are_as_the_graph_has_them_even_when_it_lags(graph_of: inventory.MakeGraph, cloud: Cloud) -> None:
    seeded = inventory.seed(cloud, 2, VAULT)
    inventory.trouble(cloud, frozen=True)
    cloud.arm.store.remove(seeded[0].lower())
    assert inventory.ids(await inventory.pages(graph_of())) == seeded
    inventory.trouble(cloud, frozen=False)
    assert inventory.ids(await inventory.pages(graph_of())) == seeded[1:]
