"""The rules about bypasses of policies. `guardrails.bypasses.model` judges by them.

They are on where a ruleset does not name them, and what follows is an alert or nothing: a bypass is never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from guardrails.exemption.severity import Severity
from guardrails.rules.base import Declared

_RESOURCES_ONLY: Final = "A policy looks at resources; a sweep and a scan look at assignments."
_TAGGED: Final = "Of tags, the policy `audit-exception-tags` reports those that are incomplete."


@dataclass(frozen=True, slots=True)
class BypassRule(Declared):
    """A rule about bypasses as declared. It has no options, no grace, and no response but an alert.

    Attributes:
        text: what it asks and why, in the headings of a rule's docstring.
        control: why it has no form at the control plane, one sentence or two.
    """

    text: str
    control: str

    @property
    def doc(self) -> str:
        """Its text."""
        return self.text


UNREADABLE: Final = BypassRule(
    code="EXG500",
    name="bypass-unreadable",
    severity=Severity.MEDIUM,
    soc2=("CC7.1",),
    remediation="Look at it in the portal, and write it as Azure documents it.",
    control=f"{_RESOURCES_ONLY} {_TAGGED}",
    text="""A bypass must be readable.

What it does: finds an assignment, a property of one, or tags, that are not as Azure documents them. It is always
unknown, and nothing else of such a bypass is judged.

Where it is `off`, what cannot be read is listed as excluded: never as sound.

Why: what cannot be read may let anything past: a scope that is left out, an effect that is disabled. Nobody can say
that the policy holds.

Example: an enforcement mode that Azure has added since, or `notScopes` that a query shows as a number.

Instead: open the assignment and see what it does. Where that is known and fine, list it under `bypasses: accepted`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyassignments
""",
)

TICKET_MISSING: Final = BypassRule(
    code="EXG501",
    name="bypass-ticket-missing",
    severity=Severity.HIGH,
    soc2=("CC5.3", "CC8.1"),
    remediation="Name the approval ticket in the assignment's metadata, or in the ticket tag.",
    control=f"{_RESOURCES_ONLY} {_TAGGED}",
    text="""A bypass must name its approval ticket.

What it does: looks for a ticket in the assignment's metadata, under the keys that an exemption may have it under; for a
tag, in the ticket tag of the same resource.

Why: a bypass does what an exemption does, and leaves less behind: no category, no justification, no object of its own.
Without a ticket nobody knows who accepted the risk, or whether anybody did.

Example: an assignment that was set to `DoNotEnforce` for a migration, and has stayed so.

Instead: get the approval and write its ticket into that metadata or tag; or write an exemption, which has room for all.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
""",
)

REVIEW_MISSING: Final = BypassRule(
    code="EXG502",
    name="bypass-review-missing",
    severity=Severity.LOW,
    soc2=("CC3.2", "CC4.1"),
    remediation="Name the date of the next review in the assignment's metadata.",
    control=_RESOURCES_ONLY,
    text="""A bypass must have a review ahead.

What it does: reads the date of the next review from the assignment's metadata. None is a violation, and so is a day
that has passed; on the day itself the review is not yet late. What is no date is unknown. Tags need none: their end is
their review.

Why: an assignment is edited for many reasons, and what it lets past is looked at in none of them. Somebody must look,
on a day that is written down.

Example: a resource group that has been in `notScopes` for three years, whose workload has left it.

Instead: look whether it is still needed, write down what was found in the ticket, and name the next day to look.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
""",
)

END_MISSING: Final = BypassRule(
    code="EXG503",
    name="bypass-end-missing",
    severity=Severity.MEDIUM,
    soc2=("CC6.1", "CC9.1"),
    remediation="Say when it ends, as 2027-06-30T00:00:00Z, in the assignment's metadata or in the expiry tag.",
    control=f"{_RESOURCES_ONLY} {_TAGGED}",
    text="""A bypass must say when it ends.

What it does: looks for an end in the assignment's metadata, or in the expiry tag. What is there and is no time is
unknown.

Why: Azure ends no bypass by itself. One without an end keeps a control off for ever, and nobody is asked again whether
the reason still holds.

