"""A file of AzPolicyFactory must show that somebody other than the requester has approved it.

What it does: it is a violation if `approvedBy` and `requestedBy` name the same person. Letter case and blanks do not
matter. It is also a violation if `approvedOn` is not a date, or is later than today (UTC). Only `exg check` runs this
rule.

Why: AzPolicyFactory checks the persons and the date in its workflow for GitHub, but not in its pipeline for Azure
DevOps.

Example: `requestedBy` and `approvedBy` are both `Mara Lindqvist`.

Instead: write the approver's name as `approvedBy`, and the day as `approvedOn`.

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
    remediation="Let another person approve the exemption, and record the approval.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "one person",
            NAME,
            "its approvedBy and requestedBy are the same person: AzPolicyFactory checks this only for GitHub",
            "another person",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
