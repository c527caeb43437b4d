"""The documented JSON form of a scan, one JSON Schema (2020-12): docs/scan.schema.json. Pure.

Objects are closed, and every property is always there: what is not known is null. `$defs/coverage` is also the form of
the file that is written beside CSV, `$defs/comparison` that of `scan --compare`, `$defs/index` that
of the index of `scan --by`.
"""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.bypasses.model import BypassKind
from guardrails.cli.notice_schema import DIALECT
from guardrails.cli.scan_by import ENDINGS, INDEX
from guardrails.cli.schema_version import VERSION
from guardrails.criteria.model import MOST, SourceKind
from guardrails.decisions.assess import Verdict
from guardrails.exemption.expiry import State
from guardrails.exemption.severity import Severity
from guardrails.report.bypasses import WORDS
from guardrails.report.comparison import Change
from guardrails.report.comparison_forms import COMPARISON
from guardrails.report.coverage_forms import COVERAGE, SCHEMA
from guardrails.report.line import UNREADABLE
from guardrails.report.parts import BY

VERDICTS: Final = (*map(str, Verdict), "excluded")
SEVERITIES: Final = tuple(map(str, Severity))

_STATES: Final = (State.NO_EXPIRY, State.ACTIVE, State.EXPIRED, UNREADABLE)
_FINDINGS: Final = {"type": "array", "items": {"$ref": "#/$defs/finding"}, "description": "By code; none: it passes."}


def schema() -> dict[str, Any]:
    """Return the schema."""
    counts = {name: _count(f"How many are {name}.") for name in VERDICTS}
    properties: dict[str, Any] = {
        "schema_version": {"const": VERSION},
        "$schema": {"const": SCHEMA},
        "generated_at": _time("When the scan was done."),
        "judged_at": _time("The time that all was judged at."),
        "ruleset": {"$ref": "#/$defs/ruleset"},
        "coverage": {"$ref": "#/$defs/coverage"},
        "counts": _closed(
            {
                "exemptions": _count("Exemptions that were judged."),
                "bypasses": _count("Bypasses of a policy."),
                "left_out": _count("What --scope and --exclude left out."),
                **counts,
            },
            "Exemptions and bypasses together, whatever --only lists.",
        ),
        "bypasses_by_kind": _list(
            _closed(
                {
                    "kind": {"enum": list(map(str, WORDS))},
                    "seen": _count("How many were seen."),
                    "whole": _flag("Whether all that there may be was read; if not, there may be more."),
                    **counts,
                },
                "",
            ),
            "A count for every kind of bypass, exemptions among them.",
        ),
        "severities": _closed({name: _count("") for name in SEVERITIES}, "By the severity of the worst violation."),
        "expiry": {
            "type": "object",
            "propertyNames": {"anyOf": _state()["anyOf"]},
            "additionalProperties": {"type": "integer", "minimum": 1},
            "description": "By expiry state; those that occur.",
        },
        "rules": _list({"$ref": "#/$defs/rule"}, "Rules that found something, the worst first."),
        "missing": _texts("What could not be seen, a sentence each."),
        "notes": _texts("What is worth knowing besides, and hides nothing, a sentence each."),
        "exemptions": _list({"$ref": "#/$defs/exemption"}, "The worst first; with --only, those that were asked for."),
        "bypasses": _list({"$ref": "#/$defs/bypass"}, "The same of bypasses."),
    }
    return {
        "$schema": DIALECT,
        "$id": SCHEMA,
        "title": "A scan by the exemption guardrails",
        **_closed(properties, "Strangers' texts in it are as Azure has them, unescaped."),
        "$defs": _definitions(),
    }


