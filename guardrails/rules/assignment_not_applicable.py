"""An exemption must be at a scope where its assignment applies.

What it does: looks, at a sweep or in a scan, whether the exemption's scope is the assignment's or below it, by the
management groups that are above it now, and not left out by the assignment's `notScopes`. Where the chain of groups
cannot be read and the answer needs it, it is unknown. Where assignmentScopeValidation is DoNotValidate it passes, for
such an exemption may be elsewhere, and where the assignment is gone. An exemption that no sweep has seen yet
passes; what the last sweep found stays until the next. Before a revert that rests on it, Azure is asked again. Our tag
cannot be written into such an exemption, for Azure refuses any write of it.

Why: the exemption does nothing, until the subscription is moved back, or the scope is no longer left out: it then
switches off a control that nobody has assessed.

Example: a subscription moved from `landing-zones` to `sandboxes`, and the exemptions from what is assigned to
`landing-zones` moved along.

Instead: delete it; ask for a new exemption from what is assigned there now, where one is still needed.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#assignment-scope-validation-preview
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure#excluded-scopes
- https://learn.microsoft.com/azure/governance/management-groups/manage#moving-management-groups-and-subscriptions
"""

from guardrails.exemption.facts import Facts, Gone, Outside, Together, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, VALIDATION
from guardrails.rules.base import ASSIGNED, PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation
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
        return Unknown(f"whether it applies is unknown: {outside.reason}")
    text = "its assignment leaves its scope out" if outside.not_scope else "its assignment does not apply at its scope"
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
    remediation="Delete it; ask for a new one from what is assigned there now.",
    check=check,
    control="It arises after the write, when a subscription moves or an assignment changes. Azure checks the write.",
    good=(Case("the last sweep found that it applies, or none has looked yet"),),
    bad=(
        Case("its subscription was moved", facts={"together": Together(outside=_MOVED)}),
        Case("its resource group is left out", facts={"together": Together(outside=Outside(
            "/subscriptions/11111111-2222-3333-4444-555555555555",
            "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/partner-ingestion", ("contoso",),
        ))}),
    ),
    unclear=(
        Case("the chain of management groups could not be read", facts={
            "together": Together(outside=Unread("Resource Graph does not show the management groups above it")),
        }),
        Case("it may be elsewhere: the source does not say", facts={
            "together": Together(outside=_MOVED),
        }, source=RESOURCE_GRAPH),
    ),
    needs=(VALIDATION,),
    swept=True,
    no_tag="Azure takes no write of an exemption where its assignment does not apply",
)  # fmt: skip
