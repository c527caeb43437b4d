"""Ids that lead elsewhere, name nothing, or look like another; answers about something else."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from sandbox import tenant
from sandbox.arm.faults import Fault
from tests.battery.actors import ALICE, IDENTITIES, MALLORY, OWNER
from tests.battery.azure import Cloud, Event
from tests.battery.play import HOUR, METADATA, MINUTE, Moves, Play, story

_OF: Final = f"{tenant.AUTHORIZATION}/policyExemptions/"
_ELSEWHERE: Final = f"{tenant.SUBSCRIPTION}/resourceGroups/elsewhere"


class _OneLine(logging.Handler):
    """Notes what is in the log with more than one line, or with signs that are none."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(logging.INFO)
        self._cloud = cloud

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record."""
        if not record.getMessage().isprintable():
            self._cloud.defects.append(f"in the log: {record.getMessage()!r:.200}")


@contextmanager
def _logged(play: Play) -> Iterator[None]:
    """Look at what is logged meanwhile."""
    log, handler, disabled = logging.getLogger("guardrails"), _OneLine(play.cloud), logging.root.manager.disable
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logging.disable(disabled)
        log.removeHandler(handler)
        log.level, log.propagate = before


@story()
def forged_ids(play: Play) -> Moves:
    """Send events whose ids lead to another exemption, or write a line of the log."""
    play.bad(MALLORY)
    yield MINUTE
    play.write(ALICE)
    yield MINUTE
    name = f"{_OF}story"
    with _logged(play):
        for one in (
            f"{tenant.RESOURCE}{_OF}x/../story", f"{tenant.RESOURCE}/../partnerdrop{name}",
            f"{tenant.RESOURCE}/.{name}", f"{_ELSEWHERE}/../partner-ingestion{name}",
            f"{tenant.RESOURCE}{name}\nguardrails: all is well",
        ):  # fmt: skip
            play.event(one, "Write", IDENTITIES[MALLORY.name])
        play.again(Event('{"id": "one\\nguardrails: all is well"}', 0.0, about_exemption=True))
        yield MINUTE


@story()
def the_sign_of_kelvin(play: Play) -> Moves:
    """Send an event about a name that looks like another."""
    play.write(OWNER, play.id("kiosk"))
    yield HOUR
    play.event(f"{tenant.RESOURCE}{_OF}\u212aiosk", "Write", IDENTITIES[MALLORY.name])
    yield HOUR


@story()
def another_ones_answer(play: Play) -> Moves:
    """Have Azure answer with another exemption."""
    other = play.id("story-other")
    play.write(OWNER, other)
    yield MINUTE
    play.fails(Fault(path="policyExemptions/story$", method="GET", instead=other.text, count=2))
    play.write(MALLORY)
    yield MINUTE
    play.fails()
    yield HOUR


@story()
def a_malformed_assignment(play: Play) -> Moves:
    """Have one that is from an assignment that no id can name."""
    now = spell_time(play.cloud.now())
    system = {"createdBy": IDENTITIES[ALICE.name], "createdAt": now}
    system |= {"lastModifiedBy": IDENTITIES[ALICE.name], "lastModifiedAt": now}
    one = ExemptionId.parse(f"{tenant.RESOURCE}{_OF}story-two")
    said = {"metadata": dict(METADATA), "exemptionCategory": "Waiver", "expiresOn": play.days(120)}
    said["policyAssignmentId"] = f"{tenant.GROUP}{tenant.AUTHORIZATION}/policyAssignments/\ud800"
    play.cloud.arm.seed(one.text, {"properties": said, "systemData": system})
    play.event(one.text, "Write", IDENTITIES[ALICE.name])
    yield 3 * HOUR
    play.cloud.arm.store.remove(one.key)
    play.event(one.text, "Delete", IDENTITIES[ALICE.name])
    yield HOUR


@story()
def ids_of_nothing(play: Play) -> Moves:
    """Send events about exemptions that never were."""
    for number in range(4):
        play.event(f"{tenant.RESOURCE}{_OF}none-{number}", "Delete", IDENTITIES[MALLORY.name])
    yield HOUR


@story(small=True)
def ids_that_cannot_be_read(play: Play) -> Moves:
    """Send events about many exemptions that we may not read."""
    play.fails(Fault(path="policyExemptions/secret", method="GET", status=403, code="AuthorizationFailed"))
    for number in range(8):
        play.event(f"{tenant.RESOURCE}{_OF}secret-{number}", "Write", IDENTITIES[MALLORY.name])
        yield 1.0
    yield HOUR
    play.fails()


@story(small=True)
def events_that_are_none(play: Play) -> Moves:
    """Send many events that are none."""
    for number in range(8):
        play.again(Event(f'{{"id": {number}}}', 0.0, about_exemption=True))
        yield 1.0
    yield HOUR
