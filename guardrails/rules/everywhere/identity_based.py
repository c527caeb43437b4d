"""An exemption must select resources, not people.

What it does: looks for resource selectors of kind userPrincipalId or groupPrincipalId.

Why: such an exemption switches the control off for every action of a person or a group in the scope, and the members of
the group change without a write to Azure Policy.

Example: the group `platform-admins`, exempted from the policy that denies public addresses.

Instead: exempt the resources that need it. For people who need more rights for a while, use a role assignment with an
end date.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#resource-selectors
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyexemptions
"""

from collections.abc import Iterable

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import PRINCIPALS, RESOURCE_GRAPH, SELECTORS
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.control import Form, alias
from guardrails.rules.selection import PEOPLE, selection_of
from guardrails.rules.words import clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a selector picks people; Unknown where others may be there, or one may do so."""
    selection = selection_of(exemption)
    found = selection.groups and [one for group in selection.groups for one in group if one.kind in PEOPLE]
    if not found:
        return Unknown(selection.doubt) if selection.doubt else PASS
    return Violation(
        "it exempts people instead of resources",
        {
            "kinds": sorted({condition.kind for condition in found}),
            "principals": clips(who for condition in found for who in condition.within or condition.without or ()),
        },
        Change("properties.resourceSelectors", _spelled(condition.kind for condition in found), _ALLOWED),
    )


_ALLOWED = f"no selector of the kinds {' and '.join(PRINCIPALS)}; use other selectors for the resources that need it"


def _spelled(kinds: Iterable[str]) -> list[str]:
    there = set(kinds)
    return [kind for kind in PRINCIPALS if kind.lower() in there]


_SELECTORS = alias("resourceSelectors[*].selectors[*]")
_CONTROL = Form(
    {"count": {"field": _SELECTORS, "where": {"field": f"{_SELECTORS}.kind", "in": [*PRINCIPALS]}}, "greater": 0}
)


RULE = Rule(
    code="EXG403",
    name="identity-based",
    severity=Severity.HIGH,
    soc2=("CC6.1", "CC6.3"),
    remediation="Remove the selectors of kind userPrincipalId and groupPrincipalId.",
    check=check,
    next_change=never,
    control=_CONTROL,
    good=(
        Case("no selectors"),
        Case("a selector by location", properties={
            "resourceSelectors": [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}],
        }),
    ),
    bad=(
        Case("a group", properties={"resourceSelectors": [{"name": "admins", "selectors": [
            {"kind": "groupPrincipalId", "in": ["3f2504e0-4f89-41d3-9a0c-0305e82c3301"]},
        ]}]}),
        Case("a user, as PowerShell spells it", properties={"resourceSelectors": [{"Name": "bob", "Selectors": [
            {"Kind": "UserPrincipalId", "In": ["3f2504e0-4f89-41d3-9a0c-0305e82c3301"]},
        ]}]}),
        Case("a group, and an unreadable selector", properties={"resourceSelectors": [{"selectors": 7}, {"selectors": [
            "x", {"kind": "groupPrincipalId", "in": ["3f2504e0-4f89-41d3-9a0c-0305e82c3301"]},
        ]}]}),
    ),
    unclear=(
        Case("selectors that cannot be read", properties={"resourceSelectors": [{"selectors": "people"}]}),
        Case("a selector of an undocumented kind", properties={"resourceSelectors": [{"name": "apps", "selectors": [
            {"kind": "applicationPrincipalId", "in": ["3f2504e0-4f89-41d3-9a0c-0305e82c3301"]},
        ]}]}),
        Case("Resource Graph returns no selectors", source=RESOURCE_GRAPH),
        Case("Resource Graph leaves out selectors of people", source=RESOURCE_GRAPH, properties={
            "resourceSelectors": [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}],
        }),
    ),
    needs=(SELECTORS,),
)  # fmt: skip