def _definitions() -> dict[str, Any]:
    return {
        "ruleset": _closed({"source": _text("The file."), "digest": _text("Its hash."), "mode": _text("")}, ""),
        "coverage": _coverage(),
        "place": _closed({"id": _text("The id, or the group's name."), "name": _maybe("Its display name.")}, ""),
        "partial": _closed(
            {"id": _text("The id, or the group's name."), "name": _maybe("Its display name."), "reason": _text("Why.")},
            "",
        ),
        "places": _closed(
            {
                "requested": _places("place", "What was asked for. None, of both kinds: all that the identity sees."),
                "read": _places("place", "What was read."),
                "partly_read": _places("partial", "What ARM does not list: judged by what Resource Graph shows there."),
                "not_readable": _places("partial", "What was asked for and could not be read."),
            },
            "",
        ),
        "rule": _closed(
            {
                "code": _text(""), "rule": _text("Name of the route."), "severity": {"enum": list(SEVERITIES)},
                "violations": _count("Broken by so many."), "unknown": _count("Is unknown of so many."),
                "remediation": _text("How to fix it."),
            },
            "",
        ),
        "finding": _closed(
            {
                "code": _text(""), "rule": _text("The rule's name."),
                "status": {"enum": [str(Verdict.VIOLATION), str(Verdict.UNKNOWN)]},
                "severity": {"enum": list(SEVERITIES)}, "text": _text("What is wrong, or why it is unknown."),
                "evidence": {"type": "object", "description": "The values that show it, by name."},
                "remediation": _text("How to fix it."),
            },
            "One rule's answer.",
        ),
        "exemption": _exemption(),
        "bypass": _bypass(),
        "criteria_weakened": _weakened(),
        "comparison": _comparison(),
        "index": _index(),
    }  # fmt: skip


def _index() -> dict[str, Any]:
    counts = _closed(
        {
            "exemptions": _count("Exemptions that were judged."), "bypasses": _count("Bypasses of a policy."),
            **{name: _count(f"How many are {name}.") for name in VERDICTS},
        },
        "Exemptions and bypasses together.",
    )  # fmt: skip
    group = {"name": _text("What it is called."), "files": _texts("Its files, in this folder."), "counts": counts}
    properties = {
        "schema_version": {"const": VERSION},
        "$schema": {"const": INDEX},
        "generated_at": _time("When the scan was done."),
        "judged_at": _time("The time that all was judged at."),
        "by": {"enum": list(BY)},
        "format": {"enum": list(ENDINGS)},
        "counts": counts,
        "groups": _list(_closed(group, ""), "The worst first."),
    }
    return _closed(properties, "The index of the files of `scan --by`.")


def _comparison() -> dict[str, Any]:
    changes, kinds = list(map(str, Change)), list(map(str, WORDS))
    judged = _closed(
        {
            "verdict": {"enum": list(VERDICTS)}, "severity": {"enum": [*SEVERITIES, None]},
            "rules": _texts("The codes of the rules that are broken."),
        },
        "How a scan judged it.",
    )  # fmt: skip
    change = {
        "change": {"enum": changes},
        "kind": {"enum": kinds},
        "id": _text("An exemption's resource id; of a bypass, its scope."),
        "subject": _text("The assignment's id, or the exception id that a tag names."),
        "before": {"anyOf": [judged, {"type": "null"}], "description": "Null where it is new."},
        "now": {"anyOf": [judged, {"type": "null"}], "description": "Null where it is not listed any more."},
        "rules": _texts("The rules that make the change."),
    }
    earlier = {
        "judged_at": _time("The time that it judged at."),
        "ruleset": _closed({"source": _text("The file."), "digest": _text("Its hash.")}, ""),
        "not_seen": _texts("What it could not see, a sentence each."),
    }
    properties = {
        "schema_version": {"const": VERSION},
        "$schema": {"const": COMPARISON},
        "generated_at": _time("When the scan was done."),
        "judged_at": _time("The time that all was judged at."),
        "ruleset": {"$ref": "#/$defs/ruleset"},
        "coverage": {"$ref": "#/$defs/coverage"},
        "earlier": _closed(earlier, "The scan that this one was compared with."),
        "counts": _closed({name.replace("-", "_"): _count("") for name in (*changes, "same")}, "By change."),
        "notes": _texts("What limits the comparison, a sentence each."),
        "changes": _list(_closed(change, ""), "The worst first."),
    }
    return _closed(properties, "A scan compared with an earlier one.")


