"""An exemption must name the policies that it switches off.

What it does: finds the policies that the exemption switches off, by its reference ids and by resource selectors of kind
policyDefinitionReferenceId. It is a violation to switch off every policy of the assigned initiative. An exemption
without reference ids and without such selectors does so. Selectors by location or type do not change this: they select
resources, not policies. An exemption from an assignment of a single policy passes. If an initiative has only one
policy, an exemption that names it passes too.

Why: usually only one of dozens of controls causes a problem. The exemption switches the others off too, and every
policy that the initiative gets later.

Example: a storage account needs public access, and its exemption also switches off the policies for TLS and for keys.

Instead: an approval covers only the policies that it names.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#policy-definition-ids
- https://learn.microsoft.com/azure/governance/policy/concepts/initiative-definition-structure
"""

from collections.abc import Collection

from guardrails.exemption.facts import Assignment, Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, SELECTORS
from guardrails.rules.base import PASS, REFERENCES, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.sample import ASSIGNMENT, DENY_PUBLIC, INITIATIVE
from guardrails.rules.selection import selection_of
from guardrails.rules.words import clip, clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where every policy is exempted; Unknown where what that needs could not be read."""
    assignment = facts.assignment
    if not isinstance(assignment, Assignment):
        return Unknown(f"the assignment is unknown: {assignment.reason}") if isinstance(assignment, Unread) else PASS
    members, ids = assignment.members, exemption.reference_ids
    if isinstance(members, Unread):
        return _without_members(exemption, assignment, members.reason)
    if ids and len(ids) < len(members):  # cannot add up
        return PASS
    if not members and not assignment.is_initiative:
        return PASS
    selection = selection_of(exemption)
    least, most = selection.exempts(exemption, members)
    if len(most) < len(members) or (len(members) == 1 and (ids or selection.narrows)):
        return PASS
    return _violation(exemption, assignment, members) if len(least) == len(members) else Unknown(selection.doubt)


def _without_members(exemption: Exemption, assignment: Assignment, reason: str) -> Outcome:
    if not assignment.is_initiative:
        return PASS
    selection = selection_of(exemption)
    if exemption.reference_ids or selection.narrows:
        return Unknown(f"the initiative is unknown: {reason}")
    return _violation(exemption, assignment, ()) if selection.takes_all else Unknown(selection.doubt)


def _violation(exemption: Exemption, assignment: Assignment, policies: Collection[str]) -> Violation:
    """Return the violation; `policies`: the initiative's reference ids, none where they are not known."""
    said = clips(exemption.reference_ids)
    named = ", ".join(clips(sorted(policies)[:_NAMED])) + (", …" if len(policies) > _NAMED else "")
    allowed = f"only the policies that the exemption needs{f', of {len(policies)}: {named}' if policies else ''}"
    return Violation(
        "it exempts the whole initiative",
        {
            "initiative": clip(assignment.definition_id),
            **assignment.evidence,
            "policies": len(policies) or None,
            "policyDefinitionReferenceIds": said,
        },
        Change(REFERENCES, said or None, allowed, "<reference ids>"),
    )


_NAMED = 5


_SINGLE = Assignment(ASSIGNMENT, DENY_PUBLIC, {})
_SELECTOR = ({"name": "one", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["requireTls"]}]},)
_BY_LOCATION = ({"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]},)
_STRANGE = [{"name": "new", "selectors": [{"kind": "policyEffect", "in": ["deny"]}]}]
_UNREAD = Assignment(ASSIGNMENT, INITIATIVE, Unread("ARM answered 403"))

RULE = Rule(
    code="EXG302",
    name="whole-initiative",
    severity=Severity.HIGH,
    soc2=("CC5.2", "CC6.1"),
    remediation="In policyDefinitionReferenceIds, list only the policies that the target cannot comply with.",
    check=check,
    next_change=never,
    control="A policy cannot look up the assigned definition, or count the policies of an initiative.",
    good=(
        Case("one policy of two"),
        Case(
            "an assignment of a single policy",
            properties={"policyDefinitionReferenceIds": None},
            facts={"assignment": _SINGLE},
        ),
        Case("a resource selector picks one policy", properties={
            "policyDefinitionReferenceIds": [], "resourceSelectors": list(_SELECTOR),
        }),
        Case("the only policy of an initiative, by its reference id", facts={
            "assignment": Assignment(ASSIGNMENT, INITIATIVE, {"denypublicnetwork": DENY_PUBLIC}),
        }),
    ),
    bad=(
        Case("no reference ids", properties={"policyDefinitionReferenceIds": None}),
        Case("the ids of all policies", properties={
            "policyDefinitionReferenceIds": ["RequireTLS", "denyPublicNetwork"],
        }),
        Case("no reference ids, and two selectors, one of them by location", properties={
            "policyDefinitionReferenceIds": [], "resourceSelectors": [*_STRANGE, *_BY_LOCATION],
        }),
        Case("no reference ids, and a selector by location", properties={
            "policyDefinitionReferenceIds": [], "resourceSelectors": list(_BY_LOCATION),
        }),
        Case("no reference ids, and an initiative that could not be read",
            properties={"policyDefinitionReferenceIds": None}, facts={"assignment": _UNREAD}),
    ),
    unclear=(
        Case("the assignment could not be read", facts={"assignment": Unread("ARM answered 403")}),
        Case("reference ids, and an initiative that could not be read", facts={"assignment": _UNREAD}),
        Case("selectors that cannot be read", properties={
            "policyDefinitionReferenceIds": [], "resourceSelectors": [{"name": "x", "selectors": "all"}],
        }),
        Case("a selector of an undocumented kind", properties={
            "policyDefinitionReferenceIds": [], "resourceSelectors": _STRANGE,
        }),
        Case("selectors that the source does not return", properties={
            "policyDefinitionReferenceIds": [],
        }, source=RESOURCE_GRAPH),
    ),
    needs=(SELECTORS,),
)  # fmt: skip
