"""Verify: the record against itself, and the histories against the record. Pure. The rows: guardrails.register.record.

What is proven: each sweep that ended follows the one before; the heads of all histories go back step by step to what
each sweep recorded; and each head that any sweep recorded is still on its history. So neither an exemption nor the end
of a history was left out since. Whoever may write to the table can replace all of that with other rows that fit, but
not the hash of a sweep that somebody keeps elsewhere: an anchor.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.decisions.heads import NONE, digest_of, digests_of, head, read, undone
from guardrails.decisions.record import RecordedSweep, Tip, is_alteration
from guardrails.exemption.times import read_time
from guardrails.lazy_regex import lazy_regex
from guardrails.register.columns import BODY_LIMIT, join_bytes, unpack
from guardrails.register.record_rows import CHAIN, read_heads, read_in_force, read_run, read_tip, run_row, step_of

type Rows = Mapping[str, Mapping[str, Any]]
"""Rows of the record's partition, by row key."""

REMOVED: Final = "the row of a sweep that began is missing"
_NAMED: Final = 20
_PAST: Final = lazy_regex(r"past~\d{10}")
_CHANGE: Final = lazy_regex(r"in-force~\d{10}")


@dataclass(slots=True)
class RecordCheck:
    """What came of it.

    Attributes:
        tip: where the record has come to; None where there is none.
        sweeps: those that ended, in their order.
        died: how many began and did not end, without the one that is running.
        recorded: each head that a sweep recorded, by ExemptionId.hash; the newest one of each last.
        problems: what is wrong, a sentence each.
    """

    tip: Tip | None = None
    sweeps: list[RecordedSweep] = field(default_factory=list)
    died: int = 0
    recorded: dict[bytes, list[bytes]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def sweep_of(self, anchor: str) -> RecordedSweep | None:
        """Return the sweep that has a hash; None where none has."""
        return next((one for one in self.sweeps if one.hash == anchor), None)

    def compare(self, key: bytes, entries: set[bytes]) -> Iterator[str]:
        """Yield what the record has of an exemption and its history has not; `entries` are as heads are."""
        lost = [one for one in self.recorded.get(key, ()) if one not in entries]
        for one in sorted(lost)[-_NAMED:]:
            number, last = int.from_bytes(one[:4]), max((int.from_bytes(each[:4]) for each in entries), default=0)
            there = f"only entries up to {last}" if last < number else f"a different entry {number}"
            yield f"a sweep recorded history entry {number}, but the register has {there if last else 'no entry'}"


def check_record(rows: Rows, running: str = "") -> RecordCheck:
    """Check the rows of the record against one another. `running`: the holder of the sweep that is running, if any."""
    found = RecordCheck()
    if CHAIN in rows:
        found.tip = read_tip({"odata.etag": "", **rows[CHAIN]})
    runs = [read_run(name, row) for name, row in sorted(rows.items()) if name.startswith("run~")]
    found.sweeps = sorted((one for one in runs if one.seq), key=lambda one: one.seq)
    found.died = sum(one.state == "died" and one.holder != running for one in runs)
    found.problems += [f"{one.row}: the row was changed from outside: {one.problem}" for one in runs if one.problem]
    if found.tip is None:
        found.problems += ["the row `chain` of the record is missing"] if len(rows) else []
    elif found.tip.problem:
        found.problems.append(f"the row `chain` of the record was changed from outside: {found.tip.problem}")
    else:
        found.problems += _chain(found.sweeps, found.tip)
        found.problems += [f"{name}: {REMOVED}" for name in removed(runs, found.tip)]
    found.problems += _reported(found.sweeps)
    found.problems += _changes(rows, found.sweeps, found.tip)
    found.problems += _texts(rows, found.sweeps)
    found.problems += _heads(rows, found)
    return found


def _chain(sweeps: Sequence[RecordedSweep], tip: Tip) -> Iterator[str]:
    previous, expected = tip.cut, tip.cut_seq + 1
    for one in sweeps:
        if one.seq <= tip.cut_seq and one.hash != tip.cut:  # dated by a wrong clock: those behind it were deleted
            continue
        if one.seq != expected:
            what = "is missing" if one.seq == expected + 1 else f"to {one.seq - 1} are missing"
            twice = one.seq < expected
            yield f"two sweeps have the number {one.seq}" if twice else f"sweep {expected} {what}"
        elif one.previous != previous:
            yield f"sweep {one.seq} ({read_time(one.started)}) does not have the hash of the sweep before it"
        previous, expected = one.hash, one.seq + 1
    newest = sweeps[-1] if sweeps else None
    if (tip.seq, tip.hash, tip.run) != ((newest.seq, newest.hash, newest.row) if newest else (0, "", "")):
        last = newest.seq if newest else 0
        yield f"the row `chain` names sweep {tip.seq} as the newest; the newest row has number {last} or another hash"


def removed(runs: Iterable[RecordedSweep], tip: Tip) -> Iterator[str]:
    """Yield the rows of sweeps that began and are not among `runs`, unless they were deleted by age.

    Each sweep says which one began before it: so that one that did not end is missed, too.
    """
    names = {one.row: one for one in runs}
    wanted = dict.fromkeys(str(one.said.get("follows") or "") for one in runs if one.behind >= tip.cut_seq)
    for name in dict.fromkeys([*wanted, tip.newest]):
        if name and name not in names and (tip.kept is None or name >= run_row(tip.kept, "")):
            yield name


def _reported(sweeps: Iterable[RecordedSweep]) -> Iterator[str]:
    """Yield what sweeps found wrong with the row `chain`: they made it anew, so that nothing else shows it now."""
    for one in sweeps:
        for text in one.gaps:
            if is_alteration(text):
                yield f"sweep {one.seq} ({read_time(one.started)}) found: {text}"


def _changes(rows: Rows, sweeps: Sequence[RecordedSweep], tip: Tip | None) -> Iterator[str]:
    """Check when which ruleset came into force, by the chain of changes and by what each sweep says of it."""
    hashes, last = {0: ""}, 0
    for name in sorted(one for one in rows if _CHANGE.fullmatch(one)):
        number = int(name[-10:])
        yield from _missing_changes(last + 1, number)
        last = number
        try:
            change = read_in_force(name, rows[name])
        except (ValueError, KeyError, TypeError) as error:
            yield f"{name}: the row cannot be read, and with it a change of the ruleset: {error!r}"
            continue
        if change.hash != rows[name].get("hash") or hashes.get(number - 1, change.previous) != change.previous:
            yield f"{name}: the row was changed from outside: its hash does not match its content"
        hashes[number] = change.hash
    yield from _missing_changes(last + 1, tip.changes + 1 if tip else 0)
    hashed: list[tuple[str, object]] = [
        (f"sweep {one.seq} ({read_time(one.started)})", one.said.get("rulesets")) for one in sweeps
    ]
    hashed += [("the row `chain`", {"changes": tip.changes, "hash": tip.changed})] if tip and not tip.problem else []
    for who, said in hashed:
        changes, hash_ = (said.get("changes"), said.get("hash")) if isinstance(said, Mapping) else (None, None)
        if type(changes) is int and hashes.get(changes, hash_) != hash_:
            yield f"{who} does not have the hash of the newest change of the ruleset"
            return


def _missing_changes(first: int, end: int) -> Iterator[str]:
    if first < end:
        more = f" to in-force~{end - 1:010d}: the rows are" if first + 1 < end else ": the row is"
        yield f"in-force~{first:010d}{more} missing, and with it a change of the ruleset"


def _texts(rows: Rows, sweeps: Iterable[RecordedSweep]) -> Iterator[str]:
    """Check the texts of rulesets, and the lists of containers, that sweeps and changes name."""
    wanted = dict[tuple[str, str], None]()
    for one in sweeps:
        containers = one.said.get("containers")
        named = {"ruleset": one.said.get("ruleset")}
        named |= {"containers": containers.get("sha256") if isinstance(containers, Mapping) else None}
        wanted |= {(kind, str(sha256)): None for kind, sha256 in named.items() if sha256}
    for name, row in rows.items():
        if name.startswith("in-force~") and row.get("sha256"):
            wanted["ruleset", str(row["sha256"])] = None
    for kind, sha256 in wanted:
        what = "ruleset" if kind == "ruleset" else "list of containers"
        parts = [rows[name] for name in sorted(rows) if name.startswith(f"{kind}~{sha256}")]
        try:
            unpack(b"".join(join_bytes("text", part) for part in parts), sha256, what=what, by="of its name")
        except ValueError as error:
            yield f"{what} {sha256[:12]}: {error}" if parts else f"{what} {sha256[:12]} is missing"


def _heads(rows: Rows, found: RecordCheck) -> Iterator[str]:
    """Go back from the heads of now to those that each sweep recorded; collect all of them."""
    way = _WayBack(rows, found.tip.step if found.tip else 0)
    for number in way.kept.damaged[:_NAMED]:
        yield f"heads~{number:02x}: these heads do not match their digest"
    cut = found.tip.cut_seq if found.tip else 0
    recorded = [one for one in found.sweeps if one.seq > cut and isinstance(one.said.get("heads"), Mapping)]
    for sweep in sorted(recorded, key=step_of, reverse=True):  # of two at once the one that ended later may be first
        while way.step > step_of(sweep) and way.step:
            yield from way.back()
        if not way.broken and way.digest != sweep.said["heads"].get("digest"):
            yield f"sweep {sweep.seq} ({read_time(sweep.started)}): the heads do not match the digest that it recorded"
    for bucket in way.kept.buckets:
        way.note(read(bucket))
    found.recorded = way.recorded


class _WayBack:
    """The heads of earlier and earlier steps.

    Attributes:
        kept: those of now.
        step: of which step the heads are that `digest` is of.
        recorded: all heads that were come by, by ExemptionId.hash.
        broken: whether what was before cannot be had back, in part at least; what is wrong was said then.
    """

    def __init__(self, rows: Rows, least: int) -> None:
        self.kept = read_heads(rows, least)
        self.step = self.kept.step
        self.recorded: dict[bytes, list[bytes]] = {}
        self.broken = bool(self.kept.damaged)
        self._rows = rows
        self._numbers = sorted(int(one[-10:]) for one in rows if _PAST.fullmatch(one))
        self._buckets = list(self.kept.buckets)
        self._digests = [digests_of([bucket]) for bucket in self._buckets]

    @property
    def digest(self) -> str:
        """The digest of all heads at this step."""
        return digest_of(b"".join(self._digests))

    def note(self, heads: Mapping[bytes, bytes]) -> None:
        """Take note of heads that were recorded."""
        for key, value in heads.items():
            if value != NONE:
                self.recorded.setdefault(key, []).append(value)

    def back(self) -> Iterator[str]:
        """Take one step back; yield what is wrong with it."""
        number, name = self.step, f"step {self.step} of the heads"
        self.step -= 1
        row = self._rows.get(f"past~{number:010d}")
        try:
            undo = zlib.decompressobj().decompress(join_bytes("undo", row or {}), BODY_LIMIT)
        except zlib.error:
            undo = None
        if row is None or undo is None:
            if not self.broken:
                yield f"{name} {'cannot be read' if row else 'is missing'}: older heads cannot be compared"
            if row is None:
                self.step = self._numbers[at - 1] if (at := bisect_left(self._numbers, number)) else 0
            self.broken = True
            return
        if row.get("anew"):
            yield f"{name}: rows of heads were changed from outside before this step, which wrote them again"
            self.broken = True
        self.note(read(undo))
        for number in undone(self._buckets, undo):
            self._digests[number] = digests_of([self._buckets[number]])


def entries_of(history: Iterable[Mapping[str, Any]]) -> set[bytes]:
    """Return the entries of an exemption, each as a head, by its history rows."""
    return {head(row.get("seq"), row.get("hash")) for row in history}
