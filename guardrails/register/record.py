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
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from guardrails.decisions.heads import KeptHeads, Step
from guardrails.decisions.heads import after as after_step
from guardrails.decisions.record import InForce, RecordedSweep, Tip, UsedRuleset, gaps_before, hash_of
from guardrails.decisions.watch import Run
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register.columns import BODY_ROW_BYTES, Value, join_bytes, split_bytes, unpack
from guardrails.register.keys import RECORD, starting_with
from guardrails.register.record_rows import (
    CHAIN,
    HEADS,
    in_force_columns,
    last_before,
    read_heads,
    read_in_force,
    read_run,
    read_tip,
    run_columns,
    run_row,
    stamp,
    step_of,
    tip_columns,
)
from guardrails.register.table import Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_TRIES: Final = 5
_DELETES: Final = 98
"""Sweeps that are deleted at once: a transaction takes 100 writes, and the chain's row is one."""


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
            if tip is not None and tip.newest == row:  # an earlier try went through unheard, or another instance began
                return tip, await self._begun(row) or sweep
            kept = replace(sweep, row=row, said={**sweep.said, "gaps": gaps_before(tip, sweep.started, before.before)})
            writes = [Write("create", row, run_columns(kept))]
            if tip is None or tip.begun is None:
                writes += [Write("put", one.row, run_columns(one)) for one in (last_before(before),) if one]
            if tip is None or tip.problem:
                tip = Tip(sweep.started, etag=tip.etag if tip else "")
            after = replace(tip, begun=sweep.started, newest=row)
            after, more = await self._using(after, ruleset, sweep.started, "sweep")
            if (done := await self._moved(after, [*writes, *more])) is not None:
                return done, kept
        raise Retryable("another process writes to the record at the same time", code="storage-busy", delay=5.0)

    async def _begun(self, row: str) -> RecordedSweep | None:
        found = await self._table.get(RECORD, row)
        return None if found is None else read_run(row, found)

    async def end(
        self, tip: Tip, sweep: RecordedSweep, ruleset: UsedRuleset, containers: Sequence[str]
    ) -> tuple[Tip, RecordedSweep]:
        """Record that a sweep ended, as the newest of the chain; return both as they are kept.

        One write; one read more where another sweep ended meanwhile, one write more where it saw other containers.
        """
        listed = canonical_json(sorted(containers))
        digest = hashlib.sha256(listed.encode()).hexdigest() if containers else tip.containers
        if containers and digest != tip.containers:
            await self._keep_text("containers", digest, listed, sweep.started)
        said = {**sweep.said, "containers": {"count": len(containers), "sha256": digest}} if containers else sweep.said
        used, lost = sweep.ended or sweep.started, False
        for _ in range(_TRIES):
            if tip.run == sweep.row:  # an earlier try went through unheard
                return tip, sweep
            seq, text = tip.seq + 1, canonical_json(dict(said))
            kept = replace(sweep, said=said, seq=seq, previous=tip.hash, hash=hash_of(text, seq, tip.hash))
            after = replace(tip, seq=seq, hash=kept.hash, run=sweep.row, containers=digest)
            after = replace(after, step=max(tip.step, step_of(kept)))
            if tip.ruleset == ruleset.sha256:
                after = replace(after, used=used)
            if lost:
                await self._keep_text("ruleset", ruleset.sha256, ruleset.text, sweep.started)
            last: dict[str, Value] = {"last": spell_time(used)}
            writes = [Write("put", sweep.row, run_columns(kept)), Write("merge", f"ruleset~{ruleset.sha256}", last)]
            writes += [Write("merge", f"containers~{digest}", last)] if containers else []
            if (done := await self._moved(after, writes)) is not None:
                return done, kept
            lost, tip = True, await self._tip() or replace(tip, etag="")
        raise Retryable("another process writes to the record at the same time", code="storage-busy", delay=5.0)

    async def use(self, ruleset: UsedRuleset, now: datetime) -> None:
        """Record the ruleset in force when the app starts. One read; where it changed, one more and a write or two."""
        tip = await self._tip() or Tip(now)
        if tip.problem:  # the next sweep makes it anew, and says so
            return
        after, writes = await self._using(tip, ruleset, now, "start")
        if writes:
            await self._moved(after, writes)  # who was faster had the same file

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

    async def prune(self, tip: Tip, before: datetime) -> Tip:
        """Delete sweeps that began before a time, a hundred at the most; return where the record is then.

        Nothing is asked where all of them are deleted already, else one read and one write.
        """
        if tip.kept is not None and tip.kept >= before:
            return tip
        where = f"PartitionKey eq '{RECORD}' and RowKey ge 'run~' and RowKey lt 'run~{stamp(before)}'"
        found = [row async for row in self._some(where, ("hash", "seq"))]
        some = found[:_DELETES]
        cut = max(some, key=lambda row: int(row.get("seq") or 0), default={})
        after = replace(tip, kept=before if len(found) == len(some) else tip.kept)
        after = replace(after, cut=str(cut["hash"])) if cut.get("hash") else after
        return await self._moved(after, [Write("delete", row["RowKey"], {}) for row in some]) or tip

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

    async def _some(self, where: str, select: Sequence[str]) -> AsyncIterator[Entity]:
        """Yield a few more rows than can be deleted at once."""
        count = 0
        async for row in self._table.query(where, select):
            yield row
            count += 1
            if count > _DELETES:
                return

    async def _using(self, tip: Tip, ruleset: UsedRuleset, now: datetime, by: str) -> tuple[Tip, list[Write]]:
        """Return what follows from a ruleset in force: nothing where it is the one that is known."""
        if (tip.ruleset, tip.mode) == (ruleset.sha256, ruleset.mode):
            return tip, []
        if tip.ruleset != ruleset.sha256:
            await self._keep_text("ruleset", ruleset.sha256, ruleset.text, now)
        seq = tip.changes + 1
        change = InForce(seq, now, ruleset.sha256, ruleset.mode, by, tip.used)
        after = replace(tip, ruleset=ruleset.sha256, mode=ruleset.mode, used=now, changes=seq)
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
        return replace(tip, etag=etags[0])

    async def _tip(self) -> Tip | None:
        found = await self._table.get(RECORD, CHAIN)
        tip = None if found is None else read_tip(found)
        if tip is not None and tip.problem:
            _LOG.error("the row `chain` of the record was changed from outside: %s", tip.problem)
        return tip


def _damaged(sha256: str, why: str) -> Permanent:
    return Permanent(
        f"the recorded ruleset {sha256[:12]} cannot be shown: {why}", code="register-altered",
        remedy="Delete the damaged rows of the ruleset, then run `exg register import` with a full copy",
    )  # fmt: skip
