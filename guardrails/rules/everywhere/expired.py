"""An expired exemption must be deleted.

What it does: compares `expiresOn` with the present time.

Why: Azure keeps an expired exemption, but the policy applies again. People may believe that the resource is still
exempt. Anybody who may write the exemption can revive it with a new date.

Example: an exemption that ended in June and still shows in every list in November.

Instead: the register keeps its history.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from datetime import datetime, timedelta
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.counts import number_of
from guardrails.exemption.expiry import is_expired, later
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import EXPIRES, PASS, Case, Change, Outcome, Rule, Unknown, Violation, option
from guardrails.rules.control import FURTHEST, NO_TIME, Form, Given, ends

_EVER: Final = 10_000_000
"""Days, more than the calendar has."""


@dataclass(frozen=True, slots=True)
class Options:
    """How long an expired exemption may stay."""

    keep_days: int = option(0, "days that an expired exemption may stay", minimum=0, stricter="less")


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where it ended `keep_days` or more ago; Unknown where the expiry cannot be read."""
    expires = exemption.expires_on
    if expires is None:
        return Unknown(f"expiresOn cannot be read: {exemption.expiry_problem}") if exemption.expiry_problem else PASS
    if not is_expired(expires, facts.now) or (facts.now - expires).days < options.keep_days:
        return PASS
    kept = f", {number_of(options.keep_days, 'day')} after its end at the latest" if options.keep_days else ""
    ended = spell_time(expires)
    return Violation(
        "it has expired",
        {"expiresOn": ended, "now": spell_time(facts.now)},
        Change(EXPIRES, ended, f"none: an expired exemption must be deleted{kept}", delete=True),
    )


def next_change(exemption: Exemption, facts: Facts, options: Options) -> datetime | None:
    """Return when it will have ended `keep_days` ago."""
    expires = exemption.expires_on
    turn = None if expires is None else later(expires, timedelta(days=min(options.keep_days, _EVER)))
    return turn if turn is not None and turn > facts.now else None


def control(options: Options, given: Given) -> Form | str:  # noqa: ARG001
    """Show what ended `keep_days` ago; to refuse it would stop nobody from anything."""
    if options.keep_days >= FURTHEST:
        return f"A policy counts days, {FURTHEST:,} at most."
    days = options.keep_days + 1
    late = (
        f"An exemption that ended less than {number_of(days, 'day')} ago. The policy reports it a day later than the"
        " rule does, because the clocks of Azure and of the service can differ."
    )
    return Form(ends("less", f"addDays(utcNow(),-{days})"), leaves=(late, NO_TIME), deny=False)


RULE = Rule(
    code="EXG104",
    name="expired",
    severity=Severity.LOW,
    soc2=("CC7.1",),
    remediation="Delete it; if the resource still does not comply, ask for a new exemption.",
    check=check,
    next_change=next_change,
    control=control,
    options=Options,
    good=(
        Case("it ends in the future"),
        Case(
            "it ended a week ago, and may stay 30 days",
            properties={"expiresOn": "2026-11-14T00:00:00Z"},
            options={"keep_days": 30},
        ),
    ),
    bad=(
        Case("it ended in June", properties={"expiresOn": "2026-06-30T00:00:00Z"}),
        Case("it ends at the time of the judgement", properties={"expiresOn": "2026-11-21T12:00:00Z"}),
        Case("the year 1", properties={"expiresOn": "0001-01-01T00:00:00Z"}),
    ),
    unclear=(Case("the expiry is not a date", properties={"expiresOn": "31.12.2026"}),),
)
