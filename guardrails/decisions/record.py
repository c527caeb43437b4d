"""The record that auditors ask for: every sweep that began, and which ruleset was in force when. Pure.

Sweeps that ended are a chain: the hash of each covers what it says, and the hash of the one that ended before it.
Changes of the ruleset are another; each sweep says how far that had come.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.decisions.watch import Run
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import read_time, spell_time

LATE: Final = timedelta(minutes=10)
"""How much later than by its schedule a sweep may begin before the time between is a gap."""

ALTERED: Final = "the row `chain` of the record was changed from outside, and was made anew from the other rows: {}"
_MOST_REPORTED: Final = 100_000
"""Characters of a report that the next sweep keeps besides its own: both are in one row of 1 MiB."""
UNRECORDED: Final = "the end of the previous sweep could not be recorded; `previous_report` is its report: {}"
_VERIFY: Final = "Run exg register verify"
FIRST: Final = "the record begins with this sweep; it has nothing from before"


@dataclass(frozen=True)
class UsedRuleset:
    """A ruleset that is in force: the text of its file, and the mode in force, which a setting may hold at audit."""

    text: str
    mode: str

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the text's UTF-8, in hex; a ruleset's digest is its beginning."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the record has come to. Times are UTC.

    Attributes:
        began: when the record began.
        begun, newest: when the newest sweep in it began, and the name of its row; None and "" where there is none.
        seq, hash, run: number, hash and row of the newest sweep that ended; 0 and "" where none did.
        ruleset, mode: sha256 and mode of the ruleset in force; "" where none is known.
        used: when that was last used.
        step: the number of the newest step of heads that a sweep which ended recorded; see guardrails.decisions.heads.
        changes: how often the ruleset in force changed, the first included.
        changed: the hash of the newest of these changes; "" where there is none.
        containers: the digest of the list of containers that the newest sweep saw.
        kept: up to when older sweeps have been deleted; None where none were.
        cut, cut_seq: hash and number of the newest sweep that was deleted, which the oldest one that is kept follows;
            "" and 0 where none was.
        problem: what is wrong with the row that says all this, which then comes from the other rows; "" where nothing.
        etag: the guard for the next change.
    """

    began: datetime
    begun: datetime | None = None
    newest: str = ""
    seq: int = 0
    hash: str = ""
    run: str = ""
    step: int = 0
    ruleset: str = ""
    mode: str = ""
    used: datetime | None = None
    changes: int = 0
    changed: str = ""
    containers: str = ""
    kept: datetime | None = None
    cut: str = ""
    cut_seq: int = 0
    problem: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class RecordedSweep:
    """A sweep as the record has it.

    Attributes:
        started: when it began, UTC.
        holder: a name for who did it.
        said: what it says, as JSON: `by`, `version`, `ruleset`, `mode`, `gaps`, `follows` (the row of the one that
            began before it); once it ended `report` and more.
        ended: when it ended, UTC; None while it is under way, where it died, or its end could not be written.
        seq: its number among those that ended; 0 for others.
        previous, hash: of the chain; "" for others.
        behind: the number of the newest sweep that had ended when it began.
        row: the name of its row.
        problem: what is wrong with its row; "" where nothing is.
        running: whether it is under way: not in the record, but by its lease.
    """

    started: datetime
    holder: str
    said: Mapping[str, Any] = field(default_factory=dict)
    ended: datetime | None = None
    seq: int = 0
    previous: str = ""
    hash: str = ""
    behind: int = 0
    row: str = ""
    problem: str = ""
    running: bool = False

    @property
    def taken_over(self) -> bool:
        """Whether it is from before the record, and only its report was still known."""
        return self.said.get("taken_over") is True

    @property
    def gaps(self) -> list[str]:
        """What the record lacks by this sweep, a sentence each."""
        found = self.said.get("gaps")
        return [*map(str, found)] if isinstance(found, list) else []

    @property
    def state(self) -> str:
        """What became of it: `ended`, `broke-off` where it says so itself, `running`, `died`, or `damaged`."""
        if self.problem:
            return "damaged"
        if self.running and self.ended is None:
            return "running"
        if self.ended is None and not self.taken_over:
            return "died"
        return "broke-off" if self.said.get("broke_off") else "ended"

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "started": spell_time(self.started),
            "ended": spell_time(self.ended) if self.ended else None,
            "state": self.state,
            "seq": self.seq or None,
            "hash": self.hash or None,
            **dict(self.said),
            **({"problem": self.problem} if self.problem else {}),
        }


