"""Exemptions for notices: the sample one, hostile ones, and the least that can be said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.bypasses.model import Bypass, BypassKind
from guardrails.bypasses.notice import bypass_found
from guardrails.criteria.model import BySource, Criterion, Source, SourceKind, Weakened
from guardrails.decisions.adoption_notice import Adopted, adopted
from guardrails.decisions.assess import Assessment, Finding, Verdict
from guardrails.decisions.fix import Fix
from guardrails.decisions.notify import about, expiry, partial, review, service
from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.notices.digest import DigestItem, compose
from guardrails.notices.notice import SERVICE, Kind, Notice
from guardrails.rules import all_rules
from guardrails.rules.base import Change
from guardrails.rules.sample import BODY, EXEMPTIONS
from guardrails.ruleset.bound_rules import Response

AT: Final = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
SUBSCRIPTION: Final = "11111111-2222-3333-4444-555555555555"
HOSTILE: Final = (
    "<at>Jo</at> [x](https://evil.example)",
    "\u202e\x00\ud800",
    "9" * 100_000,
    "'; drop --\n\r",
    "\U0001f469\u200d\U0001f467",
    "\ufdd0 \u200b",
)


def exemption(**said: Any) -> Exemption:
    """Return the sample exemption, with other properties."""
    return Exemption.from_arm({**BODY, "properties": {**BODY["properties"], **said}})


def finding(text: str = "it expires too late", **changes: Any) -> Finding:
    made = Finding(
        code="E002",
        rule="expiry-too-far",
        status=Verdict.VIOLATION,
        severity=Severity.HIGH,
        text=text,
        evidence={"expiresOn": text, "list": [text, 1, None], "nested": {text: {"a": text}}},
        remediation="Set it earlier.",
        response=Response.REVERT,
        grace=timedelta(0),
    )
    return replace(made, **changes)


def bypass(text: str, below: str = "", findings: tuple[Finding, ...] = ()) -> Bypass:
    """Return a bypass with `text` wherever a stranger can write; it breaks a rule at least."""
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g"
    found = tuple(one for one in findings if one.status is Verdict.VIOLATION) or (finding(),)
    return Bypass(
        BypassKind.NOT_SCOPE, scope + below + text, scope + text, text, text, text, owner=text, ticket=text,
        review=text,
        findings=found, weakened=weakened(text),
    )  # fmt: skip


def weakened(text: str) -> Weakened:
    """Return criteria of an initiative whose author wrote `text` wherever that is possible."""
    criteria = tuple(Criterion(f"{number}{text}"[:128], 1, 40, text[:128]) for number in range(40))
    return Weakened(policies=1, by_source=(BySource(Source(SourceKind.INITIATIVE, text, text, "1.0.0"), 1, criteria),))


def of_kind(kind: Kind, findings: tuple[Finding, ...] = (finding(),), text: str = "jo@contoso.com") -> Notice:
    """Return a notice of a kind, made as the service makes it, with `text` wherever a stranger can write."""
    said = {"owner": text, "ticket": text}
    one = exemption(displayName=text, exemptionCategory=text, policyAssignmentId=text or "/x", metadata=said)
    known = row(criteria_weakened=weakened(text).to_json())
    if kind is Kind.DIGEST:
        notices = [of_kind(other, findings, text) for other in Kind if other is not Kind.DIGEST]
        return compose("chat", "20261121T1230Z", [DigestItem("w", notice) for notice in notices], AT).notice
    if kind is Kind.ADOPTED:
        codes = tuple(rule.code for rule in all_rules().values())
        return adopted("key", [Adopted(one.id, codes, "violation", "no-expiry", text)] * 40, AT)
    if kind is Kind.BYPASS_FOUND:
        return bypass_found({bytes([n]): (AT, bypass(text, f"/{n}", findings)) for n in range(40)}, AT)
    if kind is Kind.SWEEP_PARTIAL:
        return partial([text] * 30, at=AT)
    if kind is Kind.EXPIRED or kind is Kind.EXPIRING:
        when = AT + timedelta(days=-1 if kind is Kind.EXPIRED else 3)
        return expiry(one.id, when, at=AT, exemption=one, row=known)
    if kind is Kind.REVIEW_DUE:
        return review(one.id, AT, at=AT, exemption=one, row=known)
    if kind in SERVICE:
        return service(kind, "key", at=AT, done="It waits.", why=(text,) * 30)
    return about(
        kind,
        one.id,
        7,
        at=AT,
        actor=text,
        done="It was done.",
        why=(text,) * 30,
        exemption=one,
        assessment=Assessment(findings),
        row=known,
        fix=Fix((("owner-missing", Change(f"properties.metadata.{text}", text, text)),) * 20, text[:300]),
    )


def least(kind: Kind, row: Row | None = None) -> Notice:
    """Return a notice of a kind where nothing is known but the exemption's id, and perhaps its row."""
    one = ExemptionId.parse("/providers/Microsoft.Management/managementGroups/m" + EXEMPTIONS + "e")
    if kind is Kind.EXPIRED or kind is Kind.EXPIRING:
        return expiry(one, AT + timedelta(hours=0 if kind is Kind.EXPIRED else 1), at=AT, row=row)
    if kind is Kind.REVIEW_DUE:
        return review(one, AT + timedelta(days=1), at=AT, row=row)
    if kind is Kind.ADOPTED:
        return adopted("", [], AT)
    if kind is Kind.BYPASS_FOUND:
        return bypass_found({b"": (AT, bypass("", "", ()))}, AT)
    if kind is Kind.DIGEST:
        return compose("chat", "20261121T1230Z", [DigestItem("w", least(Kind.DELETED, row))], AT).notice
    if kind in SERVICE:
        return service(kind, "", at=AT, done="", why=())
    return about(kind, one, 1, at=AT, actor="", done="", why=(), row=row)


def row(**changes: Any) -> Row:
    """Return what the register knows of an exemption."""
    return replace(Row("/x", Status.VIOLATION, AT, expires_on=AT, owner="o", assignment="a"), **changes)
