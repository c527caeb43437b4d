"""`register verify`: every history against itself, and all of them against what sweeps recorded.

Each sweep records the newest entry of every history, and its own hash covers that. So an exemption that was left out,
or the end of a history, is found by what a sweep recorded before. Whoever may write to the table can replace everything
with rows that fit one another: a hash of the record that was kept elsewhere shows that, with --anchor.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.decisions.record import RecordedSweep
from guardrails.exemption.times import read_time, spell_time
from guardrails.register.backup import by_exemption, name_of, of_kind
from guardrails.register.keys import RECORD
from guardrails.register.verify_record import RecordCheck, check_record, entries_of
from guardrails.wiring import Service

_SHOWN: Final = 200


@dataclass(slots=True)
class Found:
    """What came of it. `anchors`: the hashes that were given, each with its sweep, None where there is none."""

    record: RecordCheck = field(default_factory=RecordCheck)
    anchors: dict[str, RecordedSweep | None] = field(default_factory=dict)
    exemptions: int = 0
    entries: int = 0
    problems: list[str] = field(default_factory=list)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument(
        "--anchor", action="append", default=[], metavar="HASH",
        help="the hash of a sweep in the record that was kept elsewhere, from the log or a notice; may be repeated",
    )  # fmt: skip
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Verify all; 1 where anything is not sound."""
    with screen.progress("exemptions") as progress:

        async def work(service: Service) -> Found:
            found = Found(check_record(await service.register.backup.record()))
            left = set(found.record.recorded)
            async for partition, rows, problems in service.register.backup.partitions():
                if partition == RECORD:
                    continue
                found.problems += problems
                for key, own in by_exemption(rows).items():
                    found.exemptions += 1
                    history = of_kind(own, "history").values()
                    found.entries += len(history)
                    left.discard(bytes.fromhex(key))
                    lacks = found.record.compare(bytes.fromhex(key), entries_of(history))
                    found.problems += [f"{name_of(own, key)}: {text}" for text in lacks]
                progress(found.exemptions, 0)
            for gone in sorted(left):
                found.problems += [f"exemption {gone.hex()}: {text}" for text in found.record.compare(gone, set())]
            return found

        found = with_service(work)
    found.anchors = {one: found.record.sweep_of(one) for one in dict.fromkeys(args.anchor)}
    problems = [*found.record.problems, *found.problems, *_wrong_anchors(found)]
    proven, open_ = _proven(found, sound=not problems), _not_proven(found)
    if args.format == "json":
        screen.json(_json(found, problems, proven, open_))
    else:
        for text in problems[:_SHOWN]:
            screen.problem(text)
        if len(problems) > _SHOWN:
            screen.problem(f"and {len(problems) - _SHOWN} more: --format json has all")
        for text in proven:
            screen.line(text, style="sound")
        for text in open_:
            screen.line(f"not proven: {text}")
    return 1 if problems else 0


def _wrong_anchors(found: Found) -> Iterable[str]:
    tip = found.record.tip
    since = f"; sweeps from before {read_time(tip.kept)} were deleted, for they were old" if tip and tip.kept else ""
    for anchor, sweep in found.anchors.items():
        if sweep is None:
            yield f"no sweep in the record has the hash {anchor}: the record was cut or replaced{since}"


def _proven(found: Found, *, sound: bool) -> list[str]:
    """Return what is shown where nothing is wrong, a sentence each."""
    if not sound:
        return []
    shown = [
        f"sound: {found.exemptions} exemptions, {found.entries} history entries, each with the hash of the one before"
    ]
    if sweeps := found.record.sweeps:
        times = f"from {read_time(sweeps[0].started)} to {read_time(sweeps[-1].started)}"
        shown.append(f"sound: {len(sweeps)} sweeps {times}; all that they recorded of the histories is there")
    if anchored := _newest_anchored(found):
        shown.append(
            f"anchored: what was in the register at the sweep of {read_time(anchored.started)} is there, unchanged,"
            " whoever may write to the table"
        )
    return shown


def _not_proven(found: Found) -> list[str]:
    sweeps, tip = found.record.sweeps, found.record.tip
    if not sweeps or tip is None:
        return ["that no exemption was left out: no sweep has recorded the histories yet"]
    heads = [one for one in sweeps if isinstance(one.said.get("heads"), dict)]
    newest = f"from after the last sweep that recorded them, {read_time(heads[-1].started)}" if heads else "at any time"
    said = [
        f"that no exemption or entry {newest}, was left out",
        f"what was left out before the record began, {read_time(tip.began)}",
    ]
    if anchored := _newest_anchored(found):
        said.append(f"that what came after the sweep of {read_time(anchored.started)} was not replaced as a whole")
    else:
        said.append(
            "that not all of it was replaced by who may write to the table. This shows integrity alone: keep the hash"
            f" of a sweep elsewhere and give it with --anchor; the newest is {sweeps[-1].hash}"
        )
    return said


def _newest_anchored(found: Found) -> RecordedSweep | None:
    return max(filter(None, found.anchors.values()), key=lambda one: one.seq, default=None)


def _json(found: Found, problems: list[str], proven: list[str], open_: list[str]) -> dict[str, Any]:
    sweeps = found.record.sweeps
    return {
        "sound": not problems,
        "exemptions": found.exemptions,
        "entries": found.entries,
        "sweeps": len(sweeps),
        "sweeps_that_died": found.record.died,
        "newest": {"seq": sweeps[-1].seq, "started": spell_time(sweeps[-1].started), "hash": sweeps[-1].hash}
        if sweeps
        else None,
        "anchors": [
            {"hash": anchor, "sweep": spell_time(one.started) if one else None} for anchor, one in found.anchors.items()
        ],
        "proven": proven,
        "not_proven": open_,
        "problems": problems,
    }
