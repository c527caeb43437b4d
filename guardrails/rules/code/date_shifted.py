"""The function dateTimeAdd must not drop a time zone.

What it does: Azure's function `dateTimeAdd` reads a time with an offset, drops the offset, and marks the result as UTC.
If that happens to `expiresOn`, it is a violation. Only `exg check` runs this rule.

Why: the exemption ends some hours before or after the time that was approved.

Example: `dateTimeAdd('2027-01-31T22:00:00-05:00', 'P1D')` is `2027-02-01T22:00:00Z`, five hours too early.

Instead: in the example, write `dateTimeAdd('2027-02-01T03:00:00Z', 'P1D')`.

References:
- https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions-date#datetimeadd
"""

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import END, EXPIRES, PASS, Case, Change, NoOptions, Outcome, Rule, Violation, never


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where the engine drops the offset of its end."""
    if facts.planned is None or "expiresOn" not in facts.planned.shifted:
        return PASS
    end = spell_time(exemption.expires_on) if exemption.expires_on else None
    text = "dateTimeAdd() drops the offset of its end, so it ends at another time than the code says"
    return Violation(text, {"expiresOn": end}, Change(EXPIRES, end, "a time in UTC", END))


RULE = Rule(
    code="EXG604",
    name="date-shifted",
    severity=Severity.MEDIUM,
    soc2=("CC8.1",),
    remediation="Write the date in UTC, with Z at its end.",
    check=check,
    next_change=never,
    control="A policy sees the value that is sent, not how the code computes it.",
    good=(Case("the date is in UTC", facts={"planned": Planned()}),),
    bad=(Case("an offset was dropped", facts={"planned": Planned(shifted=("expiresOn",))}),),
    no_revert="only a check of code runs it",
)
