"""`register bypasses`: the exemptions and bypasses of this tenant's policies, the worst first.

What is shown of a bypass is what the last sweep saw and found.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.bypasses.model import BypassKind
from guardrails.bypasses.row import Kept
from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.register_list import FIRST
from guardrails.cli.register_rows import ORDER, Filters, Found, Reading
from guardrails.cli.register_text import csv_line, writing
from guardrails.cli.screen import Cell, Screen
from guardrails.criteria.model import NOT_KEPT, Weakened, line_of
from guardrails.dataclass import dataclass
from guardrails.decisions.row import Status
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.wiring import Service

COLUMNS: Final = (
    "kind", "verdict", "severity", "findings", "scope", "subject", "name", "detail", "first_seen", "who", "since",
    "ends", "review", "ticket", "owner", "gone", "id", "problem", "criteria_weakened",
)  # fmt: skip
_SEVERITIES: Final = frozenset(map(str, Severity))
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One exemption or bypass. Texts in it are strangers' and unescaped; times are UTC.

    Attributes:
        grade: one of ORDER.
        subject: the assignment's id; for a tag the exception id.
        findings: codes, with a `?` where it is unknown.
        gone: since when it is not there any more; None while it is.
        id: an exemption's id; "" for bypasses.
        weakened: the criteria that it weakens, as of the last sweep or look.
    """

    kind: BypassKind
    grade: str
    findings: tuple[str, ...]
    scope: str
    subject: str
    name: str
    detail: str
    first_seen: datetime
    who: str
    since: datetime | None
    ends: datetime | None
    review: str
    ticket: str
    owner: str
    gone: datetime | None
    id: str = ""
    weakened: Weakened = NOT_KEPT

    @property
    def severity(self) -> str:
        """The severity of its worst violation; "" where it has none."""
        return self.grade if self.grade in _SEVERITIES else ""

    @property
    def order(self) -> tuple[int, datetime, str, str, str]:
        """The key to sort by: the worst first; then its end, those without one last; then kind and place."""
        return ORDER.index(self.grade), self.ends or _LATEST, self.scope.lower(), self.kind, self.subject.lower()

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        times = ("first_seen", "since", "ends", "gone")
        texts = ("scope", "subject", "name", "detail", "who", "review", "ticket", "owner")
        return {
            "kind": str(self.kind),
            "verdict": "violation" if self.severity else self.grade,
            "severity": self.severity or None,
            "findings": list(self.findings),
            **{name: getattr(self, name) for name in texts},
            **{name: _spelled(getattr(self, name)) for name in times},
            "id": self.id or None,
            "criteria_weakened": self.weakened.to_json(),
        }


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument(
        "--kind", action="append", default=[], choices=[str(kind) for kind in BypassKind], metavar="KIND",
        help=f"one of {', '.join(BypassKind)}; may be repeated",
    )  # fmt: skip
    parser.add_argument("--gone", action="store_true", help="also show bypasses that are gone")
    parser.add_argument("--all", action="store_true", help=f"in a terminal, show all rows, not only the first {FIRST}")
    add_format(parser, ("table", "json", "csv"))


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Show them; 1 where a row cannot be trusted."""
    wanted = frozenset(map(BypassKind, args.kind or BypassKind))
    with screen.progress("rows") as progress:

        async def work(service: Service) -> tuple[list[Entry], Reading]:
            found, reading = [], Reading(_every(service.world.clock.now()), screen)
            if BypassKind.EXEMPTION in wanted:
                found = [_exemption(one) async for one in reading.rows(service, progress)]
            if wanted - {BypassKind.EXEMPTION}:
                rows = service.register.bypasses.rows(reading.untrusted.append)
                found += [_other(one) async for one in rows if one.bypass.kind in wanted and not one.never_open]
            return [one for one in found if args.gone or one.gone is None], reading

        found, reading = with_service(work)
    found.sort(key=lambda one: one.order)
    _show(found, reading, screen, form=args.format, everything=args.all or not screen.terminal)
    return reading.sum_up()


def _show(found: Sequence[Entry], reading: Reading, screen: Screen, *, form: str, everything: bool) -> None:
    items = (*reading.altered(), *(one.to_json() for one in found))
    if form == "json":
        screen.json(list(items))
    elif form == "csv":
        with writing(None) as write:
            write(csv_line(screen.form.columns(COLUMNS)))
            for item in items:
                write(csv_line([item.get(name) for name in screen.form.kept(COLUMNS)]))
    else:
        _table(found, reading.altered(), screen, everything=everything)
        counts = ", ".join(f"{count} {kind}" for kind, count in Counter(str(one.kind) for one in found).most_common())
        what = "exemption or bypass" if len(found) == 1 else "exemptions and bypasses"
        screen.note(f"{len(found):,} {what}{': ' if counts else ''}{counts}")
        reading.note_unrecorded(sum(not one.id and not one.gone and one.weakened == NOT_KEPT for one in found))


def _every(now: datetime) -> Filters:
    return Filters(
        states=frozenset(), statuses=frozenset(), rules=frozenset(), scopes=(), owners=(), days_left=None,
        adopted=False, held=False, on_hold=False, now=now,
    )  # fmt: skip


def _exemption(found: Found) -> Entry:
    row = found.row
    return Entry(
        kind=BypassKind.EXEMPTION,
        grade=found.grade,
        findings=tuple(row.findings),
        scope=found.id.scope,
        subject=row.assignment,
        name=found.id.name,
        detail=found.expiry.name,
        first_seen=row.dates[0][0] if row.dates else row.since,
        who=row.author,
        since=row.written_at,
        ends=row.expires_on,
        review=_spelled(row.review_on) or "",
        ticket=row.ticket,
        owner=row.owner,
        gone=row.since if row.status in (Status.GONE, Status.LOST) else None,
        id=row.id,
        weakened=found.weakened,
    )


def _other(kept: Kept) -> Entry:
    one = kept.bypass
    return Entry(
        kind=one.kind,
        grade=one.grade if kept.gone is None else str(Status.GONE),
        findings=tuple(finding.key for finding in one.findings),
        scope=one.scope,
        subject=one.subject,
        name=one.name,
        detail=one.detail,
        first_seen=kept.first_seen,
        who=one.who,
        since=one.since,
        ends=one.ends,
        review=one.review,
        ticket=one.ticket,
        owner=one.owner,
        gone=kept.gone,
        weakened=one.weakened,
    )


def _table(found: Sequence[Entry], altered: Sequence[Mapping[str, str]], screen: Screen, *, everything: bool) -> None:
    if not found and not altered:
        return
    shown = found if everything else found[:FIRST]
    if screen.terminal:
        columns: tuple[str, ...] = ("severity", "kind", "findings", "times", "people", "where")
        rows: list[Sequence[Cell]] = [("", one["status"], "", "", "", [one["id"], one["problem"]]) for one in altered]
        screen.table(columns, [*rows, *map(_folded, shown)], lines=True)
    else:
        columns = ("severity", "kind", "findings", "first seen", "since", "ends", "who", "ticket", "scope", "what")
        rows = [("-", one["status"], *["-"] * 6, one["id"], "-") for one in altered]
        screen.table(columns, [*rows, *map(_flat, shown)])
    if len(shown) < len(found):
        screen.note(f"the first {len(shown):,} of {len(found):,} are shown; --all shows all, --kind fewer")


def _flat(one: Entry) -> tuple[Cell, ...]:
    times = [_spelled(time) or "-" for time in (one.first_seen, one.since, one.ends)]
    status = one.severity or ("gone" if one.gone else "-")
    return (
        status, str(one.kind), ",".join(one.findings) or "-", *times, one.who or "-", one.ticket or "-", one.scope,
        "; ".join(filter(None, (one.name, one.detail))),
    )  # fmt: skip


def _folded(one: Entry) -> tuple[Cell, ...]:
    weakened = [f"criteria weakened: {line_of(one.weakened)}"] if one.weakened.is_shown else []
    return (
        one.severity or ("gone" if one.gone else ""),
        str(one.kind),
        list(one.findings) or [""],
        list(_times(one)),
        [f"{name} {text}" for name, text in (("by", one.who), ("owner", one.owner), ("ticket", one.ticket)) if text],
        [one.name, f"at {one.scope}", one.detail, *weakened],
    )


def _times(one: Entry) -> Iterator[str]:
    yield f"first seen {one.first_seen:%Y-%m-%d}"
    yield f"ends {one.ends:%Y-%m-%d}" if one.ends else "no end"
    if one.gone:
        yield f"gone since {one.gone:%Y-%m-%d}"


def _spelled(time: datetime | None) -> str | None:
    return spell_time(time) if time else None
