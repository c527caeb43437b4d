"""Metadata in a file of AzPolicyFactory must not have keys that AzPolicyFactory overwrites.

What it does: it is a violation if the metadata has the key `createdBy`, `hidden_vml_name` or `hidden_vml_version`, in
any letter case. Only `exg check` runs this rule.

Why: AzPolicyFactory's template writes its own value there, without a warning. The author's value is lost.

Example: the file has `"createdBy": "web team"`. In Azure, `createdBy` is the name of the pipeline.

Instead: for example, write the team as `owner`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "metadata-replaced"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG648",
    name=NAME,
    severity=Severity.LOW,
    soc2=("CC8.1",),
    remediation="Use another key in the metadata.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "createdBy",
            NAME,
            "AzPolicyFactory's template writes its own value for createdBy of the metadata",
            "another key",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
