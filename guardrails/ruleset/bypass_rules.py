"""The rules about bypasses of policies. `guardrails.bypasses.model` judges by them.

They are on where a ruleset does not name them, and what follows is an alert or nothing: a bypass is never changed.
"""

from collections.abc import Mapping
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.severity import Severity
from guardrails.rules.base import Declared

_RESOURCES_ONLY: Final = "The generated policies do not look at assignments."
_TAGGED: Final = (
    "The policy `audit-exception-tags` reports a resource that has only one or two of the three exception tags."
)


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
    remediation="Look at the assignment or the tags in the portal, and write them as Azure documents them.",
    control=f"{_RESOURCES_ONLY} {_TAGGED}",
    text="""A bypass must be readable.

What it does: reports an assignment, a property or a tag if its form differs from Azure's documentation. The result is
always unknown, and no other rule judges the bypass. If this rule is `off`, the bypass is listed as
excluded, never as compliant.

Why: the service cannot say what an unreadable bypass switches off. It may be one scope or the whole policy.

Example: an enforcement mode that is newer than this release, or `notScopes` that Resource Graph shows as a number.

Instead: if the effect of the bypass is known and acceptable, list the bypass under `bypasses: accepted`.

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

What it does: looks for a ticket in the assignment's metadata, under the same keys as in an exemption. For an exception
tag, the rule looks in the ticket tag of the same resource.

Why: a bypass has the effect of an exemption, but no category and no justification. Without a ticket, nobody knows who
accepted the risk.

Example: an assignment was set to `DoNotEnforce` for a migration, and nobody set it back.

Instead: get the approval first; or use an exemption, which has fields for all of this.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
""",
)

REVIEW_MISSING: Final = BypassRule(
    code="EXG502",
    name="bypass-review-missing",
    severity=Severity.LOW,
    soc2=("CC3.2", "CC4.1"),
    remediation="Set the date of the next review in the assignment's metadata.",
    control=_RESOURCES_ONLY,
    text="""A bypass must have a review date that has not passed.

What it does: reads the review date in the assignment's metadata. A missing date, or a date before today, is a
violation. On the day itself, the bypass passes. If the text is not a date, the result is unknown. The rule does not
judge tags: no exception tag contains a review date.

Why: people who edit an assignment rarely check which scopes and policies it no longer covers.

Example: a resource group has been in `notScopes` for three years, and its workload is gone.

Instead: check whether the bypass is still needed, and record the result in the ticket.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
""",
)

END_MISSING: Final = BypassRule(
    code="EXG503",
    name="bypass-end-missing",
    severity=Severity.MEDIUM,
    soc2=("CC6.1", "CC9.1"),
    remediation="Write the end, such as 2027-06-30T00:00:00Z, into the assignment's metadata or the expiry tag.",
    control=f"{_RESOURCES_ONLY} {_TAGGED}",
    text="""A bypass must have an end date.

What it does: looks for an end in the assignment's metadata, or in the expiry tag. If the text is not a time, the result
is unknown.

Why: unlike an exemption, such a bypass has no expiry in Azure. Without a recorded end, the control stays off, and
nobody is asked whether the reason still holds.

Example: an override turns *deny* into *audit* until a partner upgrades. Nothing records when the override must end.

Instead: remove the bypass on that day.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
""",
)

ENDED: Final = BypassRule(
    code="EXG504",
    name="bypass-ended",
    severity=Severity.HIGH,
    soc2=("CC6.1", "CC7.1"),
    remediation="Remove the bypass, or get it approved again with a later end.",
    control="The generated policies do not read the end in a tag, and Azure reads no end in an assignment's metadata.",
    text="""A bypass that has ended must be removed.

What it does: compares the end of the bypass with the present time. If the end cannot be read, the rule
`bypass-end-missing` (EXG503) reports *unknown*, and this rule reports nothing. If `bypass-end-missing` is off, this
rule reports *unknown* instead.

Why: Azure ends an exemption at its expiry. Azure does not end other bypasses: after the end, an exception tag still
lets its resource pass, and an excluded scope stays excluded.

Example: the `exceptionExpiry` of a storage account was in June, and the account is still public in November.

Instead: to remove it, delete the tag, the excluded scope or the override.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/assignment-structure
""",
)

NOT_APPROVED: Final = BypassRule(
    code="EXG505",
    name="bypass-not-approved",
    severity=Severity.HIGH,
    soc2=("CC6.3", "CC8.1"),
    remediation="Take the tags away, or get the exception approved and list its id under `bypasses: approved`.",
    control="The tag-driven policies from `policy build` accept only approved ids.",
    text="""An exception tag must name an approved exception.

What it does: looks at the exception tags of a resource. Policies can be written so that they skip a resource with the
id of an approved exception in a tag. The rule compares this id with the ids under `bypasses: approved` in the ruleset.
As in Azure Policy, letter case does not matter, but blanks do. Exception tags without an id are a violation.

Why: anybody who may write tags can write exception tags. Only the list in the ruleset, which is reviewed as code, shows
which exceptions are approved.

Example: a developer copies the tags of a neighbouring resource group and changes the id.

Instead: the next time, ask for the exception and list its id before you tag the resource.

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
    remediation="Enroll the scope again; or get the removal approved and list it under `bypasses: accepted`.",
    control="A policy cannot see that an enrollment is gone. A sweep can, by comparison with the register.",
    text="""An enrolled scope must stay enrolled.

What it does: each sweep records the enrollments of assignments with the mode `Enroll`, which apply only at enrolled
scopes. It is a violation if all of this is true: an enrollment, or a part of it (policies, resource selectors), is
gone; Azure Resource Manager confirms this; and no enrollment above covers it. The rule finds nothing if the assignment,
the scope or the policy is gone, or if the mode is no longer `Enroll`. If Azure does not list the enrollments, the
result is unknown: `exg sweep` shows the scope in a line that begins with *not seen*, and the next sweep asks again.
Only a sweep finds a removed enrollment.

Why: a deleted enrollment switches a control off without an exemption and without a change of the assignment.

Example: the owner of an enrolled subscription deletes its enrollment in *deny public endpoints*. The assignment looks
the same, but denies nothing there.

Instead: if the scope may stay unenrolled, an exemption is better: it names its owner, its reason and its end.

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
