"""Which bodies of an exemption the history keeps, and for how long. Pure.

Entries and the hashes of bodies stay for ever; a body is pruned once nothing needs it. Kept are

- what the row names: the current body, the last compliant and the last tolerated one, what its owner wrote last, what
  `restore` writes, and what a write under way is to write;
- what was taken away by a revert, a restore or a delete: until 400 days after something else was taken away;
- of all others the newest twenty.
"""

from datetime import datetime, timedelta
from typing import Final

from guardrails.dataclass import replace
from guardrails.decisions.row import Row

KEPT: Final = 20
"""How many bodies are kept that nothing needs: the versions that people go back to by `restore --at`."""

SLACK: Final = 10
"""How many more there may be before they are pruned, all at once: that costs two requests, not two an edit."""

TAKEN_FOR: Final = timedelta(days=400)
"""How long a body is kept after it was taken away, at least."""

UNCOUNTED: Final = KEPT + SLACK
"""The entry from which on a row is counted that was written before bodies were."""


def named(row: Row) -> frozenset[int]:
    """Return the entries whose bodies a row needs."""
    begun = row.intent.body if row.intent else None
    found = (row.snapshot, row.compliant, row.tolerated, row.undo, row.theirs_at, begun)
    return frozenset(entry for entry in found if entry is not None)


def freed(before: Row | None, row: Row) -> int | None:
    """Return the entry whose body `restore` would have written before, and would not now; None where there is none."""
    return before.undo if before and before.undo != row.undo else None


def counted(before: Row | None, row: Row, seq: int, now: datetime, *, body: bool) -> Row:
    """Return the row that entry `seq` leaves, with what it knows of bodies. `body`: whether that entry keeps one."""
    taken = before.taken if before else None
    if taken is None and freed(before, row) is not None:
        taken = (now + TAKEN_FOR).replace(microsecond=0)
    known = before.bodies if before else ()
    if known is None:
        return replace(row, bodies=None, taken=taken)
    left = named(before) - {before.undo} if before else frozenset()
    spare = tuple(sorted({*known, *left, *((seq,) if body else ())} - named(row)))
    return row if (row.bodies, row.taken) == (spare, taken) else replace(row, bodies=spare, taken=taken)


def is_due(row: Row, seq: int, now: datetime) -> bool:
    """Whether bodies are to be pruned; never while a write is under way. `seq`: the number of the newest entry."""
    if row.intent is not None:
        return False
    if row.bodies is None:
        return seq >= UNCOUNTED
    return len(row.bodies) > KEPT + SLACK or (row.taken is not None and now >= row.taken)
