"""An exemption must name its approval ticket.

What it does: looks for a ticket in the metadata (`approvalTicket` and its aliases). Words that name no ticket, such as
"n/a" or "TBD", count as none.

Why: the ticket is where the request, the risk and the approval are written down. Without it there is no audit trail:
nobody knows who accepted the risk, or whether anybody did.

Example: a waiver made in the portal, which has no field for a ticket.

Instead: get the approval first, then write its ticket into the metadata as `approvalTicket`.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import METADATA, PASS, Case, Change, NoOptions, Outcome, Rule, Violation
from guardrails.rules.control import ONLY_KEYS, Form, Given, lacks, why_unmatched
from guardrails.rules.words import clip, says_nothing


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where the metadata names no ticket."""
    ticket = exemption.said.get("ticket", "")
    if len(ticket) > 4 and ticket[-3] != ticket[-1] and ticket[-1].isdigit():  # ends in a number: spares the words
        return PASS
    if not says_nothing(ticket):
        return PASS
    said = clip(ticket) or None
    change = Change(f"{METADATA}ticket", said, "the ticket that approved it", "<ticket>")
    return Violation("it has no approval ticket", {"ticket": said}, change)


def control(options: NoOptions, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse metadata without any key for it."""
    none = lacks("ticket", given.names)
    return Form(none, leaves=(ONLY_KEYS,)) if none else why_unmatched("ticket")


RULE = Rule(
    code="EXG201",
    name="ticket-missing",
    severity=Severity.HIGH,
    soc2=("CC5.3", "CC8.1"),
    remediation="Write the approval ticket into the metadata as approvalTicket.",
    check=check,
    control=control,
    good=(
        Case("a ticket"),
        Case("a ticket under another name", properties={"metadata": {
            "owner": "data-platform@contoso.com", "ticket_ref": "CHG0031337", "reviewDate": "2027-02-01",
        }}),
    ),
    bad=(
        Case("no metadata", properties={"metadata": None}),
        Case("a ticket that is none", properties={"metadata": {"owner": "ops@contoso.com", "ticket": "N/A"}}),
    ),
)  # fmt: skip
