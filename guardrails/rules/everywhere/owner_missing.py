"""An exemption must have an owner.

What it does: looks for an owner in the metadata (`owner` and its aliases). Empty words such as "n/a" or "TBD" count as
no owner.

Why: somebody must answer for the risk, receive the reminder before the expiry, and do the work that ends the exemption.

Example: a service principal wrote a waiver, and nothing names the team that asked for it.

Instead: prefer a team's mailbox: people leave.

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
    """Violation where the metadata names no owner."""
    owner = exemption.said.get("owner", "")
    if owner.find("@") > 0 or not says_nothing(owner):
        return PASS
    return _violation(clip(owner))


@lru_cache(maxsize=256)
def _violation(owner: str) -> Violation:
    said = owner or None
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
    next_change=never,
    control=control,
    good=(
        Case("a team's mailbox"),
        Case("a team under another name", properties=metadata(owner=None, requestedBy="Storage team")),
    ),
    bad=(
        Case("no metadata", properties={"metadata": None}),
        Case("an empty word", properties=metadata(owner="TBD")),
    ),
)  # fmt: skip
