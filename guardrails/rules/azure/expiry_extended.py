"""An edit must not move an expiry to a later date without a new ticket.

What it does: compares `expiresOn` with the *accepted expiry*: usually the expiry of the last compliant version. It is a
violation to remove the expiry, or to move it past the accepted one by more than the tolerance; small steps add up. A
later expiry passes, and becomes the accepted one, if the exemption names a new ticket. A ticket is new if it is not one
of the exemption's last 20 tickets. Nobody checks that the ticket approves the date. With
`allow_with_new_ticket: false`, a new ticket changes nothing. If the register has no accepted expiry, the exemption
passes. An exemption that was never compliant can have an accepted expiry too: the expiry of the last version that broke
no rule with the response `revert`. In such an exemption, this rule reports only an expiry later than the accepted one.
`expiry-lost` reports a removed expiry.

Why: anybody who may write an exemption may write a later date, and Azure notifies nobody. Twelve monthly extensions
turn an approval for a month into an exemption for a year.

Example: an exemption was approved until March, and somebody edits it in February to end in October.

Instead: write the ticket and the later date in one edit, after a new approval. The other rules judge the new date as
they judged the first.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from datetime import UTC, datetime

from guardrails.dataclass import dataclass, replace
from guardrails.exemption.facts import Before, Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.names import ticket_mark
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, Change, Outcome, Rule, Unknown, Violation, ends_by, never, option
from guardrails.rules.sample import metadata
from guardrails.rules.words import clip, says_nothing


@dataclass(frozen=True, slots=True)
class Options:
    """What counts as an extension."""

    tolerance_days: int = option(
        1,
        "days by which the expiry may move, because tools spell the same date differently",
        minimum=0,
        stricter="less",
    )
    allow_with_new_ticket: bool = option(
        True,  # noqa: FBT003
        "whether a later date passes if the edit also names a new ticket",
    )


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where the expiry was removed or moved out; Unknown where it cannot be read now."""
    before = facts.before or facts.accepted
    if before is None or before.expires_on is None:
        return PASS
    then, now = before.expires_on, exemption.expires_on
    if now is None:
        if facts.before is None:
            return PASS  # expiry-lost says so
        if exemption.expiry_problem:
            return Unknown(f"expiresOn cannot be read: {exemption.expiry_problem}")
        return Violation("its expiry was removed", _evidence(before, then, None), _change(before, None, facts, options))
    if now <= max(then, before.latest or then):
        return PASS
    if (now - then).total_seconds() <= options.tolerance_days * 86_400:
        return PASS
    if options.allow_with_new_ticket and _is_new(exemption.ticket, before):
        return PASS
    evidence = {**_evidence(before, then, now), "ticket": clip(exemption.ticket)}
    return Violation("its expiry was moved to a later date", evidence, _change(before, now, facts, options))


def _change(before: Before, now: datetime | None, facts: Facts, options: Options) -> Change | None:
    if before.expires_on is None:
        return None
    change = ends_by(now, before.expires_on, "the accepted expiry", facts.now)
    if not options.allow_with_new_ticket or now is None:
        return change
    return replace(
        change, allowed=f"{change.allowed}; a later one needs a ticket that the exemption never named before"
    )


def _is_new(ticket: str, before: Before) -> bool:
    mark = ticket_mark(ticket)
    return mark != ticket_mark(before.ticket) and mark not in before.tickets and not says_nothing(ticket)


def _evidence(before: Before, then: datetime, now: datetime | None) -> dict[str, str | None]:
    return {
        "before": spell_time(then),
        "expiresOn": spell_time(now) if now else None,
        "compliantAt": spell_time(before.seen_at),
    }


_BEFORE = Before(datetime(2027, 3, 31, tzinfo=UTC), datetime(2026, 9, 1, 12, tzinfo=UTC), "SEC-1234")
_RENEWED = {"expiresOn": "2027-09-30T00:00:00Z", **metadata(approvalTicket="SEC-2345")}

RULE = Rule(
    code="EXG103",
    name="expiry-extended",
    severity=Severity.HIGH,
    soc2=("CC8.1", "CC9.1"),
    remediation="Put the approved expiry back, or name the new ticket that approves the later one.",
    check=check,
    next_change=never,
    control="The rule compares with the earlier state, which only the register knows.",
    options=Options,
    good=(
        Case("the register has no compliant state"),
        Case("the same expiry as before", facts={"before": _BEFORE}),
        Case("an earlier expiry", properties={"expiresOn": "2027-01-31"}, facts={"before": _BEFORE}),
        Case(
            "the same day in another form", properties={"expiresOn": "2027-03-31T23:00:00Z"}, facts={"before": _BEFORE}
        ),
        Case("renewed under a new ticket", properties=_RENEWED, facts={"before": _BEFORE}),
    ),
    bad=(
        Case("the expiry was removed", properties={"expiresOn": None}, facts={"before": _BEFORE}),
        Case("two months later", properties={"expiresOn": "2027-05-31T00:00:00Z"}, facts={"before": _BEFORE}),
        Case(
            "one day later, for the third time",
            properties={"expiresOn": "2027-04-03T00:00:00Z"},
            facts={"before": replace(_BEFORE, latest=datetime(2027, 4, 1, tzinfo=UTC))},
        ),
        Case(
            "renewed under a ticket that an earlier state named",
            properties=_RENEWED,
            facts={"before": replace(_BEFORE, tickets=frozenset({ticket_mark("SEC-2345")}))},
        ),
        Case(
            "two months later than an expiry that the service left in place",
            properties={"expiresOn": "2027-05-31T00:00:00Z"},
            facts={"accepted": _BEFORE},
        ),
        Case(
            "a new ticket, which is not enough",
            properties=_RENEWED,
            facts={"before": _BEFORE},
            options={"allow_with_new_ticket": False},
        ),
    ),
    unclear=(Case("the expiry is not a date", properties={"expiresOn": "end of quarter"}, facts={"before": _BEFORE}),),
)
