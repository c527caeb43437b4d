"""A line of a report: one exemption or bypass, and its texts for people. Pure."""

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from guardrails.bypasses.model import Bypass, BypassKind
from guardrails.bypasses.model import to_json as bypass_to_json
from guardrails.criteria.model import NOT_KEPT, Weakened
from guardrails.decisions.assess import Assessment, Finding, Verdict
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import State, expiry_of
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.ruleset.model import Ruleset

GRADES: Final = ("high", "medium", "low", "info", "unknown", "excluded", "pass")
"""The grade of an exemption or bypass, the worst first: the severity of its worst violation, or why it has none."""

_RANKS: Final = {grade: rank for rank, grade in enumerate(GRADES)}

UNREADABLE: Final = "unreadable"
"""The expiry state of what says an end that is no time."""

_LONGEST: Final = 200
"""Characters that are kept of a stranger's text."""


class Line(NamedTuple):
    """One exemption or bypass in a report. Texts in it are strangers' and unescaped.

    Attributes:
        id: an exemption's resource id; of a bypass, the id of what is let past.
        grade: one of GRADES.
        verdict: pass, violation, unknown; or excluded, where the ruleset leaves it alone.
        excluded: why the ruleset leaves it alone; "" where it does not.
        state: the expiry state in a word: no-expiry, active, expiring-14, expired, unreadable.
        days_left: whole days to its end, negative afterwards; None without one.
        display_name: of the exemption, or of the assignment.
        assignment: the assignment's id; "" for a tag.
        who: who last wrote it, a UPN or a GUID; "" where unknown. `since`: when, UTC; None where unknown.
        bypass: the bypass itself; None for an exemption.
        approver: whom an exemption names as its approver; "" where none.
        weakened: the criteria that it weakens; one object for all that weaken the same.
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
    who: str = ""
    since: datetime | None = None
    bypass: Bypass | None = None
    approver: str = ""
    weakened: Weakened = NOT_KEPT

    @property
    def kind(self) -> BypassKind:
        """How a policy is kept from the scope."""
        return self.bypass.kind if self.bypass else BypassKind.EXEMPTION

    @property
    def name(self) -> str:
        """The name of the exemption, of the tagged resource, or of the assignment."""
        return (self.assignment if self.bypass and self.assignment else self.id).rstrip("/").rpartition("/")[2]

    @property
    def scope(self) -> str:
        """The id of what is let past."""
        return self.id if self.bypass else ExemptionId.parse(self.id).scope

    @property
    def detail(self) -> str:
        """What exactly is let past, one phrase; "" for an exemption. Of a tag, what the line does not say besides."""
        if self.bypass is None:
            return ""
        if self.kind is BypassKind.TAG and self.bypass.subject:
            return f"exception {self.bypass.subject}"
        return "; covers ".join(filter(None, (self.bypass.detail, self.bypass.covers)))

    @property
    def order(self) -> tuple[int, bool, int, str, str]:
        """The key to sort by: grade, then days left, those without an end last, then id, then assignment."""
        return (
            _RANKS[self.grade], self.days_left is None, self.days_left or 0, self.id.lower(),
            self.assignment.lower(),
        )  # fmt: skip


def line_of(
    exemption: Exemption, assessment: Assessment, ruleset: Ruleset, now: datetime, weakened: Weakened = NOT_KEPT
) -> Line:
    """Return the line for a judged exemption. What passes keeps little: short texts, those that recur only once."""
    exclusion = ruleset.exclusion_for(exemption.id, now) if ruleset.exclusions else None
    expiry = expiry_of(exemption.expires_on, now, ruleset.reminder_days)
    verdict = "excluded" if exclusion else str(assessment.verdict)
    said = exemption.said.get
    return Line(
        exemption.id.text,
        str(_worst(assessment.violations)) if verdict == "violation" else verdict,
        verdict,
        assessment.findings,
        f"{exclusion.scope}: {exclusion.reason}" if exclusion else "",
        exemption.expires_on,
        UNREADABLE if exemption.expiry_problem else sys.intern(expiry.name),
        expiry.days_left,
        exemption.display_name[:_LONGEST],
        sys.intern(exemption.category[:_LONGEST]),
        sys.intern(said("owner", "")[:_LONGEST]),
        said("ticket", "")[:_LONGEST],
        sys.intern(exemption.assignment_id),
        sys.intern((exemption.modified_by or exemption.created_by)[:_LONGEST]),
        exemption.modified_at or exemption.created_at,
        approver=sys.intern(said("approver", "")[:_LONGEST]),
        weakened=weakened,
    )


def line_of_bypass(bypass: Bypass, ruleset: Ruleset, now: datetime) -> Line:
    """Return the line for a judged bypass."""
    expiry = expiry_of(bypass.ends, now, ruleset.reminder_days)
    tag = bypass.kind is BypassKind.TAG
    return Line(
        id=bypass.scope,
        grade=bypass.grade,
        verdict=bypass.verdict,
        findings=tuple(bypass.findings),
        excluded=bypass.excluded,
        expires_on=bypass.ends,
        state=UNREADABLE if bypass.ends_problem or bypass.unreadable else sys.intern(expiry.name),
        days_left=expiry.days_left,
        display_name="" if tag else bypass.name[:_LONGEST],
        category="",
        owner=sys.intern(bypass.owner[:_LONGEST]),
        ticket=bypass.ticket[:_LONGEST],
        assignment="" if tag else sys.intern(bypass.subject),
        who=sys.intern(bypass.who[:_LONGEST]),
        since=bypass.since,
        bypass=bypass,
        weakened=bypass.weakened,
    )


def place(scope: str, containers: Mapping[str, str]) -> str:
    """Return a scope with display names in place of ids; as it is, where it is none that we know."""
    parts = scope.strip("/").split("/")
    folded = [part.lower() for part in parts]
    if folded[:-1] == ["providers", "microsoft.management", "managementgroups"]:
        return f"management group {containers.get(f'mg~{folded[-1]}') or parts[-1]}"
    if len(parts) < 2 or folded[0] != "subscriptions":
        return scope
    shown = [containers.get(folded[1]) or parts[1]]
    rest = parts[2:]
    if len(rest) > 1 and folded[2] == "resourcegroups":
        shown.append(rest[1])
        rest = rest[2:]
    if len(rest) > 3:  # providers, the provider, then type and name in pairs: the provider says little
        shown.append("/".join(rest[2:]))
    return " / ".join(shown)


def rules_broken(line: Line) -> list[str]:
    """Return the rules that are broken, or unknown, as `EXG101 expiry-missing`."""
    return [f"{one.code} {one.rule}{'' if one.status is Verdict.VIOLATION else ' (unknown)'}" for one in line.findings]


def expiry_text(line: Line) -> str:
    """Return an expiry state and the days left, for people."""
    if line.days_left is None:
        return line.state
    left = line.days_left
    if line.state == State.EXPIRED:
        return f"{line.state}, {number_of(-left - 1, 'day')} ago" if left < -1 else f"{line.state}, within the last day"
    return f"{line.state}, {number_of(left, 'day')} left" if left else f"{line.state}, ends within a day"


def name_text(line: Line) -> str:
    """Return the name, and what exactly is let past: `storage-baseline (Disabled for denyPublicNetwork)`."""
    return f"{line.name} ({line.detail})" if line.detail else line.name


def written_text(line: Line) -> str:
    """Return who last wrote it, and on which day, as far as that is known."""
    day = line.since.date().isoformat() if line.since else ""
    return ", ".join(filter(None, (line.who, day)))


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
    if line.bypass:
        return bypass_to_json(line.bypass) | {"expiry_state": line.state, "days_left": line.days_left}
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
        "who": line.who,
        "since": spelled(line.since),
        "findings": [finding.to_json() for finding in line.findings],
        "criteria_weakened": line.weakened.to_json(),
    }


def spelled(time: datetime | None) -> str | None:
    """Return a time as ARM spells it; None for none."""
    return None if time is None else spell_time(time)


def _worst(violations: Iterable[Finding]) -> Severity:
    return min((finding.severity for finding in violations), key=lambda severity: severity.rank)
