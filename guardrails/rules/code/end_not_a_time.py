"""An end in a file of AzPolicyFactory must be a time that exists.

What it does: `expiresOn` must be a time such as `2027-03-31T22:00:00Z`. A violation is a text that AzPolicyFactory's
schema lets pass and that is no time, or whose key has another letter case, so that the schema does not look.
Only `exg check` runs this rule.

Why: AzPolicyFactory compares such an end with the present as a text. It keeps sending it, past or not, as it is written
(seen with commit a0362fe).

Example: `2026-02-30T00:00:00Z` passes all checks of AzPolicyFactory, and never counts as past.

Instead: write a day that the month has, and the key as `expiresOn`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "end-not-a-time"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG645",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Write a time in UTC that exists.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a day that the month does not have",
            NAME,
            "AzPolicyFactory compares its end as a text: it keeps sending it, past or not, as it is written",
            "a time in UTC",
            AZPOLICYFACTORY,
        ),
    ),
    no_revert=NO_REVERT,
)
