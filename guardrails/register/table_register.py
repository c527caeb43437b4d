"""ports.Register on one table of Azure Table Storage. See docs/register.md for the rows and what guards them."""

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from sys import intern
from typing import Any, Final, Self

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from guardrails.decisions import bodies
from guardrails.decisions.adoption_notice import Adopted
from guardrails.decisions.grace import GraceUse
from guardrails.decisions.heads import head
from guardrails.decisions.history import DeadLetter, Entry, HistoryEntry, Outgoing
from guardrails.decisions.parts import EVERYTHING, Span
from guardrails.decisions.row import Row, Status, Stored
from guardrails.decisions.watch import Watch
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.lazy_regex import lazy_regex
from guardrails.ports import BreakerState, Clock
from guardrails.register import chain, columns, state
from guardrails.register.account import table_client, too_large
from guardrails.register.attached import Attached
from guardrails.register.backup import Backup
from guardrails.register.breaker import Breaker
from guardrails.register.bypasses import Bypasses
from guardrails.register.dead_letters import DeadLetters
from guardrails.register.digest_items import DigestItems
from guardrails.register.grace_used import GraceUses, grace_use_writes
from guardrails.register.group_commit import GroupCommit
from guardrails.register.keys import Address, address, starting_with
from guardrails.register.outbox import Outbox, message_write, with_outbox
from guardrails.register.pruning import Pruning, kept_until, no_body
from guardrails.register.rate_limits import RateLimits
from guardrails.register.record import Record
from guardrails.register.reinstate import Reinstate
from guardrails.register.shared_parts import SharedParts
from guardrails.register.sweeps import Sweeps
from guardrails.register.table import MOST_BYTES, Entity, Rejected, Table, Write, size_of
from guardrails.register.unseen import Unseen
from guardrails.register.verify import problems_of
from guardrails.ruleset.budgets import Budget, Use

_LOG: Final = logging.getLogger(__name__)
_ENTRY_BYTES: Final = 960 * 1024
"""The most that we let a history entry hold, with text as UTF-16 and bytes as base64; storage allows 1 MiB."""
_BODY: Final = "body~"
_KEY: Final = lazy_regex("[0-9a-f]{40}")
_WATCHED: Final = ("watch", "status", "seq", "head")
"""What a sweep reads of every row."""
_VERIFY_ROUNDS: Final = 5
_VERIFY: Final = "`exg history ID --verify` lists what is wrong; fix or delete those rows in the table"


def connect(
    *,
    clock: Clock,
    connection_string: str = "",
    endpoint: str = "",
    credential: AsyncTokenCredential | None = None,
    table: str = "guardrails",
    transport: AioHttpTransport | None = None,
) -> "TableRegister":
    """Return the register in a storage account: by connection string, or by table endpoint and identity.

    Opens no connection. Raises Misconfigured (bad-connection-string). `transport` is for tests.
    """
    client = table_client(
        table, connection_string=connection_string, endpoint=endpoint, credential=credential, over=transport
    )
    return TableRegister(client, clock)


