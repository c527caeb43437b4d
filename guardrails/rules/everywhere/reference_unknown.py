"""The reference ids of an exemption must exist.

What it does: looks up each reference id in the initiative, including those in resource selectors. For an assignment of
a single policy, every reference id is a violation.

Why: a reference id that is not in the initiative exempts nothing, until somebody adds a policy with this id. The usual
cause is a change of the initiative, so the approval no longer fits either.

Example: the initiative renamed `denyPublicNetwork` to `denyPublicNetworkAccess`. The exemption still has the old id.

Instead: check that the approval fits the changed initiative.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#policy-definition-ids
"""

from collections.abc import Mapping

from guardrails.exemption.facts import Assignment, Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, SELECTORS
from guardrails.rules.base import PASS, REFERENCES, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.sample import ASSIGNMENT, DENY_PUBLIC, INITIATIVE
from guardrails.rules.selection import selection_of
from guardrails.rules.words import clip, clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where an id is not the initiative's; Unknown where that, or the selectors, could not be read."""
    selection = selection_of(exemption)
    ids = exemption.reference_ids + selection.references
    rest = Unknown(selection.doubt) if selection.doubt else PASS
    if not ids:
        return rest
    assignment = facts.assignment
    if not isinstance(assignment, Assignment):
        return Unknown(f"the assignment is unknown: {assignment.reason}") if isinstance(assignment, Unread) else PASS
    members = assignment.members
    if isinstance(members, Unread):
        if assignment.is_initiative:
            return Unknown(f"the initiative is unknown: {members.reason}")
        members = {}
    unknown = [name for name in ids if name.lower() not in members]
    if not unknown:
        return rest
    return Violation(
        "it names policies that the assignment does not have",
        {"unknown": clips(unknown), "definition": clip(assignment.definition_id), **assignment.evidence},
        _change(exemption, members, clips(unknown)),
    )


def _change(exemption: Exemption, members: Mapping[str, str], unknown: list[str]) -> Change:
    """Return what must change: ids are taken out where others remain; else people decide which are meant."""
    without = f"without {', '.join(unknown)}"
    kept = tuple(name for name in exemption.reference_ids if name.lower() in members)
    if len(kept) == len(exemption.reference_ids):
        return Change("properties.resourceSelectors", unknown, without)
    if members and not kept:
        named = ", ".join(sorted(members)[:_NAMED]) + (", …" if len(members) > _NAMED else "")
        return Change(REFERENCES, clips(exemption.reference_ids), f"those of: {named}", "<reference ids>")
    return Change(REFERENCES, clips(exemption.reference_ids), without, kept)


_NAMED = 5


RULE = Rule(
    code="EXG303",
    name="reference-unknown",
    severity=Severity.MEDIUM,
    soc2=("CC7.1", "CC8.1"),
    remediation="Name the reference ids that the initiative has now.",
    check=check,
    next_change=never,
    control="A policy cannot look up the assigned initiative. Azure checks most reference ids itself.",
    good=(
        Case("an id that exists"),
        Case("an id in other letter case", properties={"policyDefinitionReferenceIds": ["DENYPUBLICNETWORK"]}),
        Case(
            "no ids on a single policy",
            properties={"policyDefinitionReferenceIds": None},
            facts={"assignment": Assignment(ASSIGNMENT, DENY_PUBLIC, {})},
        ),
    ),
    bad=(
        Case("one id of two does not exist", properties={
            "policyDefinitionReferenceIds": ["requireTls", "requireTls13"],
        }),
        Case("an id on a single policy", facts={"assignment": Assignment(ASSIGNMENT, DENY_PUBLIC, {})}),
        Case("an id that does not exist; the selectors do not matter", properties={
            "policyDefinitionReferenceIds": ["requireTls13"],
        }, source=RESOURCE_GRAPH),
        Case("an id in a selector", properties={"resourceSelectors": [
            {"name": "x", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["denyAll"]}]},
        ]}),
    ),
    unclear=(
        Case("the assignment could not be read", facts={"assignment": Unread("ARM answered 403")}),
        Case("the initiative could not be read", facts={
            "assignment": Assignment(ASSIGNMENT, INITIATIVE, Unread("ARM answered 403")),
        }),
        Case("selectors that cannot be read", properties={"resourceSelectors": [{"selectors": ["all"]}]}),
        Case("a selector of an undocumented kind", properties={"resourceSelectors": [
            {"name": "x", "selectors": [{"kind": "policyDefinitionName", "in": ["denyAll"]}]},
        ]}),
        Case("selectors that the source does not return", source=RESOURCE_GRAPH),
    ),
    needs=(SELECTORS,),
)  # fmt: skip
