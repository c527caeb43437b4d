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
    told = report.coverage
    who = told.identity
    return {
        "complete": report.complete,
        "tenant": {"id": told.tenant or None, "name": told.tenant_name or None, "unnamed": told.tenant_unnamed or None},
        "identity": {
            "name": who.name or None,
            "kind": who.kind or None,
            "application_id": who.application_id or None,
            "object_id": who.object_id or None,
            "found_by": who.found_by or None,
        },
        "management_groups": _places(told, groups=True),
        "subscriptions": _places(told, groups=False),
        "filters": {"scope": list(told.scope), "exclude": list(told.exclude), "only": list(told.only)},
        "ruleset": ruleset_json(report),
        "version": told.version or None,
        "api_versions": dict(told.api_versions),
        "started_at": spelled(told.started),
        "ended_at": spelled(told.ended),
        "not_judged": {
            "exemptions": told.unjudged,
            "rules": [
                {"code": code, "rule": rule, "reason": reason, "exemptions": count}
                for code, rule, reason, count in told.by_reason()
            ],
        },
        "not_seen": list(report.missing),
        "never_seen": list(NEVER_SEEN),
        "notes": list(report.notes),
    }


def ruleset_json(report: Report) -> dict[str, str]:
    """Return which ruleset judged."""
    return {"source": report.ruleset, "digest": report.digest, "mode": report.mode}


def _places(told: Coverage, *, groups: bool) -> dict[str, list[dict[str, Any]]]:
    """Return what was to be read, what was, and what was not, of management groups or of subscriptions."""
    read = told.names_of(groups=groups)

    def listed(keys: Iterable[str], reasons: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return [
            {"id": key.removeprefix(GROUP), "name": read.get(key), **({"reason": reasons[key]} if reasons else {})}
            for key in keys
            if key.startswith(GROUP) is groups
        ]

    return {
        "requested": listed(told.requested),
        "read": listed(key for key in read if key not in told.partly),
        "partly_read": listed(told.partly, told.partly),
        "not_readable": listed(told.unread, told.unread),
    }


def coverage_rows(report: Report, most: int = _SHOWN) -> list[Row]:
    """Return it for people; of long lists the first `most`, and how many more there are."""
    told = report.coverage
    who = told.identity
    about = f", client {who.application_id}" if who.application_id not in ("", who.name) else ""
    found = f", found by {who.found_by}" if who.found_by else ""
    options = (("--scope", told.scope), ("--exclude", told.exclude), ("--only", told.only))
    rows: list[Row] = [
        ("tenant", [_tenant(told)]),
        ("identity", [f"{who.shown}{about}{found}"]),
        ("asked for", shortened([words_of(key, told.read) for key in told.requested], most)),
        ("read", [_sum(told), *shortened(_names(told), most)]),
        ("read in part", shortened([f"{words_of(key, told.read)}: {why}" for key, why in told.partly.items()], most)),
        ("not readable", shortened([f"{words_of(key)}: {why}" for key, why in told.unread.items()], most)),
        ("filters", shortened([f"{option} {text}" for option, texts in options for text in texts], most)),
        ("ruleset", [f"{report.ruleset}, digest {report.digest}, mode {report.mode}"]),
        ("not judged", _not_judged(told, most)),
        ("never seen", list(NEVER_SEEN)),
        ("versions", [_versions(told)]),
        ("time", [f"{_second(told.started)} to {_second(told.ended)}"]),
    ]
    if not told.requested:
        rows[2] = ("asked for", ["all that the identity sees"])
    return [(label, lines) for label, lines in rows if lines]


def _names(told: Coverage) -> list[str]:
    """Return what was read, management groups first, for people."""
    keys = [*told.names_of(groups=True), *told.names_of(groups=False)]
    return [words_of(key, told.read) for key in keys]


def _tenant(told: Coverage) -> str:
    if told.tenant_name:
        return f"{told.tenant_name} ({told.tenant or 'id unknown'})"
    why = f" (its name could not be read: {told.tenant_unnamed})" if told.tenant_unnamed else ""
    return f"{told.tenant or 'unknown'}{why}"


def _sum(told: Coverage) -> str:
    groups, partly = len(told.names_of(groups=True)), len(told.partly)
    whole = f"{_count(len(told.read) - groups, 'subscription')}, {_count(groups, 'management group')}"
    return whole + (f"; {partly:,} of them in part" if partly else "")


def _not_judged(told: Coverage, most: int) -> list[str]:
    if not told.unjudged:
        return ["nothing: every rule that is on was told of every exemption"]
    reasons = [f"{code} {rule} of {count:,}: {reason}" for code, rule, reason, count in told.by_reason()]
    return [f"{_count(told.unjudged, 'exemption')}, in part or whole", *shortened(reasons, most)]


def _versions(told: Coverage) -> str:
    azure = ", ".join(f"{name} {version}" for name, version in told.api_versions.items())
    return f"exemption guardrails {told.version or 'unknown'}" + (f"; Azure: {azure}" if azure else "")


def _second(time: datetime | None) -> str:
    return spelled(time and time.replace(microsecond=0)) or "unknown"


def shortened(lines: Sequence[str], most: int) -> list[str]:
    """Return the first `most` lines, and one that says how many more there are."""
    return [*lines[:most], *([f"and {len(lines) - most:,} more"] if len(lines) > most else [])]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
