"""A file of AzPolicyFactory must have only keys that AzPolicyFactory knows.

What it does: compares the keys of a file, and of its `policyExemption`, with those that AzPolicyFactory knows, whatever
their letter case. Keys of the metadata, and keys that begin with `_`, `$`, `/` or `#`, may be any. Only `exg check`
runs this rule.

Why: AzPolicyFactory drops other keys, and its schema refuses none, so all its checks pass (seen with commit a0362fe).
Without its end an exemption never ends; without its selectors or reference ids it covers more.

Example: `"expireOn": "2027-03-31T00:00:00Z"` deploys an exemption that never ends.

Instead: write `expiresOn`, `resourceSelectors`, `policyDefinitionReferenceIds`, in `policyExemption`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Case, NoOptions, Outcome, Rule, never
from guardrails.rules.risks import AZPOLICYFACTORY, NO_CONTROL, NO_REVERT, report, sample

NAME = "key-dropped"


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its deployer does so."""
    return report(facts, NAME)


RULE = Rule(
    code="EXG642",
    name=NAME,
    severity=Severity.HIGH,
    soc2=("CC8.1",),
    remediation="Correct the key, or move it into the metadata.",
    check=check,
    next_change=never,
    control=NO_CONTROL,
    good=(Case("its deployer does as the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a misspelt end",
            NAME,
            "AzPolicyFactory does not know the key expireOn here, and drops it: the exemption never ends",
            "expiresOn",
            AZPOLICYFACTORY,
        ),
    ),
    no_revert=NO_REVERT,
)
