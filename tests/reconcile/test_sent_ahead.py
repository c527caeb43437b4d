"""A revert is announced before its outcome is recorded: the intent keeps the notice, so that no outbox is needed."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from guardrails.errors import Retryable
from guardrails.reconcile import outbox
from guardrails.reconcile.outbox import LEASE
from tests.reconcile.ports import Died
from tests.reconcile.world import World

WRITES = ("intent", "budget", "delete", "notice", "outcome")
"""What a revert writes, in its order."""


async def check(world: World, *, most: int = 1) -> None:
    """It was reverted once; its notice was sent, under one id, and at most so many times; nothing is left over."""
    (one,) = world.ids
    assert await world.body(one) is None
    assert list(dict.fromkeys(await world.events(one))) == ["intent", "reverted"]
    assert (await world.events(one)).count("reverted") == 1
    sent = await world.notices()
    assert await world.notice_kinds() == ["reverted"]
    assert 1 <= len(sent) <= most
    await world.check()


async def test_the_notice_leaves_before_the_outcome_is_recorded_and_no_outbox_is_written(world: World) -> None:
    order: list[str] = []

    async def note_outbox() -> None:
        order.append(f"notice while {(await world.events(one))[-1]}")

    one = world.id()
    await world.bad(one)
    world.watch.before["queues.send"] = note_outbox
    await world.look(one)
    assert order == ["notice while intent"]
    assert world.watch.calls["register.sent"] == 0
    await check(world)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, len(WRITES) + 1), ids=WRITES)
async def test_a_crash_repeats_the_notice_once_at_the_most(world: World, write: int, *, after: bool) -> None:
    one = world.id()
    await world.bad(one)
    world.watch.die_at(write, after=after)
    with suppress(Died):
        await world.look(one)
    assert world.watch.revive()
    world.after_lease()
    await world.settle(one)
    sent = {WRITES[number - 1] for number in range(1, write + after)}
    await check(world, most=2 if "notice" in sent and "outcome" not in sent else 1)


async def test_an_outcome_that_cannot_be_recorded_time_and_again_is_announced_once_until_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world.id()
    await world.bad(one)
    real, down = world.register.commit, True

    async def commit(exemption: Any, before: Any, row: Any, entry: Any, outgoing: Any = ()) -> Any:
        if down and entry.event == "reverted":
            raise Retryable("the table is down", code="storage-busy", subject=exemption.text)
        return await real(exemption, before, row, entry, outgoing)

    monkeypatch.setattr(world.register, "commit", commit)
    for _ in range(4):
        with pytest.raises(Retryable):
            await world.look(one)
        assert len(await world.notices()) == 1
        world.after_lease()
    down = False
    await world.settle(one)
    await check(world, most=2)


@pytest.mark.parametrize("how", ["down", "silent"])
async def test_where_the_queue_fails_the_outcome_is_recorded_with_an_outbox(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    one = world.id()
    await world.bad(one)
    if how == "down":
        world.queues.down = True
    else:
        monkeypatch.setattr(outbox, "AHEAD_SECONDS", 0)
    with pytest.raises(Retryable, match=r"the queue( notices)? (is down|did not answer)"):
        await world.look(one)
    row = await world.row(one)
    assert (row.intent, len(row.outbox), await world.notices()) == (None, 1, [])
    world.queues.down = False
    world.after_lease()
    await world.settle(one)
    await check(world)


async def late(world: World) -> None:
    """The worker comes back from Azure when half of its lease is over."""
    world.clock.advance(seconds=LEASE.total_seconds() / 2)


async def overtaken(world: World) -> None:
    """It comes back when another worker has settled the revert, and sent the notice."""
    world.after_lease()
    await world.settle(next(iter(world.ids)))


def before(world: World, name: str, count: int, then: Callable[[World], Awaitable[None]]) -> None:
    """Do something before an operation is called for the `count`th time."""

    async def hook() -> None:
        if count > 1:
            before(world, name, count - 1, then)
        else:
            await then(world)

    world.watch.before[name] = hook


@pytest.mark.parametrize("then", [late, overtaken])
async def test_a_worker_that_was_slow_records_first(world: World, then: Callable[[World], Awaitable[None]]) -> None:
    one = world.id()
    await world.bad(one)
    before(world, "arm.get", 3, then)  # the one after the delete
    await world.look(one)
    assert world.watch.calls["register.sent"] == 1, "with an outbox, by whoever was first"
    await check(world)


async def test_while_another_worker_sends_earlier_notices_the_outcome_is_recorded_first(world: World) -> None:
    """It takes its messages out of the outbox, and so writes the row: the outcome may have to wait for the lease."""
    one = world.id()
    await world.known(one)
    await world.delete(one)
    world.queues.down = True
    with pytest.raises(Retryable):
        await world.look(one, "event")
    world.queues.down = False
    assert (await world.row(one)).outbox != ()
    await world.bad(one)
    await world.look(one)
    assert (await world.events(one))[-2:] == ["intent", "reverted"]
    world.after_lease()
    await world.settle(one)
    assert world.watch.calls["register.sent"] >= 1
    assert await world.notice_kinds() == ["deleted", "reverted"]
    assert len(await world.notices()) == 2
    await world.check()
