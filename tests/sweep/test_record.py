"""The record of sweeps: each is in it, whatever becomes of it, and what it could not record is named."""

import json
from datetime import timedelta
from typing import Any

import pytest

from guardrails import __version__
from guardrails.decisions.record import RecordedSweep
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import spell_time
from guardrails.register.keys import address
from guardrails.register.record import Record
from guardrails.register.table import Write
from guardrails.sweep.compare import Pass
from guardrails.sweep.record import months_before
from tests.clock import VirtualClock
from tests.reconcile.ports import Died
from tests.reconcile.world import ROUTE, rules
from tests.sweep.conftest import Tenant

YEAR = timedelta(days=365)


async def recorded(tenant: Tenant) -> list[RecordedSweep]:
    now = tenant.world.clock.now()
    return [one async for one in tenant.world.register.record.sweeps(now - 100 * YEAR, now + YEAR)]


def storage_is_full(*_: Any, **__: Any) -> Any:
    raise Retryable("it is full", code="storage-busy", subject="table")


async def a_defect(*_: Any, **__: Any) -> Any:
    raise KeyError("a defect")


async def test_each_sweep_is_in_the_record_with_all_that_it_saw(tenant: Tenant) -> None:
    world = tenant.world
    await world.known(world.id())
    await tenant.intake.sweep()
    world.clock.advance(hours=1)
    report = await tenant.sweep()
    first, second = await recorded(tenant)
    assert (first.seq, second.seq, second.previous) == (1, 2, first.hash)
    assert first.said["by"] == "the timer"
    said = second.said
    assert (said["version"], said["mode"], said["gaps"]) == (__version__, str(world.ruleset.mode), [])
    assert said["ruleset"].startswith(world.ruleset.digest)
    assert said["report"]["seen"] == report.seen == 1
    assert (said["report"]["seconds"], said["report"]["missing"]) == (round(report.seconds, 1), [])
    assert said["containers"]["count"] > 0
    assert not {"told", "bypasses_told", "odd"} & said["report"].keys()  # stored name


async def test_what_a_sweep_could_not_see_and_why_is_in_it(tenant: Tenant) -> None:
    tenant.world.fault("POST", "resources", status=400, code="BadRequest")
    await tenant.intake.sweep()
    (found,) = await recorded(tenant)
    assert found.said.get("broke_off") or found.said["report"]["missing"]


