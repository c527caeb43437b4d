"""A deployer must take over the end that its file says.

What it does: compares the end in the file with what its deployer makes of it. If it is dropped, read as another day,
or not deployed, that is a violation. Only `exg check` runs this rule.

Why: the exemption lasts longer than approved, in the worst case for ever.

Example: an entry says `expireson`. EPAC passes over the key, and deploys the exemption without an end.

Instead: write `expiresOn`, in UTC with `Z` at its end.

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
    remediation="Write the end as expiresOn, in UTC with Z at its end.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "the key is misspelt", NAME, "EPAC passes over the key expireson, so the exemption has no end", "expiresOn"
        ),
    ),
    no_revert=NO_REVERT,
)
