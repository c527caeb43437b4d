"""What was judged just so is not judged again, and a sweep that skips it finds what one finds that judges all."""

import json
import random
from collections.abc import AsyncIterator
from copy import replace
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any, cast

import pytest

from guardrails.decisions.judged import Judgements
from guardrails.decisions.parts import Span
from guardrails.decisions.watch import Run
from guardrails.exemption.exemption_id import ScopeKind
from guardrails.reconcile import inventory
from guardrails.register.keys import JUDGED
from guardrails.ruleset.model import Mode, Ruleset
from guardrails.sweep import judging
from guardrails.sweep.compare import Pass
from guardrails.sweep.report import Report
from sandbox import tenant as places
from sandbox.tenant import APPROVAL
from tests.reconcile.test_pinned import ALL, PINNED, SET, publish
from tests.reconcile.world import ABOVE, ALICE, CORP, NO_TICKET, PIPELINE, World, in_days, rules
from tests.sweep.conftest import Tenant

TIMED = {"expired": "alert", "review-due": "alert", "duplicate": "alert", "expiry-extended": "tag"}


@dataclass
class Apart:
    """The port of sweeps, of which nothing is read that was judged, and to which nothing is written."""

    tenant: Tenant

    async def covered(self, refused: Any = None) -> Any:
        return await self.tenant.sweeps.covered(refused)

    async def cover(self, _: Any) -> None:
        return None

    async def judged(self, _: Span) -> AsyncIterator[tuple[str, Judgements]]:
        for container in list[str]():
            yield container, Judgements()

    async def keep_judged(self, _: Any) -> None:
        return None


@dataclass
class Noted:
    """The port of queues, which keeps what it is given."""

    sent: list[tuple[dict[str, Any], float]] = field(default_factory=list)

    async def send(self, _: str, body: dict[str, Any], delay: float = 0.0) -> None:
        self.sent.append((body, delay))


async def judges_all(tenant: Tenant, began: list[Run]) -> tuple[Report, list[Any]]:
    """Return what a sweep finds now that knows nothing of what was judged, and what it puts on the queue."""
    world, queues = tenant.world, cast("Any", Noted())
    ports = replace(world.reconciler._world, queues=queues)
    run = replace(began[-1], started=world.clock.now(), before=began[-1].started)
    report = Report.after(run)
    mode = world.ruleset.mode
    await Pass(ports, tenant.graph, Apart(tenant), run, world.ruleset, mode, report).go()  # type: ignore[arg-type]
    return report, sorted((spelled(body), round(delay)) for body, delay in queues.sent)


def spelled(body: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in body.items() if key != "seen"}, sort_keys=True)


async def judged(tenant: Tenant) -> dict[str, Judgements]:
    return {container: one async for container, one in tenant.sweeps.judged()}


async def entries(tenant: Tenant) -> int:
    return sum(len(one.entries) for one in (await judged(tenant)).values())


