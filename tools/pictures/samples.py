"""A notice of every kind, as a customer may get it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.bypasses.model import Bypass, BypassKind, judged
from guardrails.bypasses.notice import bypass_found
from guardrails.decisions.adoption_notice import Adopted, adopted
from guardrails.decisions.notify import expiry, review
from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.digest import DigestItem, box_of, compose
from guardrails.notices.notice import NEXT, SERVICE, SEVERITIES, TITLES, Kind, Notice
from guardrails.rules import all_rules
from guardrails.rules.base import Case, Violation
from guardrails.rules.sample import read
from guardrails.ruleset.model import load_ruleset

_AT: Final = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
_SUBSCRIPTION: Final = "/subscriptions/3f0c8a52-7d0e-4c56-9a6e-51b0c2f4d871"
_SCOPE: Final = (
    f"{_SUBSCRIPTION}/resourceGroups/partner-ingestion/providers/Microsoft.Storage/storageAccounts/partnerdrop"
)

_ID: Final = f"{_SUBSCRIPTION}/resourceGroups/reports/providers/Microsoft.Authorization/policyExemptions/{{}}"

_EXEMPTION: Final[Mapping[str, Any]] = {
    "id": f"{_SCOPE}/providers/Microsoft.Authorization/policyExemptions/partner-ingestion",
    "name": "partner-ingestion",
    "displayName": "Partner ingestion over the public endpoint",
    "scope": _SCOPE,
    "scopeKind": "resource",
    "assignment": f"{_SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/storage-baseline",
    "category": "Waiver",
    "expiresOn": "2028-05-31T00:00:00Z",
    "owner": "data-platform@contoso.com",
    "ticket": "SEC-1234",
}


def _found(name: str, case: Case) -> Mapping[str, Any]:
    """Return what a rule really says of one of the cases beside it, as a notice has it."""
    rule = all_rules()[name]
    exemption, facts = read(case)
    outcome = rule.check(exemption, facts, rule.options(**case.options))
    known = isinstance(outcome, Violation)
    return {
        "code": rule.code,
        "rule": rule.name,
        "status": "violation" if known else "unknown",
        "severity": str(rule.severity),
        "text": outcome.text if isinstance(outcome, Violation) else getattr(outcome, "reason", ""),
        "evidence": dict(outcome.evidence) if isinstance(outcome, Violation) else {},
        "remediation": rule.remediation,
    }


_FAR: Final = _found("expiry-too-far", all_rules()["expiry-too-far"].bad[0])
_WHOLE: Final = _found("whole-initiative", all_rules()["whole-initiative"].bad[0])
_UNCHECKED: Final = _found("reference-unknown", all_rules()["reference-unknown"].unclear[0])

_JUDGED: Final = frozenset({"violation", "tagged", "reverted", "would-revert", "cannot-act"})
_DONE: Final[Mapping[str, str]] = {
    "violation": "Nothing was changed in Azure.",
    "tagged": "A guardrails tag was set on its metadata.",
    "reverted": "The exemption was deleted; its body is kept.",
    "would-revert": "Nothing was changed in Azure. Audit mode; enforce mode would delete it.",
    "restored": "Its former state was written back.",
    "cannot-act": "Nothing was changed in Azure, for it does not allow it.",
    "unknown": "Nothing was changed.",
    "deleted": "Nothing was changed: the exemption is gone.",
    "breaker-open": "Nothing is reverted while it is open.",
    "ruleset-broken": "What comes in waits on the queue.",
    "register-altered": "The row was rebuilt from its history.",
    "poison": "It is kept as dead letter reconcile-3f0c8a527d0e4c569a6e51b0.",
    "compliant": "Somebody fixed it: it now keeps every rule.",
    "expiring": "Nothing was changed.",
    "removed": "The exemption was deleted; its body is kept.",
    "sweep-partial": "The rest was looked at. Nothing is said of what could not be seen: it is not taken for deleted.",
    "lost": "It is put back once its target is there, not before 2026-11-21T12:45:00Z.",
    "not-restored": "Nothing was changed in Azure.",
    "fight": "Nothing was changed in Azure.",
    "budget-reached": "What is beyond this budget is not reverted now; nothing else is held back.",
    "hold": "Nothing was changed in Azure. As it is now, it is not reverted, tagged or removed while it is held.",
    "hold-ending": "Nothing was changed in Azure.",
    "evasion-attempted": "The exemption is judged like any other.",
    "sweep-late": "A sweep has begun: it finds what came about meanwhile.",
    "expired": "Nothing was changed: it no longer exempts anything.",
    "review-due": "Nothing was changed.",
    "delivery-failing": "A notice for the route platform is kept as a dead letter; others may follow.",
}
_WHY: Final[Mapping[str, tuple[str, ...]]] = {
    "reverted": (f"{_FAR['code']} {_FAR['rule']}: {_FAR['text']}", "it has no good state to go back to; it is deleted"),
    "would-revert": (f"{_FAR['code']} {_FAR['rule']}: {_FAR['text']}",),
    "cannot-act": ("Azure refused: ScopeLocked: the scope cannot be deleted from, for the lock keep-partnerdrop",),
    "unknown": ("the assignment storage-baseline could not be read: 403",),
    "breaker-open": ("more than 20 reverts in an hour",),
    "ruleset-broken": (
        "ruleset.yaml:31:14: notices[0].channel: 'team' is not allowed; it must be teams, slack, webhook or eventgrid",
    ),
    "removed": ("it ended at 2026-08-01T00:00:00Z, and the ruleset deletes such exemptions after 90 days",),
    "sweep-partial": ("the subscription payments-prod (9d3c1f0e-0b5a-4f43-8f0a-2f1f6f0a7c55) cannot be read: 403",),
    "lost": ("jo.doe@contoso.com deleted it, who may not",),
    "not-restored": ("the assignment that it exempts from is gone",),
    "fight": (
        "the guardrails put it back 3 times since 2026-11-21T09:10:00Z, and jo.doe@contoso.com deleted it each time",
    ),
    "budget-reached": (
        "10 reverts in an hour of what was written by jo.doe@contoso.com",
        "what is beyond waits, and is reverted as soon as there is room; all else goes on",
    ),
    "hold": ("on hold until 2026-11-23T18:00:00Z by jo.doe@contoso.com: incident 4711, the partner must be reachable",),
    "hold-ending": (
        "on hold until 2026-11-23T18:00:00Z by jo.doe@contoso.com: incident 4711, the partner must be reachable",
        "then it is judged like any other, at once",
    ),
    "sweep-late": (
        "The last sweep began at 2026-11-21T10:10:00Z, 2.0 hours ago.",
        "This one was begun by the second clock, and not by the timer.",
    ),
    "evasion-attempted": ("it was written to say that it belongs to a protected owner, which protects nothing",),
    "poison": ("the host gave up on it after repeated failures",),
    "delivery-failing": ("route 'platform': the webhook answered 404 Not Found",),
}


def sample(kind: Kind) -> Notice:
    """Return a notice of this kind."""
    if kind is Kind.DIGEST:
        return _digest()
    if kind is Kind.ADOPTED:
        return _adopted()
    if kind is Kind.BYPASS_FOUND:
        return _bypasses()
    service = kind in SERVICE
    findings = (_FAR, _WHOLE, _UNCHECKED) if kind in _JUDGED else ()
    return Notice(
        id=f"sample-{kind}",
        kind=kind,
        severity=str(SEVERITIES[kind][0]),
        at=_AT,
        title=TITLES[kind],
        exemption={} if service else _EXEMPTION,
        findings=(_UNCHECKED,) if kind is Kind.UNKNOWN else findings,
        actor="" if service else "jo.doe@contoso.com",
        done=_DONE.get(kind, ""),
        why=_WHY.get(kind, ()),
        next=NEXT[kind].replace(" ID", " 'ID'"),
    )


def _digest() -> Notice:
    """Return the digest of a bad quarter of an hour."""
    collected = [_tagged(at, "high", _FAR, _WHOLE) for at in range(61)]
    collected += [_tagged(at, "medium", _WHOLE) for at in range(61, 171)]
    collected += [replace(sample(Kind.UNKNOWN), id=f"sample-{at}") for at in range(171, 184)]
    return compose("platform", "20261121T1215Z", [DigestItem("", one) for one in collected], _AT).notice


def reminders() -> Notice:
    """Return the digest of a day's reminders."""
    at, notices = _AT.replace(hour=6, minute=0), list[Notice]()
    for days, kind in ((-1, Kind.EXPIRED), (0, Kind.EXPIRING), (3, Kind.REVIEW_DUE), *[(6, Kind.EXPIRING)] * 5):
        notices.append(_reminder(len(notices), kind, at + timedelta(days=days, hours=5)))
    notices += [_reminder(len(notices) + n, Kind.EXPIRING, at + timedelta(days=29, hours=n)) for n in range(34)]
    return compose(box_of("platform"), "20261120T0600Z", [DigestItem("", one) for one in notices], at).notice


