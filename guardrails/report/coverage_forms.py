"""The coverage of a report as JSON, and as rows for people. Pure. Strangers' texts in both are unescaped."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.exemption.counts import number_of
from guardrails.report.coverage import GROUP, NEVER_SEEN, Coverage, words_of
from guardrails.report.line import spelled
from guardrails.report.model import Report

SCHEMA: Final = "urn:exemption-guardrails:scan.schema.2.json"
"""What the JSON form names as its schema: an id, not an address. The schema is docs/scan.schema.json."""

COVERAGE: Final = f"{SCHEMA}#/$defs/coverage"
"""The same of the coverage in a file of its own."""

_SHOWN: Final = 10

type Row = tuple[str, list[str]]
"""A label and its lines."""


def coverage_json(report: Report) -> dict[str, Any]:
    """Return the documented JSON form."""
    coverage = report.coverage
    who = coverage.identity
    return {
        "complete": report.complete,
        "tenant": {
            "id": coverage.tenant or None,
            "name": coverage.tenant_name or None,
            "unnamed": coverage.tenant_unnamed or None,
        },
        "identity": {
            "name": who.name or None,
            "kind": who.kind or None,
            "application_id": who.application_id or None,
            "object_id": who.object_id or None,
            "found_by": who.found_by or None,
        },
        "management_groups": _places(coverage, groups=True),
        "subscriptions": _places(coverage, groups=False),
        "filters": {"scope": list(coverage.scope), "exclude": list(coverage.exclude), "only": list(coverage.only)},
        "ruleset": ruleset_json(report),
        "version": coverage.version or None,
        "api_versions": dict(coverage.api_versions),
        "started_at": spelled(coverage.started),
        "ended_at": spelled(coverage.ended),
        "not_judged": {
            "exemptions": coverage.unjudged,
            "rules": [
                {"code": code, "rule": rule, "reason": reason, "exemptions": count}
                for code, rule, reason, count in coverage.by_reason()
            ],
        },
        "not_seen": list(report.missing),
        "never_seen": list(NEVER_SEEN),
        "notes": list(report.notes),
    }


def ruleset_json(report: Report) -> dict[str, str]:
    """Return which ruleset judged."""
    return {"source": report.ruleset, "digest": report.digest, "mode": report.mode}


def _places(coverage: Coverage, *, groups: bool) -> dict[str, list[dict[str, Any]]]:
    """Return what was to be read, what was, and what was not, of management groups or of subscriptions."""
    read = coverage.names_of(groups=groups)

    def listed(keys: Iterable[str], reasons: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return [
            {"id": key.removeprefix(GROUP), "name": read.get(key), **({"reason": reasons[key]} if reasons else {})}
            for key in keys
            if key.startswith(GROUP) is groups
        ]

    return {
        "requested": listed(coverage.requested),
        "read": listed(key for key in read if key not in coverage.partly),
        "partly_read": listed(coverage.partly, coverage.partly),
        "not_readable": listed(coverage.unread, coverage.unread),
    }


def coverage_rows(report: Report, most: int = _SHOWN) -> list[Row]:
    """Return it for people; of long lists the first `most`, and how many more there are."""
    coverage = report.coverage
    who = coverage.identity
    about = f", client {who.application_id}" if who.application_id not in ("", who.name) else ""
    found = f", found by {who.found_by}" if who.found_by else ""
    options = (("--scope", coverage.scope), ("--exclude", coverage.exclude), ("--only", coverage.only))
    rows: list[Row] = [
        ("tenant", [_tenant(coverage)]),
        ("identity", [f"{who.shown}{about}{found}"]),
        ("asked for", shortened([words_of(key, coverage.read) for key in coverage.requested], most)),
        ("read", [_sum(coverage), *shortened(_names(coverage), most)]),
        (
            "read in part",
            shortened([f"{words_of(key, coverage.read)}: {why}" for key, why in coverage.partly.items()], most),
        ),
        ("not readable", shortened([f"{words_of(key)}: {why}" for key, why in coverage.unread.items()], most)),
        ("filters", shortened([f"{option} {text}" for option, texts in options for text in texts], most)),
        ("ruleset", [f"{report.ruleset}, digest {report.digest}, mode {report.mode}"]),
        ("not judged", _not_judged(coverage, most)),
        ("never seen", list(NEVER_SEEN)),
        ("versions", [_versions(coverage)]),
        ("time", [f"{_second(coverage.started)} to {_second(coverage.ended)}"]),
    ]
    if not coverage.requested:
        rows[2] = ("asked for", ["all that the identity sees"])
    return [(label, lines) for label, lines in rows if lines]


def _names(coverage: Coverage) -> list[str]:
    """Return what was read, management groups first, for people."""
    keys = [*coverage.names_of(groups=True), *coverage.names_of(groups=False)]
    return [words_of(key, coverage.read) for key in keys]


def _tenant(coverage: Coverage) -> str:
    if coverage.tenant_name:
        return f"{coverage.tenant_name} ({coverage.tenant or 'id unknown'})"
    why = f" (its name could not be read: {coverage.tenant_unnamed})" if coverage.tenant_unnamed else ""
    return f"{coverage.tenant or 'unknown'}{why}"


def _sum(coverage: Coverage) -> str:
    groups, partly = len(coverage.names_of(groups=True)), len(coverage.partly)
    whole = f"{number_of(len(coverage.read) - groups, 'subscription')}, {number_of(groups, 'management group')}"
    return whole + (f"; {partly:,} of them in part" if partly else "")


def _not_judged(coverage: Coverage, most: int) -> list[str]:
    if not coverage.unjudged:
        return ["nothing: every rule that is on was judged for every exemption"]
    reasons = [f"{code} {rule} of {count:,}: {reason}" for code, rule, reason, count in coverage.by_reason()]
    return [f"{number_of(coverage.unjudged, 'exemption')}, in part or whole", *shortened(reasons, most)]


def _versions(coverage: Coverage) -> str:
    azure = ", ".join(f"{name} {version}" for name, version in coverage.api_versions.items())
    return f"exemption guardrails {coverage.version or 'unknown'}" + (f"; Azure: {azure}" if azure else "")


def _second(time: datetime | None) -> str:
    return spelled(time and time.replace(microsecond=0)) or "unknown"


def shortened(lines: Sequence[str], most: int) -> list[str]:
    """Return the first `most` lines, and one that says how many more there are."""
    return [*lines[:most], *([f"and {len(lines) - most:,} more"] if len(lines) > most else [])]