class Judged:
    """Counts what is judged."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, real = 0, inventory.judged

        def counted(*args: Any, **more: Any) -> Any:
            self.count += 1
            return real(*args, **more)

        monkeypatch.setattr(judging, "judged", counted)

    def taken(self) -> int:
        count, self.count = self.count, 0
        return count


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Judged:
    return Judged(monkeypatch)


async def known(world: World, *names: str, **changes: Any) -> None:
    for name in names:
        await world.known(world.id(name), policyDefinitionReferenceIds=["denyPublicNetwork"], **changes)
    world.clock.advance(minutes=5)


async def test_an_unchanged_sweep_judges_nothing_and_writes_nothing(tenant: Tenant, counted: Judged) -> None:
    world = tenant.world
    await known(world, *"abcde")
    await tenant.settled()
    assert counted.taken() == 5
    before = await judged(tenant)
    for _ in range(3):
        world.clock.advance(hours=1)
        assert (await tenant.sweep()).queued == {}
    assert counted.taken() == 0
    assert await judged(tenant) == before


async def test_only_what_changed_is_judged(tenant: Tenant, counted: Judged) -> None:
    world = tenant.world
    await known(world, *"abcde")
    await tenant.settled()
    counted.taken()
    await world.write(world.id("c"), ALICE, displayName="another name")
    world.clock.advance(minutes=5)
    assert (await tenant.sweep()).queued == {"changed": 1}
    assert counted.taken() == 1
    await tenant.settled()
    counted.taken()
    await tenant.sweep()
    assert counted.taken() == 0


@pytest.mark.parametrize("what", ["ruleset", "initiative", "assignment", "row", "program"])
async def test_all_that_rests_on_what_changed_is_judged(
    tenant: Tenant, counted: Judged, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tenant.world
    publish(world, "1.0.0", *ALL)
    publish(world, "2.0.0", "public", "keys", latest=True)
    world.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET, "definitionVersion": "1.*.*"}})
    for name in "abc":
        await world.known(world.id(name), policyAssignmentId=PINNED, policyDefinitionReferenceIds=["public"])
    world.clock.advance(minutes=5)
    await tenant.settled()
    counted.taken()
    match what:
        case "ruleset":
            world.ruleset = rules(on={"owner-missing": "tag"})
        case "initiative":
            publish(world, "1.1.0", *ALL, "logs")
        case "assignment":
            world.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET, "definitionVersion": "2.*.*"}})
        case "row":
            for name in "abc":
                await world.edit_row(world.id(name), watch="x")
            world.sound = False
        case "program":
            monkeypatch.setattr(judging, "program", lambda: "another")
    world.clock.advance(hours=1)
    await tenant.sweep()
    assert counted.taken() == 3


async def test_an_end_and_a_review_are_found_by_the_first_sweep_after_them(tenant: Tenant, counted: Judged) -> None:
    world = tenant.world
    world.ruleset = rules(on=TIMED)
    end = {"expiresOn": in_days(world.clock, 3)}
    await known(world, "ends", **end)
    await known(world, "review", metadata={**APPROVAL, "reviewDate": in_days(world.clock, 5)[:10]})
    await known(world, "other")
    found, began = {}, world.clock.now()
    await tenant.settled()
    for hour in range(24 * 7):
        world.clock.advance(hours=1)
        report = await tenant.sweep()
        await tenant.work()
        for name in ("ends", "review"):
            row = await world.row(world.id(name))
            if {"EXG104", "EXG105"} & row.findings.keys() and name not in found:
                found[name] = hour + 1
        assert report.missing == []
    over = (began + timedelta(days=6)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert found == {"ends": 72, "review": ceil((over - began).total_seconds() / 3600)}
    assert not {"EXG104", "EXG105"} & (await world.row(world.id("other"))).findings.keys()


async def test_a_clock_that_was_set_back_has_all_judged(tenant: Tenant, counted: Judged) -> None:
    world = tenant.world
    world.ruleset = rules(on=TIMED)
    await known(world, "ends", expiresOn=in_days(world.clock, 1))
    world.clock.advance(days=2)
    await tenant.settled()
    assert "EXG104" in (await world.row(world.id("ends"))).findings
    counted.taken()
    world.clock.advance(days=-1.5)
    assert (await tenant.sweep()).queued == {"changed": 1}
    assert counted.taken() == 1


async def test_rows_of_before_are_judged_and_then_kept(tenant: Tenant, counted: Judged) -> None:
    world = tenant.world
    await known(world, *"abc")
    await tenant.settled()
    async for row in world.table.query_entities(f"RowKey ge '{JUDGED}' and RowKey lt '{JUDGED}~'"):
        await world.table.delete_entity(row)
    counted.taken()
    assert (await tenant.sweep()).queued == {}
    assert counted.taken() == 3
    await tenant.sweep()
    assert counted.taken() == 0


@pytest.mark.parametrize("column", ["since", "found", "entries"])
async def test_what_a_hand_changed_of_it_is_judged_again(tenant: Tenant, counted: Judged, column: str) -> None:
    world = tenant.world
    await known(world, *"abc")
    await tenant.settled()
    async for row in world.table.query_entities(f"RowKey ge '{JUDGED}' and RowKey lt '{JUDGED}~'"):
        value: Any = {"since": "soon", "found": "[[", "entries": bytes(reversed(row["entries"]))}[column]
        await world.table.update_entity({**row, column: value})
    counted.taken()
    assert (await tenant.sweep()).queued == {}
    assert counted.taken() == 3
    assert await entries(tenant) == 3


async def test_an_assignment_that_is_not_shown_is_looked_at_each_time(tenant: Tenant, counted: Judged) -> None:
    """It is unknown what is exempted: that is asked again."""
    world = tenant.world
    await known(world, "a")
    publish(world, "1.0.0", *ALL, latest=True)
    world.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET, "definitionVersion": "1.*.*"}})
    await world.known(world.id("b"), policyAssignmentId=PINNED, policyDefinitionReferenceIds=["public"])
    await world.send(ALICE, "DELETE", PINNED)
    world.clock.advance(minutes=5)
    await tenant.settled()
    counted.taken()
    for _ in range(2):
        await tenant.sweep()
    assert counted.taken() == 2
    assert await entries(tenant) == 1


async def test_that_it_cannot_be_kept_stops_no_sweep(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    from guardrails.errors import Retryable  # noqa: PLC0415

    async def busy(_: Any) -> None:
        raise Retryable("storage is busy", code="storage-busy", subject="sweep")

    monkeypatch.setattr(tenant.sweeps, "keep_judged", busy)
    await known(tenant.world, "a")
    assert (await tenant.settled()).missing == []


def rulesets(world: World) -> list[Ruleset]:
    ends = {"expires": in_days(world.clock, 3)[:10]}
    later = {"exemption_category": ["Waiver"], "rules": {"expired": {"options": {"keep_days": 2}}}}
    return [
        rules(on=TIMED),
        rules(on={**TIMED, "expiry-too-far": "alert"}),
        rules(mode="audit", on={**TIMED, "kept-alive": "tag", "recreated-often": "tag"}),
        rules(on=TIMED, exclusions=[{"scope": places.GROUP, "reason": "r", **ends}]),
        rules(on=TIMED, overrides=[{**later, **ends}], owners=[{"name": "robots", "authors": ["alice@contoso.com"]}]),
    ]


@pytest.mark.parametrize("seed", range(8))
async def test_a_sweep_that_skips_finds_what_one_finds_that_judges_all(tenant: Tenant, seed: int) -> None:
    world, chance = tenant.world, random.Random(seed)  # noqa: S311
    publish(world, "1.0.0", *ALL)
    publish(world, "2.0.0", "public", "keys", latest=True)
    world.arm.seed(PINNED, {"properties": {"policyDefinitionId": SET, "definitionVersion": "1.*.*"}})
    every_ruleset, began, skipped = rulesets(world), list[Run](), 0
    world.ruleset = every_ruleset[0]
    scopes = (places.SUBSCRIPTION, places.GROUP, places.RESOURCE, CORP)
    ids = [world.id(f"e{number}", chance.choice(scopes)) for number in range(12)]
    for one in ids:
        await written(world, chance, one)
        await world.look(one)
    await tenant.settled()
    for _ in range(25):
        for _ in range(chance.randint(0, 2)):
            await act(world, chance, ids, every_ruleset)
        world.clock.advance(**chance.choice(({"hours": 1}, {"hours": 1}, {"days": 1}, {"days": 9}, {"days": -2})))
        last = await tenant.sweeps.last()
        assert last is not None
        began.append(last)
        every, wanted = await judges_all(tenant, began)
        world.queues.sent.clear()
        report = await tenant.sweep()
        sent = sorted((spelled(body), round(delay)) for queue, body, delay in world.queues.sent if queue == "reconcile")
        assert [one for one in sent if "sweep" in one[0]] == wanted
        assert report.queued == every.queued
        assert report.matches is not None
        assert every.matches is not None
        assert replace(report.matches, at=every.matches.at) == every.matches
        skipped += await entries(tenant)
        if chance.random() < 0.8:
            await tenant.work()
    assert skipped > 10
    world.sound = False  # clocks went back, and messages are left


async def written(world: World, chance: random.Random, one: Any) -> None:
    named = chance.choice([["public"], ["keys", "public"], None])
    review = in_days(world.clock, chance.choice([-1, 0, 1, 3, 20]))[:10]
    metadata = {**chance.choice([APPROVAL, NO_TICKET]), "reviewDate": review}
    end = chance.choice([in_days(world.clock, days) for days in (0.1, 1, 2, 8, 120)] + [None])
    changes = {"policyAssignmentId": PINNED, "policyDefinitionReferenceIds": named, "metadata": metadata}
    if one.kind is ScopeKind.MANAGEMENT_GROUP:
        changes |= {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}
    await world.write(one, chance.choice([ALICE, PIPELINE]), expiresOn=end, **changes)


async def act(world: World, chance: random.Random, ids: list[Any], every_ruleset: list[Ruleset]) -> None:
    match chance.choice(["write", "write", "lost", "delete", "rules", "mode", "publish", "assign", "look"]):
        case "write":
            one = chance.choice(ids)
            await written(world, chance, one)
            await world.look(one)
        case "lost":
            await written(world, chance, chance.choice(ids))
        case "delete":
            await world.delete(chance.choice(ids))
        case "rules":
            world.ruleset = chance.choice(every_ruleset)
        case "mode":
            mode = Mode.AUDIT if world.ruleset.mode is Mode.ENFORCE else Mode.ENFORCE
            world.ruleset = replace(world.ruleset, mode=mode)
        case "publish":
            publish(world, f"1.{chance.randint(1, 99)}.0", *chance.choice([ALL, ("public", "keys"), (*ALL, "more")]))
        case "assign":
            pin = chance.choice(["1.*.*", "2.*.*"])
            left_out = chance.choice([[], [places.GROUP]])
            said = {"policyDefinitionId": SET, "definitionVersion": pin, "notScopes": left_out}
            world.arm.seed(PINNED, {"properties": said})
        case "look":
            await world.look(chance.choice(ids))
