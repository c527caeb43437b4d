"""Which exemptions are attached to a scope or below it: the lost, or those that are there."""

import asyncio

import pytest
from azure.core.exceptions import ServiceRequestError

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ports import Register
from guardrails.register.keys import address
from tests.register.conftest import SUB, World

SUBSCRIPTION = f"/subscriptions/{SUB}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/Demo"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/drop"
CORP = "/providers/Microsoft.Management/managementGroups/corp & sons"
OTHER = "/subscriptions/11111111-2222-3333-4444-555555555555"


def one(scope: str, name: str) -> ExemptionId:
    return ExemptionId.parse(f"{scope}/providers/Microsoft.Authorization/policyExemptions/{name}")


async def keep(world: World, exemption: ExemptionId, status: Status) -> None:
    now = world.clock.now()
    before = await world.register.read(exemption)
    entry = Entry(now, "judged", {"hint": "event"})
    assert await world.register.commit(exemption, before, Row(exemption.text, status, now), entry)


@pytest.fixture
async def filled(empty: World) -> World:
    """At each scope one that is there, one lost and one gone; and some that only look alike."""
    for scope in (SUBSCRIPTION, GROUP, ACCOUNT, f"{GROUP}-2", f"{ACCOUNT}2", CORP, OTHER):
        for status in (Status.COMPLIANT, Status.LOST, Status.GONE):
            await keep(empty, one(scope, str(status)), status)
    return empty


async def attached(register: Register, scope: str, *, lost: bool) -> set[str]:
    place = one(scope, "any")
    found = await register.attached_ids(place.container, place.key[: len(scope)], lost=lost)
    assert len(set(found)) == len(found)
    return set(found)


@pytest.mark.parametrize(("lost", "name"), [(True, "lost"), (False, "compliant")])
async def test_those_at_a_scope_and_below_it_and_no_others(filled: World, *, lost: bool, name: str) -> None:
    below = {
        ACCOUNT: [ACCOUNT],
        GROUP: [GROUP, ACCOUNT, f"{ACCOUNT}2"],
        GROUP.upper(): [GROUP, ACCOUNT, f"{ACCOUNT}2"],
        SUBSCRIPTION: [SUBSCRIPTION, GROUP, ACCOUNT, f"{GROUP}-2", f"{ACCOUNT}2"],
        OTHER: [OTHER],
        CORP: [CORP],
        f"{GROUP}-3": [],
        "/subscriptions/never-seen": [],
    }
    for scope, scopes in below.items():
        assert await attached(filled.register, scope, lost=lost) == {one(at, name).text for at in scopes}


@pytest.mark.parametrize("status", list(Status))
async def test_all_but_the_gone_and_the_lost_are_there(empty: World, status: Status) -> None:
    exemption = one(ACCOUNT, "e")
    await keep(empty, exemption, status)
    there = await attached(empty.register, GROUP, lost=False)
    assert there == (set() if status in (Status.GONE, Status.LOST) else {exemption.text})
    assert await attached(empty.register, GROUP, lost=True) == ({exemption.text} if status is Status.LOST else set())


async def test_one_that_asks_alone_costs_one_request(filled: World) -> None:
    filled.transport.requests.clear()
    await attached(filled.register, GROUP, lost=True)
    assert len(filled.transport.requests) == 1


async def test_many_who_ask_at_once_share_their_reads(filled: World) -> None:
    filled.transport.requests.clear()
    scopes = [ACCOUNT, GROUP, SUBSCRIPTION, f"{GROUP}-2"] * 50
    found = await asyncio.gather(*(attached(filled.register, scope, lost=True) for scope in scopes))
    assert len(filled.transport.requests) == 1
    assert found[:4] == [await attached(filled.register, scope, lost=True) for scope in scopes[:4]]


@pytest.mark.http
async def test_no_caller_gets_what_was_read_before_it_asked(filled: World) -> None:
    """Whoever commits and then asks finds it, however many reads are under way."""

    async def commit_and_ask(n: int) -> None:
        exemption = one(ACCOUNT, f"late-{n}")
        await keep(filled, exemption, Status.LOST)
        assert exemption.text in await attached(filled.register, ACCOUNT, lost=True)
        await keep(filled, exemption, Status.COMPLIANT)
        assert exemption.text not in await attached(filled.register, ACCOUNT, lost=True)

    await asyncio.gather(*(commit_and_ask(n) for n in range(30)))
    reads = [seen for seen in filled.transport.requests if "filter" in seen.url and "lost" in seen.url]
    assert 2 <= len(reads) < 60


async def test_one_who_gives_up_takes_nothing_from_the_others(filled: World) -> None:
    hasty = asyncio.create_task(attached(filled.register, GROUP, lost=True))
    patient = asyncio.create_task(attached(filled.register, GROUP, lost=True))
    await asyncio.sleep(0)
    hasty.cancel()
    assert len(await patient) == 3
    assert hasty.cancelled()


async def test_a_row_with_a_damaged_id_is_skipped_and_logged(filled: World, caplog: pytest.LogCaptureFixture) -> None:
    place = address(one(GROUP, "lost"))
    await filled.sdk.update_entity({"PartitionKey": place.partition, "RowKey": place.state, "id": "scribble"})
    left = {one(scope, "lost").text for scope in (ACCOUNT, f"{ACCOUNT}2")}
    assert await attached(filled.register, GROUP, lost=True) == left
    assert "was changed outside the service, and is skipped" in caplog.text


async def test_a_register_never_used_has_none(world: World) -> None:
    assert await attached(world.register, GROUP, lost=True) == set()


@pytest.mark.http
async def test_a_store_that_is_down_is_retryable_for_all_who_ask(
    filled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise ServiceRequestError("no route")

    with monkeypatch.context() as patch:
        patch.setattr(filled.transport, "send", refuse)
        ends = await asyncio.gather(
            *(attached(filled.register, GROUP, lost=True) for _ in range(3)), return_exceptions=True
        )
    assert [type(end) for end in ends] == [Retryable] * 3
    assert len(await attached(filled.register, GROUP, lost=True)) == 3
