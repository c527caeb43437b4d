"""A sweep in parts finds what a whole one finds; instances share its parts, and what a dead one left is done again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from guardrails.azure.graph import Graph
from guardrails.decisions.parts import GROUPS, Part, Sizes, Span, cut
from guardrails.decisions.record import UsedRuleset
from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register import shared_parts
from guardrails.register.keys import PART
from guardrails.register.sweeps import Sweeps
from guardrails.register.table import Write
from guardrails.register.verify_record import check_record
from guardrails.sweep import shared
from guardrails.sweep.compare import Pass
from guardrails.sweep.in_force import InForce
from guardrails.sweep.invitation import Invitation, read_invitation
from guardrails.sweep.matches import Matches
from guardrails.sweep.outcome import Outcome
from guardrails.sweep.report import Report
from guardrails.sweep.sweep import LEASE, Sweeper
from sandbox.tenant import AUTHORIZATION
from tests.patience import PATIENCE
from tests.reconcile.world import CORP, StaticToken, World, rules
from tests.sweep.conftest import Tenant, no_wait
from tests.sweep.test_duplicates import GROUP_ASSIGNMENT, three

SUBSCRIPTIONS = [str(UUID(int=number * 7919 << 90, version=4)) for number in range(1, 9)]
EACH = 5


def test_spans_hold_each_container_once_and_all_there_may_ever_be() -> None:
    for count in range(2, 9):
        spans = cut([*SUBSCRIPTIONS, "mg~corp", "mg~a"], 10 * count, 10)
        assert len(spans) == count
        for container in (*SUBSCRIPTIONS, "0", "ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0"):
            assert sum(span.holds(container) for span in spans) == 1
        assert not any(span.holds(GROUPS + name) for span in spans for name in ("", "corp", "~"))
        sizes = [sum(map(span.holds, SUBSCRIPTIONS)) for span in spans]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("names", "total"), [([], 100), (["a"], 100), (["a", "b"], 10), (["a", "zz"], 100)])
def test_what_cannot_be_cut_stays_whole(names: list[str], total: int) -> None:
    assert cut([*names, "mg~corp"], total, 10) == []


def test_an_invitation_is_read_as_it_was_written() -> None:
    one = Invitation("holder", 3, last=True)
    assert read_invitation(one.body) == one
    assert read_invitation({"id": "x"}) is None
    with pytest.raises(ValueError, match="no number"):
        read_invitation({"part": "3", "sweep": "holder"})


@pytest.fixture
async def large(tenant: Tenant) -> Tenant:
    """A tenant of many subscriptions, as if it were too large for one execution; all of it is older than us."""
    world = tenant.world
    world.ruleset = rules(on={"duplicate": "alert", "scope-too-broad": "off"})
    three(world)
    for number, subscription in enumerate(SUBSCRIPTIONS):
        world.arm.add_subscription(subscription, management_group="contoso")
        for each in range(EACH):
            await write(world, at(world, number, each), "abcab"[each])
    await write(world, world.id("above", CORP), "c")
    world.clock.advance(minutes=5)
    return tenant


async def write(world: World, one: ExemptionId, reference: str, **changes: Any) -> None:
    await world.write(
        one, policyAssignmentId=GROUP_ASSIGNMENT, policyDefinitionReferenceIds=[reference], **changes
    )  # fmt: skip
    world.clock.advance(seconds=1)


def at(world: World, number: int, each: int) -> ExemptionId:
    return world.id(f"e-{each}", f"/subscriptions/{SUBSCRIPTIONS[number]}")


ALL = len(SUBSCRIPTIONS) * EACH + 1


class Instance:
    """One more instance of the app: a sweeper of its own."""

    def __init__(self, tenant: Tenant) -> None:
        world, ports = tenant.world, tenant.world.reconciler._world
        self.graph = Graph(world.arm.address, StaticToken(), world.clock, sleep=no_wait)
        self.said: list[str] = []
        dead_letters = DeadLetterQueue(ports.register, ports.queues, world.clock, lambda: world.ruleset)

        async def say(notice: Any) -> object:
            self.said.append(notice.kind)
            return await dead_letters.notify(notice)

        register = world.register
        in_force = InForce(lambda: world.ruleset, register.record, world.clock)
        self.sweeper = Sweeper(
            ports, self.graph, register.sweeps, in_force, say, bypasses=register.bypasses,
            record=register.record, parts=register.parts, sizes=Sizes(0, EACH, 0),
        )  # fmt: skip


@pytest.fixture
async def instances(large: Tenant) -> AsyncIterator[list[Instance]]:
    some = [Instance(large) for _ in range(3)]
    yield some
    for one in some:
        await one.graph.close()


async def until(there: Callable[[], bool]) -> None:
    while not there():  # noqa: ASYNC110 - what it waits for is in several places
        await asyncio.sleep(0.01)


def invitations(world: World) -> list[Invitation]:
    """Take the invitations that were put on the queue."""
    found = [read_invitation(body) for queue, body, _ in world.queues.sent if queue == "reconcile"]
    world.queues.sent.clear()
    return [one for one in found if one is not None]


async def looked_at(world: World) -> list[str]:
    """Return the ids that the sweep handed over."""
    return sorted(str(one["id"]) for one in await world._drain("reconcile") if "id" in one)


async def runs(tenant: Tenant) -> list[Any]:
    start, end = tenant.world.clock.now() - timedelta(days=9), tenant.world.clock.now() + timedelta(days=1)
    return [one async for one in tenant.world.register.record.sweeps(start, end)]


async def check_first(tenant: Tenant, instances: list[Instance], report: Report | None) -> None:
    """Every exemption was compared once, and adopted; one notice says so, and one record has all of it."""
    world = tenant.world
    assert report is not None
    assert (report.seen, report.adopted, report.missing) == (ALL, ALL, [])
    for one in world.ids:
        assert await world.events(one) == ["adopted"]
    said = [kind for one in instances for kind in one.said]
    assert said.count("adopted") == 1
    (run,) = await runs(tenant)
    assert (run.seq, run.said["report"]["seen"], run.said["report"]["adopted"]) == (1, ALL, ALL)
    assert [row async for row in world.table.query_entities(f"RowKey ge '{PART}' and RowKey lt '{PART}~'")] == []
    last = await tenant.sweeps.last()
    assert last is not None
    assert (last.until, last.report["seen"]) == (None, ALL)
    world.clock.advance(hours=1)
    assert await instances[0].sweeper.sweep() is not None
    _, run = await runs(tenant)  # it has read the histories that the first began
    assert (run.seq, run.said["heads"]["exemptions"], run.said["heads"]["lost"]) == (2, ALL, 0)


async def test_instances_share_the_parts_of_a_sweep(large: Tenant, instances: list[Instance]) -> None:
    world, did = large.world, list[int]()
    real = Pass.part

    async def noted(self: Pass, span: Span, heads: Any) -> Outcome:
        did.append(id(self))
        await asyncio.sleep(0)
        return await real(self, span, heads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pass, "part", noted)
        begun = asyncio.create_task(instances[0].sweeper.sweep())
        await until(lambda: bool(world.queues.sent))
        invited = invitations(world)
        others = [one.sweeper.part(each) for one, each in zip(instances[1:], invited, strict=False)]
        reports = await asyncio.gather(begun, *others)
    (report,) = [one for one in reports if one is not None]
    assert len(did) == len(SUBSCRIPTIONS) + 1, "each part once"
    assert len(set(did)) > 1
    await check_first(large, instances, report)


async def test_an_unchanged_sweep_in_parts_queues_and_writes_nothing(large: Tenant, instances: list[Instance]) -> None:
    world = large.world
    for _ in range(3):
        await instances[0].sweeper.sweep()
        await large.work()
        world.clock.advance(hours=1)
    world.queues.sent.clear()
    report = await instances[0].sweeper.sweep()
    assert report is not None
    assert (report.seen, report.known, report.queued) == (ALL, ALL, {})
    assert await looked_at(world) == []


def failing_from(world: World, patch: pytest.MonkeyPatch, invitation: int) -> None:
    """Let the queue take invitations up to the one with this number, from 0, and no more."""
    real, taken = world.queues.send, 0

    async def send(queue: str, body: dict[str, Any], delay: float = 0.0) -> None:
        nonlocal taken
        if "part" in body:
            if taken == invitation:
                raise Retryable("the queue is down", code="storage-busy", subject=queue)
            taken += 1
        await real(queue, body, delay)

    patch.setattr(world.queues, "send", send)


@pytest.mark.parametrize("invitation", [1, 2, len(SUBSCRIPTIONS)])
async def test_a_sweep_to_which_not_all_could_be_invited_is_done_all_the_same(
    large: Tenant, instances: list[Instance], invitation: int
) -> None:
    """Who was invited before the queue failed has its message still: it is about a sweep that has ended."""
    with pytest.MonkeyPatch.context() as patch:
        failing_from(large.world, patch, invitation)
        report = await instances[0].sweeper.sweep()
    invited = invitations(large.world)
    assert len(invited) == invitation
    for one in invited:
        assert await instances[1].sweeper.part(one) is None
    await check_first(large, instances, report)


@pytest.mark.parametrize("what", ["parts", "last message"])
async def test_a_sweep_that_cannot_be_handed_out_ends_at_once_and_the_next_is_whole(
    large: Tenant, instances: list[Instance], what: str
) -> None:
    world = large.world
    with pytest.MonkeyPatch.context() as patch:
        if what == "parts":
            patch.setattr(shared_parts, "MOST_OPERATIONS", 4)
            patch.setattr(world.register._table, "transact", rejecting(world, f"{PART}00004"))
        else:
            failing_from(world, patch, 0)
        with pytest.raises(Retryable, match="is down"):
            await instances[0].sweeper.sweep()
    assert invitations(world) == []
    assert instances[0].said == ["sweep-partial"]
    last = await large.sweeps.last()
    assert last is not None
    assert (last.until, last.report["seen"], len(last.report["missing"])) == (None, 0, 1)
    (run,) = await runs(large)
    assert (run.state, "is down" in run.said["broke_off"]) == ("broke-off", True)
    report = await instances[1].sweeper.sweep()  # without any wait
    assert report is not None
    assert (report.seen, report.adopted, report.missing) == (ALL, ALL, [])
    assert instances[1].said.count("adopted") == 1


def rejecting(world: World, row: str) -> Callable[..., Any]:
    """Return a `transact` that fails where a row is among its writes."""
    real = world.register._table.transact

    async def transact(partition: str, writes: Sequence[Write], subject: str = "") -> list[str]:
        if any(one.row == row for one in writes):
            raise Retryable("the table is down", code="storage-busy", subject=subject)
        return await real(partition, writes, subject)

    return transact


@pytest.mark.parametrize("victim", [0, 1])
async def test_a_part_whose_worker_died_is_done_again(large: Tenant, instances: list[Instance], victim: int) -> None:
    """The worker dies in the middle of its second part; nobody else had a message at that time."""
    world = large.world
    await die_in(world, instances[victim], instances, part=2)
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    report = None
    for one in invitations(world):
        report = await instances[2].sweeper.part(one) or report
    await check_first(large, instances, report)


async def die_in(
    world: World, victim: Instance, instances: list[Instance], part: int, *, in_: str = "_adopt", by: str = ""
) -> None:
    """Let an instance die in one of its parts; where that is not who begins, who begins does no part at all."""
    count, real, step = 0, Pass.part, getattr(Pass, in_)
    holding, dead = asyncio.Event(), asyncio.Event()

    async def doing(self: Pass, span: Span, heads: Any) -> Outcome:
        nonlocal count
        if self.inventory is not victim.graph:
            await holding.wait()
        count += 1
        return await real(self, span, heads)

    async def dying(self: Pass, *args: Any) -> Any:
        done = await step(self, *args)
        if count == part:
            dead.set()
            await asyncio.Event().wait()
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pass, "part", doing)
        patch.setattr(Pass, in_, dying)
        begun = asyncio.create_task(instances[0].sweeper.sweep(by))
        await until(lambda: any("part" in body for _, body, _ in world.queues.sent))
        tasks = [begun]
        if victim is not instances[0]:
            sent = next(read_invitation(body) for _, body, _ in world.queues.sent if "part" in body)
            tasks.append(asyncio.create_task(victim.sweeper.part(cast(Invitation, sent))))
        async with asyncio.timeout(PATIENCE):
            await dead.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def slow_to_take_over(slow: Instance) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Hold this instance back once it has read what the parts found; yield when it is there, and what lets it go on."""
    real, there, goes_on = shared.Worker._take_over, asyncio.Event(), asyncio.Event()

    async def taking(self: shared.Worker, one: Pass, *more: Any) -> None:
        await real(self, one, *more)
        if one.inventory is slow.graph:
            there.set()
            await goes_on.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared.Worker, "_take_over", taking)
        yield there, goes_on


