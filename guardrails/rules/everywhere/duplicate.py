"""An exemption must not repeat other exemptions.

What it does: compares all exemptions from one assignment, except expired ones. The rule finds two kinds of violation.
(1) An earlier exemption at the same scope switches off the same policies for the same resources and people. (2) The
exemption and earlier ones, at the same scope or above, together switch off the whole initiative. Exemptions that select
only some resources or people do not count in case 2. The rule reports the exemption that was written later; the
service's own writes do not count. The result of a sweep holds until the next one.

Why: a second exemption keeps a control off after the first ends. Several small ones can add up to a whole initiative
that nobody approved.

Example: a waiver ends next week, and somebody writes a second one for the same policy and storage account, for another
year.

Instead: to renew an exemption, update it instead of adding one.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure#resource-selectors
"""

from datetime import UTC, datetime

from guardrails.exemption.facts import Earlier, Facts, Gone, Overlap, Together, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.rules.base import PASS, Case, Change, NoOptions, Outcome, Rule, Unknown, Violation, never
from guardrails.rules.sample import EXEMPTIONS, RESOURCE
from guardrails.rules.words import clip, clips


def check(exemption: Exemption, facts: Facts, options: NoOptions) -> Outcome:  # noqa: ARG001
    """Violation where a sweep or a scan found what it repeats or completes; Unknown where they could not see."""
    overlap = facts.together.overlap
    if overlap is None or isinstance(facts.assignment, Gone):
        return PASS
    if isinstance(overlap, Unread):
        return Unknown(f"it is unknown whether it repeats another exemption: {overlap.reason}")
    text = "it exempts from the same policies as an earlier exemption"
    names = [other.id.rpartition("/")[2] for other in overlap.others[:3]]
    if overlap.whole:
        text = "together with earlier exemptions, it exempts the whole initiative"
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
    if other.place:
        return f"{other.id}, at {other.place}"
    written = spell_time(other.written) if other.written else "at an unknown time"
    return f"{other.id}, written {written}"


_OTHER = Earlier(f"{RESOURCE}{EXEMPTIONS}partner-upload", datetime(2026, 3, 2, 8, tzinfo=UTC))

RULE = Rule(
    code="EXG306",
    name="duplicate",
    severity=Severity.MEDIUM,
    soc2=("CC5.2", "CC6.1"),
    remediation="Delete one of the exemptions; keep, or extend, the one that was approved.",
    check=check,
    next_change=never,
    control="A policy sees one exemption at a time, not the others.",
    good=(Case("the last sweep found no overlap, or no sweep has looked yet"),),
    bad=(
        Case("an earlier exemption has the same effect", facts={
            "together": Together(Overlap((_OTHER,), 1, ("denypublicnetwork",), 1)),
        }),
        Case("together with an earlier one, it exempts the whole initiative", facts={
            "together": Together(Overlap((_OTHER,), 1, ("denypublicnetwork", "requiretls"), 2, whole=True)),
        }),
    ),
    unclear=(
        Case("the sweep could not see the policies of one exemption", facts={
            "together": Together(Unread("a resource selector is of a kind that is not documented: 'tags'")),
        }),
    ),
    swept=True,
    no_revert="people decide which of the exemptions to delete",
)  # fmt: skip
