"""Reminders: one message a route and day, whatever comes twice, late, or dies in between."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from guardrails.decisions import notify
from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.digest import DAILY_TITLE
from guardrails.notices.notice import Kind, Notice
from guardrails.ports import Delivered, Delivery, TryAgain
from guardrails.register.table_register import TableRegister
from tests.clock import VirtualClock
from tests.delivery.stage import BACKUP, START, TEAMS, Dying, MemoryQueue, Sink, Stage, courier, rules_with, some, stage

PREFIX = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/Microsoft.Authorization/"
DIGEST = "reminders-secops-20261102T0600Z"
NEXT = "reminders-secops-20261103T0600Z"
SIX = datetime(2026, 11, 3, 6, tzinfo=UTC)
"""The end of the day that START is in."""


def reminder(number: int, *, days: float = 14.0, at: datetime = START, owner: str = "o@a.example") -> Notice:
    """Return the reminder of an exemption of its own that ends so many days after START."""
    one, end = ExemptionId.parse(f"{PREFIX}policyExemptions/e{number}"), START + timedelta(days=days)
    row = Row(one.text, Status.COMPLIANT, START, expires_on=end, owner=owner, ticket=f"T-{number}")
    return notify.expiry(one, end, at=at, threshold=14, row=row)


async def members(register: TableRegister, digest: str) -> list[str]:
    kept = await register.digest_items.kept(digest)
    return [str(entry["id"]) for entry in kept.entries] if kept else []


async def left(register: TableRegister, route: str = "secops") -> int:
    return len(await register.digest_items.waiting(f"{route}~reminders", "20991231T0000Z"))


def reborn(world: Stage) -> None:
    """Let a new process take over: all that a courier has in memory is gone."""
    ports = (world.register.rate_limits, world.register.digest_items, world.register)
    world.courier = courier(world.sink, world.queue, world.clock, *ports, world.rules)


async def deliver_all(world: Stage, notices: Iterable[Notice]) -> None:
    """Send notices as a reconcile does: to the routes that want them."""
    for notice in notices:
        for message in notify.outgoing(notice, world.rules):
            await world.queue.send(message.queue, message.body)


async def test_three_sweeps_of_a_day_doubled_and_restarted_are_one_digest_a_route(
    register: TableRegister, clock: VirtualClock
) -> None:
    ours, theirs = (replace(TEAMS, name=name, owners=(f"*@{name}.example",)) for name in ("ours", "theirs"))
    world = stage(register, clock, (ours, theirs, BACKUP))
    owners = ("o@ours.example", "o@theirs.example")
    for sweep in range(3):
        clock.time = START + timedelta(hours=6 * sweep)
        notices = [reminder(n, at=clock.time, owner=owners[n % 2]) for n in range(sweep * 100, sweep * 100 + 100)]
        again = [reminder(n, at=clock.time, owner=owners[n % 2]) for n in range(50)]
        await deliver_all(world, [*notices, *notices, *again])
        await world.run(clock.time + timedelta(hours=1))
        reborn(world)
    assert world.sink.took == [], "nothing goes before the hour"
    await world.run()
    for name in ("ours", "theirs"):
        [digest] = world.sink.digests(name)
        assert digest.id == f"reminders-{name}-20261102T0600Z"
        assert digest.title == DAILY_TITLE
        assert digest.digest["total"] == 150
        assert digest.digest["kinds"] == {"expiring": 150}
        assert len(set(await members(register, digest.id))) == 150
        assert await left(register, name) == 0
        assert world.sink.ids(name) == [digest.id]
    assert all(SIX <= at < SIX + timedelta(minutes=1) for at, _, _ in world.sink.asked)


async def test_the_next_day_is_a_message_of_its_own(world: Stage) -> None:
    await world.send(*(reminder(n) for n in range(4)))
    await world.run(SIX - timedelta(seconds=1))
    world.clock.time = SIX - timedelta(seconds=1)
    await world.send(reminder(4, at=world.clock.time))
    await world.run(SIX - timedelta(seconds=1))
    world.clock.time = SIX + timedelta(minutes=1)
    await world.send(reminder(5, at=world.clock.time), reminder(6, at=world.clock.time))
    await world.run()
    assert {digest.id: digest.digest["total"] for digest in world.sink.digests()} == {DIGEST: 5, NEXT: 2}
    assert [at >= SIX + timedelta(days=day) for day, (at, _, _) in enumerate(world.sink.asked)] == [True, True]


async def test_reminders_leave_the_other_notices_of_the_route_alone(world: Stage) -> None:
    await world.send(*(reminder(n) for n in range(20)), *some(7))
    await world.run(START + timedelta(hours=1))
    assert world.sink.ids() == ["n0", "n1", "n2", "n3", "n4", "digest-secops-20261102T0930Z"]
    await world.run()
    assert world.sink.ids()[6:] == [DIGEST]


async def test_where_a_route_collects_nothing_each_goes_at_once(register: TableRegister, clock: VirtualClock) -> None:
    world = stage(register, clock, (replace(TEAMS, digest=None), BACKUP))
    await world.send(*(reminder(n) for n in range(12)))
    await world.run()
    assert sorted(world.sink.ids()) == sorted(reminder(n).id for n in range(12))
    assert clock.now() < START + timedelta(minutes=1)


async def test_what_comes_again_after_its_digest_was_delivered_is_not_notified_again(world: Stage) -> None:
    first = [reminder(n) for n in range(3)]
    await world.send(*first)
    await world.run()
    for later in (timedelta(minutes=1), timedelta(days=1), timedelta(days=12)):
        world.clock.time = max(world.clock.time, SIX + later)
        await world.send(*first)
        await world.run()
    world.clock.advance(hours=1)
    await world.send(*first, reminder(9, at=world.clock.time))
    await world.run()
    assert [digest.digest["total"] for digest in world.sink.digests()] == [3, 1]
    assert await left(world.register) == 0


async def test_what_comes_again_while_its_digest_cannot_be_delivered_is_notified_once(world: Stage) -> None:
    first = [reminder(n) for n in range(3)]

    def answer(_notice: Notice, _route: str) -> Delivery:
        return Delivered() if world.clock.now() > SIX + timedelta(hours=30) else TryAgain("down", 3600)

    world.sink.answer = answer
    await world.send(*first)
    await world.run(SIX + timedelta(minutes=1))
    await world.send(*first)
    await world.run()
    assert world.sink.ids() == [DIGEST]
    assert await left(world.register) == 0


async def test_after_an_outage_the_digest_goes_at_once_and_takes_what_was_late(world: Stage) -> None:
    await world.send(reminder(0))
    await world.run(START + timedelta(minutes=1))
    await world.send(reminder(0), reminder(1))
    world.clock.time = SIX + timedelta(hours=2)  # nobody worked until then
    await world.run(world.clock.time + timedelta(minutes=1))
    assert world.sink.ids() == [DIGEST]
    assert set(await members(world.register, DIGEST)) == {reminder(0).id, reminder(1).id}
    await world.send(reminder(2))
    await world.run()
    assert world.sink.ids() == [DIGEST, NEXT], "what is later still goes with the next"


async def test_what_is_too_much_for_one_follows_at_once(world: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.notices.digest.MOST", 4)
    monkeypatch.setattr("guardrails.delivery.deliver.MOST", 4)
    await world.send(*(reminder(n, days=20 - n) for n in range(9)))
    await world.run()
    assert world.sink.ids() == [DIGEST, f"{DIGEST}-2", f"{DIGEST}-3"]
    digests = [await members(world.register, name) for name in world.sink.ids()]
    assert [len(names) for names in digests] == [4, 4, 1]
    assert digests[2] == [reminder(0, days=20).id], "what ends last goes last"
    assert world.clock.now() < SIX + timedelta(minutes=2)
    await world.send(reminder(1, days=19))
    await world.run()
    assert len(world.sink.ids()) == 3, "all of them are known to have been sent"


async def test_a_digest_of_reminders_shows_what_ends_first(world: Stage) -> None:
    review = notify.review(
        ExemptionId.parse(f"{PREFIX}policyExemptions/r"), START + timedelta(days=5), at=START, threshold=7
    )
    gone = notify.about(
        Kind.REMOVED, ExemptionId.parse(f"{PREFIX}policyExemptions/x"), 3, at=START, actor="", done="Deleted.", why=()
    )
    ended = reminder(1, days=-2)
    await world.send(gone, review, reminder(2, days=30), reminder(3, days=1.5), ended, reminder(4, days=0.1))
    await world.run()
    [digest] = world.sink.digests()
    assert [found["rule"] for found in digest.findings] == [
        "Ended 2 days ago", "Ended less than a day ago", "Ends in less than a day", "Review due in 4 days",
        "Ends in 29 days", "Deleted, long after its end",
    ]  # fmt: skip
    assert digest.findings[2]["text"] == "2026-11-03 21:30 UTC; owner o@a.example; ticket T-3"
    assert digest.findings[0]["evidence"] == {"exemption": ended.exemption["id"], "notice": ended.id}
    assert digest.severity == "medium"
    assert digest.digest["kinds"] == {"expiring": 3, "expired": 1, "removed": 1, "review-due": 1}
    assert f"notices show {DIGEST}" in digest.next


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("deadly", range(1, 19))
async def test_after_a_crash_at_any_point_each_is_notified_once(
    register: TableRegister, clock: VirtualClock, deadly: int, *, after: bool
) -> None:
    """Every call to a port in turn kills the process, before or after its work."""
    calls: list[str] = []
    queue, sink, rules = MemoryQueue(clock), Sink(clock), rules_with(TEAMS, BACKUP)
    dying = [
        Dying(port, calls, deadly, after=after) for port in (sink, queue, register.rate_limits, register.digest_items)
    ]
    one = courier(dying[0], dying[1], clock, dying[2], dying[3], register, rules)  # type: ignore[arg-type]
    world = Stage(clock, queue, sink, register, one, rules)
    reminders = [reminder(n) for n in range(3)]
    await world.send(*reminders, reminders[0])
    await world.run()
    clock.advance(hours=1)
    await world.send(*reminders)
    await world.run()
    assert len(calls) >= deadly, "somebody died"
    assert set(sink.ids()) == {DIGEST}
    assert len(sink.ids()) <= 2, "twice only where the channel took it and we died before we knew"
    assert sorted(await members(register, DIGEST)) == sorted(notice.id for notice in reminders)
    assert await left(register) == 0


async def test_a_route_that_was_given_another_hour_loses_nothing(register: TableRegister, clock: VirtualClock) -> None:
    world = stage(register, clock)
    await world.send(*(reminder(n) for n in range(2)))
    await world.run(START + timedelta(hours=1))
    world.rules = replace(world.rules, reminder_at=timedelta(hours=9, minutes=15))
    reborn(world)
    await world.send(reminder(2))
    await world.run()
    assert sum(digest.digest["total"] for digest in world.sink.digests()) == 3
    assert await left(register) == 0
