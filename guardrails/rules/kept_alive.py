"""An exemption must not live on by ever new dates.

What it does: counts the calendar months from the exemption's first sight, which is when Azure says that it was created
or when the register first saw it, whichever is earlier, to its present expiry. More than `months` is a violation where
the register saw it with an earlier date before. One date that is too far from the start is for expiry-too-far; dates
that differ by no more than the tolerance are one date in two forms. Without dates in the register it passes.

Why: each renewal looks small and is approved by itself; nobody adds them up. After two years it is no exception any
more but how the resource is run, and that is a decision for those who own the policy.

Example: a waiver for three months in 2024 that was renewed seven times and now ends in 2027.

Instead: comply and delete it. Where that cannot be, change the policy or its parameters for such resources, or have
the risk accepted anew, by name, in an exemption of its own.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
- https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from guardrails.exemption.expiry import months_after
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SYSTEM
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, Outcome, Rule, Unknown, Violation, ends_by, option
from guardrails.rules.words import MOST


@dataclass(frozen=True, slots=True)
class Options:
    """How long an exemption may live in all."""

    months: int = option(
        24, "calendar months from its first sight to the latest allowed expiry", minimum=1, stricter="less"
    )
    tolerance_days: int = option(
        1, "days by which a date may move and is still the same date", minimum=0, stricter="less"
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
        return Unknown("when it was created is not known") if SYSTEM in exemption.not_returned else PASS
    dates = [date for date, before in zip([*known, expires], [None, *known], strict=True) if date != before]
    return Violation(
        f"later dates keep it alive for more than {options.months} months",
        {
            "firstSeen": spell_time(first),
            "expiresOn": spell_time(expires),
            "days": (expires - first).days,
            "dates": [spell_time(date) for date in dates[-MOST:]],
        },
        ends_by(expires, limit, f"{options.months} months from its first sight", facts.now),
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
    remediation="Comply and delete it, or have the risk accepted anew in an exemption of its own.",
    check=check,
    control="The rule compares with the earlier state, which only the register knows.",
    options=Options,
    good=(
        Case("the register has no dates of it"),
        Case("renewed once, ten months in all", facts={"dates": _ONCE}),
        Case(
            "24 months to the second",
            facts={"dates": ((_at(2025, 3, 31), _at(2025, 12, 31)), (_at(2025, 12, 1), _at(2027, 3, 31)))},
        ),
        Case("one date from the start, however far", facts={"dates": ((_at(2024, 9, 1), _at(2027, 3, 31)),)}),
        Case("30 months where 36 are allowed", facts={"dates": _RENEWED}, options={"months": 36}),
    ),
    bad=(
        Case("renewed three times, the last one now", facts={"dates": _RENEWED}),
        Case(
            "the present date is in the register", facts={"dates": (*_RENEWED, (_at(2026, 11, 20), _at(2027, 3, 31)))}
        ),
        Case(
            "created long before the register saw it",
            facts={"dates": _ONCE},
            system={"createdAt": "2023-05-04T08:00:00Z"},
        ),
    ),
    unclear=(
        Case("an expiry that is no date", properties={"expiresOn": "31.12.2027"}, facts={"dates": _RENEWED}),
        Case("renewed, and created nobody knows when", facts={"dates": _ONCE}, system=None),
    ),
    needs=(SYSTEM,),
)
