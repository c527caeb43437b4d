"""The breaker: one row with the reverts of the last hour, changed under its ETag by everybody at once."""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.errors import Retryable
from guardrails.exemption import parse_time, spell_time
from guardrails.ports import BreakerState
from guardrails.register.columns import Value, join_text, read_json, split_text
from guardrails.register.keys import BREAKER
from guardrails.register.table import Entity, Rejected, Table, Write

_WINDOW: Final = timedelta(hours=1)
_TRIES: Final = 40
_PAUSE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class _Held:
    """What the row says: `times` of reverts in milliseconds since 1970, UTC; `etag` is "" where there is no row."""

    times: tuple[int, ...]
    opened_at: datetime | None
    told: bool
    etag: str
    damaged: str = ""


class Breaker:
    """Counts reverts and opens when an hour would see too many."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._turn = asyncio.Lock()

    async def take(self, now: datetime, per_hour: int, *, opens: bool = True) -> BreakerState:
        """Count a revert if the breaker is closed and an hour has room for it; else open it, or leave it as it is.

        Callers of one process take turns; between processes the ETag decides. Raises Retryable (breaker-contended).
        """
        async with self._turn:
            for _ in range(_TRIES):
                held = await self._read(now)
                recent = _recent(held, now)
                if held.opened_at is not None:
                    return BreakerState(held.opened_at, len(recent), held.told)
                full = len(recent) >= per_hour
                if full and not opens:
                    return BreakerState(None, len(recent), held.told)
                opened = now if full else None
                times = recent if opened else (*recent, _millis(now))
                if await self._write(held.etag, _columns(times, opened)):
                    return BreakerState(opened, len(times), taken=opened is None)
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - spreads callers, no secret
        raise _contended()

    async def look(self, now: datetime) -> BreakerState:
        """Return the state without changing it."""
        held = await self._read(now)
        return BreakerState(held.opened_at, len(_recent(held, now)), held.told, damaged=held.damaged)

    async def remember_told(self, opened_at: datetime) -> None:
        """Write down that people know; nothing where it was closed, or opened anew, since. Raises Retryable."""
        for _ in range(_TRIES):
            held = await self._read(opened_at)
            if held.told or held.opened_at != opened_at:
                return
            if await self._write(held.etag, _columns(held.times, opened_at, told=True)):
                return
            await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - spreads callers, no secret
        raise _contended()

    async def close(self) -> None:
        """Close it, whatever the row says, and forget the reverts."""
        partition, row = BREAKER
        await self._table.transact(partition, [Write("put", row, _columns((), None))])

    async def _read(self, now: datetime) -> _Held:
        found = await self._table.get(*BREAKER)
        if found is None:
            return _Held((), None, told=False, etag="")
        etag = found["odata.etag"]
        try:
            return _Held(_times(found), _opened_at(found), found.get("told") == "yes", etag)
        except ValueError as error:
            # A row that somebody damaged must not let reverts through: open until an operator closes it.
            return _Held((), _written_at(found) or now, told=False, etag=etag, damaged=str(error))

    async def _write(self, etag: str, columns: dict[str, Value]) -> bool:
        partition, row = BREAKER
        write = Write("replace", row, columns, etag) if etag else Write("create", row, columns)
        try:
            await self._table.transact(partition, [write])
        except Rejected:
            return False
        return True


def _contended() -> Retryable:
    return Retryable("too many workers change the breaker at once", code="breaker-contended", delay=5.0)


def _columns(times: tuple[int, ...], opened: datetime | None, *, told: bool = False) -> dict[str, Value]:
    since = spell_time(opened) if opened else ""
    return {"opened_at": since, "told": "yes" if told else "", **split_text("reverts", json.dumps(times))}


def _times(found: Entity) -> tuple[int, ...]:
    times = read_json(join_text("reverts", found))
    if not isinstance(times, list) or not all(type(time) is int for time in times):
        raise ValueError("the times of reverts are not numbers")
    return tuple(times)


def _opened_at(found: Mapping[str, Any]) -> datetime | None:
    opened = found.get("opened_at")
    if not isinstance(opened, str):
        raise ValueError("opened_at is missing")
    return parse_time(opened)


def _written_at(found: Mapping[str, Any]) -> datetime | None:
    try:
        return parse_time(found.get("Timestamp"))
    except ValueError:
        return None


def _recent(held: _Held, now: datetime) -> tuple[int, ...]:
    since = _millis(now - _WINDOW)
    return tuple(time for time in held.times if time > since)


def _millis(time: datetime) -> int:
    return int(time.astimezone(UTC).timestamp() * 1000)
