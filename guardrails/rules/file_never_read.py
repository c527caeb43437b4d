"""A file of AzPolicyFactory must have a name that AzPolicyFactory reads.

What it does: the name of a file must end in `.json`, in any letter case. The name, and those of its folders, must not
begin with a dot. Only `exg check` runs this rule.

Why: AzPolicyFactory never reads other files: it neither checks nor deploys them, and says nothing (seen with commit
a0362fe).

Example: `web.jsonc` with an exemption that somebody approved.

Instead: name the file `web.json`, and delete what is no longer meant.

References:
- https://github.com/Azure/AzPolicyFactory
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import NoOptions, Outcome, Rule, Stage
from guardrails.rules.risk import CONTROL, GOOD, NO_REVERT, bad_case, told

NAME = "file-never-read"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a check of files found it."""
    return told(facts, NAME)


RULE = Rule(
    code="EXG644",
    name=NAME,
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Rename the file so that it ends in .json, or delete it.",
    check=check,
    stage=Stage.CODE,
    control=CONTROL,
    good=GOOD,
    bad=(
        bad_case(
            "another ending",
            NAME,
            "AzPolicyFactory reads files that end in .json and are not hidden; it never reads this one",
            "file name",
            "NAME.json",
        ),
    ),
    no_revert=NO_REVERT,
)
