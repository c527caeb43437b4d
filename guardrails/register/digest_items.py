"""ports.DigestItems: notices that wait for their digest, a row each; and digests, kept with an entry for each notice.

A digest is written whole, in one transaction, before it is sent, and its items are deleted only after it was
delivered. Whatever crashes in between, it is made again with the same id and the same content.
"""

import logging
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import spell_time
from guardrails.notices.digest import DigestItem, Kept
from guardrails.notices.notice import Notice
from guardrails.register.columns import BODY_LIMIT, Value, join_bytes, join_text, read_json, split_bytes, split_text
from guardrails.register.keys import DIGESTS, digest_items_partition, escape, starting_with
from guardrails.register.table import Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_ENTRIES: Final = 1000
"""Entries in one row of a digest: some 400 characters each, before compression."""
_BATCH: Final = 100
_OPEN: Final = "open"
_DELIVERED: Final = "delivered"


class DigestItems:
    """A partition of digest items for each route, and one of digests."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def add(self, route: str, window: str, notice: Notice) -> None:
        """Add a notice; again is no error, and puts it into the window that is named then. One request."""
        columns: dict[str, Value] = {"window": window, **split_text("notice", canonical_json(notice.to_json()))}
        write = Write("put", f"notice~{escape(notice.id)}", columns)
        await self._table.transact(digest_items_partition(route), [write], notice.id)

    async def waiting(self, route: str, window: str) -> list[DigestItem]:
        """Return what is pending in a window or an earlier one, oldest first. What cannot be read is logged."""
        found = []
        where = f"PartitionKey eq '{digest_items_partition(route)}' and window le '{window}'"
        async for row in self._table.query(where):
            try:
                found.append(DigestItem(str(row["window"]), Notice.from_json(read_json(join_text("notice", row)))))
            except (ValueError, KeyError, AttributeError) as error:
                _LOG.error("digest item %s of route %s cannot be read: %s", row["RowKey"], route, error)
        return sorted(found, key=lambda one: (one.window, one.notice.at, one.notice.id))

    async def open_members(self, route: str) -> frozenset[str]:
        """Return the ids of the notices that are in a digest of the route which is not delivered yet."""
        where = f"{starting_with('digest~', DIGESTS)} and route eq '{route}' and state eq '{_OPEN}'"
        names = [str(row["digest"]) async for row in self._table.query(where, ("digest",))]
        members = [str(entry["id"]) for name in names for entry in await self._entries(name)]
        return frozenset(members)

    async def keep(self, kept: Kept) -> Kept:
        """Keep a digest, and return it as it is kept: the first with its id stays."""
        name, step = kept.notice.id, _ENTRIES
        parts = [kept.entries[at : at + step] for at in range(0, len(kept.entries), step)]
        writes = [
            Write("create", _head(name), _head_columns(kept)),
            *(Write("put", f"{_parts(name)}{n:04d}", split_bytes("entries", _packed(p))) for n, p in enumerate(parts)),
        ]
        try:
            await self._table.transact(DIGESTS, writes, name)
        except Rejected:
            return await self.kept(name) or kept
        return kept

    async def kept(self, digest_id: str) -> Kept | None:
        """Return a digest with its entries; None where there is none."""
        head = await self._table.get(DIGESTS, _head(digest_id))
        if head is None:
            return None
        notice = Notice.from_json(read_json(join_text("notice", head)))
        return Kept(notice, str(head["route"]), tuple(await self._entries(digest_id)))

    async def was_delivered(self, digest_id: str) -> bool:
        """Whether a digest is kept that was delivered. One request."""
        head = await self._table.get(DIGESTS, _head(digest_id))
        return head is not None and head.get("state") == _DELIVERED

    async def delivered(self, digest_id: str) -> None:
        """Delete the items of a digest; the digest itself stays, and is no longer open."""
        head = await self._table.get(DIGESTS, _head(digest_id))
        if head is None or head.get("state") != _OPEN:
            return
        members = {f"notice~{escape(str(entry['id']))}" for entry in await self._entries(digest_id)}
        await self._forget(digest_items_partition(str(head["route"])), members)
        kept = {name: value for name, value in head.items() if name not in ("PartitionKey", "RowKey", "odata.etag")}
        try:
            closed = Write("replace", _head(digest_id), {**kept, "state": _DELIVERED}, head["odata.etag"])
            await self._table.transact(DIGESTS, [closed], digest_id)
        except Rejected:  # another worker delivered it too
            return

    async def prune(self, before: datetime) -> None:
        """Forget delivered digests made before a time."""
        where = f"{starting_with('digest~', DIGESTS)} and state eq '{_DELIVERED}' and at lt '{spell_time(before)}'"
        for name in [str(row["digest"]) async for row in self._table.query(where, ("digest",))]:
            parts = self._table.query(starting_with(_parts(name), DIGESTS), ("RowKey",))
            rows = {_head(name)} | {str(row["RowKey"]) async for row in parts}
            await self._erase(DIGESTS, sorted(rows))

    async def _entries(self, name: str) -> list[Mapping[str, Any]]:
        rows = self._table.query(starting_with(_parts(name), DIGESTS))
        return [entry async for row in rows for entry in _unpacked(row)]

    async def _forget(self, partition: str, wanted: set[str]) -> None:
        """Delete those rows that are still there: a transaction fails where one is not."""
        there = [str(row["RowKey"]) async for row in self._table.query(f"PartitionKey eq '{partition}'", ("RowKey",))]
        gone = [row for row in there if row in wanted]
        for at in range(0, len(gone), _BATCH):
            await self._erase(partition, gone[at : at + _BATCH])

    async def _erase(self, partition: str, rows: Sequence[str]) -> None:
        try:
            await self._table.transact(partition, [Write("delete", row, {}) for row in rows])
        except Rejected:  # another worker deletes some of them too: one by one, then
            for row in rows:
                try:
                    await self._table.transact(partition, [Write("delete", row, {})])
                except Rejected:
                    continue


def _head(name: str) -> str:
    return f"digest~{escape(name)}"


def _parts(name: str) -> str:
    return f"part~{escape(name)}~"


def _head_columns(kept: Kept) -> dict[str, Value]:
    return {
        "digest": kept.notice.id,
        "route": kept.route,
        "at": spell_time(kept.notice.at),
        "state": _OPEN,
        **split_text("notice", canonical_json(kept.notice.to_json())),
    }


def _packed(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return zlib.compress(canonical_json(list(entries)).encode("ascii", "backslashreplace"), 6)


def _unpacked(row: Entity) -> list[dict[str, Any]]:
    """Read one row of entries; [] where it was damaged."""
    try:
        raw = zlib.decompressobj().decompress(join_bytes("entries", row), BODY_LIMIT)
        found = read_json(raw)
    except (ValueError, zlib.error) as error:
        _LOG.error("digest row %s cannot be read: %s", row["RowKey"], error)
        return []
    return [entry for entry in found if isinstance(entry, dict) and "id" in entry] if isinstance(found, list) else []
