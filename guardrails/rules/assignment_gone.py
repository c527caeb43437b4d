"""An exemption must be from something.

What it does: looks whether the assignment exists. Where assignmentScopeValidation is DoNotValidate it passes, for such
an exemption may wait for its assignment.

Why: the exemption of a deleted assignment does nothing, until an assignment of that name comes back: it then switches
off a control that nobody has assessed.

Example: the assignment `storage-baseline` was replaced by `storage-baseline-v2`, and its exemptions stayed behind.

Instead: delete it; ask for a new exemption from the new assignment where one is still needed.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#policy-assignment-id
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#assignment-scope-validation-preview
"""

from guardrails.exemption.facts import Assignment, Facts, Gone, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, VALIDATION
from guardrails.rules.base import ASSIGNED, PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation
from guardrails.rules.words import clip


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where the assignment does not exist; Unknown where that could not be found out."""
    assignment = facts.assignment
    if isinstance(assignment, Assignment):
        return PASS
    unread = Unknown(f"the assignment is not known: {assignment.reason}") if isinstance(assignment, Unread) else None
    if unread and VALIDATION in exemption.not_returned:
        return unread
    if exemption.scope_validation.lower() == "donotvalidate":
        return PASS
    if unread:
        return unread
    said = clip(exemption.assignment_id)
    change = Change(ASSIGNED, said, "an assignment that exists", delete=True)
    return Violation("its assignment does not exist", {"policyAssignmentId": said}, change)


RULE = Rule(
    code="EXG401",
    name="assignment-gone",
    severity=Severity.LOW,
    soc2=("CC7.1",),
    remediation="Delete it.",
    check=check,
    control="It arises after the write, when somebody deletes an assignment. Azure checks the write.",
    good=(Case("the assignment is there"),),
    bad=(Case("the assignment was deleted", facts={"assignment": Gone()}),),
    unclear=(
        Case("the assignment could not be read", facts={"assignment": Unread("ARM answered 403")}),
        Case(
            "it may wait for its assignment: the source does not say",
            facts={"assignment": Gone()},
            source=RESOURCE_GRAPH,
        ),
    ),
    needs=(VALIDATION,),
)
