"""What is gone and why, who did it, and what would be put back: read from a row and its history, Azure is not asked."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.cli.register_rows import Found
from guardrails.dataclass import dataclass
from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Status
from guardrails.errors import Permanent
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.model import Exemption
from guardrails.exemption.times import spell_time
from guardrails.reconcile.restore import version
from guardrails.wiring import Service

US: Final = "guardrails"
"""Who deleted what we reverted or removed."""

_WAYS: Final = {"deleted": "deleted", "reverted": "reverted", "removed": "removed", "lost": "lost"}
"""The events by which an exemption goes, and how that is called."""

_ASKED: Final = frozenset({"operator", "wake-up"})
"""Sources of hints whose actor asked us to look, and did not delete anything."""

_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Departure:
    """An exemption that is gone, and what would be put back.

    Attributes:
        at: when the register saw that it is gone, UTC.
        how: deleted, reverted, removed or lost; unknown where the history does not say.
        by: who did it; "" where that is not known. A stranger's text.
        why: the reason in the history.
        version: the number of the history entry that keeps the body.
        body: that body; None where it cannot be vouched for.
        against: what is against restoring it, sentences; () where nothing is known to.
    """

    found: Found
    at: datetime
    how: str
    by: str
    why: str
    version: int
    body: Exemption | None
    against: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready, all values plain: one line of CSV has the same."""
        row, body = self.found.row, self.body
        end = body.expires_on if body else row.expires_on
        return {
            "id": row.id,
            "status": str(row.status),
            "at": spell_time(self.at),
            "how": self.how,
            "by": self.by,
            "why": self.why,
            "version": self.version,
            "expires_on": spell_time(end) if end else None,
            "assignment": body.assignment_id if body else row.assignment,
            "display_name": body.display_name if body else "",
            "owner": row.owner,
            "ticket": row.ticket,
            "restorable": body is not None,
            "against": "; ".join(self.against),
            "rebuilt": self.found.stored.altered,
        }


def is_deleted(row: Row) -> bool:
    """Whether an exemption is gone, and the register knew it before."""
    return row.content == "" and row.undo is not None


async def departures(service: Service, rows: Sequence[Found], now: datetime) -> list[Departure]:
    """Return what became of each row for which `is_deleted`; two requests to the register each, some at a time."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(found: Found) -> Departure:
        async with turns:
            return await _departure(service, found, now)

    return list(await asyncio.gather(*map(one, rows)))


async def _departure(service: Service, found: Found, now: datetime) -> Departure:
    row, stored = found.row, found.stored
    history = [one for one in await service.register.history(found.id) if one.seq <= stored.seq]
    since = _since_gone(history)
    went = next((one for one in reversed(since) if one.event in _WAYS), None)
    entry, body, against = row.undo or 0, None, list[str]()
    try:
        body = Exemption.from_arm(await version(service.register, found.id, stored, entry, history))
    except Permanent as error:
        against.append(error.message)
    else:
        against += _obstacles(row, body, since, now)
    return Departure(
        found,
        since[0].at if since else row.since,
        _WAYS[went.event] if went else "unknown",
        row.lost_by or (_by(went) if went else ""),
        str(went.facts.get("accepted") or went.facts.get("why") or "") if went else "",
        entry,
        body,
        tuple(against),
    )


def _since_gone(history: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Return the entries since the exemption went, the one that recorded it first."""
    there = max((n for n, one in enumerate(history) if one.row.get("content")), default=-1)
    return list(history[there + 1 :])


def _by(went: HistoryEntry) -> str:
    if went.event in ("reverted", "removed"):
        return US
    return "" if went.facts.get("hint") in _ASKED else str(went.facts.get("actor") or "")


def _obstacles(row: Row, body: Exemption, since: Sequence[HistoryEntry], now: datetime) -> list[str]:
    """Return what is known to stand against it, without asking Azure."""
    out = []
    if is_expired(body.expires_on, now) and body.expires_on:
        out.append(f"it expired at {spell_time(body.expires_on)}: after a restore, it exempts nothing")
    if row.settled:
        out.append(f"the service does not restore it: {row.settled}")
    newest = since[-1] if since else None
    if row.status is Status.LOST and newest is not None and newest.event == "waiting":
        out.append(f"it waits: {newest.facts.get('why', '')}")
    elif row.status is Status.LOST:
        away = "its target does not exist; the service restores it when the target exists"
        out.append(f"it waits: {f'the service leaves it alone until {spell_time(row.due)}' if row.due else away}")
    return out
