"""A deployer must not exempt more than its file says.

What it does: compares the scopes that a pattern stands for with the pattern. If its deployer exempts a scope that the
pattern does not seem to mean, that is a violation. Only `exg check` runs this rule.

Why: more resources are exempted than were approved.

Example: EPAC uses only the last segment of `/subscriptions/subscriptionsPattern/prod*/resourceGroups/*`, on the names
of subscriptions: each subscription is exempted as a whole. A `*` in another scope also matches slashes.

Instead: name the scopes one by one, or use a pattern for the resource groups of one subscription.

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
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a star matches slashes",
            NAME,
            "the * of its pattern also matches slashes, so EPAC exempts this scope, too",
            "/subscriptions/ID/resourceGroups/rg-*",
        ),
    ),
    no_revert=NO_REVERT,
)
