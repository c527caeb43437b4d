"""`register verify`: verify every history, and compare all histories with the heads that sweeps recorded.

Each sweep records the newest entry of every history, and the sweep's own hash covers these heads. So the command finds
a missing exemption, and a missing end of a history. Anyone who can write to the table can replace everything with rows
that match. To detect that, give the hash of a sweep that was kept elsewhere: --anchor.
"""

import argparse
import re
from collections.abc import Iterable
from typing import Any, Final

from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.dataclass import dataclass, field
from guardrails.decisions.record import RecordedSweep
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import read_time, spell_time
from guardrails.register.backup import by_exemption, name_of, of_kind
from guardrails.register.keys import RECORD
from guardrails.register.verify_record import RecordCheck, check_record, entries_of
from guardrails.wiring import Service

_SHOWN: Final = 200


@dataclass(slots=True)
class Found:
    """The result. `anchors`: each given hash with its sweep, or None if no sweep has this hash."""

    record: RecordCheck = field(default_factory=RecordCheck)
    anchors: dict[str, RecordedSweep | None] = field(default_factory=dict)
    exemptions: int = 0
    entries: int = 0
    problems: list[str] = field(default_factory=list)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--anchor", action="append", default=[], type=_anchor, metavar="HASH",
        help="the hash of a recorded sweep that you kept elsewhere, from the log or a notice; may be repeated",
    )  # fmt: skip
    add_format(parser)


def _anchor(text: str) -> str:
    """Read a hash for argparse. Raises ArgumentTypeError."""
    anchor = text.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", anchor):
        raise argparse.ArgumentTypeError(
            f"'{text[:80]}' is no hash of a sweep. Use the 64 hex digits of `hash` in the log, or those in the notice"
        )
    return anchor


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Verify everything; return 1 if anything is not sound."""
    with screen.progress("exemptions") as progress:

        async def work(service: Service) -> Found:
            lease = await service.register.sweeps.last()
            running = lease.holder_at(service.world.clock.now()) if lease is not None else ""
            found = Found(check_record(await service.register.backup.record(), running))
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
            screen.problem(f"and {len(problems) - _SHOWN:,} more; --format json shows all")
        for text in proven:
            screen.line(text, style="sound")
        for text in open_:
            screen.line(f"not proven: {text}")
    return 1 if problems else 0


def _wrong_anchors(found: Found) -> Iterable[str]:
    tip = found.record.tip
    old = f", or it is from before {read_time(tip.kept)} and was deleted by age" if tip and tip.kept else ""
    for anchor, sweep in found.anchors.items():
        if sweep is None:
            why = f"the sweep was removed or replaced{old}, or the hash is from another register"
            yield f"no sweep in the record has the hash {anchor}: {why}"


def _proven(found: Found, *, sound: bool) -> list[str]:
    """Return what is proven, a sentence each; nothing unless all is sound."""
    if not sound:
        return []
    entries = number_of(found.entries, "history entry", "history entries")
    shown = [
        f"sound: {number_of(found.exemptions, 'exemption')} with {entries}; each entry has the hash of the entry before"
    ]
    if sweeps := found.record.sweeps:
        times = f"from {read_time(sweeps[0].started)} to {read_time(sweeps[-1].started)}"
        count = number_of(len(sweeps), "sweep")
        shown.append(f"sound: {count} {times}; the histories have every entry that these sweeps recorded")
    if anchored := _newest_anchored(found):
        heads = _with_heads(found.record.sweeps, anchored.seq)
        what = [f"the history entries of the sweep of {read_time(one.started)}" for one in heads[-1:]]
        if anchored not in heads:  # it recorded none
            what.append(f"the recorded sweeps up to {read_time(anchored.started)}")
        shown.append(
            f"anchored: {' and '.join(what)} are there and unchanged; this holds even against somebody who can write to"
            " the table"
        )
    return shown


def _not_proven(found: Found) -> list[str]:
    sweeps, tip = found.record.sweeps, found.record.tip
    if not sweeps or tip is None:
        yet = "no sweep has recorded the histories yet, or the record of the sweeps was removed"
        return [f"that no exemption is missing: {yet}"]
    heads = _with_heads(sweeps, sweeps[-1].seq)
    missing = "is missing: no sweep recorded the histories"
    if heads:
        missing = f"from after {read_time(heads[-1].started)} is missing: no later sweep recorded the histories"
    said = [
        f"that no exemption or entry {missing}",
        f"that nothing was removed before the record began at {read_time(tip.began)}",
    ]
    if anchored := _newest_anchored(found):
        covered = _with_heads(sweeps, anchored.seq)
        after = f"from after the sweep of {read_time(covered[-1].started)}" if covered else "in the histories"
        said.append(f"that nobody replaced everything {after}")
    else:
        said.append(
            "that nobody who can write to the table replaced everything. This check shows integrity alone. Keep the"
            f" hash of a sweep elsewhere, and give it with --anchor. The newest hash is {sweeps[-1].hash}"
        )
    return said


def _with_heads(sweeps: Iterable[RecordedSweep], last: int) -> list[RecordedSweep]:
    """Return the sweeps up to a number that recorded the histories: an anchor is of these, too, by the chain."""
    return [one for one in sweeps if one.seq <= last and isinstance(one.said.get("heads"), dict)]


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
