"""A file of AzPolicyFactory must name one scope.

What it does: a violation is `managementGroupId` beside `subscriptionId`. Only `exg check` runs this rule.

Why: AzPolicyFactory exempts the subscription, or its resource group, and ignores the management group, without an error
(seen with commit a0362fe).

Example: somebody adds `managementGroupId` to widen an exemption, and nothing changes.

Instead: delete the key that is not meant.

References:
- https://github.com/Azure/AzPolicyFactory
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import NoOptions, Outcome, Rule, Stage
from guardrails.rules.risk import CONTROL, GOOD, NO_REVERT, bad_case, told

NAME = "scope-key-ignored"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a check of files found it."""
    return told(facts, NAME)


RULE = Rule(
    code="EXG649",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Delete the key of the scope that is not meant.",
    check=check,
    stage=Stage.CODE,
    control=CONTROL,
    good=GOOD,
    bad=(
        bad_case(
            "a management group and a subscription",
            NAME,
            "AzPolicyFactory ignores managementGroupId beside subscriptionId",
            "managementGroupId",
            "one of the two",
        ),
    ),
    no_revert=NO_REVERT,
)
