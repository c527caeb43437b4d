"""A notice: one message for people or systems. Pure. Channels render it; its id never changes over retries."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import parse_time, spell_time
from guardrails.notices.stored_names import current_notice, stored_notice


class Kind(StrEnum):
    """What a notice is about."""

    VIOLATION = "violation"
    TAGGED = "tagged"
    REVERTED = "reverted"
    WOULD_REVERT = "would-revert"
    RESTORED = "restored"
    CANNOT_ACT = "cannot-act"
    UNKNOWN = "unknown"
    COMPLIANT = "compliant"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVIEW_DUE = "review-due"
    REMOVED = "removed"
    DELETED = "deleted"
    REGISTER_ALTERED = "register-altered"
    BREAKER_OPEN = "breaker-open"
    RULESET_BROKEN = "ruleset-broken"
    DELIVERY_FAILING = "delivery-failing"
    POISON = "poison"
    DIGEST = "digest"
    ADOPTED = "adopted"
    SWEEP_PARTIAL = "sweep-partial"
    LOST = "lost"
    NOT_RESTORED = "not-restored"
    FIGHT = "fight"
    BYPASS_FOUND = "bypass-found"
    BUDGET_REACHED = "budget-reached"
    HOLD = "hold"
    HOLD_ENDING = "hold-ending"
    EVASION_ATTEMPTED = "evasion-attempted"
    SWEEP_LATE = "sweep-late"
    RECORD_DIGEST = "record-digest"


SERVICE: Final = frozenset(
    {
        Kind.BREAKER_OPEN, Kind.RULESET_BROKEN, Kind.DELIVERY_FAILING, Kind.POISON, Kind.DIGEST, Kind.ADOPTED,
        Kind.SWEEP_PARTIAL, Kind.BYPASS_FOUND, Kind.BUDGET_REACHED, Kind.SWEEP_LATE,
        Kind.RECORD_DIGEST,
    }
)  # fmt: skip
"""Kinds about the service itself, or about many exemptions: their `exemption` is {}."""

ON_REQUEST: Final = frozenset({Kind.RECORD_DIGEST})
"""Kinds that only a route gets which names them: nobody else wants one an hour."""

_ANY = tuple(Severity)
_HIGH = (Severity.HIGH,)

SEVERITIES: Final[Mapping[Kind, tuple[Severity, ...]]] = {
    Kind.VIOLATION: _ANY,
    Kind.TAGGED: _ANY,
    Kind.REVERTED: _ANY,
    Kind.WOULD_REVERT: _ANY,
    Kind.RESTORED: (Severity.INFO,),
    Kind.CANNOT_ACT: _HIGH,
    Kind.UNKNOWN: (Severity.HIGH, Severity.MEDIUM),
    Kind.COMPLIANT: (Severity.INFO,),
    Kind.EXPIRING: (Severity.MEDIUM, Severity.LOW),
    Kind.EXPIRED: (Severity.MEDIUM,),
    Kind.REVIEW_DUE: (Severity.LOW,),
    Kind.REMOVED: (Severity.LOW,),
    Kind.DELETED: _HIGH,
    Kind.REGISTER_ALTERED: _HIGH,
    Kind.BREAKER_OPEN: _HIGH,
    Kind.RULESET_BROKEN: _HIGH,
    Kind.DELIVERY_FAILING: _HIGH,
    Kind.POISON: _HIGH,
    Kind.DIGEST: _ANY,
    Kind.ADOPTED: _ANY,
    Kind.SWEEP_PARTIAL: (Severity.HIGH, Severity.MEDIUM),
    Kind.LOST: (Severity.HIGH, Severity.MEDIUM),
    Kind.NOT_RESTORED: _HIGH,
    Kind.FIGHT: _HIGH,
    Kind.BYPASS_FOUND: _ANY,
    Kind.BUDGET_REACHED: _HIGH,
    Kind.HOLD: (Severity.HIGH, Severity.MEDIUM),
    Kind.HOLD_ENDING: (Severity.MEDIUM,),
    Kind.EVASION_ATTEMPTED: _HIGH,
    Kind.SWEEP_LATE: _HIGH,
    Kind.RECORD_DIGEST: (Severity.INFO,),
}
"""The severities that a notice of a kind can have, worst first."""

TITLES: Final[Mapping[Kind, str]] = {
    Kind.VIOLATION: "A policy exemption breaks the rules",
    Kind.TAGGED: "A policy exemption breaks the rules and was tagged",
    Kind.REVERTED: "A policy exemption was reverted",
    Kind.WOULD_REVERT: "A policy exemption would be reverted",
    Kind.RESTORED: "A policy exemption was restored",
    Kind.CANNOT_ACT: "A policy exemption cannot be changed",
    Kind.UNKNOWN: "A policy exemption could not be judged",
    Kind.COMPLIANT: "A policy exemption is compliant again",
    Kind.EXPIRING: "A policy exemption expires soon",
    Kind.EXPIRED: "A policy exemption has expired",
    Kind.REVIEW_DUE: "A policy exemption is due for review",
    Kind.REMOVED: "A policy exemption that had expired was deleted",
    Kind.DELETED: "A compliant policy exemption was deleted",
    Kind.REGISTER_ALTERED: "A register row was changed from outside",
    Kind.BREAKER_OPEN: "The breaker is open: nothing is reverted",
    Kind.RULESET_BROKEN: "The ruleset is broken: nothing is judged",
    Kind.DELIVERY_FAILING: "Notices could not be delivered",
    Kind.POISON: "A message could not be processed",
    Kind.DIGEST: "Many notices in one",
    Kind.ADOPTED: "Policy exemptions that are older than the guardrails",
    Kind.SWEEP_PARTIAL: "A sweep could not see everything",
    Kind.LOST: "A policy exemption was lost",
    Kind.NOT_RESTORED: "A lost policy exemption is not restored",
    Kind.FIGHT: "The guardrails and somebody undo each other's changes to a policy exemption",
    Kind.BYPASS_FOUND: "Bypasses of policies were found",
    Kind.BUDGET_REACHED: "A budget for reverts is used up: further reverts wait",
    Kind.HOLD: "An operator's hold on a policy exemption",
    Kind.HOLD_ENDING: "An operator's hold on a policy exemption ends soon",
    Kind.EVASION_ATTEMPTED: "Somebody tries to get past the guardrails",
    Kind.SWEEP_LATE: "No sweep for too long",
    Kind.RECORD_DIGEST: "A sweep was recorded",
}

NEXT: Final[Mapping[Kind, str]] = {
    Kind.VIOLATION: "Fix the exemption as described, or delete it.",
    Kind.TAGGED: "Fix the exemption as described. The guardrails then take the tag away.",
    Kind.REVERTED: "Write the exemption again with allowed values. If the revert was wrong, undo it: exg restore ID",
    Kind.WOULD_REVERT: "Fix the exemption before enforce mode is switched on.",
    Kind.RESTORED: "If the exemption breaks a rule, fix it. The service does not change it until somebody edits it.",
    Kind.CANNOT_ACT: "Remove what blocks the change, then: exg reconcile ID",
    Kind.UNKNOWN: "The service tries again. If the exemption stays unknown, remove the cause that this notice names.",
    Kind.COMPLIANT: "Nothing.",
    Kind.EXPIRING: "To keep it, get a new approval and extend it. Otherwise, comply with the policy before it expires.",
    Kind.EXPIRED: "Delete it. If it is still needed, have a new one approved.",
    Kind.REVIEW_DUE: "Review whether it is still needed. Then set the next review date, or delete it.",
    Kind.REMOVED: "If it is still needed, restore it: exg restore ID",
    Kind.DELETED: "If it is still needed, restore it: exg restore ID",
    Kind.REGISTER_ALTERED: "Find out who may write to the table. Check the history: exg history ID --verify",
    Kind.BREAKER_OPEN: "Look at the reverts of the last hour, then close the breaker: exg breaker close",
    Kind.RULESET_BROKEN: "Fix the ruleset. The service then processes the waiting messages.",
    Kind.DELIVERY_FAILING: "Fix the route, then send the kept notices: exg notices replay --all",
    Kind.POISON: "Find the cause, then process it again: exg dead-letters replay ID",
    Kind.DIGEST: "Begin with the worst finding. The history of each exemption has the details.",
    Kind.ADOPTED: "Begin with the worst finding. To list all: exg register list --adopted (for a file: --format csv)",
    Kind.SWEEP_PARTIAL: "Give the service its reader role where it is missing. The next sweep looks again.",
    Kind.LOST: "To keep it, do nothing. Otherwise, delete it after the restore, as owner or by an approved pipeline.",
    Kind.NOT_RESTORED: "If it is still needed, fix the cause, then restore it: exg restore ID",
    Kind.FIGHT: "Ask the person who deletes it for the reason. To keep it, restore it: exg restore ID",
    Kind.BYPASS_FOUND: "Begin with the worst finding. To list all: exg register bypasses (for a file: --format csv)",
    Kind.BUDGET_REACHED: "Ask the authors to fix their exemptions. To list waiting reverts: exg register list --held",
    Kind.HOLD: "To list all exemptions on hold: exg register list --on-hold",
    Kind.HOLD_ENDING: "Fix the exemption before the hold ends. To hold it longer: exg hold ID",
    Kind.EVASION_ATTEMPTED: "Ask the author about the edit. To list all changes: exg history ID",
    Kind.SWEEP_LATE: "Check that the timer runs. If it has stopped, deploy the app again. To sweep now: exg sweep run",
    Kind.RECORD_DIGEST: "Keep the hash where the guardrails cannot write. To check: exg register verify --anchor HASH",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice, complete in itself: a channel needs nothing else to render it.

    Attributes:
        id: stable; A-Z, a-z, 0-9 and hyphens only.
        kind: what it is about.
        severity: high, medium, low or info.
        at: when it was decided, UTC.
        title: one line; our words only, no text from the exemption.
        exemption: what it is about; {} where it is about the service. Keys: id, name, displayName, scope, scopeKind,
            assignment, category, expiresOn, owner, ticket, reviewOn, criteriaWeakened. Values are strangers' text,
            unescaped.
        findings: a list of {code, rule, status, severity, text, evidence, remediation}.
        actor: who wrote or deleted it; "" where unknown. A stranger's text.
        done: what was done, one sentence; our words.
        why: the reasons, our words.
        next: what to do next, one sentence; our words.
        fix: what must change for the exemption to keep the rules, {changes: a list of {rule, field, current, allowed},
            command}, see guardrails.decisions.fix; {} where nothing must, or the notice is not about what it says.
        digest: what is counted, name -> number each but for `since` and `total`: {since, total, kinds, severities,
            rules} of a digest, {total, verdicts, severities, rules, expiry} of what was adopted, {total,
            bypasses, severities, rules} of bypasses; {} for other kinds.
    """

    id: str
    kind: Kind
    severity: str
    at: datetime
    title: str
    exemption: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...]
    actor: str
    done: str
    why: tuple[str, ...]
    next: str
    digest: Mapping[str, Any] = field(default_factory=dict)
    fix: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form in which it is stored and sent from queue to queue; `from_json` reads it."""
        return stored_notice(self.current_json())

    def current_json(self) -> dict[str, Any]:
        """Return the JSON form with the names of today, for what is shown and sent."""
        out = {
            "id": self.id,
            "kind": str(self.kind),
            "severity": self.severity,
            "at": spell_time(self.at),
            "title": self.title,
            "exemption": dict(self.exemption),
            "findings": [dict(finding) for finding in self.findings],
            "actor": self.actor,
            "done": self.done,
            "why": list(self.why),
            "next": self.next,
        }
        optional = {"fix": self.fix, "digest": self.digest}
        return out | {name: dict(said) for name, said in optional.items() if said}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Notice":
        """Read what `to_json` wrote, or `current_json`. Raises ValueError when it is not a notice."""
        try:
            data = current_notice(data)
            at = parse_time(data["at"])
            if at is None:
                raise ValueError("a notice needs a time")
            return cls(
                id=str(data["id"]),
                kind=Kind(data["kind"]),
                severity=str(data["severity"]),
                at=at,
                title=str(data["title"]),
                exemption=dict(data["exemption"]),
                findings=tuple(dict(finding) for finding in data["findings"]),
                actor=str(data["actor"]),
                done=str(data["done"]),
                why=tuple(str(line) for line in data["why"]),
                next=str(data["next"]),
                digest=dict(data.get("digest") or {}),
                fix=dict(data.get("fix") or {}),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a notice: {error!r}") from error
