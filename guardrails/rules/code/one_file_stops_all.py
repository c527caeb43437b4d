"""A mistake in one entry must not stop EPAC from deploying all others.

What it does: finds entries and files that make EPAC refuse its whole plan. Each is a violation if it stops other
entries or files. Also finds entries that make the plan unreadable for EPAC's deploy step. Only `exg check` runs this
rule.

Why: until somebody corrects the mistake, EPAC deploys nothing from any file: no new expiry, and no deletion either.

Example: a CSV file ends with a row of empty cells. EPAC refuses it with five errors, and deploys no other row.

Instead: in the example, delete the empty row.

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
    remediation="Correct the entry or file that the finding names.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a row of empty cells", NAME, "because of this entry, EPAC refuses the plan of all files", "no such row"
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
