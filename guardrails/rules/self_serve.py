"""Nobody exempts themselves.

What it does: looks for `exemptionManagementMode: UserSelfServe`. Admin, or nothing, is fine.

Why: a self-serve exemption is made by the person whom the policy stops, where an assignment lets people do so. Nobody
approved it.

Example: a developer is denied a virtual machine of a large size, takes a self-serve exemption, and goes on.

Instead: ask for an exemption; switch `selfServeExemptionSettings` off on the assignment.

References:
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyexemptions
- https://learn.microsoft.com/azure/templates/microsoft.authorization/policyassignments
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import MODE, RESOURCE_GRAPH
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation
from guardrails.rules.words import clip


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation for UserSelfServe; Unknown for a mode that Azure has not documented."""
    mode = exemption.management_mode
    if not mode or mode.lower() == "admin":
        return PASS
    if mode.lower() == "userselfserve":
        said, allowed = clip(mode), "Admin, or nothing: in an exemption that was approved"
        change = Change("properties.exemptionManagementMode", said, allowed, delete=True)
        return Violation("whom the policy stops exempted themselves", {"exemptionManagementMode": said}, change)
    return Unknown(f"exemptionManagementMode is '{clip(mode)}', neither Admin nor UserSelfServe")


RULE = Rule(
    code="EXG404",
    name="self-serve",
    severity=Severity.HIGH,
    soc2=("CC6.3", "CC8.1"),
    remediation="Have it approved and deployed by the pipeline, and delete this one.",
    check=check,
    control="The property `exemptionManagementMode` has no alias. `selfServeExemptionSettings` of assignments has one.",
    good=(Case("nothing said"), Case("made by an administrator", properties={"exemptionManagementMode": "Admin"})),
    bad=(Case("self-serve", properties={"exemptionManagementMode": "UserSelfServe"}),),
    unclear=(
        Case("an unknown mode", properties={"exemptionManagementMode": "Delegated"}),
        Case("the source does not return the mode", source=RESOURCE_GRAPH),
    ),
    needs=(MODE,),
)
