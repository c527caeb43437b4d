"""The breaker counts reverts over one hour, whoever asks, and stays open until somebody closes it."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from guardrails.ports import BreakerState
from guardrails.register.table_register import connect
from tests.register.conftest import World


async def test_fifty_at_once_with_a_limit_of_twenty(empty: World) -> None:
    now = empty.clock.now()
    states = await asyncio.gather(*(empty.register.take_revert(now, 20) for _ in range(50)))
    assert len([state for state in states if state.opened_at is None]) == 20
    assert await empty.register.breaker(now) == BreakerState(now, 20)


async def test_fifty_from_five_processes_with_a_limit_of_twenty(empty: World, azurite: str, table: str) -> None:
    now = empty.clock.now()
    workers = [connect(clock=empty.clock, connection_string=azurite, table=table) for _ in range(5)]
    states = await asyncio.gather(*(workers[n % 5].take_revert(now, 20) for n in range(50)))
    for worker in workers:
        await worker.close()
    assert len([state for state in states if state.opened_at is None]) == 20
    assert await empty.register.breaker(now) == BreakerState(now, 20)


async def test_the_hour_slides(empty: World) -> None:
    for _ in range(3):
        assert (await empty.register.take_revert(empty.clock.now(), 3)).opened_at is None
        empty.clock.advance(minutes=25)
    # The first was 75 minutes ago: there is room again.
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(None, 2)
    assert await empty.register.take_revert(empty.clock.now(), 3) == BreakerState(None, 3, taken=True)
    opened = await empty.register.take_revert(empty.clock.now(), 3)
    assert opened == BreakerState(empty.clock.now(), 3)


async def test_it_stays_open_until_it_is_closed(empty: World) -> None:
    opened = empty.clock.now()
    assert (await empty.register.take_revert(opened, 0)).opened_at == opened
    empty.clock.advance(days=3)
    assert await empty.register.take_revert(empty.clock.now(), 100) == BreakerState(opened, 0)
    await empty.register.close_breaker(empty.clock.now())
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(None, 0)
    assert await empty.register.take_revert(empty.clock.now(), 1) == BreakerState(None, 1, taken=True)


async def test_people_are_told_once_for_each_time_it_opens(empty: World) -> None:
    opened = (await empty.register.take_revert(empty.clock.now(), 0)).opened_at
    assert opened is not None
    await empty.register.breaker_told(opened)
    await empty.register.breaker_told(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(opened, 0, told=True)
    assert await empty.register.take_revert(empty.clock.now(), 9) == BreakerState(opened, 0, told=True)

    await empty.register.close_breaker(empty.clock.now())
    await empty.register.breaker_told(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(None, 0)
    again = (await empty.register.take_revert(empty.clock.advance(seconds=0.25), 0)).opened_at
    await empty.register.breaker_told(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(again, 0, told=False)


async def test_a_breaker_never_used_is_closed(world: World) -> None:
    assert await world.register.breaker(world.clock.now()) == BreakerState(None, 0)


async def test_time_zones_do_not_matter(empty: World) -> None:
    now = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    await empty.register.take_revert(now.astimezone(timezone(timedelta(hours=9))), 5)
    assert await empty.register.breaker(now + timedelta(minutes=59)) == BreakerState(None, 1)
    assert await empty.register.breaker(now + timedelta(minutes=61)) == BreakerState(None, 0)


@pytest.mark.parametrize("edit", [{"reverts": "many"}, {"reverts": '["a"]'}, {"opened_at": 5}, {"opened_at": "soon"}])
async def test_a_damaged_breaker_counts_as_open(empty: World, edit: dict[str, object]) -> None:
    await empty.register.take_revert(empty.clock.now(), 20)
    await empty.sdk.update_entity({"PartitionKey": "breaker", "RowKey": "breaker", **edit})
    assert (await empty.register.breaker(empty.clock.now())).opened_at is not None
    opened = (await empty.register.take_revert(empty.clock.now(), 20)).opened_at
    assert opened is not None
    await empty.register.breaker_told(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(opened, 0, told=True)
    await empty.register.close_breaker(empty.clock.now())
    assert (await empty.register.take_revert(empty.clock.now(), 20)).opened_at is None


async def test_thousands_of_reverts_fit(empty: World) -> None:
    now = empty.clock.now()
    await empty.register.take_revert(now, 5000)
    times = [int(now.timestamp() * 1000)] * 4000
    text = str(times).replace(" ", "")
    await empty.sdk.upsert_entity(
        {
            "PartitionKey": "breaker",
            "RowKey": "breaker",
            "opened_at": "",
            "reverts": text[:32_000],
            "reverts_1": text[32_000:],
        }
    )
    assert await empty.register.take_revert(now, 5000) == BreakerState(None, 4001, taken=True)
    assert await empty.register.breaker(now) == BreakerState(None, 4001)


async def test_a_revert_that_may_not_open_it_is_refused_at_its_own_limit(empty: World) -> None:
    now = empty.clock.now()
    taken = [(await empty.register.take_revert(now, 2, opens=False)).taken for _ in range(4)]
    assert taken == [True, True, False, False]
    assert await empty.register.breaker(now) == BreakerState(None, 2)
    assert (await empty.register.take_revert(now, 5)).taken
