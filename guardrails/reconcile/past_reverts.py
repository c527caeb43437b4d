"""Past reverts: would today's judgement make a revert that was made? Reads only: changes, records, notifies nothing.

A past revert is judged again as it was judged then: the body that it took away and what the register knew before it, at
that time, in enforce mode. Only what judges is today's: rules, ruleset, and the assignment as Azure evaluates it now.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, cast

from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import Verdict
from guardrails.decisions.decide import Plan, PutBack
from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Status, Stored
from guardrails.errors import Permanent
from guardrails.exemption.body import fingerprint
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Unread
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import Exemption
from guardrails.exemption.sources import Source
from guardrails.ports import Arm
from guardrails.reconcile.restore import version, vouch
from guardrails.reconcile.visit import ADOPTED, Look, Visit
from guardrails.ruleset.model import Mode

REVERT_EVENTS: Final = {"reverted": "delete", "put-back": "put-back", "removed": "remove"}
"""The events of the history that record a revert, and what was done."""


class Hindsight(StrEnum):
    """What today's judgement says of a past revert. Not judged is neither: something that it rests on is not known."""

    MISTAKE = "mistake"
    RIGHT = "right"
    NOT_JUDGED = "not-judged"


class Since(StrEnum):
    """What became of an exemption since it was reverted.

    OPEN: what the revert left is what there is. BACK: what it took away was there again. CHANGED: somebody has written
    something else, or deleted what was left.
    """

    OPEN = "open"
    BACK = "back"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Revert:
    """A revert as the history records it.

    Attributes:
        done: the entry that records it; its row names the entry that keeps what was taken away.
        decided: the entry just before the write, with findings and reasons, and the row as it was judged.
        before: the row that the register had before; None where it did not know the exemption.
    """

    done: HistoryEntry
    decided: HistoryEntry
    before: Row | None

    @property
    def did(self) -> str:
        """What was done: delete, put-back or remove."""
        return REVERT_EVENTS[self.done.event]

    @property
    def violations(self) -> list[Mapping[str, Any]]:
        """The violations that were found then, in their JSON form; [] for a removal, and where the history cut them."""
        found = self.decided.facts.get("findings")
        listed = found if isinstance(found, list) and self.did != "remove" else []
        return [one for one in listed if isinstance(one, Mapping) and one.get("status") == Verdict.VIOLATION]


@dataclass(frozen=True, slots=True)
class Judged:
    """A past revert, judged again.

    Attributes:
        seq: the number of the history entry that records it.
        hindsight: what is said of it today.
        since: what became of it; open where that is not known.
        revert: None where the history does not vouch for it.
        problem: why it is not judged; "" where it is.
        look: the look that judged it; None where there was none.
        entry: the number of the history entry whose body undoes it, by `restore --at`; None where none does.
        undone: the exemption once it is undone; None where `entry` is.
    """

    seq: int
    hindsight: Hindsight
    since: Since = Since.OPEN
    revert: Revert | None = None
    problem: str = ""
    look: Look | None = None
    entry: int | None = None
    undone: Exemption | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody is to look at it: it is not known to be right, and it is in effect."""
        return self.hindsight is not Hindsight.RIGHT and self.since is Since.OPEN


@dataclass(frozen=True, slots=True)
class _Then:
    """ports.Clock, stopped in the past."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class _ReadOnce:
    """What a look needs of ports.Arm. One read of an assignment, or of a policy, serves all looks back.

    Nothing is done by any of them.
    """

    arm: Arm

    @property
    def source(self) -> Source:
        return self.arm.source

    async def assignment(self, assignment_id: str, **_: object) -> Assignment | Gone | Unread:
        return await self.arm.assignment(assignment_id)

    async def policies(self, ids: Collection[str], **_: object) -> PoliciesById:
        return await self.arm.policies(ids)


async def look_back(visit: Visit, stored: Stored, history: Sequence[HistoryEntry], seq: int) -> Judged:
    """Judge again the revert that history entry `seq` records. `visit`: today's world and ruleset.

    Raises Retryable while the store is busy.
    """
    revert = None
    try:
        revert = revert_at(visit, stored, history, seq)
        return await _judge(visit, stored, history, revert)
    except Permanent as error:  # a body that is gone, a chain that does not hold
        return Judged(seq, Hindsight.NOT_JUDGED, revert=revert, problem=error.message)
    except ValueError as error:  # a row that cannot be read
        return Judged(seq, Hindsight.NOT_JUDGED, revert=revert, problem=str(error))


