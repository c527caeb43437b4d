"""ports.Bypasses on the register's table: a row for each bypass of a policy.

    partition  row         holds
    container  bypass~KEY  what was shown of it last, since when it is known, since when it is gone

They mirror the tenant and decide nothing: no history, no seal. What a hand has damaged is left out where it is
read; the next sweep writes it anew where it does not look like what was written last.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache, partial
from itertools import batched
from sys import intern
from typing import Final

from guardrails.bypasses.model import BypassKind, from_stored, to_stored
from guardrails.bypasses.row import Kept, Known, Partitions, codes_of
from guardrails.errors import Permanent
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register.columns import Value, brief, join_text, read_json, split_text
from guardrails.register.keys import BYPASS, bypass_row, partition_of, starting_with
from guardrails.register.table import MOST_BYTES, MOST_OPERATIONS, Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 4
"""Transactions under way together."""
_GROUP_BYTES: Final = MOST_BYTES // 4
_LONGEST: Final = 8_000
"""Characters of an id."""
_NOWHERE: Final = "unplaced"
"""The partition of what is at no scope that we know."""
_ENROLLED: Final = ("detail", "covers")
"""Columns that rows of enrollments alone have."""
_KIND: Final = "way"  # stored name
_KNOWN: Final = (_KIND, "scope", "subject", "token", "codes", "first_seen", "found", "gone", "who", "since", *_ENROLLED)
_REMEDY: Final = "Delete that row; the next sweep writes it again. Find out who can write to the table"


class Bypasses:
    """The rows of bypasses. Methods raise Retryable where storage is busy or away."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def known(self) -> dict[bytes, Known]:
        """Return what a sweep must know of every row, by Bypass.key. One scan of the table, in pages of 1,000."""
        found = {}
        async for row in self._table.query(starting_with(BYPASS), _KNOWN):
            try:
                found[bytes.fromhex(row["RowKey"].removeprefix(BYPASS))] = _known(row)
            except ValueError:
                _LOG.error("row %s of the register is none of ours", row["RowKey"])
        return found

    async def write(self, kept: Iterable[Kept]) -> None:
        """Keep rows whole, whatever was there."""
        places = defaultdict(list)
        for one in kept:
            places[partition_of(one.bypass.container) or _NOWHERE].append(one)
        await self._transact({name: map(_put, some) for name, some in places.items()})

    async def mark_gone(self, rows: Partitions, at: datetime) -> None:
        """Say that these are not shown any more since a time; one whose row is not there is no error."""
        columns: dict[str, Value] = {"gone": spell_time(at)}
        await self._transact(_by_partition(rows, partial(Write, "merge", columns=columns)))

    async def forget(self, rows: Partitions) -> None:
        """Delete rows; one that is not there is no error."""
        await self._transact(_by_partition(rows, partial(Write, "delete", columns={})))

    async def rows(self, refused: Callable[[Permanent], object] | None = None) -> AsyncIterator[Kept]:
        """Yield every row, by partition.

        One that cannot be read is left out: `refused` is given the error (register-altered; its subject is the scope
        that the row claims), and where there is no `refused`, the log.
        """
        async for row in self._table.query(starting_with(BYPASS)):
            try:
                yield _kept(row)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                wrong = _damaged(row, error)
                if refused is None:
                    _LOG.error("%s", wrong)
                else:
                    refused(wrong)

    async def _transact(self, places: Mapping[str, Iterable[Write]]) -> None:
        """Do writes: those of a partition in groups, each whole or not at all."""
        groups = ((partition, group) for partition, writes in places.items() for group in _groups(writes))
        for some in batched(groups, _AT_ONCE, strict=False):
            await asyncio.gather(*(self._write(partition, group) for partition, group in some))

    async def _write(self, partition: str, group: list[Write]) -> None:
        """Do a group; what is to be changed or deleted and is not there any more is passed over."""
        try:
            await self._table.transact(partition, group, "bypasses")
        except Rejected:
            for one in group if len(group) > 1 else ():
                await self._write(partition, [one])


def _groups(writes: Iterable[Write]) -> Iterator[list[Write]]:
    """Yield the writes in groups that fit into a transaction."""
    group: list[Write] = []
    size = 0
    for write in writes:
        size += write.size
        if group and (len(group) == MOST_OPERATIONS or size > _GROUP_BYTES):
            yield group
            group, size = [], write.size
        group.append(write)
    if group:
        yield group


def _by_partition(rows: Partitions, write: Callable[[str], Write]) -> dict[str, list[Write]]:
    places = defaultdict(list)
    for key, partition in rows.items():
        places[partition].append(write(bypass_row(key)))
    return places


def _put(kept: Kept) -> Write:
    bypass = kept.bypass
    columns: dict[str, Value] = {
        _KIND: str(bypass.kind),
        "scope": brief(bypass.scope, _LONGEST),
        "subject": brief(bypass.subject, _LONGEST),
        "grade": bypass.grade,
        "codes": ",".join(sorted(codes_of(bypass))),
        "who": brief(bypass.who),
        "since": _spelled(bypass.since),
        "token": kept.token,
        "first_seen": _spelled(kept.first_seen),
        "changed": _spelled(kept.changed),
        "found": _spelled(kept.found),
        "gone": _spelled(kept.gone),
        **({name: getattr(bypass, name) for name in _ENROLLED} if bypass.kind is BypassKind.UNENROLLED else {}),
        **split_text("bypass", canonical_json(to_stored(bypass))),
    }
    return Write("put", bypass_row(bypass.key), columns)


def _known(row: Entity) -> Known:
    """Read what a sweep must know; what a hand has damaged is taken for nothing that we wrote."""
    texts = {name: str(row.get(name) or "") for name in _KNOWN}
    times = {name: _time(texts[name]) for name in ("first_seen", "found", "gone", "since")}
    kind = texts[_KIND] if texts[_KIND] in BypassKind else None
    return Known(
        partition=intern(row["PartitionKey"]),
        kind=BypassKind(kind) if kind else None,
        scope=texts["scope"],
        subject=intern(texts["subject"]),
        token=texts["token"] if kind and times["first_seen"] else "",
        codes=_codes(texts["codes"]),
        who=intern(texts["who"]),
        detail=texts["detail"],
        covers=texts["covers"],
        **times,
    )


def _kept(row: Entity) -> Kept:
    """Read a row. Raises ValueError, KeyError, TypeError, AttributeError where a hand has damaged it."""
    first_seen, changed, found, gone = (parse_time(row[name]) for name in ("first_seen", "changed", "found", "gone"))
    if first_seen is None or changed is None:
        raise ValueError("it does not say since when it is known")
    bypass = from_stored(read_json(join_text("bypass", row)))
    if bypass_row(bypass.key) != row["RowKey"]:
        raise ValueError("it says what another row should say")
    return Kept(bypass, str(row["token"]), first_seen, changed, found, gone)


def _damaged(row: Entity, error: Exception) -> Permanent:
    return Permanent(
        f"the row of a bypass cannot be read: {error}",
        code="register-altered",
        subject=str(row.get("scope") or row["RowKey"]),
        remedy=_REMEDY,
    )


@lru_cache(maxsize=1024)
def _codes(text: str) -> frozenset[str]:
    """Return codes; there are few sets of them."""
    return frozenset(filter(None, text.split(",")))


def _time(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None


def _spelled(time: datetime | None) -> str:
    return spell_time(time) if time else ""
