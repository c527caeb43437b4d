"""A file of AzPolicyFactory must not have a past expiry.

What it does: it is a violation if `expiresOn` is in the past. Only `exg check` runs this rule.

Why: AzPolicyFactory skips such a file, and never deletes an exemption. The deployed exemption keeps its expiry in
Azure, which may be later.

Example: to end an exemption early, somebody sets its expiry to a past date. The exemption stays in Azure until the old
expiry.

Instead: the command is `az policy exemption delete`.

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
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "an end in the past",
            NAME,
            "AzPolicyFactory skips it, because its expiry is past: the deployed exemption stays, with its own expiry",
            "delete the exemption in Azure",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
