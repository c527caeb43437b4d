"""Health: what an outside monitor is shown, whether sweeps come by. No word of the tenant is in it.

Anybody may ask, so the answer is kept for some seconds: however many ask, an instance reads one row in that time.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.errors import GuardrailsError, defect

log = logging.getLogger("guardrails")

KEPT: Final = 15.0
"""Seconds that an answer is kept."""

LONGEST: Final = 10.0
"""Seconds after which storage is no longer waited for."""


@dataclass(frozen=True, slots=True)
class Health:
    """One answer.

    Attributes:
        age: seconds since the last sweep that ended began; None where none did, or that is unknown.
        late: the age from which that is too long ago, in seconds.
    """

    age: int | None
    late: float = 0.0

    @property
    def code(self) -> int:
        """The HTTP status: 200 where sweeps come by, 503 where they do not, or nobody knows."""
        return 200 if self.age is not None and self.age < self.late else 503

    def to_json(self) -> str:
        """Return the documented JSON form: docs/monitoring.md."""
        status = "unknown" if self.age is None else "ok" if self.code == 200 else "late"
        return json.dumps({"status": status} if self.age is None else {"status": status, "age": self.age})


class Watch:
    """Asks, and keeps the answer.

    Args:
        ask: returns the age of the last sweep, None for unknown, and the age from which it is late. Raises anything.
        now: seconds that only grow.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[tuple[timedelta | None, timedelta]]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._now = now
        self._turn = asyncio.Lock()
        self._known: tuple[float, Health] | None = None

    async def look(self) -> Health:
        """Return the app's health. Raises nothing: what fails is part of the answer."""
        async with self._turn:
            if self._known is None or self._now() - self._known[0] >= KEPT:
                self._known = self._now(), await self._fresh()
            return self._known[1]

    async def _fresh(self) -> Health:
        try:
            async with asyncio.timeout(LONGEST):
                age, late = await self._ask()
        except (GuardrailsError, TimeoutError) as error:
            log.warning(
                "the age of the last sweep could not be read: %s", str(error) or f"no answer within {LONGEST:g} s"
            )
            return Health(None)
        except Exception as error:  # noqa: BLE001 - who watches is to hear that nobody knows
            log.error("the age of the last sweep could not be read: %s", defect(error))  # noqa: TRY400
            return Health(None)
        return Health(None if age is None else int(age.total_seconds()), late.total_seconds())
