"""A second run of a deployer must find nothing to do.

What it does: computes what EPAC plans once more after its own plan is deployed. If it then writes the exemption
again, that is a violation. Only `exg check` runs this rule.

Why: each run writes the exemption again, so nobody sees a real change among them, and its history is full of writes
that mean nothing.

Example: a key in `metadata` has the value null. Azure drops it, so EPAC finds a difference at each run.

Instead: take out what differs, which the finding names.

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
    remediation="Take out of the entry what differs at each run.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a null in the metadata",
            NAME,
            "EPAC updates it at each run (metadata)",
            "no key of metadata with the value null",
        ),
    ),
    no_revert=NO_REVERT,
)