def _coverage() -> dict[str, Any]:
    identity = {
        "name": _maybe("A UPN, an application's name, or its client id."),
        "kind": {"enum": ["user", "application", "managed identity", None]},
        "application_id": _maybe("The client id: an application's own, or that of the program a person came through."),
        "object_id": _maybe("In the tenant's directory."),
        "found_by": _maybe("Which of azure-identity's credentials gave the token."),
    }
    unjudged = {"code": _text(""), "rule": _text(""), "reason": _text("Why."), "exemptions": _count("Of how many.")}
    properties = {
        "complete": _flag("Whether all that was asked for was read, and no rule is unknown of an exemption."),
        "tenant": _closed(
            {"id": _maybe(""), "name": _maybe("Its display name."), "unnamed": _maybe("Why its name is not known.")}, ""
        ),
        "identity": _closed(identity, "Who asked, by the claims of its token."),
        "management_groups": {"$ref": "#/$defs/places"},
        "subscriptions": {"$ref": "#/$defs/places"},
        "filters": _closed({name: _texts(f"--{name}") for name in ("scope", "exclude", "only")}, "As they were given."),
        "ruleset": {"$ref": "#/$defs/ruleset"},
        "version": _maybe("The product's."),
        "api_versions": {"type": "object", "additionalProperties": _text(""), "description": "By what was read."},
        "started_at": _maybe_time("When the scan began."),
        "ended_at": _maybe_time("When it was done."),
        "not_judged": _closed(
            {
                "exemptions": _count("Exemptions of which some rule is unknown."),
                "rules": _list(_closed(unjudged, ""), "What is unknown, the most frequent first."),
            },
            "",
        ),
        "not_seen": _texts("The same as `missing` of the scan."),
        "never_seen": _texts("What no scan sees, whoever asks; the same in every scan."),
        "notes": _texts("The same as `notes` of the scan."),
    }
    closed = _closed(properties, "What the scan covers.")
    alone = {"schema_version": VERSION, "$schema": COVERAGE}
    closed["properties"] |= {
        name: {"const": one, "description": "In a file of its own."} for name, one in alone.items()
    }
    return closed


def _exemption() -> dict[str, Any]:
    properties = {
        "id": _text("Its resource id."),
        **_status(),
        "expires_on": _maybe_time("Its end."),
        "expiry_state": _state(),
        "days_left": _days(),
        "display_name": _text("As its author wrote it; cut short."),
        "category": _text("Waiver or Mitigated; else as its author wrote it."),
        "owner": _text("As its author wrote it."),
        "ticket": _text("As its author wrote it."),
        "assignment": _text("The id of the policy assignment."),
        "who": _text("Who wrote it last; empty where unknown."),
        "since": _maybe_time("When it was written last."),
        "findings": _FINDINGS,
        "criteria_weakened": {"$ref": "#/$defs/criteria_weakened"},
    }
    return _closed(properties, "")


def _bypass() -> dict[str, Any]:
    properties = {
        "kind": {"enum": [str(kind) for kind in WORDS if kind is not BypassKind.EXEMPTION]},
        "scope": _text("What is let past."),
        "subject": _text("The assignment's id, or the exception id that a tag names."),
        "name": _text(""),
        "detail": _text("What exactly is let past."),
        **_status(),
        "who": _text("Who wrote it last; empty where unknown."),
        "since": _maybe_time("When it was written last."),
        "owner": _text(""),
        "ticket": _text(""),
        "review": _text("The review date that it names."),
        "ends": _maybe_time("Its end."),
        "ends_problem": _maybe("Why its end cannot be read."),
        "unreadable": _maybe("Why it cannot be read."),
        "covers": _maybe("How many policies of the initiative it is about, in the version that Azure evaluates."),
        "findings": _FINDINGS,
        "expiry_state": _state(),
        "days_left": _days(),
        "criteria_weakened": {"$ref": "#/$defs/criteria_weakened"},
    }
    return _closed(properties, "")


