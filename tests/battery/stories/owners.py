"""To be taken for an owner, or for somebody who may delete it."""

from typing import Any, Final

from sandbox.arm.faults import Fault
from tests.battery.actors import ALICE, EPAC, EPAC_ID, MALLORY, OWNER
from tests.battery.play import HOUR, METADATA, MINUTE, NO_TICKET, Moves, Play, story
from tests.battery.rulesets import CLAIM, ROUTES

_CLAIMED: Final = [{"name": "EPAC", "metadata": {CLAIM: "*"}}]
_BOTH: Final = [{"name": "EPAC", "metadata": {CLAIM: "*"}, "authors": [EPAC_ID]}]
_KEPT: Final = {"mode": "collateral", "wait": "15m", "verify": "5m"}
_SELF: Final = {**METADATA, "owner": "mallory@contoso.com"}


def _says(name: str = "x") -> dict[str, Any]:
    return {"metadata": {**METADATA, CLAIM: name}}


@story(owners=_BOTH)
def a_claim_where_authors_are_named(play: Play) -> Moves:
    """Claim an owner that names its authors; its author leaves the claim out."""
    play.bad(MALLORY, **_says())
    yield MINUTE
    play.bad(EPAC, play.id("story-epac"))
    yield MINUTE


@story(owners=_CLAIMED, notices=ROUTES[2])
def a_claim_in_small_steps(play: Play) -> Moves:
    """Add the claim by an edit that breaks nothing, and break it then."""
    play.write(ALICE)
    yield MINUTE
    for name in ("x", "a", "b"):
        play.write(MALLORY, **_says(name), **({} if name == "x" else {"expiresOn": None}))
        yield MINUTE
    play.bad(MALLORY, play.id("story-new"), **_says())
    yield MINUTE


@story(owners=_CLAIMED)
def what_the_owner_wrote(play: Play) -> Moves:
    """Edit what is an owner's, and bad."""
    play.write(EPAC, **_says())
    yield MINUTE
    play.bad(EPAC, **_says(), displayName="as the tool has it")
    yield MINUTE
    play.bad(MALLORY, **_says(), displayName="for ever")
    yield MINUTE


@story(owners=_CLAIMED)
def the_name_taken_off(play: Play) -> Moves:
    """Take the owner's name off it, and break it then."""
    play.write(EPAC, **_says())
    yield MINUTE
    play.write(MALLORY)
    yield MINUTE
    play.bad(MALLORY, displayName="nobody's, for ever")
    yield MINUTE


@story(owners=_CLAIMED, durability={"mode": "never"})
def by_the_name_of_an_owners(play: Play) -> Moves:
    """Make anew what an owner's tool has deleted."""
    play.write(EPAC, **_says())
    yield MINUTE
    play.delete(EPAC)
    yield HOUR
    play.bad(MALLORY, **_says())
    yield MINUTE
    play.bad(EPAC, **_says(), displayName="the tool's again")
    yield MINUTE


@story()
def another_owner_is_named(play: Play) -> Moves:
    """Name oneself its owner in a bad edit."""
    play.write(OWNER)
    yield MINUTE
    play.bad(MALLORY, metadata=_SELF)
    yield MINUTE


@story()
def a_tag_of_the_future(play: Play) -> Moves:
    """Write our tag oneself, with a time to come."""
    for name, since in (("story", "2999-01-01T00:00:00Z"), ("story-two", "for ever")):
        tag = {"status": "violation", "codes": ["EXG999"], "since": since}
        play.write(MALLORY, play.id(name), metadata={**NO_TICKET, "guardrails": tag})
        yield MINUTE


# The right to delete


@story(durability=_KEPT)
def a_right_by_an_edit(play: Play) -> Moves:
    """Name oneself its owner by an edit that breaks nothing, and delete it."""
    play.write(OWNER)
    yield MINUTE
    play.write(MALLORY, metadata=_SELF)
    yield MINUTE
    play.delete(MALLORY)
    yield HOUR


@story(durability=_KEPT)
def not_to_be_restored(play: Play) -> Moves:
    """Write that it is not to be restored, and delete it."""
    play.write(OWNER)
    yield MINUTE
    play.write(MALLORY, metadata={**METADATA, "guardrails": {"restore": False}})
    yield MINUTE
    play.delete(MALLORY)
    yield HOUR


@story(durability=_KEPT)
def a_right_by_making_it_anew(play: Play) -> Moves:
    """Make a lost one anew, in one's own name, and delete it once more."""
    play.write(OWNER)
    yield MINUTE
    for _ in range(2):
        play.delete(MALLORY)
        yield 2 * MINUTE
        play.write(MALLORY, metadata=_SELF)
        yield HOUR
    play.delete(MALLORY)
    yield HOUR


@story(durability=_KEPT)
def the_right_of_a_group(play: Play) -> Moves:
    """Delete a team's, in the team's name, while the activity log cannot be read."""
    play.write(OWNER, metadata={**METADATA, "owner": "Platform team"})
    yield MINUTE
    play.fails(Fault(path="eventtypes", method="GET", status=403, code="AuthorizationFailed"))
    play.weather = []
    play.delete(MALLORY)
    play.event(play.one.text, "Delete", "Platform team")
    yield HOUR
    play.fails()


@story(owners=_CLAIMED, durability=_KEPT)
def left_to_a_tool(play: Play) -> Moves:
    """Claim a tool's owner by an edit that breaks nothing, and delete it: a tool puts back its own."""
    play.write(OWNER)
    yield MINUTE
    play.write(MALLORY, **_says())
    yield MINUTE
    play.delete(MALLORY)
    yield HOUR
