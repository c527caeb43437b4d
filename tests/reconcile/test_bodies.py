"""Bodies: a put-back reads one; those that nothing needs are pruned, and the history still vouches for everything."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from secrets import token_hex
from typing import Any

import pytest

from guardrails.decisions import bodies
from guardrails.decisions.bodies import KEPT, SLACK
from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register import columns
from guardrails.register.keys import address
from sandbox.tenant import APPROVAL
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, NO_OWNER, OPERATOR, World, rules


async def edited(world: World, one: ExemptionId, times: int, **changes: Any) -> None:
    """Edit it so many times, each time with something that is reported and left."""
    for number in range(times):
        world.clock.advance(minutes=1)
        await world.write(one, ALICE, displayName=f"edit {number}", metadata=NO_OWNER, **changes)
        await world.look(one)


async def fought(world: World, one: ExemptionId, times: int) -> None:
    """Break it so many times; each time it is put back."""
    for number in range(times):
        world.clock.advance(hours=1)
        await world.bad(one, displayName=f"attack {number}")
        assert (await world.look(one)).did == "put-back"


async def keep(world: World, one: ExemptionId) -> dict[int, int]:
    """The entries whose body is in the table, with how many bytes; read past the register."""
    place, found = address(one), dict[int, int]()
    async for row in world.table.query_entities(f"PartitionKey eq '{place.partition}'"):
        kind, _, rest = str(row["RowKey"]).partition("~")
        if kind == "history" and rest.startswith(place.key) and (data := columns.join_bytes("body", row)):
            found[int(rest.rpartition("~")[2])] = len(data)
    return found


async def pruned(world: World, one: ExemptionId) -> list[HistoryEntry]:
    return [entry for entry in await world.history(one) if entry.pruned]


def needed(row: Row) -> set[int]:
    return {entry for entry in (row.snapshot, row.compliant, row.tolerated, row.undo) if entry is not None}


async def test_a_put_back_reads_one_body_however_long_the_history(world: World) -> None:
    one = world.id()
    await world.known(one)
    await fought(world, one, 8)
    kept = await keep(world, one)
    assert len(kept) == 9
    world.clock.advance(hours=1)
    await world.bad(one, displayName="once more")
    read = list[int]()
    table = world.register._table
    get, query = table.get, table.query

    async def noted_get(partition: str, row: str, select: Any = ()) -> Any:
        found = await get(partition, row, select)
        if found and columns.join_bytes("body", found):
            read.append(1)
        return found

    async def noted_query(where: str, select: Any = ()) -> Any:
        async for found in query(where, select):
            if columns.join_bytes("body", found):
                read.append(1)
            yield found

    table.get, table.query = noted_get, noted_query  # type: ignore[method-assign]
    assert (await world.look(one)).did == "put-back"
    assert len(read) == 1


async def test_of_many_edits_the_newest_bodies_and_those_that_are_needed_stay(world: World) -> None:
    one = world.id()
    good = await world.known(one)
    await edited(world, one, 60)
    row, kept = await world.row(one), await keep(world, one)
    assert len(kept) <= KEPT + SLACK + len(needed(row)) + 1
    assert needed(row) <= kept.keys()
    assert row.compliant in kept
    gone = await pruned(world, one)
    assert len(gone) >= 60 - KEPT - SLACK
    assert all(entry.body_digest and entry.seq not in kept for entry in gone)
    assert sorted(kept)[-KEPT:] == [one.seq for one in await world.history(one) if one.body_digest][-KEPT:]
    assert await world.register.verify(one) == []
    assert row.compliant is not None
    assert await world.register.body(one, row.compliant) == good


async def test_what_was_taken_by_a_revert_is_kept_for_400_days(world: World) -> None:
    one = world.id()
    await world.known(one)
    await fought(world, one, 3)
    (first, second, _) = [entry.row["undo"] for entry in await world.history(one) if entry.event == "put-back"]
    taken = [await world.register.body(one, at) for at in (first, second)]
    began = world.clock.time

    await edited(world, one, 60)
    world.clock.time = began + timedelta(days=398)
    await edited(world, one, 2)
    assert [await world.register.body(one, at) for at in (first, second)] == taken

    world.clock.time = began + timedelta(days=401)
    await world.look(one, "sweep")
    assert {first, second} & (await keep(world, one)).keys() == set()
    assert {first, second} <= {entry.seq for entry in await pruned(world, one)}
    assert await world.register.verify(one) == []


async def test_a_sweep_comes_by_when_one_was_kept_for_long_enough(world: World) -> None:
    one = world.id()
    await world.known(one)
    await fought(world, one, 2)
    row = await world.row(one)
    assert row.taken is not None
    assert row.taken >= world.clock.time + timedelta(days=399)


async def test_the_only_body_that_was_taken_stays_while_restore_brings_it_back(world: World) -> None:
    one = world.id()
    body = await world.bad(one)
    await world.look(one)
    world.clock.advance(days=800)
    assert not (await world.look(one, "sweep")).wrote
    assert await world.reconciler.restore(one, OPERATOR) == body


async def test_one_that_is_taken_again_is_kept_anew(world: World) -> None:
    """The compliant body, taken by a delete, comes back, is replaced by a compliant edit, and is still kept."""
    one = world.id()
    good = await world.known(one)
    await world.delete(one)
    await world.look(one)
    first = (await world.row(one)).undo
    assert first is not None
    await world.reconciler.restore(one, OPERATOR)
    await world.known(one, displayName="another good one")
    await fought(world, one, 1)  # from here on something else is what restore brings back
    await edited(world, one, 60)
    world.clock.advance(days=390)
    await edited(world, one, 1)
    assert await world.register.body(one, first) == good


async def test_a_pruned_body_says_so_and_what_can_be_had_instead(world: World) -> None:
    one = world.id()
    await world.known(one)
    await edited(world, one, 40)
    entry = (await pruned(world, one))[0]
    assert entry.pruned is not None
    before = world.azure()
    for dry_run in (True, False):
        with pytest.raises(Permanent) as error:
            await world.reconciler.restore(one, OPERATOR, at=entry.seq, dry_run=dry_run)
        assert error.value.code == "no-body"
        assert f"the body of history entry {entry.seq} was pruned at 20" in error.value.message
        newest = sorted(await keep(world, one))[-20:]
        assert error.value.remedy == f"These entries keep one: {', '.join(map(str, newest))}"
    assert world.azure() == before


async def test_a_body_that_a_hand_took_out_is_not_called_pruned(world: World) -> None:
    one = world.id()
    await world.known(one)
    await edited(world, one, 2)
    place, at = address(one), sorted(await keep(world, one))[1]
    row = dict(await world.table.get_entity(place.partition, place.history(at)))
    row.pop("body")
    await world.table.upsert_entity({**row, "pruned": "2026-11-02T09:30:00Z"}, mode="replace")
    world.sound = False
    assert await world.register.verify(one) == [f"entry {at}: its body is missing"]
    with pytest.raises(Permanent) as error:
        await world.register.body(one, at)
    assert error.value.code == "register-altered"


async def test_an_old_row_is_counted_once_and_pruned_step_by_step(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """A row of before bodies were counted: what reverts took stays for 400 days, the rest as anybody's."""
    one = world.id()
    with monkeypatch.context() as old:
        old.setattr(bodies, "counted", lambda _, row, *__, **___: replace(row, bodies=None, taken=None))
        old.setattr(bodies, "freed", lambda *_: None)
        old.setattr(bodies, "is_due", lambda *_: False)
        old.setattr("guardrails.reconcile.reconcile.is_due", lambda *_: False)
        await world.known(one)
        await fought(world, one, 3)
        taken = [entry.row["undo"] for entry in await world.history(one) if entry.event == "put-back"]
        await edited(world, one, 50)
    assert len(await keep(world, one)) == 54
    for _ in range(5):
        await world.look(one)
    row, kept = await world.row(one), await keep(world, one)
    assert row.bodies is not None
    assert len(row.bodies) <= KEPT + SLACK
    assert needed(row) | set(taken) <= kept.keys()
    assert len(kept) <= KEPT + SLACK + len(needed(row)) + len(taken)
    world.clock.advance(days=401)
    await world.look(one, "sweep")
    assert set(taken[:2]) & (await keep(world, one)).keys() == set()


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_write_all_is_sound_and_the_next_goes_on(world: World, after: bool) -> None:
    one = world.id()
    await world.known(one)
    await edited(world, one, KEPT + SLACK + 1)
    for write in range(1, 4):
        await world.write(one, ALICE, displayName=f"at {write}", metadata=NO_OWNER)
        world.watch.die_at(write, after=after)
        with suppress(Died):
            await world.look(one)
        world.watch.revive()
        assert await world.register.verify(one) == []
        world.after_lease()
        await world.settle(one)
    row = await world.row(one)
    assert row.bodies is not None
    assert len(row.bodies) <= KEPT + SLACK
    assert needed(row) <= (await keep(world, one)).keys()


