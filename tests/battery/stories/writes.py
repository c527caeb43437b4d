"""Where Azure does not allow a write, fails at it, or breaks off its answer."""

from sandbox import tenant
from sandbox.arm.faults import Fault
from tests.battery.actors import ALICE, MALLORY
from tests.battery.line import Fault as Broken
from tests.battery.line import Sent
from tests.battery.play import DAY, HOUR, MINUTE, Moves, Play, story


@story()
def refused_by_something_new(play: Play) -> Moves:
    """Have the revert refused once, by an error that nobody knows."""
    play.fails(Fault(path="policyExemptions/story", method="DELETE", status=409, code="SomethingNew", count=1))
    play.bad(MALLORY)
    yield HOUR


@story(late=True)
def locked_for_long(play: Play) -> Moves:
    """Lock it for some days, and edit it meanwhile."""
    play.cloud.arm.lock(tenant.RESOURCE, "CanNotDelete")
    play.bad(MALLORY)
    yield DAY + HOUR
    play.bad(MALLORY, displayName="still locked")
    yield 9 * DAY


@story()
def answers_that_break_off(play: Play) -> Moves:
    """Have the answers to writes break off."""

    def breaks_off(sent: Sent) -> Broken | None:
        return Broken(cut=True) if sent.what == "PUT" else None

    play.write(ALICE)
    yield MINUTE
    play.fault = breaks_off
    play.bad(MALLORY)
    yield MINUTE
    play.fault = None
    yield HOUR
