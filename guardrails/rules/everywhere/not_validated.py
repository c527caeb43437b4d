"""An exemption must not skip the scope validation of Azure.

What it does: looks for `assignmentScopeValidation: DoNotValidate`. Default, or no value, passes.

Why: without validation, somebody can exempt a scope before an assignment applies to it. The control is then off from
the start.

Example: an exemption from an assignment that will exist next year. Until then, nobody who looks at
assignments sees this exemption.

Instead: to move a subscription to another management group, you may need DoNotValidate. Then let the exemption expire
after the move.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#assignment-scope-validation-preview
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, VALIDATION
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.control import Form, alias
from guardrails.rules.words import clip


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation for DoNotValidate; Unknown for a value that Azure has not documented."""
    mode = exemption.scope_validation
    if not mode or mode.lower() == "default":
        return PASS
    if mode.lower() == "donotvalidate":
        change = Change("properties.assignmentScopeValidation", clip(mode), "Default", "Default")
        said = "Azure did not check whether its assignment applies"
        return Violation(said, {"assignmentScopeValidation": clip(mode)}, change)
    return Unknown(f"assignmentScopeValidation is '{clip(mode)}', neither Default nor DoNotValidate")


_CONTROL = Form({"field": alias("assignmentScopeValidation"), "equals": "DoNotValidate"})


RULE = Rule(
    code="EXG402",
    name="not-validated",
    severity=Severity.MEDIUM,
    soc2=("CC7.1", "CC8.1"),
    remediation="Set assignmentScopeValidation to Default once the assignment applies.",
    check=check,
    next_change=never,
    control=_CONTROL,
    good=(Case("no value"), Case("Default", properties={"assignmentScopeValidation": "Default"})),
    bad=(Case("DoNotValidate, in any letter case", properties={"assignmentScopeValidation": "doNotValidate"}),),
    unclear=(
        Case("an unknown value", properties={"assignmentScopeValidation": "Later"}),
        Case("the source does not return the property", source=RESOURCE_GRAPH),
    ),
    needs=(VALIDATION,),
)
