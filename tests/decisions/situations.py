"""Situations to decide in: the sample exemption, findings made to order, and a ruleset by the real parser."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from guardrails.decisions.assess import Assessment, Finding, Verdict
from guardrails.decisions.decide import Situation
from guardrails.decisions.row import Row, Status
from guardrails.exemption.body import fingerprint
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case
from guardrails.rules.sample import BODY, body_of
from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.model import Ruleset, parse_ruleset

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONTENT = fingerprint(BODY)


def ruleset(**more: Any) -> Ruleset:
    return parse_ruleset(json.dumps({"version": 1, "mode": "enforce", "rules": {"expired": "alert"}, **more}))


def finding(
    code: str = "EXG101",
    response: str = "revert",
    *,
    unknown: bool = False,
    days: float = 0,
    severity: Severity = Severity.HIGH,
) -> Finding:
    status = Verdict.UNKNOWN if unknown else Verdict.VIOLATION
    grace = timedelta(days=days)
    return Finding(code, f"rule-{code.lower()}", status, severity, "it is so", {}, "fix it", Response(response), grace)


def row(**changes: Any) -> Row:
    known: dict[str, Any] = {"content": CONTENT, "snapshot": 1, **changes}
    return Row(str(BODY["id"]), known.pop("status", Status.VIOLATION), NOW - timedelta(days=30), **known)


def exemption(metadata: Mapping[str, Any] | None = None, **changes: Any) -> Exemption:
    body = body_of(Case("", changes))
    if metadata is not None:
        body["properties"]["metadata"] = {**body["properties"]["metadata"], **metadata}
    return Exemption.from_arm(body)


def situation(*findings: Finding, **changes: Any) -> Situation:
    """A situation with these findings; `changes` are fields of Situation."""
    known: dict[str, Any] = {
        "exemption": exemption(),
        "row": None,
        "ruleset": ruleset(),
        "content": CONTENT,
        "author": "alice@contoso.com",
        "now": NOW,
        "mode": "enforce",
        **changes,
    }
    return Situation(assessment=Assessment(findings), **known)
