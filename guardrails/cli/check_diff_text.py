"""What a change of code does to exemptions, as text and as GitHub-flavoured Markdown, for a reviewer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from guardrails.channels.text import markdown
from guardrails.check.answer import Judged
from guardrails.check.diff import Change as One
from guardrails.check.effects import ASSIGNMENT, CATEGORY, END, METADATA, REFERENCES, Detail, Effect, is_known, shown
from guardrails.cli.check_diff import Change, sums
from guardrails.cli.check_markdown import LONGEST, findings_table, problems_list
from guardrails.cli.check_text import Lines, context, inert, lacks_assignment, place_text, show_exemption, show_problem
from guardrails.cli.screen import Screen
from guardrails.evaluation.values import Unknown, Value
from guardrails.exemption.names import Names
from guardrails.report.texts import fitting, markdown_row

_STYLES: Final[Mapping[Effect, str]] = {
    Effect.ADDED: "high", Effect.RETARGETED: "high", Effect.EXTENDED: "high", Effect.WIDENED: "high",
    Effect.MOVED: "medium", Effect.UNKNOWN: "unknown", Effect.CHANGED: "low",
}  # fmt: skip
_SENTENCE: Final = 600
_LABEL: Final = 300
_ROOM: Final = 30_000
"""Characters of the table of changes: the rest is for the findings."""


def show_change(change: Change, names: Names, lines: Lines, screen: Screen, *, strict: bool) -> None:
    """Print what a change does, then what it brings: files that cannot be read, and findings.

    Args:
        names: which metadata name the owner and the ticket.
        strict: as guardrails.cli.check_text.show has it.
    """
    diff, answer = change.diff, change.brought
    for text in sums(change):
        screen.line(inert(text))
    for text in diff.runs:
        screen.line(inert(text), style="high")
    screen.line()
    for one in diff.changes:
        _change(one, names, screen)
    for problem in diff.unread:
        show_problem(problem, f"not read in {change.title}", None, screen)
    for problem in answer.problems:
        was_there = ", as before" if problem in diff.as_before else ""
        show_problem(problem, f"error{was_there}", lines, screen)
    for one_judged in answer.exemptions:
        listed = one_judged.findings if strict else [each for each in one_judged.findings if not lacks_assignment(each)]
        if listed:
            show_exemption(one_judged, listed, (), lines, screen)
    lacking = sum(map(lacks_assignment, (placed for _, placed in answer.findings)))
    if lacking and not strict:
        screen.line(f"{lacking:,} of these unknown because the assignment is not known: give it with --azure")


def _change(one: One, names: Names, screen: Screen) -> None:
    head, *rest = change_lines(one, names)
    screen.line(inert(head), style=_STYLES.get(one.effects[0], ""))
    for text in rest:
        screen.line(inert(text), indent=2)
    screen.line()


def change_lines(one: One, names: Names) -> Iterator[str]:
    """Yield what becomes of an exemption: what it is, where it is, and each difference."""
    yield f"{', '.join(map(str, one.effects))}: {one.label}"
    where = one.after or one.before
    if where is not None:
        gone = "" if one.after is not None else ", before"
        yield "; ".join((f"at {place_text(where.place, column=False)}{gone}", *context(where)))
    for detail in one.details:
        yield detail_text(detail)
        if detail.effect is Effect.ADDED and one.after is not None:
            yield profile(one.after, names)
        elif detail.effect is Effect.REMOVED and one.before is not None:
            yield f"before: {profile(one.before, names)}"


def detail_text(detail: Detail) -> str:
    """Return a difference, with the files through which it comes."""
    through = ", ".join(place_text(place, column=False) for place in detail.through)
    return f"{detail.text} [through {through}]" if through else detail.text


def profile(one: Judged, names: Names) -> str:
    """Return what an exemption is, in one sentence."""
    properties = one.at_now[1] if one.at_now else one.properties
    if not isinstance(properties, Mapping):
        return "what it says is not known"
    said = {str(key).lower(): value for key, value in properties.items()}
    metadata = said.get(METADATA)
    roles = names.read({key: value for key, value in metadata.items() if is_known(value)}) if isinstance(
        metadata, Mapping
    ) else {}  # fmt: skip
    unsure = isinstance(metadata, Unknown) or (isinstance(metadata, Mapping) and not is_known(metadata))
    assignment = said.get(ASSIGNMENT.lower())
    references = said.get(REFERENCES.lower())
    parts = [
        _word(assignment, f"exempts from {_last(assignment)}", "exempts from an assignment that is not known"),
        _word(references, f"policies: {shown(references, REFERENCES)}", "policies not known"),
        _word(said.get(CATEGORY.lower()), shown(said.get(CATEGORY.lower())), "category not known"),
        _word(said.get(END.lower()), _ends(said.get(END.lower())), "end not known"),
        *(f"{role}: {roles.get(role) or ('not known' if unsure else 'none')}" for role in ("owner", "ticket")),
    ]
    return "; ".join(parts)


def _word(value: Value, known: str, unknown: str) -> str:
    return known if is_known(value) else unknown


def _ends(value: Value) -> str:
    return f"ends {shown(value, END)}" if value else "never ends"


def _last(value: Value) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) and value else "nothing"


def change_markdown(change: Change, names: Names, skipped: Sequence[str]) -> Iterator[str]:
    """Yield the text of a comment at a pull request. What is left out is counted."""
    diff, answer = change.diff, change.brought
    head = "# What this change does to policy exemptions\n\n"
    head += "".join(f"{markdown(text[:1].upper() + text[1:], _SENTENCE)}.\n" for text in (*sums(change), *diff.runs))
    yield head
    room = LONGEST - len(head)
    if diff.changes:
        columns = ("Change", "Exemption", "What", "Where")
        title = "\n## Changes\n\n" + markdown_row(*columns) + markdown_row(*["---"] * len(columns))
        rows = [_row(one, names) for one in diff.changes]
        kept = [title, *fitting(rows, min(_ROOM, room // 2), lambda listed: f"{len(rows) - listed:,} exemptions")]
        room -= sum(map(len, kept))
        yield from kept
    if diff.unread:
        kept = problems_list(diff.unread, room // 4, f"Not read in {markdown(change.title, _LABEL)}")
        room -= sum(map(len, kept))
        yield from kept
    yield from problems_list([*answer.problems], room // 3)
    yield from findings_table(answer, room - room // 3)
    if skipped:
        yield f"\nNot judged, because they need history or an author: {', '.join(skipped)}.\n"


def _row(one: One, names: Names) -> str:
    texts = []
    for detail in one.details:
        texts.append(detail_text(detail))
        if detail.effect is Effect.ADDED and one.after is not None:
            texts.append(profile(one.after, names))
    where = one.after or one.before
    place = "; ".join((place_text(where.place, column=False), *context(where))) if where else ""
    return markdown_row(
        ", ".join(map(str, one.effects)), markdown(one.label, _LABEL),
        "<br>".join(markdown(text, _SENTENCE) for text in texts), markdown(place, _LABEL),
    )  # fmt: skip
