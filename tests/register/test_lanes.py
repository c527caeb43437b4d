"""A lane is changed by everybody at once and nothing is promised twice; gathered notices leave after delivery only."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from guardrails.notices.digest import Gathered, admit, compose
from guardrails.notices.notice import Kind
from guardrails.notices.rate_limit import GAPS, hold, millis, take_slot
from guardrails.notices.route_state import Lane, RouteState, claimed, disabled, enabled, told
from guardrails.notices.routing import Digest, Route
from guardrails.register.table_register import connect
from tests.channels.samples import notice
from tests.register.conftest import World, at

NOW = at("2026-11-02T09:30:00+00:00")
WINDOW = "20261102T0930Z"


def step(lane: Lane) -> tuple[Lane, datetime | None]:
    return take_slot(lane, "teams", NOW)


async def test_of_forty_askers_in_four_processes_each_gets_a_slot_of_its_own(
    empty: World, connection: str, table: str
) -> None:
    workers = [connect(clock=empty.clock, connection_string=connection, table=table) for _ in range(4)]
    slots = await asyncio.gather(*(workers[n % 4].lanes.change("teams-A", step) for n in range(40)))
    for worker in workers:
        await worker.close()
    ordered = sorted(slot for slot in slots if slot is not None)
    assert len(ordered) == 40
    gaps = {later - earlier for earlier, later in pairwise(ordered)}
    assert gaps == {timedelta(milliseconds=270)}


async def test_a_slot_costs_one_read_and_one_write_and_a_look_one_read(empty: World) -> None:
    lanes = empty.register.lanes
    await lanes.change("teams-A", step)
    empty.transport.requests.clear()
    await lanes.change("teams-A", step)
    assert [request.method for request in empty.transport.requests] == ["GET", "POST"]
    empty.transport.requests.clear()
    await lanes.look("teams-A")
    await lanes.change("teams-A", lambda lane: (lane, None))
    await empty.register.gathering.add("secops", WINDOW, notice())
    assert [request.method for request in empty.transport.requests] == ["GET", "GET", "POST"]


async def test_everything_in_a_lane_comes_back(empty: World) -> None:
    state = RouteState(
        WINDOW, 3, woken=True, seconds=900, disabled_at=NOW, disabled_why="410", told="20261102", telling_at=NOW
    )
    lane = Lane(123_456_789_012, {"secops": state, "other": RouteState()})
    await empty.register.lanes.change("teams-a/b#c?", lambda _: (lane, None))
    found = await empty.register.lanes.look("teams-a/b#c?")
    assert (found.free, found.route("secops"), found.route("none")) == (lane.free, state, RouteState())


@pytest.mark.parametrize("columns", [{"free": "soon"}, {"routes": "{"}, {"routes": "[]"}, {"routes": '{"a": 1}'}])
async def test_a_damaged_lane_is_begun_anew(empty: World, columns: dict[str, str]) -> None:
    await empty.register.lanes.change("x", step)
    await empty.sdk.update_entity({"PartitionKey": "lanes", "RowKey": "lane~x", **columns})
    assert await empty.register.lanes.look("x") == Lane()
    assert await empty.register.lanes.change("x", step) is not None


def test_a_trouble_is_told_by_one_and_again_if_that_one_died() -> None:
    lane, mine = claimed(Lane(), "r", "20261102", NOW)
    assert mine
    assert not claimed(lane, "r", "20261102", NOW + timedelta(seconds=2))[1], "another is at it"
    assert claimed(lane, "r", "20261102", NOW + timedelta(seconds=6))[1], "that one died"
    lane, _ = told(lane, "r", "20261102")
    assert not claimed(lane, "r", "20261102", NOW + timedelta(hours=9))[1]
    assert claimed(lane, "r", "20261103", NOW + timedelta(days=1))[1]


def test_a_disabled_route_is_told_of_once_and_not_once_it_is_enabled() -> None:
    lane, first = disabled(Lane(), "r", "410", NOW)
    assert claimed(lane, "r", first.trouble, NOW)[1]
    assert not claimed(enabled(lane, "r")[0], "r", first.trouble, NOW)[1], "it is over"
    lane, _ = enabled(told(lane, "r", first.trouble)[0], "r")
    again, _ = disabled(lane, "r", "410", NOW)
    assert not claimed(again, "r", first.trouble, NOW)[1], "it was told"
    later, second = disabled(lane, "r", "410", NOW + timedelta(hours=1))
    assert not claimed(later, "r", first.trouble, NOW + timedelta(hours=1))[1], "that one is over"
    assert claimed(later, "r", second.trouble, NOW + timedelta(hours=1))[1]


def test_disabling_twice_keeps_the_first_and_enabling_forgets() -> None:
    lane, _ = disabled(Lane(), "r", "410", NOW)
    again, _ = disabled(lane, "r", "other", NOW + timedelta(days=1))
    assert again == lane
    lane, was = enabled(lane, "r")
    assert was
    assert lane.route("r") == RouteState()
    assert not enabled(lane, "r")[1]


async def test_a_digest_is_kept_as_it_was_first_made(empty: World) -> None:
    gathering = empty.register.gathering
    many = [Gathered(WINDOW, notice(id=f"n{n}")) for n in range(2300)]
    first = await gathering.keep(compose("secops", WINDOW, many, NOW))
    assert await gathering.keep(compose("secops", WINDOW, many[:1], NOW)) == first
    assert await gathering.kept(first.notice.id) == first
    assert len(first.entries) == 2300
    assert await gathering.open_members("secops") == first.members
    assert await gathering.open_members("other") == frozenset()


async def test_what_a_digest_holds_leaves_when_it_was_delivered_and_nothing_else(empty: World) -> None:
    gathering = empty.register.gathering
    gathered = [Gathered(WINDOW, notice(id=f"n{n}")) for n in range(230)]
    for one in gathered:
        await gathering.add("secops", one.window, one.notice)
    await gathering.add("other", WINDOW, notice(id="n1"))
    kept = await gathering.keep(compose("secops", WINDOW, gathered[:220], NOW))
    assert len(await gathering.waiting("secops", WINDOW)) == 230
    assert not await gathering.was_delivered(kept.notice.id)
    await asyncio.gather(gathering.delivered(kept.notice.id), gathering.delivered(kept.notice.id))
    await gathering.delivered(kept.notice.id)
    assert {one.notice.id for one in await gathering.waiting("secops", WINDOW)} == {f"n{n}" for n in range(220, 230)}
    assert len(await gathering.waiting("other", WINDOW)) == 1
    assert await gathering.was_delivered(kept.notice.id)
    assert await gathering.kept(kept.notice.id) == kept, "it can still be shown"


async def test_waiting_looks_at_a_window_and_those_before(empty: World) -> None:
    gathering = empty.register.gathering
    for window in ("20261102T0915Z", "20261102T0945Z", WINDOW):
        await gathering.add("secops", window, notice(id=f"in-{window}"))
    assert [one.window for one in await gathering.waiting("secops", WINDOW)] == ["20261102T0915Z", WINDOW]
    await gathering.add("secops", "20261102T0945Z", notice(id=f"in-{WINDOW}"))
    assert [one.window for one in await gathering.waiting("secops", WINDOW)] == ["20261102T0915Z"]


async def test_old_delivered_digests_are_forgotten_and_open_ones_are_not(empty: World) -> None:
    gathering = empty.register.gathering
    old = compose("secops", WINDOW, [Gathered(WINDOW, notice())], NOW)
    still_open = replace(old, notice=replace(old.notice, id="digest-secops-20261102T0945Z"))
    for kept in (old, still_open):
        await gathering.keep(kept)
    await gathering.delivered(old.notice.id)
    await gathering.prune(NOW - timedelta(days=1))
    assert await gathering.kept(old.notice.id) is not None
    await gathering.prune(NOW + timedelta(days=1))
    assert await gathering.kept(old.notice.id) is None
    assert await gathering.kept(still_open.notice.id) is not None


async def test_a_damaged_gathered_notice_does_not_stop_the_others(empty: World) -> None:
    gathering = empty.register.gathering
    for name in ("a", "b"):
        await gathering.add("secops", WINDOW, notice(id=name))
    await empty.sdk.update_entity({"PartitionKey": "gathered~secops", "RowKey": "notice~a", "notice": "{half"})
    assert [one.notice.id for one in await gathering.waiting("secops", WINDOW)] == ["b"]


@pytest.mark.parametrize("free", [10**30, 10**15, -(10**30)])
def test_a_slot_that_was_never_promised_silences_nobody(free: int) -> None:
    lane, slot = take_slot(Lane(free), "slack", NOW)
    assert slot is not None
    assert slot - NOW < timedelta(seconds=1)
    assert hold(Lane(free), 10.0, NOW)[0].free == millis(NOW + timedelta(seconds=10))
    assert take_slot(lane, "slack", NOW)[1] == slot + GAPS["slack"]


def test_a_day_of_promised_slots_stands() -> None:
    lane = Lane(millis(NOW + timedelta(days=1)))
    assert take_slot(lane, "slack", NOW)[1] == NOW + timedelta(days=1)


def test_a_moment_that_is_not_yet_keeps_nobody_from_telling() -> None:
    lane = Lane(routes={"r": RouteState(telling_at=NOW + timedelta(days=400))})
    assert claimed(lane, "r", "t", NOW)[1] is True


@pytest.mark.parametrize(
    "routes", ['{"a": {"window": "zzz"}}', '{"a": {"window": 5}}', '{"a": {"seconds": 1.5}}', "[" * 30_000]
)
async def test_a_window_that_is_none_begins_the_lane_anew_and_is_said_once(
    empty: World, routes: str, caplog: pytest.LogCaptureFixture
) -> None:
    await empty.register.lanes.change("x", step)
    await empty.sdk.update_entity({"PartitionKey": "lanes", "RowKey": "lane~x", "routes": routes})
    for _ in range(3):
        await empty.register.lanes.change("x", lambda lane: (lane, None))
    assert len([one for one in caplog.messages if "begun anew" in one]) == 1


def test_a_window_that_is_not_yet_holds_back_nothing() -> None:
    route = Route("r", "slack", address_setting="A", digest=Digest(first=0, window=timedelta(hours=1)))
    lane = Lane(routes={"r": RouteState(window="29990101T0000Z", count=9, woken=True)})
    _, window = admit(lane, route, Kind.VIOLATION, NOW, timedelta())
    assert window is not None
    assert (window.name, window.woken) == ("20261102T0900Z", False)
