"""Notices to send and hostile texts to put in them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.notices.notice import Kind, Notice

NOW: Final = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
SUBSCRIPTION: Final = "/subscriptions/11111111-2222-3333-4444-555555555555"
SCOPE: Final = (
    SUBSCRIPTION + "/resourceGroups/partner-ingestion/providers/Microsoft.Storage/storageAccounts/partnerdrop"
)
EXEMPTION_ID: Final = SCOPE + "/providers/Microsoft.Authorization/policyExemptions/partner-ingestion"

HOSTILE: Final = (
    "[click](https://evil.example/x) ![i](http://evil.example/i.png) <https://evil.example> <at>Jo</at> <b>b</b>",
    "# heading", "- list", "+ list", "* list", "1. list", "2) list", "> quote", "---", "===", "    code", "```code```",
    "`code` **bold** __bold__ *it* _it_ ~~gone~~", "| a | b |\n|---|---|\n| 1 | 2 |", "a\n\n# heading\n\n- item",
    "[r]: https://evil.example\n\n[r]", "https://evil.example/?q=1#f", "HTTP://EVIL.EXAMPLE", "www.evil.com",
    "evil.com/path", "jo@evil.com", "mailto:jo@evil.com", "tel:+4930123", "//evil.com", "\\\\evil.com\\share",
    "ftp://evil.com", "msteams://x", "https://localhost:1/", "evil\u200b.com", "ev\u202eil.com", "evil\uff0ecom",
    "https:\u2060//evil.com", "&lt;b&gt; &#91;a&#93;(https://evil.com)", "\\[a\\](https://evil.com)", "\\*a*",
    "</at> < at id=1>Jo</at>", "{{DATE(2026-01-01T00:00:00Z)}} ${x}", "javascript:alert(1)", "a.b.co", "x.zip",
    "mailto :jo@evil.com",
    "\u202eRTL \u2066iso\u2069 \u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\x00\x07\x1b[31mred\x7f\x85", "\ud800",
    "Z\u0351\u036b\u0343\u0356\u0345\u0360\u0361\u0362a\u0335lgo", "👩‍👩‍👧‍👦 🏴\U000e0067\U000e0062",
    "\ue000\ufdd0\uffff", "\u3164\u2800\u115f", "",
)  # fmt: skip

EXEMPTION: Final[Mapping[str, Any]] = {
    "id": EXEMPTION_ID,
    "name": "partner-ingestion",
    "displayName": "Partner ingestion over the public endpoint",
    "scope": SCOPE,
    "scopeKind": "resource",
    "assignment": SUBSCRIPTION + "/providers/Microsoft.Authorization/policyAssignments/storage-baseline",
    "category": "Waiver",
    "expiresOn": "2028-05-31T00:00:00Z",
    "owner": "data-platform@contoso.com",
    "ticket": "SEC-1234",
    "criteriaWeakened": "SOC 2 Type 2 1.12.0: CC6.1 (1 of 40)",
}


def finding(code: str = "expiry-far", **changes: Any) -> dict[str, Any]:
    """Return one finding, as the assessment gives it."""
    return {
        "code": code,
        "rule": "Expiry more than 12 months ahead",
        "status": "violation",
        "severity": "high",
        "text": "it expires 18 months after it was written",
        "evidence": {"expiresOn": "2028-05-31T00:00:00Z", "latest": "2027-11-21"},
        "remediation": "Set expiresOn to 2027-11-21 or before.",
        **changes,
    }


def notice(kind: Kind = Kind.VIOLATION, **changes: Any) -> Notice:
    """Return a notice with everything in it."""
    whole = Notice(
        id="7f0c2b5e-91aa-4d1c-9f66-0e2f3c1d5b77",
        kind=kind,
        severity="high",
        at=NOW,
        title="An exemption breaks two rules",
        exemption=EXEMPTION,
        findings=(finding(), finding("review-missing", severity="low", status="unknown", evidence={}, remediation="")),
        actor="jo@contoso.com",
        done="It was deleted; its body is kept in the register.",
        why=("expiry-far asks for a revert", "the scope is not excluded"),
        next="Create it again with an expiry within 12 months, or run `exg restore ID`.",
    )
    return replace(whole, **changes)


def hostile(text: str, findings: int = 3) -> Notice:
    """Return a notice where every text that a stranger can write is `text`."""
    about = {**dict.fromkeys(EXEMPTION, text), "id": EXEMPTION_ID}
    each = finding(text, rule=text, text=text, evidence={text or "k": text, "list": [text] * 30}, remediation=text)
    return notice(exemption=about, findings=(each,) * findings, actor=text)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object in a message, outermost first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


FIX = {
    "changes": [
        {"rule": "owner-missing", "field": "properties.metadata.owner", "current": None, "allowed": "the team"},
        {"rule": "x", "field": "properties.metadata.ticket", "current": "contoso.com", "allowed": "a key"},
    ],
    "command": 'az policy exemption update --name x --scope /s/contoso.com --metadata \'{"owner": "<owner>"}\'',
}
