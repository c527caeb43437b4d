"""To delete what is another's, in another's name, or unnoticed."""

from datetime import timedelta
from typing import Any, Final

from sandbox import tenant
from sandbox.arm.faults import Fault
from tests.battery.actors import MALLORY, OWNER, OWNER_UPN
from tests.battery.line import Fault as Slow
from tests.battery.line import Sent
from tests.battery.play import ELSEWHERE, HOUR, MINUTE, Moves, Play, story

_KEPT: Final = {"mode": "collateral", "wait": "15m", "verify": "5m"}


@story(durability={**_KEPT, "verify": "20m"})
def in_its_owners_name(play: Play) -> Moves:
    """Delete it, and have an event say before the activity log knows it that its owner did."""
    play.write(OWNER)
    yield MINUTE
    play.cloud.arm.activity.lag = timedelta(minutes=10)
    play.weather = []
    play.delete(MALLORY)
    play.event(play.one.text, "Delete", OWNER_UPN)
    yield 2 * HOUR
    play.cloud.arm.activity.lag = timedelta()


@story(durability={**_KEPT, "verify": "20m"})
def by_a_delete_of_before(play: Play) -> Moves:
    """Let it go with its target, once its owner had deleted and remade it."""
    play.write(OWNER)
    yield MINUTE
    play.delete(OWNER)
    yield HOUR
    play.write(OWNER)
    yield 20 * MINUTE
    play.weather = []
    play.target(gone=True)
    play.event(play.one.text, "Delete", OWNER_UPN)
    yield HOUR
    play.target(gone=False)


@story(durability=_KEPT)
def an_old_event_again(play: Play) -> Moves:
    """Deliver an old event of a delete once more after a later one."""
    play.write(OWNER)
    yield MINUTE
    play.fails(Fault(path="eventtypes", method="GET", status=403, code="AuthorizationFailed"))
    play.weather = [0.0]  # it comes, in a rough history too
    play.delete(MALLORY)
    old = play.cloud.events[-1:]  # none where somebody was quicker
    play.weather = None
    yield HOUR
    play.weather = []
    play.delete(MALLORY)
    for event in old:
        play.again(event)
    yield HOUR
    play.fails()


@story(durability=_KEPT)
def made_anew_while_lost(play: Play) -> Moves:
    """Delete an approved one, and make it anew, and bad."""
    play.write(OWNER)
    yield MINUTE
    play.delete(MALLORY)
    yield MINUTE
    play.bad(MALLORY, displayName="mine")
    yield HOUR


@story(durability=_KEPT)
def made_anew_from_another_assignment(play: Play) -> Moves:
    """Delete an approved one, and make another under its name."""
    play.write(OWNER)
    yield MINUTE
    play.delete(MALLORY)
    yield MINUTE
    play.bad(MALLORY, **ELSEWHERE)
    yield HOUR


@story(durability=_KEPT)
def a_bad_twin(play: Play) -> Moves:
    """Delete an approved one, and make a bad one beside it that cannot be reverted."""
    play.write(OWNER)
    yield MINUTE
    play.delete(MALLORY)
    yield MINUTE
    play.cloud.arm.lock(tenant.RESOURCE, "CanNotDelete")
    play.bad(MALLORY, play.id("story-twin"))
    yield HOUR
    play.cloud.arm.unlock(tenant.RESOURCE)


def _kept(play: Play) -> Any:
    return play.cloud.arm.store.entries[play.one.key]


@story(durability=_KEPT)
def shown_once_more(play: Play) -> Moves:
    """Have Azure show what is gone, once its delete is accepted."""
    play.write(OWNER)
    yield MINUTE
    old = _kept(play)
    play.delete(OWNER)
    yield 20 * MINUTE
    play.cloud.arm.store.put(old)  # what an older copy of Azure's shows
    yield play.look
    play.cloud.arm.store.remove(play.one.key)
    yield play.look
    yield HOUR


@story(durability=_KEPT)
def shown_once_more_by_one_answer(play: Play) -> Moves:
    """Have one answer of Azure show what is gone, once its delete is accepted."""
    play.write(OWNER)
    yield MINUTE
    store, old, answers = play.cloud.arm.store, _kept(play), [0]
    play.delete(OWNER)
    yield 20 * MINUTE
    store.put(old)

    def up_to_date(sent: Sent) -> None:
        answers[0] += (sent.what, sent.port) == ("GET", "Arm.get")
        if answers[0] == 2:
            store.remove(old.target.key)

    play.fault = up_to_date
    yield play.look
    play.fault = None
    store.remove(old.target.key)
    yield play.look
    yield HOUR


@story(durability={"mode": "collateral", "wait": "15m", "verify": "1m"})
def deleted_while_somebody_looks(play: Play) -> Moves:
    """Delete it while a process that looks at it waits for the register, and have that accepted meanwhile."""
    play.write(OWNER)
    yield MINUTE
    slow = [Slow(delay=100.0)]

    def waits(sent: Sent) -> Slow | None:
        return slow.pop() if slow and sent.port == "Register.read" else None

    play.fault = waits
    yield play.meanwhile(play.look)
    play.fault = None
    play.delete(OWNER)
    yield 20 * MINUTE
    yield play.look
    yield HOUR
