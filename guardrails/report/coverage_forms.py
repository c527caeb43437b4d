"""The coverage of a report as JSON, and as rows for people. Pure. Strangers' texts in both are unescaped."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.report.coverage import GROUP, NEVER_SEEN, Coverage, words_of
from guardrails.report.line import spelled
from guardrails.report.model import Report

SCHEMA: Final = "urn:exemption-guardrails:scan.schema.json"
"""What the JSON form names as its schema: an id, not an address. The schema is docs/scan.schema.json."""

COVERAGE: Final = f"{SCHEMA}#/$defs/coverage"
"""The same of the coverage in a file of its own."""

_SHOWN: Final = 10

type Row = tuple[str, list[str]]
"""A label and its lines."""


def coverage_json(report: Report) -> dict[str, Any]:
    """Return the documented JSON form."""
    reported = report.coverage
    who = reported.identity
    return {
        "complete": report.complete,
        "tenant": {
            "id": reported.tenant or None,
            "name": reported.tenant_name or None,
            "unnamed": reported.tenant_unnamed or None,
        },
        "identity": {
            "name": who.name or None,
            "kind": who.kind or None,
            "application_id": who.application_id or None,
            "object_id": who.object_id or None,
            "found_by": who.found_by or None,
        },
        "management_groups": _places(reported, groups=True),
        "subscriptions": _places(reported, groups=False),
        "filters": {"scope": list(reported.scope), "exclude": list(reported.exclude), "only": list(reported.only)},
        "ruleset": ruleset_json(report),
        "version": reported.version or None,
        "api_versions": dict(reported.api_versions),
        "started_at": spelled(reported.started),
        "ended_at": spelled(reported.ended),
        "not_judged": {
            "exemptions": reported.unjudged,
            "rules": [
                {"code": code, "rule": rule, "reason": reason, "exemptions": count}
                for code, rule, reason, count in reported.by_reason()
            ],
        },
        "not_seen": list(report.missing),
        "never_seen": list(NEVER_SEEN),
        "notes": list(report.notes),
    }


def ruleset_json(report: Report) -> dict[str, str]:
    """Return which ruleset judged."""
    return {"source": report.ruleset, "digest": report.digest, "mode": report.mode}


def _places(reported: Coverage, *, groups: bool) -> dict[str, list[dict[str, Any]]]:
    """Return what was to be read, what was, and what was not, of management groups or of subscriptions."""
    read = reported.names_of(groups=groups)

    def listed(keys: Iterable[str], reasons: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return [
            {"id": key.removeprefix(GROUP), "name": read.get(key), **({"reason": reasons[key]} if reasons else {})}
            for key in keys
            if key.startswith(GROUP) is groups
        ]

    return {
        "requested": listed(reported.requested),
        "read": listed(key for key in read if key not in reported.partly),
        "partly_read": listed(reported.partly, reported.partly),
        "not_readable": listed(reported.unread, reported.unread),
    }


def coverage_rows(report: Report, most: int = _SHOWN) -> list[Row]:
    """Return it for people; of long lists the first `most`, and how many more there are."""
    reported = report.coverage
    who = reported.identity
    about = f", client {who.application_id}" if who.application_id not in ("", who.name) else ""
    found = f", found by {who.found_by}" if who.found_by else ""
    options = (("--scope", reported.scope), ("--exclude", reported.exclude), ("--only", reported.only))
    rows: list[Row] = [
        ("tenant", [_tenant(reported)]),
        ("identity", [f"{who.shown}{about}{found}"]),
        ("asked for", shortened([words_of(key, reported.read) for key in reported.requested], most)),
        ("read", [_sum(reported), *shortened(_names(reported), most)]),
        (
            "read in part",
            shortened([f"{words_of(key, reported.read)}: {why}" for key, why in reported.partly.items()], most),
        ),
        ("not readable", shortened([f"{words_of(key)}: {why}" for key, why in reported.unread.items()], most)),
        ("filters", shortened([f"{option} {text}" for option, texts in options for text in texts], most)),
        ("ruleset", [f"{report.ruleset}, digest {report.digest}, mode {report.mode}"]),
        ("not judged", _not_judged(reported, most)),
        ("never seen", list(NEVER_SEEN)),
        ("versions", [_versions(reported)]),
        ("time", [f"{_second(reported.started)} to {_second(reported.ended)}"]),
    ]
    if not reported.requested:
        rows[2] = ("asked for", ["all that the identity sees"])
    return [(label, lines) for label, lines in rows if lines]


def _names(reported: Coverage) -> list[str]:
    """Return what was read, management groups first, for people."""
    keys = [*reported.names_of(groups=True), *reported.names_of(groups=False)]
    return [words_of(key, reported.read) for key in keys]


def _tenant(reported: Coverage) -> str:
    if reported.tenant_name:
        return f"{reported.tenant_name} ({reported.tenant or 'id unknown'})"
    why = f" (its name could not be read: {reported.tenant_unnamed})" if reported.tenant_unnamed else ""
    return f"{reported.tenant or 'unknown'}{why}"


def _sum(reported: Coverage) -> str:
    groups, partly = len(reported.names_of(groups=True)), len(reported.partly)
    whole = f"{_count(len(reported.read) - groups, 'subscription')}, {_count(groups, 'management group')}"
    return whole + (f"; {partly:,} of them in part" if partly else "")


def _not_judged(reported: Coverage, most: int) -> list[str]:
    if not reported.unjudged:
        return ["nothing: every rule that is on was told of every exemption"]
    reasons = [f"{code} {rule} of {count:,}: {reason}" for code, rule, reason, count in reported.by_reason()]
    return [f"{_count(reported.unjudged, 'exemption')}, in part or whole", *shortened(reasons, most)]


def _versions(reported: Coverage) -> str:
    azure = ", ".join(f"{name} {version}" for name, version in reported.api_versions.items())
    return f"exemption guardrails {reported.version or 'unknown'}" + (f"; Azure: {azure}" if azure else "")


def _second(time: datetime | None) -> str:
    return spelled(time and time.replace(microsecond=0)) or "unknown"


def shortened(lines: Sequence[str], most: int) -> list[str]:
    """Return the first `most` lines, and one that says how many more there are."""
    return [*lines[:most], *([f"and {len(lines) - most:,} more"] if len(lines) > most else [])]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
