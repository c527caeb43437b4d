"""The survey: every exemption and every bypass, judged by the ruleset. Reads only; keeps little."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

from guardrails.bypasses.model import Bypass, BypassKind
from guardrails.criteria.weakened import Criteria, own_criteria
from guardrails.decisions.assess import assess_all
from guardrails.decisions.facts import facts_of
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Unread
from guardrails.exemption.model import Exemption
from guardrails.ports import Inventory, Surroundings
from guardrails.reconcile.inventory import Rows
from guardrails.report.coverage import GROUP, Coverage, words_of
from guardrails.report.filters import EVERYTHING, Filter
from guardrails.report.line import line_of, line_of_bypass
from guardrails.report.model import Assigned, Report
from guardrails.report.overlaps import Looked, PendingOverlaps
from guardrails.report.reading import Arm, Listing, Reading, Sleep
from guardrails.rules.selection import policies_of
from guardrails.ruleset.model import Ruleset
from guardrails.sweep.look_for_bypasses import look

AT_ONCE: Final = 8
"""Assignments that are asked for at the same time."""

_HARMLESS: Final = frozenset({"duplicate", "foreign tenant"})
"""Reasons to leave out a row (guardrails.reconcile.inventory.Rows) that hide no exemption of ours."""

type Progress = Callable[[int, int], None]
"""Hears how many rows were read, and how many there are in all (0: unknown)."""


async def survey(
    inventory: Listing,
    arm: Arm,
    ruleset: Ruleset,
    now: datetime,
    *,
    coverage: Coverage | None = None,
    wanted: Filter = EVERYTHING,
    named: Sequence[str] = (),
    criteria: Criteria | None = None,
    progress: Progress = lambda _done, _total: None,
    sleep: Sleep = asyncio.sleep,
) -> Report:
    """Judge all that the inventory shows, as at `now`: exemptions and bypasses.

    Args:
        inventory, arm: where exemptions are, and what they say.
        ruleset: what they are judged by.
        now: UTC.
        coverage: who asks for what; what was read is put into it.
        wanted: what is looked at; its globs are in the order of `coverage.scope` and `coverage.exclude`.
        named: keys of subscriptions and management groups that are read even if the inventory shows nothing there.
        criteria: says which criteria are weakened; None: by the table that is shipped.
        progress: hears how far it is.
        sleep: waits, in seconds, where Azure asks for it.

    Raises Retryable where nothing can be read.
    The inventory knows the assignments, and the policies where the ruleset asks for them; what is not among them is
    asked of ARM, so that only what ARM says is gone counts as gone.
    """
    report = Report.begin(ruleset, now, coverage or Coverage())
    criteria = criteria or own_criteria()
    around = await inventory.surroundings(policies=ruleset.asks_policies)
    report.containers = report.coverage.read = around.containers
    report.missing.extend(around.missing)
    rows = Rows(ruleset.names, around.tenant)
    reading = Reading(inventory, arm, rows, wanted, sleep=sleep)
    known = Known(around, arm, ask_policies=ruleset.asks_policies)
    overlaps = PendingOverlaps(ruleset, around, known.__getitem__, now)
    done = 0
    async with aclosing(reading.exemptions(named)) as found:
        async for some in found:
            await known.learn(some)
            _judge(overlaps.take(some), known, report, ruleset, criteria)
            done += len(some)
            progress(done + reading.left_out, reading.total)
    _judge(overlaps.rest(), known, report, ruleset, criteria)
    if reading.left_out and ruleset.judges("duplicate"):
        report.notes.append(f"{reading.left_out:,} exemptions were not looked at: what they overlap with is unknown")
    _take_over(report, reading, rows)
    report.bypass_counts[BypassKind.EXEMPTION].whole = not report.missing
    if hidden := known.hidden:
        report.missing.append(_hidden(hidden))
    await _others(report, inventory, around, ruleset, wanted=wanted, criteria=criteria, whole=not hidden)
    _cover(report.coverage, reading, wanted, report)
    report.assignments = _assigned(report, around, known)
    report.finish()
    return report


def _judge(some: Sequence[Looked], known: "Known", report: Report, ruleset: Ruleset, criteria: Criteria) -> None:
    """Put exemptions into the report, judged as at its time."""
    now = report.at
    looked_at = []
    for one, together in some:
        assignment = known[one.assignment_id]
        facts = facts_of(one, None, ruleset, now, assignment, policies=known.policies, together=together)
        looked_at.append((one, facts))
    for (exemption, facts), assessment in zip(looked_at, assess_all(looked_at, ruleset), strict=True):
        weakened = criteria.by_exemption(exemption, facts.assignment)
        report.add(line_of(exemption, assessment, ruleset, now, weakened))


def _take_over(report: Report, reading: Reading, rows: Rows) -> None:
    """Put into the report what reading the exemptions came to, besides them."""
    reading.finish()
    report.left_out = reading.left_out
    report.missing += reading.missing
    report.notes += reading.notes
    for reason, problem in zip(sorted(rows.left_out), rows.problems(), strict=True):
        (report.notes if reason in _HARMLESS else report.missing).append(problem)
    if sentence := reading.unlisted(report.containers):
        report.missing.append(sentence)


def _cover(coverage: Coverage, reading: Reading, wanted: Filter, report: Report) -> None:
    """Say what was read of what was asked for, and which of that came to nothing."""
    coverage.partly = dict(reading.partly)
    for key in coverage.requested:
        words = words_of(key, coverage.read)
        if key not in coverage.read:
            said = (one for one in report.missing if one.startswith(words_of(key) + " "))
            coverage.unread[key] = next(said, "Resource Graph does not show it")
        elif key not in {*reading.held, *reading.partly} and (not key.startswith(GROUP) or not reading.held):
            report.notes.append(f"Azure shows no exemption in {words}")
    for option, texts, patterns in (
        ("--scope", coverage.scope, wanted.include),
        ("--exclude", coverage.exclude, wanted.exclude),
    ):
        for text, pattern in zip(texts, patterns, strict=False):
            if not reading.matches(pattern):
                report.notes.append(f"{option} {text} matches no exemption")


async def _others(
    report: Report,
    inventory: Inventory,
    around: Surroundings,
    ruleset: Ruleset,
    *,
    wanted: Filter,
    criteria: Criteria,
    whole: bool,
) -> None:
    """Take in the bypasses. `whole`: whether all assignments are shown."""
    seen = await look(inventory, around, ruleset, report.at, criteria)
    whole = whole and not any(one.kind is BypassKind.UNREAD for one in seen.found)
    for bypass in seen.found:
        if wanted.visible and _is_elsewhere(bypass, around):
            continue
        if wanted.wants(_key(bypass.scope)):
            report.add(line_of_bypass(bypass, ruleset, report.at))
        else:
            report.left_out += 1
    report.missing.extend(seen.missing)
    report.notes.extend(seen.notes)
    for kind, count in report.bypass_counts.items():
        if kind is not BypassKind.EXEMPTION:
            count.whole = kind not in seen.partial and not around.missing and (whole or kind is BypassKind.TAG)


def _assigned(report: Report, around: Surroundings, known: "Known") -> dict[str, Assigned]:
    """Return what the assignments of the lines are called, and what they assign."""
    names = {_key(str(row.get("id"))): row.get("properties") for row in around.assigned}
    found = {}
    for text in {line.assignment for line in report.lines}:
        said = names.get(_key(text))
        name = said.get("displayName") if isinstance(said, Mapping) else ""
        definition = known.definition_of(text)
        initiative = around.initiatives.get(_key(definition), "")
        found[text] = Assigned(name if isinstance(name, str) else "", definition, initiative)
    return found


def _hidden(count: int) -> str:
    one = count == 1
    return (
        f"{count:,} assignment{'' if one else 's'} that exemptions name {'is' if one else 'are'} not shown by Resource "
        "Graph: bypasses in there are not seen"
    )


def _is_elsewhere(bypass: Bypass, around: Surroundings) -> bool:
    container = bypass.container
    return bool(container) and not container.startswith("mg~") and container not in around.containers


class Known:
    """Assignments by id: those of the inventory, and what ARM said of others.

    Attributes:
        policies: policies, the same way; {} where they are not asked for.
    """

    def __init__(self, around: Surroundings, arm: Arm, *, ask_policies: bool) -> None:
        self._listed = around.assignments
        self._arm = arm
        self._ask_policies = ask_policies
        self.policies: PoliciesById = around.policies
        self._asked: dict[str, Assignment | Gone | Unread] = {}
        self._spelled: dict[str, Assignment | Gone | Unread] = {}  # by their ids as exemptions spell them
        self._gate = asyncio.Semaphore(AT_ONCE)

    def __getitem__(self, assignment_id: str) -> Assignment | Gone | Unread:
        return self._spelled[assignment_id]

    @property
    def hidden(self) -> int:
        """How many were asked for that are there, or may be, and that the inventory does not show."""
        return sum(not isinstance(said, Gone) for key, said in self._asked.items() if key not in self._listed)

    def definition_of(self, assignment_id: str) -> str:
        """Return the id of the initiative or policy that it assigns; "" where that is not known."""
        key = _key(assignment_id)
        found = self._asked.get(key) or self._listed.get(key)
        return found.definition_id if isinstance(found, Assignment) else ""

    async def learn(self, exemptions: Sequence[Exemption]) -> None:
        """Ask ARM, a few at once, for what these exemptions exempt from and is not known whole."""
        spelled = {one.assignment_id: "" for one in exemptions if one.assignment_id not in self._spelled}
        wanting = {key: one for one in spelled if not self._has(key := _key(one))}
        await asyncio.gather(*(self._ask(key, assignment_id) for key, assignment_id in wanting.items()))
        for one in spelled:
            key = _key(one)
            self._spelled[one] = self._asked.get(key) or self._listed[key]
        if self._ask_policies:
            exempted = {policy for one in exemptions for policy in policies_of(one, self[one.assignment_id])}
            if unknown := exempted - self.policies.keys():
                self.policies = {**self.policies, **await self._arm.policies(unknown)}

    def _has(self, key: str) -> bool:
        listed = self._listed.get(key)
        return key in self._asked or (listed is not None and not isinstance(listed.members, Unread))

    async def _ask(self, key: str, assignment_id: str) -> None:
        async with self._gate:
            self._asked[key] = await self._arm.assignment(assignment_id)


def _key(assignment_id: str) -> str:
    return "/" + assignment_id.strip("/ ").lower()
