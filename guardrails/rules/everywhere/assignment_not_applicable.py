"""The assignment must apply at the scope of the exemption.

What it does: checks two conditions. In the present hierarchy of management groups, the scope of the exemption must be
at or below the scope of the assignment. The assignment's `notScopes` must not exclude the scope of the exemption. If
the result depends on the hierarchy, as for an assignment at a management group, and the hierarchy cannot be read, the
result is unknown. With `assignmentScopeValidation: DoNotValidate`, or if the assignment is gone, the exemption passes.
The result of a sweep holds until the next one; before a revert the service asks Azure again. Azure refuses every write
to an exemption that breaks this rule, so the service cannot tag it.

Why: the exemption does nothing now. If a subscription moves back, or an exclusion ends, the exemption switches off a
control that nobody has assessed.

Example: a subscription moved from `landing-zones` to `sandboxes`, with its exemptions from assignments at
`landing-zones`.

Instead: if the target still needs an exemption, ask for an exemption that names an assignment that applies now.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#assignment-scope-validation-preview
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure#excluded-scopes
- https://learn.microsoft.com/azure/governance/management-groups/manage#moving-management-groups-and-subscriptions
"""

from guardrails.exemption.facts import Facts, Gone, Outside, Together, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, VALIDATION
from guardrails.rules.base import ASSIGNED, PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.words import clip, clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a sweep or a scan found that the assignment does not apply; Unknown where they could not see."""
    outside = facts.together.outside
    if outside is None or isinstance(facts.assignment, Gone):
        return PASS
    known = VALIDATION not in exemption.not_returned or not isinstance(outside, Unread)
    if known and exemption.scope_validation.lower() == "donotvalidate":
        return PASS
    if isinstance(outside, Unread):
        return Unknown(f"it is unknown whether its assignment applies: {outside.reason}")
    text = "its assignment excludes its scope" if outside.not_scope else "its assignment does not apply at its scope"
    return Violation(
        text,
        {
            "policyAssignmentId": clip(exemption.assignment_id),
            "assignmentScope": clip(outside.scope),
            "notScope": clip(outside.not_scope),
            "managementGroups": clips(outside.groups),
        },
        Change(ASSIGNED, clip(exemption.assignment_id), "an assignment that applies at its scope", delete=True),
    )


_MOVED = Outside("/providers/microsoft.management/managementgroups/landing-zones", groups=("sandboxes", "contoso"))

RULE = Rule(
    code="EXG406",
    name="assignment-not-applicable",
    severity=Severity.MEDIUM,
    soc2=("CC7.1",),
    remediation="Delete the exemption.",
    check=check,
    next_change=never,
    control="Azure checks the write. The violation arises later: a subscription moves or the assignment changes.",
    good=(Case("the last sweep found that the assignment applies, or no sweep has looked yet"),),
    bad=(
        Case("the subscription moved", facts={"together": Together(outside=_MOVED)}),
        Case("the assignment excludes the resource group", facts={"together": Together(outside=Outside(
            "/subscriptions/11111111-2222-3333-4444-555555555555",
            "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/partner-ingestion", ("contoso",),
        ))}),
    ),
    unclear=(
        Case("the hierarchy of management groups could not be read", facts={
            "together": Together(outside=Unread("Resource Graph does not show the management groups above it")),
        }),
        Case("the source does not return assignmentScopeValidation", facts={
            "together": Together(outside=_MOVED),
        }, source=RESOURCE_GRAPH),
    ),
    needs=(VALIDATION,),
    swept=True,
    no_tag="Azure refuses every write of an exemption whose assignment does not apply",
)  # fmt: skip
