"""A file of AzPolicyFactory must have only keys that AzPolicyFactory knows.

What it does: compares the keys of a file, and of its `policyExemption`, with the keys that AzPolicyFactory knows.
Letter case does not matter. Any key is allowed in the metadata, and so is any key that begins with `_`, `$`, `/` or
`#`. Only `exg check` runs this rule.

Why: AzPolicyFactory drops other keys. Its schema does not refuse them, so all its checks pass. Without its expiry, an
exemption never ends. Without its selectors or reference ids, it covers more.

Example: `"expireOn": "2027-03-31T00:00:00Z"` deploys an exemption that never ends.

Instead: keys such as `expiresOn`, `resourceSelectors` and `policyDefinitionReferenceIds` belong in `policyExemption`.

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
    good=(Case("the tool does what the file says", facts={"planned": Planned()}),),
    bad=(
        sample(
            "a misspelt end",
            NAME,
            "AzPolicyFactory does not know the key expireOn here, and drops it: the exemption never ends",
            "expiresOn",
            AZPOLICYFACTORY,
        ),
    ),
    risk=True,
    no_revert=NO_REVERT,
)
