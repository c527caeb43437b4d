"""The breaker: one row with the reverts and restores of the last hour, changed under its ETag by everybody at once."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.errors import Retryable
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import parse_time, spell_time
from guardrails.notices.route_state import ALERT_LEASE
from guardrails.ports import BreakerState
from guardrails.register.columns import Value, join_text, read_json, split_text
from guardrails.register.keys import BREAKER
from guardrails.register.table import Entity, Rejected, Table, Write
from guardrails.ruleset.budgets import BREAKER as BREAKER_NAME
from guardrails.ruleset.budgets import WINDOW, Budget, Full, Use, full, millis, recent

_TRIES: Final = 40
_PAUSE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the row says; `etag` is "" where there is no row.

    Attributes:
        reverts, restores: what was let through, oldest first.
        opened_at, notified: since when it is open, and whether that was notified.
        notified_budgets: which used-up budgets were notified, and since when, in milliseconds since 1970.
        notifying: since when a worker notifies of a budget, or of the breaker, likewise.
        damaged: what is wrong with it, so that it counts as open; "" where nothing is.
    """

    reverts: tuple[Use, ...] = ()
    restores: tuple[Use, ...] = ()
    opened_at: datetime | None = None
    notified: bool = False
    notified_budgets: Mapping[str, int] = field(default_factory=dict)
    notifying: Mapping[str, int] = field(default_factory=dict)
    etag: str = ""
    damaged: str = ""

    def as_of(self, now: datetime) -> "_Kept":
        """Return it without what does not count any more."""
        budgets = {name: at for name, at in self.notified_budgets.items() if at > millis(now - WINDOW)}
        notifying = {name: at for name, at in self.notifying.items() if at > millis(now - ALERT_LEASE)}
        reverts, restores = recent(self.reverts, now), recent(self.restores, now)
        return replace(self, reverts=reverts, restores=restores, notified_budgets=budgets, notifying=notifying)

    def state(self, *, taken: bool = False, refused: Full | None = None) -> BreakerState:
        """Return what the use cases see of it."""
        count = sum(not use.removal for use in self.reverts)
        return BreakerState(
            self.opened_at, count, self.notified, taken, refused, self.reverts, self.restores,
            frozenset(self.notified_budgets), self.damaged,
        )  # fmt: skip

    def columns(self) -> dict[str, Value]:
        """Return the columns of the row. `reverts` has the times alone, as older versions read it."""
        return {
            "opened_at": spell_time(self.opened_at) if self.opened_at else "",
            "told": "yes" if self.notified else "",  # stored name
            **_times_of("reverts", self.reverts),
            **_times_of("restores", self.restores),
            **split_text("said", canonical_json(self.notified_budgets)),
            **split_text("telling", canonical_json(self.notifying)),  # stored name
        }


