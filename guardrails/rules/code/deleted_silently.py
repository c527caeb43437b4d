"""A deployer must not delete an exemption that nobody means to remove.

What it does: compares the deployed exemptions of `--azure` with EPAC's plan. It is a violation if EPAC deletes one
although an entry for it is there, although its file is there and is not read, or although EPAC did not make it. Only
`exg check` runs this rule.

Why: EPAC deletes what it owns and finds no entry for, without a question. With the strategy `full` it also deletes
what nobody owns.

Example: the assignment of an entry is misspelt. EPAC leaves out the entry with a warning, and deletes its deployed
exemption.

Instead: correct the entry, or remove it on purpose. To keep exemptions of others, use the strategy `ownedOnly`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/policy-as-code
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "deleted-silently"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG607",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Correct the entry, or remove it if the exemption has to go.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "its entry is left out",
            NAME,
            "EPAC deletes it, for its entry is left out",
            "the id of an assignment that exists",
        ),
    ),
    no_revert=NO_REVERT,
)
