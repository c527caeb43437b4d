"""The part of a sweep about bypasses: what is shown, compared with what the register knows.

Nothing is answered: what is new, what says something else and what is gone is kept, and notified. What is not shown is
gone only where all was read that could show it.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from guardrails.bypasses.enrolled import Enrolled, bypass_of
from guardrails.bypasses.model import TOKEN, Bypass, BypassKind, container_of, judged, whole_token
from guardrails.bypasses.notice import bypass_found
from guardrails.bypasses.row import Kept, Known, codes_of, holder_of
from guardrails.criteria.weakened import Criteria, own_criteria
from guardrails.dataclass import dataclass, field, replace
from guardrails.notices.notice import Notice
from guardrails.ports import Arm, Bypasses, Inventory, Surroundings
from guardrails.reconcile.inventory import NO_ASSIGNMENT
from guardrails.ruleset.model import Ruleset
from guardrails.sweep.look_for_bypasses import Look, look
from guardrails.sweep.removed_enrollments import removed

KEPT: Final = timedelta(days=400)
"""How long the row of one that is gone is kept: an auditor's year, and a month."""

_AWAY: Final = timedelta(days=7)
"""What comes back within so long is not announced again: Resource Graph may have left it out for once."""

_BREATH: Final = 500
"""How many are compared before others get their turn."""


@dataclass(slots=True)
class Tally:
    """What it came to.

    Attributes:
        seen: how many are shown; of them `new`, `changed`, `back` again, `violations`, `unknown`.
        gone: how many are not shown any more.
        unread: rows of the inventory that name nothing.
        unseen: those left as they are, for their container cannot be seen, by container.
        missing, notes: what could not be seen, and what is worth knowing besides, a sentence each.
        notice: about what was not announced yet; None where there is nothing.
    """

    seen: int = 0
    new: int = 0
    changed: int = 0
    back: int = 0
    gone: int = 0
    violations: int = 0
    unknown: int = 0
    unread: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    notice: Notice | None = None

    def to_json(self) -> dict[str, int]:
        """Return the counts, by name."""
        names = ("seen", "new", "changed", "back", "gone", "violations", "unknown", "unread")
        return {name: getattr(self, name) for name in names}


async def sweep_bypasses(
    inventory: Inventory,
    bypasses: Bypasses,
    around: Surroundings,
    ruleset: Ruleset,
    *,
    at: datetime,
    notified: datetime | None,
    arm: Arm,
    criteria: Criteria | None = None,
) -> Tally:
    """Look, keep what differs, and return the counts. Raises Retryable, Permanent.

    `arm`: asked about what was enrolled and is not shown any more. `criteria`: as of `bypasses_of`.

    `at` is when the sweep began, UTC. `notified` is when the last one began whose findings were announced: what was
    found since is announced now, and what was found at `at`, for two may begin in one second. A row is written before
    its notice, so that a crash in between is found out.
    """
    criteria = criteria or own_criteria()
    shown = await look(inventory, around, ruleset, at, criteria)
    comparison = _Comparison(await bypasses.known(), at, notified)
    for number, one in enumerate(shown.found):
        comparison.take(one)
        if number % _BREATH == 0:
            await asyncio.sleep(0)
    for part in shown.enrolled:
        comparison.enroll(part, shown.modes[part.assignment.lower()].name)
    visible = _visible(around)
    away = await removed(comparison.known, shown, around, visible, arm, at=at)
    for one in away.found:
        assigned = around.assignments.get(one.subject.lower()) or NO_ASSIGNMENT
        covered = {one.covers.lower()} if one.covers else None
        weakened = criteria.by_policies(assigned, covered, certain=False)
        comparison.take(judged(replace(one, weakened=weakened), ruleset, at))
    gone, old = comparison.absent(shown, visible)
    gone |= away.settled
    await bypasses.write(comparison.differ)
    await bypasses.mark_gone(gone, at)
    await bypasses.forget(old | away.forgotten)
    tally = comparison.tally
    tally.gone, tally.unread = len(gone), shown.unknown
    tally.unseen += away.unseen
    tally.missing, tally.notes = [*shown.missing, *away.missing], shown.notes
    if comparison.unnotified:
        tally.notice = bypass_found(comparison.unnotified, at)
    return tally


