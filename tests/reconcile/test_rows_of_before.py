"""Rows written by an earlier version: read as they are, and taken up where they are.

tests/register/fixtures/rows_of_before.json holds what commit b854bda wrote: exemptions of Alice's at the demo's storage
account, at 09:30 on 2 November 2026 and an hour later, and the breaker. It is the table as it was, bytes in base64.
"""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guardrails.decisions.row import Status
from tests.reconcile.world import ALICE, NO_TICKET, World, rules

ROWS = Path(__file__).parents[1] / "register" / "fixtures" / "rows_of_before.json"
START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRACE = {"response": "revert", "grace": "12h"}
STATUS = {
    "in-grace": Status.VIOLATION, "unread": Status.UNKNOWN, "approved": Status.COMPLIANT, "gone": Status.GONE,
    "never-good": Status.VIOLATION, "blocked": Status.CANNOT_ACT, "held-2": Status.VIOLATION,
}  # fmt: skip


@pytest.fixture
async def before(world: World) -> World:
    """The table as it was, an hour after the start. Tests write to Azure what they need of it."""
    for row in json.loads(ROWS.read_text()):
        await world.table.create_entity({name: _value(value) for name, value in row.items()})
    for name in STATUS:
        world.id(name)
    world.clock.time = START + HOUR
    world.ruleset = rules(on={"expiry-missing": GRACE, "whole-initiative": GRACE, "expiry-extended": "revert"})
    return world


def _value(value: Any) -> Any:
    return b64decode(value["base64"]) if isinstance(value, dict) else value


async def written_at_start(world: World, name: str, **changes: Any) -> None:
    """Have it in Azure as Alice wrote it at the start."""
    now, world.clock.time = world.clock.time, START
    await world.write(world.id(name), ALICE, **changes)
    world.clock.time = now


async def test_every_row_and_its_history_is_sound_and_says_what_it_said(before: World) -> None:
    for name, status in STATUS.items():
        assert (await before.row(before.id(name))).status is status
        assert await before.register.verify(before.id(name)) == []
    assert await before.register.held() == {before.id("held-2").text: "breaker"}
    assert (await before.register.breaker(before.clock.now())).opened_at == START + HOUR


async def test_a_violation_goes_on_from_when_it_was_first_seen(before: World) -> None:
    one = before.id("in-grace")
    await written_at_start(before, "in-grace", expiresOn=None)
    await before.settle(one)
    before.clock.time = START + 12 * HOUR - timedelta(seconds=1)
    assert (await before.look(one)).did == ""
    assert [period.start for period in (await before.row(one)).grace] == [START]
    await before.register.close_breaker(before.clock.now())
    before.clock.advance(seconds=1)
    assert (await before.look(one)).did == "delete"


async def test_time_that_was_used_before_counts_as_its_authors_grace_use(before: World) -> None:
    before.ruleset = rules(on={"expiry-missing": GRACE})
    one = before.id("in-grace")
    before.clock.time = START + 10 * HOUR
    await before.write(one, ALICE)
    await before.settle(one)
    before.clock.advance(minutes=1)
    await before.write(one, ALICE, expiresOn=None)
    await before.settle(one)
    assert (await before.row(one)).due == before.clock.time + 2 * HOUR


async def test_grace_use_from_before_is_kept_though_the_first_look_reads_nothing(before: World) -> None:
    one = before.id("in-grace")
    await written_at_start(before, "in-grace", expiresOn=None)
    before.clock.time = START + 10 * HOUR
    before.fault("GET", "policyExemptions", status=403, code="AuthorizationFailed")
    assert (await before.look(one)).row.status is Status.UNKNOWN
    before.arm.faults.reset()
    await before.write(one, ALICE)
    before.clock.advance(minutes=1)
    await before.write(one, ALICE, policyDefinitionReferenceIds=None)
    await before.settle(one)
    assert (await before.row(one)).due == START + 12 * HOUR


async def test_one_that_was_unknown_has_its_grace_from_now_on(before: World) -> None:
    one = before.id("unread")
    await written_at_start(before, "unread", policyDefinitionReferenceIds=None)
    assert (await before.settle(one)).row.due == before.clock.time + 12 * HOUR


@pytest.mark.parametrize(("name", "metadata"), [("approved", {}), ("never-good", {"metadata": NO_TICKET})])
async def test_its_end_is_compared_with_what_it_was(before: World, name: str, metadata: dict[str, Any]) -> None:
    await before.register.close_breaker(before.clock.now())
    one, end = before.id(name), START + timedelta(days=120)
    await written_at_start(before, name, **metadata)
    await before.look(one)
    for days, stays in ((1, True), (2, False)):
        end_now = (end + timedelta(days=days)).isoformat()
        await before.write(one, ALICE, expiresOn=end_now, **metadata)
        await before.settle(one)
        assert ((await before.properties(one))["expiresOn"][:10] == end_now[:10]) is stays, days


async def test_its_end_is_remembered_while_what_follows_from_a_later_one_waits(before: World) -> None:
    one, end = before.id("never-good"), START + timedelta(days=120)
    later = (end + timedelta(days=10)).isoformat()
    await written_at_start(before, "never-good", expiresOn=later, metadata=NO_TICKET)
    await before.look(one)
    assert (await before.row(one)).held == "breaker"
    await before.register.close_breaker(before.clock.now())
    assert (await before.look(one)).did == "put-back"
    assert (await before.properties(one))["expiresOn"][:10] == f"{end:%Y-%m-%d}"


async def test_what_was_gone_is_a_new_one_when_it_comes_back(before: World) -> None:
    one = before.id("gone")
    await before.write(one, ALICE)
    assert (await before.settle(one)).row.status is Status.COMPLIANT
    assert (await before.row(one)).baseline is not None