async def test_an_entry_that_a_hand_took_out_stops_no_commit_and_no_pruning(world: World) -> None:
    one = world.id()
    await world.known(one)
    await fought(world, one, 2)
    undo = (await world.row(one)).undo
    assert undo is not None
    await world.table.delete_entity(address(one).partition, address(one).history(undo))
    await world.table.delete_entity(address(one).partition, address(one).history(2))
    world.sound = False
    await fought(world, one, 1)
    await edited(world, one, 40)
    assert len(await pruned(world, one)) >= 10


async def test_long_bodies_go_with_all_their_rows(world: World) -> None:
    one = world.id()
    long = {"metadata": {**NO_OWNER, "noise": token_hex(700_000)}}
    await world.known(one)
    await world.write(one, ALICE, **long)
    await world.look(one)
    await edited(world, one, 2)

    async def pieces() -> list[str]:
        return [str(row["RowKey"]) async for row in world.table.query_entities("RowKey ge 'body~' and RowKey lt 'c'")]

    assert await pieces() != []
    await edited(world, one, KEPT + SLACK + 3)
    assert await pieces() == []
    assert await world.register.verify(one) == []


async def test_a_put_back_reads_one_body_also_where_the_edit_claims_an_owner(world: World) -> None:
    world.ruleset = rules(owners=[{"name": "EPAC", "metadata": {"pacOwnerId": "*"}}])
    one = world.id()
    await world.known(one)
    await world.write(one, ALICE, displayName="still good")
    await world.look(one)
    await world.forget()
    await world.bad(one, metadata={**APPROVAL, "pacOwnerId": "x"})
    assert (await world.look(one)).did == "put-back"
    assert world.watch.calls["register.kept"] == 1
