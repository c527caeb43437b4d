"""What is in the register: rows of before, hands in it, bodies, what is begun there, and what operators restore."""

import json
import random
import zlib
from base64 import b64decode
from functools import cache
from pathlib import Path
from typing import Any, Final

from azure.core.exceptions import ServiceRequestError

from guardrails.register.keys import SWEEP, address
from sandbox import tenant
from tests.battery.actors import ALICE, MALLORY, OWNER
from tests.battery.line import Fault, Sent
from tests.battery.play import ALL_MEMBERS, ELSEWHERE, HOUR, METADATA, MINUTE, NO_TICKET, Moves, Play, story
from tests.battery.surroundings import GROUPS
from tests.reconcile.world import CORP

_ROWS: Final = Path(__file__).parents[2] / "register" / "fixtures" / "rows_of_before.json"
_HALF: Final = {"response": "revert", "grace": "12h"}
_KEPT: Final = {"mode": "collateral", "wait": "15m", "verify": "5m"}


def _value(value: Any) -> Any:
    return b64decode(value["base64"]) if isinstance(value, dict) else value


@story(
    early=True, alone=True, small=True, durability=_KEPT,
    rules={"expiry-missing": _HALF, "whole-initiative": _HALF, "expiry-extended": "revert"},
)  # fmt: skip
def rows_of_before(play: Play) -> Moves:
    """Go on with the register of an older version, of exemptions that it knew."""
    ids = {name: play.id(name) for name in ("in-grace", "approved", "never-good", "blocked", "held-2")}
    bodies: dict[str, Any] = {}
    known = {address(one).key for one in ids.values()}
    for row in json.loads(_ROWS.read_text("utf-8")):
        columns = {name: _value(value) for name, value in row.items()}
        place = columns.pop("PartitionKey"), columns.pop("RowKey")
        kind, _, key = place[1].partition("~")
        if kind not in ("state", "history") or key.partition("~")[0] in known:
            play.hand(*place, **columns)
            state = json.loads(str(columns.get("row", "{}")))
            play.people.ledger.sent_before |= set(state.get("outbox", ()))
            play.people.ledger.rulesets_before |= {state["ruleset"]} if state.get("ruleset") else set()
        if "body" in columns:
            said = json.loads(zlib.decompress(columns["body"]))["properties"]
            bodies[key.partition("~")[0]] = {"expiresOn": None, "policyDefinitionReferenceIds": None, **said}
    play.people.ledger.altered, play.people.ledger.open_before = 0, True
    play.weather = []
    for one in ids.values():
        play.write(ALICE, one, **bodies[address(one).key])
    play.write(ALICE, ids["never-good"], metadata=NO_TICKET, expiresOn=play.days(130))
    play.weather = None
    yield 10 * HOUR
    play.delete(ALICE, ids["approved"])
    play.write(ALICE, ids["in-grace"])
    yield MINUTE
    play.write(ALICE, ids["in-grace"], **ALL_MEMBERS)
    yield HOUR
    yield play.sweep
    yield play.close
    yield HOUR


@story(late=True)
def a_hand_in_the_row_of_sweeps(play: Play) -> Moves:
    """Write what is no time into the row that all sweeps share."""
    yield play.sweep
    play.hand(*SWEEP, started="soon")
    yield MINUTE


@story(late=True)
def a_hand_in_an_id(play: Play) -> Moves:
    """Write another's id into a row, and delete its exemption unseen."""
    other = play.id("story-other")
    play.write(OWNER)
    play.write(OWNER, other)
    yield MINUTE
    place = address(play.one)
    if not play.has(place.partition, place.state):
        return  # no process has got to it
    play.hand(place.partition, place.state, id=other.text)
    play.weather = []
    play.delete(MALLORY)
    yield HOUR


def _no_queue(sent: Sent) -> Fault | None:
    return Fault(ServiceRequestError("no connection")) if sent.what == "send_message" else None


@story(late=True)
def deleted_while_the_queue_is_away(play: Play) -> Moves:
    """Delete it while nothing can be put on a queue."""
    play.write(OWNER)
    yield MINUTE
    play.fault = _no_queue
    play.delete(MALLORY)
    yield 5.0
    play.cloud.lose_events()
    play.fault = None


@story(late=True)
def a_container_that_is_not_seen(play: Play) -> Moves:
    """Write it while nothing can be put on a queue, in a subscription that we may not read any more then."""
    apart = f"/subscriptions/{tenant.DEV}"
    one, here = play.id("story-apart", apart), f"{apart}{tenant.AUTHORIZATION}/policyAssignments/here"
    definition = f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls"
    play.cloud.arm.seed(f"{GROUPS}/apart/subscriptions/{tenant.DEV}")
    play.cloud.arm.seed(here, {"properties": {"policyDefinitionId": definition}})
    yield MINUTE
    play.fault = _no_queue
    play.write(MALLORY, one, metadata=NO_TICKET, policyAssignmentId=here, **ALL_MEMBERS)
    yield 5.0
    play.cloud.lose_events()
    play.fault = None
    play.people.around.seen = (tenant.SUBSCRIPTION, CORP)
    play.people.around.calm()


# Restores


@story()
def restored_twice(play: Play) -> Moves:
    """Have it restored twice."""
    play.write(OWNER)
    yield MINUTE
    play.bad(MALLORY)
    yield MINUTE
    yield play.operator("restore")
    yield MINUTE
    yield play.operator("restore")
    yield HOUR


@story(rules={"ticket-missing": "tag"})
def restored_at_a_management_group(play: Play) -> Moves:
    """Have a bad one restored where no event comes."""
    one = play.id("story-above", CORP)
    yield play.sweep
    yield 5 * MINUTE
    play.bad(MALLORY, one, **ELSEWHERE)
    yield MINUTE
    yield play.sweep
    yield play.operator("restore", one)
    yield HOUR


# Bodies


@story(small=True)
def many_edits(play: Play) -> Moves:
    """Edit it so often that not every body is kept, with a bad edit now and then."""
    for number in range(13):
        play.write(OWNER, description=f"edit {number}", metadata=METADATA if number < 3 else NO_TICKET)
        yield MINUTE
        if number % 4 == 3:
            play.bad(MALLORY, description=f"bad {number}")
            yield MINUTE


_MOST: Final = 1_300_000
"""Chinese characters, three bytes each: as much as Azure takes."""


@cache
def _noise(length: int) -> str:
    """Return so many Chinese characters, which no compression makes shorter by much."""
    return "".join(map(chr, random.Random(3).choices(range(0x4E00, 0x9C00), k=length)))  # noqa: S311


@story()
def almost_four_megabytes(play: Play) -> Moves:
    """Have metadata of several rows, at times as large as Azure takes them, and break what they are of."""
    play.existed(
        ALICE, metadata={**METADATA, "noise": _noise(play.chance.choice((60_000, _MOST, _MOST, _MOST, 90_000)))}
    )
    yield MINUTE
    play.bad(MALLORY)
    yield HOUR
