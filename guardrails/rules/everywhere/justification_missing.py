"""An exemption must have a justification.

What it does: reads the description, and `justification` (or an alias) in the metadata. At least one must have
`min_length` characters, say more than the display name, and contain more than empty words such as "test", "n/a" or
"temporary exemption". Texts may be in any script. A Chinese, Japanese or Korean character counts as two.

Why: without the reason for which the approver accepted the risk, nobody knows later whether it still holds.

Example: `description: temp`, or a description that repeats the display name.

Instead: one or two sentences are enough.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from functools import lru_cache

from guardrails.dataclass import dataclass
from guardrails.exemption.counts import number_of
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.rules.base import PASS, Case, Change, Outcome, Rule, Violation, never, option
from guardrails.rules.control import ONLY_KEYS, Form, Given, blank, every, lacks, why_unmatched
from guardrails.rules.sample import metadata
from guardrails.rules.words import EMPTY_WORDS, clip, says_nothing, width_of, words_of


@dataclass(frozen=True, slots=True)
class Options:
    """What is enough."""

    min_length: int = option(
        15, "minimum length of the description or the justification, in characters", minimum=1, stricter="more"
    )


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:  # noqa: ARG001
    """Violation where neither the description nor the metadata gives a reason."""
    lacks = _lacks(exemption.description, exemption.display_name, options.min_length)
    if lacks is None:
        return PASS
    stated = exemption.said.get("justification", "")
    if stated:
        lacks = _lacks(stated, exemption.display_name, options.min_length)
        if lacks is None:
            return PASS
    return _violation(lacks, clip(exemption.description), clip(stated), options.min_length)


@lru_cache(maxsize=256)
def _violation(lacks: str, description: str, stated: str, least: int) -> Violation:
    said = description or None
    allowed = f"what cannot comply, why, and what will end it: at least {number_of(least, 'character')}"
    return Violation(
        f"its justification {lacks}",
        {"description": said, "justification": stated or None},
        Change("properties.description", said, allowed, "<what cannot comply, why, and what will end it>"),
    )


def _lacks(text: str, title: str, least: int) -> str | None:
    """Return what `text` lacks to be a reason, the end of a sentence; None where it lacks nothing."""
    if says_nothing(text):
        return "says nothing" if text.strip() else "is missing"
    if len(text.strip()) < least and width_of(text) < least:
        return f"is shorter than {number_of(least, 'character')}"
    if text[:8].casefold() == title[:8].casefold() and EMPTY_WORDS.union(words_of(title)).issuperset(words_of(text)):
        return "only repeats the display name"
    return None


def control(options: Options, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse where there is neither a description nor any key for a justification."""
    none = lacks("justification", given.names)
    if none is None:
        return why_unmatched("justification")
    text = (
        "A description that is too short, says nothing or repeats the display name. The policy only sees whether the"
        " exemption has a description, or a metadata key for the justification."
    )
    leaves = (text, ONLY_KEYS)
    return Form(every((blank("description"), none)), leaves=leaves)


RULE = Rule(
    code="EXG204",
    name="justification-missing",
    severity=Severity.MEDIUM,
    soc2=("CC3.2", "CC9.1"),
    remediation="Say in the description what cannot comply, why, and what will end the exemption.",
    check=check,
    next_change=never,
    control=control,
    options=Options,
    good=(
        Case("a reason in the description"),
        Case("a reason in the metadata", properties={"description": None, **metadata(
            businessJustification="The vendor's appliance has no TLS 1.2 before its release in spring.",
        )}),
        Case("a reason in Japanese", properties={"description": "移行が三月に終わるまで必要です"}),
    ),
    bad=(
        Case("no justification", properties={"description": None}),
        Case("an empty word", properties={"description": "Temp exemption, TBD."}),
        Case("random keys", properties={"description": "asdfasdfasdfasdfasdf"}),
        Case("too short", properties={"description": "for Bob's VM"}),
        Case("the display name again", properties={"description": "Partner ingestion over the public endpoint."}),
    ),
)  # fmt: skip
