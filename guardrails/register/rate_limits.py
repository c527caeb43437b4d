"""ports.RateLimits: one row for each address, changed under its ETag by every instance at once."""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from typing import Final

from guardrails.errors import Retryable
from guardrails.notices.route_state import RateLimit, RouteState
from guardrails.register.columns import Value, join_text, read_json, split_text
from guardrails.register.keys import RATE_LIMITS, escape
from guardrails.register.table import Entity, Rejected, Table, Write

_LOG: Final = logging.getLogger(__name__)
_TRIES: Final = 60
_PAUSE_SECONDS: Final = 0.03
_NAME: Final = "lane"  # stored name


class RateLimits:
    """The rate limits, in a partition of their own."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._turns: dict[str, asyncio.Lock] = {}

    async def look(self, name: str) -> RateLimit:
        """Return a rate limit; an empty one where there is none yet, or where its row was damaged. One request."""
        return _rate_limit(await self._table.get(RATE_LIMITS, _row(name)))[0]

    async def change[T](self, name: str, step: Callable[[RateLimit], tuple[RateLimit, T]]) -> T:
        """Apply `step` to a rate limit. Callers of one process take turns; between processes the ETag decides.

        Two requests, or one where nothing changes. Raises Retryable (rate-limit-contended).
        """
        async with self._turns.setdefault(name, asyncio.Lock()):
            for _ in range(_TRIES):
                found = await self._table.get(RATE_LIMITS, _row(name))
                before, sound = _rate_limit(found)
                after, result = step(before)
                if (after == before and sound) or await self._write(name, found, after):
                    return result
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - spreads callers, no secret
        raise Retryable("too many workers deliver to one address at once", code="rate-limit-contended", delay=5.0)

    async def _write(self, name: str, found: Entity | None, rate_limit: RateLimit) -> bool:
        columns = _columns(name, rate_limit)
        row = _row(name)
        write = Write("replace", row, columns, found["odata.etag"]) if found else Write("create", row, columns)
        try:
            await self._table.transact(RATE_LIMITS, [write])
        except Rejected:
            return False
        return True


def _row(name: str) -> str:
    return f"{_NAME}~{escape(name)}"


def _columns(name: str, rate_limit: RateLimit) -> dict[str, Value]:
    routes = {route: state.to_json() for route, state in rate_limit.routes.items()}
    return {_NAME: name, "free": str(rate_limit.free), **split_text("routes", json.dumps(routes))}


def _rate_limit(found: Entity | None) -> tuple[RateLimit, bool]:
    """Read a rate limit, and whether its row is sound.

    One whose row was damaged is empty: notices then go on, and the next writes it anew.
    """
    if found is None:
        return RateLimit(), True
    try:
        routes = read_json(join_text("routes", found))
        states = {route: RouteState.from_json(state) for route, state in routes.items()}
        return RateLimit(int(found["free"]), states), True
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _LOG.error("the rate limit in row %s cannot be read and is replaced: %s", found.get("RowKey"), error)
        return RateLimit(), False
