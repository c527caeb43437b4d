"""The survey: everything that the inventory shows, judged by the ruleset. Reads only; keeps one page at a time."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from guardrails.assess import assess
from guardrails.bypass.look import look
from guardrails.bypass.model import Bypass, Way
from guardrails.exemption import Exemption
from guardrails.facts import Assignment, Gone, Unread
from guardrails.inventory import Rows
from guardrails.ports import Inventory, Surroundings
from guardrails.recording import facts_of
from guardrails.report.line import line_of, line_of_bypass
from guardrails.report.model import Report
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
    """What is looked at: globs on the ids of exemptions, and on the scopes of other ways past a policy.

    No `include` means all; `exclude` goes first. `visible`: of what is no exemption, only what is in a subscription
    that the inventory shows, or above all of them: an assignment of a management group names subscriptions besides
    the ones that were asked for.
    """

    include: Sequence[re.Pattern[str]] = ()
    exclude: Sequence[re.Pattern[str]] = ()
    visible: bool = False

    def wants(self, key: str) -> bool:
        """Whether it wants what has this id, in lower case."""
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
    """Judge all that the inventory shows, as at `now`: exemptions, and every other way past a policy.

    Raises Retryable where nothing can be read.
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
    report.ways[Way.EXEMPTION].whole = not report.missing
    if hidden := known.hidden:
        report.missing.append(_hidden(hidden))
    await _others(report, inventory, around, ruleset, wanted, whole=not hidden)
    report.finish()
    return report


async def _others(
    report: Report, inventory: Inventory, around: Surroundings, ruleset: Ruleset, wanted: Filter, *, whole: bool
) -> None:
    """Take in the ways past a policy that are no exemptions. `whole`: whether all assignments are shown."""
    seen = await look(inventory, around, ruleset, report.at)
    whole = whole and not any(one.way is Way.UNREAD for one in seen.found)
    for bypass in seen.found:
        if wanted.visible and _is_elsewhere(bypass, around):
            continue
        if wanted.wants(_key(bypass.scope)):
            report.add(line_of_bypass(bypass, ruleset, report.at))
        else:
            report.left_out += 1
    report.missing.extend(seen.missing)
    report.notes.extend(seen.notes)
    for way, count in report.ways.items():
        if way is not Way.EXEMPTION:
            count.whole = way not in seen.partial and not around.missing and (whole or way is Way.TAG)


def _hidden(count: int) -> str:
    one = count == 1
    return (
        f"{count:,} assignment{'' if one else 's'} that exemptions name {'is' if one else 'are'} not shown by Resource "
        "Graph: other ways past a policy in there are not seen"
    )


def _is_elsewhere(bypass: Bypass, around: Surroundings) -> bool:
    container = bypass.container
    return bool(container) and not container.startswith("mg~") and container not in around.containers


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

    @property
    def hidden(self) -> int:
        """How many were asked for that are there, or may be, and that the inventory does not show."""
        return sum(not isinstance(said, Gone) for key, said in self._asked.items() if key not in self._listed)

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
