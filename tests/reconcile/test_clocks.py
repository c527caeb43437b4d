"""Who may write one exemption cannot restart a clock, nor move in small steps what later edits are compared with."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.decisions.grace import TOGGLES
from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from sandbox import tenant
from sandbox.tenant import APPROVAL, Actor
from tests.reconcile.ports import Died
from tests.reconcile.world import ABOVE, ALICE, NO_TICKET, OPERATOR, PIPELINE, World, in_days, rules

HOUR = timedelta(hours=1)
NEVER_ENDS: Mapping[str, Any] = {"expiresOn": None}
NO_MEMBER: Mapping[str, Any] = {"policyDefinitionReferenceIds": None}
ELSEWHERE: Mapping[str, Any] = {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}
GRACE = {"response": "revert", "grace": "12h"}
TEN = timedelta(hours=10)


@pytest.fixture
def one(world: World) -> ExemptionId:
    world.ruleset = rules(on={"expiry-missing": GRACE, "whole-initiative": GRACE})
    return world.id()


async def left_alone(world: World, one: ExemptionId, time: timedelta) -> bool:
    """Let time pass, with a look whenever one is due; return whether it was left alone all the while."""
    end = world.clock.time + time
    row = await world.row(one)
    while row.due and row.due <= end:
        world.clock.time = max(row.due, world.clock.time + timedelta(seconds=1))
        if (await world.look(one, "queue")).did in ("delete", "put-back"):
            return False
        row = await world.row(one)
    world.clock.time = max(end, world.clock.time)
    return True


async def edit(world: World, one: ExemptionId, actor: Actor = ALICE, **changes: Any) -> bool:
    """Write it and let all events of that be handled; return whether it was left alone."""
    await world.write(one, actor, **changes)
    before = len(await world.events(one))
    await world.settle(one)
    return not {"reverted", "put-back"} & set((await world.events(one))[before:])


async def gone(world: World, one: ExemptionId, *, seen: bool = True) -> None:
    """Delete it: an update cannot name another assignment."""
    await world.delete(one)
    if seen:
        await world.look(one)


async def has_left(world: World, one: ExemptionId, time: timedelta) -> bool:
    """Whether it is reverted after this time, and not a second before."""
    return await left_alone(world, one, time - timedelta(seconds=1)) and not await left_alone(
        world, one, timedelta(seconds=1)
    )


async def test_alternating_between_two_rules(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    assert await edit(world, one, **NO_MEMBER)
    assert await has_left(world, one, 2 * HOUR)
    assert await world.body(one) is None
    assert await world.notice_kinds() == ["reverted", "tagged", "tagged"]


async def test_fixed_for_a_moment(world: World, one: ExemptionId) -> None:
    await edit(world, one)
    good = await world.properties(one)
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, TEN)
    await edit(world, one)
    world.clock.advance(minutes=1)
    assert await edit(world, one, **NEVER_ENDS)
    assert await has_left(world, one, 2 * HOUR)
    assert await world.properties(one) == {**good, "expiresOn": (await world.properties(one))["expiresOn"]}
    assert not await edit(world, one, **NEVER_ENDS)


async def test_who_breaks_it_again_each_time_it_is_fixed_is_notified_once(world: World, one: ExemptionId) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "20d"}})
    for _ in range(TOGGLES + 2):
        assert await edit(world, one, **NEVER_ENDS)
        await left_alone(world, one, HOUR)
        assert await edit(world, one)
        await left_alone(world, one, HOUR)
    assert (await world.notice_kinds()).count("evasion-attempted") == 1


async def test_an_assignment_that_cannot_be_read(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NO_MEMBER)
    assert await left_alone(world, one, TEN)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    world.arm.faults.reset()
    world.clock.advance(minutes=30)
    assert (await world.look(one)).row.status is Status.VIOLATION
    assert await has_left(world, one, timedelta(minutes=30))


async def test_an_unreadable_assignment_past_the_end_is_no_reason_to_revert(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NO_MEMBER)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)
    await world.look(one)
    assert await left_alone(world, one, timedelta(days=3))
    assert await world.body(one) is not None


async def test_an_exemption_that_cannot_be_read(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    world.fault("GET", "policyExemptions", status=403, code="AuthorizationFailed", count=1)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    assert await has_left(world, one, 2 * HOUR)


async def test_deleted_and_made_again(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await world.delete(one)
    await world.look(one)
    world.clock.advance(days=1)
    assert await edit(world, one, **NEVER_ENDS, displayName="a new one")
    assert await has_left(world, one, 2 * HOUR)


async def test_another_name(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await gone(world, one)
    other, third = world.id("another-name"), world.id("a-third-name")
    assert await edit(world, other, **NEVER_ENDS)
    assert await left_alone(world, other, HOUR)
    await gone(world, other)
    assert await edit(world, third, **NEVER_ENDS)
    assert await has_left(world, third, HOUR)
    assert await world.body(third) is None


async def test_several_names_at_once_and_in_turn(world: World, one: ExemptionId) -> None:
    other = world.id("another-name")
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, timedelta(hours=4))
    await edit(world, other, **NEVER_ENDS)
    await left_alone(world, other, timedelta(hours=4))
    await edit(world, one)
    await edit(world, other)
    assert await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, 3 * HOUR)
    await edit(world, one)
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, HOUR)


@pytest.mark.parametrize("editor", [ALICE, PIPELINE], ids=["by its author", "by a second account"])
async def test_another_name_that_first_broke_a_rule_without_grace(
    world: World, one: ExemptionId, editor: Actor
) -> None:
    """Its revert is refused. An edit that leaves only what has a grace wins no more time than under the first name."""
    world.ruleset = rules(on={"expiry-missing": GRACE, "expiry-too-far": "revert"})
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, timedelta(hours=6))
    other = world.id("another-name")
    world.deny("Microsoft.Authorization/policyExemptions/delete")
    await edit(world, other, expiresOn=in_days(world.clock, 900))
    assert (await world.row(other)).status is Status.CANNOT_ACT
    world.clock.advance(hours=4)
    await edit(world, one)
    world.arm.control._put_denials([])
    assert await edit(world, other, editor, **NEVER_ENDS)
    assert await has_left(world, other, 2 * HOUR)
    assert await world.body(other) is None


@pytest.mark.parametrize(
    ("scope", "actor", "changes"),
    [
        (tenant.RESOURCE, ALICE, {"policyDefinitionReferenceIds": ["requireTls"]}),
        (tenant.ARCHIVE, ALICE, {}),
        (tenant.RESOURCE, PIPELINE, {}),
        (tenant.RESOURCE, ALICE, ELSEWHERE),
    ],
    ids=["another control", "another scope", "another author", "another assignment"],
)
async def test_what_is_not_alike_has_a_grace_of_its_own(
    world: World, one: ExemptionId, scope: str, actor: Actor, changes: dict[str, Any]
) -> None:
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, TEN)
    other = world.id("another-name", scope)
    await edit(world, other, actor, **NEVER_ENDS, **changes)
    assert await has_left(world, other, 12 * HOUR)


async def test_what_others_used_is_read_where_a_period_begins_and_nowhere_else(world: World, one: ExemptionId) -> None:
    def reads() -> int:
        return world.watch.calls["register.grace_uses_at_same_scope"]

    await edit(world, one)
    assert reads() == 0
    await edit(world, one, **NEVER_ENDS)
    assert reads() == 1
    await left_alone(world, one, TEN)
    await edit(world, one, **NEVER_ENDS, displayName="another name")
    assert reads() == 1
    world.ruleset = rules()
    await edit(world, world.id("reverted-at-once"), **NEVER_ENDS)
    assert reads() == 1


@pytest.mark.parametrize("seen", [True, False], ids=["the delete is seen", "it is not"])
async def test_another_assignment_and_back(world: World, one: ExemptionId, seen: bool) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, timedelta(hours=5))
    await gone(world, one, seen=seen)
    assert await edit(world, one, **NEVER_ENDS, **ELSEWHERE)
    assert await left_alone(world, one, timedelta(hours=5))
    await gone(world, one, seen=seen)
    assert await edit(world, one, **NEVER_ENDS)
    assert await has_left(world, one, 2 * HOUR)


async def test_an_exclusion_or_an_owner_that_comes_and_goes(world: World, one: ExemptionId) -> None:
    on = {"expiry-missing": GRACE}
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, timedelta(hours=4))
    world.ruleset = rules(on=on, exclusions=[{"scope": "/subscriptions/**", "reason": "for a while"}])
    await world.look(one)
    assert await left_alone(world, one, timedelta(hours=4))
    world.ruleset = rules(on=on, owners=[{"name": "Alice's tool", "authors": ["alice@contoso.com"]}])
    await world.look(one)
    assert await left_alone(world, one, timedelta(hours=2))
    world.ruleset = rules(on=on)
    await world.look(one)
    assert await has_left(world, one, 2 * HOUR)


async def test_a_category_for_which_it_is_only_an_alert(world: World, one: ExemptionId) -> None:
    mild = {"exemption_category": "Mitigated", "rules": {"expiry-missing": "alert"}}
    world.ruleset = rules(on={"expiry-missing": GRACE}, overrides=[mild])
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await edit(world, one, **NEVER_ENDS, exemptionCategory="Mitigated")
    assert await left_alone(world, one, timedelta(days=3))
    assert not await edit(world, one, **NEVER_ENDS)


async def test_a_rule_switched_off_and_on(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    before, world.ruleset = world.ruleset, rules(on={"expiry-missing": "off"})
    await world.settle(one)
    world.clock.advance(days=2)
    world.ruleset = before
    await world.settle(one)
    assert await has_left(world, one, 2 * HOUR)


async def test_what_an_operator_restored_is_kept_and_the_next_edit_is_not(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert not await left_alone(world, one, 12 * HOUR)
    await world.reconciler.restore(one, OPERATOR)
    assert await left_alone(world, one, timedelta(days=3))
    await world.look(one)
    assert not await edit(world, one, **NEVER_ENDS, displayName="kept no more")


@pytest.mark.parametrize("seen", [True, False])
async def test_what_went_over_to_another_assignment_uses_up_no_more_of_the_old_one(
    world: World, one: ExemptionId, seen: bool
) -> None:
    other = world.id("another-name")
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await gone(world, one, seen=seen)
    await edit(world, one, **ELSEWHERE)
    assert await edit(world, other, **NEVER_ENDS)
    assert await left_alone(world, other, HOUR)
    await gone(world, other)
    world.clock.advance(days=60)
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, timedelta(hours=12))


async def test_what_asks_for_no_revert_uses_up_nothing_though_a_hold_on_it_is_released(
    world: World, one: ExemptionId
) -> None:
    other = world.id("another-name")
    assert await edit(world, one, metadata=NO_TICKET)
    until = world.clock.now() + timedelta(days=2)
    await world.reconciler.hold(one, OPERATOR, until=until, reason="an incident")
    assert await left_alone(world, one, TEN)
    await world.reconciler.release(one, OPERATOR)
    await edit(world, one)
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, timedelta(hours=12))


@pytest.mark.parametrize("seen", [True, False], ids=["the delete is seen", "it is not"])
async def test_what_was_used_from_the_old_assignment_is_no_others_from_the_new_one(
    world: World, one: ExemptionId, seen: bool
) -> None:
    other = world.id("another-name")
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await gone(world, one, seen=seen)
    await edit(world, one, **ELSEWHERE)
    assert await edit(world, other, **NEVER_ENDS, **ELSEWHERE)
    assert await has_left(world, other, timedelta(hours=12))


@pytest.mark.parametrize("why", ["adopted", "restored"])
async def test_what_is_allowed_uses_up_nothing(world: World, one: ExemptionId, why: str) -> None:
    other = world.id("another-name")
    await world.bad(one)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now() if why == "adopted" else None)
    if why == "restored":
        assert await left_alone(world, one, timedelta(hours=11))
        await gone(world, one)
        await world.reconciler.restore(one, OPERATOR)
    assert await left_alone(world, one, timedelta(days=60))
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, timedelta(hours=12))


@pytest.mark.parametrize("why", ["adopted", "restored"])
async def test_what_stood_until_somebody_edits_it_has_its_whole_grace_then(
    world: World, one: ExemptionId, why: str
) -> None:
    await world.bad(one)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now() if why == "adopted" else None)
    if why == "restored":
        await gone(world, one)
        await world.reconciler.restore(one, OPERATOR)
    assert await left_alone(world, one, timedelta(days=60))
    await edit(world, one, PIPELINE, **NEVER_ENDS, displayName="still without an end")
    assert await has_left(world, one, timedelta(hours=12))


async def becomes_unknown(world: World, one: ExemptionId) -> None:
    """From now on its assignment cannot be read."""
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)
    await world.look(one)
    assert (await world.row(one)).unclear


async def test_our_put_back_ends_a_period_though_the_rule_is_unknown_then(world: World, one: ExemptionId) -> None:
    world.ruleset = rules(on={"expiry-missing": GRACE, "whole-initiative": "revert"})
    await edit(world, one)
    await world.write(one, ALICE, **NO_MEMBER)
    world.watch.die_at(3, after=True)
    with pytest.raises(Died):
        await world.look(one)
    world.watch.revive()
    await becomes_unknown(world, one)
    assert (await world.events(one))[-1] == "put-back"
    world.clock.advance(days=3)
    assert await edit(world, one, **NEVER_ENDS)
    assert await has_left(world, one, 11 * HOUR)


async def test_a_restore_ends_a_period_though_the_rule_is_unknown_then(world: World, one: ExemptionId) -> None:
    await edit(world, one)
    await edit(world, one, **NO_MEMBER)
    await becomes_unknown(world, one)
    await world.reconciler.restore(one, OPERATOR, at=1)
    world.clock.advance(days=3)
    await edit(world, one, PIPELINE, **NO_MEMBER)
    world.arm.faults.reset()
    world.clock.advance(hours=1)
    await world.look(one)
    assert await has_left(world, one, 12 * HOUR)


async def test_what_is_allowed_again_ends_a_period_though_the_rule_is_unknown_then(
    world: World, one: ExemptionId
) -> None:
    left_alone = world.ruleset
    await world.write(one, ALICE, **NO_MEMBER)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now())
    on = {"expiry-missing": GRACE, "whole-initiative": GRACE}
    world.ruleset = rules(on=on, adoption={"until": "2020-01-01"})
    await world.look(one)
    world.ruleset = left_alone
    await becomes_unknown(world, one)
    world.clock.advance(days=3)
    assert await edit(world, one, PIPELINE, **NEVER_ENDS)
    assert await has_left(world, one, 12 * HOUR)


@pytest.mark.parametrize("until", [{}, {"adoption": {"until": "2099-01-01"}}], ids=["left alone", "left alone until"])
async def test_what_stood_and_is_made_anew_from_another_assignment_has_its_whole_grace_then(
    world: World, one: ExemptionId, until: dict[str, Any]
) -> None:
    world.ruleset = rules(on={"expiry-missing": GRACE, "whole-initiative": GRACE}, **until)
    await world.bad(one)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now())
    world.clock.advance(days=5)
    await gone(world, one, seen=False)
    assert await edit(world, one, **NEVER_ENDS, **ELSEWHERE)
    assert await has_left(world, one, timedelta(hours=12))


async def test_somebody_else_has_a_grace_of_his_own(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await edit(world, one)
    await edit(world, one, PIPELINE, **NEVER_ENDS)
    assert await has_left(world, one, 12 * HOUR)


async def test_in_audit_mode_it_is_counted_alike(world: World, one: ExemptionId) -> None:
    world.ruleset = rules("audit", on={"expiry-missing": GRACE})
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, TEN)
    await edit(world, one)
    await edit(world, one, **NEVER_ENDS)
    assert (await world.row(one)).due == world.clock.time + 2 * HOUR
    await left_alone(world, one, 2 * HOUR)
    row = await world.row(one)
    assert (row.answer, row.due) == ("put-back", None)
    assert world.writes() == 0


# What edits are compared with

MANY = {"reverts": {"exemption": 20, "author": 99, "subscription": 99}, "fights": {"times": 20, "window": "1d"}}
"""Budgets that these tests do not use up."""


@pytest.fixture
def approved(world: World) -> ExemptionId:
    """Some months before the ends that these tests write."""
    world.clock.time = datetime(2027, 2, 1, 9, tzinfo=UTC)
    world.ruleset = rules(on={"expiry-extended": "revert", "expiry-missing": "alert"}, breaker=MANY)
    return world.id()


def ends(days: float, ticket: str = "SEC-1234", **more: Any) -> dict[str, Any]:
    end = datetime(2027, 6, 1, tzinfo=UTC) + timedelta(days=days)
    return {"expiresOn": spell_time(end), "metadata": {**APPROVAL, "approvalTicket": ticket, **more}}


async def test_a_day_with_each_edit_adds_up(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0))
    assert await edit(world, approved, **ends(1))
    assert not await edit(world, approved, **ends(2))
    assert (await world.properties(approved))["expiresOn"] == ends(1)["expiresOn"]
    for hours in (25, 30, 47):
        assert not await edit(world, approved, **ends(hours / 24)), hours
    assert await edit(world, approved, **ends(1), displayName="the same end")


async def test_an_earlier_end_is_what_later_ones_are_compared_with(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0))
    await edit(world, approved, **ends(-60))
    assert not await edit(world, approved, **ends(0))


async def test_a_new_ticket_renews_it_and_an_old_one_does_not(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0))
    assert await edit(world, approved, **ends(30, "SEC-2"))
    assert await edit(world, approved, **ends(31, "SEC-2"))
    for ticket in ("SEC-2", "SEC-1234", " sec-1234 ", "", "none"):
        assert not await edit(world, approved, **ends(60, ticket)), ticket
    assert await edit(world, approved, **ends(60, "SEC-3"))


async def test_a_very_long_ticket_is_no_new_one_each_time(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0, "SEC-1234 " + "x" * 300))
    assert not await edit(world, approved, **ends(30, "SEC-1234 " + "x" * 300))
    assert not await edit(world, approved, **ends(30, "SEC-1234 " + "x" * 300 + "y"))


async def test_deleted_and_made_again_it_is_compared_with_what_it_was(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0))
    await world.delete(approved)
    await world.look(approved)
    world.clock.advance(days=29)
    assert not await edit(world, approved, **ends(60))
    assert await world.body(approved) is None
    assert await edit(world, approved, **ends(60, "SEC-2"))


async def test_a_month_later_it_is_a_new_one(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0))
    await world.delete(approved)
    await world.look(approved)
    world.clock.advance(days=30)
    assert await edit(world, approved, **ends(60))


@pytest.mark.parametrize("seen", [True, False], ids=["the delete is seen", "it is not"])
async def test_by_another_assignment(world: World, approved: ExemptionId, seen: bool) -> None:
    await edit(world, approved, **ends(0))
    await gone(world, approved, seen=seen)
    assert await edit(world, approved, **ends(60), **ELSEWHERE)
    await gone(world, approved, seen=seen)
    assert not await edit(world, approved, **ends(60))
    assert await edit(world, approved, **ends(60), **ELSEWHERE)
    await gone(world, approved, seen=seen)
    assert await edit(world, approved, **ends(0))
    await gone(world, approved, seen=seen)
    assert not await edit(world, approved, **ends(90), **ELSEWHERE)


async def test_what_never_was_compliant_is_compared_too(world: World, approved: ExemptionId) -> None:
    world.ruleset = rules(on={"expiry-extended": "revert", "ticket-missing": "alert", "expiry-lost": "revert"})
    without = {"metadata": NO_TICKET}
    await edit(world, approved, **{**ends(0), **without})
    assert await edit(world, approved, **{**ends(1), **without})
    assert not await edit(world, approved, **{**ends(2), **without})
    assert (await world.properties(approved))["expiresOn"] == ends(1)["expiresOn"]
    assert not await edit(world, approved, **{**ends(0), **without, "expiresOn": None})


@pytest.fixture
async def unread(world: World, approved: ExemptionId) -> ExemptionId:
    """An exemption without an owner, whose assignment cannot be read: a rule that asks for a revert is Unknown."""
    world.ruleset = rules(on={"expiry-extended": "revert", "owner-missing": "alert", "whole-initiative": "revert"})
    read_no_more(world)
    await edit(world, approved, **ends(0, owner=""))
    assert set((await world.row(approved)).findings) == {"EXG203", "EXG302?"}
    return approved


def read_no_more(world: World) -> None:
    """Let the assignment be unreadable, and what was kept of it grow old."""
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)


async def read_again(world: World) -> None:
    """Let the assignment be read, and what was kept of it grow old."""
    world.arm.faults.reset()
    world.clock.advance(hours=1)


async def test_an_end_is_not_accepted_while_a_rule_that_asks_for_a_revert_is_unknown(
    world: World, unread: ExemptionId
) -> None:
    await read_again(world)
    assert await edit(world, unread, **ends(60))
    assert (await world.row(unread)).status is Status.COMPLIANT


async def test_nor_is_it_of_one_that_was_deleted_and_is_made_anew(world: World, unread: ExemptionId) -> None:
    await gone(world, unread)
    await read_again(world)
    assert await edit(world, unread, **ends(60))
    assert (await world.row(unread)).status is Status.COMPLIANT


async def test_an_end_is_accepted_once_the_rule_is_known(world: World, unread: ExemptionId) -> None:
    await read_again(world)
    assert set((await world.look(unread)).row.findings) == {"EXG203"}
    assert not await edit(world, unread, **ends(60))


@pytest.mark.parametrize("accepted", [True, False])
async def test_an_end_is_accepted_while_the_assignment_is_gone(
    world: World, approved: ExemptionId, accepted: bool
) -> None:
    on = {"expiry-extended": "revert", "whole-initiative": GRACE}
    world.ruleset = rules(on=on, tagging={"exemption": False, "scope": False})
    assert await edit(world, approved, **ends(0), **NO_MEMBER)
    assigned = world.azure()[tenant.ASSIGNMENT.lower()]
    if accepted:
        world.arm.store.remove(tenant.ASSIGNMENT.lower())
    world.clock.advance(hours=1)
    assert (await world.look(approved)).row.status is (Status.COMPLIANT if accepted else Status.VIOLATION)
    world.arm.seed(tenant.ASSIGNMENT, assigned)
    world.clock.advance(hours=1)
    await gone(world, approved)
    assert await edit(world, approved, **ends(60)) is not accepted
    assert await edit(world, approved, **ends(60, "SEC-2"))


async def edited_and_put_back(world: World, one: ExemptionId) -> None:
    assert not await edit(world, one, **ends(0, owner=""), **NO_MEMBER)


async def asked_to_be_reverted_for_a_while(world: World, one: ExemptionId) -> None:
    alone = world.ruleset
    world.ruleset = rules(on={"expiry-extended": "revert", "owner-missing": GRACE, "whole-initiative": "revert"})
    assert set((await world.look(one)).row.findings) == {"EXG203"}
    world.ruleset = alone


@pytest.mark.parametrize("between", [edited_and_put_back, asked_to_be_reverted_for_a_while])
async def test_whatever_made_the_rule_known_the_end_is_accepted_then(
    world: World, unread: ExemptionId, between: Callable[[World, ExemptionId], Awaitable[None]]
) -> None:
    await read_again(world)
    await between(world, unread)
    assert set((await world.look(unread)).row.findings) == {"EXG203"}
    read_no_more(world)
    assert set((await world.look(unread)).row.findings) == {"EXG203", "EXG302?"}
    await read_again(world)
    assert not await edit(world, unread, **ends(60))


async def test_where_it_is_only_notified_it_stays_notified(world: World, approved: ExemptionId) -> None:
    world.ruleset = rules(on={"expiry-extended": "alert", "ticket-missing": "alert"})
    without = {"metadata": NO_TICKET}
    await edit(world, approved, **{**ends(0), **without})
    for days in (20, 21, 22):
        await edit(world, approved, **{**ends(days), **without})
        assert "EXG103" in (await world.row(approved)).findings


async def test_what_was_extended_while_the_rule_was_off_is_not_held_against_it(
    world: World, approved: ExemptionId
) -> None:
    before, world.ruleset = world.ruleset, rules()
    await edit(world, approved, **ends(0))
    await edit(world, approved, **ends(5))
    await edit(world, approved, **ends(60))
    world.ruleset = before
    await world.settle(approved)
    assert (await world.row(approved)).status is Status.COMPLIANT
    assert await edit(world, approved, **ends(60), displayName="another name")
    assert not await edit(world, approved, **ends(62))


async def test_a_smaller_tolerance_takes_back_nothing_that_was_granted(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0))
    await edit(world, approved, **ends(1))
    strict = {"response": "revert", "options": {"tolerance_days": 0}}
    world.ruleset = rules(on={"expiry-extended": strict, "expiry-missing": "alert"})
    await world.settle(approved)
    assert (await world.row(approved)).status is Status.COMPLIANT
    assert await edit(world, approved, **ends(1), displayName="another name")


async def test_its_first_and_its_earliest_end_are_not_pushed_out_of_the_register(
    world: World, approved: ExemptionId
) -> None:
    world.ruleset = rules()
    await edit(world, approved, **ends(30))
    first = (await world.row(approved)).dates[0]
    await edit(world, approved, **ends(-50))
    for day in range(40):
        await edit(world, approved, **ends(day))
    dates = (await world.row(approved)).dates
    assert len(dates) == 20
    assert dates[0] == first
    assert spell_time(dates[1][1] or world.clock.time) == ends(-50)["expiresOn"]
    assert spell_time(dates[-1][1] or world.clock.time) == ends(39)["expiresOn"]
    assert [seen for seen, _ in dates] == sorted(seen for seen, _ in dates)


async def test_reminders_are_sent_however_the_end_moves(world: World, approved: ExemptionId) -> None:
    world.ruleset = rules()
    await edit(world, approved, expiresOn=in_days(world.clock, 40))
    kinds = []
    for day in range(40):
        end = in_days(world.clock, 40 - day) if day % 2 else in_days(world.clock, 40 - day + 0.01)
        await edit(world, approved, expiresOn=end)
        kinds += [one["notice"]["kind"] for one in await world.notices()]
        await world.forget()
        world.clock.advance(days=1)
    assert kinds.count("expiring") >= 4
