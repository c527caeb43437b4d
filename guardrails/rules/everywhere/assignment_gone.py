"""The assignment of an exemption must exist.

What it does: looks up the assignment. With `assignmentScopeValidation: DoNotValidate`, the exemption passes, because
the assignment may come later.

Why: the exemption does nothing now. If somebody creates an assignment with that name, the exemption switches off a
control that nobody has assessed.

Example: `storage-baseline-v2` replaced the assignment `storage-baseline`.

Instead: if the target still needs an exemption, ask for an exemption that names the new assignment.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#policy-assignment-id
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#assignment-scope-validation-preview
"""

from guardrails.exemption.facts import Assignment, Facts, Gone, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, VALIDATION
from guardrails.rules.base import ASSIGNED, PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.words import clip


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where the assignment does not exist; Unknown where that could not be found out."""
    assignment = facts.assignment
    if isinstance(assignment, Assignment):
        return PASS
    unread = Unknown(f"the assignment is unknown: {assignment.reason}") if isinstance(assignment, Unread) else None
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
    remediation="Delete the exemption.",
    check=check,
    next_change=never,
    control="Azure itself checks the write. The violation arises later, when somebody deletes the assignment.",
    good=(Case("the assignment exists"),),
    bad=(Case("the assignment is gone", facts={"assignment": Gone()}),),
    unclear=(
        Case("the assignment could not be read", facts={"assignment": Unread("ARM answered 403")}),
        Case(
            "the source does not return assignmentScopeValidation", facts={"assignment": Gone()}, source=RESOURCE_GRAPH
        ),
    ),
    needs=(VALIDATION,),
)