async def test_one_that_breaks_off_says_why(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.sweep.compare.Pass.open", storage_is_full)
    await tenant.intake.sweep()
    (found,) = await recorded(tenant)
    assert found.state == "broke-off"
    assert "it is full" in found.said["broke_off"]


async def test_one_that_dies_leaves_its_beginning(tenant: Tenant) -> None:
    tenant.world.watch.die_at(3, after=True)
    with pytest.raises(Died):
        await tenant.sweeper.sweep()
    tenant.world.watch.revive()
    tenant.after_lease()
    await tenant.sweep()
    assert [one.state for one in await recorded(tenant)] == ["died", "ended"]


@pytest.mark.parametrize("what", ["begin", "end", "prune"])
async def test_a_record_that_cannot_be_written_stops_no_sweep_and_is_named_by_the_next(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    await tenant.world.arm_graph(skew=0)  # Azure's clock is the same, over HTTP too
    await tenant.sweep()
    tenant.world.clock.advance(hours=1)
    with monkeypatch.context() as full:
        full.setattr(Record, what, storage_is_full)
        assert (await tenant.sweep()).missing == []
    assert "it is full" in caplog.text
    tenant.world.clock.advance(hours=1)
    await tenant.sweep()
    found = await recorded(tenant)
    states = {"begin": ["ended", "ended"], "end": ["ended", "died", "ended"], "prune": ["ended"] * 3}
    assert [one.state for one in found] == states[what]
    assert [bool(one.gaps) for one in found] == [True, *[False] * (len(found) - 2), what != "prune"]
    if what == "end":  # its report is not lost: the lease of the sweep had it
        assert found[2].said["previous_report"]["started"] == spell_time(found[1].started)


async def test_a_defect_there_stops_no_sweep(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: Any, **__: Any) -> Any:
        raise KeyError("x")

    monkeypatch.setattr(Record, "begin", defect)
    assert (await tenant.sweep()).missing == []


async def test_the_record_of_a_register_from_before_names_its_gap(tenant: Tenant) -> None:
    now = tenant.world.clock.now().replace(microsecond=0)
    run = await tenant.sweeps.begin(now, "an older version", timedelta(minutes=2))
    assert run is not None
    await tenant.sweeps.end(run, now, {"started": "2026-11-02T09:30:00Z", "seen": 3}, whole=True)
    tenant.world.clock.advance(hours=1)
    await tenant.sweep()
    before, first = await recorded(tenant)
    assert (before.taken_over, before.said["report"]["seen"]) == (True, 3)
    assert "it has nothing from before" in first.said["gaps"][0]


async def test_another_ruleset_is_in_the_record_from_the_start_of_the_app_on(tenant: Tenant) -> None:
    await tenant.intake.start()
    tenant.world.clock.advance(minutes=10)
    await tenant.sweep()
    await tenant.intake.start()
    (change,) = await tenant.world.register.record.changes()
    assert tenant.world.watch.calls["record.use"] == 1
    assert change.by == "start"
    text, _, _ = await tenant.world.register.record.ruleset(change.sha256)
    assert text == tenant.world.ruleset.text != ""


async def test_a_ruleset_that_is_changed_twice_between_two_sweeps_is_in_the_record(tenant: Tenant) -> None:
    world, first = tenant.world, tenant.world.ruleset
    await tenant.intake.start()
    await tenant.sweep()
    await tenant.intake.event(await written(tenant, "a"), Hint("event"))
    texts = [first.text]
    for number, ruleset in enumerate((rules(mode="audit"), first)):
        world.ruleset = ruleset
        world.clock.advance(minutes=5)
        for name in ("b", "c"):
            await tenant.intake.event(await written(tenant, f"{name}{number}"), Hint("event"))
        texts.append(ruleset.text)
    assert world.watch.calls["record.use"] == 3
    changes = await world.register.record.changes()
    assert [(await world.register.record.ruleset(one.sha256))[0] for one in changes] == texts


async def test_nothing_is_judged_by_a_ruleset_that_storage_does_not_take(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tenant.world
    await tenant.sweep()
    one = await written(tenant, "a")
    await tenant.intake.event(one, Hint("event"))
    other = await written(tenant, "b")
    world.ruleset = rules(mode="audit")
    with monkeypatch.context() as full:
        full.setattr(Record, "use", storage_is_full)
        assert await tenant.intake.event(other, Hint("event")) is None
    assert await world.register.history(other) == []
    assert world.queues.sent  # it waits there
    world.ruleset, between = rules(mode="enforce"), world.ruleset
    assert await tenant.intake.event(other, Hint("queue")) is not None
    used = [(await world.register.record.ruleset(one.sha256))[0] for one in await world.register.record.changes()]
    assert used[-1] == world.ruleset.text
    assert between.text not in used


async def test_a_ruleset_that_a_defect_keeps_out_of_the_record_stops_no_event(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tenant.world
    await tenant.sweep()
    one = await written(tenant, "a")
    await tenant.intake.event(one, Hint("event"))
    world.ruleset = rules(mode="audit")
    with monkeypatch.context() as broken:
        broken.setattr(Record, "use", a_defect)
        for _ in range(3):
            assert await tenant.intake.event(one, Hint("event")) is not None
    assert world.watch.calls["record.use"] == 1
    world.clock.advance(minutes=2)
    await tenant.intake.event(one, Hint("event"))
    assert len(await world.register.record.changes()) == 2


async def written(tenant: Tenant, name: str) -> ExemptionId:
    one = tenant.world.id(name)
    await tenant.world.write(one)
    return one


async def test_events_ask_nothing_of_the_record(tenant: Tenant) -> None:
    world = tenant.world
    await tenant.sweep()
    world.watch.calls.clear()
    await world.known(world.id())
    await tenant.intake.event(world.id(), Hint("event"))
    assert not [name for name in world.watch.calls if name.startswith("record.")]


async def test_an_unchanged_sweep_asks_few_times(tenant: Tenant) -> None:
    await tenant.settled()
    tenant.world.watch.calls.clear()
    await tenant.sweep()
    asked = {name: count for name, count in tenant.world.watch.calls.items() if name.startswith("record.") and count}
    assert asked == {"record.begin": 1, "record.heads": 1, "record.end": 1, "record.prune": 1}


async def test_sweeps_are_kept_for_as_long_as_the_setting_says(tenant: Tenant) -> None:
    clock: VirtualClock = tenant.world.clock
    await tenant.world.arm_graph(skew=0)  # Azure's clock is the same, over HTTP too
    tenant.sweeper._months = 13
    await tenant.sweep()
    clock.advance(days=200)
    await tenant.sweep()
    clock.advance(days=250)
    await tenant.sweep()  # by the clock of the sweep before, nothing is old
    assert len(await recorded(tenant)) == 3
    clock.advance(hours=1)
    await tenant.sweep()
    assert [one.seq for one in await recorded(tenant)] == [2, 3, 4]


async def test_a_clock_that_is_wrong_deletes_nothing(tenant: Tenant) -> None:
    await tenant.sweep()
    for _ in range(2):
        tenant.world.clock.advance(days=5000)
        await tenant.world.arm_graph(skew=-300)
        report = await tenant.sweep()
        assert report.clock_differs
    assert len(await recorded(tenant)) == 3


ANCHORED = {**ROUTE, "route": "anchor", "kinds": ["record-digest"]}


async def test_what_the_record_has_come_to_is_in_the_log_and_with_a_route_that_asks_for_it(
    tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await tenant.world.known(tenant.world.id())
    await tenant.sweep()
    assert "record-digest" not in await tenant.world.notice_kinds()
    tenant.world.ruleset = rules(notices=[ROUTE, ANCHORED])
    tenant.world.clock.advance(hours=1)
    await tenant.sweep()
    last = (await recorded(tenant))[-1]
    facts = [json.loads(one.getMessage()) for one in caplog.records if '"event": "record"' in one.getMessage()]
    assert (len(facts), facts[-1]["hash"], facts[-1]["sweep"], facts[-1]["exemptions"]) == (2, last.hash, 2, 1)
    sent = [one for one in await tenant.world._drain("notices") if one["notice"]["kind"] == "record-digest"]
    assert [one["route"] for one in sent] == ["anchor"]
    assert sent[0]["notice"]["why"] == [f"sweep 2: {last.hash}"]


async def leave_out(tenant: Tenant, one: ExemptionId) -> None:
    """Take every row of an exemption out of the table."""
    table, place = tenant.world.register._table, address(one)
    async for row in table.query(f"PartitionKey eq '{place.partition}'"):
        if place.key in row["RowKey"]:
            await table.transact(place.partition, [Write("delete", row["RowKey"], {})])


async def test_what_the_register_lacks_is_found_by_the_next_sweep_and_reported_once(tenant: Tenant) -> None:
    world, kept, gone = tenant.world, tenant.world.id("kept"), tenant.world.id("gone")
    world.clock.advance(hours=25 - world.clock.now().hour)  # all on one day: such a notice comes once a day
    for one in (kept, gone):
        await world.known(one)
    await tenant.settled()
    await leave_out(tenant, gone)
    for _ in range(3):
        world.clock.advance(hours=1)
        await tenant.sweep()
        await tenant.work()
    heads = [one.said["heads"] for one in await recorded(tenant)]
    kinds = await world.notice_kinds()
    assert kinds.count("register-altered") == 1
    assert [(one["lost"], one["back"]) for one in heads[-3:]] == [(1, 0), (0, 1), (0, 0)]


@pytest.mark.parametrize("how", ["merge", "delete"])
async def test_a_hand_in_the_end_of_the_record_is_reported_once(tenant: Tenant, how: Any) -> None:
    await tenant.sweep()
    columns = {"seq": 7} if how == "merge" else {}
    await tenant.world.register._table.transact("record", [Write(how, "chain", columns)])
    for _ in range(3):
        tenant.world.clock.advance(hours=1)
        await tenant.sweep()
    assert [one.seq for one in await recorded(tenant)] == [1, 2, 3, 4]
    assert (await tenant.world.notice_kinds()).count("register-altered") == 1


async def test_what_a_sweep_found_altered_is_in_its_report_though_it_was_announced(tenant: Tenant) -> None:
    await tenant.world.known(tenant.world.id())
    await tenant.settled()
    await leave_out(tenant, tenant.world.id())
    tenant.world.clock.advance(hours=1)
    report = await tenant.sweep()
    last = (await recorded(tenant))[-1]
    assert report.altered == []
    assert ["the register lacks what the record has" in text for text in last.said["report"]["altered"]] == [True]


async def test_all_that_was_not_seen_is_counted_and_a_report_always_fits(tenant: Tenant) -> None:
    sees = Pass.close

    async def little(one: Pass) -> Any:
        one.report.missing += [f"{number}: {'x' * 2000}" for number in range(700)]
        return await sees(one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pass, "close", little)
        await tenant.sweep()
    last = (await recorded(tenant))[-1]
    assert (last.state, len(last.said["report"]["missing"]), last.said["report"]["missing_more"]) == ("ended", 500, 200)


async def test_an_exemption_that_is_left_out_and_not_there_any_more_stays_counted(tenant: Tenant) -> None:
    world, gone = tenant.world, tenant.world.id("gone")
    await world.known(gone)
    await tenant.settled()
    await world.delete(gone)
    await tenant.settled()
    await leave_out(tenant, gone)
    for _ in range(3):
        world.clock.advance(hours=1)
        await tenant.sweep()
    heads = [one.said["heads"] for one in sorted(await recorded(tenant), key=lambda one: one.seq)]
    assert [one["lost"] for one in heads[-3:]] == [1, 1, 1]
    assert heads[-1]["digest"] == heads[-4]["digest"]
    assert (await world.notice_kinds()).count("register-altered") == 1


@pytest.mark.parametrize(
    ("now", "months", "expected"),
    [("2026-03-31", 13, "2025-02-28"), ("2026-11-29", 25, "2024-10-28"), ("2026-01-05", 13, "2024-12-05")],
)
def test_months_before(now: str, months: int, expected: str) -> None:
    clock = VirtualClock()
    time = clock.now().fromisoformat(f"{now}T07:30:00+00:00")
    assert f"{months_before(time, months):%Y-%m-%d %H:%M}" == f"{expected} 00:00"
