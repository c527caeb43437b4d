"""The model of a report: the lines, and the sums over all of them. Pure."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from guardrails.bypasses.model import BypassKind
from guardrails.channels.portal import PUBLIC
from guardrails.dataclass import dataclass, field
from guardrails.decisions.assess import Verdict
from guardrails.exemption.severity import Severity
from guardrails.report.bypasses import WORDS, BypassCount
from guardrails.report.coverage import Coverage
from guardrails.report.line import UNREADABLE, Line, place
from guardrails.ruleset.model import Ruleset


@dataclass(slots=True)
class RuleCount:
    """How often a rule was broken, or was unknown. `severity` is the worst that it had."""

    code: str
    name: str
    severity: Severity
    remediation: str
    violations: int = 0
    unknown: int = 0

    @property
    def order(self) -> tuple[int, int, str]:
        """The key to sort by: severity, then count, then code."""
        return self.severity.rank, -self.violations, self.code


class Assigned(NamedTuple):
    """What a policy assignment is called, and what it assigns.

    Attributes:
        name: its display name; "" where it has none or is not shown.
        definition_id: of the initiative or policy; "" where it is not known.
        definition_name: the initiative's display name; "" where it has none or is not shown.
    """

    name: str = ""
    definition_id: str = ""
    definition_name: str = ""


@dataclass(slots=True)
class Report:
    """Everything that a report shows.

    Attributes:
        at: the time that all was judged at, UTC; `made_at` when that was done.
        ruleset: the file's name; `digest` its hash, `mode` its mode.
        lines: exemptions and bypasses, sorted by `Line.order`.
        grades, states: how many lines by grade and by expiry state.
        bypass_counts: how many lines by kind, a count for every kind that a scan can find.
        rules: by code.
        missing: what could not be seen, a sentence each.
        notes: what is worth knowing besides, and hides nothing, a sentence each.
        containers: display names of subscriptions and management groups, by register partition.
        assignments: the assignments of the lines, by their ids as the lines have them.
        portal: the origin of the portal that the report links to.
        docs: the address of docs/ that rule pages are linked below; "" for none.
        principals: display names of people, groups and applications, by id in lower case; {} where nobody asked.
        left_out: how many the filters on scopes left out.
        coverage: what the scan covers.
    """

    at: datetime
    ruleset: str
    digest: str
    mode: str
    made_at: datetime | None = None
    lines: list[Line] = field(default_factory=list)
    grades: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    bypass_counts: dict[BypassKind, BypassCount] = field(
        default_factory=lambda: {kind: BypassCount(kind) for kind in WORDS}
    )
    rules: dict[str, RuleCount] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    containers: Mapping[str, str] = field(default_factory=dict)
    assignments: Mapping[str, Assigned] = field(default_factory=dict)
    principals: Mapping[str, str] = field(default_factory=dict)
    portal: str = PUBLIC
    docs: str = ""
    left_out: int = 0
    coverage: Coverage = field(default_factory=Coverage)

    @classmethod
    def begin(cls, ruleset: Ruleset, now: datetime, coverage: Coverage) -> "Report":
        """Return an empty report."""
        return cls(now, ruleset.source, ruleset.digest, str(ruleset.mode), coverage=coverage)

    @property
    def complete(self) -> bool:
        """Whether all that was asked for was seen, and every rule could be judged for every exemption."""
        return not self.missing and not self.coverage.unjudged

    @property
    def total(self) -> int:
        """How many lines there are: exemptions and bypasses."""
        return sum(self.grades.values())

    @property
    def exemptions(self) -> int:
        """How many of them are exemptions."""
        return self.bypass_counts[BypassKind.EXEMPTION].total

    @property
    def violations(self) -> int:
        """How many lines break a rule."""
        return sum(self.grades[str(severity)] for severity in Severity)

    def verdicts(self) -> dict[str, int]:
        """Return how many lines there are of each verdict."""
        rest = {name: self.grades[name] for name in ("unknown", "pass", "excluded")}
        return {"violation": self.violations, **rest}

    def add(self, line: Line) -> None:
        """Take one line in."""
        self.lines.append(line)
        self.grades[line.grade] += 1
        self.states[line.state] += 1
        self.bypass_counts[line.kind].grades[line.grade] += 1
        if line.excluded or not line.findings:
            return
        if not line.bypass:
            self.coverage.judged(line.findings)
        for finding in line.findings:
            counted = self.rules.get(finding.code)
            if counted is None:
                counted = RuleCount(finding.code, finding.rule, finding.severity, finding.remediation)
                self.rules[finding.code] = counted
            if finding.severity.rank < counted.severity.rank:
                counted.severity = finding.severity
            if finding.status is Verdict.VIOLATION:
                counted.violations += 1
            else:
                counted.unknown += 1

    def finish(self) -> None:
        """Sort what was taken in, and say once what several queries said."""
        self.lines.sort(key=lambda line: line.order)
        self.missing = list(dict.fromkeys(self.missing))
        self.notes = list(dict.fromkeys(self.notes))

    def rules_by_weight(self) -> list[RuleCount]:
        """Return the rules that found something, the worst first."""
        return sorted(self.rules.values(), key=lambda rule: rule.order)

    def bypass_counts_to_show(self) -> list[BypassCount]:
        """Return the counts by kind; an assignment that could not be read is named only where there is one."""
        return [one for one in self.bypass_counts.values() if one.kind is not BypassKind.UNREAD or one.total]

    def states_in_order(self) -> list[tuple[str, int]]:
        """Return the expiry states that occur, the most urgent first, and how many lines have each."""
        return sorted(self.states.items(), key=lambda item: _urgency(item[0]))

    def place(self, line: Line) -> str:
        """Return what is let past, for people: names in place of ids, `contoso-prod / group / vaults/kv`."""
        return self.place_of(line.scope)

    def place_of(self, scope: str) -> str:
        """Return a scope for people: names in place of ids."""
        return place(scope, self.containers)

    def assigned(self, line: Line) -> Assigned:
        """Return what is known of a line's assignment."""
        return self.assignments.get(line.assignment, Assigned())

    def principals_named(self) -> set[str]:
        """Return whom the lines name: owners, approvers and authors, as they are spelled there."""
        found = {text for line in self.lines for text in (line.owner, line.approver, line.who)}
        evidence = (finding.evidence for line in self.lines for finding in line.findings)
        found |= {str(one[name]) for one in evidence for name in _PRINCIPALS if one.get(name)}
        return found

    def person(self, principal: str) -> str:
        """Return a principal for people: `Jo Doe (87d349ed…)` where its name is known, for two may have one name."""
        name = self.principals.get(principal.strip().lower(), "")
        return f"{name} ({principal.strip()[:8]}…)" if name else principal


_PRINCIPALS: Final = ("approver", "author")
"""Names in the evidence of findings under which there is a principal."""


def _urgency(state: str) -> tuple[int, int, str]:
    ranks = {"expired": 0, "expiring": 1, UNREADABLE: 2, "no-expiry": 3, "active": 4}
    kind, _, days = state.rpartition("-")
    if kind == "expiring" and days.isdigit():
        return ranks[kind], int(days), state
    return ranks.get(state, 5), 0, state
