"""To win time: a grace that begins anew, an end that creeps."""

from typing import Any, Final

from sandbox.arm.faults import Fault
from tests.battery.actors import ALICE, MALLORY, OWNER
from tests.battery.play import ALL_MEMBERS, DAY, ELSEWHERE, HOUR, METADATA, MINUTE, NO_TICKET, Moves, Play, story

_GRACE: Final = {"response": "revert", "grace": "1d"}
_TWO: Final = {"expiry-missing": _GRACE, "whole-initiative": _GRACE}
_ONE: Final = {"expiry-missing": _GRACE}
_LONG: Final = {"expiry-missing": {"response": "revert", "grace": "20d"}}
_ENDS: Final = {"expiry-extended": "revert", "expiry-missing": "alert", "expiry-too-far": "alert"}
_UNREADABLE: Final = Fault(path="policyAssignments", method="GET", status=403, code="AuthorizationFailed")
_NOT_FOUND: Final = Fault(path="policyAssignments", method="GET", status=404, code="PolicyAssignmentNotFound")


def _broken(play: Play, hours: float, **changes: Any) -> Moves:
    """Have it broken for so long, and seen to be so at the end."""
    play.bad(MALLORY, **changes)
    yield hours * HOUR
    play.bad(MALLORY, displayName="as before", **changes)
    yield MINUTE


@story(rules=_TWO)
def two_rules_in_turn(play: Play) -> Moves:
    """Break one rule with grace, then another."""
    play.bad(MALLORY)
    yield 20 * HOUR
    play.write(MALLORY, **ALL_MEMBERS)
    yield HOUR
    play.bad(MALLORY)
    yield 6 * HOUR


@story(rules=_ONE)
def corrected_for_a_moment(play: Play) -> Moves:
    """Correct it for a moment, and break it again."""
    play.write(MALLORY)
    yield MINUTE
    yield from _broken(play, 20)
    play.write(MALLORY)
    yield MINUTE
    play.bad(MALLORY, displayName="again")
    yield HOUR


@story(rules=_TWO)
def unreadable_in_between(play: Play) -> Moves:
    """Let the assignment be unreadable for a while."""
    play.write(MALLORY, **ALL_MEMBERS)
    yield 20 * HOUR
    play.fails(_UNREADABLE)
    yield HOUR
    yield play.look
    play.fails()
    yield 2 * MINUTE
    yield play.look
    yield HOUR


@story(rules=_TWO)
def unreadable_for_long(play: Play) -> Moves:
    """Write it while its assignment cannot be read, for longer than the grace; then it can."""
    play.fails(_UNREADABLE)
    play.write(MALLORY, **ALL_MEMBERS)
    yield 30 * HOUR
    yield play.look
    play.fails()
    yield 2 * MINUTE
    yield play.look
    yield HOUR


@story(rules=_ONE)
def deleted_and_made_again(play: Play) -> Moves:
    """Delete it and make it again."""
    yield from _broken(play, 20)
    play.delete(MALLORY)
    yield HOUR
    play.bad(MALLORY, displayName="a new one")
    yield HOUR


@story(rules=_ONE)
def by_another_name(play: Play) -> Moves:
    """Make it again under another name."""
    yield from _broken(play, 20)
    play.delete(MALLORY)
    yield 10 * MINUTE
    play.bad(MALLORY, play.id("story-other"))
    yield HOUR


@story(rules=_ONE)
def by_another_assignment(play: Play) -> Moves:
    """Make it again from another assignment, and then from the first."""
    yield from _broken(play, 10)
    play.delete(MALLORY)
    yield 10 * MINUTE
    yield from _broken(play, 10, **ELSEWHERE)
    play.delete(MALLORY)
    yield 10 * MINUTE
    play.bad(MALLORY)
    yield HOUR


@story(rules=_ONE)
def excluded_for_a_while(play: Play) -> Moves:
    """Have it excluded for a while."""
    yield from _broken(play, 8)
    play.rule(exclusions=[{"scope": "/subscriptions/**", "reason": "for a while"}])
    yield play.look
    yield 8 * HOUR
    play.rule()
    yield play.look
    yield HOUR


