"""What keeps an exemption from being reverted: exclusion, a protected owner, adoption, and grace."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from sandbox import tenant
from sandbox.tenant import APPROVAL
from tests.reconcile.world import ALICE, NO_TICKET, World, rules

EPAC = [{"name": "Enterprise Policy as Code", "metadata": {"pacOwnerId": "*"}}]
DAY = 86_400.0
LATER = datetime(2999, 1, 1, tzinfo=UTC)


async def test_what_policy_as_code_owns_is_reported_and_not_touched(world: World) -> None:
    world.ruleset = rules(owners=EPAC)
    one = world.id()
    await world.bad(one, metadata={**NO_TICKET, "pacOwnerId": "platform"})
    before = world.azure()
    for _ in range(2):
        await world.look(one)
    assert world.azure() == before
    assert world.writes() == 0
    row = await world.row(one)
    assert (row.status, row.answer) == (Status.VIOLATION, "alert")
    assert await world.notice_kinds() == ["violation"]
    why = " ".join((await world.notice())["why"])
    assert "not reverted: it belongs to Enterprise Policy as Code" in why
    assert "not tagged" in why


async def test_it_is_tagged_where_the_ruleset_asks_for_it_and_still_not_reverted(world: World) -> None:
    world.ruleset = rules(owners=EPAC, tagging={"protected": True})
    one = world.id()
    await world.bad(one, metadata={**NO_TICKET, "pacOwnerId": "platform"})
    assert (await world.look(one)).did == "tag"
    assert (await world.marker(one))["codes"] == ["EXG101", "EXG201"]
    assert not (await world.look(one)).wrote
    assert world.writes() == 1


async def test_a_tag_on_what_became_protected_is_left_to_its_owner(world: World) -> None:
    one = world.id()
    await world.write(one, metadata=NO_TICKET)
    await world.look(one)
    world.ruleset = rules(owners=EPAC)
    await world.write(one, metadata={**APPROVAL, "pacOwnerId": "x", "guardrails": await world.marker(one)})
    before = world.azure()
    assert (await world.look(one)).row.status is Status.COMPLIANT
    assert world.azure() == before


async def test_an_excluded_exemption_is_recorded_and_left_alone(world: World) -> None:
    expires = (world.clock.time.date().replace(year=world.clock.time.year + 1)).isoformat()
    scope = "/subscriptions/*/resourceGroups/break-glass"
    world.ruleset = rules(exclusions=[{"scope": scope, "reason": "emergency access", "expires": expires}])
    one = world.id("glass", tenant.EXCLUDED)
    body = await world.bad(one)
    before = world.azure()
    for _ in range(2):
        await world.look(one)
    assert world.azure() == before
    row = await world.row(one)
    assert (row.status, row.answer) == (Status.EXCLUDED, "none")
    assert await world.events(one) == ["excluded"]
    assert await world.register.body(one, 1) == body
    assert await world.notice_kinds() == []


async def test_an_exclusion_that_is_over_protects_nothing(world: World) -> None:
    over = world.clock.time.date().isoformat()
    world.ruleset = rules(exclusions=[{"scope": tenant.EXCLUDED, "reason": "over", "expires": over}])
    one = world.id("glass", tenant.EXCLUDED)
    await world.bad(one)
    assert (await world.look(one)).did == "delete"


@pytest.mark.parametrize(("source", "more"), [("operator", {}), ("sweep", {"adopt": LATER})])
async def test_one_that_was_there_before_us_is_adopted(world: World, source: str, more: dict[str, Any]) -> None:
    one = world.id()
    await world.write(one, ALICE, expiresOn=None, metadata=NO_TICKET)
    await world.forget()
    outcome = await world.look(one, source, **more)
    assert (outcome.did, outcome.row.answer) == ("", "alert")
    assert outcome.row.adopted == world.clock.now()
    assert outcome.row.kept == outcome.row.content != ""
    assert await world.notice_kinds() == (["violation"] if source == "operator" else [])
    reasons = (await world.history(one))[-1].facts["plan"]["reasons"]
    assert "not reverted: it was there before the guardrails" in reasons
    assert "not tagged: it is older than the guardrails" in reasons
    for again in ("event", "queue", "operator", "sweep"):
        assert not (await world.look(one, again)).wrote
    assert world.writes() == 0


async def test_one_that_no_event_announced_is_no_older_than_the_guardrails(world: World) -> None:
    one = world.id()
    await world.bad(one)
    assert (await world.look(one, "sweep")).did == "delete"


async def test_an_adopted_one_is_answered_like_any_other_from_the_adoption_date_on(world: World) -> None:
    until = (world.clock.now() + timedelta(days=30)).replace(microsecond=0)
    world.ruleset = rules(adoption={"until": spell_time(until)})
    one = world.id()
    await world.bad(one)
    outcome = await world.look(one, "sweep", adopt=LATER)
    assert (outcome.row.answer, outcome.row.due) == ("alert", until)
    assert world.wakes() == []
    world.clock.time = until - timedelta(seconds=1)
    assert (await world.look(one)).did == ""
    world.clock.time = until
    assert (await world.look(one)).did == "delete"


async def test_an_adopted_one_that_is_edited_is_judged_fully(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await world.look(one, "sweep", adopt=LATER)
    await world.bad(one, displayName="still for ever")
    outcome = await world.look(one)
    assert outcome.did == "delete"
    assert await world.body(one) is None
    assert outcome.row.kept == ""


async def test_the_grace_of_an_edit_of_an_adopted_one_is_whole_though_it_was_unknown_meanwhile(world: World) -> None:
    world.ruleset = rules(on={"whole-initiative": {"response": "revert", "grace": "1d"}})
    one = world.id()
    await world.write(one, ALICE, policyDefinitionReferenceIds=None)
    await world.look(one, "sweep", adopt=LATER)
    world.clock.advance(days=3)
    await world.write(one, ALICE, policyDefinitionReferenceIds=["denyPublicNetwork", "requireTls"])
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed", count=1)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    world.clock.advance(minutes=10)
    start = world.clock.time
    assert (await world.look(one)).did == "tag"
    assert (await world.row(one)).due == world.clock.now() + timedelta(days=1) - (world.clock.time - start)


async def test_an_adopted_one_that_is_fixed_is_compliant(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await world.look(one, "sweep")
    await world.write(one)
    await world.settle(one)
    row = await world.row(one)
    assert (row.status, row.kept, row.kept_why) == (Status.COMPLIANT, "", "")


async def test_one_that_an_event_announced_is_not_adopted(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await world.bad(one)
    assert (await world.look(one, "sweep")).did == "delete"


async def in_grace(world: World) -> tuple[ExemptionId, datetime]:
    """One that breaks a rule, and when its grace of two days is over."""
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "2d"}})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    due = (await world.row(one)).due
    assert due is not None
    return one, due


async def test_a_wake_up_that_comes_early_is_queued_again_for_its_time(world: World) -> None:
    one, due = await in_grace(world)
    await world.forget()
    world.clock.time = due - timedelta(milliseconds=11_500)  # the clock of this process is behind

    assert not (await world.look(one, "wake-up", due=due)).wrote

    assert world.watch.calls["register.commit"] == 0
    assert world.queues.sent == [("reconcile", {"id": one.text, "wake": True, "at": spell_time(due)}, 12.0)]
    world.clock.time = due
    assert (await world.look(one, "wake-up", due=due)).did == "delete"
    assert world.wakes() == [12.0]


async def test_a_wake_up_for_a_time_that_is_due_no_more_is_not_queued_again(world: World) -> None:
    one, due = await in_grace(world)
    for other in (None, due - timedelta(hours=1)):
        await world.forget()
        await world.look(one, "wake-up", due=other)
        assert world.wakes() == []


async def test_grace_gives_time_and_then_ends(world: World) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "2d"}})
    one = world.id()
    await world.bad(one)
    start = world.clock.time

    outcome = await world.look(one)

    assert outcome.did == "tag"
    assert (await world.row(one)).due == start.replace() + (world.clock.advance(days=2) - start)
    assert world.wakes() == [2 * DAY]
    due = spell_time(start.replace() + timedelta(days=2))
    bodies = [body for queue, body, _ in world.queues.sent if queue == "reconcile"]
    assert bodies == [{"id": one.text, "wake": True, "at": due}]
    assert await world.waiting() == 1
    world.clock.time = start
    await world.forget()
    world.clock.advance(days=1, hours=23)
    assert not (await world.look(one)).wrote
    assert world.wakes() == []
    world.clock.advance(hours=1)
    assert (await world.look(one, "queue")).did == "delete"
    assert await world.body(one) is None
    assert (await world.row(one)).due is None
    assert await world.notice_kinds() == ["reverted"]


async def test_fixed_within_the_grace_nothing_follows(world: World) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "12h"}})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    world.clock.advance(hours=6)
    await world.write(one)
    await world.settle(one)
    world.clock.advance(hours=6)
    await world.forget()
    outcome = await world.look(one, "queue")
    assert not outcome.wrote
    assert (outcome.row.status, outcome.row.due) == (Status.COMPLIANT, None)
    assert await world.notice_kinds() == []
    assert world.wakes() == []


async def test_an_edit_that_does_not_fix_it_wins_no_time(world: World) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "12h"}})
    one = world.id()
    await world.bad(one)
    await world.settle(one)
    world.clock.advance(hours=11)
    await world.bad(one, displayName="another name")
    await world.settle(one)
    world.clock.advance(hours=1)
    assert (await world.look(one, "queue")).did == "delete"


async def test_a_grace_longer_than_a_message_can_hide_is_left_to_the_sweep(world: World) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "10d"}})
    one = world.id()
    await world.bad(one)
    outcome = await world.settle(one)
    assert world.wakes() == []
    assert outcome.row.due == world.clock.now() + timedelta(days=10)
    world.clock.advance(days=10)
    assert (await world.look(one, "sweep")).did == "delete"


async def test_a_short_and_a_long_grace_end_one_after_the_other(world: World) -> None:
    graces = {"expiry-missing": {"response": "revert", "grace": "5d"}}
    world.ruleset = rules(on={**graces, "ticket-missing": {"response": "revert", "grace": "2d"}})
    one = world.id()
    await world.write(one, ALICE, expiresOn=None, metadata=NO_TICKET)
    await world.settle(one)
    assert world.wakes() == [2 * DAY]
    await world.write(one, ALICE, expiresOn=None)
    await world.settle(one)
    assert world.wakes() == [2 * DAY, 5 * DAY]
    world.clock.advance(days=2)
    assert not (await world.look(one)).wrote
    world.clock.advance(days=3)
    assert (await world.look(one)).did == "delete"
