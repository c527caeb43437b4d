"""An exemption in code must last until the next deployment.

What it does: `--next-run` gives the time until the code is deployed again. If the exemption ends before then, that is a
violation. Without `--next-run`, the exemption passes. If it has already ended, `expired` reports it, and this rule
passes. Only `exg check` runs this rule.

Why: between the end and the next deployment, the policy denies the resource or reports it, and the code still says that
it is exempt. The owner gets no chance to renew it in time.

Example: the pipeline runs every Monday, and a waiver ends on Thursday.

Instead: if you renew it, choose an end after the next deployment.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from datetime import UTC, datetime

from guardrails.exemption.facts import Facts, Planned
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import read_time, spell_time
from guardrails.rules.base import END, EXPIRES, PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where it ends before the next run; Unknown where its end cannot be read."""
    run = facts.planned.next_run if facts.planned else None
    if run is None:
        return PASS
    expires = exemption.expires_on
    if expires is None:
        return Unknown(f"expiresOn cannot be read: {exemption.expiry_problem}") if exemption.expiry_problem else PASS
    if expires <= facts.now or expires >= run:
        return PASS
    end = spell_time(expires)
    return Violation(
        "it ends before the code is deployed again",
        {"expiresOn": end, "nextRun": spell_time(run)},
        Change(EXPIRES, end, f"{read_time(run)} or later, or no entry", END),
    )


def next_change(exemption: Exemption, facts: Facts, options: NoOptions) -> datetime | None:  # noqa: ARG001
    """Return when it ends, where it ends before the next run."""
    run, expires = facts.planned.next_run if facts.planned else None, exemption.expires_on
    return expires if run is not None and expires is not None and facts.now < expires < run else None


_RUN = datetime(2027, 4, 1, tzinfo=UTC)

RULE = Rule(
    code="EXG603",
    name="ends-before-next-run",
    severity=Severity.LOW,
    soc2=("CC7.1",),
    remediation="Renew the exemption before it ends, or remove it from the code.",
    check=check,
    next_change=next_change,
    control="A policy does not know when the code is deployed again.",
    good=(
        Case("nobody said when the next run is", facts={"planned": Planned()}),
        Case("it ends later", facts={"planned": Planned(next_run=datetime(2027, 3, 1, tzinfo=UTC))}),
    ),
    bad=(Case("it ends a day before the next run", facts={"planned": Planned(next_run=_RUN)}),),
    unclear=(
        Case("the expiry is not a date", properties={"expiresOn": "soon"}, facts={"planned": Planned(next_run=_RUN)}),
    ),
    no_revert="only a check of code runs it",
)
