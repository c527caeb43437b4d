"""Timers may stop for good: a message on the queue sees that sweeps come by, one at a time, whatever dies."""

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from guardrails.decisions.schedule import longest_gap
from guardrails.errors import Retryable
from guardrails.exemption.times import parse_time
from sandbox.arm.faults import Fault
from tests.reconcile.ports import Died
from tests.sweep.conftest import Tenant

HOUR = timedelta(hours=1)


@dataclass
class Hands:
    """The host: it brings each message of the second clock when it is due, until that is done."""

    tenant: Tenant
    waiting: list[dict[str, Any]] = field(default_factory=list)
    _seen: int = 0

    def sent(self) -> list[dict[str, Any]]:
        """Take note of what was sent; return what waits."""
        sent = self.tenant.world.queues.sent
        new, self._seen = sent[self._seen :], len(sent)
        self.waiting += [body for queue, body, _ in new if queue == "reconcile" and "clock" in body]
        return self.waiting

    async def bring(self, message: dict[str, Any]) -> None:
        """Bring one that is due; it stays where the process dies of it, or it fails."""
        await self.tenant.intake.message(json.dumps(message))
        self.waiting.remove(message)

    async def go_on(self, hours: float, timer: timedelta | None = None) -> None:
        """Let time pass by minutes; the timer calls after each `timer`, or not at all."""
        clock = self.tenant.world.clock
        until, called = clock.now() + timedelta(hours=hours), clock.now()
        while clock.now() < until:
            clock.advance(minutes=10)
            if timer and clock.now() - called >= timer:
                called = clock.now()
                await self.tenant.intake.sweep()
            for message in [one for one in self.sent() if due(one) <= clock.now()]:
                await self.bring(message)


def due(message: dict[str, Any]) -> datetime:
    at = parse_time(message["clock"])
    assert at is not None
    return at


async def goes_on(tenant: Tenant) -> None:
    """The last sweep is not long ago."""
    age = await tenant.intake.age()
    assert age is not None
    assert age < 2 * HOUR


@pytest.fixture
def hands(tenant: Tenant) -> Hands:
    tenant.sweeper._late = 2 * HOUR
    return Hands(tenant)


async def began(tenant: Tenant) -> datetime:
    run = await tenant.sweeps.last()
    assert run is not None
    return run.started


async def test_a_timer_that_stops_is_taken_over_from_and_people_hear_of_it_once(tenant: Tenant, hands: Hands) -> None:
    await hands.go_on(5, timer=HOUR)
    assert await tenant.world.notice_kinds() == []
    last = await began(tenant)
    bad = tenant.world.id("bad")
    await tenant.world.bad(bad)
    await hands.go_on(2.1)
    assert await began(tenant) == last + 2 * HOUR
    assert await tenant.world.notice_kinds() == ["sweep-late"]
    (notice,) = {one["notice"]["id"]: one["notice"] for one in await tenant.world.notices()}.values()
    assert (notice["severity"], notice["exemption"]) == ("high", {})
    assert (
        notice["why"][1] == "this sweep was started by the second clock (a message on the queue), and not by the timer"
    )
    assert [body["id"] for _, body, _ in tenant.world.queues.sent if "clock" not in body and "id" in body] == [bad.text]