Example: an override that turns *deny* into *audit* until the partner has upgraded, which says so nowhere.

Instead: write down the day by which it goes; then take it away on that day.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
""",
)

ENDED: Final = BypassRule(
    code="EXG504",
    name="bypass-ended",
    severity=Severity.HIGH,
    soc2=("CC6.1", "CC7.1"),
    remediation="Take it away, or have it approved anew with a later end.",
    control="A policy that lets tags past does not know their end; nor does an assignment know its own.",
    text="""A bypass that has ended must go.

What it does: compares the end that it names with the present. Where the end is no time that can be read and
`bypass-end-missing` is off, it is unknown.

Why: the end is what was approved. Unlike an exemption, a bypass works on after it: the tag still lets the resource
past, the scope is still left out.

Example: a storage account whose `exceptionExpiry` was in June, and which is public in November.

Instead: take the tag, the scope or the override away; where it is still needed, ask for a new approval.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
""",
)

NOT_APPROVED: Final = BypassRule(
    code="EXG505",
    name="bypass-not-approved",
    severity=Severity.HIGH,
    soc2=("CC6.3", "CC8.1"),
    remediation="Take the tags away, or have the exception approved and list its id under `bypasses: approved`.",
    control="The policies that `policy build` makes let approved ids past and no others.",
    text="""An exception tag must name an approved exception.

What it does: compares the id that the tag names with the ruleset's list of approved ones. As in Azure Policy, case does
not matter and a blank does. Tags without an id are a violation too. It looks at tags only.

Why: whoever may write tags may write these. Only the list, which is reviewed as code, shows which exceptions are
approved and which somebody made for himself.

Example: a developer copies the tags of a neighbouring resource group and changes the number.

Instead: ask for the exception; once it is approved, list its id, then tag.

References:
- https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources
- https://learn.microsoft.com/azure/governance/policy/concepts/policy-as-code
""",
)

ENROLLMENT_REMOVED: Final = BypassRule(
    code="EXG506",
    name="bypass-enrollment-removed",
    severity=Severity.HIGH,
    soc2=("CC6.1", "CC7.1"),
    remediation="Enroll the scope again; or have the removal approved and list it under `bypasses: accepted`.",
    control="A policy looks at what is there: it cannot see that an enrollment is gone. A sweep remembers it.",
    text="""A scope that was enrolled must stay enrolled.

What it does: an assignment with the enforcement mode `Enroll` enforces only where an enrollment says so. Each sweep
writes down what is enrolled; what was and is no more is a violation, once Azure Resource Manager confirms it. An
enrollment that says less than before, fewer policies or other resource selectors, counts as gone in that part; one at a
scope above takes the place of one below.

It finds nothing where the assignment is gone or has another mode, where the scope is gone, or where the initiative no
longer holds the policy. Where Azure does not list the enrollments at the scope, nothing is taken for gone. A scan does
not find it, for it has no memory.

Why: deleting an enrollment switches a control off without writing an exemption, and without touching the
assignment. Nothing is left that says that the policy ever stopped anything there.

Example: a subscription was enrolled in *deny public endpoints* in June; in November its owner deletes the enrollment.
The assignment looks as before, and refuses nothing there any more.

Instead: enroll the scope again. Where it may be left out, ask for an exemption, which names its owner, its reason and
its end.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/enrollment-structure
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure#enforcement-mode
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyenrollments
""",
)

_RULES: Final = {
    rule.name: rule
    for rule in (
        UNREADABLE, TICKET_MISSING, REVIEW_MISSING, END_MISSING, ENDED, NOT_APPROVED, ENROLLMENT_REMOVED,
    )
}  # fmt: skip

FORMER: Final[Mapping[str, str]] = {
    name.replace("bypass-", "way-", 1): name for name in _RULES if name != ENROLLMENT_REMOVED.name
}
"""What they were called -> what they are called. Rows that were stored before have the old names."""


def bypass_rules() -> Mapping[str, BypassRule]:
    """Return name -> rule, ordered by code."""
    return _RULES
