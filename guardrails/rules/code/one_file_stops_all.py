"""A mistake in one entry must not keep a deployer from all others.

What it does: finds the entries and files for which EPAC refuses its whole plan, or by which its deploy step cannot
read the plan. Each is a violation if there are other entries. Only `exg check` runs this rule.

Why: nothing of any file is deployed, also no new end and no deletion, until somebody corrects the entry.

Example: a row of empty cells at the end of a CSV is refused with five errors, and no other row is deployed.

Instead: correct the entry, which the finding names.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "one-file-stops-all"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG612",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Correct the entry.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(sample("a row of empty cells", NAME, "for this entry EPAC refuses the plan of all files", "no such row"),),
    no_revert=NO_REVERT,
)
