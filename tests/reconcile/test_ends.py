"""Who may write one exemption cannot move its end in small steps: later edits are compared with what was accepted."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from sandbox.tenant import APPROVAL
from tests.reconcile.clocks import edit, gone
from tests.reconcile.world import ABOVE, NO_TICKET, World, in_days, rules

NO_MEMBER: Mapping[str, Any] = {"policyDefinitionReferenceIds": None}
ELSEWHERE: Mapping[str, Any] = {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}
GRACE = {"response": "revert", "grace": "12h"}

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


async def test_nor_of_what_belonged_to_a_protected_owner_when_the_rule_was_unknown(
    world: World, approved: ExemptionId
) -> None:
    """It breaks the rule, as a look before and a look after find; in between the rule is Unknown."""
    on = {"expiry-extended": "revert", "owner-missing": "alert", "whole-initiative": "revert"}
    world.ruleset = rules(on=on, owners=[{"name": "EPAC", "metadata": {"pacOwnerId": "*"}}])
    await edit(world, approved, **ends(0, owner="", pacOwnerId="y"), **NO_MEMBER)
    read_no_more(world)
    assert set((await world.look(approved)).row.findings) == {"EXG203", "EXG302?"}
    await read_again(world)
    assert set((await world.look(approved)).row.findings) == {"EXG203", "EXG302"}
    assert await edit(world, approved, **ends(60))
    assert (await world.row(approved)).status is Status.COMPLIANT


@pytest.fixture
async def unassigned(world: World, approved: ExemptionId) -> ExemptionId:
    """An exemption from a whole initiative, whose assignment is gone: nothing is known of what it exempts from."""
    world.ruleset = rules(on={"expiry-extended": "revert", "whole-initiative": "revert"}, breaker=MANY)
    world.fault("GET", "policyAssignments", status=404, code="PolicyAssignmentNotFound")
    assert await edit(world, approved, **ends(0), **NO_MEMBER)
    assert (await world.row(approved)).status is Status.COMPLIANT
    return approved


async def test_no_first_end_is_accepted_while_the_assignment_is_gone(world: World, unassigned: ExemptionId) -> None:
    await read_again(world)
    await world.settle(unassigned)
    assert await world.body(unassigned) is None
    assert await edit(world, unassigned, **ends(60))
    assert not await edit(world, unassigned, **ends(90))


async def test_nor_is_it_where_nobody_looks_before_the_next_edit(world: World, unassigned: ExemptionId) -> None:
    await read_again(world)
    assert await edit(world, unassigned, **ends(60))
    assert not await edit(world, unassigned, **ends(90))


async def test_nor_is_an_earlier_one(world: World, approved: ExemptionId) -> None:
    await edit(world, approved, **ends(0))
    world.clock.advance(hours=1)
    world.fault("GET", "policyAssignments", status=404, code="PolicyAssignmentNotFound")
    assert await edit(world, approved, **ends(-60), **NO_MEMBER)
    await read_again(world)
    assert await edit(world, approved, **ends(0), displayName="corrected")
    assert not await edit(world, approved, **ends(60))


async def test_it_is_accepted_once_the_assignment_is_there_again(world: World, approved: ExemptionId) -> None:
    world.fault("GET", "policyAssignments", status=404, code="PolicyAssignmentNotFound")
    assert await edit(world, approved, **ends(0))
    await read_again(world)
    await world.look(approved)
    assert not await edit(world, approved, **ends(60))
    assert await edit(world, approved, **ends(60, "SEC-2"))


@pytest.mark.parametrize("by", ["a new ticket", "a ruleset without the rule"])
async def test_a_later_end_is_accepted_though_the_assignment_is_gone(
    world: World, approved: ExemptionId, by: str
) -> None:
    before = world.ruleset
    await edit(world, approved, **ends(0))
    world.clock.advance(hours=1)
    world.fault("GET", "policyAssignments", status=404, code="PolicyAssignmentNotFound")
    world.ruleset = before if by == "a new ticket" else rules()
    assert await edit(world, approved, **ends(60, "SEC-2" if by == "a new ticket" else "SEC-1234"))
    world.ruleset = before
    for _ in range(2):
        await world.settle(approved)
        assert (await world.row(approved)).status is Status.COMPLIANT
        assert (await world.properties(approved))["expiresOn"] == ends(60)["expiresOn"]
        await read_again(world)
    assert not await edit(world, approved, **ends(90, "SEC-2" if by == "a new ticket" else "SEC-1234"))


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
