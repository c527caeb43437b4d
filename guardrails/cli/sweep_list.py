"""`sweep list`: the sweeps of the record, oldest first, and the times in which none came by.

Exit code 1: there are such times, or the record does not say what it should.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.cli.online import with_service
from guardrails.cli.options import moment
from guardrails.cli.screen import Screen
from guardrails.decisions.record import Gap, RecordedSweep, Tip, gaps_in
from guardrails.errors import Misconfigured
from guardrails.exemption.times import read_time, spell_time
from guardrails.wiring import Service

_USUAL: Final = timedelta(days=7)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """What the record has of a time. `gaps`: when no sweep came by; `lacks`: what the record itself lacks."""

    start: datetime
    end: datetime
    tip: Tip | None
    sweeps: tuple[RecordedSweep, ...]
    gaps: tuple[Gap, ...]
    lacks: tuple[str, ...]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument(
        "--from", dest="start", type=moment, metavar="TIME", help="for list: sweeps from then on; default: 7 days ago"
    )
    parser.add_argument(
        "--to", dest="end", type=moment, metavar="TIME", help="for list: sweeps until then; default: now"
    )


def refuse(args: argparse.Namespace) -> None:
    """Raise Misconfigured (only-with-list) where a time was given, and no list is asked for."""
    if args.start or args.end:
        raise Misconfigured(
            "--from and --to are for `sweep list`", code="only-with-list", remedy="Write: exg sweep list"
        )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    if args.start and args.end and args.end < args.start:
        raise Misconfigured("--to is before --from", code="wrong-period", remedy="Give the earlier time to --from")
    found = with_service(lambda service: _read(service, args.start, args.end))
    if args.format == "json":
        screen.json(_json(found))
    else:
        _show(found, screen)
    for text in found.lacks:
        screen.problem(text)
    for gap in found.gaps:
        screen.problem(f"no sweep from {read_time(gap.start)} to {read_time(gap.end)}: {gap.why}")
    return 1 if found.gaps or found.lacks else 0


async def _read(service: Service, start: datetime | None, end: datetime | None) -> Found:
    now = service.world.clock.now()
    end = min(end or now, now)
    start = start or max(end - _USUAL, _FIRST + _USUAL)
    record, period = service.register.record, service.settings.sweep_period
    tip = await record.tip()
    earlier = max(start - 2 * period, _FIRST)
    sweeps = [one async for one in record.sweeps(earlier, end)]
    inside = tuple(one for one in sweeps if one.started >= start)
    lacks = [f"{spell_time(one.started)}: {text}" for one in inside for text in one.said.get("gaps") or ()]
    lacks += [f"{one.row}: it was changed from outside: {one.problem}" for one in inside if one.problem]
    if tip is None:
        return Found(start, end, None, (), (), ("there is no record yet: the next sweep begins it",))
    known = max(start, tip.began, tip.kept or tip.began)
    if start < known:
        what = "older sweeps have been deleted" if tip.kept and tip.kept >= tip.began else "it begins then"
        lacks.insert(0, f"of the time before {read_time(known)} the record says nothing: {what}")
    gaps = tuple(gaps_in(sweeps, period, known, end)) if known < end else ()
    return Found(start, end, tip, inside, gaps, tuple(dict.fromkeys(lacks)))


def _json(found: Found) -> dict[str, Any]:
    return {
        "from": spell_time(found.start),
        "to": spell_time(found.end),
        "record_began": spell_time(found.tip.began) if found.tip else None,
        "sweeps": [one.to_json() for one in found.sweeps],
        "gaps": [gap.to_json() for gap in found.gaps],
        "lacks": list(found.lacks),
    }


def _show(found: Found, screen: Screen) -> None:
    columns = ("began", "state", "seconds", "seen", "known", "queued", "containers", "ruleset", "version", "not seen")
    screen.table(columns, [_row(one) for one in found.sweeps])
    screen.note(f"{len(found.sweeps)} sweep{'' if len(found.sweeps) == 1 else 's'} in the record of this time")


def _row(one: RecordedSweep) -> tuple[str | list[str], ...]:
    report = _part(one.said, "report")
    counts = [str(report.get(name, "-")) for name in ("seconds", "seen", "known")]
    queued, containers = report.get("queued"), _part(one.said, "containers")
    return (
        spell_time(one.started), one.state, *counts,
        str(sum(queued.values())) if isinstance(queued, Mapping) else "-",
        str(containers.get("count", "-")), str(one.said.get("ruleset") or "-")[:12],
        str(one.said.get("version") or "-"), _unseen(one, report),
    )  # fmt: skip


def _unseen(one: RecordedSweep, report: Mapping[str, Any]) -> list[str]:
    """Return what a sweep could not see, or why it did not end well."""
    broke = [str(one.said["broke_off"])] if one.said.get("broke_off") else []
    missing = report.get("missing")
    return [*broke, *map(str, missing if isinstance(missing, list) else ())] or [""]


def _part(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = said.get(name)
    return part if isinstance(part, Mapping) else {}
