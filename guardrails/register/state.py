"""The current row of an exemption as a table row, and the seal that shows a change from outside. Pure.

`row` holds everything, as JSON. The other columns are there for people and queries. `seal` is the sha256 (hex) of the
canonical JSON of all columns and both keys: an edited, added, removed or copied column does not fit it. It holds no
secret: it finds accidents and clumsy hands; whoever can compute it is found by the history, or by nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from guardrails.decisions.row import Row, Stored
from guardrails.decisions.watch import Watch
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import spell_time
from guardrails.register.columns import Value, brief, join_text, split_text
from guardrails.register.keys import Address

_NOT_SEALED: Final = frozenset({"seal", "Timestamp", "PartitionKey", "RowKey"})
_LONGEST_ID: Final = 8_000
LOST_SEAL: Final = "the row was missing"


def text_of(row: Row) -> str:
    """Return a row as the JSON that the table and the history hold."""
    return canonical_json(row.to_json())


def state_columns(place: Address, row: Row, text: str, seq: int, head: str, *, now: datetime) -> dict[str, Value]:
    """Return the columns of a current row, sealed. `text`: its JSON; `now`: when it is written, UTC."""
    columns: dict[str, Value] = {
        "id": brief(row.id, _LONGEST_ID),
        "status": str(row.status),
        "codes": brief(",".join(sorted(row.findings))),
        "expires_on": _time(row.expires_on),
        "owner": brief(row.owner),
        "ticket": brief(row.ticket),
        "held": brief(row.held),
        "hold_until": _time(row.hold.until) if row.hold else "",
        "due": _time(row.due),
        "adopted": _time(row.adopted),
        "expiry": row.expiry,
        "watch": str(Watch.of(row)),
        "updated": spell_time(now),
        "seq": seq,
        "head": head,
        **split_text("row", text),
    }
    return {**columns, "seal": _seal(place.partition, place.state, columns)}


def lost_columns() -> dict[str, Value]:
    """Return the columns of a stand-in for a row that somebody deleted: its seal never fits, so it is rebuilt."""
    return {"row": "", "seal": LOST_SEAL}


def read_state(found: Mapping[str, Any]) -> Stored:
    """Read a current row. Raises ValueError, saying what is wrong, when it was changed from outside."""
    given = found.get("seal")
    if given == LOST_SEAL:
        raise ValueError("the row had been deleted from the table")
    if not given or not isinstance(given, str):
        raise ValueError("the row has no seal")
    columns = {name: found[name] for name in found if name not in _NOT_SEALED and not name.startswith("odata.")}
    if given != _seal(found["PartitionKey"], found["RowKey"], columns):
        raise ValueError("the row's columns do not fit its seal")
    return Stored(_row(join_text("row", found)), found["seq"], found["head"], found["odata.etag"])


@lru_cache(maxsize=256)  # one look reads a row several times, and mostly it is as it was
def _row(text: str) -> Row:
    return Row.from_json(json.loads(text))


def _seal(partition: str, row: str, columns: Mapping[str, Any]) -> str:
    return _sealed(partition, row, tuple(columns), *columns.values())


@lru_cache(maxsize=256, typed=True)  # a row is read again and again as it was sealed; typed, for 1 == True
def _sealed(partition: str, row: str, names: tuple[str, ...], *values: Any) -> str:
    columns = zip(names, values, strict=True)
    sealed = canonical_json([partition, row, {n: v.hex() if isinstance(v, bytes) else v for n, v in columns}])
    return hashlib.sha256(sealed.encode("ascii")).hexdigest()


def _time(value: datetime | None) -> str:
    return spell_time(value) if value else ""
