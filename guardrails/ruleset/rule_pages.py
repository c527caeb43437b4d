"""What a rule says of itself: its docstring, or its text, taken apart. Pure."""

from collections.abc import Mapping
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.lazy_regex import lazy_regex
from guardrails.rules import all_rules
from guardrails.rules.base import Declared, Rule, paragraphs_of, title_of
from guardrails.ruleset.bypass_rules import BypassRule, bypass_rules

ADVICE: Final = "Instead"
"""The heading of what to do besides the remediation; pages show both together, as how to fix it."""
HEADINGS: Final[tuple[str, ...]] = ("What it does", "Why", "Example", ADVICE)
_HEADING: Final = lazy_regex(rf"({'|'.join(HEADINGS)}|References):\s*")


@dataclass(frozen=True, slots=True)
class Text:
    """What a rule says of itself: its docstring, or its text.

    Attributes:
        title: its first sentence.
        sections: heading -> paragraphs, each on one line, in the order of HEADINGS.
        references: addresses.
    """

    title: str
    sections: Mapping[str, tuple[str, ...]]
    references: tuple[str, ...]


def every_rule() -> Mapping[str, Rule | BypassRule]:
    """Return name -> rule, about exemptions and about bypasses, ordered by code."""
    every: dict[str, Rule | BypassRule] = {**all_rules(), **bypass_rules()}
    return dict(sorted(every.items(), key=lambda item: item[1].code))


def text_of(rule: Declared) -> Text:
    """Return what the rule says of itself."""
    _, *paragraphs = paragraphs_of(rule)
    sections: dict[str, list[str]] = {}
    references: list[str] = []
    heading = HEADINGS[0]
    for paragraph in paragraphs:
        found = _HEADING.match(paragraph)
        heading = found[1] if found else heading
        rest = paragraph[found.end() :] if found else paragraph
        if heading == "References":
            references += [line.removeprefix("- ").strip() for line in rest.splitlines() if line.strip()]
        elif rest:
            joined = " ".join(rest.split())
            sections.setdefault(heading, []).append(joined[:1].upper() + joined[1:])
    ordered = {name: tuple(sections[name]) for name in HEADINGS if name in sections}
    return Text(title_of(rule), ordered, tuple(references))
