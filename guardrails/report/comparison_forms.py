"""A comparison as JSON, as Markdown, and as rows. Pure. Strangers' texts in rows and in JSON are unescaped."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from guardrails.channels.text import markdown
from guardrails.decisions.assess import Verdict
from guardrails.report.bypasses import WORDS
from guardrails.report.comparison import Change, Changed, Comparison, Judged
from guardrails.report.coverage_forms import SCHEMA, coverage_json, ruleset_json
from guardrails.report.line import spelled
from guardrails.report.texts import LONGEST_MARKDOWN, Shape, as_it_is, fitting, markdown_row, some

COMPARISON: Final = f"{SCHEMA}#/$defs/comparison"
"""What the JSON form names as its schema."""

COLUMNS: Final = ("change", "before", "now", "kind", "rules", "what")


class Row(NamedTuple):
    """A change for people, by COLUMNS: `before` and `now` are grades, "" where it is not listed."""

    change: str
    before: str
    now: str
    kind: str
    rules: list[str]
    what: str


def comparison_rows(made: Comparison) -> list[Row]:
    """Return the changes, the worst first."""
    return [_row(made, one) for one in made.changes]


def _row(made: Comparison, one: Changed) -> Row:
    grades = [judged.grade if judged else "" for judged in (one.before, one.now)]
    what = f"{one.shown.name} at {made.report.place_of(one.shown.scope)}"
    return Row(str(one.change), grades[0], grades[1], WORDS[one.shown.kind].name, one.rules, what)


def comparison_totals(made: Comparison) -> str:
    """Return how many there are of each change: `2 worsened, 0 new, 0 not-seen, 1 fixed, 0 removed, 90 same`."""
    return ", ".join(f"{count:,} {name}" for name, count in _counts(made).items())


def _counts(made: Comparison) -> dict[str, int]:
    return {**{str(change): len(made.of(change)) for change in Change}, "same": made.same}


def comparison_json(made: Comparison, shape: Shape = as_it_is) -> Iterator[str]:
    """Yield the documented JSON form."""
    report, earlier = made.report, made.earlier
    document = {
        "$schema": COMPARISON,
        "generated_at": spelled(report.made_at or report.at),
        "judged_at": spelled(report.at),
        "ruleset": ruleset_json(report),
        "coverage": coverage_json(report),
        "earlier": {
            "judged_at": earlier.judged_at,
            "ruleset": {"source": earlier.ruleset, "digest": earlier.digest},
            "not_seen": list(earlier.not_seen),
        },
        "counts": {name.replace("-", "_"): count for name, count in _counts(made).items()},
        "notes": made.notes,
        "changes": [
            {
                "change": str(one.change),
                "kind": str(one.shown.kind),
                "id": one.shown.id,
                "subject": one.shown.subject,
                "before": _judged(one.before),
                "now": _judged(one.now),
                "rules": one.rules,
            }
            for one in made.changes
        ],
    }
    yield json.dumps(shape(document, ""), indent=2, default=str) + "\n"


def _judged(one: Judged | None) -> dict[str, Any] | None:
    if one is None:
        return None
    severity = one.grade if one.verdict == Verdict.VIOLATION else None
    return {"verdict": one.verdict, "severity": severity, "rules": sorted(one.broken)}


def comparison_markdown(made: Comparison) -> Iterator[str]:
    """Yield GitHub-flavoured markdown: the counts, what limits the comparison, then a table of all changes.

    It stays below LONGEST_MARKDOWN characters, and says what it leaves out.
    """
    head = "".join(_head(made))
    yield head
    rows = comparison_rows(made)
    room = LONGEST_MARKDOWN - len(head)
    yield from fitting(map(_markdown, rows), room, lambda listed: _left_out(rows[listed:]))


def _head(made: Comparison) -> Iterator[str]:
    then, now = markdown(made.earlier.judged_at, 40), spelled(made.report.at)
    yield f"# Policy exemptions and bypasses: what changed\n\nJudged as at {then}, and as at {now}.\n\n"
    yield f"{comparison_totals(made)}.\n"
    if made.notes:
        yield "\n## Notes\n\n"
        yield from some([f"- {markdown(note, 1_000)}\n" for note in made.notes])
    yield "\n## Changes\n\n"
    yield markdown_row(*(name.capitalize() for name in COLUMNS)) + markdown_row(*["---"] * len(COLUMNS))


def _markdown(row: Row) -> str:
    texts = ("; ".join(one) if isinstance(one, list) else one for one in row)
    return markdown_row(*(markdown(text, 600) for text in texts))


def _left_out(rows: Iterable[Row]) -> str:
    counts = Counter(row.change for row in rows)
    return f"{counts.total():,} ({', '.join(f'{count:,} {name}' for name, count in counts.items())})"