def hash_of(said: str, seq: int, previous: str, started: str, ended: str) -> str:
    """Return the hash of a sweep that ended: the sha256, in hex, of this JSON in ASCII, `said` as it is in the table.

    {"ended":ENDED,"previous":PREVIOUS,"said":SAID,"seq":SEQ,"started":STARTED}
    """
    end, before, start = map(json.dumps, (ended, previous, started))
    return _sha256(f'{{"ended":{end},"previous":{before},"said":{said},"seq":{seq},"started":{start}}}')


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii", "backslashreplace")).hexdigest()


def unrecorded(tip: Tip | None, last: Run) -> dict[str, Any]:
    """Return the report of the sweep before, where it ended and that could not be recorded; {} elsewhere.

    Args:
        tip: where the record has come to.
        last: the lease of the sweep that begins, with the report of the one before it.
    """
    if tip is None or tip.begun is None or tip.newest == tip.run:
        return {}
    report = dict(last.report)
    fits = report.get("started") == spell_time(tip.begun) and len(canonical_json(report)) <= _MOST_REPORTED
    return report if fits else {}


def gaps_before(tip: Tip | None, started: datetime, before: datetime | None) -> list[str]:
    """Return what the record lacks when a sweep begins, a sentence each.

    Args:
        tip: where the record has come to; None where there is none.
        started: when the sweep begins, UTC.
        before: when the sweep before it began, as the lease of sweeps has it; None where there was none.
    """
    if tip is None or (tip.begun is None and not tip.problem):
        last = f"; the previous sweep began at {read_time(before)}" if before else ""
        return [FIRST + last]
    found = [ALTERED.format(tip.problem)] if tip.problem else []
    if before is not None and tip.begun is not None and before > tip.begun:
        found.append(f"the sweep that began at {read_time(before)} is not in the record: it could not be written")
    if tip.begun is not None and started < tip.begun:
        found.append(f"the clock was set back: it showed {read_time(tip.begun)} when the previous sweep began")
    return found


def is_alteration(gap: str) -> bool:
    """Whether a gap is that a hand was in the row `chain`."""
    return gap.startswith(ALTERED.partition("{")[0])


class Gap(NamedTuple):
    """A time in which no sweep ended that the record knows of: from, to (UTC), and why in one sentence."""

    start: datetime
    end: datetime
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {"from": spell_time(self.start), "to": spell_time(self.end), "why": self.why}


def gaps_in(sweeps: Sequence[RecordedSweep], period: timedelta, start: datetime, end: datetime) -> list[Gap]:
    """Return the times between `start` and `end` without a recorded sweep that ended, longer than a schedule allows.

    Args:
        sweeps: those of the record, in the order of their beginnings; some from before `start`, too, where there are.
        period: the longest time between two sweeps by their schedule.
        start, end: what is asked about, UTC.
    """
    marks = [one for one in sweeps if one.state in ("ended", "running")]
    times = [one.started for one in marks if start <= one.started <= end]
    earlier = max((one.started for one in marks if one.started < start), default=None)
    edges = [earlier or start, *times, end]
    found = []
    for one, after in pairwise(edges):
        if after - one <= period + LATE:
            continue
        others = [f"{read_time(other.started)} ({other.state})" for other in sweeps if one < other.started < after]
        why = f"these sweeps did not complete: {', '.join(others[:10])}" if others else "no sweep is recorded"
        found.append(Gap(max(one, start), after, why))
    return found


