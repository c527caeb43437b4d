"""The breaker counts reverts over one hour, whoever asks, and stays open until somebody closes it."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from azure.data.tables import UpdateMode

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ports import BreakerState
from guardrails.register.breaker import _Kept
from guardrails.register.table_register import connect
from guardrails.ruleset.budgets import Budget, Use
from tests.register.conftest import World

AUTH = "/providers/Microsoft.Authorization/policyExemptions"


async def test_fifty_at_once_with_a_limit_of_twenty(empty: World) -> None:
    now = empty.clock.now()
    states = await asyncio.gather(*(empty.register.take_revert(now, Budget.of(20), Use()) for _ in range(50)))
    assert len([state for state in states if state.opened_at is None]) == 20
    assert await empty.register.breaker(now) == BreakerState(now, 20)


async def test_fifty_from_five_processes_with_a_limit_of_twenty(empty: World, connection: str, table: str) -> None:
    now = empty.clock.now()
    workers = [connect(clock=empty.clock, connection_string=connection, table=table) for _ in range(5)]
    states = await asyncio.gather(*(workers[n % 5].take_revert(now, Budget.of(20), Use()) for n in range(50)))
    for worker in workers:
        await worker.close()
    assert len([state for state in states if state.opened_at is None]) == 20
    assert await empty.register.breaker(now) == BreakerState(now, 20)


async def test_the_hour_slides(empty: World) -> None:
    for _ in range(3):
        assert (await empty.register.take_revert(empty.clock.now(), Budget.of(3), Use())).opened_at is None
        empty.clock.advance(minutes=25)
    # The first was 75 minutes ago: there is room again.
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(None, 2)
    assert await empty.register.take_revert(empty.clock.now(), Budget.of(3), Use()) == BreakerState(None, 3, taken=True)
    opened = await empty.register.take_revert(empty.clock.now(), Budget.of(3), Use())
    assert opened == BreakerState(empty.clock.now(), 3)


async def test_it_stays_open_until_it_is_closed(empty: World) -> None:
    opened = empty.clock.now()
    assert (await empty.register.take_revert(opened, Budget.of(0), Use())).opened_at == opened
    empty.clock.advance(days=3)
    assert await empty.register.take_revert(empty.clock.now(), Budget.of(100), Use()) == BreakerState(opened, 0)
    await empty.register.close_breaker(empty.clock.now())
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(None, 0)
    assert await empty.register.take_revert(empty.clock.now(), Budget.of(1), Use()) == BreakerState(None, 1, taken=True)


async def test_people_are_told_once_for_each_time_it_opens(empty: World) -> None:
    opened = (await empty.register.take_revert(empty.clock.now(), Budget.of(0), Use())).opened_at
    assert opened is not None
    await empty.register.breaker_notified(opened)
    await empty.register.breaker_notified(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(opened, 0, notified=True)
    state = await empty.register.take_revert(empty.clock.now(), Budget.of(9), Use())
    assert state == BreakerState(opened, 0, notified=True)

    await empty.register.close_breaker(empty.clock.now())
    await empty.register.breaker_notified(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(None, 0)
    again = (await empty.register.take_revert(empty.clock.advance(seconds=0.25), Budget.of(0), Use())).opened_at
    await empty.register.breaker_notified(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(again, 0, notified=False)


async def test_a_breaker_never_used_is_closed(world: World) -> None:
    assert await world.register.breaker(world.clock.now()) == BreakerState(None, 0)


async def test_time_zones_do_not_matter(empty: World) -> None:
    now = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
    await empty.register.take_revert(now.astimezone(timezone(timedelta(hours=9))), Budget.of(5), Use())
    assert await empty.register.breaker(now + timedelta(minutes=59)) == BreakerState(None, 1)
    assert await empty.register.breaker(now + timedelta(minutes=61)) == BreakerState(None, 0)


@pytest.mark.parametrize("edit", [{"reverts": "many"}, {"reverts": '["a"]'}, {"opened_at": 5}, {"opened_at": "soon"}])
async def test_a_damaged_breaker_counts_as_open(empty: World, edit: dict[str, object]) -> None:
    await empty.register.take_revert(empty.clock.now(), Budget.of(20), Use())
    await empty.sdk.update_entity({"PartitionKey": "breaker", "RowKey": "breaker", **edit})
    assert (await empty.register.breaker(empty.clock.now())).opened_at is not None
    opened = (await empty.register.take_revert(empty.clock.now(), Budget.of(20), Use())).opened_at
    assert opened is not None
    await empty.register.breaker_notified(opened)
    assert await empty.register.breaker(empty.clock.now()) == BreakerState(opened, 0, notified=True)
    await empty.register.close_breaker(empty.clock.now())
    assert (await empty.register.take_revert(empty.clock.now(), Budget.of(20), Use())).opened_at is None


async def test_thousands_of_reverts_fit(empty: World) -> None:
    now = empty.clock.now()
    await empty.register.take_revert(now, Budget.of(5000), Use())
    times = [int(now.timestamp() * 1000)] * 4000
    text = str(times).replace(" ", "")
    await empty.sdk.upsert_entity(
        {
            "PartitionKey": "breaker",
            "RowKey": "breaker",
            "opened_at": "",
            "reverts": text[:32_000],
            "reverts_1": text[32_000:],
        },
        mode=UpdateMode.REPLACE,  # as an older version wrote it
    )
    assert await empty.register.take_revert(now, Budget.of(5000), Use()) == BreakerState(None, 4001, taken=True)
    assert await empty.register.breaker(now) == BreakerState(None, 4001)


async def test_a_revert_that_may_not_open_it_is_refused_at_its_own_limit(empty: World) -> None:
    now = empty.clock.now()
    removal = Use(removal=True)
    taken = [(await empty.register.take_revert(now, Budget.of(4), removal)).taken for _ in range(4)]
    assert taken == [True, True, False, False]
    assert await empty.register.breaker(now) == BreakerState(None, 0)
    assert (await empty.register.take_revert(now, Budget.of(5), Use())).taken


def asked(author: str, number: int = 0, subscription: str = "s-1") -> Use:
    """A revert of an exemption in a subscription, written by an author."""
    exemption = ExemptionId.parse(f"/subscriptions/{subscription}{AUTH}/e-{number}")
    return Use.of(exemption, author, datetime(2026, 11, 2, tzinfo=UTC))


async def test_a_narrow_budget_refuses_and_takes_nothing(empty: World) -> None:
    now, budget = empty.clock.now(), Budget.of(20, {"author": 2, "subscription": 3})
    states = [await empty.register.take_revert(now, budget, asked("eve", n)) for n in range(30)]
    assert [state.taken for state in states] == [True, True] + [False] * 28
    refused = states[-1].refused
    assert refused is not None
    assert (refused.name, refused.limit, refused.until) == ("author", 2, now + timedelta(hours=1))
    assert (await empty.register.take_revert(now, budget, asked("joe", 40))).taken
    held = await empty.register.take_revert(now, budget, asked("ann", 41))
    assert held.refused is not None
    assert held.refused.name == "subscription"
    assert (await empty.register.take_revert(now, budget, asked("ann", 42, "s-2"))).taken
    assert await empty.register.breaker(now) == BreakerState(None, 4)


async def test_asked_for_again_it_is_counted_once(empty: World) -> None:
    now, one = empty.clock.now(), asked("eve")
    for _ in range(3):
        assert (await empty.register.take_revert(now, Budget.of(1), one)).taken
        assert (await empty.register.take_restore(now, Budget.of(1), one)).taken
    state = await empty.register.breaker(now)
    assert (state.recent, len(state.reverts), len(state.restores)) == (1, 1, 1)


async def test_five_processes_share_a_narrow_budget(empty: World, connection: str, table: str) -> None:
    now, budget = empty.clock.now(), Budget.of(99, {"author": 5})
    workers = [connect(clock=empty.clock, connection_string=connection, table=table) for _ in range(5)]
    await asyncio.gather(*(workers[n % 5].take_revert(now, budget, asked("eve", n)) for n in range(30)))
    for worker in workers:
        await worker.close()
    assert await empty.register.breaker(now) == BreakerState(None, 5)


async def test_restores_open_nothing_and_wait_for_an_open_breaker(empty: World) -> None:
    now = empty.clock.now()
    one = Budget.of(1, {"subscription": 9})
    assert (await empty.register.take_restore(now, one, asked("eve", 1))).taken
    state = await empty.register.take_restore(now, one, asked("ann", 2))
    assert (state.taken, state.opened_at, state.refused and state.refused.name) == (False, None, "total")
    await empty.register.take_revert(now, Budget.of(0), asked("eve"))
    state = await empty.register.take_restore(now, Budget.of(9), asked("ann", 3))
    assert (state.taken, state.opened_at) == (False, now)


async def test_a_row_of_an_older_version_counts_in_all_and_for_nobody(empty: World) -> None:
    now = empty.clock.now()
    times = [int(now.timestamp() * 1000)] * 3
    await empty.register.take_revert(now, Budget.of(9), asked("eve"))
    await empty.sdk.upsert_entity(
        {"PartitionKey": "breaker", "RowKey": "breaker", "opened_at": "", "told": "", "reverts": str(times)},
        mode=UpdateMode.REPLACE,
    )
    assert await empty.register.breaker(now) == BreakerState(None, 3)
    assert (await empty.register.take_revert(now, Budget.of(4), asked("eve"))).taken
    assert (await empty.register.take_revert(now, Budget.of(4), asked("eve", 1))).opened_at == now


async def test_a_row_that_is_full_of_authors_fits(empty: World) -> None:
    """Whoever writes, and however many they are: no more than the total stands in the row."""
    now, most = empty.clock.now(), 5_000
    uses = [asked(f"author-{n}", n)._replace(at=int(now.timestamp() * 1000)) for n in range(most)]
    kept = _Kept(reverts=tuple(uses), restores=tuple(uses))
    await empty.register._breaker._write(kept)
    state = await empty.register.breaker(now)
    assert (state.recent, len(state.restores)) == (most, most)
    assert Budget.of(10**6).total == most


async def test_people_are_told_of_a_budget_once_an_hour(empty: World) -> None:
    now = empty.clock.now()
    await empty.register.budget_notified("author/abc", now)
    await empty.register.budget_notified("author/abc", now)
    assert (await empty.register.breaker(now)).notified_budgets == {"author/abc"}
    assert (await empty.register.breaker(now + timedelta(hours=1))).notified_budgets == frozenset()


@pytest.mark.parametrize("edit", [{"reverts_by": "many"}, {"reverts_by": "[1]"}, {"reverts_by": "[]"}, {"said": "[]"}])
async def test_damage_in_whose_they_were_counts_as_open(empty: World, edit: dict[str, object]) -> None:
    await empty.register.take_revert(empty.clock.now(), Budget.of(20), asked("eve"))
    await empty.sdk.update_entity({"PartitionKey": "breaker", "RowKey": "breaker", **edit})
    assert (await empty.register.breaker(empty.clock.now())).opened_at is not None
