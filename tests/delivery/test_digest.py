"""Digests: the first notices of a window go at once, the rest as one message at its end, whatever crashes."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from jsonschema_rs import Draft202012Validator

from guardrails.notices.digest import DigestItem, admit, compose, end_of, window_of
from guardrails.notices.notice import Kind, Notice
from guardrails.notices.route_state import RateLimit
from guardrails.notices.routing import Digest
from guardrails.ports import Delivered, Delivery, TryAgain, Undeliverable
from guardrails.register.table_register import TableRegister
from tests.channels.samples import finding, notice
from tests.clock import VirtualClock
from tests.delivery.stage import BACKUP, START, TEAMS, Dying, MemoryQueue, Sink, Stage, courier, rules_with, some
from tests.register.conftest import at

WINDOW = "20261102T0930Z"
DIGEST = f"digest-secops-{WINDOW}"


async def test_the_first_five_go_at_once_and_the_rest_as_one_at_the_end_of_the_window(world: Stage) -> None:
    await world.send(*some(40))
    await world.run(START + timedelta(minutes=14))
    assert world.sink.ids() == ["n0", "n1", "n2", "n3", "n4"]
    assert len(await world.register.digest_items.waiting("secops", WINDOW)) == 35
    await world.run()
    assert world.sink.ids() == ["n0", "n1", "n2", "n3", "n4", DIGEST]
    [digest] = world.sink.digests()
    assert digest.digest["total"] == 35
    assert world.sink.asked[-1][0] >= START + timedelta(minutes=15)
    assert await world.register.digest_items.waiting("secops", WINDOW) == []
    kept = await world.register.digest_items.kept(DIGEST)
    assert kept is not None
    assert kept.members == {f"n{n}" for n in range(5, 40)}


async def test_two_messages_that_close_a_window_at_once_send_one_digest(world: Stage) -> None:
    await world.send(*some(9))
    await world.run(START + timedelta(minutes=14))
    at, closing = world.queue.pop()
    world.clock.time = at
    await asyncio.gather(*(world.courier.deliver(closing) for _ in range(4)))
    await world.run()
    assert world.sink.ids() == ["n0", "n1", "n2", "n3", "n4", DIGEST]


async def test_a_digest_that_a_dead_worker_took_on_is_sent_by_another(world: Stage) -> None:
    await world.send(*some(9))
    await world.run(START + timedelta(minutes=14))
    at, closing = world.queue.pop()
    world.clock.time = at
    world.sink.answer = lambda _notice, _route: cast(Delivery, 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await world.courier.deliver(closing)
    world.sink.answer = lambda _notice, _route: Delivered()
    await world.courier.deliver(closing)
    assert DIGEST not in world.sink.ids()
    await world.run()
    assert world.sink.ids()[-1] == DIGEST


@pytest.mark.parametrize("retry_first", [True, False])
async def test_a_digest_that_is_tried_again_is_left_to_the_message_that_hands_it_over(
    world: Stage, monkeypatch: pytest.MonkeyPatch, *, retry_first: bool
) -> None:
    await world.send(*some(9))
    await world.run(START + timedelta(minutes=14))
    at, closing = world.queue.pop()
    world.clock.time = at
    world.sink.answer = lambda _notice, _route: TryAgain("down")
    for _ in range(2):  # the first is refused and tried again, the second comes back after the lease
        await world.courier.deliver(closing)
    world.sink.answer = lambda _notice, _route: Delivered()
    world.clock.advance(minutes=10)
    waiting = sorted((world.queue.pop()[1] for _ in range(2)), key=lambda text: json.loads(text)["attempt"])
    first, second = reversed(waiting) if retry_first else waiting
    deliver = world.sink.deliver

    async def meanwhile(notice: Notice, route: str) -> Delivery:
        monkeypatch.setattr(world.sink, "deliver", deliver)
        await world.courier.deliver(second)
        return await deliver(notice, route)

    monkeypatch.setattr(world.sink, "deliver", meanwhile)
    await world.courier.deliver(first)
    await world.run()
    assert world.sink.ids() == ["n0", "n1", "n2", "n3", "n4", DIGEST]


async def test_the_next_window_begins_anew(world: Stage) -> None:
    await world.send(*some(6))
    await world.run()
    assert world.sink.ids() == ["n0", "n1", "n2", "n3", "n4", DIGEST]
    world.clock.advance(minutes=1)
    await world.send(*(notice(id=f"later{n}") for n in range(5)))
    await world.run()
    assert world.sink.ids()[6:] == [f"later{n}" for n in range(5)]


async def test_what_cannot_wait_is_never_collected_and_does_not_count(world: Stage) -> None:
    await world.send(*some(9))
    urgent = (
        Kind.BREAKER_OPEN, Kind.RULESET_BROKEN, Kind.DELIVERY_FAILING, Kind.CANNOT_ACT, Kind.FIGHT,
        Kind.EVASION_ATTEMPTED, Kind.BUDGET_REACHED, Kind.HOLD,
    )  # fmt: skip
    await world.send(*(notice(kind, id=f"u-{kind}") for kind in urgent))
    await world.run(START + timedelta(minutes=1))
    assert world.sink.ids() == ["n0", "n1", "n2", "n3", "n4", *(f"u-{kind}" for kind in urgent)]


async def test_a_route_without_a_digest_collects_nothing(register: TableRegister, clock: VirtualClock) -> None:
    queue, sink = MemoryQueue(clock), Sink(clock)
    rules = rules_with(replace(TEAMS, digest=None))
    one = courier(sink, queue, clock, register.rate_limits, register.digest_items, register, rules)
    world = Stage(clock, queue, sink, register, one, rules)
    await world.send(*some(30))
    await world.run()
    assert sorted(sink.ids()) == sorted(f"n{n}" for n in range(30))


async def test_a_digest_whose_delivery_fails_is_sent_again_with_the_same_id_and_content(world: Stage) -> None:
    failures = iter([TryAgain("down"), TryAgain("down")])

    def answer(notice: Notice, route: str) -> Delivered | TryAgain:
        return next(failures, Delivered()) if notice.kind is Kind.DIGEST else Delivered()

    world.sink.answer = answer
    await world.send(*some(8))
    await world.run(START + timedelta(minutes=15, seconds=6))
    assert len(await world.register.digest_items.waiting("secops", WINDOW)) == 3, "rows leave after delivery only"
    await world.run()
    asked = [notice for _, _, notice in world.sink.asked if notice.kind is Kind.DIGEST]
    assert [notice.to_json() for notice in asked] == [asked[0].to_json()] * 3
    assert await world.register.digest_items.waiting("secops", WINDOW) == []


async def test_while_one_digest_is_open_the_next_does_not_repeat_it(world: Stage) -> None:
    def answer(notice: Notice, route: str) -> Delivered | TryAgain:
        late = world.clock.now() > START + timedelta(minutes=40)
        return Delivered() if notice.kind is not Kind.DIGEST or late else TryAgain("down", 1800)

    world.sink.answer = answer
    await world.send(*some(7))
    await world.run(START + timedelta(minutes=16))
    await world.send(*(notice(id=f"b{n}") for n in range(8)))
    await world.run()
    totals = {digest.id: digest.digest["total"] for digest in world.sink.digests()}
    assert totals == {DIGEST: 2, "digest-secops-20261102T0945Z": 3}
    assert await world.register.digest_items.waiting("secops", "20261102T2359Z") == []


async def test_what_is_collected_after_its_window_was_closed_goes_with_the_next(world: Stage) -> None:
    await world.send(*some(6))
    await world.run()
    add, clock = world.register.digest_items.add, world.clock
    clock.time = START + timedelta(minutes=29)
    await world.send(*(notice(id=f"s{n}") for n in range(7)))

    async def slow(route: str, window: str, notice: Notice) -> None:
        if notice.id == "s6":
            await world.run(clock.now() + timedelta(hours=1))  # others close the window meanwhile
        await add(route, window, notice)

    world.register.digest_items.add = slow  # type: ignore[method-assign]
    await world.run()
    assert [digest.digest["total"] for digest in world.sink.digests()] == [1, 1, 1]
    assert {entry["id"] for digest in world.sink.digests() for entry in await members(world, digest.id)} == {
        "n5", "s5", "s6",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lengths", "moves", "digest", "end"),
    [
        ((15, 60), 50, "digest-secops-20261102T1000Z-2", "2026-11-02T11:00:00+00:00"),
        ((15, 1440), 50, "digest-secops-20261102T0000Z", "2026-11-03T00:00:00+00:00"),
        ((60, 15), 31, "digest-secops-20261102T1000Z", "2026-11-02T10:15:00+00:00"),
    ],
    ids=["longer, and begins then too", "longer, and began before", "shorter"],
)
async def test_what_is_collected_after_the_windows_got_another_length_goes_at_the_end_of_the_new_window(
    world: Stage, lengths: tuple[int, int], moves: int, digest: str, end: str
) -> None:
    """The window before, of 10:00, is awaited or closed under its own length; that says nothing about the new one."""
    before, after = lengths
    use(world, minutes=before)
    world.clock.time = START + timedelta(minutes=30)
    await world.send(*some(6))
    await world.run(START + timedelta(minutes=moves))
    sent = len(world.sink.ids())
    use(world, minutes=after)
    world.clock.time = START + timedelta(minutes=moves)
    await world.send(*(notice(id=f"later{n}") for n in range(3)))
    await world.run(world.clock.now() + timedelta(minutes=1))
    assert len(world.sink.ids()) == sent, "the first notices of this time went already"
    closing = [body for _, _, body in world.queue.messages if body.get("digest", {}).get("seconds") == after * 60]
    assert len(closing) == 1, "one message closes the window, however many notices it collects"
    await world.run()
    assert world.sink.ids()[-1] == digest
    assert {"later0", "later1", "later2"} <= {str(entry["id"]) for entry in await members(world, digest)}
    assert timedelta() <= world.sink.asked[-1][0] - at(end) < timedelta(minutes=1)
    assert await world.register.digest_items.waiting("secops", "20261104T0000Z") == []


def use(world: Stage, *, minutes: int) -> None:
    """Put a ruleset in force whose route has windows of another length."""
    rules = rules_with(replace(TEAMS, digest=Digest(5, timedelta(minutes=minutes))), BACKUP)
    register = world.register
    world.courier = courier(
        world.sink, world.queue, world.clock, register.rate_limits, register.digest_items, register, rules
    )


async def members(world: Stage, digest: str) -> list[dict[str, object]]:
    kept = await world.register.digest_items.kept(digest)
    assert kept is not None
    return [dict(entry) for entry in kept.entries]


async def test_more_than_a_digest_takes_goes_with_the_next(world: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.notices.digest.MOST", 4)
    monkeypatch.setattr("guardrails.delivery.deliver.MOST", 4)
    await world.send(*some(15))
    await world.run()
    assert [digest.digest["total"] for digest in world.sink.digests()] == [4, 4, 2]
    assert await world.register.digest_items.waiting("secops", "20261103T0000Z") == []


async def test_a_digest_that_others_made_is_delivered_too(world: Stage) -> None:
    await world.send(notice(Kind.DIGEST, id="sweep-1", exemption={}))
    await world.run()
    assert world.sink.ids() == ["sweep-1"]


async def test_a_digest_for_a_removed_route_becomes_a_dead_letter(world: Stage) -> None:
    await world.send(*some(7))
    await world.run(START + timedelta(minutes=1))
    other = rules_with(replace(TEAMS, name="other"))
    world.courier = courier(
        world.sink,
        world.queue,
        world.clock,
        world.register.rate_limits,
        world.register.digest_items,
        world.register,
        other,
    )
    await world.run()
    [dead_letter] = await world.register.dead_letters()
    assert DIGEST in dead_letter.payload
    assert "no route 'secops'" in dead_letter.reason
    assert world.sink.ids("other") == ["service-delivery-failing-secops-no-route-20261102"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("deadly", range(1, 31))
async def test_a_crash_at_any_point_loses_nothing(
    register: TableRegister, clock: VirtualClock, deadly: int, *, after: bool
) -> None:
    """Every call to a port in turn kills the process, before or after its work."""
    calls: list[str] = []
    queue, sink = MemoryQueue(clock), Sink(clock)
    rules = rules_with(replace(TEAMS, digest=Digest(1, timedelta(minutes=15))), BACKUP)
    failing = iter((TryAgain("down"), TryAgain("down"), Undeliverable("no")))

    def answer(notice: Notice, _route: str) -> Delivery:
        return next(failing, Undeliverable("no")) if notice.id == "u" else Delivered()

    sink.answer = answer
    ports = (sink, queue, register.rate_limits, register.digest_items, register)
    dying = [Dying(port, calls, deadly, after=after) for port in ports]
    one = courier(dying[0], dying[1], clock, dying[2], dying[3], dying[4], rules)  # type: ignore[arg-type]
    world = Stage(clock, queue, sink, register, one, rules)
    await world.send(*some(3), notice(Kind.CANNOT_ACT, id="u"))
    await world.run()
    assert len(calls) >= deadly, "somebody died"
    delivered = set(sink.ids())
    for digest in sink.digests():
        delivered |= {str(entry["id"]) for entry in await members(world, digest.id)}
    kept = " ".join(dead_letter.payload for dead_letter in await register.dead_letters())
    assert {"n0", "n1", "n2"} <= delivered
    assert '"u"' in kept
    assert set(sink.ids("backup")) == {"service-delivery-failing-secops-20261102"}
    assert await register.digest_items.waiting("secops", "20261103T0000Z") == []
    assert {name for name in sink.ids() if name.startswith("digest")} <= {DIGEST, "digest-secops-20261102T0945Z"}


def test_a_digest_counts_and_shows_the_worst_ten_with_what_to_do() -> None:
    mild = some(30, severity="low", findings=(finding("owner-missing", rule="owner-missing", severity="low"),))
    bad = [notice(Kind.REVERTED, id=f"bad{n}", findings=(finding(rule="expired"), finding())) for n in range(3)]
    made = compose("secops", WINDOW, [DigestItem(WINDOW, one) for one in [*mild, *bad]], START)
    digest = made.notice
    assert digest.id == DIGEST
    assert digest.severity == "high"
    assert digest.digest["kinds"] == {"violation": 30, "reverted": 3}
    assert digest.digest["severities"] == {"low": 30, "high": 3}
    assert digest.digest["rules"]["owner-missing"] == 30
    assert digest.digest["rules"]["expired"] == 3
    assert len(digest.findings) == 10
    assert [shown["rule"] for shown in digest.findings[:4]] == ["expired"] * 3 + ["owner-missing"]
    assert all(shown["remediation"] and shown["evidence"]["exemption"] for shown in digest.findings)
    assert f"exg notices show {DIGEST}" in digest.next
    assert len(made.entries) == 33


SCHEMAS = Path(__file__).parents[2] / "docs" / "notices"


async def test_what_delivery_says_is_as_documented(world: Stage) -> None:
    """Digests of all kinds and of reminders, an alert, and a test notice, by the schemas that receivers read."""
    world.sink.answer = lambda notice, _route: Undeliverable("no") if notice.kind is Kind.CANNOT_ACT else Delivered()
    await world.send(*(notice(kind, id=f"k-{kind}", findings=()) for kind in Kind if kind is not Kind.DIGEST))
    await world.send(*some(30))
    await world.run()
    assert await world.courier.probe("secops") == Delivered()
    said = [sent for _, sent in world.sink.took if sent.id.startswith(("digest-", "reminders-", "service-", "test-"))]
    assert {sent.kind for sent in said} == {Kind.DIGEST, Kind.DELIVERY_FAILING}
    assert len(said) == 4
    for sent in said:
        schema = json.loads((SCHEMAS / f"{sent.kind}.schema.json").read_text())
        assert list(Draft202012Validator(schema, offline=True).iter_errors(sent.current_json())) == []
        assert Notice.from_json(json.loads(json.dumps(sent.to_json()))) == sent


def test_a_clock_that_is_behind_does_not_reopen_a_window() -> None:
    now, route = START + timedelta(minutes=15), replace(TEAMS, digest=Digest(1, timedelta(minutes=15)))
    rate_limit, window = admit(RateLimit(), route, Kind.VIOLATION, now, timedelta())
    assert window is None
    rate_limit, window = admit(rate_limit, route, Kind.VIOLATION, now - timedelta(seconds=1), timedelta())
    assert window is not None
    assert window.name == "20261102T0945Z"


@pytest.mark.parametrize("minutes", [1, 7, 15, 60, 1440])
def test_a_window_holds_the_moment_that_it_is_made_for(minutes: int) -> None:
    length = timedelta(minutes=minutes)
    for seconds in range(0, 4000, 59):
        now = START + timedelta(seconds=seconds)
        assert end_of(window_of(now, length), length) - length <= now < end_of(window_of(now, length), length)
