"""A notice of every kind, as a customer may get it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.bypasses.model import Bypass, BypassKind, judged
from guardrails.bypasses.notice import bypass_found
from guardrails.decisions.adoption_notice import Adopted, adopted
from guardrails.decisions.assess import assess
from guardrails.decisions.evasion import WHY, Habit
from guardrails.decisions.fix import NOTHING, fix_of
from guardrails.decisions.notify import about, expiry, review, service
from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Unread
from guardrails.notices.digest import DigestItem, box_of, compose
from guardrails.notices.notice import SERVICE, Kind, Notice
from guardrails.rules import all_rules
from guardrails.rules.base import Case
from guardrails.rules.sample import read
from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.model import load_ruleset, parse_ruleset

_AT: Final = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
_SUBSCRIPTION: Final = "/subscriptions/3f0c8a52-7d0e-4c56-9a6e-51b0c2f4d871"
_SCOPE: Final = (
    f"{_SUBSCRIPTION}/resourceGroups/partner-ingestion/providers/Microsoft.Storage/storageAccounts/partnerdrop"
)

_ID: Final = f"{_SUBSCRIPTION}/resourceGroups/reports/providers/Microsoft.Authorization/policyExemptions/{{}}"


def _case(**properties: Any) -> Case:
    """Return the sample exemption as jo.doe wrote it in this subscription, two hours ago."""
    assigned = f"{_SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/storage-baseline"
    return Case(
        "",
        {"policyAssignmentId": assigned, "description": "Private endpoints come in March 2027.", **properties},
        id=f"{_SCOPE}/providers/Microsoft.Authorization/policyExemptions/partner-ingestion",
        facts={"now": _AT, "written_at": _AT - timedelta(hours=2)},
    )


_GOOD: Final = _case()
_BAD: Final = _case(expiresOn="2028-05-31T00:00:00Z", metadata={"owner": "data-platform@contoso.com"})
_UNREAD: Final = replace(_GOOD, facts={**_GOOD.facts, "assignment": Unread("ARM answered 403")})
_OVER: Final = _case(expiresOn="2026-08-01T00:00:00Z")
_RULESET: Final = parse_ruleset(
    "version: 1\nmode: enforce\nrules: {expiry-too-far: revert, ticket-missing: alert, reference-unknown: alert}\n"
)
"""What the samples are judged by."""

_JUDGED: Final = frozenset({"violation", "tagged", "reverted", "would-revert", "cannot-act"})
_DONE: Final[Mapping[str, str]] = {
    "violation": "Nothing was changed in Azure.",
    "tagged": "A guardrails tag was set on its metadata.",
    "reverted": "The exemption was deleted; its body is kept.",
    "would-revert": "Nothing was changed in Azure. This is audit mode; enforce mode would delete it.",
    "restored": "Its former state was written back.",
    "cannot-act": "Nothing was changed, because Azure refused the change.",
    "unknown": "Nothing was changed.",
    "deleted": "The service did not act.",
    "breaker-open": "Nothing is reverted while it is open.",
    "ruleset-broken": "New messages wait on the queue.",
    "register-altered": "The row was rebuilt from its history.",
    "poison": "It is kept as dead letter reconcile-3f0c8a527d0e4c569a6e51b0.",
    "compliant": "Somebody fixed it: it now keeps every rule.",
    "expiring": "Nothing was changed.",
    "removed": "The exemption was deleted; its body is kept.",
    "sweep-partial": "The sweep checked the rest. It treats no unseen exemption as deleted.",
    "lost": "The service restores it when its target exists, but not before 2026-11-21 12:45 UTC.",
    "not-restored": "Nothing was changed in Azure.",
    "fight": "Nothing was changed in Azure.",
    "budget-reached": "Reverts beyond this budget wait; nothing else does.",
    "hold": "Nothing was changed in Azure. An edit ends the hold. "
    "Until then, the service does not change the exemption.",
    "hold-ending": "Nothing was changed in Azure.",
    "evasion-attempted": "The exemption is judged like any other.",
    "sweep-late": "A sweep has begun. It finds all changes since the last sweep.",
    "record-digest": "The record has the sweep of 2026-11-21 12:10 UTC, and the histories of 2,412 exemptions.",
    "expired": "Nothing was changed: it no longer exempts anything.",
    "review-due": "Nothing was changed.",
    "delivery-failing": "A notice for the route platform is kept as a dead letter; others may follow.",
}
_WHY: Final[Mapping[str, tuple[str, ...]]] = {
    "reverted": ("it has no compliant state to put back; it is deleted",),
    "cannot-act": ("Azure refused: ScopeLocked: the lock keep-partnerdrop allows no delete at this scope",),
    "unknown": ("the assignment storage-baseline could not be read: 403",),
    "breaker-open": ("more than 20 reverts in an hour",),
    "ruleset-broken": (
        "ruleset.yaml:31:14: notices[0].channel: 'team' is not allowed; it must be teams, slack, webhook or eventgrid",
    ),
    "removed": ("it ended at 2026-08-01 00:00 UTC, and the ruleset deletes such exemptions after 90 days",),
    "sweep-partial": ("the subscription payments-prod (9d3c1f0e-0b5a-4f43-8f0a-2f1f6f0a7c55) cannot be read: 403",),
    "lost": ("jo.doe@contoso.com deleted it, which is not allowed",),
    "not-restored": ("its assignment is gone",),
    "fight": (
        "the guardrails put it back 3 times since 2026-11-21 09:10 UTC, and jo.doe@contoso.com deleted it each time",
    ),
    "budget-reached": (
        "the limit of 10 reverts in an hour is reached for exemptions that jo.doe@contoso.com wrote",
        "further reverts for this budget wait until older ones are more than an hour ago",
    ),
    "hold": ("on hold until 2026-11-23 18:00 UTC by jo.doe@contoso.com: incident 4711, the partner must be reachable",),
    "hold-ending": (
        "on hold until 2026-11-23 18:00 UTC by jo.doe@contoso.com: incident 4711, the partner must be reachable",
        "when the hold ends, the service judges the exemption at once",
    ),
    "sweep-late": (
        "the last sweep began at 2026-11-21 10:10 UTC, 2.3 hours ago",
        "this sweep was started by the second clock (a message on the queue), and not by the timer",
    ),
    "record-digest": ("sweep 8760: 5f1d0b1f2f6d3a9c0f7b4f3e1f0a6a7e6cf0f4f24b6b4a83d1c53a8d0b5a1c9e",),
    "evasion-attempted": (WHY[Habit.CLAIMED_OWNER],),
    "poison": ("the host gave up on it after repeated failures",),
    "delivery-failing": ("route 'platform': the webhook answered 404 Not Found",),
}


def sample(kind: Kind) -> Notice:
    """Return a notice of this kind, made as the service makes it."""
    made = {Kind.DIGEST: _digest, Kind.ADOPTED: _adopted, Kind.BYPASS_FOUND: _bypasses}.get(kind)
    if made:
        return made()
    if kind in SERVICE:
        return service(kind, "sample", at=_AT, done=_DONE.get(kind, ""), why=_WHY.get(kind, ()))
    one, facts = read(_BAD if kind in _JUDGED else {Kind.UNKNOWN: _UNREAD, Kind.REMOVED: _OVER}.get(kind, _GOOD))
    if kind in (Kind.EXPIRING, Kind.EXPIRED):
        end = _AT + timedelta(days=6) if kind is Kind.EXPIRING else _AT - timedelta(hours=3)
        return expiry(one.id, end, at=_AT, exemption=replace(one, expires_on=end))
    if kind is Kind.REVIEW_DUE:
        return review(one.id, _AT + timedelta(days=3), at=_AT, exemption=one)
    assessment = assess(one, facts, _RULESET) if kind in (*_JUDGED, Kind.UNKNOWN) else None
    reverting = (
        [finding for finding in assessment.findings if finding.response is Response.REVERT] if assessment else []
    )
    reasons = [f"{finding.code} {finding.rule}: {finding.text}" for finding in reverting if kind in _JUDGED]
    return about(
        kind,
        one.id,
        7,
        at=_AT,
        actor="jo.doe@contoso.com",
        done=_DONE.get(kind, ""),
        why=(*reasons, *_WHY.get(kind, ())),
        exemption=one,
        assessment=assessment,
        fix=fix_of(one, facts, _RULESET, done="delete" if kind is Kind.REVERTED else "") if assessment else NOTHING,
    )


def _digest() -> Notice:
    """Return the digest of a bad quarter of an hour."""
    collected = [_tagged(at, 2) for at in range(61)]
    collected += [_tagged(at, 1) for at in range(61, 171)]
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


def _tagged(at: int, findings: int) -> Notice:
    """Return one of many notices, with so many of the findings."""
    name = f"batch-{at + 1:03}"
    made = sample(Kind.TAGGED)
    return replace(
        made,
        id=f"sample-{at}",
        findings=made.findings[:findings],
        exemption={**made.exemption, "id": _ID.format(name), "name": name},
        at=_AT - timedelta(minutes=at % 15),
    )
