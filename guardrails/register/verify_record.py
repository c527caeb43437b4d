"""Verify: the record against itself, and the histories against the record. Pure. The rows: guardrails.register.record.

What is proven: each sweep that ended follows the one before; the heads of all histories go back step by step to what
each sweep recorded; and each head that any sweep recorded is still on its history. So neither an exemption nor the end
of a history was left out since. Whoever may write to the table can replace all of that with other rows that fit, but
not the hash of a sweep that somebody keeps elsewhere: an anchor.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from guardrails.decisions.heads import NONE, digest_of, digests_of, head, read, undone
from guardrails.decisions.record import RecordedSweep, Tip
from guardrails.exemption.times import read_time
from guardrails.register.columns import BODY_LIMIT, join_bytes, unpack
from guardrails.register.record_rows import CHAIN, read_heads, read_in_force, read_run, read_tip

type Rows = Mapping[str, Mapping[str, Any]]
"""Rows of the record's partition, by row key."""

_NAMED: Final = 20


@dataclass(slots=True)
class RecordCheck:
    """What came of it.

    Attributes:
        tip: where the record has come to; None where there is none.
        sweeps: those that ended, in their order.
        died: how many began and did not end.
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


def check_record(rows: Rows) -> RecordCheck:
    """Check the rows of the record against one another."""
    found = RecordCheck()
    if CHAIN in rows:
        found.tip = read_tip({"odata.etag": "", **rows[CHAIN]})
    runs = [read_run(name, row) for name, row in sorted(rows.items()) if name.startswith("run~")]
    found.sweeps = sorted((one for one in runs if one.seq), key=lambda one: one.seq)
    found.died = sum(one.state == "died" for one in runs)
    found.problems += [f"{one.row}: the row was changed from outside: {one.problem}" for one in runs if one.problem]
    if found.tip is None:
        found.problems += ["the row `chain` of the record is missing"] if runs else []
    elif found.tip.problem:
        found.problems.append(f"the row `chain` of the record was changed from outside: {found.tip.problem}")
    else:
        found.problems += _chain(found.sweeps, found.tip)
    found.problems += _rulesets(rows, found.sweeps, found.tip.changes if found.tip else 0)
    found.problems += _heads(rows, found)
    return found


def _chain(sweeps: Sequence[RecordedSweep], tip: Tip) -> Iterator[str]:
    previous, expected = tip.cut, sweeps[0].seq if sweeps and tip.cut else 1
    for one in sweeps:
        if one.seq != expected:
            what = "is missing" if one.seq == expected + 1 else f"to {one.seq - 1} are missing"
            begins = one.seq < expected
            yield f"two sweeps have the number {one.seq}: a new chain began" if begins else f"sweep {expected} {what}"
        elif one.previous != previous:
            yield f"sweep {one.seq} ({read_time(one.started)}) does not have the hash of the sweep before it"
        previous, expected = one.hash, one.seq + 1
    newest = sweeps[-1] if sweeps else None
    if (tip.seq, tip.hash) != ((newest.seq, newest.hash) if newest else (0, "")):
        last = newest.seq if newest else 0
        yield f"the row `chain` names sweep {tip.seq} as the newest; the newest row has number {last} or another hash"


def _rulesets(rows: Rows, sweeps: Iterable[RecordedSweep], changes: int) -> Iterator[str]:
    for number in range(1, changes + 1):
        if (name := f"in-force~{number:010d}") not in rows:
            yield f"{name}: the row is missing, and with it a change of the ruleset"
    wanted = dict.fromkeys(str(one.said.get("ruleset")) for one in sweeps if one.said.get("ruleset"))
    for name in sorted(one for one in rows if one.startswith("in-force~")):
        try:
            wanted[read_in_force(name, rows[name]).sha256] = None
        except (ValueError, KeyError, TypeError) as error:
            yield f"{name}: the row cannot be read: {error!r}"
    for sha256 in wanted:
        parts = [rows[name] for name in sorted(rows) if name.startswith(f"ruleset~{sha256}")]
        try:
            unpack(b"".join(join_bytes("text", part) for part in parts), sha256, what="ruleset", by="of its name")
        except ValueError as error:
            yield f"ruleset {sha256[:12]}: {error}" if parts else f"ruleset {sha256[:12]} is missing"


def _heads(rows: Rows, found: RecordCheck) -> Iterator[str]:
    """Go back from the heads of now to those that each sweep recorded; collect all of them."""
    way = _WayBack(rows, found.tip.step if found.tip else 0)
    for number in way.kept.damaged[:_NAMED]:
        yield f"heads~{number:02x}: these heads do not match their digest"
    for sweep in reversed(found.sweeps):
        said = sweep.said.get("heads")
        if not isinstance(said, Mapping) or type(said.get("step")) is not int:
            continue
        while way.step > said["step"]:
            yield from way.back()
        if not way.broken and way.digest != said["digest"]:
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
        name, self.step = f"step {self.step} of the heads", self.step - 1
        row = self._rows.get(f"past~{self.step + 1:010d}")
        try:
            undo = zlib.decompressobj().decompress(join_bytes("undo", row or {}), BODY_LIMIT)
        except zlib.error:
            undo = None
        if row is None or undo is None:
            if not self.broken:
                yield f"{name} {'cannot be read' if row else 'is missing'}: older heads cannot be compared"
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