class Breaker:
    """Counts reverts and restores, and opens when an hour would see too many reverts in all."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._turn = asyncio.Lock()
        self._last: _Kept | None = None
        """The row as it was seen last, without an ETag where there was none. None where it was not seen, or another
        worker or an error may have changed it."""

    async def take_revert(self, now: datetime, budget: Budget, asked: Use) -> BreakerState:
        """Count a revert if the breaker is closed and every budget has room for it.

        What a narrow budget refuses leaves all as it was. What the total refuses opens the breaker, a removal aside.
        Raises Retryable (breaker-contended).
        """

        def decide(kept: _Kept) -> tuple[_Kept | None, BreakerState]:
            if kept.opened_at is not None or asked.among(kept.reverts):
                return None, kept.state(taken=kept.opened_at is None)
            refused = full(kept.reverts, asked, budget, now)
            if refused and (refused.name != "total" or asked.removal):
                return None, kept.state(refused=refused)
            after = (
                replace(kept, opened_at=now)
                if refused
                else replace(kept, reverts=(*kept.reverts, asked._replace(at=millis(now))))
            )
            return after, after.state(taken=not refused, refused=refused)

        return await self._take(now, decide)

    async def take_restore(self, now: datetime, budget: Budget, asked: Use) -> BreakerState:
        """Count a restore if the breaker is closed and every budget has room for it; it never opens it.

        Raises Retryable (breaker-contended).
        """

        def decide(kept: _Kept) -> tuple[_Kept | None, BreakerState]:
            if kept.opened_at is not None or asked.among(kept.restores):
                return None, kept.state(taken=kept.opened_at is None)
            if refused := full(kept.restores, asked, budget, now):
                return None, kept.state(refused=refused)
            after = replace(kept, restores=(*kept.restores, asked._replace(at=millis(now))))
            return after, kept.state(taken=True)

        return await self._take(now, decide)

    async def _take(
        self, now: datetime, decide: Callable[[_Kept], tuple[_Kept | None, BreakerState]]
    ) -> BreakerState:  # fmt: skip
        """Write what `decide` makes of the row, None for nothing; return the state that it gives.

        The row is written with the ETag that was seen last. It is read where none is known, where that is refused, and
        where nothing would be written: what is remembered may be out of date. Callers of one process take turns;
        between processes the ETag decides. Raises Retryable (breaker-contended).
        """
        async with self._turn:
            for _ in range(_TRIES):
                remembered = self._last
                after, state = decide((remembered or await self._read(now)).as_of(now))
                if after is None:
                    if remembered is None:
                        return state
                    self._last = None
                elif await self._write(after):
                    return state
                elif remembered is None:
                    await _pause()
        raise _contended()

    async def look(self, now: datetime, suffices: Callable[[BreakerState], bool] | None = None) -> BreakerState:
        """Return the state without changing it: as it was seen last, where that `suffices`, else as it is."""
        if suffices and self._last and suffices(state := self._last.as_of(now).state()):
            return state
        return (await self._read(now)).as_of(now).state()

    async def claim_notification(self, whose: str, now: datetime) -> bool:
        """Claim a notification; False where it was sent, or another worker is sending it. Raises Retryable."""
        for _ in range(_TRIES):
            kept = (await self._read(now)).as_of(now)
            if whose in kept.notifying or whose in kept.notified_budgets or (whose == BREAKER_NAME and kept.notified):
                return False
            if await self._write(replace(kept, notifying={**kept.notifying, whose: millis(now)})):
                return True
            await _pause()
        raise _contended()

    async def mark_notified(self, opened_at: datetime) -> None:
        """Record that the open breaker was notified; nothing where it was closed or opened anew. Raises Retryable."""
        for _ in range(_TRIES):
            kept = await self._read(opened_at)
            if kept.notified or kept.opened_at != opened_at:
                return
            if await self._write(replace(kept, notified=True)):
                return
            await _pause()
        raise _contended()

    async def mark_budget_notified(self, whose: str, now: datetime) -> None:
        """Record that a used-up budget was notified. Raises Retryable."""
        for _ in range(_TRIES):
            kept = (await self._read(now)).as_of(now)
            budgets = {**kept.notified_budgets, whose: millis(now)}
            if whose in kept.notified_budgets or await self._write(replace(kept, notified_budgets=budgets)):
                return
            await _pause()
        raise _contended()

    async def close(self) -> None:
        """Close it, whatever the row says, and forget the reverts."""
        partition, row = BREAKER
        self._last = None
        await self._table.transact(partition, [Write("put", row, _Kept().columns())])
        self._last = None

    async def _read(self, now: datetime) -> _Kept:
        self._last = None
        found = await self._table.get(*BREAKER)
        if found is None:
            self._last = kept = _Kept()
            return kept
        etag = found["odata.etag"]
        try:
            self._last = kept = _Kept(
                reverts=_uses("reverts", found),
                restores=_uses("restores", found),
                opened_at=_opened_at(found),
                notified=found.get("told") == "yes",  # stored name
                notified_budgets=_notified_since("said", found),
                notifying=_notified_since("telling", found),  # stored name
                etag=etag,
            )
        except ValueError as error:
            # A row that somebody damaged must not let reverts through: open until an operator closes it.
            return _Kept(opened_at=_written_at(found) or now, etag=etag, damaged=str(error))
        return kept

    async def _write(self, kept: _Kept) -> bool:
        partition, row = BREAKER
        columns = kept.columns()
        write = Write("replace", row, columns, kept.etag) if kept.etag else Write("create", row, columns)
        self._last = None
        try:
            (etag,) = await self._table.transact(partition, [write])
        except Rejected:
            return False
        self._last = replace(kept, etag=etag)
        return True


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - spreads callers, no secret


def _contended() -> Retryable:
    return Retryable("too many workers change the breaker at once", code="breaker-contended", delay=5.0)


def _times_of(name: str, uses: Sequence[Use]) -> dict[str, str]:
    times, whose = canonical_json([use.at for use in uses]), canonical_json([str(use) for use in uses])
    return {**split_text(name, times), **split_text(f"{name}_by", whose)}


def _uses(name: str, found: Entity) -> tuple[Use, ...]:
    """Read what was let through. A row of an older version has no restores, and does not say whose a revert was."""
    times = _list(name, found) if name == "reverts" or name in found else []
    if not all(type(time) is int for time in times):
        raise ValueError("the times of reverts are not numbers")
    if f"{name}_by" not in found:
        return tuple(Use(at=at) for at in times)
    return tuple(Use.parse(at, whose) for at, whose in zip(times, _list(f"{name}_by", found), strict=True))


def _list(name: str, found: Entity) -> list[Any]:
    read = read_json(join_text(name, found))
    if not isinstance(read, list):
        raise ValueError(f"{name} is no list")
    return read


def _notified_since(name: str, found: Entity) -> dict[str, int]:
    said = read_json(join_text(name, found) or "{}")
    if not isinstance(said, dict) or not all(type(at) is int for at in said.values()):
        raise ValueError("it does not say which budgets were notified")
    return said


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
