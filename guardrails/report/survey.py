"""The survey: everything that the inventory shows, judged by the ruleset. Reads only; keeps one page at a time."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from guardrails.assess import assess
from guardrails.exemption import Exemption
from guardrails.facts import Assignment, Gone, Unread
from guardrails.inventory import Rows
from guardrails.ports import Inventory
from guardrails.recording import facts_of
from guardrails.report.model import Report, line_of
from guardrails.ruleset import Ruleset

AT_ONCE: Final = 8
"""Assignments that are asked for at the same time."""

_HARMLESS: Final = frozenset({"duplicate", "foreign tenant"})
"""Oddities of rows (guardrails.inventory.Rows) that hide no exemption of ours."""

type Told = Callable[[int, int], None]
"""Hears how many rows were read, and how many there are in all (0: unknown)."""


class Assignments(Protocol):
    """The part of ports.Arm that the survey needs."""

    async def assignment(self, assignment_id: str) -> Assignment | Gone | Unread:
        """Return the assignment and what its initiative holds."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which exemptions are looked at: globs on their ids. No `include` means all; `exclude` goes first."""

    include: Sequence[re.Pattern[str]] = ()
    exclude: Sequence[re.Pattern[str]] = ()

    def wants(self, key: str) -> bool:
        """Whether it wants the exemption with this id, in lower case."""
        if any(pattern.fullmatch(key) for pattern in self.exclude):
            return False
        return not self.include or any(pattern.fullmatch(key) for pattern in self.include)


async def survey(
    inventory: Inventory,
    arm: Assignments,
    ruleset: Ruleset,
    now: datetime,
    *,
    wanted: Filter = Filter(),
    told: Told = lambda _done, _total: None,
) -> Report:
    """Judge every exemption that the inventory shows, as at `now`. Raises Retryable where nothing can be read.

    The inventory knows the assignments; what is not among them is asked of ARM, so that only what ARM says is gone
    counts as gone.
    """
    report = Report.begin(ruleset, now)
    around = await inventory.surroundings()
    report.containers = around.containers
    report.missing.extend(around.missing)
    rows = Rows(ruleset.names, around.tenant)
    known = Known(around.assignments, arm)
    done = 0
    async with aclosing(inventory.exemptions()) as pages:
        async for page in pages:
            if page.missing:
                report.missing.append(page.missing)
            read = list(rows.take(page))
            chosen = [one for one in read if wanted.wants(one.id.key)]
            report.left_out += len(read) - len(chosen)
            await known.learn(chosen)
            for exemption in chosen:
                facts = facts_of(exemption, None, ruleset, now, known[exemption.assignment_id])
                report.add(line_of(exemption, assess(exemption, facts, ruleset), ruleset, now))
            done += len(page.rows)
            told(done, page.total)
    for oddity, problem in zip(sorted(rows.odd), rows.problems(), strict=True):
        (report.notes if oddity in _HARMLESS else report.missing).append(problem)
    report.finish()
    return report


class Known:
    """Assignments by id: those of the inventory, and what ARM said of others."""

    def __init__(self, listed: Mapping[str, Assignment], arm: Assignments) -> None:
        self._listed = listed
        self._arm = arm
        self._asked: dict[str, Assignment | Gone | Unread] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)

    def __getitem__(self, assignment_id: str) -> Assignment | Gone | Unread:
        key = _key(assignment_id)
        return self._asked.get(key) or self._listed[key]

    async def learn(self, exemptions: Sequence[Exemption]) -> None:
        """Ask ARM, a few at once, for the assignments of these exemptions that are not known whole."""
        wanting = {key: one.assignment_id for one in exemptions if not self._has(key := _key(one.assignment_id))}
        await asyncio.gather(*(self._ask(key, assignment_id) for key, assignment_id in wanting.items()))

    def _has(self, key: str) -> bool:
        listed = self._listed.get(key)
        return key in self._asked or (listed is not None and not isinstance(listed.members, Unread))

    async def _ask(self, key: str, assignment_id: str) -> None:
        async with self._gate:
            self._asked[key] = await self._arm.assignment(assignment_id)


def _key(assignment_id: str) -> str:
    return "/" + assignment_id.strip("/ ").lower()
