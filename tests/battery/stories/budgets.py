"""To flood, to fight, and what an operator holds."""

from typing import Any, Final

from tests.battery.actors import ALICE, EPAC, MALLORY, OWNER
from tests.battery.play import DAY, HOUR, MINUTE, Moves, Play, story

_KEPT: Final = {"mode": "always", "wait": "1m", "verify": "1m"}
_WIDE: Final = {"exemption": 20, "author": 99, "subscription": 99}


def _of(total: int = 100, **reverts: int) -> dict[str, Any]:
    return {"reverts_per_hour": total, "reverts": {**_WIDE, **reverts}}


@story(alone=True)
def rewritten_within_the_hour(play: Play) -> Moves:
    """Write it again each time it is reverted."""
    play.write(ALICE)
    yield MINUTE
    for number in range(6):
        play.bad(MALLORY, displayName=f"again {number}")
        yield MINUTE
    yield 2 * HOUR


@story(alone=True, breaker={**_of(), "fights": {"times": 2, "window": "1d"}})
def a_fight_over_hours(play: Play) -> Moves:
    """Write it again every half an hour."""
    for number in range(6):
        play.bad(MALLORY, displayName=f"again {number}")
        yield HOUR / 2


def _flood(play: Play, *actors: Any) -> None:
    for number, actor in enumerate(actors):
        play.bad(actor, play.id(f"story-{number}"))


@story(alone=True, breaker=_of(author=2))
def many_of_one_author(play: Play) -> Moves:
    """Write many that are bad."""
    for _ in range(2):
        _flood(play, *[MALLORY] * 5, ALICE)
        yield 10 * MINUTE


@story(alone=True, late=True, breaker=_of(author=1))
def some_that_wait_at_the_end(play: Play) -> Moves:
    """Write some that are bad, so that some wait."""
    _flood(play, *[MALLORY] * 4)
    yield 10 * MINUTE


@story(alone=True, breaker=_of(subscription=2))
def many_of_several(play: Play) -> Moves:
    """Write many that are bad, by several accounts, a while after the breaker was closed."""
    yield MINUTE
    _flood(play, MALLORY, ALICE, EPAC, OWNER)
    yield 10 * MINUTE


@story(alone=True, breaker=_of(author=2))
def a_crash_after_the_share(play: Play) -> Moves:
    """Let the process die between the share and the revert."""
    for worker in play.cloud.workers:
        worker.line.die_at(3, after=False)
    play.bad(MALLORY)
    yield 20 * MINUTE
    play.bad(MALLORY, play.id("story-second"))
    yield 10 * MINUTE


@story(alone=True, breaker=_of(author=2), expired={"delete_after_days": 0}, rules={"expired": "alert"})
def removals_and_reverts(play: Play) -> Moves:
    """Have some removed that have ended, and some reverted."""
    for number in range(3):
        play.write(MALLORY, play.id(f"story-ends-{number}"), expiresOn=play.days(0.05))
    yield 2 * HOUR
    yield play.sweep
    _flood(play, MALLORY, MALLORY)
    yield 10 * MINUTE


@story(alone=True, breaker={**_of(), "restores": {"exemption": 1, "author": 1}}, durability=_KEPT)
def deleted_again_and_again(play: Play) -> Moves:
    """Delete it each time it is put back."""
    play.write(OWNER)
    play.write(OWNER, play.id("story-second"))
    yield MINUTE
    for _ in range(3):
        for one in (play.one, play.id("story-second")):
            play.delete(MALLORY, one)
        yield 10 * MINUTE


@story(alone=True, late=True, breaker=_of(2))
def the_breaker_stays_open(play: Play) -> Moves:
    """Write so much that is bad that the breaker opens, and leave it so."""
    _flood(play, *[MALLORY] * 4)
    yield DAY + HOUR
    yield play.sweep
    yield DAY


# Holds


@story(rules={"expiry-missing": {"response": "revert", "grace": "1d"}})
def held_past_its_grace(play: Play) -> Moves:
    """Have it held for longer than the grace."""
    play.bad(MALLORY)
    yield MINUTE
    yield play.operator("hold", hours=72)
    yield 2 * DAY


@story()
def edited_during_a_hold(play: Play) -> Moves:
    """Edit what is held."""
    play.write(OWNER)
    yield MINUTE
    yield play.operator("hold", hours=72)
    play.bad(MALLORY)
    yield HOUR


@story(late=True, rules={"expiry-missing": "alert"})
def a_hold_that_ends(play: Play) -> Moves:
    """Have it held until a week from then."""
    play.bad(MALLORY)
    yield MINUTE
    yield play.operator("hold", hours=8 * 24)
    yield 1.2 * DAY
