"""The documented JSON form of notices, one JSON Schema (2020-12) a kind: docs/notices/KIND.schema.json. Pure.

A schema describes a notice as the webhook's and the Event Grid topic's `data` have it. Objects are closed: what is not
declared here is not sent. The names of version 1 are sent until 1.0, too, and are marked as deprecated.
"""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.bypasses.model import BypassKind
from guardrails.channels.truncate import STEPS
from guardrails.channels.webhook import OLD_NAMES, OLD_VALUES, SCHEMA_VERSION
from guardrails.decisions.assess import Verdict
from guardrails.exemption.exemption_id import ScopeKind
from guardrails.exemption.severity import Severity
from guardrails.notices.notice import NEXT, SERVICE, SEVERITIES, TITLES, Kind
from guardrails.notices.renames import replaced

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

MEANINGS: Final[Mapping[Kind, str]] = {
    Kind.VIOLATION: "an exemption breaks a rule; nothing was changed",
    Kind.TAGGED: "an exemption breaks a rule and was tagged",
    Kind.REVERTED: "an exemption was deleted, or its last good state was put back",
    Kind.WOULD_REVERT: "in the mode `enforce`, the service would have reverted the exemption",
    Kind.RESTORED: "an exemption was written back: an operator undid a revert or a delete, or its target exists again",
    Kind.CANNOT_ACT: "Azure forbids the action: a lock, a deny assignment, a missing permission",
    Kind.UNKNOWN: "an exemption could not be judged",
    Kind.COMPLIANT: "an exemption complies with every rule again; sent only after a notice of a problem",
    Kind.EXPIRING: "an exemption expires soon",
    Kind.EXPIRED: "an exemption has expired, and the policy applies again",
    Kind.REVIEW_DUE: "the review of an exemption is due",
    Kind.REMOVED: "an exemption that expired long ago was deleted, as the ruleset says",
    Kind.DELETED: "a compliant exemption is gone before its expiry",
    Kind.REGISTER_ALTERED: "somebody changed a row of the register outside the service",
    Kind.BREAKER_OPEN: "too many reverts in an hour; the service reverts nothing until an operator closes the breaker",
    Kind.RULESET_BROKEN: "the ruleset cannot be used; the service does nothing",
    Kind.DELIVERY_FAILING: "notices to a route could not be delivered; the service keeps them",
    Kind.POISON: "a message could not be processed; the service keeps it as a dead letter",
    Kind.DIGEST: "several notices of one route, with counts and the worst findings",
    Kind.ADOPTED: "the exemptions that are older than the guardrails, with counts and the worst ten",
    Kind.SWEEP_PARTIAL: "a sweep could not see part of the tenant; the reasons name the part",
    Kind.LOST: "a durable exemption is gone; the service restores it when its target exists",
    Kind.NOT_RESTORED: "a durable exemption is gone, and the service does not restore it; the reasons say why",
    Kind.FIGHT: "somebody and the service undo each other's changes. After repeated deletes, the service leaves the"
    " exemption alone until an operator restores it. After repeated writes, it reverts the exemption once an hour.",
    Kind.BYPASS_FOUND: "a sweep found new bypasses, or new violations of known bypasses; with counts and the worst ten",
    Kind.BUDGET_REACHED: "an author or a subscription reached the limit of reverts in an hour; further reverts wait",
    Kind.HOLD: "an operator put an exemption on hold, or a hold ended: its time came, somebody edited or deleted the"
    " exemption, or an operator released it",
    Kind.HOLD_ENDING: "a hold on an exemption ends soon",
    Kind.EVASION_ATTEMPTED: "somebody tries to evade a rule, to suppress a notice, or to block the service for others;"
    " sent once for each exemption and kind of attempt",
    Kind.SWEEP_LATE: "no sweep began within twice the longest scheduled interval; a sweep has begun now",
    Kind.RECORD_DIGEST: "the hash of a recorded sweep: keep it outside the register to detect changes; sent only"
    " to routes that name this kind",
}
"""The meaning of each kind, one line of markdown."""

_OPTIONAL: Final = frozenset({"schema_version", "findingsTotal", "links", "truncated", "digest", "fix"})

