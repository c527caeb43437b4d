"""A file of AzPolicyFactory must be JSON that PowerShell can read.

What it does: a file must be complete JSON, with nothing after its last bracket. It must not have an empty key, or keys
that differ only in letter case, such as `owner` and `Owner`. Only `exg check` runs this rule.

Why: if PowerShell cannot read a file, AzPolicyFactory checks neither that file nor any later one. The report counts no
failure, and the test script ends without an error. The build step cannot read the file either: it stops, and no file in
the folder is deployed.

Example: `a.json` is cut off, so nobody learns that the category in `c.json` is wrong.

Instead: run a JSON linter on the folder before the tests.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "hides-from-checks"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG643",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Correct the JSON at the place that the finding names.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a file that is cut off",
            NAME,
            "AzPolicyFactory cannot read this file: its checks do not look at it, and the report counts no failure",
            "JSON that can be read",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
