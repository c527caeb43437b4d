"""A second run of EPAC must find nothing to do.

What it does: computes what EPAC would plan in a second run, after it deployed the plan of the first. If it would write
the exemption again, that is a violation. Only `exg check` runs this rule.

Why: each run writes the exemption again. Its history fills with meaningless writes, and nobody notices a real change
among them.

Example: a key in `metadata` has the value null. Azure drops it, so EPAC finds a difference at each run.

Instead: the finding names it.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "never-settles"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG611",
    name=NAME,
    severity=Severity.LOW,
    soc2=("CC8.1",),
    remediation="Correct the value that differs at each run.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a null in the metadata",
            NAME,
            "EPAC updates it at each run (metadata)",
            "no key of metadata with the value null",
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
