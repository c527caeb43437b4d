"""A notice of every kind, as a customer may get it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.digest import Gathered, compose
from guardrails.notice import SERVICE, SEVERITIES, Kind, Notice
from guardrails.tell import NEXT, TITLES

_AT: Final = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
_SUBSCRIPTION: Final = "/subscriptions/3f0c8a52-7d0e-4c56-9a6e-51b0c2f4d871"
_SCOPE: Final = (
    f"{_SUBSCRIPTION}/resourceGroups/partner-ingestion/providers/Microsoft.Storage/storageAccounts/partnerdrop"
)

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

_FAR: Final = {
    "code": "expiry-far",
    "rule": "Expiry more than 12 months ahead",
    "status": "violation",
    "severity": "high",
    "text": "It expires 18 months after it was written; a waiver may last 12.",
    "evidence": {"expiresOn": "2028-05-31", "latest": "2027-11-21"},
    "mend": "Set expiresOn to 2027-11-21 or before.",
}
_WHOLE: Final = {
    "code": "initiative-whole",
    "rule": "The whole initiative is exempted",
    "status": "violation",
    "severity": "medium",
    "text": "All 24 policies of storage-baseline are exempted; the text speaks of one.",
    "evidence": {"policies": 24, "named": "publicNetworkAccess"},
    "mend": "Name the policies in policyDefinitionReferenceIds.",
}
_UNCHECKED: Final = {
    "code": "owner-left",
    "rule": "The owner is no longer there",
    "status": "unknown",
    "severity": "low",
    "text": "The directory gave no answer.",
    "evidence": {},
    "mend": "",
}

_JUDGED: Final = frozenset({"violation", "tagged", "reverted", "would-revert", "cannot-act"})
_DONE: Final[Mapping[str, str]] = {
    "violation": "Nothing was changed: the mode is notify.",
    "tagged": "The exemption was tagged GuardrailsViolation = expiry-far, initiative-whole.",
    "reverted": "The exemption was deleted. Its whole body is kept, and can be put back.",
    "would-revert": "Nothing was changed: the mode is audit.",
    "restored": "The exemption was put back as it was before the revert.",
    "cannot-act": "It should be deleted, and Azure refused: the scope has a read-only lock.",
    "unknown": "Nothing was changed.",
    "deleted": "Nothing was changed: the exemption is gone.",
    "breaker-open": "21 exemptions were reverted within an hour. Nothing more is reverted.",
    "ruleset-broken": "Nothing is judged until the ruleset is mended. What arrives waits.",
    "register-altered": "The row's history no longer fits its signatures. It was left as it is.",
    "poison": "The message was set aside after 5 attempts.",
    "compliant": "Somebody mended it: it now keeps every rule.",
    "expiring": "Nothing was changed.",
    "expired": "Nothing was changed: it no longer exempts anything.",
    "review-due": "Nothing was changed.",
    "delivery-failing": "3 notices could not be delivered for a day, and are kept.",
}
_WHY: Final[Mapping[str, tuple[str, ...]]] = {
    "reverted": ("expiry-far asks for a revert", "the scope is not excluded", "the mode is enforce"),
    "would-revert": ("expiry-far asks for a revert", "the mode is audit"),
    "cannot-act": ("ScopeLocked: the scope cannot perform the delete, because of the lock keep-partnerdrop",),
    "unknown": ("the assignment storage-baseline could not be read: 403",),
    "breaker-open": ("21 reverts in 60 minutes; 20 are allowed",),
    "ruleset-broken": ("routes[1].channel: 'team' is not one of teams, slack, webhook, eventgrid",),
    "poison": ("the message is not JSON",),
    "delivery-failing": ("route 'platform' has answered 404 Not Found since 2026-11-20 12:29 UTC",),
}


def sample(kind: Kind) -> Notice:
    """Return a notice of this kind."""
    if kind is Kind.DIGEST:
        return _digest()
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
    gathered = [_tagged(at, "high", _FAR, _WHOLE) for at in range(61)]
    gathered += [_tagged(at, "medium", _WHOLE) for at in range(61, 171)]
    gathered += [replace(sample(Kind.UNKNOWN), id=f"sample-{at}") for at in range(171, 184)]
    return compose("platform", "20261121T1215Z", [Gathered("", one) for one in gathered], _AT).notice


def _tagged(at: int, severity: str, *findings: Mapping[str, Any]) -> Notice:
    name = f"batch-{at + 1:03}"
    about = {"id": f"{_SUBSCRIPTION}/resourceGroups/reports/providers/Microsoft.Authorization/policyExemptions/{name}"}
    told = replace(sample(Kind.TAGGED), id=f"sample-{at}", severity=severity, findings=findings)
    return replace(told, exemption={**_EXEMPTION, **about, "name": name}, at=_AT - timedelta(minutes=at % 15))
