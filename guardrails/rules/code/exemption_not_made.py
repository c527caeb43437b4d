"""An entry of a deployer's file must make an exemption.

What it does: compares the entries of a file with what its deployer makes of them. If the deployer reads an entry not
at all, or leaves it out with no more than a warning, that is a violation. Only `exg check` runs this rule.

Why: the file says that something is exempted, and it is not. If the exemption is deployed already, EPAC may delete
it.

Example: EPAC reads no entry of a JSON file whose root is a list, and none below the key `Exemptions`, for letter case
counts. It leaves out an entry whose assignment is misspelt, whose `scope` has a prefix, or whose pattern matches
nothing.

Instead: write the form that the finding names, for example `{"exemptions": [...]}`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import NO_CONTROL, NO_REVERT, report, sample

NAME = "exemption-not-made"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG606",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Write the entry in the form that its deployer reads.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "the root of the file is a list",
            NAME,
            "EPAC reads no entry of a file whose root is a list",
            "an object with the list as its key exemptions",
        ),
    ),
    no_revert=NO_REVERT,
)
