"""Metadata in a file of AzPolicyFactory must not have keys that its template writes.

What it does: a violation is `createdBy`, `hidden_vml_name` or `hidden_vml_version` in the metadata, in any letter case.
Only `exg check` runs this rule.

Why: AzPolicyFactory's template writes its own value there, and says nothing (seen with commit a0362fe). What somebody
wanted to record is lost.

Example: `"createdBy": "web team"` arrives as the name of the pipeline.

Instead: use another key, such as `owner`.

References:
- https://github.com/Azure/AzPolicyFactory
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import NoOptions, Outcome, Rule, Stage
from guardrails.rules.risk import CONTROL, GOOD, NO_REVERT, bad_case, told

NAME = "metadata-replaced"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a check of files found it."""
    return told(facts, NAME)


RULE = Rule(
    code="EXG648",
    name=NAME,
    severity=Severity.LOW,
    soc2=("CC8.1",),
    remediation="Use another key of the metadata.",
    check=check,
    stage=Stage.CODE,
    control=CONTROL,
    good=GOOD,
    bad=(
        bad_case(
            "createdBy",
            NAME,
            "AzPolicyFactory's template writes its own value for createdBy of the metadata",
            "metadata.createdBy",
            "another key",
        ),
    ),
    no_revert=NO_REVERT,
)
