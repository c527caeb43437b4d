"""EPAC must not exempt more than its file says.

What it does: compares the scopes that EPAC exempts for a pattern with the scopes that the pattern seems to mean. If
EPAC also exempts another scope, that is a violation. Only `exg check` runs this rule.

Why: more resources are exempted than were approved.

Example: a file has the pattern `/subscriptions/subscriptionsPattern/prod*/resourceGroups/*`. EPAC uses only the last
segment, `*`, and compares it with the names of subscriptions. So it exempts each subscription as a whole. Without
EPAC's keyword `subscriptionsPattern`, a `*` also matches slashes: `/subscriptions/*` also exempts each resource group.

Instead: for resource groups, write one pattern for each subscription: `/subscriptions/ID/resourceGroups/PATTERN`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "scope-wider-than-written"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG609",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Name the scopes one by one, or write a narrower pattern.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a star matches slashes",
            NAME,
            "the * of its pattern also matches slashes, so EPAC exempts this scope, too",
            "/subscriptions/ID/resourceGroups/rg-*",
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
