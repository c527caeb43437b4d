"""An expiry in a file of AzPolicyFactory must be in UTC.

What it does: AzPolicyFactory's schema refuses an offset only under the exact key `expiresOn`. This rule finds an
offset under other spellings, such as `ExpiresOn`. Only `exg check` runs this rule.

Why: AzPolicyFactory compares such an expiry with the clock of the machine that runs the pipeline. If this clock is not
in UTC, AzPolicyFactory stops deploying the exemption some hours before or after the expiry.

Example: `"ExpiresOn": "2027-03-31T22:00:00+10:00"`.

Instead: spell the key `expiresOn`, so that the schema checks it.

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
    remediation="Write the expiry in UTC, with Z at its end.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "an offset",
            NAME,
            "AzPolicyFactory compares its expiry in the runner's time zone, which may be hours too early or too late",
            "a time in UTC",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