async def test_the_record_has_one_whole_sweep_though_several_instances_did_it(
    large: Tenant, instances: list[Instance]
) -> None:
    """Who began it died; what it recorded stays, and what it found changed from outside is reported, once."""
    world, table = large.world, large.world.register._table
    await instances[0].sweeper.sweep()
    await large.work()
    world.clock.advance(hours=1)
    first = (await runs(large))[0]
    await table.transact("record", [Write("merge", "chain", {"seq": 7})])
    await die_in(world, instances[0], instances, part=2, in_="_ended", by="the timer")
    (begun,) = (await runs(large))[1:]
    assert (begun.state, begun.said["by"]) == ("died", "the timer")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    other = world.ruleset = rules(on={"duplicate": "alert", "scope-too-broad": "alert"})
    await until_ended(world, instances[1:])
    (ended,) = (await runs(large))[1:]
    assert (ended.state, ended.seq, ended.previous, ended.behind) == ("ended", 2, first.hash, begun.behind)
    kept = {name: ended.said[name] for name in begun.said}
    assert kept == begun.said
    report = ended.said["report"]
    assert (report["seen"], ended.said["heads"]["exemptions"], ended.said["heads"]["lost"]) == (ALL, ALL, 0)
    assert [text for text in report["altered"] if "`chain` of the record" in text]
    assert [kind for one in instances for kind in one.said].count("register-altered") == 1
    assert [
        text
        for text in report["remarks"]
        if text.startswith(f"the sweep began with the ruleset {first.said['ruleset']}")
    ]
    assert [text for text in report["remarks"] if text.startswith("a part of the sweep was judged by another ruleset")]
    changes = await world.register.record.changes()
    assert [one.sha256 for one in changes] == [first.said["ruleset"], UsedRuleset(other.text, "").sha256]
    (problem,) = check_record(await world.register.backup.record()).problems
    assert "found: the row `chain` of the record was changed from outside" in problem


