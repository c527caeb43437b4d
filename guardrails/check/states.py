"""What each finding of the later of two answers was in the earlier one. Pure.

Where something is does not count: a line that moves, a file with another name, or exemptions in another order bring
nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from guardrails.check.answer import Answer, Judged, Placed
from guardrails.check.duplicates import RULE as DUPLICATE
from guardrails.check.pairs import assignment_of
from guardrails.decisions.assess import Finding, Verdict

_OTHERS: Final = "before"
"""What the evidence of the rule `duplicate` calls the exemptions that were there before."""


class State(StrEnum):
    """What a finding was before the change; the words are those of SARIF's baselineState."""

    NEW = "new"
    UPDATED = "updated"
    """The same rule was broken, with other evidence."""
    UNCHANGED = "unchanged"


def states_of(one: Judged | None, other: Judged) -> Iterator[tuple[Placed, State]]:
    """Yield the findings of an exemption that it had before, each with its state; the others are new."""
    earlier = [*(one.findings if one else ())]
    for placed in other.findings:
        finding = placed.finding
        same = [each for each in earlier if each.finding.rule == finding.rule]
        exact = [each for each in same if each.at == placed.at] or same
        if not exact:
            continue
        was = exact[0]
        earlier.remove(was)
        if was.finding.status is not finding.status:
            state = State.NEW if finding.status is Verdict.VIOLATION else State.UPDATED
        elif (was.finding.text, _evidence(was.finding)) == (finding.text, _evidence(finding)):
            state = State.UNCHANGED
        else:
            state = State.UPDATED
        yield placed, state


def repeated(before: Answer, after: Answer, changed: Sequence[Judged]) -> Iterator[Placed]:
    """Yield the findings that exemptions repeat, or may repeat, one another as they did before.

    Which one of them has the finding depends on their order. `changed`: the exemptions that the change touches.
    """
    ids = {str(one.id).lower() for one in changed}
    assignments = {assignment_of(one) for one in changed}
    known = {pair for one, placed in before.findings for pair in _pairs(one, placed)}
    doubts = {doubt for one, placed in before.findings if (doubt := _doubt(one, placed))}
    for one, placed in after.findings:
        pairs, doubt = {*_pairs(one, placed)}, _doubt(one, placed)
        is_known = pairs and pairs <= known and not any(pair.intersection(ids) for pair in pairs)
        if is_known or (doubt in doubts and not assignments.intersection((doubt[0], ""))):
            yield placed


def _evidence(finding: Finding) -> Mapping[str, Any]:
    return {**finding.evidence, _OTHERS: [*_others(finding)]} if finding.rule == DUPLICATE else finding.evidence


def _others(finding: Finding) -> Iterable[str]:
    """Return the ids of the exemptions that one repeats, without their places."""
    listed = finding.evidence.get(_OTHERS)
    return [str(text).partition(", at ")[0].lower() for text in listed] if isinstance(listed, list | tuple) else ()


def _pairs(one: Judged, placed: Placed) -> Iterator[frozenset[str]]:
    if placed.finding.rule == DUPLICATE and placed.finding.status is Verdict.VIOLATION and isinstance(one.id, str):
        for other in _others(placed.finding):
            yield frozenset((one.id.lower(), other))


def _doubt(one: Judged, placed: Placed) -> tuple[str, ...]:
    """Return an assignment, and why it is unknown whether its exemptions repeat one another; nothing elsewhere."""
    finding, assignment = placed.finding, assignment_of(one)
    is_one = finding.rule == DUPLICATE and finding.status is Verdict.UNKNOWN and assignment
    return (assignment, finding.text) if is_one else ()