def revert_at(visit: Visit, stored: Stored, history: Sequence[HistoryEntry], seq: int) -> Revert:
    """Return the revert that an entry records. Raises Permanent, or ValueError, where the history cannot show it."""
    vouch(visit.id, stored, max(seq - 2, 1), history)
    known = {one.seq: one for one in history if one.seq <= stored.seq}
    done, decided, before = (known.get(number) for number in (seq, seq - 1, seq - 2))
    if done is None or done.event not in REVERT_EVENTS:
        raise ValueError(f"the history has no revert at entry {seq}")
    if decided is None or decided.event != "intent" or decided.facts.get("action") != REVERT_EVENTS[done.event]:
        raise ValueError(f"the history does not show how the revert of entry {seq} was decided")
    return Revert(done, decided, Row.from_json(before.row) if before else None)


async def _judge(visit: Visit, stored: Stored, history: Sequence[HistoryEntry], revert: Revert) -> Judged:
    entry = Row.from_json(revert.done.row).undo or 0

    async def kept(at: int) -> Exemption:
        body = await version(visit.world.register, visit.id, stored, at, history)
        return Exemption.from_arm(body, visit.ruleset.names, visit.world.arm.source)

    taken = undone = await kept(entry)
    look = await _look(visit, revert, taken)
    if milder := _milder(revert, look.plan):
        entry, undone = milder, await kept(milder)
    hindsight, problem = verdict(revert, look)
    since = since_then(history, revert, {fingerprint(taken.body), fingerprint(undone.body)})
    return Judged(revert.done.seq, hindsight, since, revert, problem, look, entry, undone)


async def _look(visit: Visit, revert: Revert, taken: Exemption) -> Look:
    """Look at what was taken away as if it were there still, at that time."""
    judged, before = Row.from_json(revert.decided.row), revert.before
    if before is None and judged.adopted is not None:
        before = Row(
            judged.id, Status.UNKNOWN, judged.adopted, kept=judged.kept, kept_why=ADOPTED, adopted=judged.adopted
        )
    if before is not None:
        before = replace(before, blocked="", intent=None)  # nothing hindered it
    # the kept body may be an older one that says the same: who wrote it last, the row as it was judged knows
    seen = taken.as_written(judged.author, judged.author_kind, judged.written_at)
    return await back_at(visit, revert.decided.at, "sweep" if revert.did == "remove" else "event").look(seen, before)


def back_at(visit: Visit, at: datetime, source: str) -> Visit:
    """Return a visit that looks as if it were then (UTC), in enforce mode. It reads assignments and policies alone.

    `source`: what says to look, as in Hint.
    """
    world = replace(visit.world, arm=cast(Arm, _ReadOnce(visit.world.arm)), clock=_Then(at))
    return replace(visit, world=world, hint=Hint(source), mode=Mode.ENFORCE)


def _milder(revert: Revert, plan: Plan) -> int:
    """Return the entry that would be put back today, where all was deleted then; 0 elsewhere."""
    return plan.action.entry if isinstance(plan.action, PutBack) and revert.did != "put-back" else 0


def verdict(revert: Revert, look: Look) -> tuple[Hindsight, str]:
    """Return what is said of a revert by today's look, and why it is not judged; "" where it is."""
    if look.plan.reverts and not _milder(revert, look.plan):
        return Hindsight.RIGHT, ""
    assignment = look.facts.assignment
    if isinstance(assignment, Gone):
        return Hindsight.NOT_JUDGED, "its assignment no longer exists"
    unknown = any(one.status is Verdict.UNKNOWN for one in look.assessment.findings)
    if unknown and isinstance(assignment, Unread):
        return Hindsight.NOT_JUDGED, f"its assignment cannot be read now: {assignment.reason}"
    unread = next((one for one in look.facts.policies.values() if isinstance(one, Unread)), None)
    if unknown and unread:
        return Hindsight.NOT_JUDGED, f"a policy that it exempts from cannot be read now: {unread.reason}"
    return Hindsight.MISTAKE, ""


def since_then(history: Sequence[HistoryEntry], revert: Revert, wanted: Collection[str]) -> Since:
    """Return what became of the exemption. `wanted`: fingerprints of what may rightly be there."""
    left, since = revert.done.row.get("content", ""), Since.OPEN
    for one in history:
        content = one.row.get("content", "")
        if one.seq <= revert.done.seq or content == left or one.row.get("status") == Status.LOST:
            continue
        if content in wanted:
            return Since.BACK
        since = Since.CHANGED
    return since
