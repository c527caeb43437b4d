"""An exemption must add something to those that are there.

What it does: compares the exemptions of one assignment that have not ended, at a sweep or in a scan. One is a violation
where another at the same scope, written before it, switches off the same policies for the same resources and people;
category, end and names do not matter. It is also one where its writing completed the whole initiative: with others at
its scope or above it that leave out no resources, where none of them covers it alone. The one that was written later is
the violation; a write of ours does not count. An exemption that no sweep has seen yet passes; what the last sweep found
stays until the next.

Why: a second exemption keeps a control off when the first ends, is deleted or is reverted, and whoever reviews one does
not see the other. Several small ones that add up to the whole initiative are a whole initiative that nobody approved.

Example: a waiver ends next week, and a second one for the same policy of the same storage account was written, with
another ticket and another year.

Instead: delete one of them and keep, or extend, the one that was approved. To renew an exemption, update it.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#resource-selectors
"""

from datetime import UTC, datetime

from guardrails.exemption.facts import Earlier, Facts, Gone, Overlap, Together, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation
from guardrails.rules.sample import EXEMPTIONS, RESOURCE
from guardrails.rules.words import clip, clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a sweep or a scan found what it repeats or completes; Unknown where they could not see."""
    overlap = facts.together.overlap
    if overlap is None or isinstance(facts.assignment, Gone):
        return PASS
    if isinstance(overlap, Unread):
        return Unknown(f"whether it repeats another exemption is unknown: {overlap.reason}")
    text = "it switches off what an exemption before it does"
    names = [other.id.rpartition("/")[2] for other in overlap.others[:3]]
    if overlap.whole:
        text = "with exemptions that were written before it, it exempts the whole initiative"
    return Violation(
        text,
        {
            "before": [_spelled(other) for other in overlap.others],
            "exemptions": overlap.count,
            "policyDefinitionReferenceIds": clips(overlap.controls),
            "policies": overlap.policies or None,
        },
        Change("id", clip(exemption.id.text), f"one of them: this one, or {' and '.join(clips(names))}"),
    )


def _spelled(other: Earlier) -> str:
    written = spell_time(other.written) if other.written else "at a time that is not known"
    return f"{other.id}, written {written}"


_OTHER = Earlier(f"{RESOURCE}{EXEMPTIONS}partner-upload", datetime(2026, 3, 2, 8, tzinfo=UTC))

RULE = Rule(
    code="EXG306",
    name="duplicate",
    severity=Severity.MEDIUM,
    soc2=("CC5.2", "CC6.1"),
    remediation="Delete one of them; keep, or extend, the one that was approved.",
    check=check,
    control="A policy sees one exemption at a time, not the others.",
    good=(Case("the last sweep found no other like it, or none has looked yet"),),
    bad=(
        Case("one before it says the same", facts={
            "together": Together(Overlap((_OTHER,), 1, ("denypublicnetwork",), 1)),
        }),
        Case("with one before it, it exempts the whole initiative", facts={
            "together": Together(Overlap((_OTHER,), 1, ("denypublicnetwork", "requiretls"), 2, whole=True)),
        }),
    ),
    unclear=(
        Case("the sweep could not see what one of them switches off", facts={
            "together": Together(Unread("a resource selector is of a kind that is not documented: 'tags'")),
        }),
    ),
    swept=True,
    no_revert="which of the two is to go, people decide",
)  # fmt: skip
