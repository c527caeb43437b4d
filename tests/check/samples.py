"""Answers of a check, made by hand: what the tests of its outputs print."""

from datetime import timedelta
from typing import Any

from guardrails.check.answer import Answer, Deployment, Judged, Placed, Problem
from guardrails.decisions.assess import Finding, Verdict
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.template import Diagnostic, Stage
from guardrails.evaluation.values import Place, Unknown
from guardrails.exemption.severity import Severity
from guardrails.rules import all_rules
from guardrails.rules.base import Change
from guardrails.ruleset.bound_rules import Response

SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
ID = f"{SUB}/providers/Microsoft.Authorization/policyExemptions/w"


def finding(rule: str = "expiry-missing", status: Verdict = Verdict.VIOLATION, **more: Any) -> Finding:
    """A finding of a rule of ours."""
    declared = all_rules()[rule]
    said: dict[str, Any] = {
        "text": "it never expires", "evidence": {"expiresOn": None},
        "change": Change("properties.expiresOn", None, "a date"),
    } | more  # fmt: skip
    return Finding(
        declared.code, rule, status, said.pop("severity", declared.severity), said.pop("text"), said.pop("evidence"),
        declared.remediation, Response.ALERT, timedelta(), **said,
    )  # fmt: skip


def judged(*findings: Placed, path: str = "infra/main.bicep", line: int = 4, **more: Any) -> Judged:
    """An exemption of `path`."""
    said: dict[str, Any] = {
        "via": (), "deployed": True, "entry": None, "parameters": None, "id": ID, "scope": SUB, "name": "w",
        "api_version": "2022-07-01-preview", "properties": {"exemptionCategory": "Waiver"},
    } | more  # fmt: skip
    return Judged("bicep", Place(path, line, 1), findings=findings, **said)


def placed(one: Finding | None = None, path: str = "infra/main.bicep", line: int = 7, column: int = 5) -> Placed:
    """A finding at a place."""
    return Placed(one or finding(), "/properties/expiresOn", Place(path, line, column))


def deployment(outcome: Outcome = Outcome.DEPLOYS, *diagnostics: Diagnostic, stage: Stage | None = None) -> Deployment:
    """A deployment of infra/main.bicep."""
    return Deployment("bicep", ["infra/main.bicep"], None, outcome, stage, {"x": 1}, list(diagnostics))


def whole() -> Answer:
    """An answer with something of everything."""
    refusal = Diagnostic(Place("infra/other.bicep", 2, 3), "the object is not closed", "BCP018")
    unknown = finding(
        "owner-missing", Verdict.UNKNOWN, text="the parameter owner has no value", evidence={}, change=None
    )
    return Answer(
        [
            judged(placed(), placed(unknown, line=9)),
            judged(placed(finding(severity=Severity.LOW)), line=20, id=Unknown("not said"), name=Unknown("not said"),
                   via=(Place("infra/caller.bicep", 3, 1),), deployed=None, parameters="infra/main.bicepparam"),
            judged(line=30, deployed=False),
        ],
        [deployment(), deployment(Outcome.REFUSED, refusal, stage=Stage.COMPILE)],
        [Problem("infra/pipe.json", 0, 0, "it is a named pipe, not a plain file")],
        ["a note"],
        ("kept-alive",),
    )  # fmt: skip
