"""What a story is played with: somebody who wants something, step by step, and an operator, in a tenant that is calm.

    @story(rules={"expiry-missing": GRACE})
    def corrected_for_a_moment(play: Play) -> Moves:
        play.bad(MALLORY)       at once
        yield 20 * HOUR         a step: time passes, and what is due meanwhile is done
        play.write(MALLORY)
        yield play.sweep        a step: a process does it

A seed has one story, by its number. It begins in the midst of what happens by chance, and others act meanwhile.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from guardrails.decisions import bodies
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.register import dead_letters, unseen
from sandbox import tenant
from sandbox.tenant import Actor
from tests.battery import rulesets
from tests.battery.actors import ALICE, IDENTITIES, OWNER_UPN
from tests.battery.acts import People
from tests.battery.azure import Cloud, Event
from tests.battery.line import Fault, Sent
from tests.battery.worker import TABLE, Worker
from tests.reconcile.world import ABOVE
from tests.storage import Kept

if TYPE_CHECKING:
    from sandbox.arm.faults import Fault as Planned

type Work = Callable[[Worker], Coroutine[Any, Any, object]]
type Move = float | Work
"""Seconds that pass, or what a process does."""

type Moves = Iterator[Move]

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
METADATA: Final[Mapping[str, Any]] = {
    "owner": OWNER_UPN, "approvalTicket": "SEC-1234", "approver": "ciso@contoso.com",
}  # fmt: skip
NO_TICKET: Final = {name: value for name, value in METADATA.items() if name != "approvalTicket"}
FOR_EVER: Final[Mapping[str, Any]] = {"expiresOn": None}
ALL_MEMBERS: Final[Mapping[str, Any]] = {"policyDefinitionReferenceIds": None}
ELSEWHERE: Final[Mapping[str, Any]] = {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}
SMALL: Final = (
    (bodies, "KEPT", 2), (bodies, "SLACK", 1), (bodies, "UNCOUNTED", 3), (unseen, "MOST", 3), (dead_letters, "MOST", 3),
)  # fmt: skip
"""Limits that a story comes to, as small as it takes."""


@dataclass(frozen=True, slots=True)
class Story:
    """One of them.

    Attributes:
        moves: what happens.
        ruled: the ruleset that is in force while it lasts: what is to be different.
        early: whether it begins before anything else has happened.
        late: whether nothing comes after it but the end.
        alone: whether no other ruleset comes into force in its history.
        small: whether the limits of the register are small.
    """

    moves: Callable[["Play"], Moves]
    ruled: Mapping[str, Any]
    early: bool = False
    late: bool = False
    alone: bool = False
    small: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.moves.__name__

    def limits(self) -> ExitStack:
        """Return what makes the limits small that it comes to."""
        stack = ExitStack()
        for place, name, value in SMALL if self.small else ():
            stack.enter_context(patch.object(place, name, value))
        return stack


def story(
    *, early: bool = False, late: bool = False, alone: bool = False, small: bool = False, **ruled: Any
) -> Callable[[Callable[["Play"], Moves]], Story]:
    """Return what makes a story of its moves."""
    return lambda moves: Story(moves, ruled, early, late, alone, small)


@dataclass
class Play:
    """A story's world.

    Attributes:
        one: the exemption that it is about; `id` names others.
        fault: says what goes wrong with a request of the service; None: nothing does.
        weather: says when events come, in seconds; None: at once.
    """

    cloud: Cloud
    people: People
    chance: Random
    one: ExemptionId = field(init=False)
    fault: Callable[[Sent], Fault | None] | None = None
    weather: Sequence[float] | None = None
    _ruled: Mapping[str, Any] = field(default_factory=dict)
    _doing: list[asyncio.Future[object]] = field(default_factory=list)

    def begin(self, story: Story) -> Moves:
        """Begin: nothing is in the way, and the story's ruleset is in force."""
        self.people.calm()
        self.one, self._ruled = self.id("story"), story.ruled
        self.rule()
        if not story.early:
            yield self.close
        yield from story.moves(self)
        self.fault, self.weather = None, None

    # Azure

    def id(self, name: str, scope: str = tenant.RESOURCE) -> ExemptionId:
        """Return an exemption with this name, at a scope that is there."""
        one = ExemptionId.parse(tenant.exemption_id(scope, name))
        if one not in self.people.ids:
            self.people.ids.append(one)
        if scope.startswith(tenant.SUBSCRIPTION) and scope.lower() not in self.cloud.arm.store.entries:
            self.people.around.target(scope, gone=False)
        return one

    def days(self, days: float) -> str:
        """Return the time so many days from now, as ARM spells it."""
        return spell_time((self.cloud.now() + timedelta(days=days)).replace(microsecond=0))

    def write(self, actor: Actor, one: ExemptionId | None = None, **changes: Any) -> None:
        """Write an exemption that breaks no rule, with properties changed; None takes one out."""
        self.cloud.note(self.people.send(actor, one or self.one, self._said(changes), "writes"))

    def _said(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "expiresOn": self.days(120), "metadata": dict(METADATA), "policyAssignmentId": tenant.ASSIGNMENT,
            "policyDefinitionReferenceIds": ["denyPublicNetwork"], **changes,
        }  # fmt: skip

    def existed(self, actor: Actor, **changes: Any) -> None:
        """Have it there, as somebody wrote it before, with an event that says so: nobody asks whether he may."""
        now, by = spell_time(self.cloud.now()), IDENTITIES[actor.name]
        system = {"createdBy": by, "createdByType": "User", "createdAt": now}
        system |= {"lastModifiedBy": by, "lastModifiedByType": "User", "lastModifiedAt": now}
        said = {**self._said(changes), "exemptionCategory": "Waiver"}
        self.cloud.arm.seed(self.one.text, {"properties": said, "systemData": system})
        self.people.ledger.existed(self.one, self.cloud.body(self.one) or {})
        self.event(self.one.text, "Write", by)

    def bad(self, actor: Actor, one: ExemptionId | None = None, **changes: Any) -> None:
        """Write it without an end."""
        self.write(actor, one, **{**FOR_EVER, **changes})

    def delete(self, actor: Actor, one: ExemptionId | None = None) -> None:
        """Delete it."""
        self.cloud.note(self.people.delete(actor, one or self.one))

    def target(self, *, gone: bool) -> None:
        """Delete the target of exemptions with all of them, or make it again."""
        self.cloud.note(self.people.around.target(tenant.RESOURCE, gone=gone))

    def fails(self, *faults: "Planned") -> None:
        """Let Resource Manager fail in these ways from now on, and in no others."""
        self.cloud.arm.faults.rules[:] = faults

    def event(self, one: str, verb: str, actor: str) -> None:
        """Send an event that nothing in Azure has caused."""
        self.people.around.send_event(one, verb, actor)

    def again(self, event: Event) -> None:
        """Deliver an event once more."""
        self.cloud.events.append(Event(event.text, self.cloud.loop.seconds, event.about_exemption))

    def has(self, partition: str, row: str) -> bool:
        """Whether the register has a row."""
        return (partition, row) in self.cloud.account.tables.get(TABLE, {})

    def hand(self, partition: str, row: str, /, **columns: Any) -> None:
        """Change columns of a row of the register, as somebody who may write to the table."""
        table = self.cloud.account.tables.setdefault(TABLE, {})
        kept = table.get((partition, row))
        table[partition, row] = Kept({**(kept.columns if kept else {}), **columns})
        self.people.ledger.altered += 1

    def rule(self, **more: Any) -> None:
        """Put the story's ruleset in force, with some of it changed."""
        self.cloud.rule(rulesets.composed({**self._ruled, **more}))

    # What processes do

    async def sweep(self, worker: Worker) -> None:
        """Sweep."""
        await self.cloud.sweep(worker)

    async def close(self, worker: Worker) -> None:
        """Close the breaker."""
        await self.people.operators.do(worker, "close", self.one)

    def operator(self, what: str, one: ExemptionId | None = None, hours: float = 0) -> Work:
        """Let an operator do something: restore, hold, reconcile, ...; `hours`: how long a hold lasts."""
        return partial(self._operated, what=what, one=one or self.one, hours=hours)

    async def _operated(self, worker: Worker, what: str, one: ExemptionId, hours: float) -> None:
        await self.people.operators.do(worker, what, one, hours)

    def meanwhile(self, move: Work) -> Work:
        """Let a process begin something, and go on meanwhile."""

        async def begin(worker: Worker) -> None:
            self._doing.append(asyncio.ensure_future(move(worker)))
            await asyncio.sleep(0)

        return begin

    @property
    def look(self) -> Work:
        """Let an operator have the exemption looked at."""
        return self.operator("reconcile")


__all__ = [
    "ALICE", "ALL_MEMBERS", "DAY", "ELSEWHERE", "FOR_EVER", "HOUR", "METADATA", "MINUTE", "NO_TICKET", "Moves", "Play",
    "Story", "story",
]  # fmt: skip
