"""A file of AzPolicyFactory must show an approval by another person, in the past.

What it does: a violation is a file whose `approvedBy` is its `requestedBy`, whatever letter case and blanks, or whose
`approvedOn` is no day before now. Only `exg check` runs this rule.

Why: AzPolicyFactory has a check for both, but its pipeline for Azure DevOps leaves them out: there, all checks pass.
Its workflow for GitHub runs them (seen with commit a0362fe).

Example: `requestedBy` and `approvedBy` are both `Mara Lindqvist`.

Instead: let another person approve, and write the day of the approval.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "approval-not-checked"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG651",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Let another person approve, and write the day of the approval.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "one person",
            NAME,
            "its approvedBy is its requestedBy: AzPolicyFactory checks that for GitHub alone",
            "another person",
            AZPOLICYFACTORY,
        ),
    ),
    no_revert=NO_REVERT,
)
