"""Pruned bodies in the table: what is deleted, what stays, and that a full copy and its import take them for sound."""

from secrets import token_hex
from typing import Any

import pytest

from guardrails.decisions.bodies import KEPT, SLACK
from guardrails.decisions.row import Stored
from guardrails.errors import Permanent
from guardrails.register.backup import by_exemption, soundness
from guardrails.register.pruning import MOST
from guardrails.register.reinstate import Tally
from tests.register.conftest import BODY, EXEMPTION, World


async def versions(world: World, count: int, stored: Stored | None = None, **body: Any) -> Stored:
    """Commit so many versions, each current until the next one."""
    for _ in range(count):
        world.clock.advance(minutes=1)
        seq = stored.seq + 1 if stored else 1
        stored = await world.commit(stored, body={**BODY, "n": seq, **body}, snapshot=seq)
    assert stored is not None
    return stored


async def prune(world: World, stored: Stored) -> Stored:
    after = await world.register.prune(EXEMPTION, stored)
    assert after is not None
    return after


async def with_body(world: World) -> list[int]:
    """The entries whose row has a body's column, or whose body is in rows of its own."""
    found = []
    for key in sorted(await world.keys()):
        if key.startswith("history~"):
            columns = await world.entity(key)
            if columns.get("body"):
                found.append(int(key.rpartition("~")[2]))
    return found


async def test_the_oldest_go_ten_at_a_time_and_the_entries_stay(empty: World) -> None:
    stored = await versions(empty, KEPT + SLACK + 2)
    before = {key: await empty.entity(key) for key in await empty.keys() if key.startswith("history~")}
    empty.transport.requests.clear()
    after = await prune(empty, stored)
    assert len(empty.transport.requests) == 3
    assert (after.row.bodies or ())[0] == MOST + 1
    assert await with_body(empty) == list(range(MOST + 1, KEPT + SLACK + 3))
    for key, columns in before.items():
        now = await empty.entity(key)
        pruned = now.pop("pruned", None)
        assert (pruned is not None) == (int(key.rpartition("~")[2]) <= MOST)
        assert now == {name: value for name, value in columns.items() if pruned is None or name != "body"}
    history = await empty.register.history(EXEMPTION)
    assert [one.seq for one in history if one.pruned] == list(range(1, MOST + 1))
    assert history[-1].event == "pruned"
    assert history[-1].facts["entries"] == list(range(1, MOST + 1))
    assert await empty.register.verify(EXEMPTION) == []
    assert await empty.register.read(EXEMPTION) == after


async def test_who_was_there_first_wins(empty: World) -> None:
    stored = await versions(empty, KEPT + SLACK + 2)
    await versions(empty, 1, stored)
    assert await empty.register.prune(EXEMPTION, stored) is None
    assert len(await with_body(empty)) == KEPT + SLACK + 3


async def test_a_long_body_that_two_entries_keep_goes_with_the_second(empty: World) -> None:
    noise = token_hex(700_000)
    stored = await versions(empty, 1)
    for _ in range(2):
        stored = await empty.commit(stored, body={**BODY, "noise": noise}, snapshot=stored.seq + 1)
    stored = await versions(empty, KEPT, stored)
    rows = [key for key in await empty.keys() if key.startswith("body~")]
    assert rows != []
    # 1 and 2 are beyond the newest twenty, 3 is not
    stored = await prune(empty, stored)
    assert (stored.row.bodies or ())[0] == 3
    assert [key for key in await empty.keys() if key.startswith("body~")] == rows
    assert (await empty.register.body(EXEMPTION, 3))["noise"] == noise
    await prune(empty, await versions(empty, 1, stored))
    assert [key for key in await empty.keys() if key.startswith("body~")] == []
    for entry in (2, 3):
        with pytest.raises(Permanent) as error:
            await empty.register.body(EXEMPTION, entry)
        assert "was pruned at" in error.value.message
    assert await empty.register.verify(EXEMPTION) == []


async def test_an_entry_is_read_without_its_body(empty: World) -> None:
    await versions(empty, 2)
    empty.transport.requests.clear()
    entry = await empty.register.entry(EXEMPTION, 1)
    assert len(empty.transport.requests) == 1
    assert entry == (await empty.register.history(EXEMPTION))[0]
    for missing in (3, 10**8):
        with pytest.raises(Permanent) as error:
            await empty.register.entry(EXEMPTION, missing)
        assert error.value.code == "register-altered"


@pytest.mark.parametrize("copied", ["before", "after"])
@pytest.mark.parametrize("there", ["before", "after", "none"])
async def test_a_full_copy_and_its_import_agree_with_pruned_bodies(empty: World, copied: str, there: str) -> None:
    """Whichever of the copy and the table is pruned: it is the same history, and it is sound afterwards."""
    noise = token_hex(700_000)
    stored = await empty.commit(body={**BODY, "noise": noise}, snapshot=1)
    stored = await versions(empty, KEPT + SLACK + 1, stored)
    rows = {"before": await empty.register.backup.partition(empty.place.partition)}
    after = await prune(empty, stored)
    rows["after"] = await empty.register.backup.partition(empty.place.partition)
    assert all(soundness(empty.place, one) == [] for one in rows.values())
    for key in await empty.keys():
        await empty.erase(key)
    tally, where = Tally(), empty.place.partition
    if there != "none":
        await empty.register.reinstate.partition(where, rows[there], Tally(), force=False, dry_run=False)
    await empty.register.reinstate.partition(where, rows[copied], tally, force=False, dry_run=False)
    assert (tally.refused, tally.unsound, tally.missed, tally.problems) == ([], [], [], [])
    newest = "after" if "after" in (copied, there) else "before"
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert read.row == (after if newest == "after" else stored).row
    now = by_exemption(await empty.register.backup.partition(empty.place.partition))[empty.place.key]
    assert soundness(empty.place, now) == []
    if newest == "after":  # nothing that was pruned comes back, and nothing that is needed has gone
        assert now.keys() == rows["after"].keys()
        assert tally.pruned == MOST
