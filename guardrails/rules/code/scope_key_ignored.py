"""A file of AzPolicyFactory must name one scope.

What it does: it is a violation if `managementGroupId` is beside `subscriptionId`. Only `exg check` runs this rule.

Why: AzPolicyFactory exempts the subscription, or its resource group, and ignores the management group, without an
error.

Example: somebody adds `managementGroupId` to widen an exemption, and nothing changes.

Instead: to exempt the management group, delete `subscriptionId` and `resourceGroupName`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "scope-key-ignored"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG649",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Delete the key of the scope that you do not want to exempt.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a management group and a subscription",
            NAME,
            "AzPolicyFactory ignores managementGroupId beside subscriptionId",
            "one of the two",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