async def test_what_another_sweep_recorded_meanwhile_is_not_missing(large: Tenant, instances: list[Instance]) -> None:
    """Who began a sweep died; who ends it is slow, and another sweep records what came since the parts were read."""
    world = large.world
    await instances[0].sweeper.sweep()
    await large.work()
    world.clock.advance(hours=1)
    await instances[0].sweeper.sweep()
    world.clock.advance(hours=1)
    invitations(world)
    await die_in(world, instances[0], instances, part=2, in_="_ended")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    with slow_to_take_over(instances[1]) as (slow, goes_on):
        last = asyncio.create_task(instances[1].sweeper.part(next(one for one in invitations(world) if not one.last)))
        await slow.wait()
        await write(world, at(world, 1, 1), "b", displayName="changed")
        await write(world, at(world, 1, EACH), "c")
        for number in (1, EACH):
            await world.look(at(world, 1, number))
        world.clock.advance(seconds=LEASE.total_seconds() + 1)
        assert await instances[2].sweeper.sweep() is not None
        goes_on.set()
        report = await last
    assert report is not None
    assert [kind for one in instances for kind in one.said].count("register-altered") == 0
    *_, slower, faster = await runs(large)
    assert (slower.seq, faster.seq) == (4, 3)
    assert slower.said["heads"] == "another sweep recorded them at the same time"
    assert (faster.said["heads"]["exemptions"], faster.said["heads"]["back"]) == (ALL + 1, 0)
    world.clock.advance(hours=1)
    assert await instances[0].sweeper.sweep() is not None
    *_, newest = await runs(large)
    assert newest.said["heads"] == faster.said["heads"]
    assert check_record(await world.register.backup.record()).problems == []


