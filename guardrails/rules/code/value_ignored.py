"""EPAC must not ignore a value in its file.

What it does: finds keys, columns and cells that EPAC does not read, and resource selectors and reference ids that it
does not use. Each is a violation. Only `exg check` runs this rule.

Why: selectors and reference ids make an exemption narrower: without them, it covers all resources or all policies.
Other values, such as a ticket outside of `metadata`, are lost.

Example: a cell of `resourceSelectors` does not begin with `[`. EPAC ignores it, and the exemption covers all resources.

Instead: put a value for which EPAC has no key into `metadata`.

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
    remediation="Write the value in the form that the finding names.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a cell of selectors is no list",
            NAME,
            "EPAC ignores a resourceSelectors cell that does not begin with [",
            "a JSON list",
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
