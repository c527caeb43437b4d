"""An exemption must have an expiry.

What it does: looks for `expiresOn`.

Why: an exemption without an expiry switches a control off for ever, and nobody is asked whether the reason still holds.

Example: a waiver made in the portal, where the expiry is blank by default.

Instead: choose the day by which the resource will comply. If the work takes longer, renew the exemption with a new
ticket.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import END, EXPIRES, PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.control import Form, blank


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where there is no expiry; Unknown where it cannot be read."""
    if exemption.expires_on is not None:
        return PASS
    if exemption.expiry_problem:
        return Unknown(f"expiresOn cannot be read: {exemption.expiry_problem}")
    return _NEVER_EXPIRES


_NEVER_EXPIRES = Violation("it never expires", {"expiresOn": None}, Change(EXPIRES, None, "a time", END))


_CONTROL = Form(blank("expiresOn"), leaves=("An expiry that contains only spaces.",))


RULE = Rule(
    code="EXG101",
    name="expiry-missing",
    severity=Severity.HIGH,
    soc2=("CC6.1", "CC9.1"),
    remediation="Set expiresOn, at most 12 months ahead.",
    check=check,
    next_change=never,
    control=_CONTROL,
    good=(Case("it ends"),),
    bad=(Case("no expiresOn", properties={"expiresOn": None}), Case("a blank expiresOn", properties={"expiresOn": ""})),
    unclear=(Case("the expiry is not a date", properties={"expiresOn": "end of quarter"}),),
)
