"""An exemption must be checked by Azure.

What it does: looks for `assignmentScopeValidation: DoNotValidate`. Default, or nothing, is fine.

Why: it lets somebody place an exemption from an assignment that does not apply to the scope, before a subscription
moves or an assignment is made. The control is then off from its first second, and nobody saw it on.

Example: an exemption from next year's assignment, written today, that no list by assignment shows.

Instead: write the exemption once the assignment applies. For the move of a subscription, exempt it for those days.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#assignment-scope-validation-preview
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, VALIDATION
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation
from guardrails.rules.control import Form, alias
from guardrails.rules.words import clip


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation for DoNotValidate; Unknown for a value that Azure has not documented."""
    mode = exemption.scope_validation
    if not mode or mode.lower() == "default":
        return PASS
    if mode.lower() == "donotvalidate":
        change = Change("properties.assignmentScopeValidation", clip(mode), "Default", "Default")
        said = "Azure did not check that its assignment applies"
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
    control=_CONTROL,
    good=(Case("nothing said"), Case("Default", properties={"assignmentScopeValidation": "Default"})),
    bad=(Case("not validated, in any casing", properties={"assignmentScopeValidation": "doNotValidate"}),),
    unclear=(
        Case("an unknown value", properties={"assignmentScopeValidation": "Later"}),
        Case("the source does not return it", source=RESOURCE_GRAPH),
    ),
    needs=(VALIDATION,),
)
