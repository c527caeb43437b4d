"""One message for people or systems. Pure. Channels render it; its id never changes over retries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from guardrails.exemption.model import parse_time, spell_time
from guardrails.rules.base import Severity


class Kind(StrEnum):
    """What a notice tells."""

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


SERVICE: Final = frozenset(
    {
        Kind.BREAKER_OPEN, Kind.RULESET_BROKEN, Kind.DELIVERY_FAILING, Kind.POISON, Kind.DIGEST, Kind.ADOPTED,
        Kind.SWEEP_PARTIAL, Kind.BYPASS_FOUND, Kind.BUDGET_REACHED, Kind.SWEEP_LATE,
    }
)  # fmt: skip
"""Kinds about the service itself, or about many exemptions: their `exemption` is {}."""

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
}
"""The severities that a notice of a kind can have, worst first."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice, complete in itself: a channel needs nothing else to render it.

    Attributes:
        id: stable; letters, digits and hyphens only.
        kind: what it tells.
        severity: high, medium, low or info.
        at: when it was decided, UTC.
        title: one line; our words only, no text from the exemption.
        exemption: what it is about; {} where it is about the service. Keys: id, name, displayName, scope, scopeKind,
            assignment, category, expiresOn, owner, ticket, reviewOn. Values are strangers' text, unescaped.
        findings: a list of {code, rule, status, severity, text, evidence, mend}.
        actor: who wrote or deleted it; "" where unknown. A stranger's text.
        done: what was done, one sentence; our words.
        why: the reasons, our words.
        next: what to do next, one sentence; our words.
        digest: what is counted, name -> number each but for `since` and `total`: {since, total, kinds, severities,
            rules} of a digest, {total, verdicts, severities, rules, expiry} of what was adopted, {total, ways,
            severities, rules} of ways past a policy; {} for other kinds.
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

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
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
        return {**out, "digest": dict(self.digest)} if self.digest else out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Notice":
        """Read what `to_json` wrote. Raises ValueError when it is not a notice."""
        try:
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
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a notice: {error!r}") from error
