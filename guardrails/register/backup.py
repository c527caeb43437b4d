"""A copy of every row of the register in one file, and how it is read again. See docs/register.md, "A full copy".

The file is JSON lines in ASCII: a head, a row a line, the record's first and all others in the order of their keys, and
an end that counts and hashes all lines before it. A file that was cut off, or changed by hand, is refused as a whole.
"""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from azure.data.tables import EdmType, EntityProperty

from guardrails.errors import Misconfigured
from guardrails.exemption.times import spell_time
from guardrails.register.columns import ENTRY, join_bytes
from guardrails.register.keys import RECORD, Address, starting_with
from guardrails.register.record_rows import CHAIN, HEADS
from guardrails.register.table import Entity, Table
from guardrails.register.verify import problems_of

_FORMAT: Final = "guardrails-register"
_VERSION: Final = 1
_TRIES: Final = 5
_MADE_BY: Final = "`exg register export --full --out FILE` makes a full copy"
_KINDS: Final = ("state", "history", "body", "outbox")
_NOT_OURS: Final = frozenset({"PartitionKey", "RowKey", "odata.etag"})
_LATER: Final = frozenset({"until", "pruned"})
"""Columns of a history entry that change after it was written."""

type Rows = Mapping[str, Entity]
"""Rows of one partition, by row key; each with its keys and its ETag, "" where it comes from a file."""


class Backup:
    """Reads the whole table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def partitions(self) -> AsyncIterator[tuple[str, dict[str, Entity], list[str]]]:
        """Yield each partition's name, its rows, and what is wrong with its exemptions, a sentence each.

        An exemption that was written while its rows were read is read again, so that state and history fit. The record
        comes first: what it has of a history is then in what is read later.
        """
        if record := await self.record():
            yield RECORD, record, []
        for where in (f"PartitionKey lt '{RECORD}'", f"PartitionKey gt '{RECORD}'"):
            async for one in self._between(where):
                yield one

    async def _between(self, where: str) -> AsyncIterator[tuple[str, dict[str, Entity], list[str]]]:
        name, rows = "", dict[str, Entity]()
        async for found in self._table.query(where):
            if rows and found["PartitionKey"] != name:
                yield name, *await self._whole(name, rows)
                rows = {}
            name = found["PartitionKey"]
            rows[found["RowKey"]] = found
        if rows:
            yield name, *await self._whole(name, rows)

    async def partition(self, name: str) -> dict[str, Entity]:
        """Return the rows of one partition. Those of an exemption fit, as above."""
        quoted = name.replace("'", "''")  # in a row of ours there is none
        rows = {found["RowKey"]: found async for found in self._table.query(f"PartitionKey eq '{quoted}'")}
        return (await self._whole(name, rows))[0]

    async def record(self) -> dict[str, Entity]:
        """Return the rows of the record, as they were at one moment: a sweep may write meanwhile."""
        return await self.partition(RECORD)

    async def _whole(self, partition: str, rows: dict[str, Entity]) -> tuple[dict[str, Entity], list[str]]:
        problems: list[str] = []
        if partition == RECORD:
            return await self._still(rows), problems
        for key, first in by_exemption(rows).items():
            place, own, tries = Address(partition, key), first, _TRIES
            while (wrong := soundness(place, own)) and tries:
                tries -= 1
                for name in own:
                    del rows[name]
                own = await self._one(place)
                rows |= own
            problems += [f"{name_of(own, key)}: {problem}" for problem in wrong]
        return dict(sorted(rows.items())), problems

    async def _still(self, rows: dict[str, Entity]) -> dict[str, Entity]:
        """Return the rows of the record, read again while its two rows that all others follow change."""
        for _ in range(_TRIES):
            now = {name: await self._table.get(RECORD, name) for name in (CHAIN, HEADS)}
            if now == {name: rows.get(name) for name in (CHAIN, HEADS)}:
                break
            rows = {row["RowKey"]: row async for row in self._table.query(f"PartitionKey eq '{RECORD}'")}
        return rows

    async def _one(self, place: Address) -> dict[str, Entity]:
        found: dict[str, Entity] = {}
        for kind in ("body", "history", "outbox"):
            query = self._table.query(starting_with(f"{kind}~{place.key}~", place.partition))
            found |= {row["RowKey"]: row async for row in query}
        state = await self._table.get(place.partition, place.state)
        return found | ({place.state: state} if state else {})


def by_exemption(rows: Rows) -> dict[str, dict[str, Entity]]:
    """Return the rows of exemptions by the KEY in their names; other rows are left out."""
    found: dict[str, dict[str, Entity]] = {}
    for name, row in rows.items():
        if key := key_in(name):
            found.setdefault(key, {})[name] = row
    return found


def key_in(name: str) -> str:
    """Return the KEY in a row's name; "" where it is no row of an exemption."""
    kind, _, rest = name.partition("~")
    return rest.partition("~")[0] if kind in _KINDS else ""


def of_kind(rows: Rows, kind: str) -> dict[str, Entity]:
    """Return the rows whose name begins with `kind`: state, history, body or outbox; in the order of their keys."""
    return {name: rows[name] for name in sorted(rows) if name.startswith(f"{kind}~")}


