"""A report as one HTML file: nothing is loaded from elsewhere, and it can be read without its script. Pure.

Everything is escaped by the template engine, and every text goes through `plain` first: control, bidirectional and
invisible characters are gone. The content security policy in the page lets run only the style and the script in it,
named by their hashes, so that markup that slipped through would still do nothing. The first rows are markup; the script
shows the others from one block of JSON (guardrails.report.page_rows), as text and never as markup.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from guardrails.bypasses.model import BypassKind
from guardrails.channels.text import plain
from guardrails.dataclass import dataclass
from guardrails.exemption.counts import number_of
from guardrails.exemption.expiry import State
from guardrails.report.bypasses import WORDS, BypassCount, beyond
from guardrails.report.coverage_forms import coverage_rows
from guardrails.report.groups import groupings
from guardrails.report.line import GRADES, Line, spelled
from guardrails.report.model import Report
from guardrails.report.page_rows import Links, Row, bare, block, row_of, state_text
from guardrails.report.texts import LONGEST
from guardrails.report.timeline import timeline
from guardrails.ruleset.rule_pages import every_rule, text_of

ROWS: Final = 50_000
"""Lines that the page holds, the worst first: some 10 MB."""

FIRST: Final = 50
"""Rows that are markup, for browsers without scripts and for the first moment; the script shows as many at once."""

URGENT: Final = 4
"""Lines that are named at the top of those that have expired, and of those that never end."""

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
class Urgent:
    """The top of the page: the first rows of an expiry state, exemptions first, and how many more."""

    state: str
    title: str
    sum: str
    rows: Sequence[Row]
    more: int


@dataclass(frozen=True, slots=True)
class BypassBar:
    """A kind of bypass: its count, its grades as text, and as pieces of a bar: (grade, left edge, width), of 100."""

    count: BypassCount
    name: str
    does: str
    text: str
    parts: tuple[tuple[str, float, float], ...]


def as_html(report: Report, lines: Sequence[Line]) -> Iterator[str]:
    """Yield the page, piece by piece. The numbers are the whole report's; `lines` are listed, ROWS of them at most."""
    style, script = (_inline(name) for name in ("page.css", "page.js"))
    rules, links = report.rules_by_weight(), Links(report.portal, report.coverage.tenant)
    rows = [row_of(report, line, links) for line in lines[:ROWS]]
    groups, kept = groupings(report), {id(line) for line in lines[:ROWS]}
    listed = [number for number, line in enumerate(report.lines) if id(line) in kept]
    places = {one.name: [one.places[number] for number in listed] for one in groups}
    unlisted = _unlisted(report, lines)
    stream = _template().stream(
        report=report,
        tenant=tenant(report),
        at=spelled(report.at),
        at_shown=f"{report.at:%d %b %Y, %H:%M} UTC",
        cards=cards(report),
        urgent=urgent(report, links),
        found=[grade for grade in GRADES if report.grades[grade]],
        bypasses=_bars(report.bypass_counts_to_show()),
        beyond=beyond(report.bypass_counts.values()),
        rules=rules,
        pages={name: text_of(rule) for name, rule in every_rule().items() if rule.code in report.rules},
        linked=frozenset(report.rules),
        states=[(state, state_text(state)) for state, _ in report.states_in_order()],
        coverage=coverage_rows(report, NAMES),
        few=FEW,
        first=FIRST,
        picture=timeline(report.lines, report.at),
        groups=groups,
        rows=rows,
        listed=len(rows),
        unlisted=unlisted,
        data=Markup(block(rows, groups, places, links, unlisted=unlisted, linked=report.rules)),  # noqa: S704 - JSON without markup
        docs=report.docs.rstrip("/"),
        share=_share(max((rule.violations + rule.unknown for rule in rules), default=1)),
        number=lambda value: f"{value:,}",
        number_of=number_of,
        bare=bare,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    stream.enable_buffering(200)
    yield from stream


def tenant(report: Report) -> str:
    """Return what the tenant is called: by its display name, else by its id."""
    return report.coverage.tenant_name or report.coverage.tenant or "an unknown tenant"


def cards(report: Report) -> list[Card]:
    """Return the headline numbers."""
    share = f"{100 * report.violations / report.total:.0f} %" if report.total else ""
    within = [count for state, count in report.states.items() if state.startswith("expiring")]
    days = max((int(state.rpartition("-")[2]) for state in report.states if state.startswith("expiring-")), default=0)
    unknown = report.grades["unknown"]
    expired, never = report.states[State.EXPIRED], report.states[State.NO_EXPIRY]
    return [
        Card("Exemptions", report.exemptions),
        Card("Bypasses", report.total - report.exemptions),
        Card("Violations", report.violations, share, "high" if report.violations else "pass"),
        Card("High severity", report.grades["high"], "", "high" if report.grades["high"] else ""),
        Card("Unknown", unknown, "", "unknown" if unknown else ""),
        Card("Expired", expired, "", "medium" if expired else ""),
        Card(f"End in {number_of(days, 'day')}" if days else "End soon", sum(within), "", "medium" if within else ""),
        Card("Never end", never, "", "high" if never else ""),
    ]


def urgent(report: Report, links: Links) -> list[Urgent]:
    """Return what has expired and what never ends: exemptions first, the worst first."""
    found = []
    for state, title in ((State.EXPIRED, "Expired"), (State.NO_EXPIRY, "Never ending")):
        lines = [line for line in report.lines if line.state == state]
        lines.sort(key=lambda line: line.kind is not BypassKind.EXEMPTION)
        exemptions = sum(not line.bypass for line in lines)
        parts = [number_of(exemptions, "exemption"), number_of(len(lines) - exemptions, "bypass", "bypasses")]
        rows = [row_of(report, line, links) for line in lines[:URGENT]]
        found.append(Urgent(str(state), title, ", ".join(parts), rows, len(lines) - len(rows)))
    return found


def _unlisted(report: Report, lines: Sequence[Line]) -> str:
    """Return why some lines are not listed, without a full stop; "" where all are."""
    others, cut = report.total - len(lines), max(len(lines) - ROWS, 0)
    found = [f"{cut:,} more are in the CSV"] if cut else []
    if others:
        only = ", ".join(report.coverage.only)
        found.append(f"{others:,} more are not listed" + (f", because of --only {only}" if only else ""))
    return "; ".join(found)


def _bars(counts: Iterable[BypassCount]) -> list[BypassBar]:
    """Return the kinds in their order, each with the shares of its grades."""
    bars = []
    for one in counts:
        share = _share(one.total or 1)
        parts, left = [], 0.0
        for grade in GRADES:
            if one.grades[grade]:
                parts.append((grade, round(left, 1), share(one.grades[grade])))
                left += share(one.grades[grade])
        text = ", ".join(f"{one.grades[grade]:,} {grade}" for grade in GRADES if one.grades[grade]) or "none"
        bars.append(BypassBar(one, WORDS[one.kind].plural, WORDS[one.kind].does, text, tuple(parts)))
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
    """Make every text safe to read; what is marked as markup is our own style, script and block of JSON."""
    return plain(value, LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _inline(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _hash(text: str) -> Markup:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup("sha256-{}").format(digest)
