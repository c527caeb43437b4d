"""An override that asks for the category of policies; and how a test gives policies one."""

import json
from dataclasses import replace
from typing import Any

from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.model import Ruleset, parse_ruleset

CODE = "EXG305"


def asking(ruleset: Ruleset, response: Response = Response.REVERT) -> Ruleset:
    """Have one rule judge, and no other: no exemption from a policy of the category Sealed."""
    never = {"category-forbidden": {"response": str(response), "options": {"categories": ["Waiver", "Mitigated"]}}}
    overrides = [{"policy_category": "Sealed", "rules": never}]
    said = {"version": 2, "mode": "audit", "rules": {"expired": "off"}, "overrides": overrides}
    return replace(ruleset, limits=parse_ruleset(json.dumps(said)).limits)


def definition(category: Any = None, severity: Any = None, **more: Any) -> dict[str, Any]:
    """The body of a policy definition with this metadata."""
    metadata = {key: value for key, value in (("category", category), ("severity", severity)) if value is not None}
    return {"properties": {"policyRule": {"if": {}, "then": {"effect": "audit"}}, "metadata": metadata, **more}}
