"""An end in a file of AzPolicyFactory must be in UTC.

What it does: a violation is an end with an offset that AzPolicyFactory's schema does not see, because the key is
written in other letters than `expiresOn`. Only `exg check` runs this rule.

Why: AzPolicyFactory compares such an end by the clock of the runner. Where that is not in UTC, it leaves the exemption
out hours too early, or keeps it hours too long (seen with commit a0362fe).

Example: `"ExpiresOn": "2027-03-31T22:00:00+10:00"`.

Instead: write the end in UTC, with a Z, and the key as `expiresOn`.

References:
- https://github.com/Azure/AzPolicyFactory
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import NoOptions, Outcome, Rule, Stage
from guardrails.rules.risk import CONTROL, GOOD, NO_REVERT, bad_case, told

NAME = "end-follows-runner"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a check of files found it."""
    return told(facts, NAME)


RULE = Rule(
    code="EXG647",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Write the end in UTC, with a Z.",
    check=check,
    stage=Stage.CODE,
    control=CONTROL,
    good=GOOD,
    bad=(
        bad_case(
            "an offset",
            NAME,
            "AzPolicyFactory compares its end in the runner's time zone: elsewhere it expires hours earlier or later",
            "expiresOn",
            "a time in UTC",
        ),
    ),
    no_revert=NO_REVERT,
)
