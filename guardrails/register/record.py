"""ports.Record on the register's table: what auditors ask for, kept in one partition.

    partition  row                    holds
    record     chain                  where the record has come to: a Tip
    record     in-force~SEQ           from when a ruleset was in force
    record     ruleset~SHA256         the text of a ruleset, compressed; `ruleset~SHA256~N` has what is beyond one row
    record     containers~SHA256      the containers that sweeps saw, likewise: JSON, a list of names
    record     run~STARTED~HOLDER     a sweep: written when it begins, and again when it ends
    record     heads                  how far the heads of all exemptions' histories have come, and their digests
    record     heads~XX               those of which ExemptionId.hash begins so; see guardrails.decisions.heads
    record     past~STEP              what a step of them replaced

All names are before `state~`: a sweep scans the table from there on.
"""

import hashlib
import logging
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from guardrails.dataclass import replace
from guardrails.decisions.heads import KeptHeads, Step
from guardrails.decisions.heads import after as after_step
from guardrails.decisions.record import (
    ALTERED,
    UNRECORDED,
    InForce,
    RecordedSweep,
    Tip,
    UsedRuleset,
    gaps_before,
    hash_of,
    unrecorded,
)
from guardrails.decisions.watch import Run
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register.columns import BODY_ROW_BYTES, Value, join_bytes, split_bytes, unpack
from guardrails.register.keys import RECORD, starting_with
from guardrails.register.record_rows import (
    CHAIN,
    HEADS,
    NEVER,
    Oldest,
    in_force_columns,
    last_before,
    oldest,
    read_heads,
    read_in_force,
    read_run,
    read_tip,
    run_columns,
    run_row,
    stamp,
    step_of,
    tip_by,
    tip_columns,
)
from guardrails.register.table import Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_TRIES: Final = 5
_DELETES: Final = 98
"""Rows that are deleted at once: a transaction takes 100 writes, and the chain's row is one."""