def soundness(place: Address, rows: Rows) -> list[str]:
    """Return what is wrong with the rows of one exemption, a sentence each; [] when all is sound."""
    history, bodies = (list(of_kind(rows, kind).values()) for kind in ("history", "body"))
    return problems_of(place, rows.get(place.state), history, bodies, of_kind(rows, "outbox"))


def name_of(rows: Rows, key: str) -> str:
    """Return the id that the rows of an exemption claim; its KEY where they claim none."""
    return next((str(row["id"]) for _, row in sorted(rows.items(), reverse=True) if row.get("id")), key)


def same(one: Entity, other: Entity) -> bool:
    """Return whether two rows have the same columns."""
    return _columns(one) == _columns(other)


def same_entry(one: Entity, other: Entity) -> bool:
    """Return whether two rows are the same history entry; in one of them its body may be pruned, or not yet."""
    alike = [{name: row[name] for name in ENTRY if name in row and name not in _LATER} for row in (one, other)]
    bodies = [join_bytes("body", row) for row in (one, other)]
    return alike[0] == alike[1] and (bodies[0] == bodies[1] or is_pruned(one) or is_pruned(other))


def is_pruned(row: Entity) -> bool:
    """Return whether a row is a history entry whose body was pruned."""
    return bool(row.get("pruned")) and row["RowKey"].startswith("history~")


class Writer:
    """Writes the file, a line at a time. `put` takes a piece of text."""

    def __init__(self, put: Callable[[str], object], table: str, now: datetime) -> None:
        self._put = put
        self._hash = hashlib.sha256()
        self.count = 0
        self._line({_FORMAT: _VERSION, "table": table, "made": spell_time(now)})

    def row(self, row: Entity) -> None:
        """Write one row."""
        self.count += 1
        self._line({"partition": row["PartitionKey"], "row": row["RowKey"], "columns": _columns(row)})

    def end(self) -> None:
        """Write the last line; without it the file is refused."""
        self._put(json.dumps({"rows": self.count, "sha256": self._hash.hexdigest()}) + "\n")

    def _line(self, item: Mapping[str, Any]) -> None:
        line = json.dumps(item) + "\n"
        self._hash.update(line.encode())
        self._put(line)


def check(path: Path) -> int:
    """Read the whole file, and return how many rows it holds.

    Raises Misconfigured: not-a-copy where it is something else, of a later version, cut off, or changed; cannot-read.
    """
    digest, count, last, first = hashlib.sha256(), -1, "", ""
    for line in _lines(path):
        if last:
            digest.update(last.encode())
            count += 1
        first, last = first or line, line
    try:
        version = json.loads(first or "null")[_FORMAT]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _refused(path, "it is not a full copy of a register") from None
    if version != _VERSION:
        raise _refused(path, f"it has version {version!r}; this program reads version {_VERSION}")
    try:
        end = json.loads(last)
        whole = end["rows"] == count and end["sha256"] == digest.hexdigest()
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _refused(path, "its end is missing: the file was cut off") from None
    if not whole:
        raise _refused(path, "its checksum is wrong: the file was cut off or changed")
    return count


def read(path: Path) -> Iterator[tuple[str, dict[str, Entity]]]:
    """Yield the partitions of a file that `check` passed: name, and rows by key."""
    items = (item for line in _lines(path) if "partition" in (item := json.loads(line)))
    for name, group in groupby(items, key=lambda item: str(item["partition"])):
        yield name, {item["row"]: _entity(item) for item in group}


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="ascii", newline="") as stream:
            yield from stream
    except UnicodeDecodeError:
        raise _refused(path, "it is not a full copy of a register") from None
    except OSError as error:
        raise Misconfigured(
            f"the file cannot be read: {error.strerror or error}",
            code="cannot-read",
            subject=str(path),
            remedy=_MADE_BY,
        ) from error


def _refused(path: Path, why: str) -> Misconfigured:
    return Misconfigured(f"nothing was imported: {why}", code="not-a-copy", subject=str(path), remedy=_MADE_BY)


def _columns(row: Entity) -> dict[str, Any]:
    """Return the columns as JSON: strings, numbers and truth values as they are, else an object that names the type."""
    return {name: _spelled(value) for name, value in sorted(row.items()) if name not in _NOT_OURS}


def _spelled(value: Any) -> Any:
    match value:
        case bytes():
            return {"Edm.Binary": base64.b64encode(value).decode()}
        case EntityProperty(value=inner, edm_type=kind):
            return {str(getattr(kind, "value", kind)): inner}
        case datetime():
            return {"Edm.DateTime": getattr(value, "tables_service_value", "") or value.isoformat()}
        case UUID():
            return {"Edm.Guid": str(value)}
        case _:
            return value


def _entity(item: Mapping[str, Any]) -> Entity:
    columns = {name: _value(value) for name, value in item["columns"].items()}
    return {**columns, "PartitionKey": item["partition"], "RowKey": item["row"], "odata.etag": ""}


def _value(spelled: Any) -> Any:
    """Read a value that `_spelled` spelled."""
    if not isinstance(spelled, Mapping):
        return spelled
    ((kind, value),) = spelled.items()
    match kind:
        case "Edm.Binary":
            return base64.b64decode(value)
        case "Edm.Guid":
            return UUID(value)
        case _:
            return EntityProperty(value, EdmType(kind))


def columns_of(row: Entity) -> dict[str, Any]:
    """Return the columns of a row as they are written."""
    return {name: value for name, value in row.items() if name not in _NOT_OURS}