def _reminder(number: int, kind: Kind, date: datetime) -> Notice:
    name = f"batch-{number + 1:03}"
    row = Row(_ID.format(name), Status.COMPLIANT, _AT, expires_on=date, owner="data-platform@contoso.com", ticket="S-7")
    at = max(_AT - timedelta(hours=8), date) if kind is Kind.EXPIRED else _AT - timedelta(hours=8)
    return (review if kind is Kind.REVIEW_DUE else expiry)(ExemptionId.parse(row.id), date, at=at, row=row)


def _adopted() -> Notice:
    """Return the notice of the first sweep of a tenant."""
    rules = {rule.name: rule.code for rule in all_rules().values()}
    worst = ("expiry-missing", "owner-missing", "ticket-missing")
    bad = [worst, ("whole-initiative",), ("owner-missing",), ("expired",), ()]
    states = ("no-expiry", "active", "expiring-30", "expired", "active")
    found = (
        Adopted(
            ExemptionId.parse(_ID.format(f"{('vendor', 'legacy', 'batch')[n % 3]}-{n:04}")),
            tuple(rules[name] for name in bad[n % 5]),
            "violation" if bad[n % 5] else "compliant",
            states[n % 5],
            "" if n % 2 else "data-platform@contoso.com",
        )
        for n in range(5_000)
    )
    return adopted("platform", found, _AT)


