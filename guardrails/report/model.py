"""What a report says: a line for each exemption, and the sums over all of them. Pure."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from guardrails.assess import Assessment, Finding, Verdict
from guardrails.exemption import Exemption, ExemptionId, ScopeKind, spell_time
from guardrails.expiry import State, expiry_of
from guardrails.rules.base import Severity
from guardrails.ruleset import Ruleset

GRADES: Final = ("high", "medium", "low", "info", "unknown", "excluded", "pass")
"""How an exemption stands, the worst first: the severity of its worst violation, or why it has none."""

UNREADABLE: Final = "unreadable"
"""The expiry state of an exemption whose expiresOn is no time."""

_LONGEST: Final = 200
"""Characters that are kept of a stranger's text."""


@dataclass(frozen=True, slots=True)
class Line:
    """One exemption in a report. Texts in it are strangers' and unescaped.

    Attributes:
        id: its resource id.
        grade: one of GRADES.
        verdict: pass, violation, unknown; or excluded, where the ruleset leaves it alone.
        excluded: why the ruleset leaves it alone; "" where it does not.
        state: the expiry state in a word: no-expiry, active, expiring-14, expired, unreadable.
        days_left: whole days to its end, negative afterwards; None without one.
    """

    id: str
    grade: str
    verdict: str
    findings: tuple[Finding, ...]
    excluded: str
    expires_on: datetime | None
    state: str
    days_left: int | None
    display_name: str
    category: str
    owner: str
    ticket: str
    assignment: str

    @property
    def order(self) -> tuple[int, bool, int, str]:
        """The key to sort by: grade, then days left, those without an end last, then id."""
        return GRADES.index(self.grade), self.days_left is None, self.days_left or 0, self.id.lower()


@dataclass(slots=True)
class RuleCount:
    """How often a rule was broken, or could not be told. `severity` is the worst that it had."""

    code: str
    name: str
    severity: Severity
    mend: str
    violations: int = 0
    unknown: int = 0

    @property
    def order(self) -> tuple[int, int, str]:
        """The key to sort by: severity, then count, then code."""
        return self.severity.rank, -self.violations, self.code


@dataclass(slots=True)
class Report:
    """Everything that a report shows.

    Attributes:
        at: the time that exemptions were judged at, UTC; `made_at` when that was done.
        ruleset: the file's name; `digest` its hash, `mode` its mode.
        lines: the exemptions, sorted by `Line.order`.
        grades, states: how many exemptions by grade and by expiry state.
        rules: by code.
        missing: what could not be seen, a sentence each.
        notes: what is worth knowing besides, and hides nothing, a sentence each.
        containers: display names of subscriptions and management groups, by register partition.
        left_out: exemptions that the filters on scopes left out.
    """

    at: datetime
    ruleset: str
    digest: str
    mode: str
    made_at: datetime | None = None
    lines: list[Line] = field(default_factory=list)
    grades: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    rules: dict[str, RuleCount] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    containers: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0

    @classmethod
    def begin(cls, ruleset: Ruleset, now: datetime) -> "Report":
        """Return an empty report."""
        return cls(now, ruleset.source, ruleset.digest, str(ruleset.mode))

    @property
    def total(self) -> int:
        """How many exemptions were judged."""
        return sum(self.grades.values())

    @property
    def violations(self) -> int:
        """How many exemptions break a rule."""
        return sum(self.grades[str(severity)] for severity in Severity)

    def verdicts(self) -> dict[str, int]:
        """Return how many exemptions there are of each verdict."""
        rest = {name: self.grades[name] for name in ("unknown", "pass", "excluded")}
        return {"violation": self.violations, **rest}

    def add(self, line: Line) -> None:
        """Take one exemption in."""
        self.lines.append(line)
        self.grades[line.grade] += 1
        self.states[line.state] += 1
        if line.excluded:
            return
        for finding in line.findings:
            counted = self.rules.get(finding.code)
            if counted is None:
                counted = RuleCount(finding.code, finding.rule, finding.severity, finding.mend)
                self.rules[finding.code] = counted
            if finding.severity.rank < counted.severity.rank:
                counted.severity = finding.severity
            if finding.status is Verdict.VIOLATION:
                counted.violations += 1
            else:
                counted.unknown += 1

    def finish(self) -> None:
        """Sort what was taken in."""
        self.lines.sort(key=lambda line: line.order)

    def rules_by_weight(self) -> list[RuleCount]:
        """Return the rules that found something, the worst first."""
        return sorted(self.rules.values(), key=lambda rule: rule.order)

    def states_in_order(self) -> list[tuple[str, int]]:
        """Return the expiry states that occur, the most urgent first, and how many exemptions have each."""
        return sorted(self.states.items(), key=lambda item: _urgency(item[0]))

    def place(self, line: Line) -> str:
        """Return where an exemption applies, for people: names in place of ids, `contoso-prod / group / vaults/kv`."""
        return place(ExemptionId.parse(line.id), self.containers)


