"""Everybody changes a rate limit at once, and nothing is promised twice; digest items leave after delivery only."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from guardrails.notices.digest import DigestItem, admit, compose
from guardrails.notices.notice import Kind
from guardrails.notices.rate_limit import GAPS, hold, millis, take_slot
from guardrails.notices.route_state import RateLimit, RouteState, claimed, disabled, enabled, notified
from guardrails.notices.routing import Digest, Route
from guardrails.register.table_register import connect
from tests.channels.samples import notice
from tests.register.conftest import World, at

NOW = at("2026-11-02T09:30:00+00:00")
WINDOW = "20261102T0930Z"


def step(rate_limit: RateLimit) -> tuple[RateLimit, datetime | None]:
    return take_slot(rate_limit, "teams", NOW)


async def test_of_forty_askers_in_four_processes_each_gets_a_slot_of_its_own(
    empty: World, connection: str, table: str
) -> None:
    workers = [connect(clock=empty.clock, connection_string=connection, table=table) for _ in range(4)]
    slots = await asyncio.gather(*(workers[n % 4].rate_limits.change("teams-A", step) for n in range(40)))
    for worker in workers:
        await worker.close()
    ordered = sorted(slot for slot in slots if slot is not None)
    assert len(ordered) == 40
    gaps = {later - earlier for earlier, later in pairwise(ordered)}
    assert gaps == {timedelta(milliseconds=270)}


async def test_a_slot_costs_one_read_and_one_write_and_a_look_one_read(empty: World) -> None:
    rate_limits = empty.register.rate_limits
    await rate_limits.change("teams-A", step)
    empty.transport.requests.clear()
    await rate_limits.change("teams-A", step)
    assert [request.method for request in empty.transport.requests] == ["GET", "POST"]
    empty.transport.requests.clear()
    await rate_limits.look("teams-A")
    await rate_limits.change("teams-A", lambda rate_limit: (rate_limit, None))
    await empty.register.digest_items.add("secops", WINDOW, notice())
    assert [request.method for request in empty.transport.requests] == ["GET", "GET", "POST"]


async def test_everything_in_a_rate_limit_row_comes_back(empty: World) -> None:
    state = RouteState(
        WINDOW, 3, woken=True, seconds=900, disabled_at=NOW, disabled_why="410", notified="20261102", notifying_at=NOW
    )
    rate_limit = RateLimit(123_456_789_012, {"secops": state, "other": RouteState()})
    await empty.register.rate_limits.change("teams-a/b#c?", lambda _: (rate_limit, None))
    found = await empty.register.rate_limits.look("teams-a/b#c?")
    assert (found.free, found.route("secops"), found.route("none")) == (rate_limit.free, state, RouteState())


@pytest.mark.parametrize("columns", [{"free": "soon"}, {"routes": "{"}, {"routes": "[]"}, {"routes": '{"a": 1}'}])
async def test_a_damaged_rate_limit_row_starts_anew(empty: World, columns: dict[str, str]) -> None:
    await empty.register.rate_limits.change("x", step)
    await empty.sdk.update_entity({"PartitionKey": "lanes", "RowKey": "lane~x", **columns})  # stored name
    assert await empty.register.rate_limits.look("x") == RateLimit()
    assert await empty.register.rate_limits.change("x", step) is not None


def test_a_trouble_is_notified_by_one_and_again_if_that_one_died() -> None:
    rate_limit, mine = claimed(RateLimit(), "r", "20261102", NOW)
    assert mine
    assert not claimed(rate_limit, "r", "20261102", NOW + timedelta(seconds=2))[1], "another is at it"
    assert claimed(rate_limit, "r", "20261102", NOW + timedelta(seconds=6))[1], "that one died"
    rate_limit, _ = notified(rate_limit, "r", "20261102")
    assert not claimed(rate_limit, "r", "20261102", NOW + timedelta(hours=9))[1]
    assert claimed(rate_limit, "r", "20261103", NOW + timedelta(days=1))[1]


def test_a_disabled_route_is_notified_once_and_not_once_it_is_enabled() -> None:
    rate_limit, first = disabled(RateLimit(), "r", "410", NOW)
    assert claimed(rate_limit, "r", first.trouble, NOW)[1]
    assert not claimed(enabled(rate_limit, "r")[0], "r", first.trouble, NOW)[1], "it is over"
    rate_limit, _ = enabled(notified(rate_limit, "r", first.trouble)[0], "r")
    again, _ = disabled(rate_limit, "r", "410", NOW)
    assert not claimed(again, "r", first.trouble, NOW)[1], "it was notified"
    later, second = disabled(rate_limit, "r", "410", NOW + timedelta(hours=1))
    assert not claimed(later, "r", first.trouble, NOW + timedelta(hours=1))[1], "that one is over"
    assert claimed(later, "r", second.trouble, NOW + timedelta(hours=1))[1]


def test_disabling_twice_keeps_the_first_and_enabling_forgets() -> None:
    rate_limit, _ = disabled(RateLimit(), "r", "410", NOW)
    again, _ = disabled(rate_limit, "r", "other", NOW + timedelta(days=1))
    assert again == rate_limit
    rate_limit, was = enabled(rate_limit, "r")
    assert was
    assert rate_limit.route("r") == RouteState()
    assert not enabled(rate_limit, "r")[1]


async def test_a_digest_is_kept_as_it_was_first_made(empty: World) -> None:
    digest_items = empty.register.digest_items
    many = [DigestItem(WINDOW, notice(id=f"n{n}")) for n in range(2300)]
    first = await digest_items.keep(compose("secops", WINDOW, many, NOW))
    assert await digest_items.keep(compose("secops", WINDOW, many[:1], NOW)) == first
    assert await digest_items.kept(first.notice.id) == first
    assert len(first.entries) == 2300
    assert await digest_items.open_members("secops") == first.members
    assert await digest_items.open_members("other") == frozenset()


async def test_what_a_digest_holds_leaves_when_it_was_delivered_and_nothing_else(empty: World) -> None:
    digest_items = empty.register.digest_items
    items = [DigestItem(WINDOW, notice(id=f"n{n}")) for n in range(230)]
    for one in items:
        await digest_items.add("secops", one.window, one.notice)
    await digest_items.add("other", WINDOW, notice(id="n1"))
    kept = await digest_items.keep(compose("secops", WINDOW, items[:220], NOW))
    assert len(await digest_items.waiting("secops", WINDOW)) == 230
    assert not await digest_items.was_delivered(kept.notice.id)
    await asyncio.gather(digest_items.delivered(kept.notice.id), digest_items.delivered(kept.notice.id))
    await digest_items.delivered(kept.notice.id)
    assert {one.notice.id for one in await digest_items.waiting("secops", WINDOW)} == {f"n{n}" for n in range(220, 230)}
    assert len(await digest_items.waiting("other", WINDOW)) == 1
    assert await digest_items.was_delivered(kept.notice.id)
    assert await digest_items.kept(kept.notice.id) == kept, "it can still be shown"


async def test_waiting_looks_at_a_window_and_those_before(empty: World) -> None:
    digest_items = empty.register.digest_items
    for window in ("20261102T0915Z", "20261102T0945Z", WINDOW):
        await digest_items.add("secops", window, notice(id=f"in-{window}"))
    assert [one.window for one in await digest_items.waiting("secops", WINDOW)] == ["20261102T0915Z", WINDOW]
    await digest_items.add("secops", "20261102T0945Z", notice(id=f"in-{WINDOW}"))
    assert [one.window for one in await digest_items.waiting("secops", WINDOW)] == ["20261102T0915Z"]


async def test_old_delivered_digests_are_forgotten_and_open_ones_are_not(empty: World) -> None:
    digest_items = empty.register.digest_items
    old = compose("secops", WINDOW, [DigestItem(WINDOW, notice())], NOW)
    still_open = replace(old, notice=replace(old.notice, id="digest-secops-20261102T0945Z"))
    for kept in (old, still_open):
        await digest_items.keep(kept)
    await digest_items.delivered(old.notice.id)
    await digest_items.prune(NOW - timedelta(days=1))
    assert await digest_items.kept(old.notice.id) is not None
    await digest_items.prune(NOW + timedelta(days=1))
    assert await digest_items.kept(old.notice.id) is None
    assert await digest_items.kept(still_open.notice.id) is not None


async def test_a_damaged_digest_item_does_not_stop_the_others(empty: World) -> None:
    digest_items = empty.register.digest_items
    for name in ("a", "b"):
        await digest_items.add("secops", WINDOW, notice(id=name))
    await empty.sdk.update_entity({"PartitionKey": "gathered~secops", "RowKey": "notice~a", "notice": "{half"})
    assert [one.notice.id for one in await digest_items.waiting("secops", WINDOW)] == ["b"]


@pytest.mark.parametrize("free", [10**30, 10**15, -(10**30)])
def test_a_slot_that_was_never_promised_silences_nobody(free: int) -> None:
    rate_limit, slot = take_slot(RateLimit(free), "slack", NOW)
    assert slot is not None
    assert slot - NOW < timedelta(seconds=1)
    assert hold(RateLimit(free), 10.0, NOW)[0].free == millis(NOW + timedelta(seconds=10))
    assert take_slot(rate_limit, "slack", NOW)[1] == slot + GAPS["slack"]


def test_a_day_of_promised_slots_is_kept() -> None:
    rate_limit = RateLimit(millis(NOW + timedelta(days=1)))
    assert take_slot(rate_limit, "slack", NOW)[1] == NOW + timedelta(days=1)


def test_a_claim_dated_in_the_future_keeps_nobody_from_notifying() -> None:
    rate_limit = RateLimit(routes={"r": RouteState(notifying_at=NOW + timedelta(days=400))})
    assert claimed(rate_limit, "r", "t", NOW)[1] is True


@pytest.mark.parametrize(
    "routes", ['{"a": {"window": "zzz"}}', '{"a": {"window": 5}}', '{"a": {"seconds": 1.5}}', "[" * 30_000]
)
async def test_a_malformed_window_starts_the_rate_limit_anew_and_is_logged_once(
    empty: World, routes: str, caplog: pytest.LogCaptureFixture
) -> None:
    await empty.register.rate_limits.change("x", step)
    await empty.sdk.update_entity({"PartitionKey": "lanes", "RowKey": "lane~x", "routes": routes})  # stored name
    for _ in range(3):
        await empty.register.rate_limits.change("x", lambda rate_limit: (rate_limit, None))
    assert len([one for one in caplog.messages if "cannot be read and is replaced" in one]) == 1


def test_a_window_that_is_not_yet_holds_back_nothing() -> None:
    route = Route("r", "slack", address_setting="A", digest=Digest(first=0, window=timedelta(hours=1)))
    rate_limit = RateLimit(routes={"r": RouteState(window="29990101T0000Z", count=9, woken=True)})
    _, window = admit(rate_limit, route, Kind.VIOLATION, NOW, timedelta())
    assert window is not None
    assert (window.name, window.woken) == ("20261102T0900Z", False)
