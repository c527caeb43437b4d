"""The rows of the record, as columns and back. Pure. What is in them: guardrails.register.record."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from guardrails.dataclass import fields, replace
from guardrails.decisions.heads import BUCKETS, EMPTY, KeptHeads, digests_of
from guardrails.decisions.record import InForce, RecordedSweep, Tip, hash_of
from guardrails.decisions.watch import Run
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import parse_time, spell_time
from guardrails.lazy_regex import lazy_regex
from guardrails.register.columns import Value, join_bytes, join_text, read_object, split_text

CHAIN: Final = "chain"
HEADS: Final = "heads"
NEVER: Final = datetime.min.replace(tzinfo=UTC)
_TIMES: Final = ("began", "begun", "used", "kept")
_NUMBERS: Final = ("seq", "changes", "step", "cut_seq")
_TEXTS: Final = ("newest", "hash", "run", "ruleset", "mode", "changed", "containers", "cut")
_SECOND: Final = timedelta(seconds=1)
_HEX: Final = lazy_regex("[0-9a-f]{64}")
_BUCKET_ROWS: Final = tuple(f"heads~{number:02x}" for number in range(BUCKETS))


def run_row(started: datetime, holder: str) -> str:
    """Return the name of a sweep's row."""
    return f"run~{stamp(started)}~{holder}"


def stamp(time: datetime) -> str:
    """Return a time (UTC) as it is in the name of a row, to the second; later ones sort behind."""
    return f"{time:%Y%m%dT%H%M%SZ}"


def run_columns(sweep: RecordedSweep) -> dict[str, Value]:
    """Return the columns of a sweep's row."""
    return {
        "started": spell_time(sweep.started),
        "ended": spell_time(sweep.ended) if sweep.ended else "",
        "holder": sweep.holder,
        "seq": sweep.seq,
        "behind": sweep.behind,
        "previous": sweep.previous,
        "hash": sweep.hash,
        **split_text("said", canonical_json(dict(sweep.said))),
    }


def read_run(row: str, found: Mapping[str, Any]) -> RecordedSweep:
    """Read a sweep's row. What is wrong with it is said in its `problem`; its time is then that of its name."""
    try:
        return _checked_run(row, found)
    except (ValueError, KeyError, TypeError) as error:
        wrong = f"the column {error} is missing" if isinstance(error, KeyError) else str(error)
        return RecordedSweep(_time_in(row), str(found.get("holder")), row=row, problem=wrong)


def _checked_run(row: str, found: Mapping[str, Any]) -> RecordedSweep:
    text, seq = join_text("said", found), number(found["seq"])
    started, ended = parse_time(found["started"]), parse_time(found["ended"])
    sweep = RecordedSweep(
        started or NEVER, found["holder"], read_object(text), ended, seq, found["previous"], found["hash"],
        number(found["behind"]), row,
    )  # fmt: skip
    if run_row(sweep.started, sweep.holder) != row:
        raise ValueError("its content does not match its row key")
    if seq and hash_of(text, seq, sweep.previous, found["started"], found["ended"]) != sweep.hash:
        raise ValueError("its hash does not match its content")
    if (ended is not None) != bool(seq):
        raise ValueError("it has an end but no number, or a number but no end")
    return sweep


def _time_in(row: str) -> datetime:
    """Return the time in the name of a sweep's row."""
    try:
        return parse_time(row.split("~")[1]) or NEVER
    except (ValueError, IndexError):
        return NEVER


def number(value: object) -> int:
    """Return a number in a row. Raises TypeError."""
    if type(value) is not int:
        raise TypeError(f"{value!r} is not a number")
    return value


def last_before(run: Run) -> RecordedSweep | None:
    """Return the last sweep from before the record, of which the report is still known; None where there is none."""
    try:
        started = parse_time(run.report.get("started"))
    except ValueError:
        return None
    said = {"taken_over": True, "report": dict(run.report)}
    return RecordedSweep(started, "before", said, row=run_row(started, "before")) if started else None


