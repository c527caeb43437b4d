"""What time does: removal of what ended long ago, reminders, and states that must come to rest."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import mark, next_turn, reminder, reminder_turns
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import spell_time
from guardrails.ruleset.budgets import Budget, Use
from sandbox import tenant as places
from sandbox.tenant import APPROVAL
from tests.reconcile.world import ALICE, NO_TICKET, PIPELINE, World, rules
from tests.sweep.conftest import Tenant
from tests.sweep.test_reminders import NO_REVIEWS, PLAIN, ending, reminders
from tests.sweep.test_removal import AFTER, ended

# Removal


@pytest.mark.parametrize("source", ["event", "operator"])
async def test_an_event_just_before_the_sweep_does_not_keep_it_for_ever(tenant: Tenant, source: str) -> None:
    (one,) = await ended(tenant)
    await tenant.world.look(one, source)
    for _ in range(3):
        await tenant.settled()
        tenant.world.clock.advance(hours=1)
    assert await tenant.world.body(one) is None


async def test_what_had_ended_long_before_it_was_adopted_is_deleted_too(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(**AFTER)
    await world.write(one)
    world.clock.advance(days=200)
    for _ in range(3):
        await tenant.settled()
        world.clock.advance(hours=1)
    assert await world.body(one) is None


async def test_many_messages_worked_off_at_once_do_not_open_the_breaker(tenant: Tenant) -> None:
    ids = await ended(tenant, 24)
    world = tenant.world
    await tenant.sweep()
    messages = await world._drain("reconcile")
    work = [
        world.reconciler.reconcile(ExemptionId.parse(one["id"]), Hint("sweep", listed=one.get("listed", "")))
        for one in messages
    ]
    await asyncio.gather(*work)
    state = await world.register.breaker(world.clock.now())
    assert state.opened_at is None
    assert sum([await world.body(one) is None for one in ids]) == 10


async def test_where_nothing_may_be_deleted_an_edit_is_still_recorded(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    world.ruleset = rules(**AFTER, breaker={"reverts_per_hour": 1})
    expires = (await world.properties(one))["expiresOn"]
    await world.write(one, ALICE, expiresOn=expires, description="quietly changed")  # nobody announced it
    for _ in range(3):
        await tenant.sweep()
        await tenant.work()
        world.clock.advance(hours=1)
    row = await world.row(one)
    assert (row.author, row.ruleset) == ("alice@contoso.com", world.ruleset.digest)


async def test_a_removal_that_the_breaker_kept_back_is_done_after_an_event_too(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    await world.register.take_revert(world.clock.now(), Budget.of(0), Use())
    await tenant.sweep()
    await tenant.work()
    assert await world.body(one) is not None
    await world.look(one)
    await world.register.close_breaker(world.clock.now())
    world.clock.advance(hours=2)
    await tenant.settled()
    assert await world.body(one) is None


async def test_a_removal_that_a_crash_cut_short_is_done_later(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    await tenant.sweep()
    world.fault("DELETE", status=503, count=1)
    with pytest.raises(Exception, match="asked to fail"):
        await tenant.work()
    world.after_lease()
    await world.look(one)
    for _ in range(2):
        world.clock.advance(hours=1)
        await tenant.settled()
    assert await world.body(one) is None


async def test_in_audit_mode_events_and_sweeps_by_turns_notify_once(tenant: Tenant) -> None:
    (one,) = await ended(tenant)
    world = tenant.world
    world.ruleset = rules("audit", on={"expired": "revert"}, **AFTER)
    for _ in range(3):
        await tenant.settled()
        await world.look(one)
        world.clock.advance(hours=1)
    await tenant.settled()
    kinds = Counter(await world.notice_kinds())
    assert kinds["would-revert"] <= 1
    assert len(await world.events(one)) <= 6


# Reminders


@pytest.mark.parametrize("seed", range(30))
def test_each_threshold_is_notified_once_and_in_time_by_hourly_sweeps(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    days = tuple(sorted({*chance.sample(range(1, 40), 4), 0}, reverse=True))
    at = timedelta(minutes=chance.choice([0, 1, 360, 719, 1439, chance.randrange(1440)]))
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(100_000))
    end = start + timedelta(days=45, seconds=chance.randrange(86_400))
    if seed % 3 == 0:
        end = end.replace(hour=0, minute=0, second=0) + at  # passes just when reminders go
    reminders: list[tuple[int, datetime]] = []
    marked, turn, sweep = "", start, start

    def look(now: datetime) -> None:
        nonlocal marked, turn
        if (due := reminder(end, now, days, marked, at)) is not None:
            reminders.append((due, now))
            marked = mark(end, due)
        turns = [*reminder_turns(end, days, at), next_turn(end, now, days)]
        turn = min((one for one in turns if one and one > now), default=datetime.max.replace(tzinfo=UTC))

    while sweep < end + timedelta(days=2):
        if turn <= sweep:
            look(sweep)
        elif turn - sweep <= timedelta(hours=1):
            look(turn)
        if chance.random() < 0.1:
            look(sweep - timedelta(minutes=5))  # another instance, whose clock is behind
        sweep += timedelta(hours=1)
    assert [count for count, _ in reminders] == list(days)
    for count, when in reminders:
        passes = end - timedelta(days=count)
        assert when == end if not count else passes - timedelta(days=1) <= when <= passes


async def test_a_date_that_goes_to_and_fro_brings_each_reminder_once(tenant: Tenant) -> None:
    one = await ending(tenant, 40)
    world = tenant.world
    ends = [spell_time((world.clock.now() + timedelta(days=days)).replace(microsecond=0)) for days in (10, 25)]
    for number in range(6):
        await world.write(one, expiresOn=ends[number % 2], metadata=PLAIN)
        await world.look(one)
        world.clock.advance(hours=1)
    ids = Counter(message["notice"]["id"] for message in await world.notices())
    assert len(ids) == 2
    assert set(ids.values()) == {1}


async def test_an_end_that_passes_while_it_cannot_be_read_is_notified_once_it_can(tenant: Tenant) -> None:
    one = await ending(tenant, 2)
    world = tenant.world
    world.fault("GET", "policyExemptions", status=403, code="AuthorizationFailed")
    for _ in range(6):
        world.clock.advance(hours=12)
        await tenant.sweep()
        await tenant.work()
    assert (await world.row(one)).status is Status.UNKNOWN
    world.arm.faults.rules.clear()
    for _ in range(3):
        world.clock.advance(hours=7)
        await tenant.settled()
    assert [mark for kind, mark in await reminders(world) if kind in ("expiring", "expired")] == ["expired"]


async def test_an_exclusion_that_ends_brings_the_sharpest_reminder_once(tenant: Tenant) -> None:
    await ending(tenant, 20)
    world = tenant.world
    until = spell_time((world.clock.now() + timedelta(days=14)).replace(microsecond=0))
    shut = [{"scope": places.GROUP, "reason": "test", "expires": until}]
    world.ruleset = rules(exclusions=shut, **NO_REVIEWS)
    for _ in range(22):
        await tenant.settled()
        world.clock.advance(days=1)
    await tenant.settled()
    assert [mark for _, mark in await reminders(world)] == ["7d", "1d", "expired"]


async def test_one_restored_by_an_operator_is_not_reminded_again(tenant: Tenant) -> None:
    one = await ending(tenant, 13)
    world = tenant.world
    await world.delete(one)
    await world.look(one)
    await world.forget()
    await world.reconciler.restore(one, "olga@contoso.com")
    for _ in range(3):
        world.clock.advance(hours=1)
        await tenant.settled()
    assert [kind for kind, _ in await reminders(world) if kind == "expiring"] == []


# Rest


async def quiet(tenant: Tenant, hours: int = 3) -> list[Any]:
    """Return what the next sweeps hand over, and how much they write, once all has come to rest."""
    world = tenant.world
    for _ in range(3):
        await tenant.sweep()
        await tenant.work()
        world.clock.advance(minutes=1)
    world.watch.calls.clear()
    found = []
    for _ in range(hours):
        found.append(dict((await tenant.sweep()).queued))
        await tenant.work()
        world.clock.advance(minutes=1)
    return [found, world.watch.calls["register.commit"]]


async def make(world: World, kind: str, one: ExemptionId) -> None:
    """Make an exemption of a kind that may trouble sweeps."""
    match kind:
        case "year 9999":
            await world.write(one, expiresOn="9999-12-31T23:59:59Z")
        case "year 1":
            await world.write(one, expiresOn="0001-01-01T00:00:00Z")
        case "review that is no date":
            await world.write(one, metadata={**APPROVAL, "reviewDate": "after go-live"})
        case "review in the year 9999":
            await world.write(one, metadata={**APPROVAL, "reviewDate": "9999-12-31"})
        case "tagged by us":
            await world.write(one, metadata=NO_TICKET)
        case "newer fields":
            await world.write(one, exemptionManagementMode="UserSelfServe")
        case "cannot act":
            await world.bad(one, PIPELINE)
            world.deny(
                "Microsoft.Authorization/policyExemptions/write", "Microsoft.Authorization/policyExemptions/delete"
            )
        case "gone":
            await world.known(one)
            await world.delete(one)
        case _:
            raise AssertionError(kind)


KINDS = (
    "year 9999", "year 1", "review that is no date", "review in the year 9999", "tagged by us", "newer fields",
    "cannot act", "gone",
)  # fmt: skip


@pytest.mark.parametrize("by_event", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("without", [[], ["systemData"]])
async def test_it_comes_to_rest(tenant: Tenant, kind: str, without: list[str], *, by_event: bool) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(**NO_REVIEWS)
    await world.arm_graph(without=without)
    await tenant.settled()
    world.clock.advance(hours=1)
    await make(world, kind, one)
    if by_event:
        await world.look(one)
    assert await quiet(tenant) == [[{}, {}, {}], 0]


async def test_what_cannot_be_read_is_not_taken_for_unjudged_at_every_sweep(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await tenant.settled()
    await world.known(one)
    world.fault("GET", "policyExemptions", status=403, code="AuthorizationFailed")
    world.ruleset = rules(**NO_REVIEWS)
    reasons: Counter[str] = Counter()
    for _ in range(5):
        reasons.update((await tenant.sweep()).queued)
        await tenant.work()
        world.clock.advance(minutes=1)
    assert (await world.row(one)).status is Status.UNKNOWN
    assert reasons["rules"] == 1


async def test_an_old_message_does_not_restore_an_old_token(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(**NO_REVIEWS)
    world.clock.advance(hours=(12 - world.clock.now().hour) % 24)  # far from the hour of reminders
    end = spell_time((world.clock.now() + timedelta(days=14, minutes=90)).replace(microsecond=0))
    await world.known(one, expiresOn=end)
    await tenant.settled()
    world.clock.advance(hours=1)
    world.queues.sent.clear()
    assert (await tenant.sweep()).queued == {"soon": 1}
    (message,) = [body for queue, body, _ in world.queues.sent if queue == "reconcile"]
    world.clock.advance(minutes=10)
    await world.write(one, PIPELINE, expiresOn=end, description="approved anew")
    await tenant.settled()
    listed = (await world.row(one)).listed
    world.clock.advance(minutes=25)
    await world.look(one, "sweep", listed=message.get("listed", ""))
    assert (await world.row(one)).listed == listed
