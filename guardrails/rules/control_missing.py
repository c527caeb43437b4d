"""A mitigated risk must name its compensating control.

What it does: where the category is Mitigated, looks for the control in the metadata (`compensatingControl` and its
aliases). A waiver needs none.

Why: Mitigated says that the policy's intent is met by other means. That is a claim; without the means it is a waiver
that looks better in the report.

Example: `exemptionCategory: Mitigated` for a storage account with public access, and nothing else.

Instead: write what meets the intent into the metadata as `compensatingControl`, or change the category to Waiver.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#exemption-category
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import CATEGORY, METADATA, PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation
from guardrails.rules.control import ONLY_KEYS, Form, Given, alias, every, lacks, why_unmatched
from guardrails.rules.words import clip, says_nothing


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where it is Mitigated by nothing; Unknown where the category is neither of Azure's two."""
    category = exemption.category
    if category == "Waiver":
        return PASS
    if category != "Mitigated":
        return Unknown(f"the category '{clip(category)}' is neither Waiver nor Mitigated")
    control = exemption.said.get("control", "")
    if not says_nothing(control):
        return PASS
    said = clip(control) or None
    allowed = f"what meets the policy's intent in another way; or {CATEGORY}: Waiver"
    return Violation(
        "it is Mitigated and names no compensating control",
        {"category": category, "control": said},
        Change(f"{METADATA}control", said, allowed, "<compensating control>"),
    )


def control(options: NoOptions, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse Mitigated without any key for a control."""
    none = lacks("control", given.names)
    if none is None:
        return why_unmatched("control")
    return Form(every(({"field": alias("exemptionCategory"), "equals": "Mitigated"}, none)), leaves=(ONLY_KEYS,))


RULE = Rule(
    code="EXG205",
    name="control-missing",
    severity=Severity.MEDIUM,
    soc2=("CC5.1", "CC9.1"),
    remediation="Write the control into the metadata as compensatingControl, or make the exemption a Waiver.",
    check=check,
    control=control,
    good=(
        Case("a waiver"),
        Case("mitigated by a firewall", properties={"exemptionCategory": "mitigated", "metadata": {
            "owner": "data-platform@contoso.com", "approvalTicket": "SEC-1234", "reviewDate": "2027-02-01",
            "compensatingControl": "Firewall allows the partner's two addresses only",
        }}),
    ),
    bad=(
        Case("mitigated by nothing", properties={"exemptionCategory": "Mitigated"}),
        Case("mitigated by a word", properties={
            "exemptionCategory": "Mitigated", "metadata": {"mitigation": "see ticket, TBD"},
        }),
    ),
    unclear=(Case("another category", properties={"exemptionCategory": "Accepted"}),),
)  # fmt: skip