def in_force_columns(change: InForce) -> dict[str, Value]:
    """Return the columns of a row that says from when a ruleset was in force."""
    before = spell_time(change.before) if change.before else ""
    return {
        "at": spell_time(change.at), "sha256": change.sha256, "mode": change.mode, "by": change.by, "before": before,
        "previous": change.previous, "hash": change.hash,
    }  # fmt: skip


def read_in_force(row: str, found: Mapping[str, Any]) -> InForce:
    """Read such a row. Raises ValueError, KeyError, TypeError.

    Whether its hash fits is for who verifies: what was recorded is still the best that is known.
    """
    at, sha256 = parse_time(found["at"]), found["sha256"]
    if at is None or not _HEX.fullmatch(sha256):
        raise ValueError("its time or its digest is missing")
    seq, before = int(row.rpartition("~")[2]), parse_time(found["before"])
    return InForce(seq, at, sha256, str(found["mode"]), str(found["by"]), before, str(found["previous"]))


def tip_columns(tip: Tip) -> dict[str, Value]:
    """Return the columns of the row that says where the record has come to."""
    said = {one.name: getattr(tip, one.name) for one in fields(Tip)}
    columns: dict[str, Value] = {
        **{name: spell_time(said[name]) if said[name] else "" for name in _TIMES},
        **{name: said[name] for name in (*_NUMBERS, *_TEXTS)},
    }
    return {**columns, "seal": _seal_of(columns)}


def _seal_of(columns: Mapping[str, Any]) -> str:
    said = {name: columns[name] for name in (*_TIMES, *_NUMBERS, *_TEXTS)}
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def read_tip(found: Mapping[str, Any]) -> Tip:
    """Read it. One that a hand was in says what is wrong in its `problem`, and nothing else."""
    try:
        return _checked_tip(found)
    except (ValueError, KeyError, TypeError) as error:
        wrong = f"the column {error} is missing" if isinstance(error, KeyError) else str(error)
        return Tip(NEVER, problem=wrong, etag=found["odata.etag"])


def _checked_tip(found: Mapping[str, Any]) -> Tip:
    said: dict[str, Any] = {name: parse_time(found[name]) for name in _TIMES}
    said |= {name: number(found[name]) for name in _NUMBERS}
    said |= {name: found[name] for name in _TEXTS}
    if said["began"] is None:
        raise ValueError("the time at which the record began is missing")
    if not all(isinstance(said[name], str) for name in _TEXTS):
        raise TypeError("a column that must hold text does not")
    if found["seal"] != _seal_of(found):
        raise ValueError("it does not match its seal")
    return Tip(**said, etag=found["odata.etag"])


def step_of(sweep: RecordedSweep) -> int:
    """Return the step of the heads that a sweep recorded; 0 where it recorded none."""
    heads = sweep.said.get("heads")
    step = heads.get("step") if isinstance(heads, Mapping) else None
    return step if isinstance(step, int) else 0


def tip_by(damaged: Tip, sweeps: Sequence[RecordedSweep], changes: Sequence[InForce]) -> Tip | None:
    """Return where the record has come to by its other rows; None where there are none.

    `damaged` says what is wrong with the row that should say so.
    """
    whole = [one for one in sweeps if not one.problem and not one.taken_over]
    ended = sorted((one for one in whole if one.seq), key=lambda one: one.seq)
    changes = sorted(changes, key=lambda one: one.seq)
    begun = max(whole, key=lambda one: (one.behind, one.started), default=None)
    began = [*(one.started for one in whole), *(one.at for one in changes)]
    if not began:
        return damaged if damaged.etag else None
    tip = replace(damaged, began=min(began))
    if begun is not None:
        tip = replace(tip, begun=begun.started, newest=begun.row)
    if changes:
        newest = changes[-1]
        tip = replace(tip, ruleset=newest.sha256, mode=newest.mode, used=newest.at, changes=newest.seq)
        tip = replace(tip, changed=newest.hash)
    if not ended:
        return tip
    first, last = ended[0], ended[-1]
    if first.seq > 1:  # those before it may have been deleted for their age
        tip = replace(tip, cut=first.previous, cut_seq=first.seq - 1, kept=first.started)
    step = max(map(step_of, ended))
    return replace(tip, seq=last.seq, hash=last.hash, run=last.row, used=last.ended or tip.used, step=step)


