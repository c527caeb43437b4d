"""A report as one HTML file: nothing is loaded from elsewhere, and it can be read without its script. Pure.

Everything is escaped by the template engine, and every text goes through `plain` first: control, bidirectional and
invisible characters are gone. The content security policy in the page lets run only the style and the script in it,
named by their hashes, so that markup that slipped through would still do nothing.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from guardrails.channels.text import plain
from guardrails.report.bypasses import WORDS, BypassCount, beyond
from guardrails.report.coverage_forms import coverage_rows
from guardrails.report.line import GRADES, Line, evidence, expiry_text, spelled
from guardrails.report.model import Report
from guardrails.report.texts import LONGEST
from guardrails.report.timeline import timeline

ROWS: Final = 5000
"""Lines that the page lists, the worst first: browsers stay quick, and the file stays below some 15 MB."""

NAMES: Final = 500
"""Lines of what is long in the coverage, such as the subscriptions that were read; all but FEW unfold on a click."""

FEW: Final = 11

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Card:
    """A headline number. `tone` is a grade that colours it, or ""."""

    label: str
    value: int
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line with what only the page needs."""

    line: Line
    rank: int
    codes: str
    kind: str
    shown: str
    place: str
    left: str
    ends: str
    since: str


@dataclass(frozen=True, slots=True)
class BypassBar:
    """A kind: its count, and its grades: the pieces of a bar as (grade, left edge, width), of 100."""

    count: BypassCount
    name: str
    does: str
    parts: tuple[tuple[str, float, float], ...]


def as_html(report: Report, lines: Sequence[Line]) -> Iterator[str]:
    """Yield the page, piece by piece. The numbers are the whole report's; `lines` are listed, ROWS of them at most."""
    style, script = (_inline(name) for name in ("page.css", "page.js"))
    rules = report.rules_by_weight()
    stream = _template().stream(
        report=report,
        at=spelled(report.at),
        at_shown=f"{report.at:%d %b %Y, %H:%M} UTC",
        cards=cards(report),
        found=[grade for grade in GRADES if report.grades[grade]],
        bypasses=_bars(report.bypass_counts_to_show()),
        beyond=beyond(report.bypass_counts.values()),
        rules=rules,
        states=report.states_in_order(),
        coverage=coverage_rows(report, NAMES),
        few=FEW,
        picture=timeline(report.lines, report.at),
        rows=(_row(report, line) for line in lines[:ROWS]),
        listed=min(len(lines), ROWS),
        unlisted=report.total - min(len(lines), ROWS),
        most=ROWS,
        share=_share(max((rule.violations + rule.unknown for rule in rules), default=1)),
        evidence=evidence,
        number=lambda value: f"{value:,}",
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    stream.enable_buffering(200)
    yield from stream


def cards(report: Report) -> list[Card]:
    """Return the headline numbers."""
    share = f"{100 * report.violations / report.total:.0f} %" if report.total else ""
    within = [count for state, count in report.states.items() if state.startswith("expiring")]
    days = max((int(state.rpartition("-")[2]) for state in report.states if state.startswith("expiring-")), default=0)
    unknown = report.grades["unknown"]
    return [
        Card("Exemptions", report.exemptions),
        Card("Bypasses", report.total - report.exemptions),
        Card("Break a rule", report.violations, share, "high" if report.violations else "pass"),
        Card("High severity", report.grades["high"], "", "high" if report.grades["high"] else ""),
        Card("Unknown", unknown, "", "unknown" if unknown else ""),
        Card("Expired", report.states["expired"], "", "medium" if report.states["expired"] else ""),
        Card(f"End in {days} days" if days else "End soon", sum(within), "", "medium" if within else ""),
        Card("Never end", report.states["no-expiry"], "", "high" if report.states["no-expiry"] else ""),
    ]


def _row(report: Report, line: Line) -> Row:
    codes = " ".join(finding.code for finding in line.findings)
    left = expiry_text(line).partition(", ")[2]
    place = report.place(line)
    shown = "" if line.display_name == line.name else line.display_name
    rank, kind = GRADES.index(line.grade), WORDS[line.kind].name
    return Row(line, rank, codes, kind, shown, place, left, _day(line.expires_on), _day(line.since))


def _day(time: datetime | None) -> str:
    return f"{time:%d %b %Y}" if time else ""


def _bars(counts: Sequence[BypassCount]) -> list[BypassBar]:
    """Return the kinds in their order, each with the shares of its grades."""
    bars = []
    for one in counts:
        share = _share(one.total or 1)
        parts, left = [], 0.0
        for grade in GRADES:
            if one.grades[grade]:
                parts.append((grade, round(left, 1), share(one.grades[grade])))
                left += share(one.grades[grade])
        bars.append(BypassBar(one, WORDS[one.kind].plural, WORDS[one.kind].does, tuple(parts)))
    return bars


def _share(whole: int) -> Callable[[int], float]:
    """Return how long a bar is, of 100."""
    return lambda count: round(100 * count / whole, 1)


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True
    )
    return environment.get_template("page.html")


def _shown(value: object) -> object:
    """Make every text safe to read; what is marked as markup is our own style and script."""
    return plain(value, LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _inline(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _hash(text: str) -> Markup:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup("sha256-{}").format(digest)
