"""Each entry in a file of EPAC must result in an exemption.

What it does: compares the entries of a file with EPAC's plan. If EPAC does not read an entry, or skips it with only a
warning, that is a violation. Only `exg check` runs this rule.

Why: the file says that something is exempt, but it is not. If the exemption is already deployed, EPAC may delete it.

Example: EPAC ignores all entries of a JSON file whose root is a list. It also ignores entries below the key
`Exemptions`: only `exemptions` in lower case counts. It skips an entry if the assignment is misspelt, or if a `*` in
`scope` matches nothing.

Instead: a JSON file, for example, must be `{"exemptions": [...]}`.

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
    remediation="Write the entry in the form that the finding names.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "the root of the file is a list",
            NAME,
            "EPAC reads no entry of a file whose root is a list",
            "an object with the list as its key exemptions",
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
