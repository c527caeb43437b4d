"""Reports as JSON, CSV and markdown, piece by piece. Pure.

Strangers' text is made safe for where it goes. JSON holds it as it is, in ASCII. CSV and markdown hold it as a reader
would see it: control, bidirectional and invisible characters are gone.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from guardrails.channels.text import markdown, plain
from guardrails.report.bypasses import WORDS, beyond
from guardrails.report.coverage_forms import COVERAGE, SCHEMA, coverage_json, coverage_rows, ruleset_json
from guardrails.report.line import Line, evidence, expiry_text, name_text, rules_broken, spelled, to_json, written_text
from guardrails.report.model import Report

LONGEST: Final = 4000
"""Characters of one text."""

_NAMES: Final = 50
"""Lines in markdown of what is long in the coverage, such as the subscriptions that were read."""

COLUMNS: Final = (
    "kind", "verdict", "severity", "name", "place", "rules", "found", "remediation", "expiry_state", "days_left",
    "expires_on", "owner", "ticket", "category", "display_name", "detail", "who", "since", "excluded", "assignment",
    "id",
)  # fmt: skip

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the start of a formula (OWASP, "CSV Injection"); some take the full-width forms too."""


type Shape = Callable[[Any, str], Any]
"""Gives JSON the names of a version: takes it, and where it is in what is printed, "" for the whole."""


def _as_it_is(value: Any, _at: str) -> Any:
    return value


def as_json(report: Report, lines: Iterable[Line], shape: Shape = _as_it_is) -> Iterator[str]:
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


def as_coverage(report: Report, shape: Shape = _as_it_is) -> Iterator[str]:
    """Yield what goes with CSV, which has no room for it: the coverage as JSON."""
    yield json.dumps(shape({"$schema": COVERAGE, **coverage_json(report)}, ""), indent=2, default=str) + "\n"


def as_csv(report: Report, lines: Iterable[Line], columns: Sequence[str] = COLUMNS) -> Iterator[str]:
    """Yield CSV (RFC 4180) with a header. No cell that a stranger wrote is a formula: those get an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
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
        str(line.kind), line.verdict, severity, line.name, report.place(line), "; ".join(rules_broken(line)),
        "; ".join(f"{one.code}: {one.text}" for one in line.findings),
        "; ".join(dict.fromkeys(one.remediation for one in line.findings)), line.state, line.days_left,
        spelled(line.expires_on), line.owner, line.ticket, line.category, line.display_name, line.detail, line.who,
        spelled(line.since), line.excluded, line.assignment, line.id,
    ]  # fmt: skip


def as_markdown(report: Report, lines: Iterable[Line]) -> Iterator[str]:
    """Yield GitHub-flavoured markdown: the sums, then a table of all exemptions and bypasses with their findings."""
    yield "# Policy exemptions and bypasses\n\n"
    yield f"Judged as at {spelled(report.at)} by `{_code(report.ruleset)}` ({report.digest}).\n\n"
    yield f"{totals(report)}.\n"
    for title, said in (("What could not be seen", report.missing), ("Notes", report.notes)):
        if said:
            yield f"\n## {title}\n\n" + "".join(f"- {markdown(one, LONGEST)}\n" for one in said)
    yield f"\n## By kind\n\n{beyond(report.bypass_counts.values())}\n\n"
    yield _row("Kind", "Seen", "Violation", "Unknown", "Excluded") + _row(*["---"] * 5)
    for count in report.bypass_counts_to_show():
        sums = (count.violations, count.grades["unknown"], count.grades["excluded"])
        yield _row(WORDS[count.kind].plural, count.seen, *map(str, sums))
    if report.rules:
        yield "\n## By rule\n\n" + _row("Severity", "Rule", "Broken by", "Unknown for", "Fix") + _row(*["---"] * 5)
        for rule in report.rules_by_weight():
            name = f"{rule.code} {rule.name}"
            yield _row(
                str(rule.severity), name, str(rule.violations), str(rule.unknown), markdown(rule.remediation, LONGEST)
            )
    if report.states:
        yield "\n## By expiry\n\n" + _row("State", "Count") + _row("---", "---")
        yield "".join(_row(state, str(count)) for state, count in report.states_in_order())
    yield from _coverage(report)
    yield "\n## All of them\n\n"
    columns = ("Status", "Kind", "Name", "Place", "Found", "Expiry", "Owner", "Ticket", "Written by")
    yield _row(*columns) + _row(*["---"] * len(columns))
    for line in lines:
        strange = [markdown(text, 300) for text in (name_text(line), report.place(line), _found(line))]
        rest = [markdown(text, 300) for text in (line.owner, line.ticket, written_text(line))]
        yield _row(line.grade, WORDS[line.kind].name, *strange, expiry_text(line), *rest)


def _coverage(report: Report) -> Iterator[str]:
    yield "\n## Coverage\n\n" + _row("What", "Of this scan") + _row("---", "---")
    for label, lines in coverage_rows(report, _NAMES):
        for number, line in enumerate(lines):
            yield _row("" if number else label, markdown(line, LONGEST))


def totals(report: Report) -> str:
    """Return how many there are, by verdict: `200 exemptions and 12 bypasses: 90 violation`."""
    others = report.total - report.exemptions
    exemptions = f"{report.exemptions} exemption{'' if report.exemptions == 1 else 's'}"
    more = f" and {others} bypass{'' if others == 1 else 'es'}" if others else ""
    return f"{exemptions}{more}: " + ", ".join(f"{count} {name}" for name, count in report.verdicts().items())


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
