"""Many workers on one exemption at once: one history, one revert, one notice."""

import asyncio
from contextlib import suppress

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, NO_TICKET, World, rules


async def at_once(world: World, *sources: str) -> list[object]:
    one = next(iter(world.ids))
    found = await asyncio.gather(*(world.look(one, source) for source in sources), return_exceptions=True)
    for result in found:
        assert not isinstance(result, BaseException) or isinstance(result, Retryable), result
    return list(found)


@pytest.mark.parametrize("count", [2, 5])
async def test_a_compliant_one_is_recorded_once(world: World, count: int) -> None:
    one = world.id()
    await world.write(one)
    await at_once(world, *["event"] * count)
    assert await world.events(one) == ["written"]
    assert await world.notice_kinds() == []


@pytest.mark.parametrize("count", [2, 5])
async def test_a_bad_one_is_reverted_once_and_notified_once(world: World, count: int) -> None:
    one = world.id()
    await world.bad(one)
    await at_once(world, *["event"] * count)
    world.after_lease()
    await world.settle(one)
    assert await world.events(one) == ["intent", "reverted"]
    assert world.ours()["DELETE policyExemptions"] == 1
    assert len(await world.notices()) == 1
    assert await world.notice_kinds() == ["reverted"]


async def test_an_edit_is_put_back_once(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.bad(one)
    await at_once(world, "event", "queue", "sweep", "event", "queue")
    world.after_lease()
    await world.settle(one)
    assert await world.events(one) == ["written", "intent", "put-back"]
    assert world.writes() == 1
    assert len(await world.notices()) == 1


async def test_a_tag_is_set_once(world: World) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    await at_once(world, *["event"] * 5)
    world.after_lease()
    await world.settle(one)
    assert world.ours()["PUT policyExemptions"] == 1
    assert len(await world.notices()) == 1
    assert await world.events(one) == ["intent", "tagged"]


async def test_one_that_goes_is_notified_once(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one)
    await at_once(world, *["event"] * 5)
    world.after_lease()
    await world.settle(one)
    assert await world.events(one) == ["written", "deleted"]
    assert len(await world.notices()) == 1


async def test_a_restore_at_the_time_of_events(world: World) -> None:
    one = world.id()
    body = await world.bad(one)
    await world.look(one)
    await world.forget()
    restore = asyncio.ensure_future(world.reconciler.restore(one, "olga@contoso.com"))
    await at_once(world, *["event"] * 4)
    assert await restore == body
    world.after_lease()
    await world.settle(one)
    assert await world.properties(one) is not None
    assert (await world.row(one)).status is Status.VIOLATION
    assert (await world.events(one)).count("restored") == 1


async def test_a_slow_worker_that_was_overtaken_does_no_harm(world: World) -> None:
    """The first is stuck in its delete for longer than the lease; a second one does the work and records it."""
    one = world.id()
    await world.bad(one)

    async def overtaken() -> None:
        world.after_lease()
        assert (await world.look(one)).did == "delete"

    world.watch.before["arm.delete"] = overtaken
    outcome = await world.look(one)
    assert outcome.row.status is Status.GONE
    await world.settle(one)
    assert await world.notice_kinds() == ["reverted"]
    assert (await world.events(one)).count("reverted") == 1


async def test_many_exemptions_at_once_keep_apart(world: World) -> None:
    ids = [world.id(f"many-{number}") for number in range(12)]
    for number, one in enumerate(ids):
        await (world.bad(one) if number % 2 else world.write(one))
    await asyncio.gather(*(world.look(one) for one in ids))
    for number, one in enumerate(ids):
        assert (await world.body(one) is None) is bool(number % 2)
        assert await world.events(one) == (["intent", "reverted"] if number % 2 else ["written"])
    assert await world.notice_kinds() == ["reverted"] * 6


@pytest.mark.parametrize(("mode", "kind"), [("audit", "would-revert"), ("enforce", "reverted")])
async def test_what_a_crash_left_to_be_sent_is_sent_by_one_of_many(world: World, mode: str, kind: str) -> None:
    """It dies once the notice is in the outbox: in enforce mode, whoever settles the revert of one that died before."""
    world.ruleset = rules(mode)
    one = world.id()
    await world.bad(one)
    if mode == "enforce":
        world.watch.die_at(3, after=True)
        with suppress(Died):
            await world.look(one)
        world.watch.revive()
        world.after_lease()
    world.watch.die_at(1, after=True)
    with suppress(Died):
        await world.look(one)
    world.watch.revive()
    assert (await world.row(one)).outbox != ()
    world.after_lease()
    await at_once(world, *["event", "queue", "sweep", "event", "wake-up"])
    assert (await world.row(one)).outbox == ()
    assert [message["notice"]["kind"] for message in await world.notices()] == [kind]
