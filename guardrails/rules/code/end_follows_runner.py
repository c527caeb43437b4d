"""An end in a file of AzPolicyFactory must be in UTC.

What it does: a violation is an end with an offset that AzPolicyFactory's schema does not see, because the key is
spelled in another letter case, as `ExpiresOn`. Only `exg check` runs this rule.

Why: AzPolicyFactory compares such an end by the clock of the runner. Where that is not in UTC, it leaves the exemption
out hours too early, or keeps it hours too long (seen with commit a0362fe).

Example: `"ExpiresOn": "2027-03-31T22:00:00+10:00"`.

Instead: write the end in UTC, with a Z, and the key as `expiresOn`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "end-follows-runner"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG647",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Write the end in UTC, with a Z.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "an offset",
            NAME,
            "AzPolicyFactory compares its end in the runner's time zone: elsewhere it expires hours earlier or later",
            "a time in UTC",
            AZPOLICYFACTORY,
        ),
    ),
    no_revert=NO_REVERT,
)
