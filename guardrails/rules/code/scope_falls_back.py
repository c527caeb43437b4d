"""A file of AzPolicyFactory must name the scope of its exemption.

What it does: beside `policyExemption`, a file must have `managementGroupId`, or `subscriptionId` (alone or with
`resourceGroupName`). It is a violation if both ids are missing, empty, misspelt or inside `policyExemption`.
AzPolicyFactory does not know the keys `scope` and `resourceId`. Only `exg check` runs this rule.

Why: AzPolicyFactory then exempts the management group to which it deploys, with everything below it. All its checks
pass.

Example: `"subscriptonId": "1111…"` exempts the whole company.

Instead: to exempt the management group of the deployment, name it in `managementGroupId`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "scope-falls-back"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG640",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Name a subscription, a resource group with its subscription, or a management group.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "no key names a scope",
            NAME,
            "no key names a scope, so AzPolicyFactory exempts the whole management group that it deploys to",
            "subscriptionId",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
