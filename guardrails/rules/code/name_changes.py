"""The name of an exemption must be the same in each deployment.

What it does: if the name is computed with `newGuid()`, `utcNow()` or `deployment().name`, directly or through
parameters, variables and modules, that is a violation. Only `exg check` runs this rule.

Why: if the name differs from that of the last deployment, Azure adds an exemption and does not change the old one. The
old one stays until its own expiry, even if the new one is stricter. Nobody removes it, because the code no longer names
it.

Example: `name: newGuid()`, so each run adds an exemption.

Instead: compute the name from what the exemption is about: `guid(resourceGroup().id, assignmentId)`.

References:
- https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions-string#guid
- https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions-string#newguid
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Violation, never
from guardrails.rules.words import clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its name depends on the run. Raises NotReturned where its name is not known."""
    if facts.planned is None:
        return PASS
    if not facts.planned.name_by:
        _ = exemption.id
        return PASS
    return Violation(
        "its name changes from run to run, so each run adds an exemption",
        {"computedBy": clips(facts.planned.name_by)},
        Change("name", None, "a name that is the same in each run", "<name>"),
    )


RULE = Rule(
    code="EXG602",
    name="name-changes",
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Give it a name that does not depend on the run, and delete the exemptions of earlier runs.",
    check=check,
    next_change=never,
    control="A policy sees the name that is sent, not how the code computes it.",
    good=(Case("the name is a text", facts={"planned": Planned()}),),
    bad=(
        Case("each run has another name", facts={"planned": Planned(name_by=("newGuid()",))}),
        Case("the name hangs on the deployment", facts={"planned": Planned(name_by=("deployment().name",))}),
    ),
    no_revert="only a check of code runs it",
)
