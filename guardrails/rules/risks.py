"""What a deployer silently does: how rules report it. Not a rule."""

from guardrails.exemption.facts import Facts, Planned, Risk
from guardrails.rules.base import PASS, Case, Outcome, Violation

NO_CONTROL = "A policy sees what is sent, not the file that a deployer read."
NO_REVERT = "only a check of code runs it"
EPAC = "EPAC, seen at commit 6043576 (2026-08)"
AZPOLICYFACTORY = "AzPolicyFactory, seen at commit a0362fe (2026-08)"


def report(facts: Facts, rule: str) -> Outcome:
    """Return the violation that a deployer's risk is, if this rule is the one for it."""
    if facts.planned is None or not facts.planned.risks:  # as most are
        return PASS
    for risk in facts.planned.risks:
        if risk.rule == rule:
            evidence = {"deployer": risk.deployer, **risk.evidence, "correction": risk.correction}
            return Violation(f"{risk.text} ({risk.deployer})", evidence)
    return PASS


def sample(title: str, rule: str, text: str, correction: str, deployer: str = EPAC) -> Case:
    """Return an example of a risk."""
    return Case(title, facts={"planned": Planned(risks=(Risk(rule, text, deployer, correction),))})
