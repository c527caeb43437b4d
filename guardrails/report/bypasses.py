"""The words for exemptions and each kind of bypass, and how many of each a report has. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from guardrails.bypasses.model import BypassKind
from guardrails.dataclass import dataclass, field
from guardrails.exemption.severity import Severity


class Words(NamedTuple):
    """What a kind is called, and what it does, in one sentence."""

    name: str
    plural: str
    does: str


WORDS: Final = {
    BypassKind.EXEMPTION: Words("exemption", "Exemptions", "Each takes a scope out of an assignment."),
    BypassKind.TAG: Words("exception tag", "Exception tags", "A policy spares what carries these tags."),
    BypassKind.NOT_SCOPE: Words("excluded scope", "Excluded scopes", "An assignment leaves them out by its notScopes."),
    BypassKind.SELECTOR: Words(
        "resource selector", "Resource selectors", "An assignment applies only to what they choose."
    ),
    BypassKind.OVERRIDE: Words(
        "overridden effect", "Overridden effects", "An assignment gives a policy another effect."
    ),
    BypassKind.NOT_ENFORCED: Words("not enforced", "Not enforced", "An assignment evaluates, and stops nothing."),
    BypassKind.SELF_SERVE: Words("self-serve", "Self-serve", "An assignment lets people exempt what is theirs."),
    BypassKind.DISABLED: Words(
        "effect disabled", "Effects disabled", "A parameter of an assignment disables a policy."
    ),
    BypassKind.UNREAD: Words(
        "not readable", "Not readable", "An assignment that shows us too little: any bypass may be in it."
    ),
}
"""Azure's own names for them are in docs/bypasses.md. Not in it: what only a sweep finds, which remembers what was."""


@dataclass(slots=True)
class BypassCount:
    """How many there are of a kind, by grade (guardrails.report.line.GRADES).

    `whole`: whether all that there may be was read; where it was not, there may be more.
    """

    kind: BypassKind
    grades: Counter[str] = field(default_factory=Counter)
    whole: bool = True

    @property
    def total(self) -> int:
        """How many were seen."""
        return self.grades.total()

    @property
    def violations(self) -> int:
        """How many break a rule."""
        return sum(self.grades[str(severity)] for severity in Severity)

    @property
    def seen(self) -> str:
        """The total for people: `12`, `at least 12`, `not seen`. What could not be read is not none."""
        if self.whole:
            return f"{self.total:,}"
        return f"at least {self.total:,}" if self.total else "not seen"

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        rest = {name: self.grades[name] for name in ("unknown", "pass", "excluded")}
        return {"kind": str(self.kind), "seen": self.total, "whole": self.whole, "violation": self.violations, **rest}


def beyond(counts: Iterable[BypassCount]) -> str:
    """Return one sentence on the bypasses, for people."""
    others = [one for one in counts if one.kind is not BypassKind.EXEMPTION]
    total, whole = sum(one.total for one in others), all(one.whole for one in others)
    if total:
        broken = sum(one.violations for one in others)
        more = "" if whole else " Not all could be read, so there may be more."
        bypasses = "1 bypass" if total == 1 else f"{total:,} bypasses"
        return f"{bypasses}, {broken:,} with a violation.{more}"
    if whole:
        return "There is no bypass: assignments and tags were read."
    return "No bypass was seen, but not all could be read: there may be some."
