"""An exemption must have an owner.

What it does: looks for an owner in the metadata (`owner` and its aliases). Words that name nobody, such as "n/a" or
"TBD", count as none.

Why: somebody must answer for the risk, hear of the expiry, and do the work that ends the exemption. systemData names
whoever ran the pipeline, which is not that person.

Example: a waiver written by a service principal, with nothing that says for whom.

Instead: write a team's mailbox or a person into the metadata as `owner`. A team outlasts a person.

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
    """Violation where the metadata names no owner."""
    owner = exemption.said.get("owner", "")
    if owner.find("@") > 0 or not says_nothing(owner):
        return PASS
    said = clip(owner) or None
    change = Change(f"{METADATA}owner", said, "the team or person that answers for it", "<owner>")
    return Violation("it has no owner", {"owner": said}, change)


def control(options: NoOptions, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse metadata without any key for it."""
    none = lacks("owner", given.names)
    return Form(none, leaves=(ONLY_KEYS,)) if none else why_unmatched("owner")


RULE = Rule(
    code="EXG203",
    name="owner-missing",
    severity=Severity.MEDIUM,
    soc2=("CC1.5", "CC5.3"),
    remediation="Write the owning team or person into the metadata as owner.",
    check=check,
    control=control,
    good=(
        Case("a team's mailbox"),
        Case("a team under another name", properties={"metadata": {
            "requestedBy": "Storage team", "ticketRef": "SEC-1234", "reviewDate": "2027-02-01",
        }}),
    ),
    bad=(
        Case("no metadata", properties={"metadata": None}),
        Case("nobody", properties={"metadata": {"owner": "TBD", "approvalTicket": "SEC-1234"}}),
    ),
)  # fmt: skip
