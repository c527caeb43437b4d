"""Reports as JSON, CSV and markdown, piece by piece. Pure.

Strangers' text is made safe for where it goes. JSON holds it as it is, in ASCII. CSV and markdown hold it as a reader
would see it: control, bidirectional and invisible characters are gone.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from guardrails.notify.text import markdown, plain
from guardrails.report.model import (
    Line,
    Report,
    evidence,
    expiry_text,
    rules_broken,
    spelled,
    to_json,
)

LONGEST: Final = 4000
"""Characters of one text."""

COLUMNS: Final = (
    "verdict", "severity", "name", "place", "rules", "found", "mend", "expiry_state", "days_left", "expires_on",
    "owner", "ticket", "category", "display_name", "excluded", "assignment", "id",
)  # fmt: skip

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the start of a formula (OWASP, "CSV Injection"); some take the full-width forms too."""


def as_json(report: Report, lines: Iterable[Line]) -> Iterator[str]:
    """Yield the documented JSON form: one object, its exemptions a line each."""
    head = json.dumps(summary(report), indent=2, default=str)
    yield head.removesuffix("\n}") + ',\n  "exemptions": ['
    comma = ""
    for line in lines:
        yield f"{comma}\n    {json.dumps(to_json(line), default=str)}"
        comma = ","
    yield ("\n  " if comma else "") + "]\n}\n"


def summary(report: Report) -> dict[str, Any]:
    """Return the sums of a report, JSON-ready."""
    return {
        "generated_at": spelled(report.made_at or report.at),
        "judged_at": spelled(report.at),
        "ruleset": {"source": report.ruleset, "digest": report.digest, "mode": report.mode},
        "counts": {"exemptions": report.total, "left_out": report.left_out, **report.verdicts()},
        "severities": {name: report.grades[name] for name in ("high", "medium", "low", "info")},
        "expiry": dict(report.states_in_order()),
        "rules": [
            {
                "code": rule.code,
                "rule": rule.name,
                "severity": str(rule.severity),
                "violations": rule.violations,
                "unknown": rule.unknown,
                "mend": rule.mend,
            }
            for rule in report.rules_by_weight()
        ],
        "missing": list(report.missing),
        "notes": list(report.notes),
    }


def as_csv(report: Report, lines: Iterable[Line]) -> Iterator[str]:
    """Yield CSV (RFC 4180) with a header. No cell that a stranger wrote is a formula: those get an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([cell(value) for value in _values(report, line)])
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
        line.verdict, severity, line.id.rpartition("/")[2], report.place(line), "; ".join(rules_broken(line)),
        "; ".join(f"{one.code}: {one.text}" for one in line.findings),
        "; ".join(dict.fromkeys(one.mend for one in line.findings)), line.state, line.days_left,
        spelled(line.expires_on), line.owner, line.ticket, line.category, line.display_name, line.excluded,
        line.assignment, line.id,
    ]  # fmt: skip


def as_markdown(report: Report, lines: Iterable[Line]) -> Iterator[str]:
    """Yield GitHub-flavoured markdown: the sums, then a table of exemptions, then what was found on each."""
    counts = report.verdicts()
    yield "# Policy exemptions\n\n"
    yield f"Judged as at {spelled(report.at)} by `{_code(report.ruleset)}` ({report.digest}).\n\n"
    yield f"{report.total} exemptions: " + ", ".join(f"{count} {name}" for name, count in counts.items()) + ".\n"
    if report.missing:
        yield "\n## What could not be seen\n\n" + "".join(f"- {markdown(one, LONGEST)}\n" for one in report.missing)
    if report.rules:
        yield "\n## By rule\n\n" + _row("Severity", "Rule", "Exemptions", "Unknown", "Mend") + _row(*["---"] * 5)
        for rule in report.rules_by_weight():
            name = f"{rule.code} {rule.name}"
            yield _row(str(rule.severity), name, str(rule.violations), str(rule.unknown), markdown(rule.mend, LONGEST))
    if report.states:
        yield "\n## By expiry\n\n" + _row("State", "Exemptions") + _row("---", "---")
        yield "".join(_row(state, str(count)) for state, count in report.states_in_order())
    yield "\n## Exemptions\n\n"
    yield _row("Stands", "Exemption", "Place", "Found", "Expiry", "Owner", "Ticket") + _row(*["---"] * 7)
    for line in lines:
        name, where = line.id.rpartition("/")[2], report.place(line)
        strange = [markdown(text, 300) for text in (name, where, _found(line))]
        rest = [markdown(text, 300) for text in (line.owner, line.ticket)]
        yield _row(line.grade, *strange, expiry_text(line), *rest)


def _found(line: Line) -> str:
    if line.excluded:
        return f"excluded by the ruleset ({line.excluded})"
    return "; ".join(
        f"{name}: {one.text}" + "".join(f", {key} {value}" for key, value in evidence(one))
        for name, one in zip(rules_broken(line), line.findings, strict=True)
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _code(text: str) -> str:
    """Return a text for a code span, in which backslashes escape nothing."""
    return plain(text, LONGEST).replace("`", "'").replace("|", "/")