async def test_a_sweep_whose_lease_was_not_given_back_is_recorded_once(
    large: Tenant, instances: list[Instance], caplog: pytest.LogCaptureFixture
) -> None:
    """Who began it ended it, but storage was away at the last moment; another ends it again, after the next sweep."""
    world = large.world
    caplog.set_level("INFO")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sweeps, "end", away)
        with pytest.raises(Retryable, match="is down"):
            await instances[0].sweeper.sweep()
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    with slow_to_take_over(instances[1]) as (slow, goes_on):
        last = asyncio.create_task(instances[1].sweeper.part(next(one for one in invitations(world) if one.last)))
        await slow.wait()
        (first,) = await runs(large)
        world.clock.advance(seconds=LEASE.total_seconds() + 1)
        assert await instances[2].sweeper.sweep() is not None
        goes_on.set()
        assert await last is not None
    one, newest = await runs(large)
    assert (one, one.seq, newest.seq) == (first, 1, 2)
    assert check_record(await world.register.backup.record()).problems == []
    facts = [json.loads(one.getMessage()) for one in caplog.records if '"event": "record"' in one.getMessage()]
    said = [(one["sweep"], one["hash"], one["heads"]) for one in facts]
    assert said[2] == said[0] == (1, first.hash, first.said["heads"]["digest"])