_TIME: Final = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$",
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return file name -> schema: one a kind, and `notice.schema.json`, which is any of them."""
    made = {file_of(kind): schema_of(kind) for kind in Kind}
    whole = {
        "$schema": DIALECT,
        "$id": "notice.schema.json",
        "title": "A notice of the exemption guardrails",
        "oneOf": [{"$ref": file_of(kind)} for kind in Kind],
    }
    return {"notice.schema.json": whole, **made}


def file_of(kind: Kind) -> str:
    """Return the name of a kind's schema file."""
    return f"{kind}.schema.json"


def schema_of(kind: Kind) -> dict[str, Any]:
    """Return the schema of a notice of one kind."""
    properties: dict[str, Any] = {
        "schema_version": {"const": SCHEMA_VERSION, "description": "Of this form. In webhooks and events."},
        "id": {
            "type": "string",
            "pattern": "^[A-Za-z0-9-]{1,200}$",
            "description": "The same over every retry and every route.",
        },
        "kind": {"const": str(kind)},
        "severity": {"enum": [str(severity) for severity in SEVERITIES[kind]]},
        "at": {**_TIME, "description": "When it was decided, UTC."},
        "title": {**_text("One line, our words.", 300), "minLength": 1, "examples": [TITLES[kind]]},
        "exemption": _nothing() if kind in SERVICE else _exemption(),
        "findings": {
            "type": "array",
            "items": _finding(),
            "description": "Worst first; in a digest one for each of its worst notices.",
        },
        "actor": _text("Who wrote or deleted the exemption; empty where that is not known. A stranger's text."),
        "done": _text("What was done, our words."),
        "why": {"type": "array", "items": _text("A reason; it may quote the exemption."), "maxItems": 20},
        "next": {**_text("What to do next, our words."), "examples": [NEXT[kind]]},
        "findingsTotal": _count("Findings before any were left out. In webhooks and events."),
        "links": _closed(
            {"portal": {"type": "string", "format": "uri", "pattern": "^https://"}},
            "The page of the target scope in the Azure portal. In webhooks and events.",
        ),
        "truncated": {
            "type": "array",
            "items": {"enum": [name for name, _ in STEPS]},
            "uniqueItems": True,
            "description": "What was left out to keep a webhook or an event small, in order.",
        },
    }
    if kind not in SERVICE:
        properties["fix"] = _fix()
    if kind in _COUNTS:
        properties["digest"] = _counted(_COUNTS[kind])
    required = [name for name in properties if name not in _OPTIONAL]
    properties |= _old_names(properties, "")
    return {
        "$schema": DIALECT,
        "$id": file_of(kind),
        "title": f"Notice: {kind}",
        "description": MEANINGS[kind],
        **_closed(properties, ""),
        "required": required,
    }


def _exemption() -> dict[str, Any]:
    blank_or_time = {"anyOf": [{"const": ""}, _TIME], "description": "UTC; empty where it has none that can be read."}
    properties = {
        "id": {**_text("Its resource id."), "minLength": 1},
        "name": {**_text("The last part of its id."), "minLength": 1},
        "scope": {**_text("The id of what it is attached to."), "minLength": 1},
        "scopeKind": {"enum": [str(kind) for kind in ScopeKind]},
        "displayName": _text("As its author wrote it."),
        "assignment": _text("The id of the policy assignment that it exempts from."),
        "category": _text("Waiver or Mitigated; else as its author wrote it."),
        "expiresOn": blank_or_time,
        "owner": _text("As its author wrote it: a claim where there is a knownOwner."),
        "knownOwner": _text(
            "Whose it is by what the register knows, where the owner is no more than a claim of who wrote that; may be"
            " empty."
        ),
        "ticket": _text("As its author wrote it."),
        "criteriaWeakened": _text(
            "The criteria that it weakens, by source, with numbers of policies. One line, cut if it is long."
        ),
        "reviewOn": {**_TIME, "description": "When its review is due, UTC. In notices of reviews."},
    }
    about = "What the notice is about; strangers' text, unescaped. What the register does not know of one that is gone"
    return _closed(properties, f"{about} is left out.", required=("id", "name", "scope", "scopeKind"))


