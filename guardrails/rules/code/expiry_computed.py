"""Code must write the end of an exemption as a date.

What it does: if `expiresOn` is computed with `utcNow()`, directly or through parameters, variables and modules, that is
a violation. Only `exg check` runs this rule. `expiry-too-far` judges how far away such an end is.

Why: each deployment moves the end. An exemption of 90 days never ends while the pipeline runs, and nobody approves the
new end.

Example: `expiresOn: dateTimeAdd(utcNow(), 'P90D')` in a template that is deployed every night.

Instead: to renew the exemption, change the date in a pull request of its own, with a new ticket.

References:
- https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions-date#utcnow
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import END, EXPIRES, PASS, Case, Change, NoOptions, Outcome, Rule, Violation, never
from guardrails.rules.words import clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where its end depends on the time of the deployment. Raises NotReturned where its end is not known."""
    if facts.planned is None:
        return PASS
    if not facts.planned.end_by:
        _ = exemption.expires_on
        return PASS
    end = spell_time(exemption.expires_on) if exemption.expires_on else None
    evidence = {"computedBy": clips(facts.planned.end_by), "expiresOn": end}
    return Violation(
        "each deployment moves its end", evidence, Change(EXPIRES, end, "a date, not a computed time", END)
    )


RULE = Rule(
    code="EXG601",
    name="expiry-computed",
    severity=Severity.MEDIUM,
    soc2=("CC8.1", "CC9.1"),
    remediation="Write the end as a date.",
    check=check,
    next_change=never,
    control="A policy sees the value that is sent, not how the code computes it.",
    good=(Case("the end is a date", facts={"planned": Planned()}),),
    bad=(Case("the end is 90 days after the deployment", facts={"planned": Planned(end_by=("utcNow()",))}),),
    no_revert="only a check of code runs it",
)
