"""Break-glass: what an operator holds is judged, notified and left alone, until a time, an edit or a word."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from guardrails.decisions.row import Row, Status
from guardrails.decisions.watch import Watch
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, PIPELINE, World, rules

WHY = "incident 4711: the vault must be reachable"


async def hold(world: World, one: ExemptionId, *, hours: float = 48, why: str = WHY) -> Row:
    until = world.clock.now() + timedelta(hours=hours)
    return await world.reconciler.hold(one, OPERATOR, until=until, reason=why)


async def informed(world: World, kind: str) -> list[dict[str, object]]:
    return [one["notice"] for one in await world.notices() if one["notice"]["kind"] == kind]


@pytest.mark.parametrize("known", [False, True], ids=["new to the register", "known"])
async def test_what_is_held_is_left_and_judged(world: World, known: bool) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "1h"}})
    one = world.id()
    await world.bad(one)
    if known:
        await world.look(one)
    await hold(world, one)
    before = await world.body(one)
    world.clock.advance(hours=2)
    for source in ("event", "sweep", "queue", "operator"):
        outcome = await world.look(one, source)
        assert (outcome.did, outcome.row.status, outcome.row.answer) == ("", Status.VIOLATION, "delete")
        assert outcome.plan is not None
        assert f"by {OPERATOR}: {WHY}" in outcome.plan.reasons[-1]
    assert await world.body(one) == before
    assert "hold" in await world.events(one)


async def test_it_is_recorded_and_notified_with_who_and_why(world: World) -> None:
    one = world.id()
    await world.bad(one)
    row = await hold(world, one)
    assert row.hold is not None
    entry = (await world.history(one))[-1]
    assert (entry.event, entry.facts["actor"], entry.facts["why"]) == ("hold", OPERATOR, WHY)
    assert entry.facts["until"] == spell_time(row.hold.until)
    (notice,) = await informed(world, "hold")
    assert (notice["actor"], notice["severity"]) == (OPERATOR, "medium")
    assert WHY in str(notice["why"])
    assert await world.register.on_hold() == {one.text: spell_time(row.hold.until)}


@pytest.mark.parametrize("kind", ["tag", "untag", "remove"])
async def test_nothing_else_is_done_either(world: World, kind: str) -> None:
    one, now = world.id(), world.clock.now()
    if kind == "remove":
        world.ruleset = rules(expired={"delete_after_days": 1})
        await world.write(one, expiresOn=spell_time(now + timedelta(minutes=5)))
    else:
        await world.write(one, ALICE, metadata=NO_TICKET)
    if kind == "untag":
        await world.look(one)
        world.ruleset = rules(on={"ticket-missing": "off"})
    await hold(world, one, hours=24 * 30)
    before = await world.body(one)
    world.clock.advance(days=3)
    assert (await world.look(one, "sweep")).did == ""
    assert await world.body(one) == before


async def test_it_ends_by_itself_and_is_then_answered_at_once(world: World) -> None:
    one = world.id()
    await world.bad(one)
    row = await hold(world, one)
    assert row.hold is not None
    until = row.hold.until
    world.clock.time = until - timedelta(seconds=1)
    assert (await world.look(one, "sweep")).did == ""
    assert Watch.of(await world.row(one)).at == until.timestamp()  # a sweep hands it over for that very second
    world.clock.time = until
    assert (await world.look(one, "sweep")).did == "delete"
    assert await world.body(one) is None
    assert (await world.row(one)).hold is None
    assert await world.register.on_hold() == {}
    ended = (await informed(world, "hold"))[-1]
    assert "its time was over" in str(ended["why"])


async def test_people_are_reminded_once_before_each_end(world: World) -> None:
    world.ruleset = rules(on={"expiry-missing": "alert"})
    one = world.id()
    await world.bad(one)
    row = await hold(world, one, hours=24 * 10)
    assert row.hold is not None
    for hours in (168.5, 168, 167, 24, 20, 1, 0.5):
        world.clock.time = row.hold.until - timedelta(hours=hours)
        await world.look(one, "sweep")
    assert len(await informed(world, "hold-ending")) == 3

    brief = world.id("brief")
    await world.bad(brief)
    row = await hold(world, brief, hours=0.5)
    assert row.hold is not None
    for minutes in (11, 10, 5):
        world.clock.time = row.hold.until - timedelta(minutes=minutes)
        await world.look(brief, "sweep")
    assert len(await informed(world, "hold-ending")) == 4

    other = world.id("short")
    await world.bad(other)
    row = await hold(world, other, hours=3)
    assert row.hold is not None
    assert Watch.of(row).at == (row.hold.until - timedelta(hours=1)).timestamp()
    world.clock.advance(hours=2)
    await world.look(other, "sweep")
    assert len(await informed(world, "hold-ending")) == 5


async def test_a_stranger_gains_nothing_by_an_edit_during_a_hold(world: World) -> None:
    one = world.id()
    await world.write(one)
    await world.look(one)
    await hold(world, one)
    await world.bad(one, ALICE)
    outcome = await world.look(one)
    assert outcome.did == "put-back"
    assert (await world.row(one)).hold is None
    ended = (await informed(world, "hold"))[-1]
    assert (ended["severity"], ended["actor"]) == ("high", "alice@contoso.com")
    assert "alice@contoso.com changed what it says" in str(ended["why"])
    assert any("changed what it says" in str(entry.facts.get("hold")) for entry in await world.history(one))


async def test_the_same_written_again_is_still_held(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await hold(world, one)
    await world.bad(one, PIPELINE)
    assert (await world.look(one)).did == ""
    assert (await world.row(one)).hold is not None


async def test_a_delete_ends_it_and_is_notified(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await hold(world, one)
    await world.delete(one)
    await world.look(one, actor="alice@contoso.com", operation="delete")
    row = await world.row(one)
    assert (row.status, row.hold) == (Status.GONE, None)
    assert {"deleted", "hold"} <= set(await world.notice_kinds())
    await world.bad(one)
    assert (await world.look(one)).did == "delete"


async def test_what_cannot_be_read_for_a_while_is_still_held(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await hold(world, one)
    world.fault("GET", status=403, code="AuthorizationFailed", count=2)
    await world.look(one)
    world.arm.faults.rules.clear()
    assert (await world.row(one)).hold is not None
    assert (await world.look(one)).did == ""


async def test_released_it_is_judged_at_once(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await hold(world, one)
    outcome = await world.reconciler.release(one, OPERATOR)
    assert outcome.did == "delete"
    assert await world.body(one) is None
    assert "released" in await world.events(one)
    with pytest.raises(Permanent, match="not on hold"):
        await world.reconciler.release(one, OPERATOR)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3, 4, 5, 6, 7, 8])
async def test_wherever_a_release_died_it_is_ended_once_it_is_repeated(world: World, write: int, after: bool) -> None:
    one = world.id()
    await world.bad(one)
    await hold(world, one)
    await world.forget()
    world.watch.die_at(write, after=after)
    with suppress(Died):
        await world.reconciler.release(one, OPERATOR)
    world.watch.revive()
    for _ in range(2):
        world.after_lease()
        with suppress(Permanent):
            await world.reconciler.release(one, OPERATOR)
    assert (await world.row(one)).due is None or Watch.of(await world.row(one)).begun
    await world.look(one, "wake-up")
    assert await world.body(one) is None
    row = await world.row(one)
    assert (row.intent, row.outbox) == (None, ())
    assert await world.notice_kinds() == ["hold", "reverted"]


async def test_held_anew_it_has_another_end(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await hold(world, one, hours=1)
    world.clock.advance(minutes=30)
    row = await hold(world, one, hours=10, why="it takes longer")
    assert row.hold is not None
    assert (row.hold.until, row.hold.reason) == (world.clock.now() + timedelta(hours=10), "it takes longer")
    world.clock.advance(hours=2)
    assert (await world.look(one)).did == ""


@pytest.mark.parametrize(
    ("hours", "why", "says"),
    [
        (-1, WHY, "has passed"),
        (0, WHY, "has passed"),
        (24 * 91, WHY, "more than 90 days"),
        (1, " \n", "needs a reason"),
        (1, "x" * 201, "201 characters"),
    ],
)
async def test_a_hold_has_a_reason_and_an_end_that_is_not_too_far(
    world: World, hours: float, why: str, says: str
) -> None:
    one = world.id()
    await world.bad(one)
    with pytest.raises(Permanent, match=says):
        await hold(world, one, hours=hours, why=why)
    assert await world.register.read(one) is None


async def test_the_ruleset_says_how_long(world: World) -> None:
    world.ruleset = rules(holds={"longest_days": 2})
    one = world.id()
    await world.bad(one)
    with pytest.raises(Permanent, match="more than 2 days"):
        await hold(world, one, hours=49)
    await hold(world, one, hours=48)


async def test_what_is_not_there_cannot_be_held(world: World) -> None:
    one = world.id()
    with pytest.raises(Permanent, match="no such exemption"):
        await hold(world, one)


async def test_a_revert_in_progress_goes_first(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.watch.die_at(3, after=False)
    with suppress(Died):
        await world.look(one)
    world.watch.revive()
    with pytest.raises(Retryable):
        await hold(world, one)
    world.after_lease()
    await world.settle(one)


async def test_a_hold_and_a_revert_at_once_one_of_them_wins(world: World) -> None:
    """Held before the intent is recorded, it is not reverted; after it, the operator hears that somebody acts on it."""
    for number in range(4):
        one = world.id(f"race-{number}")
        await world.bad(one)
        held, looked = await asyncio.gather(hold(world, one), world.look(one), return_exceptions=True)
        world.after_lease()
        with suppress(Retryable):
            await world.settle(one)
        exists = await world.body(one) is not None
        assert exists == ((await world.row(one)).hold is not None)
        assert exists == isinstance(held, Row)
        assert not isinstance(looked, Died)


async def test_a_hold_takes_no_share_and_waits_for_nothing(world: World) -> None:
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    assert (await world.row(one)).held == "breaker"
    row = await hold(world, one)
    assert (row.held, row.due) == ("", None)
    assert await world.register.held() == {}


def test_a_row_keeps_its_hold() -> None:
    hold_ = {"by": "o", "reason": "r", "at": "2026-11-21T12:00:00Z", "until": "2026-11-22T12:00:00Z", "content": "c"}
    row = {"id": "/x", "status": "violation", "since": "2026-11-21T12:00:00Z", "hold": {**hold_, "later": "field"}}
    read = Row.from_json(row)
    assert read.hold is not None
    assert read.hold.until == datetime.fromisoformat("2026-11-22T12:00:00+00:00")
    assert Row.from_json(read.to_json()) == read