def line_of(exemption: Exemption, assessment: Assessment, ruleset: Ruleset, now: datetime) -> Line:
    """Return the line for a judged exemption. What passes keeps little: short texts, those that recur only once."""
    exclusion = ruleset.exclusion_for(exemption.id, now)
    expiry = expiry_of(exemption.expires_on, now, ruleset.reminder_days)
    verdict = "excluded" if exclusion else str(assessment.verdict)
    grade = str(_worst(assessment.violations)) if verdict == "violation" else verdict
    return Line(
        id=exemption.id.text,
        grade=grade,
        verdict=verdict,
        findings=assessment.findings,
        excluded=f"{exclusion.scope}: {exclusion.reason}" if exclusion else "",
        expires_on=exemption.expires_on,
        state=UNREADABLE if exemption.expiry_problem else sys.intern(expiry.name),
        days_left=expiry.days_left,
        display_name=exemption.display_name[:_LONGEST],
        category=sys.intern(exemption.category[:_LONGEST]),
        owner=sys.intern(exemption.owner[:_LONGEST]),
        ticket=exemption.ticket[:_LONGEST],
        assignment=sys.intern(exemption.assignment_id),
    )


def place(exemption: ExemptionId, containers: Mapping[str, str]) -> str:
    """Return the scope of an exemption with display names in place of ids."""
    parts = exemption.scope.strip("/").split("/")
    if exemption.kind is ScopeKind.MANAGEMENT_GROUP:
        return f"management group {containers.get(exemption.container) or parts[-1]}"
    shown = [containers.get(exemption.container) or parts[1]]
    rest = parts[2:]
    if len(rest) > 1 and rest[0].lower() == "resourcegroups":
        shown.append(rest[1])
        rest = rest[2:]
    if len(rest) > 3:  # providers, the provider, then type and name in pairs: the provider says little
        shown.append("/".join(rest[2:]))
    return " / ".join(shown)


def rules_broken(line: Line) -> list[str]:
    """Return the rules that an exemption breaks, or that could not be told, as `EXG101 expiry-missing`."""
    return [f"{one.code} {one.rule}{'' if one.status is Verdict.VIOLATION else ' (unknown)'}" for one in line.findings]


def expiry_text(line: Line) -> str:
    """Return an expiry state and the days left, for people."""
    if line.days_left is None:
        return line.state
    left = line.days_left
    if line.state == State.EXPIRED:
        return f"{line.state}, {_days(-left - 1)} ago" if left < -1 else f"{line.state}, within the last day"
    return f"{line.state}, {_days(left)} left" if left else f"{line.state}, ends within a day"


def _days(count: int) -> str:
    return f"{count:,} day{'' if count == 1 else 's'}"


def evidence(finding: Finding) -> list[tuple[str, str]]:
    """Return the evidence of a finding as names and texts; strangers' texts, unescaped."""
    return [(str(name), value_text(value)) for name, value in finding.evidence.items()]


def value_text(value: object) -> str:
    """Return a JSON-ready value for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={value_text(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value)) or "none"
    return "none" if value is None or value == "" else str(value)


def to_json(line: Line) -> dict[str, Any]:
    """Return the documented JSON form of a line."""
    return {
        "id": line.id,
        "verdict": line.verdict,
        "severity": line.grade if line.verdict == "violation" else None,
        "excluded": line.excluded or None,
        "expires_on": spelled(line.expires_on),
        "expiry_state": line.state,
        "days_left": line.days_left,
        "display_name": line.display_name,
        "category": line.category,
        "owner": line.owner,
        "ticket": line.ticket,
        "assignment": line.assignment,
        "findings": [finding.to_json() for finding in line.findings],
    }


def spelled(time: datetime | None) -> str | None:
    """Return a time as ARM spells it; None for none."""
    return None if time is None else spell_time(time)


def _worst(violations: Iterable[Finding]) -> Severity:
    return min((finding.severity for finding in violations), key=lambda severity: severity.rank)


def _urgency(state: str) -> tuple[int, int, str]:
    ranks = {"expired": 0, "expiring": 1, UNREADABLE: 2, "no-expiry": 3, "active": 4}
    kind, _, days = state.rpartition("-")
    if kind == "expiring" and days.isdigit():
        return ranks[kind], int(days), state
    return ranks.get(state, 5), 0, state
