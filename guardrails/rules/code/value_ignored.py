"""A deployer must not pass over what its file says.

What it does: finds keys, columns and cells that a deployer reads not at all, and resource selectors and reference ids
that it does not use. Each is a violation. Only `exg check` runs this rule.

Why: selectors and reference ids make an exemption narrower: without them it covers all resources, or all policies.
Other values are lost, such as a ticket outside of `metadata`.

Example: a cell of `resourceSelectors` that does not begin with `[` is passed over by EPAC, and the exemption covers
all resources.

Instead: write the form that the finding names.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "value-ignored"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG610",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Write the value in the form that its deployer reads.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a cell of selectors is no list",
            NAME,
            "EPAC passes over a resourceSelectors cell that does not begin with [",
            "a JSON list",
        ),
    ),
    no_revert=NO_REVERT,
)
