"""An exemption must have a review date that has not passed.

What it does: reads the review date in the metadata (`reviewDate` and its aliases). A date before today is a violation,
and so is a missing date unless `required` is `false`.

Why: the reason can go away before the expiry. Somebody must check, and the date of the check must be recorded.

Example: a waiver for a year. Its `reviewDate` was six months ago, and nobody looked.

Instead: record the result in the ticket.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from datetime import datetime, timedelta
from functools import lru_cache

from guardrails.dataclass import dataclass
from guardrails.exemption.expiry import later
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import parse_time, spell_time
from guardrails.rules.base import METADATA, PASS, Case, Change, Outcome, Rule, Unknown, Violation, option
from guardrails.rules.control import ONLY_KEYS, Form, Given, lacks, why_unmatched
from guardrails.rules.sample import metadata
from guardrails.rules.words import clip


@dataclass(frozen=True, slots=True)
class Options:
    """Whether a review date must be there."""

    required: bool = option(True, "whether a missing review date is a violation", stricter="more")  # noqa: FBT003


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where the review date is missing or its day has passed; Unknown where it is no date."""
    text = exemption.said.get("review")
    if text is None:
        none = {"reviewDate": None}
        return Violation("it has no review date", none, _change(None, facts)) if options.required else PASS
    due = _time(text) if len(text) <= 40 else None
    if due is None:
        return Unknown(f"the review date '{clip(text)}' is not a date such as 2027-02-01")
    if due >= facts.now or due.date() >= facts.now.date():
        return PASS
    evidence = {"reviewDate": spell_time(due), "now": spell_time(facts.now)}
    return Violation("its review is overdue", evidence, _change(clip(text), facts))


def next_change(exemption: Exemption, facts: Facts, options: Options) -> datetime | None:  # noqa: ARG001
    """Return the midnight (UTC) at the end of the day of its review."""
    text = exemption.said.get("review")
    due = _time(text) if text is not None and len(text) <= 40 else None
    if due is None:
        return None
    turn = later(due.replace(hour=0, minute=0, second=0, microsecond=0), timedelta(days=1))
    return turn if turn > facts.now else None


def _change(current: str | None, facts: Facts) -> Change:
    allowed = f"the day of the next review, {facts.now:%Y-%m-%d} (UTC) or later"
    return Change(f"{METADATA}review", current, allowed, "<YYYY-MM-DD>")


@lru_cache(maxsize=1024)
def _time(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None


def control(options: Options, given: Given) -> Form | str:
    """Refuse metadata without any key for a review, where one is required."""
    if not options.required:
        return "The ruleset sets `required` to `false`: only a past date is a violation. A policy cannot read the date."
    none = lacks("review", given.names)
    return Form(none, leaves=("A review date that has passed.", ONLY_KEYS)) if none else why_unmatched("review")


RULE = Rule(
    code="EXG105",
    name="review-due",
    severity=Severity.LOW,
    soc2=("CC3.2", "CC4.1"),
    remediation="Review it, and set reviewDate in its metadata to the day of the next review.",
    check=check,
    next_change=next_change,
    control=control,
    options=Options,
    good=(
        Case("a review date in the future"),
        Case("due today", properties=metadata(reviewDate=None, review_date="2026-11-21")),
        Case(
            "no review date; none is required",
            properties=metadata(reviewDate=None),
            options={"required": False},
        ),
    ),
    bad=(
        Case("no review date", properties=metadata(reviewDate=None)),
        Case("a review that was due in June", properties=metadata(reviewDate="2026-06-01")),
    ),
    unclear=(Case("the review date is not a date", properties=metadata(reviewDate="after go-live")),),
)  # fmt: skip
