"""Who deleted an exemption is not believed from an event alone: the activity log is asked, once it has had time."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.body import fingerprint
from guardrails.exemption.hint import Hint
from sandbox.tenant import APPROVAL
from tests.reconcile.durability import scene
from tests.reconcile.test_clocks import ELSEWHERE
from tests.reconcile.world import ALICE, CORP, PIPELINE, World

OWNER = str(APPROVAL["owner"])
MINUTES = 20


async def last(world: World, one: Any) -> dict[str, Any]:
    """The facts of the entry that decided."""
    found = [entry for entry in await world.history(one) if "known" in entry.facts]
    return dict(found[-1].facts)


@pytest.mark.parametrize("said", [OWNER, "alice@contoso.com", "mallory@contoso.com"])
async def test_until_the_log_is_asked_nothing_follows_whoever_is_said_to_have_done_it(logged: World, said: str) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, said)
    for source in ("sweep", "queue", "wake-up", "operator", "event"):
        await scene.target_written(logged, one)
        await logged.look(one, source)
        logged.clock.advance(minutes=3)
    assert await logged.body(one) is None
    assert await logged.notice_kinds() == []
    assert logged.ours()["GET management"] == 0


@pytest.mark.parametrize("said", [OWNER, "mallory@contoso.com"])
async def test_then_what_the_log_says_decides_and_the_history_says_so(logged: World, said: str) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, said)
    logged.clock.advance(minutes=MINUTES)
    assert (await logged.look(one, "wake-up")).did == "bring-back"
    assert await logged.notice_kinds() == ["lost", "restored"]
    notices = [message["notice"] for message in await logged.notices()]
    assert {one["actor"] for one in notices} == {"alice@contoso.com"}
    assert (await last(logged, one))["known"] == "who deleted it is what the activity log says"
    assert logged.ours()["GET management"] == 1


async def test_who_may_is_believed_by_the_log_against_an_event_that_accuses(logged: World) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, PIPELINE)
    await scene.deleted_by(logged, one, "alice@contoso.com")
    logged.clock.advance(minutes=MINUTES)
    await logged.look(one, "wake-up")
    assert ((await logged.row(one)).status, await logged.notice_kinds()) == (Status.GONE, [])


async def test_where_the_log_knows_no_delete_nobody_is_accused_and_nobody_believed(logged: World) -> None:
    one = await scene.approved(logged)
    await scene.drop_target(logged)
    await scene.deleted_by(logged, one, OWNER)
    logged.clock.advance(minutes=MINUTES)
    await logged.look(one, "wake-up")
    await scene.recreate_target(logged)
    await scene.target_written(logged, one)
    assert await logged.body(one) is not None
    assert (await last(logged, one))["known"] == "the activity log knows no such delete"
    assert {message["notice"]["actor"] for message in await logged.notices()} == {""}


@pytest.mark.parametrize(("said", "stays"), [(OWNER, True), ("mallory@contoso.com", False)])
async def test_where_the_log_cannot_be_read_the_event_decides_and_the_history_says_so(
    logged: World, said: str, *, stays: bool
) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, said)
    logged.clock.advance(minutes=MINUTES)
    logged.fault("GET", path="eventtypes", status=403, code="AuthorizationFailed", count=1)
    await logged.look(one, "wake-up")
    assert (await logged.body(one) is None) is stays
    known = (await last(logged, one))["known"]
    assert known.startswith("who deleted it is what an event says: the activity log was not read: AuthorizationFailed")


async def test_a_busy_log_is_asked_again(logged: World) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, OWNER)
    logged.clock.advance(minutes=MINUTES)
    logged.fault("GET", path="eventtypes", status=429, code="TooManyRequests", count=1)
    with pytest.raises(Exception, match="TooManyRequests"):
        await logged.look(one, "wake-up")
    assert (await logged.row(one)).status is Status.LOST
    assert (await logged.look(one, "queue")).did == "bring-back"


async def test_a_delete_of_an_earlier_life_is_not_taken_for_this_one(logged: World) -> None:
    logged.ruleset = scene.keeping()
    one = logged.id()
    await logged.write(one)
    await logged.delete(one, PIPELINE)
    logged.clock.advance(minutes=1)
    await logged.known(one)
    await scene.drop_target(logged)
    await scene.deleted_by(logged, one, OWNER)
    logged.clock.advance(minutes=MINUTES)
    await logged.look(one, "wake-up")
    assert (await logged.row(one)).status is Status.LOST


async def test_a_delete_that_was_undone_is_not_taken_for_a_later_loss(logged: World) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, "alice@contoso.com")
    logged.clock.advance(minutes=MINUTES)
    assert (await logged.look(one, "wake-up")).did == "bring-back"
    await scene.drop_target(logged)
    await logged.reconciler.reconcile(one, Hint("event", "delete", OWNER, "another event"))
    logged.clock.advance(minutes=MINUTES)
    await logged.look(one, "wake-up")
    assert (await last(logged, one))["known"] == "the activity log knows no such delete"
    assert (await logged.row(one)).lost_by == ""


async def test_a_delete_after_the_loss_was_seen_is_not_taken_for_it(logged: World) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, "alice@contoso.com")
    logged.clock.advance(minutes=5)
    await logged.bad(one, ALICE, displayName="no event announces it")
    await logged.delete(one, PIPELINE)
    logged.clock.advance(minutes=MINUTES)
    assert (await logged.look(one, "wake-up")).did == "bring-back"
    assert {message["notice"]["actor"] for message in await logged.notices()} == {"alice@contoso.com"}


async def test_what_the_activity_logs_own_stream_says_is_believed_at_once(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one, PIPELINE)
    await world.look(one, "event", actor=OWNER, operation="delete", verified=True)
    assert ((await world.row(one)).status, await world.notice_kinds()) == (Status.GONE, [])
    two = await scene.approved(world, "two")
    await world.delete(two, ALICE)
    await scene.deleted_by(world, two, OWNER)
    await world.look(two, "event", actor="alice@contoso.com", operation="delete", verified=True)
    assert await world.notice_kinds() == ["lost"]
    assert (await world.row(two)).lost_by == "alice@contoso.com"


async def test_one_that_comes_back_meanwhile_was_never_lost_to_anybody(logged: World) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, PIPELINE)
    await scene.deleted_by(logged, one, "somebody@contoso.com")
    logged.clock.advance(minutes=10)
    await logged.write(one, displayName="the other half of a replace")
    await logged.settle(one)
    logged.clock.advance(minutes=MINUTES)
    await logged.look(one, "wake-up")
    assert ((await logged.row(one)).status, await logged.notice_kinds()) == (Status.COMPLIANT, [])


@pytest.mark.parametrize("verify", ["0m", "1h"])
async def test_the_ruleset_says_for_how_long(logged: World, verify: str) -> None:
    logged.ruleset = scene.keeping(durability={"mode": "collateral", "wait": "0m", "verify": verify})
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, OWNER)
    if verify == "1h":
        assert logged.wakes() == [timedelta(hours=1).total_seconds()]
        logged.clock.advance(minutes=59)
        await logged.look(one, "sweep")
        assert await logged.notice_kinds() == []
        logged.clock.advance(minutes=1)
        await logged.look(one, "wake-up")
    assert await logged.notice_kinds() == ["lost", "restored"]


async def test_whoever_did_it_does_not_matter_where_all_comes_back(logged: World) -> None:
    logged.ruleset = scene.keeping(durability={"mode": "always", "wait": "1m"})
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, "alice@contoso.com")
    logged.clock.advance(minutes=1)
    assert (await logged.look(one, "wake-up")).did == "bring-back"
    assert {message["notice"]["actor"] for message in await logged.notices()} == {""}, "nobody is accused"


async def test_the_target_that_goes_takes_it_along_unasked(logged: World) -> None:
    one = await scene.approved(logged)
    await scene.drop_target(logged)
    await scene.target_deleted(logged, one)
    await scene.recreate_target(logged)
    await scene.target_written(logged, one)
    assert await logged.body(one) is not None
    assert logged.ours()["GET management"] == 0


async def test_a_management_groups_log_is_not_asked(logged: World) -> None:
    log: Any = logged.reconciler
    found = await log._world.log.deleted_by(logged.id("x", CORP), logged.clock.now(), logged.clock.now())
    assert "management group" in found.reason


@pytest.mark.parametrize("by_event", [True, False], ids=["unverified", "no event"])
async def test_who_deletes_an_approved_one_and_makes_it_anew_gets_no_further_than_by_an_edit(
    logged: World, by_event: bool
) -> None:
    one = await scene.approved(logged)
    good = fingerprint(await logged.body(one) or {})
    await logged.delete(one, ALICE)
    await (scene.deleted_by(logged, one, OWNER) if by_event else logged.look(one, "sweep"))
    await logged.bad(one, ALICE, displayName="mine")
    assert (await logged.look(one)).did == "put-back"
    assert fingerprint(await logged.body(one) or {}) == good
    await logged.settle(one)
    logged.clock.advance(minutes=MINUTES)
    assert not (await logged.look(one, "wake-up")).wrote
    assert (await logged.notice_kinds()).count("reverted") == 1


@pytest.mark.parametrize("source", ["event", "sweep"])
async def test_another_with_its_name_from_another_assignment_does_not_silence_the_loss(
    logged: World, source: str
) -> None:
    one = await scene.approved(logged)
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, OWNER)
    await logged.bad(one, ALICE, **ELSEWHERE)
    for _ in range(3):
        await logged.look(one, source)
        logged.clock.advance(minutes=MINUTES)
    assert await logged.notice_kinds() == ["deleted", "reverted"]


async def test_a_bad_one_by_another_name_does_not_replace_it(logged: World) -> None:
    one, other = await scene.approved(logged), logged.id("another-name")
    await logged.delete(one, ALICE)
    await scene.deleted_by(logged, one, OWNER)
    logged.clock.advance(minutes=1)
    await logged.bad(other, ALICE)
    logged.arm.lock(other.scope, "CanNotDelete")
    await logged.look(other)
    logged.clock.advance(minutes=MINUTES)
    await logged.look(one, "wake-up")
    assert (await logged.row(one)).status is Status.LOST
    logged.arm.unlock(other.scope)
    assert (await logged.look(other, "operator")).did == "delete"
    logged.clock.advance(hours=1)
    assert (await logged.look(one, "sweep")).did == "bring-back"
    assert await logged.notice_kinds() == ["cannot-act", "lost", "restored", "reverted"]