def _bypasses() -> Notice:
    """Return the notice of a sweep about the other bypasses."""
    ruleset = load_ruleset()
    assignment = f"{_SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/{{}}"
    found = [
        Bypass(
            BypassKind.NOT_ENFORCED, _SUBSCRIPTION, assignment.format("storage-baseline"), "Storage baseline",
            "DoNotEnforce",
            "jo.doe@contoso.com", _AT, ticket="SEC-1234",
        ),
        Bypass(
            BypassKind.NOT_SCOPE, f"{_SUBSCRIPTION}/resourceGroups/legacy", assignment.format("tls"),
            "TLS 1.2 everywhere",
            "excluded from the assignment", "jo.doe@contoso.com", _AT,
        ),
        *(
            Bypass(
                BypassKind.TAG, f"{_SUBSCRIPTION}/resourceGroups/batch-{number:03}", f"EX-{number}",
                f"batch-{number:03}",
                f"policyExceptionId=EX-{number}; exceptionTicket=SEC-{number}", ticket=f"SEC-{number}",
                ends=_AT - timedelta(days=number % 3),
            )
            for number in range(1, 26)
        ),
    ]  # fmt: skip
    return bypass_found({one.key: (_AT, judged(one, ruleset, _AT)) for one in found}, _AT)


def _tagged(at: int, severity: str, *findings: Mapping[str, Any]) -> Notice:
    name = f"batch-{at + 1:03}"
    about = {"id": f"{_SUBSCRIPTION}/resourceGroups/reports/providers/Microsoft.Authorization/policyExemptions/{name}"}
    made = replace(sample(Kind.TAGGED), id=f"sample-{at}", severity=severity, findings=findings)
    return replace(made, exemption={**_EXEMPTION, **about, "name": name}, at=_AT - timedelta(minutes=at % 15))
