"""An expiry in a file of AzPolicyFactory must be a time that exists.

What it does: `expiresOn` must be a time such as `2027-03-31T22:00:00Z`. AzPolicyFactory's schema refuses most other
texts. The rule reports two kinds of text that the schema accepts. First, a text in the form of a time that does not
exist, such as 30 February. Second, a text that is not a time, if the key has other letter case, such as `expireson`:
the schema then does not check it. Only `exg check` runs this rule.

Why: AzPolicyFactory compares such a text with the current time character by character. So it deploys the exemption in
each run, even after the day that was meant.

Example: `2026-02-30T00:00:00Z` passes all checks of AzPolicyFactory. It never counts as past, because AzPolicyFactory
writes the current time with the month first, such as `11/21/2026 12:00:00`: `2` sorts after `0` and `1`.

Instead: spell the key `expiresOn`, so that the schema checks it.

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
    remediation="Write a time that exists, in UTC.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a day that the month does not have",
            NAME,
            "AzPolicyFactory compares its expiry as text: it deploys it unchanged in each run, past or not",
            "a time in UTC",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