class TableRegister:
    """The register. All methods raise Retryable where storage is busy or away, Misconfigured where it refuses us.

    Attributes:
        rate_limits, digest_items, sweeps: in the same table, what all instances share: ports.RateLimits,
            ports.DigestItems, ports.Sweeps.
        parts: the parts of a sweep that instances share: ports.SharedParts.
        backup, reinstate: full copies of the table, and putting them back.
        bypasses: the bypasses of policies: ports.Bypasses.
        record: what auditors ask for: ports.Record.
    """

    def __init__(self, client: TableClient, clock: Clock) -> None:
        self._client = client
        self._table = Table(client)
        self._commits = GroupCommit(self._table)
        self._pruning = Pruning(self._table, self._commits)
        self._clock = clock
        self._breaker = Breaker(self._table)
        self._dead_letters = DeadLetters(self._table)
        self._outbox = Outbox(self._table, self._commits, self._dead_letters)
        self._attached = Attached(self._table)
        self._unseen = Unseen(self._table)
        self._grace_uses = GraceUses(self._table)
        self.rate_limits = RateLimits(self._table)
        self.digest_items = DigestItems(self._table)
        self.sweeps = Sweeps(self._table)
        self.parts = SharedParts(self._table)
        self.backup = Backup(self._table)
        self.reinstate = Reinstate(self._table, self.backup)
        self.bypasses = Bypasses(self._table)
        self.record = Record(self._table)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def read(self, exemption: ExemptionId) -> Stored | None:
        """Return the row, or None where there is none. One request, unless the row was changed from outside.

        Raises Permanent (register-altered) when it was, and the history is not sound either.
        """
        place = address(exemption)
        found = await self._table.get(place.partition, place.state)
        return None if found is None else await self._opened(place, found, exemption.text)

    async def commit(
        self, exemption: ExemptionId, before: Stored | None, row: Row, entry: Entry, outgoing: Sequence[Outgoing] = ()
    ) -> Stored | None:
        """Write row, history entry and outbox in one transaction: one request. None when somebody else was first.

        A body that does not fit into one goes ahead in rows of its own, of which nobody knows until the entry is there.

        The ids of `outgoing` are added to the row's outbox. The result has that row and its new ETag, so that the next
        commit or `sent` needs no read. A None can also mean that an earlier try of this very commit went through
        unheard; reading again shows it.

        Raises Permanent: body-too-large beyond 100 rows, 4 MiB without the body, or 16 MiB of it; register-altered
        where the place of the new history entry is taken although the row has not changed.
        """
        place, now = address(exemption), self._clock.now()
        pending = (*row.outbox, *(message.id for message in outgoing if message.id not in row.outbox))
        packed = columns.pack(entry.body) if entry.body is not None else None
        if packed and packed.size > columns.KEPT_BYTES:
            raise too_large(exemption.text, f"its body has {packed.size} bytes; {columns.KEPT_BYTES} are kept")
        seq, previous = (before.seq + 1, before.head) if before else (1, "")
        old = before.row if before else None
        row = bodies.counted(old, with_outbox(row, pending), seq, now, body=packed is not None)
        text = state.text_of(row)
        link = chain.link(entry, row, text, seq, previous, digest=packed.digest if packed else "")
        current = state.state_columns(place, row, text, seq, link.hash, now=now)
        writes = [
            Write("replace", place.state, current, before.etag) if before else Write("create", place.state, current),
            *_entry_writes(place, link, packed),
            *grace_use_writes(exemption, place, old, row, now),
            *(message_write(place, message, now) for message in outgoing),
        ]
        if size_of(writes) > MOST_BYTES:
            ahead = [write for write in writes if write.row.startswith(_BODY)]  # named by its digest: always the same
            for write in ahead:
                await self._commits.transact(place.partition, [write], exemption.text)
            writes = [write for write in writes if not write.row.startswith(_BODY)]
        taken = bodies.freed(old, row)
        marks = [] if taken is None else [kept_until(taken, now + bodies.TAKEN_FOR, place)]
        try:
            etags = await self._transact(place, writes, marks, exemption.text)
        except Rejected as lost:
            if lost.status == 409:
                await self._explain(place, before, exemption.text)
            return None
        return Stored(row, seq, link.hash, etags[0])

    async def _transact(
        self, place: Address, writes: Sequence[Write], marks: Sequence[Write], subject: str
    ) -> list[str]:  # fmt: skip
        """Do writes, and marks on history entries that should be there: one that a hand took out stops nothing."""
        try:
            return await self._commits.transact(place.partition, [*writes, *marks], subject)
        except Rejected as lost:
            if not marks or lost.status != 404:
                raise
        return await self._commits.transact(place.partition, writes, subject)

    async def prune(self, exemption: ExemptionId, stored: Stored) -> Stored | None:
        """Delete up to ten bodies that nothing needs, and record that; None when somebody else was there first.

        Two or three requests and one transaction; guardrails.decisions.bodies says which and when.
        """
        return await self._pruning.prune(address(exemption), exemption.text, stored, self._clock.now())

    async def sent(self, exemption: ExemptionId, stored: Stored, ids: Sequence[str]) -> Stored | None:
        """Take messages out of the outbox; ids that are no longer there are no error. None on a lost race."""
        return await self._outbox.sent(exemption, stored, ids, self._clock.now())

    async def take_outbox(self, exemption: ExemptionId, stored: Stored, now: datetime) -> Stored | None:
        """Note that what is left in the outbox is being sent from now on; None on a lost race. One request."""
        return await self._outbox.take(exemption, stored, now)

    async def outbox(self, exemption: ExemptionId, ids: Sequence[str]) -> list[Outgoing]:
        """Return the messages of `ids` that are still in the outbox. One that cannot be read is dead-lettered."""
        return await self._outbox.messages(exemption, ids, self._clock.now())

    async def body(self, exemption: ExemptionId, seq: int) -> Mapping[str, Any]:
        """Return the ARM body that entry `seq` keeps.

        Raises Permanent: no-body where there is no such entry or it keeps none; register-altered where it is damaged.
        """
        return (await self._kept(exemption, seq))[1]

    async def kept(self, exemption: ExemptionId, seq: int) -> tuple[HistoryEntry, Mapping[str, Any]]:
        """Return entry `seq` and its ARM body: one request, unless that is long. Raises as `body` does."""
        return await self._kept(exemption, seq)

    async def _kept(self, exemption: ExemptionId, seq: int) -> tuple[HistoryEntry, Mapping[str, Any]]:
        place = address(exemption)
        entity = await self._table.get(place.partition, place.history(seq))
        if entity is None or not entity.get("body_digest"):
            raise no_body(seq, exemption.text, None)
        try:
            entry = chain.read_entry(entity)
            digest = entry.body_digest
            data = columns.join_bytes("body", entity)
            if not data:
                rows = self._rows(place, f"body~{place.key}~{digest}~")
                data = b"".join([columns.join_bytes("body", part) async for part in rows])
            pruned = None if data else await self._pruned(place, seq)
            if pruned is not None:
                raise no_body(seq, exemption.text, pruned)
            return entry, json.loads(columns.unpack(data, digest))
        except ValueError as error:
            raise _altered(exemption.text, f"history entry {seq}: {error}") from error

    async def entry(self, exemption: ExemptionId, seq: int) -> HistoryEntry:
        """Return one history entry, without its body: one request. Raises Permanent (register-altered)."""
        place = address(exemption)
        found = await self._table.get(place.partition, place.history(seq), columns.ENTRY)
        if found is None:
            raise _altered(exemption.text, f"history entry {seq} is missing")
        try:
            return chain.read_entry(found)
        except ValueError as error:
            raise _altered(exemption.text, f"history entry {seq}: {error}") from error

    async def _pruned(self, place: Address, seq: int) -> HistoryEntry | None:
        """Return an entry whose body was pruned, as a later entry vouches; None elsewhere."""
        return next((one for one in (await self._chain(place)).entries if one.seq == seq and one.pruned), None)

    async def history(self, exemption: ExemptionId) -> list[HistoryEntry]:
        """Return the sound entries, oldest first, without bodies; `verify` says what is wrong with others."""
        return list((await self._chain(address(exemption))).entries)

    async def verify(self, exemption: ExemptionId) -> list[str]:
        """Return everything that is wrong with an exemption's rows, a sentence each; [] when all is sound.

        The rows come in several answers. Where the current row is another after the last of them, somebody wrote in
        between, and all are read again: a commit under way is no change from outside.
        """
        place = address(exemption)
        current = await self._table.get(place.partition, place.state)
        for _ in range(_VERIFY_ROUNDS):
            before = current
            history = [found async for found in self._rows(place, f"history~{place.key}~")]
            bodies = [found async for found in self._rows(place, f"body~{place.key}~")]
            waiting = [found["RowKey"] async for found in self._rows(place, f"outbox~{place.key}~", ("RowKey",))]
            current = await self._table.get(place.partition, place.state)
            if current == before:
                break
        return problems_of(place, current, history, bodies, waiting)

    async def rows(self, refused: Callable[[Permanent], object] | None = None) -> AsyncIterator[Stored]:
        """Yield every current row, by partition.

        One that was changed from outside, and whose history is not sound either, is left out: `refused` is given the
        error (register-altered; its subject is the id that the row claims), and where there is no `refused`, the log.
        """
        async for found in self._table.query(starting_with("state~")):
            place = _place(found)
            try:
                yield await self._opened(place, found, str(found.get("id", place.state)))
            except Permanent as error:
                if refused is None:
                    _LOG.error("%s", error)
                else:
                    refused(error)

    async def events(
        self, names: Iterable[str], since: datetime | None, refused: Callable[[Permanent], object]
    ) -> AsyncIterator[tuple[ExemptionId, int]]:
        """Yield the history entries that record one of these events, made at `since` or a little earlier, or later.

        Each as its exemption and its number, by partition. One scan of the table, in which storage compares: nothing
        else of it is sent. Nothing is verified. `refused` is given the error (register-altered) for an entry that does
        not name its exemption.
        """
        where = f"{starting_with('history~')} and ({' or '.join(f"event eq '{name}'" for name in names)})"
        if since is not None:
            where += f" and at ge '{spell_time(since)[:19]}'"  # to the second: a fraction sorts before the Z
        async for found in self._table.query(where, ("id",)):
            key, _, seq = found["RowKey"].removeprefix("history~").partition("~")
            place = Address(found["PartitionKey"], key)
            exemption = _named(place, found.get("id"))
            if exemption is None:  # it was cut, for it is long; the current row has all of it
                current = await self._table.get(place.partition, place.state)
                exemption = _named(place, current.get("id") if current else None)
            if exemption is None or not (seq.isascii() and seq.isdigit()):
                refused(_altered(str(found.get("id") or key), f"history entry {seq} does not name its exemption"))
            else:
                yield exemption, int(seq)

    async def watches(self, span: Span = EVERYTHING) -> AsyncIterator[tuple[str, bytes, Watch, bytes]]:
        """Yield what a sweep must know of every row: its partition, ExemptionId.hash, the watch, and the head.

        `span`: the partitions.

        One scan of the table, in pages of 1,000: no other rows have keys at or behind `state~`.
        """
        where = [f"PartitionKey ge '{span.low}'"] if span.low else []
        where += [f"PartitionKey lt '{span.high}'"] if span.high else []
        async for found in self._table.query(" and ".join([*where, "RowKey ge 'state~'"]), _WATCHED):
            key = found["RowKey"].removeprefix("state~")
            if _KEY.fullmatch(key):
                watch = Watch.parse(str(found.get("watch") or ""))
                if not watch.begun and found.get("status") == Status.CANNOT_ACT:  # of before those were tried again
                    watch = watch._replace(at=1, begun=True)
                newest = head(found.get("seq"), found.get("head"))
                yield intern(found["PartitionKey"]), bytes.fromhex(key), watch, newest
            else:
                _LOG.error("row %s of the register is none of ours", found["RowKey"])

    async def id_of(self, container: str, key: bytes) -> str:
        """Return the id in a row, for a hash that `watches` gave; "" where it has gone or cannot be read.

        One request. Where that column was changed from outside, or was cut, for the id is long, the id comes from the
        rest of the row or from the history.
        """
        place = Address(container, key.hex())
        found = await self._table.get(container, place.state)
        if found is None:
            return ""
        named = _named(place, found.get("id")) or _named(place, _id_in(columns.join_text("row", found)))
        if named is not None:
            return named.text
        entries = (await self._chain(place)).entries
        return next((str(one.row["id"]) for one in reversed(entries) if _named(place, one.row.get("id"))), "")

    async def attached_ids(self, container: str, scope: str, *, lost: bool) -> list[str]:
        """Return the ids of the lost, or of those that are there, at a scope (lower case) or below it."""
        return await self._attached.ids(container, scope, lost=lost)

    async def grace_uses_at_same_scope(self, exemption: ExemptionId, assignment_id: str) -> list[GraceUse]:
        """Return the grace uses of the other exemptions at the same scope from the same assignment."""
        return await self._grace_uses.at_same_scope(exemption, assignment_id)

    async def adopted(self, since: datetime) -> AsyncIterator[Adopted]:
        """Yield what was adopted at a time or later."""
        where = f"RowKey ge 'state~' and adopted ge '{spell_time(since)}'"
        async for found in self._table.query(where, ("id", "status", "codes", "expiry", "owner")):
            codes = tuple(filter(None, str(found.get("codes")).split(",")))
            status, expiry, owner = (str(found.get(name) or "") for name in ("status", "expiry", "owner"))
            named = _named(_place(found), found.get("id"))
            if named is None:
                _LOG.error("row %s was changed outside the service; no notice is sent about it", found["RowKey"])
            else:
                yield Adopted(named, codes, status, expiry, owner)

    async def held(self) -> dict[str, str]:
        """Return the ids of exemptions whose revert or restore waits for a budget -> Row.held."""
        return await self._column("held")

    async def on_hold(self) -> dict[str, str]:
        """Return the ids of exemptions that an operator holds -> until when."""
        return await self._column("hold_until")

    async def _column(self, name: str) -> dict[str, str]:
        where = f"{starting_with('state~')} and {name} gt ''"
        found = [(_place(row), row) async for row in self._table.query(where, ("id", name))]
        return {one.text: str(row.get(name)) for place, row in found if (one := _named(place, row.get("id")))}

    async def take_revert(self, now: datetime, budget: Budget, asked: Use) -> BreakerState:
        """Count one revert. It may be done exactly when the returned state says that it is `taken`."""
        return await self._breaker.take_revert(now, budget, asked)

    async def take_restore(self, now: datetime, budget: Budget, asked: Use) -> BreakerState:
        """Count one restore; it may be done when the returned state says that it is `taken`."""
        return await self._breaker.take_restore(now, budget, asked)

    async def breaker(
        self, now: datetime, *, suffices: Callable[[BreakerState], bool] | None = None
    ) -> BreakerState:  # fmt: skip
        """Return the breaker's state. An entry that cannot be read counts as open."""
        return await self._breaker.look(now, suffices)

    async def claim_notification(self, whose: str, now: datetime) -> bool:
        """Claim the notification of a budget or the breaker; False where it was sent, or another worker sends it."""
        return await self._breaker.claim_notification(whose, now)

    async def breaker_notified(self, opened_at: datetime) -> None:
        """Record that the breaker that opened then was notified; no error when it is closed again."""
        await self._breaker.mark_notified(opened_at)

    async def budget_notified(self, whose: str, now: datetime) -> None:
        """Record for an hour that a used-up budget was notified."""
        await self._breaker.mark_budget_notified(whose, now)

    async def close_breaker(self, now: datetime) -> None:  # noqa: ARG002 - the port's shape; closing forgets all times
        """Close the breaker and forget the reverts that opened it."""
        await self._breaker.close()

    async def take_unseen(self, now: datetime) -> bool:
        """Count one more row of an exemption that Azure never showed; False where no more are kept."""
        return await self._unseen.take(now)

    async def keep_dead_letter(self, dead_letter: DeadLetter) -> bool:
        """Keep something that could not be processed; one with the same id is replaced. Return whether to notify."""
        return await self._dead_letters.keep_dead_letter(dead_letter)

    async def dead_letter_notified(self, dead_letter_id: str) -> None:
        """Record that a dead letter was notified; one that is not there is no error."""
        await self._dead_letters.notified(dead_letter_id)

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""
        return await self._dead_letters.all()

    async def drop_dead_letter(self, dead_letter_id: str) -> None:
        """Delete a dead letter; one that is not there is no error."""
        await self._dead_letters.drop(dead_letter_id)

    def _rows(self, place: Address, prefix: str, select: Sequence[str] = ()) -> AsyncIterator[Entity]:
        return self._table.query(starting_with(prefix, place.partition), select)

    async def _chain(self, place: Address) -> chain.Chain:
        rows = self._rows(place, f"history~{place.key}~", columns.ENTRY)
        return chain.read_chain([(found["RowKey"], found) async for found in rows])

    async def _opened(self, place: Address, found: Entity, subject: str) -> Stored:
        """Return what a state row says, or where it was altered what the newest history entry says."""
        try:
            stored = state.read_state(found)
            _check(place, stored.row)
        except ValueError as error:
            wrong = str(error)
        else:
            return stored
        history = await self._chain(place)
        if history.problems or history.newest is None:
            more = history.problems[0] if history.problems else "it has no history"
            raise _altered(subject, f"{wrong}; {more}")
        newest = history.newest
        try:
            row = chain.row_of(newest)
            _check(place, row)
        except ValueError as error:
            raise _altered(subject, f"{wrong}; entry {newest.seq}: {error}") from error
        return Stored(row, newest.seq, newest.hash, found["odata.etag"], wrong)

    async def _explain(self, place: Address, before: Stored | None, subject: str) -> None:
        """Find out why a row that we wanted to create was there. Mostly somebody was faster, and nothing is to do."""
        found = await self._table.get(place.partition, place.state)
        if found is None and before is None:
            # The state row was deleted, its history not: put a stand-in there, which the next read rebuilds.
            try:
                stand_in = Write("create", place.state, state.lost_columns())
                await self._table.transact(place.partition, [stand_in], subject)
            except Rejected:
                return
        elif found is not None and before is not None and found["odata.etag"] == before.etag:
            raise _altered(subject, f"history entry {before.seq + 1} exists, but the row does not name it")


