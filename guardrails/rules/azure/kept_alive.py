"""Renewals must not keep an exemption for more than two years.

What it does: counts the calendar months up to the present expiry. The count starts when the exemption was created in
Azure, or when the register first saw it, whichever is earlier. It is a violation if the count is above the option
`months`, and the register also saw an earlier expiry. Expiries that differ by at most `tolerance_days` count as one.

Why: each renewal looks small, and nobody adds them up. After two years, the exception is normal operation, and the
owners of the policy must decide.

Example: a waiver for three months in 2024 was renewed seven times and now ends in 2027.

Instead: if the resource cannot comply, change the policy or its parameters for such resources.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from datetime import UTC, datetime

from guardrails.dataclass import dataclass
from guardrails.exemption.counts import number_of
from guardrails.exemption.expiry import months_after
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SYSTEM
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, Outcome, Rule, Unknown, Violation, ends_by, never, option
from guardrails.rules.words import MOST


@dataclass(frozen=True, slots=True)
class Options:
    """How long an exemption may live in all."""

    months: int = option(24, "calendar months from its start to the latest allowed expiry", minimum=1, stricter="less")
    tolerance_days: int = option(
        1, "days by which two dates may differ and still count as one date", minimum=0, stricter="less"
    )


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where later dates add up to too long a life; Unknown where a date cannot be read."""
    if not facts.dates:
        return PASS
    expires = exemption.expires_on
    known = [end for _, end in facts.dates if end is not None]
    if expires is None:
        if exemption.expiry_problem and known:
            return Unknown(f"expiresOn cannot be read: {exemption.expiry_problem}")
        return PASS
    first = facts.dates[0][0] if exemption.created_at is None else min(facts.dates[0][0], exemption.created_at)
    if not known or (expires - min(known)).total_seconds() <= options.tolerance_days * 86_400:
        return PASS
    limit = months_after(first, options.months)
    if not first < limit < expires:  # no limit where the calendar ends before it
        return Unknown("the time of its creation is unknown") if SYSTEM in exemption.not_returned else PASS
    dates = [date for date, before in zip([*known, expires], [None, *known], strict=True) if date != before]
    return Violation(
        f"later dates keep it alive for more than {number_of(options.months, 'month')}",
        {
            "firstSeen": spell_time(first),
            "expiresOn": spell_time(expires),
            "days": (expires - first).days,
            "dates": [spell_time(date) for date in dates[-MOST:]],
        },
        ends_by(expires, limit, f"{number_of(options.months, 'month')} after its start", facts.now),
    )


def _at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


_RENEWED = (
    (_at(2024, 9, 1), _at(2024, 12, 31)),
    (_at(2024, 12, 20), _at(2025, 9, 30)),
    (_at(2025, 9, 15), _at(2026, 9, 30)),
)
_ONCE = ((_at(2026, 6, 1), _at(2026, 9, 30)), (_at(2026, 9, 15), _at(2027, 3, 31)))

RULE = Rule(
    code="EXG106",
    name="kept-alive",
    severity=Severity.MEDIUM,
    soc2=("CC3.2", "CC9.1"),
    remediation="Comply and delete it, or have a named person accept the risk again in a new exemption.",
    check=check,
    next_change=never,
    control="The rule compares with the earlier state, which only the register knows.",
    options=Options,
    good=(
        Case("the register has no dates"),
        Case("renewed once, ten months in all", facts={"dates": _ONCE}),
        Case(
            "24 months to the second",
            facts={"dates": ((_at(2025, 3, 31), _at(2025, 12, 31)), (_at(2025, 12, 1), _at(2027, 3, 31)))},
        ),
        Case(
            "the register has only one date, though a late one", facts={"dates": ((_at(2024, 9, 1), _at(2027, 3, 31)),)}
        ),
        Case("30 months; 36 are allowed", facts={"dates": _RENEWED}, options={"months": 36}),
    ),
    bad=(
        Case("renewed three times, the third time by the last write", facts={"dates": _RENEWED}),
        Case(
            "renewed three times; the register has the last date",
            facts={"dates": (*_RENEWED, (_at(2026, 11, 20), _at(2027, 3, 31)))},
        ),
        Case(
            "created long before the register saw it",
            facts={"dates": _ONCE},
            system={"createdAt": "2023-05-04T08:00:00Z"},
        ),
    ),
    unclear=(
        Case("the expiry is not a date", properties={"expiresOn": "31.12.2027"}, facts={"dates": _RENEWED}),
        Case("renewed, created at an unknown time", facts={"dates": _ONCE}, system=None),
    ),
    needs=(SYSTEM,),
)
