"""Truncation of a message to what its channel takes: detail is left out in one fixed order until it fits. Pure.

The order, least needed first: evidence, remediation, findings beyond the ten worst, reasons, the findings' texts, long
names, and at last all but what happened to which exemption. Every channel uses it, each with its own full `Detail`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.errors import Permanent


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a notice is shown. `findings` and `why` count items, the others are characters per text; 0 is none.

    Attributes:
        evidence: the values that show a finding.
        remediation: what to do about a finding.
        findings: how many findings.
        why: how many reasons for the decision.
        text: a finding's sentence.
        name: a stranger's short text: names, owner, ticket, actor.
        words: a sentence of ours: title, done, next, one reason.
        id: the exemption's resource id.
    """

    evidence: int
    remediation: int
    findings: int
    why: int
    text: int
    name: int
    words: int
    id: int


STEPS: Final[tuple[tuple[str, Mapping[str, int]], ...]] = (
    ("evidence", {"evidence": 0}),
    ("remediation", {"remediation": 0}),
    ("findings", {"findings": 10}),
    ("why", {"why": 0}),
    ("text", {"text": 0}),
    ("names", {"name": 60}),
    ("all", {"findings": 0, "name": 40, "words": 200, "id": 400}),
)
"""What is left out, in order, and how much of it remains."""

_RANKS: Final = {"high": 0, "medium": 1, "low": 2, "info": 3}


def fit(render: Callable[[Detail, tuple[str, ...]], bytes], full: Detail, limit: int) -> bytes:
    """Return the first rendering of at most `limit` bytes; `render` gets the detail and the names of the steps taken.

    Raises Permanent (notice-too-large) when even the last one is larger.
    """
    detail = full
    taken: tuple[str, ...] = ()
    found = render(detail, taken)
    for name, change in STEPS:
        if len(found) <= limit:
            return found
        detail = replace(detail, **{key: min(value, getattr(detail, key)) for key, value in change.items()})
        taken = (*taken, name)
        found = render(detail, taken)
    if len(found) <= limit:
        return found
    raise Permanent(
        f"the notice has {len(found)} bytes where {limit} are allowed, with all detail left out",
        code="notice-too-large",
        remedy="Report this: every text of a notice is cut to a bound, and one is missing.",
    )


def worst_first(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the findings by severity, otherwise in their order, so that the mildest are left out first."""
    return sorted(findings, key=lambda finding: _RANKS.get(str(finding.get("severity")), len(_RANKS)))
