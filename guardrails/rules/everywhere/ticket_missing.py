"""An exemption must name its approval ticket.

What it does: looks for a ticket in the metadata (`approvalTicket` and its aliases). Empty words such as "n/a" or "TBD"
count as no ticket.

Why: the ticket records the request, the risk and the approval. Without it, nobody knows who accepted the risk.

Example: a waiver made in the portal, which has no field for a ticket.

Instead: get the approval first.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from functools import lru_cache

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import METADATA, PASS, Case, Change, NoOptions, Outcome, Rule, Violation, never
from guardrails.rules.control import ONLY_KEYS, Form, Given, lacks, why_unmatched
from guardrails.rules.sample import metadata
from guardrails.rules.words import clip, says_nothing


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where the metadata names no ticket."""
    ticket = exemption.said.get("ticket", "")
    if len(ticket) > 4 and ticket[-3] != ticket[-1] and ticket[-1].isdigit():  # ends in a number: spares the words
        return PASS
    if not says_nothing(ticket):
        return PASS
    return _violation(clip(ticket))


@lru_cache(maxsize=256)
def _violation(ticket: str) -> Violation:
    said = ticket or None
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
    next_change=never,
    control=control,
    good=(
        Case("a ticket"),
        Case("a ticket under another name", properties=metadata(approvalTicket=None, ticket_ref="CHG0031337")),
    ),
    bad=(
        Case("no metadata", properties={"metadata": None}),
        Case("an empty word", properties=metadata(approvalTicket="N/A")),
    ),
)  # fmt: skip
