"""An expiry that an exemption once had must not be gone.

What it does: looks through the dates that the register saw. An exemption that had an expiry and now has none is a
violation, whether or not it was ever compliant. Where its last compliant state had an expiry, expiry-extended says so
already, and this rule passes.

Why: an exemption that never was in order is in no state that an edit could be compared with, and taking its expiry out
goes unseen. What was to end by itself now lasts for ever, and only its history still knows.

Example: a waiver without a ticket, made in the portal to end in March, is saved again in February with the date blank.

Instead: put the date back; its history says which one it was.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from datetime import UTC, datetime

from guardrails.exemption.facts import Before, Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, NoOptions, Outcome, Rule, Unknown, Violation, ends_by


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where an expiry that was seen is gone; Unknown where the present one cannot be read."""
    if exemption.expires_on is not None or not facts.dates:
        return PASS
    if facts.before is not None and facts.before.expires_on is not None:
        return PASS
    without = facts.written_at
    for seen, end in reversed(facts.dates):
        if end is None:
            without = seen
            continue
        if exemption.expiry_problem:
            return Unknown(f"expiresOn cannot be read: {exemption.expiry_problem}")
        return Violation(
            "its expiry is gone",
            {
                "before": spell_time(end),
                "expiresOn": None,
                "seenAt": spell_time(seen),
                "goneSince": spell_time(max(seen, without)) if without else None,
            },
            ends_by(None, end, "the end that it had", facts.now),
        )
    return PASS


_SEEN = datetime(2026, 9, 1, 12, tzinfo=UTC)
_GONE = datetime(2026, 11, 20, 9, tzinfo=UTC)
_END = datetime(2027, 3, 31, tzinfo=UTC)

RULE = Rule(
    code="EXG107",
    name="expiry-lost",
    severity=Severity.HIGH,
    soc2=("CC8.1", "CC9.1"),
    remediation="Put the expiry back that its history shows.",
    check=check,
    control="The rule compares with the earlier state, which only the register knows.",
    good=(
        Case("the register has no dates of it"),
        Case("it still ends", facts={"dates": ((_SEEN, _END),)}),
        Case("it had none for a while, and ends again", facts={"dates": ((_SEEN, _END), (_GONE, None))}),
    ),
    bad=(
        Case("removed now", properties={"expiresOn": None}, facts={"dates": ((_SEEN, _END),)}),
        Case(
            "removed, and the register has seen that",
            properties={"expiresOn": ""},
            facts={"dates": ((_SEEN, _END), (_GONE, None))},
        ),
        Case(
            "its compliant state had none, for the rules did not ask for one",
            properties={"expiresOn": None},
            facts={"dates": ((_SEEN, _END),), "before": Before(None, _SEEN)},
        ),
    ),
    unclear=(Case("an expiry that is no date", properties={"expiresOn": "soon"}, facts={"dates": ((_SEEN, _END),)}),),
)
