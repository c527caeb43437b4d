"""Reports as JSON, CSV and markdown, piece by piece. Pure.

Strangers' text is made safe for where it goes. JSON holds it as it is, in ASCII. CSV and markdown hold it as a reader
would see it: control, bidirectional and invisible characters are gone.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from guardrails.channels.text import markdown, plain
from guardrails.exemption.counts import number_of
from guardrails.report.bypasses import WORDS, beyond
from guardrails.report.coverage_forms import COVERAGE, SCHEMA, coverage_json, coverage_rows, ruleset_json
from guardrails.report.line import (
    GRADES,
    Line,
    evidence,
    expiry_text,
    name_text,
    rules_broken,
    spelled,
    to_json,
    written_text,
)
from guardrails.report.model import Report, RuleCount

LONGEST: Final = 4000
"""Characters of one text."""

LONGEST_MARKDOWN: Final = 65_000
"""Characters of a report in markdown: less than an issue or a comment on GitHub may have (65,536)."""

_PART: Final = 9_000
"""Characters of each list but the main one. There are five."""

_REST: Final = 300
"""Characters kept free for the sentence on what is left out."""

_SENTENCE: Final = 1_000
"""Characters of one sentence in markdown, before escapes."""

_NAMES: Final = 50
"""Lines in markdown of what is long in the coverage, such as the subscriptions that were read."""

COLUMNS: Final = (
    "kind", "verdict", "severity", "name", "place", "rules", "found", "remediation", "expiry_state", "days_left",
    "expires_on", "owner", "ticket", "category", "display_name", "detail", "who", "since", "excluded", "assignment",
    "id", "criteria_weakened",
)  # fmt: skip

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the start of a formula (OWASP, "CSV Injection"); some take the full-width forms too."""


type Shape = Callable[[Any, str], Any]
"""Gives JSON the names of a version: takes it, and where it is in what is printed, "" for the whole."""


def as_it_is(value: Any, _at: str) -> Any:
    """Return JSON with the names of today: the Shape that changes nothing."""
    return value


def as_json(report: Report, lines: Iterable[Line], shape: Shape = as_it_is) -> Iterator[str]:
    """Yield the documented JSON form: one object, its exemptions and bypasses a line each."""
    head = json.dumps(shape({"$schema": SCHEMA, **summary(report)}, ""), indent=2, default=str)
    yield head.removesuffix("\n}")
    listed = list(lines)
    yield from _json_list("exemptions", (line for line in listed if not line.bypass), shape)
    yield from _json_list("bypasses", (line for line in listed if line.bypass), shape)
    yield "\n}\n"


def _json_list(name: str, lines: Iterable[Line], shape: Shape) -> Iterator[str]:
    yield f',\n  "{name}": ['
    comma = ""
    for line in lines:
        yield f"{comma}\n    {json.dumps(shape(to_json(line), name), default=str)}"
        comma = ","
    yield ("\n  " if comma else "") + "]"


def summary(report: Report) -> dict[str, Any]:
    """Return the sums of a report, JSON-ready."""
    return {
        "generated_at": spelled(report.made_at or report.at),
        "judged_at": spelled(report.at),
        "ruleset": ruleset_json(report),
        "coverage": coverage_json(report),
        "counts": {
            "exemptions": report.exemptions,
            "bypasses": report.total - report.exemptions,
            "left_out": report.left_out,
            **report.verdicts(),
        },
        "bypasses_by_kind": [count.to_json() for count in report.bypass_counts.values()],
        "severities": {name: report.grades[name] for name in ("high", "medium", "low", "info")},
        "expiry": dict(report.states_in_order()),
        "rules": [
            {
                "code": rule.code,
                "rule": rule.name,
                "severity": str(rule.severity),
                "violations": rule.violations,
                "unknown": rule.unknown,
                "remediation": rule.remediation,
            }
            for rule in report.rules_by_weight()
        ],
        "missing": list(report.missing),
        "notes": list(report.notes),
    }


def as_coverage(report: Report, shape: Shape = as_it_is) -> Iterator[str]:
    """Yield what goes with CSV, which has no room for it: the coverage as JSON."""
    yield json.dumps(shape({"$schema": COVERAGE, **coverage_json(report)}, ""), indent=2, default=str) + "\n"