async def test_it_goes_on_for_as_long_as_the_timer_does_not(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    first = await began(tenant)
    await hands.go_on(20.1)
    assert await began(tenant) == first + 20 * HOUR
    assert len(hands.sent()) == 1
    assert await tenant.world.notice_kinds() == ["sweep-late"]
    await hands.go_on(3, timer=HOUR)
    await hands.go_on(5)
    assert await tenant.world.notice_kinds() == ["sweep-late", "sweep-late"]


async def test_a_first_deployment_whose_timer_never_calls_is_swept(tenant: Tenant, hands: Hands) -> None:
    start = tenant.world.clock.now()
    await tenant.intake.start()
    assert tenant.world.watch.calls["sweeps.begin"] == 0
    await hands.go_on(2.1)
    assert await began(tenant) == start + 2 * HOUR
    await hands.go_on(4)
    assert await began(tenant) == start + 6 * HOUR
    assert len(hands.sent()) == 1


async def test_a_start_where_it_goes_reads_once_and_leaves_nothing(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.start()
    sent = len(tenant.world.queues.sent)
    tenant.world.watch.calls.clear()
    await tenant.intake.start()
    assert len(tenant.world.queues.sent) == sent
    assert {one: n for one, n in tenant.world.watch.calls.items() if n} == {
        "sweeps.tick": 1
    }  # the process knows that its ruleset is recorded
    await tenant.intake.sweep()
    assert len(hands.sent()) == 1


async def test_a_start_with_a_shorter_schedule_does_not_wait_for_the_longer_one(tenant: Tenant, hands: Hands) -> None:
    start, clock = tenant.world.clock.now(), tenant.intake._second_clock
    clock._period = 24 * HOUR
    await tenant.intake.start()
    clock._period = HOUR
    await tenant.intake.start()
    await hands.go_on(2.1)
    assert await began(tenant) == start + 2 * HOUR
    await hands.go_on(48)
    assert len(hands.sent()) == 1


async def away() -> None:
    raise Retryable("the table is away", code="storage-busy", subject="clock")


@pytest.mark.parametrize("call", ["sweeps.tick", "sweeps.last"])
@pytest.mark.parametrize("poison", [False, True])
async def test_a_message_outlasts_a_register_that_is_away_for_a_day(
    tenant: Tenant, hands: Hands, caplog: pytest.LogCaptureFixture, call: str, *, poison: bool
) -> None:
    """The host brings a message five times, and one of its poison queue five times more; then nobody does."""
    await tenant.intake.sweep()
    tenant.world.clock.advance(hours=3)
    (message,) = hands.sent()
    if poison:
        tenant.world.watch.before[call] = away
        await tenant.intake.poison("reconcile", json.dumps(message))
        hands.waiting.remove(message)
    for _ in range(24 * 12):
        (message,) = hands.sent()
        tenant.world.watch.before[call] = away
        await hands.bring(message)
        tenant.world.clock.advance(minutes=5)
    assert "its message comes again in 0:05:00: clock: the table is away" in caplog.text
    tenant.world.watch.before.clear()
    await hands.go_on(2.1)
    assert len(hands.sent()) == 1
    await goes_on(tenant)


async def test_a_register_that_takes_no_writes_for_a_day_makes_no_second_message(
    tenant: Tenant, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    """Else each that comes would leave one more, and there would be thousands."""
    await tenant.intake.sweep()
    for _ in range(24 * 6):
        tenant.world.watch.before |= dict.fromkeys(("sweeps.begin", "sweeps.expect"), away)
        await hands.go_on(1 / 6)
        assert len(hands.sent()) == 1
    assert "the next message of the second clock is in the queue, but the register could not record it" in caplog.text
    tenant.world.watch.before.clear()
    await hands.go_on(2.1)
    assert len(hands.sent()) == 1
    await goes_on(tenant)


async def test_what_puts_itself_back_ends_where_another_was_left_meanwhile(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    tenant.world.clock.advance(hours=3)
    (message,) = hands.sent()
    tenant.world.watch.before["sweeps.tick"] = away
    await hands.bring(message)
    await tenant.intake.start()
    assert len(hands.sent()) == 2
    await hands.go_on(2.1)
    assert len(hands.sent()) == 1


@pytest.mark.parametrize("first", [False, True])
async def test_who_watches_from_outside_begins_it_where_it_is_lost_and_no_timer_calls(
    tenant: Tenant, hands: Hands, *, first: bool
) -> None:
    """The host calls no timer, not even at start, and drops the message: only monitors still ask."""
    if not first:
        await tenant.intake.sweep()
        hands.sent().clear()
    tenant.world.clock.advance(hours=9)
    for _ in range(30):
        await tenant.intake.age()
    assert len(hands.sent()) == 1
    start = tenant.world.clock.now()
    await hands.go_on(2.1)
    assert await began(tenant) >= start
    assert len(hands.sent()) == 1


async def test_who_watches_leaves_no_more_than_a_message_in_ten_minutes(tenant: Tenant, hands: Hands) -> None:
    """Where the host brings no messages either."""
    await tenant.intake.sweep()
    hands.sent().clear()
    tenant.world.clock.advance(hours=9)
    for _ in range(60):
        await tenant.intake.age()
        tenant.world.clock.advance(minutes=1)
    assert 1 <= len(hands.sent()) <= 6


@pytest.mark.parametrize("lost", [False, True])
async def test_a_start_after_an_outage_sweeps_at_once_whether_the_message_is_lost_or_not(
    tenant: Tenant, hands: Hands, *, lost: bool
) -> None:
    await tenant.intake.sweep()
    hands.sent()
    if lost:
        hands.waiting.clear()
    tenant.world.clock.advance(hours=9)
    start = tenant.world.clock.now()
    await tenant.intake.start()
    await hands.go_on(0.5)
    assert await began(tenant) - start <= timedelta(minutes=10)
    assert tenant.world.watch.calls["sweeps.begin"] == 2
    assert len(hands.sent()) == 1


async def test_a_start_without_storage_says_so_and_goes_on(
    tenant: Tenant, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    tenant.world.queues.down = True
    with caplog.at_level(logging.WARNING, logger="guardrails"):
        await tenant.intake.start()
    assert "the message of the second clock could not be scheduled" in caplog.text
    tenant.world.queues.down = False
    await tenant.intake.start()
    assert len(hands.sent()) == 1


async def test_where_the_timer_is_well_it_begins_nothing_and_one_message_waits(tenant: Tenant, hands: Hands) -> None:
    world = tenant.world
    await hands.go_on(10, timer=HOUR)
    assert len(hands.sent()) == 1
    assert world.watch.calls["sweeps.begin"] == 10
    assert await world.notice_kinds() == []


async def test_a_timer_that_comes_back_after_too_long_notifies_too(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    tenant.world.clock.advance(hours=9)
    hands.sent().clear()
    await tenant.intake.sweep()
    assert await tenant.world.notice_kinds() == ["sweep-late"]
    (notice,) = {one["notice"]["id"]: one["notice"] for one in await tenant.world.notices()}.values()
    assert notice["why"][0].endswith("9.0 hours ago")
    assert notice["why"][1] == "this sweep was started by the timer"
    assert len(hands.sent()) == 1


async def test_a_chain_that_was_lost_begins_anew_with_the_next_sweep(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    hands.sent().clear()
    await hands.go_on(4.1, timer=HOUR)
    assert len(hands.sent()) == 1
    await hands.go_on(3)
    assert await tenant.world.notice_kinds() == ["sweep-late"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 6))
async def test_a_process_that_dies_loses_no_chain_and_leaves_one(
    tenant: Tenant, hands: Hands, write: int, *, after: bool
) -> None:
    """Once at each write of a sweep that the second clock begins; the host brings the message again."""
    await tenant.intake.sweep()
    tenant.world.clock.advance(hours=2)
    (message,) = hands.sent()
    tenant.world.watch.die_at(write, after=after)
    with suppress(Died, BaseExceptionGroup):
        await hands.bring(message)
    tenant.world.watch.revive()
    tenant.after_lease()
    await hands.go_on(12)
    assert len(hands.sent()) == 1
    await goes_on(tenant)
    assert await tenant.world.notice_kinds() in ([], ["sweep-late"])


@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("after", [False, True])
async def test_a_process_that_dies_when_it_begins_the_chain_leaves_one_in_the_end(
    tenant: Tenant, hands: Hands, write: int, *, after: bool
) -> None:
    tenant.world.watch.die_at(write, after=after)
    with suppress(Died, BaseExceptionGroup):
        await tenant.intake.sweep()
    tenant.world.watch.revive()
    tenant.after_lease()
    await hands.go_on(6, timer=HOUR)
    assert len(hands.sent()) == 1
    await hands.go_on(6)
    assert len(hands.sent()) == 1
    assert await tenant.world.notice_kinds() == ["sweep-late"]


async def test_two_instances_that_get_one_message_leave_one(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    (message,) = hands.sent()
    tenant.world.clock.advance(hours=2)
    before = tenant.world.watch.calls["sweeps.begin"]
    text = json.dumps(message)
    await asyncio.gather(*(tenant.intake.message(text) for _ in range(3)))
    hands.sent().remove(message)
    assert 1 <= tenant.world.watch.calls["sweeps.begin"] - before <= 3
    await hands.go_on(2.1)
    assert len(hands.sent()) == 1


async def test_what_somebody_puts_on_the_queue_leaves_no_second_chain(tenant: Tenant, hands: Hands) -> None:
    await hands.go_on(2, timer=HOUR)
    forged = [{"clock": "2020-01-01T00:00:00Z", "name": "x"}, {"clock": "2099-01-01T00:00:00Z"}]
    for one in forged:
        await tenant.intake.message(json.dumps(one))
    await hands.go_on(3, timer=HOUR)
    assert len(hands.sent()) == 1
    await tenant.intake.message(json.dumps({"clock": "soon"}))
    (dead_letter,) = await tenant.world.register.dead_letters()
    assert (dead_letter.source, "soon" in dead_letter.payload) == ("reconcile", True)


async def test_one_that_comes_a_moment_early_is_not_sent_without_a_delay(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    (message,) = hands.sent()
    clock = tenant.world.clock
    clock.advance(seconds=(due(message) - clock.now()).total_seconds() - 0.4)
    await hands.bring(message)
    assert tenant.world.watch.calls["sweeps.begin"] == 1
    assert tenant.world.wakes()[-1] == 1


async def test_a_sweep_that_cannot_begin_ends_no_chain(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    tenant.world.arm.faults.rules.append(Fault(path="Microsoft.ResourceGraph", method="POST", status=500, count=1000))
    await hands.go_on(7)
    assert len(hands.sent()) == 1
    tenant.world.arm.faults.rules.clear()
    await hands.go_on(3)
    await goes_on(tenant)


async def test_storage_that_is_away_keeps_the_message_with_the_host_and_a_timer_sweeps_all_the_same(
    tenant: Tenant, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    tenant.world.queues.down = True
    with caplog.at_level(logging.WARNING, logger="guardrails"):
        assert await tenant.intake.sweep() is not None
    assert "the message of the second clock could not be scheduled" in caplog.text
    tenant.world.queues.down = False
    await tenant.intake.sweep()
    (message,) = hands.sent()
    tenant.world.clock.advance(hours=1)
    tenant.world.queues.down = True
    with pytest.raises(Retryable):
        await tenant.intake.message(json.dumps(message))


async def test_what_the_host_gave_up_on_goes_on_without_a_sweep_and_is_no_dead_letter(
    tenant: Tenant, hands: Hands
) -> None:
    await tenant.intake.sweep()
    tenant.world.clock.advance(hours=3)
    (message,) = hands.sent()
    await tenant.intake.poison("reconcile", json.dumps(message))
    hands.waiting.remove(message)
    assert await tenant.world.register.dead_letters() == []
    assert tenant.world.watch.calls["sweeps.begin"] == 1
    await hands.go_on(1.2)
    assert len(hands.sent()) == 1
    assert tenant.world.watch.calls["sweeps.begin"] == 2


async def test_a_row_that_a_hand_was_in_is_made_anew(tenant: Tenant, hands: Hands) -> None:
    await tenant.intake.sweep()
    tick = await tenant.sweeps.tick()
    assert tick is not None
    table = tenant.sweeps._table
    from guardrails.register.table import Write  # noqa: PLC0415 - the hand's

    for damage in ({"at": "2999-01-01T00:00:00Z", "name": "x"}, {"at": "when?", "name": "x"}, {}):
        await table.transact("sweep", [Write("put", "clock", dict(damage))], "sweep")
        tenant.world.clock.advance(hours=1)
        await tenant.intake.sweep()
        found = await tenant.sweeps.tick()
        assert found is not None
        assert found.at == tenant.world.clock.now().replace(microsecond=0) + 2 * HOUR
    await hands.go_on(5, timer=HOUR)
    assert len(hands.sent()) == 1


async def test_a_last_sweep_that_is_yet_to_come_is_none(tenant: Tenant, hands: Hands) -> None:
    """A hand, or a clock that was wrong: else no sweep would be late until then."""
    await tenant.intake.sweep()
    run = await tenant.sweeps.last()
    assert run is not None
    future = tenant.world.clock.now() + timedelta(days=400)
    await tenant.sweeps._keep(replace(run, started=future))
    assert await tenant.intake.age() is None
    await hands.go_on(2.1)
    assert (await began(tenant)) < tenant.world.clock.now()
    assert await tenant.intake.age() is not None
    assert len(hands.sent()) == 1


async def test_an_event_pays_nothing_for_it(tenant: Tenant, hands: Hands) -> None:
    await hands.go_on(2, timer=HOUR)
    tenant.world.watch.calls.clear()
    await tenant.world.bad(tenant.world.id())
    await tenant.world.look(tenant.world.id())
    assert not {one for one in tenant.world.watch.calls if one.startswith("sweeps.")}


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        ("0 10 * * * *", HOUR),
        ("0 */15 * * * *", HOUR / 4),
        ("0 10,40 * * * *", HOUR / 2),
        ("0 5,10 * * * *", HOUR * 55 / 60),
        ("* * * * * *", timedelta(seconds=1)),
        ("0 0 */6 * * *", 6 * HOUR),
        ("30 15 3 * * *", 24 * HOUR),
        ("0 0 6,18 * * *", 12 * HOUR),
        ("0 0 8-18 * * 1-5", 62 * HOUR),
        ("0 0 8-18 * * Mon-Fri", 62 * HOUR),
        ("0 0 0 1 Jan,Jul *", 184 * 24 * HOUR),
        ("0 0 0 29 2 *", 1461 * 24 * HOUR),
    ],
)
def test_the_period_is_the_longest_time_between_two_sweeps(schedule: str, longest: timedelta) -> None:
    assert longest_gap(schedule) == longest


@pytest.mark.parametrize(
    "text",
    ["", "hourly", "* * * * *", "0 60 * * * *", "0 x * * * *", "0 5-1 * * * *", "0 */0 * * * *", "0 0 0 31 2 *",
     "0 0 0 * Foo *", "%SCHEDULE%", "01:00:00", "0 1-999999999999 * * * *", "0 0 0 * * 7"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"six fields|is not a|is outside|never comes"):
        longest_gap(text)