@story(rules=_ONE)
def by_a_second_account(play: Play) -> Moves:
    """Let a second account edit what stays broken."""
    play.bad(MALLORY)
    yield 20 * HOUR
    play.bad(ALICE, displayName="mine now")
    yield HOUR


@story(rules=_ONE, alone=True, early=True)
def adopted_and_edited(play: Play) -> Moves:
    """Edit what was there before, and is allowed, after a longer time than the grace."""
    play.weather = []
    play.bad(MALLORY)
    yield MINUTE
    play.rule(adoption={"until": "2027-01-12"})
    yield play.sweep
    yield 2 * DAY
    play.weather = None
    play.bad(MALLORY, displayName="still without an end")
    yield HOUR


@story(rules=_LONG)
def toggling(play: Play) -> Moves:
    """Correct it and break it again, time after time."""
    for _ in range(7):
        play.bad(MALLORY)
        yield HOUR
        play.write(MALLORY)
        yield HOUR


# Ends


def _ticket(name: str) -> dict[str, Any]:
    return {**METADATA, "approvalTicket": name}


@story(rules=_ENDS)
def a_day_with_each_edit(play: Play) -> Moves:
    """Extend the end by a day with each edit."""
    for edit in range(5):
        play.write(OWNER, expiresOn=play.days(60 + 0.9 * edit))
        yield MINUTE


@story(rules=_ENDS)
def tickets_in_turn(play: Play) -> Moves:
    """Extend the end with a new ticket, and then with the old one."""
    for days, ticket in ((60, "SEC-1"), (90, "SEC-2"), (120, "SEC-1")):
        play.write(OWNER, expiresOn=play.days(days), metadata=_ticket(ticket))
        yield MINUTE


@story(rules=_ENDS, durability={"mode": "never"})
def a_later_end_when_made_again(play: Play) -> Moves:
    """Delete it and make it again with a later end; write others whose assignment is not found, or read, at first."""
    play.write(OWNER, expiresOn=play.days(60))
    yield MINUTE
    play.delete(OWNER)
    yield DAY
    play.write(OWNER, expiresOn=play.days(120))
    yield HOUR
    for name, fault, days in (("story-other", _NOT_FOUND, 60), ("story-far", _UNREADABLE, 500)):
        other = play.id(name)  # for a moment, its assignment seems to be gone, or is not known
        play.fails(fault)
        play.write(OWNER, other, expiresOn=play.days(days), **ALL_MEMBERS)
        yield MINUTE
        play.fails()
        yield 2 * MINUTE
        play.write(OWNER, other, expiresOn=play.days(2 * days))
        yield HOUR


@story(rules=_ENDS, durability={"mode": "never"})
def a_later_end_by_another_assignment(play: Play) -> Moves:
    """Make it again from another assignment, then from the first with a later end."""
    play.write(OWNER, expiresOn=play.days(60))
    yield MINUTE
    play.delete(OWNER)
    yield HOUR
    play.write(OWNER, expiresOn=play.days(120), **ELSEWHERE)
    yield MINUTE
    play.delete(OWNER)
    yield HOUR
    play.write(OWNER, expiresOn=play.days(120))
    yield HOUR


@story(rules={**_ENDS, "ticket-missing": "alert"})
def an_end_of_what_never_was_compliant(play: Play) -> Moves:
    """Extend the end of one that has no ticket."""
    for edit in range(4):
        play.write(OWNER, expiresOn=play.days(60 + 0.9 * edit), metadata=NO_TICKET)
        yield MINUTE


@story()
def many_ends(play: Play) -> Moves:
    """Move the end so often that the register cannot keep them all."""
    play.write(OWNER, expiresOn=play.days(30))
    yield MINUTE
    play.write(OWNER, expiresOn=play.days(10))
    yield MINUTE
    for days in range(40, 62):
        play.write(OWNER, expiresOn=play.days(days))
        yield MINUTE
