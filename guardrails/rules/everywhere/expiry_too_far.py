"""An exemption must end within a year.

What it does: compares `expiresOn` with the time of the write, in calendar months, with a tolerance of one day. If the
time of the write is unknown, the rule counts from the present: an exemption that ends too late is a violation, and any
other is unknown.

Why: a risk is accepted for a period in which somebody still knows the reason. SOC 2 looks at periods of at most twelve
months.

Example: `expiresOn: 9999-12-31` on a waiver "until the migration is done".

Instead: choose the planned end of the work. Renew the exemption later with a new ticket.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from guardrails.dataclass import dataclass
from guardrails.exemption.counts import number_of
from guardrails.exemption.expiry import months_after
from guardrails.exemption.facts import Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SYSTEM
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, Outcome, Rule, Unknown, Violation, ends_by, option
from guardrails.rules.control import FURTHEST, NO_TIME, Form, Given, Parameter, ends


@dataclass(frozen=True, slots=True)
class Options:
    """How far ahead an exemption may end."""

    months: int = option(12, "calendar months from the write to the latest allowed expiry", minimum=1, stricter="less")
    tolerance_days: int = option(1, "days by which an expiry may exceed the limit", minimum=0, stricter="less")


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where it ends too late; PASS where it never ends, which is another rule's.

    Unknown where the end cannot be read, or the time of the write is not known and it does not end too late from now.
    """
    expires = exemption.expires_on
    if expires is None:
        return Unknown(f"expiresOn cannot be read: {exemption.expiry_problem}") if exemption.expiry_problem else PASS
    written = facts.written_at or facts.now
    known = PASS if facts.written_at else Unknown(f"the time of its last write is unknown{_why(facts)}")
    if (expires - written).days < 28 * options.months:  # no month is shorter: near enough without a calendar
        return known
    limit = latest(written, options.months, options.tolerance_days)
    if limit is None or expires <= limit:
        return known
    since = "after it was written" if facts.written_at else "from now"
    return Violation(
        f"it ends more than {number_of(options.months, 'month')} {since}",
        {
            "expiresOn": spell_time(expires),
            "writtenAt": spell_time(written) if facts.written_at else None,
            "latest": spell_time(limit),
        },
        ends_by(expires, limit, _limited(options, known=facts.written_at is not None), facts.now),
    )


def next_change(exemption: Exemption, facts: Facts, options: Options) -> datetime | None:  # noqa: ARG001
    """Return the present where the time of the write is unknown, or is the present: then the limit moves with it."""
    moves = facts.written_at is None or facts.written_at >= facts.now
    return facts.now if moves and exemption.expires_on is not None else None


def _limited(options: Options, *, known: bool) -> str:
    """Return what the latest allowed end is, a phrase. `known`: whether the time of the write is."""
    since = "after the write" if known else "from now"
    more = f" and {number_of(options.tolerance_days, 'day')}" if options.tolerance_days else ""
    return f"{number_of(options.months, 'month')}{more} {since}"


def _why(facts: Facts) -> str:
    return f": {facts.author.reason}" if isinstance(facts.author, Unread) else ""


def latest(written: datetime, months: int, days: int) -> datetime | None:
    """Return the time `months` calendar months and `days` days after `written`; None when past the year 9999."""
    limit = months_after(written, months)
    try:
        return limit + timedelta(days=days) if limit > written else None
    except OverflowError:
        return None


def control(options: Options, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse what ends after the longest that so many months can be; a policy counts days."""
    days = _longest(options.months) + options.tolerance_days + 1
    if options.months > FURTHEST // 28 or days > FURTHEST:
        return f"A policy counts at most {FURTHEST:,} days."
    allowed = f"max({days},min(parameters('maximumDays'),{FURTHEST}))"
    return Form(
        ends("greater", f"addDays(utcNow(),{allowed})"),
        {
            "maximumDays": Parameter(
                "Days to the latest expiry",
                days,
                f"Days from the write to the latest expiry. Less than {days} counts as {days}, because the rule"
                f" lets that pass. More than {FURTHEST:,} counts as {FURTHEST:,}. The {days} days are at most"
                f" {days - 1 - options.tolerance_days} days of {options.months} calendar months,"
                f" {options.tolerance_days} of tolerance, and 1 because the policy looks before the write.",
            )
        },
        (f"An expiry that breaks the rule, but is at most {days} days after the write.", NO_TIME),
    )


@lru_cache(maxsize=64)
def _longest(months: int) -> int:
    """Return the most days that so many calendar months have, from any day of four years."""
    starts = (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(1461))
    return max((months_after(start, months) - start).days for start in starts)


_UNWRITTEN = {"written_at": None, "author": Unread("the body has no systemData")}

RULE = Rule(
    code="EXG102",
    name="expiry-too-far",
    severity=Severity.MEDIUM,
    soc2=("CC3.2", "CC9.1"),
    remediation="Set expiresOn to at most 12 months after the write.",
    check=check,
    next_change=next_change,
    control=control,
    options=Options,
    good=(
        Case("it ends within a year"),
        Case("a year and less than a day", properties={"expiresOn": "2027-11-21T00:00:00Z"}),
        Case("18 months; 24 are allowed", properties={"expiresOn": "2028-05-20"}, options={"months": 24}),
    ),
    bad=(
        Case("18 months", properties={"expiresOn": "2028-05-20T00:00:00Z"}),
        Case("the year 9999", properties={"expiresOn": "9999-12-31T23:59:59.9999999Z"}),
        Case(
            "written on 2027-01-31 at 09:00 UTC, and ends one second later than 1 month and 1 day after that",
            properties={"expiresOn": "2027-03-01T09:00:01Z"},
            facts={"written_at": datetime(2027, 1, 31, 9, tzinfo=UTC)},
            options={"months": 1},
        ),
        Case(
            "18 months after the judgement, with an unknown time of the write",
            properties={"expiresOn": "2028-05-21"},
            facts=_UNWRITTEN,
        ),
    ),
    unclear=(
        Case("the expiry is not a date", properties={"expiresOn": "in 18 months"}),
        Case("within a year after the judgement, with an unknown time of the write", facts=_UNWRITTEN),
    ),
    needs=(SYSTEM,),
)
