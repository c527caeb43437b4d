"""The rows of the page: their texts, made safe to read, and all of them as one block of JSON for its script. Pure.

The block has each text once, and one list of numbers for each column, one number a row: 20,000 rows are some 4 MB that
a browser reads in a fraction of a second. It is ASCII, and no character in it can end the block or begin markup.
"""

import json
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from guardrails.channels.portal import assignment_link, scope_link
from guardrails.channels.text import plain
from guardrails.dataclass import dataclass
from guardrails.decisions.assess import Finding, Verdict
from guardrails.exemption.expiry import State
from guardrails.report.bypasses import WORDS
from guardrails.report.groups import Grouping
from guardrails.report.line import GRADES, UNREADABLE, Line, evidence, expiry_text
from guardrails.report.model import Report
from guardrails.report.texts import LONGEST

_EXEMPTIONS: Final = "/providers/microsoft.authorization/policyexemptions/"
_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Found(NamedTuple):
    """A finding. `grade`: its severity, or unknown; `evidence`: names and values."""

    code: str
    rule: str
    grade: str
    text: str
    remediation: str
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line as the page shows it: texts, "" for none, without anything that is not to be seen.

    Attributes:
        weakened: the criteria that it weakens, in one line.
        before: what precedes `name` in the id of an exemption; of a bypass, the whole id of its scope.
        shown: the display name, where that is not the name.
        page, assignment_page: addresses in the portal.
        state: the expiry state as in the filter; `when` the same for people, `left` the time to it, `ends` the day.
    """

    grade: str
    kind: str
    before: str
    name: str
    shown: str
    detail: str
    place: str
    excluded: str
    found: tuple[Found, ...]
    state: str
    days: int | None
    left: str
    ends: str
    owner: str
    ticket: str
    approved: str
    written: str
    weakened: str
    assignment: str
    page: str
    assignment_page: str

    @property
    def id(self) -> str:
        """The whole resource id."""
        return self.before if self.kind != "exemption" else self.before + self.name

    @property
    def kind_name(self) -> str:
        """What kind it is, for people."""
        return _KINDS[self.kind]

    @property
    def about(self) -> str:
        """When, where and whose, in one line."""
        return ", ".join(filter(None, (self.left, self.place, self.owner or "no owner")))

    @property
    def when(self) -> str:
        """The expiry state, for people."""
        return state_text(self.state)


@dataclass(frozen=True, slots=True)
class Links:
    """Where addresses lead. `portal`: its origin; `tenant`: the id of the tenant to show, "" for the reader's own."""

    portal: str
    tenant: str = ""


def row_of(report: Report, line: Line, links: Links) -> Row:
    """Return the row of a line."""
    name = _plain(line.name)
    before = _plain(line.id if line.bypass else line.id.removesuffix(line.name))
    scope = before if line.bypass else _scope_before(before)
    assignment = _plain(line.assignment)
    return Row(
        line.grade,
        str(line.kind),
        before,
        name,
        "" if line.display_name == line.name else _plain(line.display_name),
        _plain(line.detail),
        _plain(report.place(line)),
        _plain(line.excluded),
        tuple(_found(report, one) for one in line.findings),
        line.state,
        line.days_left,
        expiry_text(line).partition(", ")[2],
        day(line.expires_on),
        _plain(report.person(line.owner)),
        _plain(line.ticket),
        _plain(f"approved by {report.person(line.approver)}") if line.approver else "",
        _plain(_written(report, line)),
        _plain(line.weakened.whole),
        assignment,
        scope_link(scope, links.portal, links.tenant) or "",
        assignment_link(assignment, links.portal) or "",
    )


def _scope_before(before: str) -> str:
    """Return the scope in what precedes an exemption's name in its id."""
    return before[: -len(_EXEMPTIONS)] if before.lower().endswith(_EXEMPTIONS) else before


def day(time: datetime | None) -> str:
    """Return a day for people, with its zone; "" for none."""
    return f"{time:%d %b %Y} UTC" if time else ""