async def away(*_: Any, **__: Any) -> Any:
    raise Retryable("the table is down", code="storage-busy")


async def test_what_a_part_matches_by_another_ruleset_is_not_counted_by_this_one(
    large: Tenant, instances: list[Instance]
) -> None:
    world = large.world
    everything = {"scope": "/providers/Microsoft.Management/*", "reason": "r"}
    world.ruleset = rules(exclusions=[{**everything, "scope": "/subscriptions/*"}, everything])
    await die_in(world, instances[0], instances, part=2, in_="_ended", by="the timer")
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    world.ruleset = rules(exclusions=[everything])
    await until_ended(world, instances[1:])
    run = await world.register.sweeps.last()
    assert run is not None
    matches = Matches.from_json(run.report["matches"])
    assert matches is not None
    assert (matches.whole, matches.ruleset, len(matches.exclusions)) == (False, world.ruleset.digest, 1)
    assert matches.exemptions < run.report["seen"] == ALL


async def until_ended(world: World, instances: list[Instance]) -> None:
    """Let instances work off the invitations until nobody is invited any more."""
    while invited := invitations(world):
        for number, one in enumerate(invited):
            await instances[number % len(instances)].sweeper.part(one)
        world.clock.advance(seconds=LEASE.total_seconds() / 2)


async def test_a_part_that_never_ends_makes_the_sweep_incomplete(large: Tenant, instances: list[Instance]) -> None:
    real = Pass.part

    async def broken(self: Pass, span: Span, heads: Any) -> Outcome:
        if span.holds(SUBSCRIPTIONS[2]):
            raise Retryable("the register is away", code="storage-busy", subject="x")
        return await real(self, span, heads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pass, "part", broken)
        report = await instances[0].sweeper.sweep()
    assert report is not None
    (missing,) = report.missing
    assert SUBSCRIPTIONS[2] in missing
    assert "the register is away" in missing
    assert instances[0].said.count("sweep-partial") == 1
    (run,) = await runs(large)
    assert run.said["report"]["missing"] == [missing]
    assert SUBSCRIPTIONS[2] not in await large.sweeps.covered()
    again = await instances[1].sweeper.sweep()
    assert again is not None
    assert (again.seen, again.missing, report.adopted + again.adopted) == (ALL, [], ALL)


async def test_an_execution_that_has_run_long_leaves_the_rest_to_others(
    large: Tenant, instances: list[Instance]
) -> None:
    report = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "_BUDGET", 0.0)
        assert await instances[0].sweeper.sweep() is None
        for _ in range(20):
            for one in invitations(large.world):
                report = await instances[1].sweeper.part(one) or report
    await check_first(large, instances, report)


async def test_a_message_about_a_sweep_that_has_ended_does_nothing(large: Tenant, instances: list[Instance]) -> None:
    world = large.world
    assert await instances[0].sweeper.sweep() is not None
    invited = invitations(world)
    before = world.ours().total()
    for one in invited:
        assert await instances[1].sweeper.part(one) is None
    assert invitations(world) == []
    assert world.ours().total() == before


