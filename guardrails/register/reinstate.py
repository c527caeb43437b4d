"""Reinstate: put a full copy back, partition by partition, exemption by exemption, each whole.

What is there already is not overwritten, unless the copy goes on from just that. So a copy may be put back into an
empty table, into a half-filled one, twice, or while the service runs.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from guardrails.dataclass import dataclass, field
from guardrails.exemption.times import read_time
from guardrails.register.backup import (
    Backup,
    Rows,
    by_exemption,
    columns_of,
    is_pruned,
    key_in,
    name_of,
    of_kind,
    same,
    same_entry,
    soundness,
)
from guardrails.register.group_commit import GroupCommit
from guardrails.register.keys import BREAKER, DOCTOR, GRACE, RATE_LIMITS, RECORD, SWEEP, UNSEEN, Address
from guardrails.register.record_rows import CHAIN, read_tip
from guardrails.register.table import MOST_BYTES, MOST_OPERATIONS, Entity, Rejected, Table, Write

_AT_ONCE: Final = 200
_CHUNK_BYTES: Final = MOST_BYTES // 4
"""Of columns, in a transaction: quotes and other alphabets take several times as much in the request."""
_LEFT_OUT: Final = frozenset({RATE_LIMITS, DOCTOR})
"""Rate limits say which messages are on the queues, which are not in the copy; the doctor deletes its row."""
_OF_NOW: Final = frozenset({BREAKER[0], SWEEP[0], UNSEEN[0], RECORD})
"""What is there is newer and stays: a copy must not close a breaker, take a lease from who sweeps, or cut a record."""


@dataclass(slots=True)
class Tally:
    """What came of it: numbers, and what somebody should read.

    Attributes:
        restored: exemptions that were not there.
        forwarded: those of which an older state was there.
        same: those that were there as in the copy.
        kept: those of which the table had more than the copy; rows of their history that were missing were added.
        replaced: those with another history, where that was asked for.
        refused: ids of those with another history, which were left as they are.
        rows: other rows that were written: dead letters, digests and the like.
        rows_kept: other rows that were left as they are, for they differ: `partition/row`.
        unsound: ids of those that are sound in the table and not in the copy, which were left as they are.
        missed: ids of those that somebody wrote at the same moment: run it again.
        problems: what is wrong with them now, a sentence each.
        pruned: history entries among what is there now whose bodies were pruned.
    """

    restored: int = 0
    forwarded: int = 0
    same: int = 0
    kept: int = 0
    replaced: int = 0
    refused: list[str] = field(default_factory=list)
    rows: int = 0
    rows_kept: list[str] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pruned: int = 0

    def count(self, what: str, exemption: str) -> None:
        """Count one exemption under the name of an attribute."""
        if what in ("refused", "unsound"):
            getattr(self, what).append(exemption)
        else:
            setattr(self, what, getattr(self, what) + 1)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is done about one exemption: the name of its number in the tally, and the writes in their order."""

    what: str
    writes: Sequence[Write] = ()


class Reinstate:
    """Puts rows of a copy back into the table."""

    def __init__(self, table: Table, backup: Backup) -> None:
        self._table = table
        self._backup = backup

    async def partition(self, name: str, rows: Rows, tally: Tally, *, force: bool, dry_run: bool) -> None:
        """Put the rows of one partition back and check what is there then; `dry_run` only counts.

        `force` replaces what differs and does not go on from the copy. Raises Retryable, Misconfigured.
        """
        if name in _LEFT_OUT:
            return
        there, copies = await self._backup.partition(name), by_exemption(rows)
        before = by_exemption(there)
        write = _Writing(GroupCommit(self._table), name, tally, dry_run=dry_run)
        others: Rows = {key: row for key, row in rows.items() if not key_in(key)}
        forward = False
        if name == RECORD:
            others, forward = _of_record(there, others, tally)
            left = await write.record(others, there, force=force, forward=forward)
            if left is None:
                return  # another process began a record meanwhile: rows of two must not mix
            others = left
        await asyncio.gather(
            *(
                write.exemption(name_of(copy, key), _plan(Address(name, key), before.get(key, {}), copy, force=force))
                for key, copy in copies.items()
            ),
            *(write.other(row, there.get(key), force=force, forward=forward) for key, row in others.items()),
        )
        if not dry_run:
            now = by_exemption(await self._backup.partition(name))
            for key in copies:
                own = now.get(key, {})
                tally.pruned += sum(map(is_pruned, own.values()))
                tally.problems += [f"{name_of(own, key)}: {wrong}" for wrong in soundness(Address(name, key), own)]