def _weakened() -> dict[str, Any]:
    counts = {
        "policies": _count("The number of its policies that do not apply to this scope."),
        "of": _count("The number of all its policies."),
    }
    criterion = _closed(counts, "Neither number counts policies that are known to be manual.")
    criterion["properties"]["title"] = _text("The display name of the group, if it differs from the name.")
    source = {
        "source": {"enum": list(map(str, SourceKind)), "description": "The initiative's groups, or the table."},
        "id": _text("The id of the initiative. For a table, the GUID of the built-in initiative behind it."),
        "name": _text("The display name of the initiative."),
        "version": _text("The version of the initiative; empty if unknown."),
        "policies": _count("The number of policies for which the source has a criterion."),
        "criteria": {
            "type": "object", "additionalProperties": criterion, "maxProperties": MOST,
            "description": "By the name of the criterion or group.",
        },
        "left_out": _count("The number of further criteria."),
    }  # fmt: skip
    properties = {
        "unknown": _maybe("What is unknown, and why. If by_source is empty, everything is unknown."),
        "policies": _count("The number of policies that do not apply, without those that are known to be manual."),
        "manual": _count("The number of policies that do not apply and are known to be manual."),
        "unmapped": _count("The number of these policies for which no source has criteria."),
        "certain": _flag("Whether the policies certainly do not apply. If false, the numbers are upper limits."),
        "by_source": _list(_closed(source, "The criteria by one source."), "The assigned initiative comes first."),
    }
    return _closed(properties, "The criteria that it weakens. Criteria that a rule supports are something else.")


def _status() -> dict[str, Any]:
    return {
        "verdict": {"enum": list(VERDICTS)},
        "severity": {"enum": [*SEVERITIES, None], "description": "Of the worst violation; null without one."},
        "excluded": _maybe("Why the ruleset leaves it alone."),
    }


def _state() -> dict[str, Any]:
    return {"anyOf": [{"enum": list(map(str, _STATES))}, {"type": "string", "pattern": r"^expiring-\d+$"}]}


def _days() -> dict[str, Any]:
    return {"type": ["integer", "null"], "description": "Whole days to its end; negative afterwards."}


def _places(name: str, description: str) -> dict[str, Any]:
    return _list({"$ref": f"#/$defs/{name}"}, description)


def _text(description: str) -> dict[str, Any]:
    return _described({"type": "string"}, description)


def _texts(description: str) -> dict[str, Any]:
    return _list({"type": "string"}, description)


def _maybe(description: str) -> dict[str, Any]:
    return _described({"type": ["string", "null"]}, description)


def _time(description: str) -> dict[str, Any]:
    return _described({"type": "string", "format": "date-time"}, f"{description} UTC.")


def _maybe_time(description: str) -> dict[str, Any]:
    return _described({"type": ["string", "null"], "format": "date-time"}, f"{description} UTC.")


def _count(description: str) -> dict[str, Any]:
    return _described({"type": "integer", "minimum": 0}, description)


def _flag(description: str) -> dict[str, Any]:
    return _described({"type": "boolean"}, description)


def _list(items: Mapping[str, Any], description: str) -> dict[str, Any]:
    return _described({"type": "array", "items": dict(items)}, description)


def _closed(properties: Mapping[str, Any], description: str) -> dict[str, Any]:
    made = {
        "type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False
    }  # fmt: skip
    return _described(made, description)


def _described(made: dict[str, Any], description: str) -> dict[str, Any]:
    return made | ({"description": description} if description else {})
