"""What `check` found, as GitHub-flavoured Markdown: for a comment at a pull request, or a job's summary. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from guardrails.channels.text import markdown
from guardrails.check.answer import Answer, Judged, Placed, Problem
from guardrails.cli.check_text import context, fix_text, place_text, summary
from guardrails.decisions.assess import Verdict
from guardrails.report.texts import fitting, markdown_row

LONGEST: Final = 60_000
"""Characters at most: a comment at GitHub has 65,536."""
_SENTENCE: Final = 600
_PLACE: Final = 300


def as_markdown(answer: Answer) -> Iterator[str]:
    """Yield the text: the sums, what could not be read, then a table of findings. What is left out is counted."""
    head = "# Policy exemptions in code\n\n" + "".join(f"{markdown(text, _SENTENCE)}\n" for text in summary(answer))
    yield head
    room = LONGEST - len(head)
    kept = problems_list([*answer.problems], room // 3)
    yield from kept
    yield from findings_table(answer, room - sum(map(len, kept)))
    if answer.skipped:
        yield f"\nNot judged, because they need history or an author: {', '.join(answer.skipped)}.\n"


def problems_list(problems: Sequence[Problem], room: int, title: str = "Not read, or refused") -> list[str]:
    """Return what could not be read, or is refused, in so many characters; nothing where there is nothing."""
    rows = [f"- {_place(place_text_of(one))}: {markdown(one.message, _SENTENCE)}\n" for one in problems]
    kept = fitting(rows, room, lambda listed: f"{len(rows) - listed:,}")
    return [f"\n## {title}\n\n", *kept] if rows else []


def findings_table(answer: Answer, room: int) -> Iterator[str]:
    """Yield the findings in so many characters; nothing where there are none."""
    found = sorted(answer.findings, key=_weight)
    if found:
        columns = ("Place", "Rule", "Severity", "Exemption", "Finding", "Fix")
        title = "\n## Findings\n\n" + markdown_row(*columns) + markdown_row(*["---"] * len(columns))
        yield title
        rows = [_row(*each) for each in found]
        yield from fitting(rows, room - len(title), lambda listed: f"{len(rows) - listed:,} findings")


def place_text_of(problem: Problem) -> str:
    """Return the place of a problem."""
    path, line, _, _ = problem
    return f"{path}:{line}" if line else path


def _row(one: Judged, placed: Placed) -> str:
    finding = placed.finding
    unknown = finding.status is Verdict.UNKNOWN
    more = "".join(f"; {text}" for text in context(one))
    said = f"{'unknown: ' if unknown else ''}{finding.text}{more}"
    fix = "" if unknown else fix_text(placed)
    return markdown_row(
        _place(place_text(placed.place, column=False)), f"{finding.code} {finding.rule}", str(finding.severity),
        markdown(one.label, _PLACE), markdown(said, _SENTENCE), markdown(fix, _SENTENCE),
    )  # fmt: skip


def _place(text: str) -> str:
    return markdown(text, _PLACE)


def _weight(each: tuple[Judged, Placed]) -> tuple[bool, int]:
    finding = each[1].finding
    return finding.status is Verdict.UNKNOWN, finding.severity.rank
