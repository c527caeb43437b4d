"""A file of AzPolicyFactory must have a name that AzPolicyFactory reads.

What it does: the name of a file must end in `.json`, in any letter case. The name, and those of its folders, must not
begin with a dot. Only `exg check` runs this rule.

Why: AzPolicyFactory never reads other files: it neither checks nor deploys them, and says nothing.

Example: `web.jsonc` with an exemption that somebody approved.

Instead: in the example, name it `web.json`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "file-never-read"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG644",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Give the file a name that AzPolicyFactory reads, or delete the file.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "another ending",
            NAME,
            "AzPolicyFactory reads files that end in .json and are not hidden; it never reads this one",
            "NAME.json",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