def as_csv(report: Report, lines: Iterable[Line], columns: Sequence[str] = COLUMNS) -> Iterator[str]:
    """Yield CSV (RFC 4180) with a header: `columns`, which are the first of COLUMNS, by whatever names.

    No cell that a stranger wrote is a formula: those get an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for line in lines:
        writer.writerow([cell(value) for value in _values(report, line)[: len(columns)]])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def cell(value: object) -> str:
    """Return a value for a CSV cell that no spreadsheet runs; numbers stay numbers."""
    if isinstance(value, int):
        return str(value)
    text = plain("" if value is None else value, LONGEST)
    raw = str(value or "").lstrip(" ")
    return "'" + text if text.startswith(_FORMULA) or raw.startswith(_FORMULA) else text


def _values(report: Report, line: Line) -> list[object]:
    severity = line.grade if line.verdict == "violation" else ""
    return [
        str(line.kind), line.verdict, severity, line.name, report.place(line), "; ".join(rules_broken(line)),
        "; ".join(f"{one.code}: {one.text}" for one in line.findings),
        "; ".join(dict.fromkeys(one.remediation for one in line.findings)), line.state, line.days_left,
        spelled(line.expires_on), line.owner, line.ticket, line.category, line.display_name, line.detail, line.who,
        spelled(line.since), line.excluded, line.assignment, line.id, line.weakened.whole,
    ]  # fmt: skip


def as_markdown(report: Report, lines: Sequence[Line]) -> Iterator[str]:
    """Yield GitHub-flavoured markdown: the sums, then a table of all exemptions and bypasses with their findings.

    It stays below LONGEST_MARKDOWN characters. Each list says how much of it is left out.
    """
    head = "".join(_sums(report))
    yield head
    columns = ("Status", "Kind", "Name", "Place", "Found", "Expiry", "Owner", "Ticket", "Written by")
    table = "\n## All of them\n\n" + markdown_row(*columns) + markdown_row(*["---"] * len(columns))
    yield table
    rows = (_listed(report, line) for line in lines)
    room = LONGEST_MARKDOWN - len(head) - len(table)
    yield from fitting(rows, room, lambda listed: _grades(line.grade for line in lines[listed:]))


def fitting(rows: Iterable[str], room: int, left_out: Callable[[int], str]) -> Iterator[str]:
    """Yield the rows that fit, then how much is left out, in less than `room` characters together.

    `left_out`: takes how many rows are listed, and returns what the others are; rows are short against `room`.
    """
    kept = room - _REST
    for number, row in enumerate(rows):
        kept -= len(row)
        if kept < 0:
            yield f"\nLeft out of this list: {left_out(number)}. JSON has all.\n"
            return
        yield row


def _grades(grades: Iterable[str]) -> str:
    """Return how many there are, and how many of each grade, the worst first: `12 (2 medium, 10 pass)`."""
    counts = Counter(grades)
    each = ", ".join(f"{counts[grade]:,} {grade}" for grade in GRADES if counts[grade])
    return f"{counts.total():,} ({each})"


def _listed(report: Report, line: Line) -> str:
    strange = [markdown(text, 300) for text in (name_text(line), report.place(line), _found(line))]
    rest = [markdown(text, 300) for text in (line.owner, line.ticket, written_text(line))]
    return markdown_row(line.grade, WORDS[line.kind].name, *strange, expiry_text(line), *rest)


def _sums(report: Report) -> Iterator[str]:
    """Yield all that precedes the list."""
    yield "# Policy exemptions and bypasses\n\n"
    yield f"Judged as at {spelled(report.at)} by `{_code(report.ruleset)}` ({report.digest}).\n\n"
    yield f"{totals(report)}.\n"
    for title, said in (("What could not be seen", report.missing), ("Notes", report.notes)):
        if said:
            yield f"\n## {title}\n\n"
            yield from some([f"- {markdown(one, _SENTENCE)}\n" for one in said])
    yield f"\n## By kind\n\n{beyond(report.bypass_counts.values())}\n\n"
    yield markdown_row("Kind", "Seen", "Violation", "Unknown", "Excluded") + markdown_row(*["---"] * 5)
    for count in report.bypass_counts_to_show():
        sums = (count.violations, count.grades["unknown"], count.grades["excluded"])
        yield markdown_row(WORDS[count.kind].plural, count.seen, *map(str, sums))
    if report.rules:
        yield "\n## By rule\n\n" + markdown_row("Severity", "Rule", "Broken by", "Unknown for", "Fix")
        yield markdown_row(*["---"] * 5)
        yield from some([_rule(rule) for rule in report.rules_by_weight()])
    if report.states:
        yield "\n## By expiry\n\n" + markdown_row("State", "Count") + markdown_row("---", "---")
        yield from some([markdown_row(state, str(count)) for state, count in report.states_in_order()])
    yield "\n## Coverage\n\n" + markdown_row("What", "Of this scan") + markdown_row("---", "---")
    rows = coverage_rows(report, _NAMES)
    yield from some(
        [
            markdown_row("" if number else label, markdown(line, _SENTENCE))
            for label, lines in rows
            for number, line in enumerate(lines)
        ]
    )


def _rule(rule: RuleCount) -> str:
    name, fix = f"{rule.code} {rule.name}", markdown(rule.remediation, _SENTENCE)
    return markdown_row(str(rule.severity), name, str(rule.violations), str(rule.unknown), fix)


def some(rows: Sequence[str]) -> Iterator[str]:
    """Yield the rows of a list that is not the main one, as far as there is room for it, and how many are left out."""
    return fitting(rows, _PART, lambda listed: f"{len(rows) - listed:,}")


def totals(report: Report) -> str:
    """Return how many there are, by verdict: `200 exemptions and 12 bypasses: 90 violation`."""
    others = report.total - report.exemptions
    exemptions = number_of(report.exemptions, "exemption")
    more = f" and {number_of(others, 'bypass', 'bypasses')}" if others else ""
    return f"{exemptions}{more}: " + ", ".join(f"{count:,} {name}" for name, count in report.verdicts().items())


def _found(line: Line) -> str:
    if line.excluded:
        return f"excluded by the ruleset ({line.excluded})"
    return "; ".join(
        f"{name}: {one.text}" + "".join(f", {key} {value}" for key, value in evidence(one))
        for name, one in zip(rules_broken(line), line.findings, strict=True)
    )


def markdown_row(*cells: str) -> str:
    """Return a row of a table. Cells are safe for markdown already."""
    return f"| {' | '.join(cells)} |\n"


def _code(text: str) -> str:
    """Return a text for a code span, in which backslashes escape nothing."""
    return plain(text, LONGEST).replace("`", "'").replace("|", "/")