@dataclass(frozen=True, slots=True)
class InForce:
    """From when a ruleset was in force.

    Attributes:
        seq: the number of this change; the first is 1.
        at: when it was first used, UTC, by the clock of who used it.
        sha256, mode: see UsedRuleset.
        by: what found it: `sweep`, or `start` of the app.
        before: when the one before it was last known to be used, UTC; None for the first.
        previous: the hash of the change before it; "" for the first.
    """

    seq: int
    at: datetime
    sha256: str
    mode: str
    by: str
    before: datetime | None = None
    previous: str = ""

    @property
    def hash(self) -> str:
        """The sha256, in hex, of this JSON in ASCII, each value as it is in the table.

        {"at":AT,"before":BEFORE,"by":BY,"mode":MODE,"previous":PREVIOUS,"seq":SEQ,"sha256":SHA256}
        """
        said = {
            "at": spell_time(self.at), "before": spell_time(self.before) if self.before else "", "by": self.by,
            "mode": self.mode, "previous": self.previous, "seq": self.seq, "sha256": self.sha256,
        }  # fmt: skip
        return _sha256(json.dumps(said, separators=(",", ":")))


class Held(NamedTuple):
    """Which ruleset held at a time.

    Attributes:
        ruleset: its change that held.
        until: when the next one came into force; None while it is in force.
        first, last: the first and the last recorded use of this text, at any time; UTC.
        unsure: what is not known of that, a sentence each.
    """

    ruleset: InForce
    until: datetime | None
    first: datetime
    last: datetime
    unsure: tuple[str, ...]


def held_at(changes: Iterable[InForce], at: datetime, tip: Tip | None = None) -> Held | None:
    """Return what held at a time (UTC); None where the record does not reach back that far.

    Changes count in the order in which they were written, for a clock may go back. `tip`: where the record has come to.
    """
    ordered = sorted(changes, key=lambda one: one.seq)
    found = max((number for number, one in enumerate(ordered) if one.at <= at), default=None)
    if found is None:
        return None
    one, after = ordered[found], ordered[found + 1] if found + 1 < len(ordered) else None
    unsure = []
    if after is not None and after.before is not None and after.before < at:
        unsure.append(
            f"the ruleset changed between {read_time(after.before)}, the last recorded use of this ruleset, and"
            f" {read_time(after.at)}, the first recorded use of the next"
        )
    if any(other.at > at for other in ordered[:found]):
        unsure.append(
            "the clock was set back, so an earlier ruleset may have been in force: its recorded start is later"
        )
    if wrong := wrong_with(ordered, tip):
        unsure.append(f"{wrong}. {_VERIFY}")
    used = tip.used if tip else None
    return Held(one, after.at if after else None, *_uses(ordered, one.sha256, used), tuple(unsure))


def wrong_with(changes: Iterable[InForce], tip: Tip | None) -> str:
    """Return what is wrong with the record of changes of the ruleset; "" where nothing is.

    `tip`: where the record has come to.
    """
    ordered = sorted(changes, key=lambda one: one.seq)
    numbers = {one.seq for one in ordered}
    if numbers != {*range(1, max([*numbers, tip.changes if tip else 0], default=0) + 1)}:
        return "changes of the ruleset are missing from the record"
    altered = "the record was changed from outside: another ruleset may have been in force"
    return altered if _are_altered(ordered, tip) else ""


def _are_altered(ordered: Sequence[InForce], tip: Tip | None) -> bool:
    """Return whether the hashes of changes, none of which is missing, do not fit one another or the tip."""
    hashes = ["", *(one.hash for one in ordered)]
    if any(one.previous != before for one, before in zip(ordered, hashes, strict=False)):
        return True
    return tip is not None and (tip.problem != "" or hashes[tip.changes] != tip.changed)


def _uses(ordered: Sequence[InForce], sha256: str, used: datetime | None) -> tuple[datetime, datetime]:
    """Return the first and the last recorded use of a ruleset."""
    ends = [*(one.before for one in ordered[1:]), used]
    periods = [(one.at, end or one.at) for one, end in zip(ordered, ends, strict=True) if one.sha256 == sha256]
    return min(start for start, _ in periods), max(max(period) for period in periods)