class _Writing:
    """Writes to one partition, many at once, and counts."""

    def __init__(self, commits: GroupCommit, partition: str, tally: Tally, *, dry_run: bool) -> None:
        self._commits = commits
        self._partition = partition
        self._tally = tally
        self._dry_run = dry_run
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def exemption(self, subject: str, plan: _Plan) -> None:
        """Do what was decided about an exemption."""
        if await self._write(plan.writes, subject):
            self._tally.count(plan.what, subject)

    async def record(self, rows: Rows, there: Rows, *, force: bool, forward: bool) -> Rows | None:
        """Put back the row `chain` of a record, in one transaction with as many others as that takes.

        So most imports that break off leave none of the record, or all of it. Return the rows that are left; None where
        another process wrote one of these meanwhile.
        """
        first = self._wanted(rows[CHAIN], there.get(CHAIN), force=force, forward=forward) if CHAIN in rows else None
        if first is None:
            return rows
        chosen = [first]
        for name in sorted(rows.keys() - {CHAIN}):
            write = self._wanted(rows[name], there.get(name), force=force, forward=forward)
            more = [*chosen, write] if write else chosen
            if len(more) > MOST_OPERATIONS or sum(one.size for one in more) > _CHUNK_BYTES:
                break
            chosen = more
        if not await self._write(chosen, f"{self._partition}/{CHAIN}"):
            return None
        self._tally.rows += len(chosen)
        done = {write.row for write in chosen}
        return {name: row for name, row in rows.items() if name not in done}

    async def other(self, row: Entity, old: Entity | None, *, force: bool, forward: bool) -> None:
        """Put back a row of no exemption; `old` is what is there; `forward`: the copy goes on from that."""
        subject = f"{self._partition}/{row['RowKey']}"
        write = self._wanted(row, old, force=force, forward=forward)
        if write is None:
            if old is not None and not self._is_settled(row, old, forward=forward):
                self._tally.rows_kept.append(subject)
        elif await self._write([write], subject):
            self._tally.rows += 1

    def _wanted(self, row: Entity, old: Entity | None, *, force: bool, forward: bool) -> Write | None:
        """Return how to put back a row of no exemption; None where what is there stays."""
        if old is not None and (self._is_settled(row, old, forward=forward) or not (force or forward)):
            return None
        return _over(_without_lease(row), old)

    def _is_settled(self, row: Entity, old: Entity, *, forward: bool) -> bool:
        """Whether what is there is newer than the copy, or the same."""
        newer = (self._partition in _OF_NOW and not forward) or row["RowKey"].startswith(GRACE)
        return newer or same(old, row)

    async def _write(self, writes: Sequence[Write], subject: str) -> bool:
        """Return whether it was done, or would be."""
        if self._dry_run:
            return True
        async with self._slots:
            try:
                for chunk in _chunks(writes):
                    await self._commits.transact(self._partition, chunk, subject)
            except Rejected:
                self._tally.missed.append(subject)
                return False
        return True


def _plan(place: Address, there: Rows, copy: Rows, *, force: bool) -> _Plan:
    """Decide about one exemption, by its rows in the table and in the copy."""
    if there.keys() == copy.keys() and all(same(there[name], copy[name]) for name in copy):
        return _Plan("same")
    if not there:
        return _Plan("restored", _forward(place, there, copy))
    wrong = soundness(place, there)
    if not wrong and soundness(place, copy):
        return _Plan("unsound")
    ours, theirs = of_kind(copy, "history"), of_kind(there, "history")
    shared = ours.keys() & theirs.keys()
    another = not all(same_entry(ours[name], theirs[name]) for name in shared) or bool(ours and theirs and not shared)
    if force and (another or (wrong and soundness(place, {**_lasting(copy), **there}))):
        return _Plan("replaced", _replace(place, there, copy))
    if another:
        return _Plan("refused")
    more = _newest(place, there) - _newest(place, copy)
    if more > 0 or (more == 0 and place.state in there):
        return _Plan("kept", _missing(there, copy))
    return _Plan("forwarded", _forward(place, there, copy))