def _altered(subject: str, why: str) -> Permanent:
    return Permanent(
        f"somebody changed the register outside the service: {why}",
        code="register-altered",
        subject=subject,
        remedy=_VERIFY,
    )


def _place(found: Entity) -> Address:
    return Address(found["PartitionKey"], found["RowKey"].removeprefix("state~"))


def _check(place: Address, row: Row) -> None:
    """Raise ValueError where a row names no exemption, or one whose rows are elsewhere."""
    if _named(place, row.id) is None:
        raise ValueError("it names no exemption whose row it is")


def _named(place: Address, text: object) -> ExemptionId | None:
    """Return the exemption that a row names, if the row is where that one's rows are."""
    try:
        exemption = ExemptionId.parse(text)
    except Permanent:
        return None
    return exemption if address(exemption) == place else None


def _id_in(text: str) -> object:
    """Return the id in a row's JSON; None where that cannot be read."""
    try:
        return columns.read_object(text).get("id")
    except ValueError:
        return None


def _entry_writes(place: Address, link: chain.Link, packed: columns.Packed | None) -> list[Write]:
    """Return the history entry, and rows for its body where that does not fit into it."""
    row = place.history(link.seq)
    if packed is None:
        return [Write("create", row, link.columns)]
    size = sum(2 * len(value) for value in link.columns.values() if isinstance(value, str))
    if len(packed.data) <= min(columns.INLINE_BYTES, (_ENTRY_BYTES - size) * 3 // 4):
        return [Write("create", row, {**link.columns, **columns.split_bytes("body", packed.data)})]
    step = columns.BODY_ROW_BYTES
    pieces = [packed.data[at : at + step] for at in range(0, len(packed.data), step)]
    return [
        Write("create", row, link.columns),
        *(Write("put", place.body(packed.digest, n), columns.split_bytes("body", p)) for n, p in enumerate(pieces)),
    ]
