"""An exemption must not be ended by a past date in a file of AzPolicyFactory.

What it does: a violation is a file whose `expiresOn` is past. Only `exg check` runs this rule.

Why: AzPolicyFactory leaves such a file out, and never deletes an exemption. What is deployed keeps the end that it has
in Azure, which may be later (seen with commit a0362fe).

Example: to end an exemption early, somebody writes yesterday as its end. The exemption stays in Azure until the old
end.

Instead: delete the exemption in Azure, and then the file.

References:
- https://github.com/Azure/AzPolicyFactory
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import NoOptions, Outcome, Rule, Stage
from guardrails.rules.risk import CONTROL, GOOD, NO_REVERT, bad_case, told

NAME = "past-end-not-sent"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a check of files found it."""
    return told(facts, NAME)


RULE = Rule(
    code="EXG646",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Delete the exemption in Azure, and then the file.",
    check=check,
    stage=Stage.CODE,
    control=CONTROL,
    good=GOOD,
    bad=(
        bad_case(
            "an end in the past",
            NAME,
            "AzPolicyFactory leaves it out, for its end is past: what is deployed stays, with its own end",
            "expiresOn",
            "delete the exemption in Azure",
        ),
    ),
    no_revert=NO_REVERT,
)