class Record:
    """The record. Methods raise Retryable where storage is busy or away."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def begin(self, sweep: RecordedSweep, ruleset: UsedRuleset, before: Run) -> tuple[Tip, RecordedSweep]:
        """Record that a sweep begins, and the ruleset in force. Return where the record is, and what is kept of it.

        `before`: the run as its lease has it. One read and one write; where the ruleset changed, one of each more.
        """
        row = run_row(sweep.started, sweep.holder)
        for _ in range(_TRIES):
            tip = await self._tip()
            if tip is not None and (begun := await self._begun(tip, row, sweep)) is not None:
                return tip, begun
            said = {**sweep.said, "gaps": gaps_before(tip, sweep.started, before.before)}
            if tip is not None and tip.newest:
                said["follows"] = tip.newest
            if tip is not None and (report := unrecorded(tip, before)):
                said["previous_report"] = report
                said["gaps"] = [*said["gaps"], UNRECORDED.format(tip.newest)]
            kept = replace(sweep, row=row, behind=tip.seq if tip else 0, said=said)
            writes = [Write("put", row, run_columns(kept))]
            if tip is None or (tip.begun is None and not tip.problem):
                writes += [Write("put", one.row, run_columns(one)) for one in (last_before(before),) if one]
            after = replace(tip or Tip(sweep.started), begun=sweep.started, newest=row)
            after, more = await self._using(after, ruleset, sweep.started, "sweep")
            if (done := await self._moved(after, [*writes, *more])) is not None:
                return done, kept
        raise _busy()

    async def _begun(self, tip: Tip, row: str, sweep: RecordedSweep) -> RecordedSweep | None:
        """Return a sweep of which the record has the begin: by a try that went through unheard, or another instance."""
        if tip.newest == row:
            return await self._kept(row, sweep)
        if tip.begun is None or tip.begun < sweep.started:
            return None
        found = await self._table.get(RECORD, row)  # others may have begun since
        return None if found is None else read_run(row, found)

    async def end(
        self, tip: Tip, sweep: RecordedSweep, ruleset: UsedRuleset, containers: Sequence[str]
    ) -> tuple[Tip, RecordedSweep]:
        """Record that a sweep ended, as the newest of the chain; return both as they are kept.

        A sweep ends once: if an instance ends it again, its first end stays. One write; two reads more where another
        sweep ended meanwhile, one write more where it saw other containers.
        """
        listed = canonical_json(sorted(containers))
        digest = hashlib.sha256(listed.encode()).hexdigest() if containers else tip.containers
        if containers and digest != tip.containers:
            await self._keep_text("containers", digest, listed, sweep.started)
        said = {**sweep.said, "containers": {"count": len(containers), "sha256": digest}} if containers else sweep.said
        used, lost = sweep.ended or sweep.started, False
        for _ in range(_TRIES):
            if sweep.seq or tip.run == sweep.row:  # by a try that went through unheard, or another instance
                return tip, await self._kept(sweep.row, sweep)
            if tip.problem:
                said = {**said, "gaps": [*said.get("gaps", ()), ALTERED.format(tip.problem)]}
            kept = _ended(sweep, {**said, "rulesets": {"changes": tip.changes, "hash": tip.changed}}, tip)
            after = replace(tip, seq=kept.seq, hash=kept.hash, run=sweep.row, containers=digest)
            after = replace(after, step=max(tip.step, step_of(kept)))
            if tip.ruleset == ruleset.sha256:
                after = replace(after, used=used)
            if lost:
                await self._keep_text("ruleset", ruleset.sha256, ruleset.text, sweep.started)
                if containers:
                    await self._keep_text("containers", digest, listed, sweep.started)
            last: dict[str, Value] = {"last": spell_time(used)}
            writes = [Write("put", sweep.row, run_columns(kept)), Write("merge", f"ruleset~{ruleset.sha256}", last)]
            if containers:
                writes.append(Write("merge", f"containers~{digest}", {**last, "newest": kept.seq}))
            if (done := await self._moved(after, writes)) is not None:
                return done, kept
            lost, tip = True, await self._tip() or replace(tip, etag="")
            sweep = replace(sweep, seq=(await self._kept(sweep.row, sweep)).seq)
        raise _busy()

    async def use(self, ruleset: UsedRuleset, now: datetime) -> None:
        """Record the ruleset in force when the app starts. One read; where it changed, one more and a write or two."""
        for _ in range(_TRIES):
            tip = await self._tip() or Tip(now)
            if tip.problem:  # the next sweep makes it anew, and says so
                return
            after, writes = await self._using(tip, ruleset, now, "start")
            if not writes or await self._moved(after, writes) is not None:
                return
        raise _busy()

    async def heads(self, tip: Tip) -> KeptHeads:
        """Return the heads of all exemptions' histories as the record has them. One read, in pages of 4 MiB."""
        where = f"PartitionKey eq '{RECORD}' and RowKey ge 'heads' and RowKey lt 'heads~~'"
        rows = {row["RowKey"]: row async for row in self._table.query(where)}
        return read_heads(rows, tip.step)

    async def keep_heads(self, kept: KeptHeads, step: Step, lost: int, now: datetime) -> KeptHeads | None:
        """Change them by one step; None where somebody else did since they were read. One write."""
        done = after_step(kept, step, lost)
        columns: dict[str, Value] = {"step": done.step, "digests": done.digests, "lost": lost, "at": spell_time(now)}
        anew = ",".join(f"{number:02x}" for number in step.anew)
        undo: dict[str, Value] = {
            "at": spell_time(now),
            "anew": anew,
            **split_bytes("undo", zlib.compress(step.undo, 6)),
        }
        how = Write("replace", HEADS, columns, kept.etag) if kept.etag else Write("create", HEADS, columns)
        writes = [
            how,
            *(Write("put", f"heads~{number:02x}", split_bytes("heads", data)) for number, data in step.buckets.items()),
            Write("put", f"past~{done.step:010d}", undo),
        ]
        try:
            etags = await self._table.transact(RECORD, writes, "record")
        except Rejected:
            return None
        return replace(done, etag=etags[0])

    async def prune(self, tip: Tip, before: datetime, now: datetime) -> Tip:
        """Delete sweeps that began before a time, and what only they needed; return where the record is then.

        About a hundred rows at the most. No request where all of that was done before; else three reads and one write,
        and one read more where a clock was wrong.
        """
        if tip.kept is not None and tip.kept >= before:
            return tip
        found = await self._page(f"RowKey ge 'run~' and RowKey lt 'run~{stamp(before)}'")
        old = oldest(found, tip, (), _DELETES)
        if old.stopped:  # the one that is next may be dated into the future
            old = oldest(found, tip, await self._page(f"RowKey gt 'run~{stamp(now)}' and RowKey lt 'run~~'"), _DELETES)
        if old.stopped:
            _LOG.warning(
                "old sweeps stay in the record, because sweep %d is dated later or missing; `exg register verify` shows"
                " which",
                old.seq + 1,
            )
        more = await self._unneeded(old, before)
        some = more[: _DELETES - len(old.rows)]
        whole = len(some) == len(more) and old.whole
        after = replace(tip, cut=old.hash, cut_seq=old.seq, kept=before if whole else old.until or tip.kept)
        return await self._moved(after, [Write("delete", name, {}) for name in (*old.rows, *some)]) or tip

    async def _unneeded(self, old: Oldest, before: datetime) -> list[str]:
        """Return the rows that only deleted sweeps needed: steps of the heads, and lists of containers in one row."""
        some: list[str] = []
        if old.step:
            where = f"RowKey ge 'past~' and RowKey le 'past~{old.step:010d}' and at lt '{spell_time(before)}'"
            some += [row["RowKey"] async for row in self._some(where, ("at",))]
        if old.seq:
            where = f"RowKey ge 'containers~' and RowKey lt 'containers~~' and newest le {old.seq} and rows eq 1"
            some += [row["RowKey"] async for row in self._some(where, ("newest",))]
        return some

    async def _page(self, where: str) -> list[RecordedSweep]:
        """Return the sweeps of a page or a little more, in the order of their rows."""
        return [read_run(row["RowKey"], row) async for row in self._some(where)]

    async def sweeps(self, start: datetime, end: datetime) -> AsyncIterator[RecordedSweep]:
        """Yield the sweeps that began between two times (UTC, both included), in that order."""
        first, last = f"run~{stamp(start)}", f"run~{stamp(end + timedelta(seconds=1))}"
        async for found in self._table.query(
            f"PartitionKey eq '{RECORD}' and RowKey ge '{first}' and RowKey lt '{last}'"
        ):
            yield read_run(found["RowKey"], found)

    async def changes(self) -> list[InForce]:
        """Return from when which ruleset was in force. Rows that cannot be read are left out, and the log says so."""
        found: list[InForce] = []
        async for row in self._table.query(starting_with("in-force~", RECORD)):
            try:
                found.append(read_in_force(row["RowKey"], row))
            except (ValueError, KeyError, TypeError) as error:
                _LOG.error("row %s of the record cannot be read: %s", row["RowKey"], error)
        return found

    async def ruleset(self, sha256: str) -> tuple[str, datetime | None, datetime | None]:
        """Return a ruleset's text, and when it was first and last used, UTC.

        Raises Permanent (register-altered) where it is missing or not what its name says.
        """
        rows = [row async for row in self._table.query(starting_with(f"ruleset~{sha256}~", RECORD))]
        head = await self._table.get(RECORD, f"ruleset~{sha256}")
        if head is None:
            raise _damaged(sha256, "it is missing")
        data = b"".join(join_bytes("text", row) for row in (head, *rows))
        try:
            text = unpack(data, sha256, what="ruleset", by="under which it is kept").decode()
            return text, parse_time(head.get("first")), parse_time(head.get("last"))
        except ValueError as error:
            raise _damaged(sha256, str(error)) from error

    async def tip(self) -> Tip | None:
        """Return where the record has come to; None where there is none."""
        return await self._tip()

    async def _some(self, where: str, select: Sequence[str] = ()) -> AsyncIterator[Entity]:
        """Yield a few more rows than can be deleted at once."""
        count = 0
        async for row in self._table.query(f"PartitionKey eq '{RECORD}' and {where}", select):
            yield row
            count += 1
            if count > 2 * _DELETES:
                return

    async def _using(self, tip: Tip, ruleset: UsedRuleset, now: datetime, by: str) -> tuple[Tip, list[Write]]:
        """Return what follows from a ruleset in force: nothing where it is the one that is known."""
        if (tip.ruleset, tip.mode) == (ruleset.sha256, ruleset.mode):
            return tip, []
        if tip.ruleset != ruleset.sha256:
            await self._keep_text("ruleset", ruleset.sha256, ruleset.text, now)
        seq = tip.changes + 1
        change = InForce(seq, now, ruleset.sha256, ruleset.mode, by, tip.used, tip.changed)
        after = replace(tip, ruleset=ruleset.sha256, mode=ruleset.mode, used=now, changes=seq, changed=change.hash)
        return after, [Write("put", f"in-force~{seq:010d}", in_force_columns(change))]

    async def _keep_text(self, kind: str, sha256: str, text: str, now: datetime) -> None:
        """Keep a text under its sha256, unless it is there and whole; what is beyond one row goes ahead."""
        head = await self._table.get(RECORD, f"{kind}~{sha256}")
        data = zlib.compress(text.encode(), 6)
        first, *rest = (data[at : at + BODY_ROW_BYTES] for at in range(0, len(data), BODY_ROW_BYTES))
        columns: dict[str, Value] = {"first": spell_time(now), "last": spell_time(now), "rows": 1 + len(rest)}
        if head is not None:
            columns |= {name: head[name] for name in ("first", "last") if isinstance(head.get(name), str)}
        for number, piece in enumerate(rest, 1):
            part = Write("put", f"{kind}~{sha256}~{number:04d}", split_bytes("text", piece))
            await self._table.transact(RECORD, [part], "record")
        if head is None or join_bytes("text", head) != first:
            await self._table.transact(
                RECORD, [Write("put", f"{kind}~{sha256}", {**columns, **split_bytes("text", first)})], "record"
            )

    async def _moved(self, tip: Tip, writes: Sequence[Write]) -> Tip | None:
        """Do writes and move the tip, all or none; None where somebody else did since it was read."""
        columns = tip_columns(tip)
        how = Write("replace", CHAIN, columns, tip.etag) if tip.etag else Write("create", CHAIN, columns)
        try:
            etags = await self._table.transact(RECORD, [how, *writes], "record")
        except Rejected:
            return None
        return replace(tip, etag=etags[0], problem="")

    async def _kept(self, row: str, sweep: RecordedSweep) -> RecordedSweep:
        """Return a sweep as its row has it; as it is where a hand took that away."""
        found = await self._table.get(RECORD, row)
        return replace(sweep, row=row) if found is None else read_run(row, found)

    async def _tip(self) -> Tip | None:
        """Return where the record has come to; its other rows say it where that one does not. None without any."""
        found = await self._table.get(RECORD, CHAIN)
        tip = Tip(NEVER, problem="it is missing") if found is None else read_tip(found)
        if not tip.problem:
            return tip
        sweeps = [read_run(row["RowKey"], row) async for row in self._table.query(starting_with("run~", RECORD))]
        made = tip_by(tip, sweeps, await self.changes())
        if made is not None:
            _LOG.error("the row `chain` of the record was changed from outside: %s", tip.problem)
        return made


def _ended(sweep: RecordedSweep, said: Mapping[str, Any], tip: Tip) -> RecordedSweep:
    """Return a sweep as the newest of the chain."""
    ended = replace(sweep, said=said, seq=tip.seq + 1, previous=tip.hash)
    times = (spell_time(sweep.started), spell_time(sweep.ended) if sweep.ended else "")
    return replace(ended, hash=hash_of(canonical_json(dict(said)), ended.seq, tip.hash, *times))


def _busy() -> Retryable:
    return Retryable("another process writes to the record at the same time", code="storage-busy", delay=5.0)


def _damaged(sha256: str, why: str) -> Permanent:
    return Permanent(
        f"the recorded ruleset {sha256[:12]} cannot be shown: {why}", code="register-altered",
        remedy="Delete the damaged rows of the ruleset, then run `exg register import` with a full copy",
    )  # fmt: skip
