"""Rows that all instances share, damaged by a hand: each is notified once, is made anew, and no sweep breaks for it."""

import json
import zlib
from datetime import date
from typing import Any

import pytest
from azure.data.tables import UpdateMode

from guardrails.exemption.times import spell_time
from guardrails.register.keys import BREAKER, COVERED, SWEEP
from tests.sweep.conftest import Tenant

DEEP = "[" * 100_000


async def filled(tenant: Tenant) -> None:
    """Two exemptions, adopted, and no notice left to send."""
    world = tenant.world
    for name in ("one", "two"):
        await world.write(world.id(name))
    world.clock.advance(minutes=1)
    await tenant.settled()
    world.clock.advance(hours=1)
    await world.forget()


async def damage(tenant: Tenant, place: tuple[str, str], **columns: Any) -> None:
    row = {"PartitionKey": place[0], "RowKey": place[1], **columns}
    await tenant.world.table.upsert_entity(row, mode=UpdateMode.MERGE)


async def goes_on(tenant: Tenant, kinds: list[str], *, close: bool = False) -> None:
    """This sweep and the next ones see everything; people hear of the damage once, and each day while it lasts."""
    days = set[date]()
    for _ in range(3):
        days.add(tenant.world.clock.now().date())
        report = await tenant.sweep()
        assert (report.seen, report.missing) == (2, [])
        await tenant.work()
        tenant.world.clock.advance(hours=1)
    if close:
        await tenant.world.register.close_breaker(tenant.world.clock.now())
    assert await tenant.world.notice_kinds() == kinds * (len(days) if close else 1)
    new = tenant.world.id("new")
    await tenant.world.bad(new)  # what comes after the first sweep is not there before
    tenant.world.clock.advance(minutes=1)
    await tenant.sweep()
    await tenant.work()
    assert await tenant.world.body(new) is None


@pytest.mark.parametrize(
    "columns",
    [
        {"started": "soon"}, {"until": "soon"}, {"adopting": "soon"}, {"before": "soon"}, {"started": 5}, {"until": 5},
        {"until": "2999-01-01T00:00:00Z"}, {"adopting": "2999-01-01T00:00:00Z"}, {"started": "2999-01-01T00:00:00Z"},
        {"started": "0001-01-01T00:00:00+14:00"}, {"started": "0001-01-01T00:00:00Z"},
        {"report": "{"}, {"report": "[]"}, {"report": DEEP[:30_000]}, {"report": '{"told": 5}'},  # stored name
        {"report": '{"missing": 5}'},
        {"report": '{"bypasses_told": 5}'}, {"report": '{"queued": []}'}, {"report": '{"told": [{}]}'},  # stored name
    ],
    ids=str,
)  # fmt: skip
async def test_the_row_of_sweeps(tenant: Tenant, columns: dict[str, Any]) -> None:
    await filled(tenant)
    await damage(tenant, SWEEP, **columns)
    silent = [{"started": f"0001-01-01T00:00:00{zone}"} for zone in ("Z", "+14:00")]
    silent.append({"report": '{"told": [{}]}'})  # stored name
    await goes_on(tenant, [] if columns in silent else ["register-altered"])


@pytest.mark.parametrize(
    "containers",
    [
        b"", b"x", zlib.compress(b"{"), zlib.compress(b"[]"), zlib.compress(b"null"), zlib.compress(DEEP.encode()),
        "text", zlib.compress(b'{"a": "soon"}'), zlib.compress(b'{"a": 5}'), zlib.compress(b'{"a": null}'),
        zlib.compress(b'{"a": "2999-01-01T00:00:00Z"}'),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
async def test_the_row_of_covered_containers(tenant: Tenant, containers: bytes | str) -> None:
    await filled(tenant)
    await damage(tenant, COVERED, containers=containers)
    await goes_on(tenant, ["register-altered"])


async def test_one_bad_time_among_covered_containers_leaves_the_others(tenant: Tenant) -> None:
    await filled(tenant)
    covered = {name: spell_time(at) for name, at in (await tenant.sweeps.covered()).items()}
    await damage(tenant, COVERED, containers=zlib.compress(json.dumps({**covered, "gone": "soon"}).encode()))
    new = tenant.world.id("new")
    await tenant.world.bad(new)
    tenant.world.clock.advance(minutes=1)
    report = await tenant.sweep()
    await tenant.work()
    assert report.adopted == 0
    assert await tenant.world.body(new) is None
    assert "gone" not in await tenant.sweeps.covered()


@pytest.mark.parametrize(
    "columns", [{"reverts": "many"}, {"reverts": DEEP[:30_000]}, {"opened_at": 5}, {"opened_at": "soon"}], ids=str
)
async def test_the_breakers_row(tenant: Tenant, columns: dict[str, Any]) -> None:
    await filled(tenant)
    await damage(tenant, BREAKER, **{"opened_at": "", "told": "", "reverts": "[]", **columns})  # stored name
    await goes_on(tenant, ["register-altered"], close=True)


@pytest.mark.parametrize("key", ["state~", "state~zz", "state~0", "state~abc~def"])
async def test_a_row_that_is_none_of_ours(tenant: Tenant, key: str) -> None:
    await filled(tenant)
    await damage(tenant, ("anywhere", key), watch="x")
    await goes_on(tenant, [])


@pytest.mark.parametrize("text", ["", "x", "a/b/²/", "a/b/-1/", "a/b/1e9/g", 5, "/////"], ids=str)
async def test_a_watch_that_cannot_be_read_asks_for_a_look(tenant: Tenant, text: Any) -> None:
    await filled(tenant)
    one = tenant.world.id("one")
    await tenant.world.edit_row(one, watch=text)
    assert (await tenant.sweep()).queued.total() == 1
    assert await tenant.work() == 1
    assert (await tenant.sweep()).queued.total() == 0


async def test_what_could_not_be_notified_is_notified_by_the_next(tenant: Tenant) -> None:
    await filled(tenant)
    await damage(tenant, SWEEP, started="soon")
    tenant.world.queues.down = True
    with pytest.raises(Exception, match="queue is down"):
        await tenant.sweep()
    tenant.world.queues.down = False
    tenant.world.clock.advance(hours=1)
    await tenant.sweep()
    assert "register-altered" in await tenant.world.notice_kinds()