def _of_record(there: Rows, copy: Rows, tally: Tally) -> tuple[Rows, bool]:
    """Return which rows of a record are put back, and whether the copy goes on from what is there."""
    if CHAIN not in there or CHAIN not in copy:
        return copy, False
    ours, theirs = read_tip(copy[CHAIN]), read_tip(there[CHAIN])
    if ours.began == theirs.began or theirs.problem or ours.problem:
        run = copy.get(theirs.run, {})
        return copy, ours.seq > theirs.seq and (not theirs.seq or run.get("hash") == theirs.hash)
    tally.problems.append(
        f"the table has a record of its own, which began at {read_time(theirs.began)}; the record of the copy began at"
        f" {read_time(ours.began)}, and only its rulesets were added. To read it, import the copy into an empty table"
    )
    return {name: row for name, row in copy.items() if name.startswith("ruleset~")}, False


def _newest(place: Address, rows: Rows) -> int:
    """Return the number of the newest entry that rows of an exemption speak of."""
    seq = rows.get(place.state, {}).get("seq")
    last = max(of_kind(rows, "history"), default="~0").rpartition("~")[2]
    return max(seq if isinstance(seq, int) else 0, int(last) if last.isdecimal() else 0)


def _missing(there: Rows, copy: Rows) -> list[Write]:
    """Add what is missing of history and bodies, which may come from any copy; what was pruned stays pruned."""
    entries = {**of_kind(copy, "history"), **of_kind(there, "history")}
    kept = {row.get("body_digest") for row in entries.values() if not is_pruned(row)}
    missing = {name: row for name, row in _lasting(copy).items() if name not in there}
    for name in of_kind(missing, "body"):
        if name.split("~")[2] not in kept:
            del missing[name]
    return [Write("create", name, columns_of(row)) for name, row in missing.items()]


def _lasting(copy: Rows) -> dict[str, Entity]:
    return {**of_kind(copy, "body"), **of_kind(copy, "history")}


def _forward(place: Address, there: Rows, copy: Rows) -> list[Write]:
    """Go on to the state of the copy. A message that only the older state waits for has been sent since.

    What the copy has pruned since is pruned here, too.
    """
    outbox, pruned = of_kind(copy, "outbox"), {name for name, row in copy.items() if is_pruned(row)}
    return [
        *_missing(there, copy),
        *(Write("put", name, columns_of(copy[name])) for name in sorted(pruned & there.keys())),
        *(Write("delete", name, {}) for name in of_kind(there, "body") if name not in copy),
        *(Write("delete", name, {}) for name in of_kind(there, "outbox") if name not in outbox),
        *(Write("put", name, columns_of(row)) for name, row in outbox.items()),
        *([_over(copy[place.state], there.get(place.state))] if place.state in copy else []),
    ]


def _replace(place: Address, there: Rows, copy: Rows) -> list[Write]:
    """Take away what is there, and put the copy in its place.

    The state row goes first, under its ETag: where a worker was faster, nothing was touched yet.
    """
    old, new = there.get(place.state), copy.get(place.state)
    first = [_over(new, old)] if new else [Write("delete", place.state, {}, old["odata.etag"])] if old else []
    return [
        *first,
        *(Write("delete", name, {}) for name in there if name not in copy and name != place.state),
        *(Write("put", name, columns_of(row)) for name, row in copy.items() if name != place.state),
    ]


def _over(row: Entity, old: Entity | None) -> Write:
    """Write a row where there is none, or over just that one."""
    if old is None:
        return Write("create", row["RowKey"], columns_of(row))
    return Write("replace", row["RowKey"], columns_of(row), old["odata.etag"])


def _without_lease(row: Entity) -> Entity:
    """Return the row; that of the last sweep without its lease, whose holder is not there any more."""
    return {**row, "until": ""} if (row["PartitionKey"], row["RowKey"]) == SWEEP else row


def _chunks(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Cut writes into what a transaction takes, in their order."""
    chunk, size = list[Write](), 0
    for write in writes:
        if chunk and (len(chunk) == MOST_OPERATIONS or size + write.size > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(write)
        size += write.size
    if chunk:
        yield chunk
