"""A Mitigated exemption must name its compensating control.

What it does: for the category Mitigated, looks for the control in the metadata (`compensatingControl` and its aliases).
A waiver passes.

Why: without a compensating control, a Mitigated exemption is a waiver that looks better in the report.

Example: `exemptionCategory: Mitigated` for a storage account with public access, and no control.

Instead: name the control that meets the intent of the policy.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#exemption-category
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import (
    CATEGORY,
    METADATA,
    PASS,
    Case,
    Change,
    NoOptions,
    Outcome,
    Rule,
    Unknown,
    Violation,
    never,
)
from guardrails.rules.control import ONLY_KEYS, Form, Given, alias, every, lacks, why_unmatched
from guardrails.rules.sample import metadata
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
    allowed = f"the control that meets the policy's intent; or {CATEGORY}: Waiver"
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
    remediation="Write the control into the metadata as compensatingControl, or set the category to Waiver.",
    check=check,
    next_change=never,
    control=control,
    good=(
        Case("a waiver"),
        Case("Mitigated, by a firewall", properties={"exemptionCategory": "mitigated", **metadata(
            compensatingControl="Firewall allows the partner's two addresses only",
        )}),
    ),
    bad=(
        Case("Mitigated, without a control", properties={"exemptionCategory": "Mitigated"}),
        Case("Mitigated, whose control is an empty word such as TBD", properties={
            "exemptionCategory": "Mitigated", **metadata(mitigation="see ticket, TBD"),
        }),
    ),
    unclear=(Case("another category", properties={"exemptionCategory": "Accepted"}),),
)  # fmt: skip
