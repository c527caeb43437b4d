"""Pace: over all instances no address is asked more often than it allows."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.delivery.deliver import Courier
from guardrails.notices.rate_limit import LATE, comes_back, missed, take_slot
from guardrails.notices.route_state import RateLimit
from guardrails.notices.routing import Route
from guardrails.ports import Clock, Delivered, TryAgain
from guardrails.register import queues
from guardrails.register.table_register import TableRegister, connect
from guardrails.wiring import SystemClock
from tests.channels.samples import notice
from tests.clock import VirtualClock
from tests.delivery.flood import LoopClock, VirtualLoop, flood
from tests.delivery.stage import START, Sink, Stage, rules_with, some, stage
from tests.storage import Account, Line

PLAIN = Route("secops", "teams", "SECOPS_URL")


def most_in_a_second(times: Sequence[datetime]) -> int:
    """The most requests in any second, wherever it begins."""
    ordered = sorted(times)
    return max(sum(start <= at < start + timedelta(seconds=1) for at in ordered) for start in ordered)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.data())
def test_whenever_slots_are_asked_for_and_however_late_they_are_used(asked: list[int], data: st.DataObject) -> None:
    for channel, most in (("teams", 4), ("slack", 1)):
        rate_limit, used = RateLimit(), []
        for milliseconds in asked:
            now = START + timedelta(milliseconds=milliseconds)
            rate_limit, slot = take_slot(rate_limit, channel, now)
            assert slot is not None
            assert slot >= now
            late = timedelta(milliseconds=data.draw(st.integers(0, LATE // timedelta(milliseconds=1))))
            assert not missed(slot, slot + late)
            used.append(slot + late)
        assert most_in_a_second(used) <= most


@given(st.integers(0, 10_000_000))
def test_a_message_comes_back_before_its_slot(milliseconds: int) -> None:
    slot = START + timedelta(milliseconds=milliseconds)
    wait = timedelta(seconds=comes_back(slot, START))
    assert START + wait <= slot
    assert slot - START - wait <= timedelta(seconds=2)


async def test_a_burst_waits_on_the_queue_and_keeps_the_pace(register: TableRegister, clock: VirtualClock) -> None:
    world = stage(register, clock, (PLAIN,))
    await world.send(*some(40))
    await world.run()
    assert sorted(world.sink.ids()) == sorted(f"n{n}" for n in range(40))
    assert most_in_a_second([at for at, _, _ in world.sink.asked]) <= 4
    assert clock.now() - START < timedelta(seconds=30), "the slots are used"


async def test_a_slot_that_was_missed_is_not_used(world: Stage) -> None:
    await world.send(*some(1))
    _, text = world.queue.pop()
    slot = int((START - timedelta(seconds=1)).timestamp() * 1000)
    await world.register.rate_limits.change("teams-SECOPS_URL", lambda _rate_limit: (RateLimit(slot + 270 * 10), None))
    assert await world.courier.deliver(json.dumps({**json.loads(text), "slot": slot}))
    assert world.sink.asked[0][0] >= START + timedelta(seconds=1.7)


async def four_couriers(storage: str, clock: Clock) -> Sink:
    """Let four instances with connections of their own send twelve notices at once; return what was sent."""
    table, rules = f"t{uuid4().hex}", rules_with(PLAIN)
    sink = Sink(clock)
    async with (
        connect(clock=clock, connection_string=storage, table=table) as first,
        connect(clock=clock, connection_string=storage, table=table) as second,
        connect(clock=clock, connection_string=storage, table=table) as third,
        connect(clock=clock, connection_string=storage, table=table) as fourth,
        queues.connect(connection_string=storage, names={"notices": f"n{uuid4().hex}"}) as queue,
    ):
        couriers = [
            Courier(
                sink, queues=queue, clock=clock, rate_limits=one.rate_limits, digest_items=one.digest_items,
                dead_letters=DeadLetterQueue(one, queue, clock, lambda: rules), ruleset=lambda: rules,
            )
            for one in (first, second, third, fourth)
        ]  # fmt: skip
        texts = [json.dumps({"route": "secops", "notice": one.to_json(), "attempt": 0}) for one in some(12)]
        done = await asyncio.gather(*(couriers[n % 4].deliver(text) for n, text in enumerate(texts)))
        rate_limit = await first.rate_limits.look("teams-SECOPS_URL")
    at = [when for when, _, _ in sink.asked]
    assert most_in_a_second(at) <= 4
    assert len(sink.ids()) == done.count(True)
    assert datetime.fromtimestamp(rate_limit.free / 1000, UTC) > max(at)
    return sink


class Far(Line):
    """The way to storage that takes milliseconds."""

    def __init__(self) -> None:
        self._chance = random.Random(7)  # noqa: S311 - a seed, so that it can be run again

    async def before(self, what: str) -> object:  # noqa: ARG002
        await asyncio.sleep(self._chance.uniform(0.003, 0.015))
        return None


def test_four_couriers_on_one_table_keep_the_pace_together() -> None:
    async def took() -> float:
        sink = await four_couriers(account.connection_string, LoopClock())
        assert len(set(sink.ids())) >= 4, "what fits into two seconds went; the rest is on the queue with its slot"
        return asyncio.get_running_loop().time()

    with Account(Far()).serve() as account, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(took()) < 10


@pytest.mark.long
async def test_four_couriers_keep_the_pace_in_real_time(storage: str) -> None:
    await four_couriers(storage, SystemClock())


async def test_a_retry_after_holds_up_the_others_for_a_minute_at_most(world: Stage) -> None:
    world.sink.answer = lambda notice, _route: TryAgain("429", 1e6) if notice.id == "n0" else Delivered()
    await world.send(*some(1))
    await world.run(START + timedelta(seconds=1))
    await world.send(notice(id="next"))
    await world.run(START + timedelta(minutes=5))
    [_, (at, _, sent)] = world.sink.asked
    assert sent.id == "next"
    assert timedelta(seconds=60) <= at - START < timedelta(seconds=63)


def test_a_flood_over_a_bad_sink_loses_nothing_and_keeps_the_pace() -> None:
    """The figure of the bench with fewer notices: an hour passes in virtual time."""
    figures = {name: value for name, value, _ in flood(300)}
    assert figures["notices_lost"] == 0
    assert figures["notices_max_per_second_teams"] <= 4
    assert 1 < figures["notices_minutes_to_99_percent"] < 15
