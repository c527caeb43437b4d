"""The documented JSON form of `check`, one JSON Schema (2020-12): docs/check.schema.json. Pure."""

from typing import Any, Final

from guardrails.azpolicyfactory.build import Build
from guardrails.check.answer import SCHEMA
from guardrails.check.epac import FORMAT as EPAC
from guardrails.check.factory import FORMAT as FACTORY
from guardrails.cli.check_diff_schema import diff_definitions
from guardrails.cli.check_schema_parts import ANY, LINE, MAYBE, array, closed, texts
from guardrails.cli.notice_schema import DIALECT
from guardrails.decisions.assess import Verdict
from guardrails.epac.plan import Action
from guardrails.epac.schema import Verdict as SchemaVerdict
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.template import Language, Level, Stage
from guardrails.exemption.severity import Severity

ADDRESS: Final = "urn:exemption-guardrails:check.schema.1.json"

_FORMAT: Final = {"enum": [*map(str, Language), EPAC, FACTORY]}
_NUMBER: Final = {"type": ["integer", "null"], "minimum": 0}
_PASSED: Final = {"enum": ["pass", "fail", None]}
_CHECKS: Final = ("schema", "schemaNamed", "approvedBefore", "twoPeople")


def schema() -> dict[str, Any]:
    """Return the schema."""
    properties = {
        "schema": {"const": SCHEMA},
        "exemptions": _list("exemption", "Each exemption that the code would deploy, once for each deployment."),
        "deployments": _list("deployment", "Each template with its parameters."),
        "errors": _list("error", "What could not be read; line and column are 0 where it is about a whole file."),
        "notes": texts("What is worth knowing of the run."),
        "skipped": texts("Rules that are on and that no check of code can run."),
        "diff": {"$ref": "#/$defs/diff"},
    }
    return {
        "$schema": DIALECT,
        "$id": ADDRESS,
        "title": "What exg check found",
        **closed(properties, "Strangers' texts in it are as the code has them, unescaped.", optional=("diff",)),
        "$defs": _definitions() | diff_definitions(),
    }


def _definitions() -> dict[str, Any]:
    place = {"path": {"type": "string"}, "line": LINE, "column": LINE}
    unknown = {
        "at": {"type": "string", "description": "A JSON pointer: into the exemption, or /outputs/NAME."},
        "reason": {"type": "string"},
        "path": MAYBE,
        "line": {"type": ["integer", "null"]},
    }
    finding = {
        "code": {"type": "string"},
        "rule": {"type": "string"},
        "status": {"enum": [str(one) for one in Verdict if one is not Verdict.PASS]},
        "severity": {"enum": list(map(str, Severity))},
        "text": {"type": "string"},
        "evidence": {"type": "object"},
        "remediation": {"type": "string"},
        "at": {"type": "string", "description": "A JSON pointer into the exemption; empty for all of it."},
        **place,
    }
    return {
        "exemption": closed(
            {
                "format": _FORMAT,
                **place,
                "entry": {"type": ["integer", "null"], "description": "Its number in a loop, from 0."},
                "via": array(closed({"path": {"type": "string"}, "line": LINE}, ""), "Modules, outermost first."),
                "parameters": {**MAYBE, "description": "The parameter file."},
                "deployed": {
                    "type": ["boolean", "null"],
                    "description": "false: its condition is false. null: its condition or count is unknown.",
                },
                "id": MAYBE, "scope": MAYBE, "name": MAYBE, "apiVersion": MAYBE,
                "properties": {**ANY, "description": "As they would be sent; null where `unknown` names the place."},
                "unknown": array(closed(unknown, ""), "What is not known; a null that is not named is a known null."),
                "findings": array(closed(finding, ""), "By code; none: it passes, or is not deployed."),
                "excluded": {**MAYBE, "description": "Why the ruleset leaves it alone."},
                "explained": array({"$ref": "#/$defs/explained"}, "With --explain: where each value comes from."),
                "action": {
                    "enum": [*map(str, Action), None],
                    "description": "What EPAC does with it; null: unknown, or nothing as the run is refused.",
                },
                "because": texts("In what the deployed exemption differs."),
            },
            "",
            optional=("explained", "action", "because"),
        ),
        "explained": closed(
            {
                "at": {"type": "string"},
                "from": array(closed({"what": {"type": "string"}, **place}, ""), "The nearest first."),
            },
            "",
        ),
        "deployment": closed(
            {
                "format": _FORMAT,
                "paths": texts("The template, its modules, and the files that they load."),
                "parameters": MAYBE,
                "outcome": {"enum": [str(one) for one in Outcome]},
                "stage": {"enum": [*map(str, Stage), None], "description": "Where it is refused."},
                "outputs": {"type": "object"},
                "unknown": array(closed(unknown, ""), ""),
                "diagnostics": array(
                    closed(
                        {**place, "level": {"enum": [str(one) for one in Level]}, "rule": MAYBE,
                         "message": {"type": "string"}},
                        "",
                    ),
                    "",
                ),
                "deletes": {"anyOf": [texts("Ids of exemptions that EPAC deletes."), {"type": "null"}]},
                "counts": closed(dict.fromkeys(("unchanged", "orphans", "expired"), _NUMBER), ""),
                "second_run": {"anyOf": [{"$ref": "#/$defs/second_run"}, {"type": "null"}]},
                "files": array({"$ref": "#/$defs/file"}, "What becomes of each file."),
            },
            "",
            optional=("deletes", "counts", "second_run", "files"),
        ),
        "second_run": closed(
            {
                "outcome": {"enum": [str(one) for one in Outcome]},
                "unchanged": _NUMBER,
                **dict.fromkeys(("new", "update", "replace", "delete"), texts("Ids.")),
            },
            "What a run after this one plans.",
        ),
        "file": closed(
            {
                "path": {"type": "string"},
                "schema": {"enum": [*map(str, SchemaVerdict), None], "description": "null: not certain."},
                "faults": array(_FAULT, "What the schema refuses; `key` where one is missing."),
                "checks": {
                    "anyOf": [closed(dict.fromkeys(_CHECKS, _PASSED), ""), {"type": "null"}],
                    "description": "AzPolicyFactory's own checks; null: they never run for this file.",
                },
                "build": {"enum": [*map(str, Build), None], "description": "AzPolicyFactory's build step."},
            },
            "",
        ),
        "error": closed({**place, "message": {"type": "string"}}, ""),
    }  # fmt: skip


def _list(name: str, description: str) -> dict[str, Any]:
    return array({"$ref": f"#/$defs/{name}"}, description)


_FAULT: Final = closed(
    {
        "at": {"type": "string", "description": "A JSON pointer into the file."},
        "rule": {"type": "string"},
        "key": {"type": "string"},
    },
    "",
    optional=("key",),
)