async def test_a_message_comes_back_while_its_instance_is_at_another_part(
    large: Tenant, instances: list[Instance]
) -> None:
    world = large.world
    await die_in(world, instances[0], instances, part=2)
    one, *_ = [each for each in invitations(world) if not each.last]
    instances[1].sweeper._at_work = True
    assert await instances[1].sweeper.part(one) is None
    assert [(each, delay) for _, body, delay in world.queues.sent if (each := read_invitation(body))] == [(one, 20.0)]


async def test_a_message_comes_back_while_another_instance_is_at_its_part(
    large: Tenant, instances: list[Instance]
) -> None:
    """It may have died: its claim ends, and then the part is done."""
    world = large.world
    await die_in(world, instances[0], instances, part=2)
    claimed = next(part for part in await large.world.register.parts.all(await holder(large)) if part.until)
    one = Invitation(await holder(large), claimed.number, last=False)
    for part in (await world.register.parts.all(one.holder))[:-1]:
        if part.number != claimed.number:
            await world.register.parts.end(one.holder, replace(part, outcome=Outcome().to_json()), b"")
    world.queues.sent.clear()
    assert await instances[1].sweeper.part(one) is None
    assert [(each, delay) for _, body, delay in world.queues.sent if (each := read_invitation(body))] == [
        (one, LEASE.total_seconds())
    ]
    world.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert await instances[1].sweeper.part(one) is not None


async def holder(tenant: Tenant) -> str:
    last = await tenant.sweeps.last()
    assert last is not None
    return last.holder


async def once(tenant: Tenant, sizes: Sizes) -> list[Any]:
    """Return what a sweep finds and hands over that changes nothing."""
    from tests.sweep.test_judged_once import Apart, Noted, spelled  # noqa: PLC0415

    world, queues, last = tenant.world, Noted(), await tenant.sweeps.last()
    assert last is not None
    run = replace(last, started=world.clock.now(), before=last.started)
    one = Pass(
        replace(world.reconciler._world, queues=cast(Any, queues)), tenant.graph, cast(Any, Apart(tenant)), run,
        world.ruleset, world.ruleset.mode, Report.after(run), sizes=sizes,
    )  # fmt: skip
    await one.go()
    report = {name: said for name, said in one.report.to_json().items() if name not in ("seconds", "started")}
    return [report, sorted(spelled(body) for body, _ in queues.sent), b"".join(one.heads.buckets())]


async def test_parts_find_what_a_whole_sweep_finds(large: Tenant, instances: list[Instance]) -> None:
    world = large.world
    await instances[0].sweeper.sweep()
    await large.work()
    for number in (1, 3):
        await world.delete(at(world, number, 0))
        await write(world, at(world, number, 1), "b", displayName="changed")
        await write(world, at(world, number, EACH), "c")
    world.arm.seed(f"{CORP}{AUTHORIZATION}/policyExemptions/malformed", {"properties": {}})
    world.clock.advance(hours=1)
    whole, parts = await once(large, Sizes()), await once(large, Sizes(0, EACH, 0))
    assert parts == whole
    assert whole[0]["queued"]


async def test_an_execution_that_does_all_parts_announces_what_it_adopted_without_reading_it_again(
    large: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = large.world
    monkeypatch.setattr(large.sweeper, "_sizes", Sizes(0, EACH, 99))
    monkeypatch.setattr(world.register, "adopted", None)
    report = await large.sweep()
    assert (report.seen, report.adopted) == (ALL, ALL)
    assert (await world.notice())["digest"]["total"] == ALL


def test_what_came_of_a_part_travels() -> None:
    one = Outcome(3, 2, 1, missing=["m"], remarks=["r"], hole=True, unread={b"u" * 20}, undecided={b"v" * 20})
    one.queued["new"] = 2
    one.found[((1,), (), (0, 2), ())] = 3
    assert Outcome.from_json(one.to_json()) == one
    for damaged in ({}, {**one.to_json(), "found": [[1]]}, {**one.to_json(), "unread": ["x"]}):
        with pytest.raises(ValueError, match=r".+"):
            Outcome.from_json(damaged)


def test_a_claim_holds_until_its_time(clock: Any) -> None:
    now = clock.now()
    one = Part(0, Span(), 1, now)
    assert one.is_free(now)
    assert not replace(one, until=now + timedelta(seconds=1)).is_free(now)
    assert not replace(one, ended=True).is_free(now)