def state_text(state: str) -> str:
    """Return an expiry state for people."""
    kind, _, days = state.rpartition("-")
    if kind == State.EXPIRING:
        return f"ends within {days} day{'' if days == '1' else 's'}"
    return {State.NO_EXPIRY: "never ends", State.ACTIVE: "ends later", UNREADABLE: "unreadable date"}.get(state, state)


def bare(text: str) -> str:
    """Return a text of a rule without the backticks of its markdown."""
    return text.replace("`", "")


def _found(report: Report, finding: Finding) -> Found:
    grade = str(finding.severity) if finding.status is Verdict.VIOLATION else "unknown"
    shown = tuple((_plain(key), _plain(report.person(value))) for key, value in evidence(finding))
    return Found(finding.code, finding.rule, grade, _plain(finding.text), _plain(bare(finding.remediation)), shown)


def _written(report: Report, line: Line) -> str:
    at, by = day(line.since), f"by {report.person(line.who)}" if line.who else ""
    return " ".join(filter(None, ("written", at, by))) if at or by else ""


@lru_cache(maxsize=16_384)
def _plain(text: str) -> str:
    return plain(text, LONGEST)


class _Numbers[T]:
    """Gives each value a number, the first 0, in the order in which they come."""

    def __init__(self, *values: T) -> None:
        self.values = list(values)
        self._places = {value: number for number, value in enumerate(values)}

    def of(self, value: T) -> int:
        place = self._places.get(value)
        if place is None:
            place = self._places[value] = len(self.values)
            self.values.append(value)
        return place


def block(
    rows: Sequence[Row],
    groups: Sequence[Grouping],
    places: Mapping[str, Sequence[int]],
    links: Links,
    *,
    unlisted: str,
    linked: Container[str],
) -> str:
    """Return all rows and all groups as JSON, safe within a script element.

    Args:
        rows: the rows that are listed.
        groups: all groups, whose counts cover lines that are not listed, too.
        places: by name of a grouping, where each row's group is in it.
        links: where addresses lead.
        unlisted: why some lines are not listed, a phrase; "" where all are.
        linked: codes of the rules that the page explains.
    """
    texts = _Numbers[str]("")
    rules = _Numbers[tuple[str, str, str]]()
    found = _Numbers[tuple[Found, ...]](())
    kinds, states = _Numbers[str](), _Numbers[str]()
    columns: dict[str, list[Any]] = {name: [] for name in _TEXTS}
    columns |= {name: [] for name in ("grade", "kind", "state", "found", "days")}
    for row in rows:
        for name in _TEXTS:
            columns[name].append(texts.of(getattr(row, name)))
        columns["grade"].append(GRADES.index(row.grade))
        columns["kind"].append(kinds.of(row.kind))
        columns["state"].append(states.of(row.state))
        columns["found"].append(found.of(row.found))
        columns["days"].append(row.days)
    data = {
        "links": {"portal": links.portal.rstrip("/"), "tenant": links.tenant},
        "grades": GRADES,
        "kinds": [(kind, _KINDS[kind]) for kind in kinds.values],
        "states": [(state, state_text(state)) for state in states.values],
        "found": [[_packed(one, rules, texts) for one in some] for some in found.values],
        "rules": [(*rule, rule[0] in linked) for rule in rules.values],
        "unlisted": unlisted,
        "columns": columns,
        "places": places,
        "groups": {one.name: [(texts.of(_plain(g.label)), *g.counts) for g in one.groups] for one in groups},
        "texts": texts.values,
    }
    return json.dumps(data, separators=(",", ":")).translate(_ESCAPES)


_TEXTS: Final = (
    "before", "name", "shown", "detail", "place", "excluded", "left", "ends", "owner", "ticket", "approved",
    "written", "weakened", "assignment",
)  # fmt: skip
_KINDS: Final = {str(kind): words.name for kind, words in WORDS.items()}


def _packed(one: Found, rules: _Numbers[tuple[str, str, str]], texts: _Numbers[str]) -> list[int]:
    pairs = [texts.of(text) for pair in one.evidence for text in pair]
    return [rules.of((one.code, one.rule, one.remediation)), GRADES.index(one.grade), texts.of(one.text), *pairs]
