"""Pruning: delete the bodies that nothing needs any more, some at a time, with an entry of the history that says which.

guardrails.decisions.bodies says which those are. The entry that kept a body stays as it is, its hash and the body's
too; columns that no hash covers say until when a body that was taken away is kept (`until`), and when it was pruned.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions import bodies
from guardrails.decisions.history import Entry, HistoryEntry
from guardrails.decisions.row import Row, Stored
from guardrails.errors import Permanent
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register import chain, columns, state
from guardrails.register.chain import PRUNED, PRUNED_ENTRIES
from guardrails.register.group_commit import GroupCommit
from guardrails.register.keys import Address, starting_with
from guardrails.register.table import Entity, Rejected, Table, Write

MOST: Final = 10
"""Bodies pruned at a time: storage takes fifteen comparisons in a filter."""

_MOST_OPERATIONS: Final = 90
_MOST_BYTES: Final = 2 * 1024 * 1024
_MOST_MARKS: Final = 40
_PAGE: Final = 1000
_AGAIN: Final = timedelta(days=1)
_WHY: Final = "nothing needs these bodies any more; their hashes stay"


@dataclass(slots=True)
class _Found:
    """What is to be done: `spare` are bodies that nothing needs, `over` those of them to prune, by entry.

    Attributes:
        marks: entries whose bodies are kept until a time, which no column says yet.
        taken: when to look again for bodies that were taken away.
    """

    spare: list[int]
    over: list[int] = field(default_factory=list)
    marks: dict[int, datetime] = field(default_factory=dict)
    taken: datetime | None = None


def kept_until(entry: int, until: datetime, place: Address) -> Write:
    """Return the write that says until when the body of a history entry is kept."""
    return Write("merge", place.history(entry), {"until": spell_time(until)})


class Pruning:
    """Prunes the bodies of one exemption."""

    def __init__(self, table: Table, commits: GroupCommit) -> None:
        self._table = table
        self._commits = commits

    async def prune(self, place: Address, subject: str, stored: Stored, now: datetime) -> Stored | None:
        """Delete up to ten bodies that nothing needs, and record that; None: somebody else was there first.

        Two or three requests; one more for each body so long that it is kept in rows of its own.
        """
        found = await self._find(place, stored, now)
        rows = await self._entries(place, found.over)
        writes: list[Write] = [kept_until(entry, until, place) for entry, until in found.marks.items()]
        gone, done = list[int](), list[int]()
        pieces = await self._pieces(place) if rows else {}
        for number in found.over:
            row = rows.get(number)
            entry = _sound(row)
            until = _until(row)
            if row is None or entry is None or (until is not None and now < until):
                done.append(number)  # it is not ours to prune: it is missing, damaged, or kept for being taken away
                found.taken = min(filter(None, (found.taken, until)), default=None)
                continue
            more = [_without_body(row, now), *await self._deletes(place, entry.body_digest, [*gone, number], pieces)]
            if len(writes) + len(more) > _MOST_OPERATIONS or sum(one.size for one in (*writes, *more)) > _MOST_BYTES:
                break
            writes += more
            gone.append(number)
        left = tuple(number for number in found.spare if number not in gone and number not in done)
        row_after = replace(stored.row, bodies=left, taken=found.taken)
        entry_made = Entry(now, PRUNED, {PRUNED_ENTRIES: gone, "why": _WHY})
        text = state.text_of(row_after)
        link = chain.link(entry_made, row_after, text, stored.seq + 1, stored.head, digest="")
        current = state.state_columns(place, row_after, text, link.seq, link.hash, now=now)
        first = [
            Write("replace", place.state, current, stored.etag),
            Write("create", place.history(link.seq), link.columns),
        ]
        try:
            etags = await self._commits.transact(place.partition, [*first, *writes], subject)
        except Rejected:
            return None
        return Stored(row_after, link.seq, link.hash, etags[0])

    async def _find(self, place: Address, stored: Stored, now: datetime) -> _Found:
        row = stored.row
        if row.bodies is None:
            found = await self._count(place, row, now)
        else:
            found = _Found(list(row.bodies), taken=row.taken)
        if found.taken is not None and now >= found.taken:
            await self._overdue(place, row, found, now)
        found.over += found.spare[: -bodies.KEPT][: MOST - len(found.over)]
        return found

    async def _count(self, place: Address, row: Row, now: datetime) -> _Found:
        """Find out which bodies a history keeps that was written before rows knew."""
        query = self._table.query(starting_with(f"history~{place.key}~", place.partition), columns.ENTRY)
        entries = chain.read_chain([(found["RowKey"], found) async for found in query]).entries
        kept: dict[int, datetime] = {}
        undo = None
        for entry in entries:
            after = entry.row.get("undo")
            if undo is not None and after != undo:
                kept[undo] = entry.at + bodies.TAKEN_FOR
            undo = after if isinstance(after, int) else None
        marks = {number: until.replace(microsecond=0) for number, until in kept.items() if now < until}
        needed = bodies.named(row)
        spare = [one.seq for one in entries if one.keeps_body and one.seq not in needed and one.seq not in marks]
        some = dict(sorted(marks.items())[-_MOST_MARKS:])
        known = {entry.seq for entry in entries}
        some = {number: until for number, until in some.items() if number in known}
        return _Found(spare, marks=some, taken=min([*some.values(), *filter(None, [row.taken])], default=None))

    async def _overdue(self, place: Address, row: Row, found: _Found, now: datetime) -> None:
        """Add what was taken away so long ago that it need not be kept; one page of rows at the most."""
        where = f"{starting_with(f'history~{place.key}~', place.partition)} and until ge '0'"
        kept, times, seen = {*found.spare, *bodies.named(row)}, list[datetime](), 0
        async for one in self._table.query(where, ("until",)):
            until, number = _until(one), _number(one)
            if until is not None and until > now:
                times.append(until)
            elif until is not None and number not in kept and len(found.over) < MOST:
                found.over.append(number)
            seen += 1
            if seen == _PAGE:
                break
        if len(found.over) == MOST or seen == _PAGE:
            times.append(now + _AGAIN)
        found.taken = min(times, default=None)

    async def _entries(self, place: Address, numbers: Sequence[int]) -> dict[int, Entity]:
        """Return history entries by number, without their bodies."""
        if not numbers:
            return {}
        names = [place.history(number) for number in numbers]
        each = " or ".join(f"RowKey eq '{name}'" for name in names)
        where = f"PartitionKey eq '{place.partition}' and RowKey ge '{min(names)}' and RowKey le '{max(names)}'"
        return {_number(one): one async for one in self._table.query(f"{where} and ({each})", columns.ENTRY)}

    async def _pieces(self, place: Address) -> dict[str, list[str]]:
        """Return the rows that hold long bodies, by the digest of the body."""
        found: dict[str, list[str]] = {}
        async for one in self._table.query(starting_with(f"body~{place.key}~", place.partition), ("RowKey",)):
            found.setdefault(one["RowKey"].split("~")[2], []).append(one["RowKey"])
        return found

    async def _deletes(
        self, place: Address, digest: str, pruned: Collection[int], pieces: Mapping[str, list[str]]
    ) -> list[Write]:
        """Return the deletes of the rows of a long body, unless another entry keeps the same one."""
        if digest not in pieces:
            return []
        where = f"{starting_with(f'history~{place.key}~', place.partition)} and body_digest eq '{digest}'"
        others = [one async for one in self._table.query(where, ("pruned",))]
        if any(_number(one) not in pruned and not one.get("pruned") for one in others):
            return []
        return [Write("delete", name, {}) for name in pieces[digest]]


def _without_body(row: Entity, now: datetime) -> Write:
    """Return the write that takes the body out of a history entry, and nothing else."""
    lasting = {name: row[name] for name in columns.ENTRY if row.get(name) is not None and name != "until"}
    return Write("replace", row["RowKey"], {**lasting, "pruned": spell_time(now)}, row["odata.etag"])


def _sound(row: Mapping[str, Any] | None) -> HistoryEntry | None:
    try:
        return chain.read_entry(row) if row else None
    except ValueError:
        return None


def _until(row: Mapping[str, Any] | None) -> datetime | None:
    try:
        return parse_time(row.get("until")) if row else None
    except ValueError:
        return None


def _number(row: Mapping[str, Any]) -> int:
    number = row["RowKey"].rpartition("~")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def no_body(seq: int, subject: str, entry: HistoryEntry | None) -> Permanent:
    """Return the error for an entry that keeps no body, or none any more."""
    message = f"history entry {seq} keeps no body"
    if entry is not None and entry.pruned is not None:
        message = f"the body of history entry {seq} was pruned at {spell_time(entry.pruned)}: nothing needed it"
    remedy = "List the entries with `exg history ID`"
    return Permanent(message, code="no-body", subject=subject, remedy=remedy)
