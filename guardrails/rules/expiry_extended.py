"""An edit must not push an expiry out.

What it does: compares `expiresOn` with the end that was accepted: of the exemption's compliant states in the register,
or, where it has none, of the states that were tolerated. An expiry that was removed, or that is later by more than the
tolerance, is a violation. Steps within the tolerance do not move the accepted end: they add up. A later date under a
ticket that the exemption did not name before is a renewal and passes; the accepted end is then the new one, as it is
after an earlier date. That ticket is a claim of who wrote it: where it is not enough, switch `allow_with_new_ticket`
off. An exemption that is deleted and made anew within 30 days is compared with what it was. Where nothing was accepted,
it passes.

Why: Azure lets anybody who may write the exemption write a later date, as often as they like, without notice. A year of
monthly extensions is an exemption for a year that was approved for a month.

Example: an exemption approved until March is edited in February, quietly, to end in October.

Instead: ask again, and write the new approval's ticket into the metadata together with the new date. The other rules
then judge that date as they judge the first.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from guardrails.exemption.facts import Before, Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.names import ticket_mark
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, Change, Outcome, Rule, Unknown, Violation, ends_by, option
from guardrails.rules.words import clip, says_nothing


@dataclass(frozen=True, slots=True)
class Options:
    """What counts as an extension."""

    tolerance_days: int = option(
        1, "days by which a date may move, for tools that write it in another form", minimum=0, stricter="less"
    )
    allow_with_new_ticket: bool = option(
        True,  # noqa: FBT003
        "whether a later date passes when the edit also names another ticket than before",
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
    return Violation("its expiry was pushed out", evidence, _change(before, now, facts, options))


def _change(before: Before, now: datetime | None, facts: Facts, options: Options) -> Change | None:
    if before.expires_on is None:
        return None
    change = ends_by(now, before.expires_on, "the end that was accepted", facts.now)
    if not options.allow_with_new_ticket or now is None:
        return change
    return replace(change, allowed=f"{change.allowed}; a later one under a ticket that it never named before")


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
_RENEWED = {"expiresOn": "2027-09-30T00:00:00Z", "metadata": {
    "owner": "data-platform@contoso.com", "approvalTicket": "SEC-2345", "reviewDate": "2027-02-01",
}}  # fmt: skip

RULE = Rule(
    code="EXG103",
    name="expiry-extended",
    severity=Severity.HIGH,
    soc2=("CC8.1", "CC9.1"),
    remediation="Put the approved expiry back, or name the ticket that approves the new one.",
    check=check,
    control="The rule compares with the earlier state, which only the register knows.",
    options=Options,
    good=(
        Case("never seen compliant before"),
        Case("the same expiry as before", facts={"before": _BEFORE}),
        Case("an earlier expiry", properties={"expiresOn": "2027-01-31"}, facts={"before": _BEFORE}),
        Case(
            "the same day in another form", properties={"expiresOn": "2027-03-31T23:00:00Z"}, facts={"before": _BEFORE}
        ),
        Case("renewed under a new ticket", properties=_RENEWED, facts={"before": _BEFORE}),
    ),
    bad=(
        Case("removed", properties={"expiresOn": None}, facts={"before": _BEFORE}),
        Case("two months later", properties={"expiresOn": "2027-05-31T00:00:00Z"}, facts={"before": _BEFORE}),
        Case(
            "a day later, for the third time",
            properties={"expiresOn": "2027-04-03T00:00:00Z"},
            facts={"before": replace(_BEFORE, latest=datetime(2027, 4, 1, tzinfo=UTC))},
        ),
        Case(
            "renewed under a ticket that it named before the last one",
            properties=_RENEWED,
            facts={"before": replace(_BEFORE, tickets=frozenset({ticket_mark("SEC-2345")}))},
        ),
        Case(
            "two months later, and never compliant",
            properties={"expiresOn": "2027-05-31T00:00:00Z"},
            facts={"accepted": _BEFORE},
        ),
        Case(
            "a new ticket where that is not enough",
            properties=_RENEWED,
            facts={"before": _BEFORE},
            options={"allow_with_new_ticket": False},
        ),
    ),
    unclear=(Case("an expiry that is no date", properties={"expiresOn": "end of quarter"}, facts={"before": _BEFORE}),),
)
