"""The breaker: so many reverts in an hour and no more, notified once, until an operator closes it."""

import asyncio
import json
import logging
from contextlib import suppress

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from tests.reconcile.ports import Died
from tests.reconcile.world import World, rules

WIDE = {"reverts": {"exemption": 20, "author": 99, "subscription": 99}}
"""One author may use up the total: that is what is looked at here. tests/reconcile/test_budgets.py has the others."""


async def test_the_limit_holds_and_the_next_one_waits(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 2, **WIDE})
    ids = [world.id(f"bad-{number}") for number in range(4)]
    for one in ids:
        await world.bad(one)

    did = [(await world.look(one)).did for one in ids]

    assert did == ["delete", "delete", "", ""]
    assert world.writes() == 2
    for one in ids[2:]:
        row = await world.row(one)
        assert (row.status, row.held, row.answer) == (Status.VIOLATION, "breaker", "delete")
        assert await world.body(one) is not None
    assert [await world.events(one) for one in ids[2:]] == [["intent", "held"], ["held"]]
    assert sorted(await world.register.held()) == sorted(one.text for one in ids[2:])
    assert await world.notice_kinds() == ["breaker-open", "reverted", "reverted", "violation", "violation"]
    state = await world.register.breaker(world.clock.now())
    assert (state.opened_at, state.notified) == (world.clock.time, True)


@pytest.mark.parametrize("operation", ["queues.send", "register.sent"])
async def test_a_notice_that_fails_once_is_sent_once_more_at_most(world: World, operation: str) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    first, second = world.id("first"), world.id("second")
    await world.bad(first)
    await world.bad(second)
    world.watch.before[operation] = unreachable
    with pytest.raises(Retryable):
        await world.look(first)
    assert (await world.register.breaker(world.clock.now())).notified
    world.after_lease()
    await world.look(first)
    await world.look(second)
    assert [one["notice"]["kind"] for one in await world.notices()].count("breaker-open") in (1, 2)


async def unreachable() -> None:
    raise Retryable("it cannot be reached", code="storage-unreachable")


async def test_what_is_held_is_held_quietly(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await world.forget()
    world.clock.advance(hours=2)
    for source in ("event", "queue", "operator"):
        assert not (await world.look(one, source)).wrote
    assert world.writes() == 0
    assert await world.notice_kinds() == []


async def test_closed_by_an_operator_it_lets_reverts_through_again(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 1, **WIDE})
    first, second = world.id("first"), world.id("second")
    for one in (first, second):
        await world.bad(one)
        await world.look(one)
    assert (await world.row(second)).held == "breaker"

    await world.register.close_breaker(world.clock.now())

    assert (await world.look(second, "queue")).did == "delete"
    assert await world.body(second) is None
    assert (await world.row(second)).held == ""
    assert await world.register.held() == {}


async def test_an_hour_later_there_is_room_again(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 1, **WIDE})
    for turn in range(3):
        one = world.id(f"turn-{turn}")
        await world.bad(one)
        assert (await world.look(one)).did == "delete"
        world.clock.advance(minutes=61)
    assert await world.notice_kinds() == ["reverted"] * 3


@pytest.mark.parametrize("write", [2, 3, 4])
async def test_a_revert_that_came_to_wait_is_counted_for_nobody_though_its_worker_died(
    world: World, write: int
) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 1, **WIDE})
    first, second = world.id("first"), world.id("second")
    await world.bad(first)
    await world.look(first)
    await world.bad(second)
    world.watch.die_at(write, after=False)
    with suppress(Died):
        await world.look(second)
    assert world.watch.revive()
    world.after_lease()
    await world.look(second)
    row = await world.row(second)
    assert (row.held, row.reverts) == ("breaker", ())


async def test_tags_are_not_counted(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 0}, on={"expiry-missing": "tag"})
    one = world.id()
    await world.bad(one)
    assert (await world.look(one)).did == "tag"
    assert (await world.register.breaker(world.clock.now())).recent == 0


async def test_fixed_while_it_was_held(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await world.write(one)
    await world.look(one)
    row = await world.row(one)
    assert (row.status, row.held) == (Status.COMPLIANT, "")
    assert await world.register.held() == {}


async def test_one_revert_counts_once_however_often_its_event_comes(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 3})
    one = world.id()
    await world.bad(one)
    await asyncio.gather(*(world.look(one) for _ in range(5)), return_exceptions=True)
    assert await world.body(one) is None
    state = await world.register.breaker(world.clock.now())
    assert (state.opened_at, state.recent) == (None, 1)


async def test_an_open_breaker_is_named_with_each_revert_that_it_holds(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "guardrails")
    world.ruleset = rules(breaker={"reverts_per_hour": 1, **WIDE})
    for name in ("first", "second", "third"):
        await world.bad(world.id(name))
        await world.look(world.id(name))
    facts = [json.loads(one.message) for one in caplog.records if one.name == "guardrails.telemetry"]
    assert [one["state"] for one in facts if one["event"] == "breaker"] == ["closed", "open", "open"]
