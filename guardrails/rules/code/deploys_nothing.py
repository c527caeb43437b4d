"""A file of AzPolicyFactory with a resource group must also name its subscription.

What it does: a file with `resourceGroupName` must have `subscriptionId`. `managementGroupId` does not replace it. Only
`exg check` runs this rule.

Why: AzPolicyFactory deploys nothing for such a file. All its checks pass, and no error reports this.

Example: `"resourceGroupName": "rg-web"` as the only key of the scope.

Instead: write the subscription's GUID, not its name.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "deploys-nothing"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG641",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Add subscriptionId beside resourceGroupName.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a group without a subscription",
            NAME,
            "it names a resource group and no subscription: AzPolicyFactory deploys nothing, without an error",
            "the id of the subscription",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
