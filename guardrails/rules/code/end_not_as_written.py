"""EPAC must deploy the expiry exactly as its file states it.

What it does: compares the expiry in the file with the expiry that EPAC would deploy. If EPAC ignores the expiry, reads
another day, or does not deploy it, that is a violation. Only `exg check` runs this rule.

Why: the exemption lasts longer than approved, in the worst case forever.

Example: an entry has the key `expireson`. EPAC ignores this key, and deploys an exemption that never ends.

Instead: for example, `"expiresOn": "2027-06-30T00:00:00Z"`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "end-not-as-written"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG608",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Write the expiry under the key expiresOn, in UTC, with Z at its end.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "the key is misspelt", NAME, "EPAC ignores the key expireson, so the exemption has no expiry", "expiresOn"
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
