"""An exemption must not lose its expiry.

What it does: reads the dates in the register. It is a violation if an exemption had an expiry and now has none. If the
last compliant version had an expiry, this rule passes, because `expiry-extended` reports the loss.

Why: `expiry-extended` does not report the loss if no version of the exemption was compliant, or if the last compliant
version had no expiry. Without this rule, nobody would notice that such an exemption no longer ends.

Example: a waiver without a ticket, made in the portal, ends in March. In February, somebody saves it with a blank date.

Instead: run `exg history ID` to read it.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#expiration
"""

from datetime import UTC, datetime

from guardrails.exemption.facts import Before, Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, NoOptions, Outcome, Rule, Unknown, Violation, ends_by, never


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
            "it had an expiry and has none now",
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
    remediation="Put back the expiry that its history shows.",
    check=check,
    next_change=never,
    control="The rule compares with the earlier state, which only the register knows.",
    good=(
        Case("the register has no dates"),
        Case("it still ends", facts={"dates": ((_SEEN, _END),)}),
        Case("it had no expiry for a while, and has one again", facts={"dates": ((_SEEN, _END), (_GONE, None))}),
    ),
    bad=(
        Case("the last write removed it", properties={"expiresOn": None}, facts={"dates": ((_SEEN, _END),)}),
        Case(
            "an earlier write removed it", properties={"expiresOn": ""}, facts={"dates": ((_SEEN, _END), (_GONE, None))}
        ),
        Case(
            "a compliant state had no expiry, because the rules did not require one",
            properties={"expiresOn": None},
            facts={"dates": ((_SEEN, _END),), "before": Before(None, _SEEN)},
        ),
    ),
    unclear=(Case("the expiry is not a date", properties={"expiresOn": "soon"}, facts={"dates": ((_SEEN, _END),)}),),
)