def _finding() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "code": _text("The finding's code."),
        "rule": _text("The rule's name; in a digest of reminders what is due and when."),
        "status": {"enum": [str(Verdict.VIOLATION), str(Verdict.UNKNOWN)]},
        "severity": {"enum": [str(severity) for severity in Severity]},
        "text": _text("What is wrong, or why it is unknown."),
        "evidence": {"type": "object", "description": "The values that show it, by name; strangers' text, unescaped."},
        "remediation": _text("How to fix it, our words."),
    }
    with_old = properties | _old_names(properties, "findings")
    return _closed(with_old, "One rule's answer.", required=tuple(properties))


def _fix() -> dict[str, Any]:
    change = {
        "rule": _text("The rule's name."),
        "field": _text("Where it is in the exemption, as in ARM's JSON: properties.expiresOn."),
        "current": {
            "type": ["string", "null"],
            "description": "What is there now, cut; null for nothing. A stranger's text, unescaped.",
        },
        "allowed": _text("What the ruleset allows there; it may quote the exemption."),
    }
    properties = {
        "changes": {
            "type": "array",
            "items": _closed(change, "One field.", required=tuple(change)),
            "description": "Of each rule that is broken.",
        },
        "command": _text(
            "The one command of the Azure CLI, for a POSIX shell, that makes all changes that a command can make: what"
            " people decide is in angle brackets. Empty where there is none."
        ),
    }
    about = "What must change for the exemption to keep the rules; left out where nothing must."
    return _closed(properties, about, required=tuple(properties))


_COUNTER: Final = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}
_BY_RULE: Final = {
    "severities": {**_COUNTER, "propertyNames": {"enum": [str(severity) for severity in Severity]}},
    "rules": {**_COUNTER, "description": "Violations and unknowns by the name of the rule."},
}
_COUNTS: Final[Mapping[Kind, Mapping[str, Any]]] = {
    Kind.DIGEST: {
        "since": {**_TIME, "description": "When the first of them was decided, UTC."},
        "total": {"type": "integer", "minimum": 0, "description": "How many notices it stands for."},
        "kinds": {**_COUNTER, "propertyNames": {"enum": [str(kind) for kind in Kind]}},
        **_BY_RULE,
    },
    Kind.ADOPTED: {
        "total": {"type": "integer", "minimum": 0, "description": "How many exemptions it stands for."},
        "verdicts": {**_COUNTER, "description": "By where they stand: compliant, violation, unknown and the like."},
        **_BY_RULE,
        "expiry": {**_COUNTER, "description": "By their expiry state, such as no-expiry, active or expiring-14."},
    },
    Kind.BYPASS_FOUND: {
        "total": {"type": "integer", "minimum": 0, "description": "How many ways it stands for."},
        "bypasses": {**_COUNTER, "propertyNames": {"enum": [str(kind) for kind in BypassKind]}},
        **_BY_RULE,
    },
}
"""What a kind counts, by the name of the property."""


def _counted(properties: Mapping[str, Any]) -> dict[str, Any]:
    return _closed({**properties, **_old_names(properties, "digest")}, "What it counts.", required=tuple(properties))


def _nothing() -> dict[str, Any]:
    return _closed({}, "Empty: the notice is about no single exemption.")


def _text(description: str, longest: int | None = None) -> dict[str, Any]:
    limit = {} if longest is None else {"maxLength": longest}
    return {"type": "string", **limit, "description": description}


def _old_names(properties: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return what version 1 called otherwise in the object at a place (see OLD_NAMES), by those names."""
    made = {}
    for place, old in OLD_NAMES.items():
        parent, _, name = place.rpartition(".")
        if parent == at and name in properties:
            said = f"The same as {name}, as version 1 called it; gone in 1.0."
            made[old] = {**properties[name], "description": said, "deprecated": True}
            if items := made[old].get("items"):
                made[old]["items"] = {"enum": replaced(items["enum"], OLD_VALUES, old)}
    return made


def _count(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "description": description}


def _closed(properties: Mapping[str, Any], description: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        out["required"] = list(required)
    return out | ({"description": description} if description else {})