class Oldest(NamedTuple):
    """The oldest sweeps of the chain, which are deleted.

    Attributes:
        rows: their names, and those of sweeps of that time that did not end.
        seq, hash: of the newest of them that ended.
        step: up to which step of the heads nothing is needed any more; 0 for none.
        until: all that are kept began at this time or later; None where nothing is deleted.
        whole: whether no more of them can be deleted now.
        stopped: whether the next one of the chain is not among what was found, and later ones are.
    """

    rows: tuple[str, ...]
    seq: int
    hash: str
    step: int
    until: datetime | None
    whole: bool
    stopped: bool


def oldest(found: Sequence[RecordedSweep], tip: Tip, ahead: Sequence[RecordedSweep], most: int) -> Oldest:
    """Return which sweeps may be deleted, in the order of the chain, for a clock that was wrong may date one anywhere.

    Args:
        found: those that are dated before the limit, in that order.
        tip: says which were deleted before.
        ahead: those that are dated into the future: they stay where they are, and the chain goes on behind them.
        most: how many rows may be deleted.
    """
    ended, later = ({one.seq: one for one in some if one.seq} for some in (found, ahead))
    seq, cut, last = tip.cut_seq, tip.cut, max(ended, default=0)
    some: list[RecordedSweep] = []
    while seq < last and len(some) < most:
        one = ended.get(seq + 1)
        if one is None and seq + 1 not in later:
            break
        if one is not None:
            if some and one.started < some[-1].started and seq + 2 not in ended:  # perhaps younger than it says
                break
            some.append(one)
        seq, cut = seq + 1, (one or later[seq + 1]).hash
    back = [one for one in found if 0 < one.seq <= tip.cut_seq]  # dated into the future then, or from a copy
    died = [one for one in found if not one.seq and one.behind < seq]
    rows = tuple([one.row for one in (*some, *back, *died)][:most])
    step = min(filter(None, map(step_of, some)), default=0)
    until = max((one.started + _SECOND for one in some), default=None)
    stopped = seq < last and len(some) < most and seq + 1 not in ended
    left = [one for one in found if one.row not in rows and (one.seq or one.behind < seq)]
    return Oldest(rows, seq, cut, step, until, stopped or not left, stopped)


def read_heads(rows: Mapping[str, Mapping[str, Any]], least: int) -> KeptHeads:
    """Return the heads by their rows. What does not fit its digest is `damaged`.

    `least`: the step that a sweep which ended recorded. Rows of before that were put back by a hand; all are damaged.
    """
    buckets = tuple(join_bytes("heads", rows[name]) if name in rows else b"" for name in _BUCKET_ROWS)
    found, own = rows.get(HEADS, {}), digests_of(buckets)
    step, digests, lost = found.get("step"), found.get("digests"), found.get("lost")
    etag = str(found.get("odata.etag") or "")
    if type(step) is not int or not isinstance(digests, bytes) or len(digests) != 32 * BUCKETS or step < least:
        if not found and not least and buckets == EMPTY:
            return KeptHeads()
        newest = max(least, step if type(step) is int else 0)
        return KeptHeads(buckets, newest, own, damaged=(*range(BUCKETS),), etag=etag)
    starts = () if own == digests else enumerate(range(0, 32 * BUCKETS, 32))
    wrong = tuple(number for number, at in starts if own[at : at + 32] != digests[at : at + 32])
    return KeptHeads(buckets, step, digests, lost if type(lost) is int else 0, wrong, etag)
