"""The record: sweeps and rulesets as rows, on both stores; what a hand or a full store does to it is named."""

import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.decisions.heads import KEY, NONE, SIZE, KeptHeads, Step
from guardrails.decisions.record import InForce, RecordedSweep, Tip, UsedRuleset, held_at
from guardrails.decisions.watch import Run
from guardrails.errors import Permanent, Retryable
from guardrails.register.table import Table
from guardrails.register.verify_record import check_record
from tests.register.conftest import World

AT = datetime(2026, 11, 2, 9, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = UsedRuleset("version: 2\nmode: audit\n", "audit")
OTHER = UsedRuleset("version: 2\nmode: enforce\n", "enforce")


async def swept(
    world: World,
    number: int,
    ruleset: UsedRuleset = RULES,
    *,
    at: datetime | None = None,
    ends: bool = True,
    said: dict[str, Any] | None = None,
    containers: Sequence[str] = ("s1", "s2"),
    **last: Any,
) -> RecordedSweep:
    """Record a sweep, the first with number 0, each an hour after the one before."""
    at = at or AT + number * HOUR
    before = Run(at, "x", None, **{"before": at - HOUR if number else None, **last})
    record, sweep = world.register.record, RecordedSweep(at, f"holder{number}", {"by": "the timer", "version": "1"})
    tip, sweep = await record.begin(sweep, ruleset, before)
    if ends:
        more = {"report": {"seen": number}, **(said or {})}
        ended = replace(sweep, said={**sweep.said, **more}, ended=at + timedelta(minutes=1))
        tip, sweep = await record.end(tip, ended, ruleset, containers)
    return sweep


async def kept(world: World) -> list[RecordedSweep]:
    return [one async for one in world.register.record.sweeps(AT - 100 * HOUR, AT + 20_000 * HOUR)]


async def test_sweeps_that_end_are_a_chain_and_one_that_died_is_there_too(empty: World) -> None:
    first, died, last = [await swept(empty, number, ends=number != 1) for number in range(3)]
    found = await kept(empty)
    assert [one.state for one in found] == ["ended", "died", "ended"]
    assert [one.seq for one in found] == [1, 0, 2]
    assert found[2].previous == found[0].hash == first.hash != ""
    assert found == [first, died, last]
    assert found[0].said["containers"]["count"] == 2
    tip = await empty.register.record.tip()
    assert tip is not None
    assert (tip.seq, tip.hash, tip.ruleset, tip.mode) == (2, last.hash, RULES.sha256, "audit")


async def test_two_sweeps_at_once_are_both_in_it_and_it_is_sound(empty: World) -> None:
    """The first one records the heads before the second one begins, and ends after it."""
    record = empty.register.record
    tips, sweeps = [], []
    for number in range(2):
        run = Run(AT + number * HOUR, "x", None, before=AT - HOUR)
        tip, sweep = await record.begin(RecordedSweep(run.started, f"holder{number}", {}), RULES, run)
        step = Step({number: bytes([number]) * SIZE}, bytes([number]) * KEY + NONE)
        heads = await record.keep_heads(await record.heads(tip), step, 0, run.started)
        assert heads is not None
        tips.append(tip)
        sweeps.append(replace(sweep, said={**sweep.said, "heads": {"step": heads.step, "digest": heads.digest}}))
    for number in (1, 0):
        ended = replace(sweeps[number], ended=AT + (4 - number) * HOUR)
        await record.end(tips[number], ended, RULES, [f"s{number}"])
    assert sorted(one.seq for one in await kept(empty)) == [1, 2]
    assert check_record(await empty.register.backup.record()).problems == []


async def test_a_write_that_went_through_unheard_is_found_and_changes_nothing_of_what_is_recorded(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, transact = empty.register.record, Table.transact

    async def unheard(*args: Any, **more: Any) -> Any:
        await transact(*args, **more)
        raise Retryable("the answer got lost", code="storage-busy")

    async def twice(work: Callable[[], Awaitable[tuple[Tip, RecordedSweep]]]) -> tuple[Tip, RecordedSweep]:
        with monkeypatch.context() as lost:
            lost.setattr(Table, "transact", unheard)
            with pytest.raises(Retryable):
                await work()
        return await work()

    await swept(empty, 0)
    at = AT + HOUR
    lease, began = Run(at, "x", None, before=AT), RecordedSweep(at, "h", {"by": "the timer"})
    tip, sweep = await twice(lambda: record.begin(began, RULES, lease))
    assert (sweep.row, sweep.said["gaps"]) == (tip.newest, [])
    _, ended = await twice(lambda: record.end(tip, replace(sweep, ended=at), RULES, ["s1", "s2"]))
    assert ended.seq == 2
    assert ended == (await kept(empty))[-1]
    assert check_record(await empty.register.backup.record()).problems == []


async def test_a_sweep_that_another_instance_ends_keeps_its_begin_though_others_began_since(empty: World) -> None:
    await swept(empty, 0)
    begun = await swept(empty, 1, ends=False)
    later = await swept(empty, 2)
    record, lease = empty.register.record, Run(AT + HOUR, "x", None, before=AT)
    tip, again = await record.begin(RecordedSweep(lease.started, "holder1", {"by": "another"}), OTHER, lease)
    assert (again, tip.newest) == (begun, later.row)
    tip, ended = await record.end(tip, replace(again, ended=AT + 3 * HOUR), OTHER, ["s1"])
    assert (ended.seq, ended.said["by"], ended.said["follows"]) == (3, "the timer", begun.said["follows"])
    assert await kept(empty) == [*(await kept(empty))[:1], ended, later]
    assert (await record.ruleset(OTHER.sha256))[0] == OTHER.text
    assert check_record(await empty.register.backup.record()).problems == []


@pytest.mark.parametrize("late", [False, True])
async def test_a_sweep_ends_once_though_another_instance_ends_it_again(empty: World, late: bool) -> None:
    """The other one takes it up before it has ended, or after the next sweep has."""
    record, lease = empty.register.record, Run(AT + HOUR, "x", None, before=AT)
    again = RecordedSweep(lease.started, "holder1", {"by": "another"})
    before = await swept(empty, 0)
    await swept(empty, 1, ends=False)
    tip, other = await record.begin(again, RULES, lease)
    first, later = await swept(empty, 1), await swept(empty, 2)
    if late:
        tip, other = await record.begin(again, RULES, lease)
    ended = replace(other, said={**other.said, "report": {"seen": 9}}, ended=AT + 3 * HOUR)
    assert (await record.end(tip, ended, RULES, ["s1"]))[1] == first
    assert await kept(empty) == [before, first, later]
    assert check_record(await empty.register.backup.record()).problems == []


async def test_a_sweep_takes_three_requests_where_nothing_is_new(empty: World) -> None:
    await swept(empty, 0)
    empty.transport.requests.clear()
    await swept(empty, 1)
    assert [one.method for one in empty.transport.requests] == ["GET", "POST", "POST"]


async def test_the_first_one_says_that_the_record_begins_and_takes_over_the_last_report(empty: World) -> None:
    old = AT - 2 * HOUR
    await swept(empty, 0, before=old, report={"started": "2026-11-02T07:10:00Z", "seen": 7})
    before, first = await kept(empty)
    assert (before.started, before.taken_over, before.said["report"]["seen"]) == (old, True, 7)
    (gap,) = first.said["gaps"]
    assert gap.startswith("the record begins with this sweep")
    assert "2026-11-02 07:10 UTC" in gap
    await swept(empty, 1)
    assert (await kept(empty))[-1].said["gaps"] == []


async def test_a_sweep_that_could_not_be_written_is_named_by_the_next(empty: World) -> None:
    await swept(empty, 0)
    sweep = await swept(empty, 3)
    assert [gap for gap in sweep.said["gaps"] if "2026-11-02 11:10 UTC is not in the record" in gap]


async def test_a_clock_that_went_back_is_named(empty: World) -> None:
    await swept(empty, 0)
    sweep = await swept(empty, 1, at=AT - 5 * HOUR)
    assert [gap for gap in sweep.said["gaps"] if gap.startswith("the clock was set back")]
    assert (await kept(empty))[-1].seq == 1


async def test_a_row_that_a_hand_was_in_is_said_to_be_damaged(empty: World) -> None:
    sweep = await swept(empty, 0)
    said = json.dumps({**sweep.said, "report": {"seen": 1_000_000}})
    await empty.sdk.update_entity({"PartitionKey": "record", "RowKey": sweep.row, "said": said})
    (found,) = await kept(empty)
    assert (found.state, found.problem, found.started) == ("damaged", "its hash does not match its content", AT)


@pytest.mark.parametrize("damage", [{"seq": "two"}, {"seq": 9}, {"used": "2020-01-01T00:00:00Z"}, None])
async def test_a_chain_that_a_hand_was_in_goes_on_by_the_other_rows_and_that_is_said(
    empty: World, damage: dict[str, Any] | None
) -> None:
    await swept(empty, 0)
    await swept(empty, 1, ends=False)
    second = await swept(empty, 2, OTHER)
    if damage:
        await empty.sdk.update_entity({"PartitionKey": "record", "RowKey": "chain", **damage})
    else:
        await empty.sdk.delete_entity("record", "chain")
    sweep = await swept(empty, 3, OTHER)
    assert [gap for gap in sweep.said["gaps"] if "changed from outside, and was made anew" in gap]
    assert (sweep.seq, sweep.previous, sweep.said["follows"]) == (3, second.hash, second.row)
    assert [(one.seq, one.at, one.sha256) for one in await empty.register.record.changes()] == [
        (1, AT, RULES.sha256), (2, AT + 2 * HOUR, OTHER.sha256),
    ]  # fmt: skip
    assert (await swept(empty, 4, OTHER)).said["gaps"] == []


async def test_a_start_of_the_app_overwrites_nothing_where_the_chain_is_missing(empty: World) -> None:
    await swept(empty, 0)
    await empty.sdk.delete_entity("record", "chain")
    await empty.register.record.use(OTHER, AT + HOUR)
    await swept(empty, 1, OTHER)
    assert [one.sha256 for one in await empty.register.record.changes()] == [RULES.sha256, OTHER.sha256]


async def test_the_ruleset_of_each_time_is_kept(empty: World) -> None:
    for number, ruleset in enumerate((RULES, RULES, OTHER, RULES)):
        await swept(empty, number, ruleset)
    changes = await empty.register.record.changes()
    assert [(one.at, one.sha256, one.mode) for one in changes] == [
        (AT, RULES.sha256, "audit"), (AT + 2 * HOUR, OTHER.sha256, "enforce"), (AT + 3 * HOUR, RULES.sha256, "audit"),
    ]  # fmt: skip
    held = held_at(changes, AT + 2.5 * HOUR)
    assert held is not None
    assert (held.ruleset.sha256, held.until) == (OTHER.sha256, AT + 3 * HOUR)
    text, first, last = await empty.register.record.ruleset(RULES.sha256)
    assert (text, first, last) == (RULES.text, AT, AT + 3 * HOUR + timedelta(minutes=1))


def in_force(*changes: tuple[float, UsedRuleset, float | None]) -> list[InForce]:
    """Changes of the ruleset: at which hour, to what, and the hour at which the one before was last used."""
    found: list[InForce] = []
    for number, (at, ruleset, used) in enumerate(changes, 1):
        before, previous = None if used is None else AT + used * HOUR, found[-1].hash if found else ""
        found.append(InForce(number, AT + at * HOUR, ruleset.sha256, ruleset.mode, "sweep", before, previous))
    return found


@pytest.mark.parametrize(
    ("changes", "at", "expected", "unsure"),
    [
        ([(0, RULES, None), (5, OTHER, 4)], 3, (RULES, 5), ""),
        ([(0, RULES, None), (5, OTHER, 4)], 4.5, (RULES, 5), "the ruleset changed between"),
        ([(0, RULES, None), (5, OTHER, 4)], 5, (OTHER, None), ""),
        ([(0, RULES, None), (5, OTHER, 4), (5, RULES, None)], 5, (RULES, None), ""),
        ([(9, RULES, None), (5, OTHER, 9)], 6, (OTHER, None), "the clock was set back"),
        ([(9, RULES, None), (5, OTHER, 9)], 10, (OTHER, None), ""),
        ([(0, RULES, None), (9, OTHER, 9), (5, RULES, 9), (6, OTHER, 6)], 5.5, (RULES, 6), "the clock was set back"),
    ],
)
def test_the_ruleset_of_a_time_and_what_is_not_sure_of_it(
    changes: Any, at: float, expected: tuple[UsedRuleset, float | None], unsure: str
) -> None:
    held = held_at(in_force(*changes), AT + at * HOUR)
    assert held is not None
    ruleset, until = expected
    assert (held.ruleset.sha256, held.until) == (ruleset.sha256, None if until is None else AT + until * HOUR)
    assert [text.startswith(unsure) for text in held.unsure] == [True] * bool(unsure)


def test_the_first_and_the_last_use_of_a_ruleset_are_over_all_its_periods() -> None:
    changes = in_force((0, RULES, None), (5, OTHER, 4), (8, RULES, 7))
    tip = Tip(AT, used=AT + 9 * HOUR, changes=3, changed=changes[-1].hash)
    found = [held_at(changes, AT + at * HOUR, tip) for at in (1, 6, 9)]
    assert all(one and not one.unsure for one in found)
    assert [one and (one.first, one.last) for one in found] == [
        (AT, AT + 9 * HOUR), (AT + 5 * HOUR, AT + 7 * HOUR), (AT, AT + 9 * HOUR),
    ]  # fmt: skip
    assert held_at(changes, AT - HOUR) is None


def test_a_change_that_is_missing_makes_the_ruleset_of_a_time_unsure() -> None:
    changes = in_force((0, RULES, None), (5, OTHER, 4), (8, RULES, 7))
    held = held_at([changes[0], changes[2]], AT + 6 * HOUR)
    assert held is not None
    missing = "changes of the ruleset are missing from the record. Run exg register verify"
    assert held.unsure[-1] == missing
    held = held_at(changes[:2], AT + 9 * HOUR, Tip(AT, changes=3, changed=changes[2].hash))
    assert held is not None
    assert held.unsure == (missing,)


def test_a_change_that_comes_while_the_record_is_read_is_no_doubt() -> None:
    changes = in_force((0, RULES, None), (5, OTHER, 4), (8, RULES, 7))
    for count in range(4):
        tip = Tip(AT, changes=count, changed=changes[count - 1].hash if count else "")
        held = held_at(changes, AT + 9 * HOUR, tip)
        assert held is not None
        assert held.unsure == ()


async def test_a_start_of_the_app_records_it_before_the_next_sweep_and_once(empty: World) -> None:
    await swept(empty, 0)
    for _ in range(2):
        await empty.register.record.use(OTHER, AT + timedelta(minutes=20))
    await swept(empty, 1, OTHER)
    changes = await empty.register.record.changes()
    assert [(one.sha256, one.by) for one in changes] == [(RULES.sha256, "sweep"), (OTHER.sha256, "start")]
    empty.transport.requests.clear()
    await empty.register.record.use(OTHER, AT + 2 * HOUR)
    assert [one.method for one in empty.transport.requests] == ["GET"]


async def test_a_ruleset_larger_than_a_row_is_kept_whole_and_damage_to_it_is_found(empty: World) -> None:
    chance = random.Random(0)  # noqa: S311
    large = UsedRuleset("# " + chance.randbytes(1_200_000).hex() + "\n", "audit")
    await swept(empty, 0, large)
    assert (await empty.register.record.ruleset(large.sha256))[0] == large.text
    part = f"ruleset~{large.sha256}~0001"
    row = dict(await empty.sdk.get_entity("record", part))
    for damage in ({**row, "text": b"x" + row["text"][1:]}, None):
        if damage:
            await empty.sdk.upsert_entity(damage)
        else:
            await empty.sdk.delete_entity("record", part)
        with pytest.raises(Permanent, match="cannot be shown") as caught:
            await empty.register.record.ruleset(large.sha256)
        assert caught.value.code == "register-altered"


async def test_a_ruleset_that_was_deleted_is_kept_anew_by_the_next_sweep(empty: World) -> None:
    await swept(empty, 0)
    await empty.sdk.delete_entity("record", f"ruleset~{RULES.sha256}")
    sweep = await swept(empty, 1)
    assert sweep.seq == 2
    assert (await empty.register.record.ruleset(RULES.sha256))[0] == RULES.text


async def test_old_sweeps_are_deleted_a_hundred_at_most_and_the_chain_says_where_it_begins(empty: World) -> None:
    for number in range(105):
        await swept(empty, number)
    record, limit = empty.register.record, AT + 101 * HOUR
    tip: Tip | None = await record.tip()
    assert tip is not None
    tip = await record.prune(tip, limit, AT + 105 * HOUR)
    assert (tip.kept, len(await kept(empty))) == (AT + 97 * HOUR + timedelta(seconds=1), 7)
    tip = await record.prune(tip, limit, AT + 105 * HOUR)
    left = await kept(empty)
    assert (tip.kept, [one.seq for one in left]) == (limit, [102, 103, 104, 105])
    assert left[0].previous == tip.cut
    empty.transport.requests.clear()
    assert await record.prune(tip, limit, AT + 105 * HOUR) == tip
    assert empty.transport.requests == []
    await swept(empty, 105)
    assert (await kept(empty))[-1].seq == 106


async def pruned(world: World, limit: datetime, now: datetime) -> list[int]:
    """Delete what is before a limit; return the numbers of the sweeps that are left, those that did not end too."""
    tip = await world.register.record.tip()
    assert tip is not None
    await world.register.record.prune(tip, limit, now)
    return sorted(one.seq for one in await kept(world))


async def test_a_sweep_that_a_wrong_clock_dated_long_ago_is_not_deleted_before_those_it_follows(empty: World) -> None:
    for number in range(6):
        at = AT - 99 * HOUR if number in (2, 4) else None
        await swept(empty, number, at=at, ends=number != 2)
    now = AT + 6 * HOUR
    assert await pruned(empty, AT - HOUR, now) == [0, 1, 2, 3, 4, 5]
    assert await pruned(empty, AT + 1.5 * HOUR, now + HOUR) == [0, 3, 4, 5]
    assert await pruned(empty, AT + 3.5 * HOUR, now + HOUR) == [4, 5]


async def test_a_sweep_that_a_wrong_clock_dated_into_the_future_keeps_no_other_from_being_deleted(empty: World) -> None:
    for number in range(6):
        await swept(empty, number, at=AT + 9_000 * HOUR if number == 2 else None)
    now = AT + 6 * HOUR
    assert await pruned(empty, AT + 1.5 * HOUR, now) == [3, 4, 5, 6]
    assert await pruned(empty, AT + 4.5 * HOUR, now) == [3, 6]
    tip = await empty.register.record.tip()
    assert tip is not None
    assert tip.cut_seq == 5
    assert check_record(await empty.register.backup.record()).problems == []


async def test_what_only_deleted_sweeps_needed_is_deleted_with_them(empty: World) -> None:
    record = empty.register.record
    for number in range(6):
        now = AT + number * HOUR
        tip = await record.tip()
        kept_heads = await record.heads(tip) if tip else KeptHeads()
        step = Step({number: bytes([number]) * SIZE}, bytes([number]) * KEY + NONE)
        kept_heads = await record.keep_heads(kept_heads, step, 0, now) or kept_heads
        heads = {"step": kept_heads.step, "digest": kept_heads.digest}
        await swept(empty, number, said={"heads": heads}, containers=[f"s{min(number, 4)}"])
    rows = await record_rows(empty)
    assert (len(names(rows, "past~")), len(names(rows, "containers~"))) == (6, 5)
    assert await pruned(empty, AT + 3.5 * HOUR, AT + 6 * HOUR) == [5, 6]
    rows = await record_rows(empty)
    assert names(rows, "past~") == [f"past~{number:010d}" for number in range(2, 7)]  # a day's sweeps lag behind
    assert len(names(rows, "containers~")) == 1
    assert check_record(rows).problems == []


async def record_rows(world: World) -> dict[str, Any]:
    return dict(await world.register.backup.record())


def names(rows: dict[str, Any], kind: str) -> list[str]:
    return [name for name in rows if name.startswith(kind)]


async def test_a_sweep_of_the_register_does_not_come_by_the_record(empty: World) -> None:
    await swept(empty, 0)
    assert [one async for one in empty.register.watches()] == []
    names = [str(row["RowKey"]) async for row in empty.sdk.list_entities()]
    assert names
    assert max(names) < "state~"
