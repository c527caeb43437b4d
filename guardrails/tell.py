"""Tell: what is said to people about a decision. Pure. Titles, reasons and next steps are ours; the rest is quoted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from guardrails.assess import Assessment, Verdict
from guardrails.exemption import Exemption, ExemptionId, spell_time
from guardrails.notice import Kind, Notice
from guardrails.record import Outgoing, Row
from guardrails.rules.base import Severity
from guardrails.ruleset import Ruleset

_TEXT_LIMIT: Final = 300
_EVIDENCE_LIMIT: Final = 600
_EVIDENCE_IN_ALL: Final = 6_000
"""Characters of evidence in one notice: a message on a queue has at most 48 KiB, and a character up to 4 bytes."""
_VALUES: Final = 10

TITLES: Final[Mapping[Kind, str]] = {
    Kind.VIOLATION: "A policy exemption breaks the rules",
    Kind.TAGGED: "A policy exemption breaks the rules and was tagged",
    Kind.REVERTED: "A policy exemption was reverted",
    Kind.WOULD_REVERT: "A policy exemption would be reverted",
    Kind.RESTORED: "A reverted policy exemption was restored",
    Kind.CANNOT_ACT: "A policy exemption cannot be changed",
    Kind.UNKNOWN: "A policy exemption could not be judged",
    Kind.DELETED: "A compliant policy exemption was deleted",
    Kind.BREAKER_OPEN: "The breaker is open: nothing is reverted",
    Kind.RULESET_BROKEN: "The ruleset is broken: nothing is judged",
    Kind.REGISTER_ALTERED: "A register row was changed from outside",
    Kind.POISON: "A message could not be processed",
}

NEXT: Final[Mapping[Kind, str]] = {
    Kind.VIOLATION: "Mend the exemption as described, or delete it.",
    Kind.TAGGED: "Mend the exemption as described; the tag then goes by itself.",
    Kind.REVERTED: "If this was wrong, undo it: python -m guardrails restore ID",
    Kind.WOULD_REVERT: "Mend the exemption before enforce mode is switched on.",
    Kind.RESTORED: "It is left alone until somebody changes it; mend it.",
    Kind.CANNOT_ACT: "Remove what is in the way, then: python -m guardrails reconcile ID",
    Kind.UNKNOWN: "It is looked at again by itself; if this persists, see the reasons.",
    Kind.DELETED: "If it is still needed, undo it: python -m guardrails restore ID",
    Kind.BREAKER_OPEN: "Look at the reverts of the last hour, then: python -m guardrails breaker close",
    Kind.RULESET_BROKEN: "Mend the ruleset; what waited is then judged by itself.",
    Kind.REGISTER_ALTERED: "Find out who may write to the table: python -m guardrails history ID --verify",
    Kind.POISON: "Find the cause, then: python -m guardrails letters replay LETTER",
}


def notice_id(exemption_id: ExemptionId, seq: int, kind: Kind) -> str:
    """Return the id of a notice that belongs to history entry `seq`: the same however often it is decided or sent."""
    return message_id(exemption_id, seq, kind)


def message_id(exemption_id: ExemptionId, seq: int, what: str) -> str:
    """Return a name for a message that leaves with history entry `seq`."""
    return f"{sha256(exemption_id.key.encode()).hexdigest()[:16]}-{seq}-{what}"


def about(
    kind: Kind,
    exemption_id: ExemptionId,
    seq: int,
    *,
    at: datetime,
    actor: str,
    done: str,
    why: Sequence[str],
    exemption: Exemption | None = None,
    assessment: Assessment | None = None,
    row: Row | None = None,
) -> Notice:
    """Return the notice about one exemption. `done` and `why` are our words; `actor` and the exemption are quoted."""
    findings = assessment.findings if assessment else ()
    severity = assessment.severity if findings and assessment else Severity.INFO
    values = sum(min(len(finding.evidence), _VALUES) for finding in findings)
    limit = min(_EVIDENCE_LIMIT, _EVIDENCE_IN_ALL // max(values, 1))
    if kind in (Kind.CANNOT_ACT, Kind.DELETED, Kind.REGISTER_ALTERED):
        severity = min(severity, Severity.HIGH, key=lambda s: s.rank)
    if kind is Kind.UNKNOWN:
        severity = min(severity, Severity.MEDIUM, key=lambda s: s.rank)
    return Notice(
        id=notice_id(exemption_id, seq, kind),
        kind=kind,
        severity=str(severity),
        at=at,
        title=TITLES[kind],
        exemption=_particulars(exemption_id, exemption, row),
        findings=tuple(
            {**finding.to_json(), "evidence": _small(finding.evidence, limit)}
            for finding in sorted(findings, key=lambda f: (f.status is Verdict.UNKNOWN, f.severity.rank))
        ),
        actor=actor[:_TEXT_LIMIT],
        done=done,
        why=tuple(line[:_TEXT_LIMIT] for line in why[:20]),
        next=NEXT[kind].replace(" ID", f" '{exemption_id.text}'")
        if len(exemption_id.text) < _TEXT_LIMIT
        else NEXT[kind],
    )


def service(kind: Kind, key: str, *, at: datetime, done: str, why: Sequence[str]) -> Notice:
    """Return a notice about the service itself. `key` makes its id: the same trouble, the same id."""
    return Notice(
        id=f"service-{kind}-{key}",
        kind=kind,
        severity=str(Severity.HIGH),
        at=at,
        title=TITLES[kind],
        exemption={},
        findings=(),
        actor="",
        done=done,
        why=tuple(line[:_TEXT_LIMIT] for line in why[:20]),
        next=NEXT[kind],
    )


def outgoing(notice: Notice, ruleset: Ruleset) -> tuple[Outgoing, ...]:
    """Return one message a route that wants the notice."""
    return tuple(
        Outgoing(
            f"{notice.id}-{route.name}", "notices", {"route": route.name, "notice": notice.to_json(), "attempt": 0}
        )
        for route in ruleset.routes
        if route.wants(notice.kind, notice.severity)
    )


def _particulars(exemption_id: ExemptionId, exemption: Exemption | None, row: Row | None) -> dict[str, Any]:
    """Return what a reader needs to know the exemption by; from the register where it is gone."""
    out: dict[str, Any] = {
        "id": exemption_id.text,
        "name": exemption_id.name,
        "scope": exemption_id.scope,
        "scopeKind": str(exemption_id.kind),
    }
    if exemption is not None:
        out |= {
            "displayName": exemption.display_name[:_TEXT_LIMIT],
            "assignment": exemption.assignment_id[:_TEXT_LIMIT],
            "category": exemption.category[:40],
            "expiresOn": spell_time(exemption.expires_on) if exemption.expires_on else "",
            "owner": exemption.owner[:_TEXT_LIMIT],
            "ticket": exemption.ticket[:_TEXT_LIMIT],
        }
    elif row is not None:
        out |= {
            "assignment": row.assignment[:_TEXT_LIMIT],
            "expiresOn": spell_time(row.expires_on) if row.expires_on else "",
            "owner": row.owner[:_TEXT_LIMIT],
            "ticket": row.ticket[:_TEXT_LIMIT],
        }
    return out


def _small(evidence: Mapping[str, Any], limit: int = _EVIDENCE_LIMIT) -> dict[str, Any]:
    """Return evidence that fits into a message: values of more than `limit` characters are cut and say so."""
    out = {}
    for key, value in list(evidence.items())[:_VALUES]:
        text = str(value)
        out[key] = value if len(text) <= limit else text[:limit] + " …"
    return out
