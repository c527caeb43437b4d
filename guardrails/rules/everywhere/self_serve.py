"""Nobody may exempt themselves.

What it does: looks for `exemptionManagementMode: UserSelfServe`. Admin, or no value, passes.

Why: if an assignment allows self-serve exemptions, the person whom the policy stops can make one. Nobody approves it.

Example: Azure denies a developer a large virtual machine. The developer makes a self-serve exemption and creates the
machine.

Instead: switch `selfServeExemptionSettings` off on the assignment.

References:
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyexemptions
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyassignments
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import MODE, RESOURCE_GRAPH
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.words import clip


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation for UserSelfServe; Unknown for a mode that Azure has not documented."""
    mode = exemption.management_mode
    if not mode or mode.lower() == "admin":
        return PASS
    if mode.lower() == "userselfserve":
        said, allowed = clip(mode), "Admin, or no value, in an approved exemption"
        change = Change("properties.exemptionManagementMode", said, allowed, delete=True)
        return Violation("it is a self-serve exemption: nobody approved it", {"exemptionManagementMode": said}, change)
    return Unknown(f"exemptionManagementMode is '{clip(mode)}', neither Admin nor UserSelfServe")


RULE = Rule(
    code="EXG404",
    name="self-serve",
    severity=Severity.HIGH,
    soc2=("CC6.3", "CC8.1"),
    remediation="Get approval, let the pipeline deploy an exemption, and delete this one.",
    check=check,
    next_change=never,
    control="The property `exemptionManagementMode` says whether users made the exemption for themselves. Azure has no"
    " alias for it, so a policy cannot read it.",
    good=(Case("no value"), Case("made by an administrator", properties={"exemptionManagementMode": "Admin"})),
    bad=(Case("self-serve", properties={"exemptionManagementMode": "UserSelfServe"}),),
    unclear=(
        Case("an unknown mode", properties={"exemptionManagementMode": "Delegated"}),
        Case("the source does not return the mode", source=RESOURCE_GRAPH),
    ),
    needs=(MODE,),
)
