"""What the rules about deployers of exemption files share: each reports one risk that a check found. Not a rule."""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.exemption.facts import Facts, Planned, Risk
from guardrails.rules.base import PASS, Case, Change, Outcome, Violation
from guardrails.rules.words import clip, clips

CONTROL: Final = "A policy sees what is sent, not the file that it comes from."
NO_REVERT: Final = "only a check of code runs it"


def told(facts: Facts, rule: str) -> Outcome:
    """Return the violation that a check of files found for a rule; PASS where it found none."""
    for risk in facts.planned.risks if facts.planned else ():
        if risk.rule == rule:
            change = Change(risk.field, clip(risk.current) or None, clip(risk.allowed), "<value>")
            return Violation(clip(risk.text), _clipped(risk.evidence), change)
    return PASS


def _clipped(evidence: Mapping[str, object]) -> dict[str, Any]:
    """Return evidence with the texts of strangers cut."""
    return {key: _value(value) for key, value in evidence.items()}


def _value(value: object) -> object:
    if isinstance(value, str):
        return clip(value)
    return clips(map(str, value)) if isinstance(value, list | tuple) else value


def bad_case(title: str, rule: str, text: str, field: str, allowed: str) -> Case:
    """Return an example of a rule: what a check of files found."""
    return Case(title, facts={"planned": Planned(risks=(Risk(rule, text, {"field": field}, field, "", allowed),))})


GOOD: Final = (Case("its deployer does what the file says", facts={"planned": Planned()}),)
