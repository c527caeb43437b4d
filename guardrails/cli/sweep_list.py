"""`sweep list`: list the recorded sweeps, oldest first, and the periods without a complete sweep.

Exit code 1: there is such a period, or the record lacks something.
"""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.cli.online import with_service
from guardrails.cli.options import moment
from guardrails.cli.screen import Screen
from guardrails.dataclass import dataclass, replace
from guardrails.decisions.record import Gap, RecordedSweep, Tip, gaps_in
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import read_time, spell_time
from guardrails.register.record_rows import run_row
from guardrails.register.verify_record import REMOVED, removed
from guardrails.wiring import Service

_USUAL: Final = timedelta(days=7)
_FIRST: Final = datetime(1000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """The record of a period. `gaps`: times without a complete sweep; `lacks`: what the record itself lacks."""

    start: datetime
    end: datetime
    tip: Tip | None
    sweeps: tuple[RecordedSweep, ...]
    gaps: tuple[Gap, ...]
    lacks: tuple[str, ...]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--from",
        dest="start",
        type=moment,
        metavar="TIME",
        help="with list: sweeps from this time on; default: 7 days before --to",
    )
    parser.add_argument(
        "--to", dest="end", type=moment, metavar="TIME", help="with list: sweeps up to this time; default: now"
    )


def refuse(args: argparse.Namespace) -> None:
    """Raise Misconfigured (only-with-list) if a time was given to another action than `list`."""
    if args.start or args.end:
        raise Misconfigured(
            "only `sweep list` takes --from and --to", code="only-with-list", remedy="Write: exg sweep list"
        )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List the sweeps."""
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
        screen.problem(f"no complete sweep from {read_time(gap.start)} to {read_time(gap.end)}: {gap.why}")
    return 1 if found.gaps or found.lacks else 0


async def _read(service: Service, start: datetime | None, end: datetime | None) -> Found:
    now = service.world.clock.now()
    if start is not None and start > now:
        raise Permanent("--from is in the future", code="not-recorded", remedy="Give an earlier time")
    end = min(end or now, now)
    start = _earlier(end, _USUAL) if start is None else start
    record, period = service.register.record, service.settings.sweep_period
    tip = await record.tip()
    lease = await service.register.sweeps.last()
    running = lease.holder_at(now) if lease is not None else ""
    sweeps = [
        replace(one, running=one.holder == running) async for one in record.sweeps(_earlier(start, 2 * period), end)
    ]
    inside = tuple(one for one in sweeps if one.started >= start)
    lacks = [f"{spell_time(one.started)}: {text}" for one in inside for text in one.gaps]
    lacks += [f"{one.row}: the row was changed from outside: {one.problem}" for one in inside if one.problem]
    if tip is None:
        return Found(start, end, None, (), (), ("there is no record yet: the next sweep starts it",))
    if tip.problem:
        lacks.append(f"the row `chain` of the record was changed from outside: {tip.problem}. Run exg register verify")
    known = max(start, tip.began, tip.kept or tip.began)
    names = [one for one in removed(sweeps, tip) if run_row(known, "") <= one <= run_row(end, "~")]
    lacks += [f"{one}: {REMOVED}. Run exg register verify" for one in names]
    if start < known:
        what = "older sweeps were deleted" if tip.kept and tip.kept >= tip.began else "the record begins then"
        lacks.insert(0, f"the record has no sweeps from before {read_time(known)}: {what}")
    gaps = tuple(gaps_in(sweeps, period, known, end)) if known < end else ()
    return Found(start, end, tip, inside, gaps, tuple(dict.fromkeys(lacks)))


def _earlier(time: datetime, by: timedelta) -> datetime:
    return time - by if time > _FIRST + by else _FIRST


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
    screen.note(f"{number_of(len(found.sweeps), 'recorded sweep')} in this period")


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
    """Return what a sweep could not see, or why it broke off."""
    broke = [str(one.said["broke_off"])] if one.said.get("broke_off") else []
    missing, more = report.get("missing"), report.get("missing_more")
    rest = [f"and {more:,} more"] if type(more) is int and more else []
    return [*broke, *map(str, missing if isinstance(missing, list) else ()), *rest] or [""]


def _part(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = said.get(name)
    return part if isinstance(part, Mapping) else {}