@dataclass(slots=True)
class _Comparison:
    """Compares them one by one.

    Attributes:
        differ: the rows to write.
        unnotified: what was not announced yet, each with when the newest of its violations was found.
    """

    known: Mapping[bytes, Known]
    at: datetime
    notified: datetime | None
    tally: Tally = field(default_factory=Tally)
    differ: list[Kept] = field(default_factory=list)
    unnotified: dict[bytes, tuple[datetime, Bypass]] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)

    def take(self, shown: Bypass) -> None:
        """Compare one that is shown with its row."""
        key = shown.key
        before = self.known.get(key)
        self._seen.add(key)
        one = _signed(shown, before)
        self.tally.seen += 1
        self.tally.violations += one.verdict == "violation"
        self.tally.unknown += one.verdict == "unknown"
        name, codes = whole_token(one), codes_of(one)
        fresh = before is None or (one.kind is BypassKind.UNENROLLED and not before.codes)
        first_seen = before.first_seen if before and before.first_seen and not fresh else self.at
        found = self._found(codes, before)
        if before is None or before.gone or before.token != name:
            self.differ.append(Kept(one, name, first_seen, self.at, found))
            self.tally.new += fresh
            self.tally.back += not fresh and before is not None and before.gone is not None
            same = before is not None and (before.gone is not None or before.token[:TOKEN] == name[:TOKEN])
            self.tally.changed += not fresh and not same
        if found and (self.notified is None or found > self.notified or found == self.at):
            self.unnotified[key] = found, one

    def enroll(self, part: Enrolled, name: str) -> None:
        """Write down what is enrolled, so that its removal is noticed; what is known already stays as it is."""
        one = bypass_of(part, name)
        before = self.known.get(one.key)
        if (before is None or before.kind is None) and one.key not in self._seen:
            self._seen.add(one.key)
            self.differ.append(Kept(one, whole_token(one), self.at, self.at, gone=self.at))

    def _found(self, codes: frozenset[str], before: Known | None) -> datetime | None:
        """Return when the newest of its violations was found; None without one."""
        known = before is not None and (before.gone is None or self.at - before.gone <= _AWAY)
        if before is None or not known or codes - before.codes:
            return self.at if codes else None
        return before.found if codes else None

    def absent(self, shown: Look, visible: Collection[str]) -> tuple[dict[bytes, str], dict[bytes, str]]:
        """Return which rows are of what is gone, and which of what has been gone for long enough, by partition.

        Of enrollments, `removed` decides that.
        """
        gone, old = dict[bytes, str](), dict[bytes, str]()
        unread = {holder_of(one.kind, one.scope, one.subject) for one in shown.found if one.unreadable}
        for key in self.known.keys() - self._seen:
            row = self.known[key]
            if row.kind is BypassKind.UNENROLLED:
                continue
            if row.gone is not None:
                if self.at - row.gone > KEPT:
                    old[key] = row.partition
            elif row.kind is None or row.kind in shown.partial or row.holder in unread:
                continue  # it may be there, and not be shown
            elif row.container in visible:
                gone[key] = row.partition
            else:
                self.tally.unseen[row.container] += 1
        return gone, old


def _visible(around: Surroundings) -> set[str]:
    """Return the containers that can be seen.

    Assignments hold below their scopes: where one of a management group is shown, so are the others.
    """
    above = {container_of(identity.rpartition("/providers/")[0]) for identity in around.assignments}
    return {"", *around.containers, *above}


def _signed(shown: Bypass, before: Known | None) -> Bypass:
    """Return it with who wrote it by the register, where Azure remembers that no more: of tags it does for 14 days."""
    if before is None or shown.kind is not BypassKind.TAG or shown.who or shown.since:
        return shown
    return replace(shown, who=before.who, since=before.since)
