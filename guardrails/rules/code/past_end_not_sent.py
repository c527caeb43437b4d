"""An exemption must not be ended by a past date in a file of AzPolicyFactory.

What it does: a violation is a file whose `expiresOn` is past. Only `exg check` runs this rule.

Why: AzPolicyFactory leaves such a file out, and never deletes an exemption. What is deployed keeps the end that it has
in Azure, which may be later (seen with commit a0362fe).

Example: to end an exemption early, somebody writes yesterday as its end. The exemption stays in Azure until the old
end.

Instead: delete the exemption in Azure, and then the file.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "past-end-not-sent"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG646",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Delete the exemption in Azure, and then the file.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "an end in the past",
            NAME,
            "AzPolicyFactory leaves it out, for its end is past: what is deployed stays, with its own end",
            "delete the exemption in Azure",
            AZPOLICYFACTORY,
        ),
    ),
    no_revert=NO_REVERT,
)
