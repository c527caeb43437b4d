"""The search for bypasses of policies. Reads only; shared by the scan and the sweep."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

from guardrails.bypasses.enrolled import Enrolled, Mode, counts
from guardrails.bypasses.model import Bypass, BypassKind, judged
from guardrails.bypasses.read import ENROLL, bypasses_of, enrolled_of, mode_of, tagged_of
from guardrails.criteria.weakened import Criteria
from guardrails.dataclass import dataclass, field, replace
from guardrails.errors import Permanent
from guardrails.exemption.counts import number_of
from guardrails.ports import Inventory, Surroundings
from guardrails.ruleset.model import Ruleset

_ASSIGNMENTS: Final = "policy assignments"
_TAGGED: Final = "tagged resources"
_ENROLLMENTS: Final = "policy enrollments"
_SHOWN: Final = 3
_BREATH: Final = 200
"""How many rows are read before others get their turn."""


@dataclass(slots=True)
class Look:
    """What a look came to.

    Attributes:
        found: the bypasses, each once, judged; in no order.
        missing: what could not be seen, a sentence each.
        unknown: rows without an id of a kind that we know, which are not in `found`. What else cannot be read is there:
            its verdict is unknown.
        notes: what is worth knowing besides, and hides nothing, a sentence each.
        partial: ways of which some may not be in `found`: what is not shown of them may still be there. What is
            unreadable in `found` may hide more of its assignment besides.
        enrolled: what is enrolled in assignments that are shown, whatever their mode now.
        modes: what decides whether enrollments count, by the id of the assignment in lower case.
    """

    found: list[Bypass] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: int = 0
    notes: list[str] = field(default_factory=list)
    partial: set[BypassKind] = field(default_factory=set)
    enrolled: list[Enrolled] = field(default_factory=list)
    modes: dict[str, Mode] = field(default_factory=dict)


async def look(
    inventory: Inventory, around: Surroundings, ruleset: Ruleset, now: datetime, criteria: Criteria | None = None
) -> Look:
    """Find and judge them, as at `now` (UTC). Raises Retryable where nothing can be read.

    What `around.missing` says already is not said again. `criteria`: as of `bypasses_of`.
    """
    looking = _Looking(ruleset, around, now, criteria)
    looking.enroll()
    for number, row in enumerate(around.assigned):
        looking.take(row, _ASSIGNMENTS)
        if number % _BREATH == 0:
            await asyncio.sleep(0)
    if not around.whole:
        looking.partly(_ASSIGNMENTS)
    async with aclosing(inventory.tagged(ruleset.bypasses.tags)) as pages:
        async for page in pages:
            if page.missing:
                if page.missing not in (*around.missing, *looking.result.missing):
                    looking.result.missing.append(page.missing)
                looking.partly(_TAGGED)
            if page.note and page.note not in looking.result.notes:
                looking.result.notes.append(page.note)
            for row in page.rows:
                looking.take(row, _TAGGED)
    return looking.finish()


@dataclass(slots=True)
class _Looking:
    """Takes rows in, each bypass once."""

    ruleset: Ruleset
    around: Surroundings
    now: datetime
    criteria: Criteria | None = None
    result: Look = field(default_factory=Look)
    _found: dict[bytes, Bypass] = field(default_factory=dict)
    _enrolled: Counter[str] = field(default_factory=Counter)
    _foreign: Counter[str] = field(default_factory=Counter)
    _unread: dict[str, list[str]] = field(default_factory=dict)

    def take(self, row: Mapping[str, Any], kind: str) -> None:
        """Take a row in, unless it is another tenant's. One without an id is counted and named."""
        if self._is_foreign(row, kind):
            return
        try:
            for one in self._bypasses(row, kind):
                self._found.setdefault(one.key, judged(one, self.ruleset, self.now))
        except Permanent as error:
            identity = row.get("id")
            if not isinstance(identity, str):  # it may be any of those that we know
                self.partly(kind)
            self._unread.setdefault(kind, []).append(f"{str(identity or 'a row without an id')[:300]}: {error.message}")

    def enroll(self) -> None:
        """Take in what is enrolled, and in which assignments that counts."""
        self.result.modes = dict(map(mode_of, self.around.assigned))
        for row in self.around.enrolled:
            if self._is_foreign(row, _ENROLLMENTS):
                continue
            try:
                parts = enrolled_of(row)
            except Permanent as error:
                self._unread.setdefault(_ENROLLMENTS, []).append(f"{str(row.get('id'))[:300]}: {error.message}")
                continue
            modes = ((one, self.result.modes.get(one.assignment.lower())) for one in parts)
            self.result.enrolled += [one for one, mode in modes if mode and counts(one, mode)]
        self._enrolled = Counter(
            one for one, _ in {(one.assignment.lower(), one.scope.lower()) for one in self.result.enrolled}
        )
        waiting = sum(mode.enroll for mode in self.result.modes.values())
        if waiting and self.around.whole and not self.around.enrolled:
            self.result.notes.append(
                f"{_rows(waiting, _ASSIGNMENTS)} with the enforcement mode Enroll, and no policy enrollments: it is"
                " unknown whether there are enrollments that Resource Graph does not show"
            )

    def _is_foreign(self, row: Mapping[str, Any], kind: str) -> bool:
        """Whether a row is another tenant's; those are counted."""
        tenant, ours = row.get("tenantId"), self.around.tenant
        foreign = bool(ours and isinstance(tenant, str) and tenant and tenant.lower() != ours)
        self._foreign[kind] += foreign
        return foreign

    def partly(self, kind: str) -> None:
        """Remember that some rows were not read."""
        others = {BypassKind.EXEMPTION, BypassKind.TAG}
        self.result.partial |= {BypassKind.TAG} if kind == _TAGGED else set(BypassKind) - others

    def finish(self) -> Look:
        """Return what was found, and say what was left out."""
        self.result.found = list(self._found.values())
        for kind, names in sorted(self._unread.items()):
            self.result.unknown += len(names)
            self.result.missing.append(f"{_rows(len(names), kind)} cannot be read: " + "; ".join(names[:_SHOWN]))
        for kind, count in sorted((+self._foreign).items()):
            self.result.notes.append(f"{_rows(count, kind)} left out: of another tenant")
        return self.result

    def _bypasses(self, row: Mapping[str, Any], kind: str) -> Iterator[Bypass]:
        if kind == _ASSIGNMENTS:
            key = "/" + str(row.get("id")).strip("/").lower()
            for one in bypasses_of(row, self.ruleset, self.around.assignments.get(key), self.criteria):
                yield replace(one, detail=self._enrolled_in(key)) if one.detail == ENROLL else one
        elif found := tagged_of(row, self.ruleset):
            yield found

    def _enrolled_in(self, key: str) -> str:
        """Return what is known of the scopes that are enrolled in an assignment with the mode Enroll."""
        count = self._enrolled[key]
        if not self.around.whole or not self.around.enrolled:
            return ENROLL
        return f"{ENROLL}: {number_of(count, 'scope') if count else 'no scopes'} enrolled"


def _rows(count: int, kind: str) -> str:
    return f"{number_of(count, 'row')} of {kind}"
