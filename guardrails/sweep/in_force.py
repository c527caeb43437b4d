"""The ruleset in force and its mode: recorded before anything is judged by them."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from guardrails.decisions.record import UsedRuleset
from guardrails.errors import Misconfigured, Retryable, defect
from guardrails.ports import Clock, Record
from guardrails.ruleset.model import Mode, Ruleset

log = logging.getLogger("guardrails")

_AGAIN: Final = timedelta(minutes=1)
_UNRECORDED: Final = "the ruleset in force could not be recorded"


class InForce:
    """Sees that each ruleset in force is recorded: the one that a process begins with, and what its file changes to.

    Where nothing changed, nothing is asked. While storage is away nobody judges by a ruleset that is not recorded; what
    else fails is in the log, and is tried again a minute later.

    Args:
        ruleset: returns the ruleset in force; raises Misconfigured.
        record, clock: the ports.
        audit_only: whether a setting holds the mode at audit, whatever the ruleset says.
    """

    def __init__(
        self, ruleset: Callable[[], Ruleset], record: Record, clock: Clock, *, audit_only: bool = False
    ) -> None:
        self._ruleset = ruleset
        self._record = record
        self._clock = clock
        self._audit_only = audit_only
        self._noted: UsedRuleset | None = None
        self._next: datetime | None = None

    def now(self) -> tuple[Ruleset, Mode]:
        """Return the ruleset and its mode. Raises Misconfigured."""
        ruleset = self._ruleset()
        return ruleset, ruleset.mode_in_force(audit_only=self._audit_only)

    async def start(self) -> None:
        """The app starts: record the ruleset. A failure is logged; judging tries again. Raises Misconfigured."""
        one = self.now()
        try:
            await self.used(*one)
        except Retryable as error:
            log.error("%s: %s", _UNRECORDED, error)  # noqa: TRY400 - what is wrong is in it

    async def judging(self) -> None:
        """Something is judged: record the ruleset, unless this process did. Raises Retryable where storage is away."""
        try:
            one = self.now()
        except Misconfigured:  # who judges says so
            return
        await self.used(*one)

    def recorded(self, ruleset: Ruleset, mode: Mode) -> None:
        """A sweep has recorded this ruleset with this mode."""
        self._noted, self._next = UsedRuleset(ruleset.text, str(mode)), None

    async def used(self, ruleset: Ruleset, mode: Mode) -> None:
        """Record what is used now, unless this process recorded it last. One read, unless it is new.

        Raises Retryable where storage is away.
        """
        one, now = UsedRuleset(ruleset.text, str(mode)), self._clock.now()
        if one == self._noted or (self._next is not None and now < self._next):
            return
        try:
            await self._record.use(one, now.replace(microsecond=0))
        except Retryable:
            raise
        except Exception as error:  # noqa: BLE001 - the record is no reason to judge nothing
            self._next = now + _AGAIN
            log.error("%s; %s", _UNRECORDED, defect(error))  # noqa: TRY400 - its text may quote anybody
        else:
            self._noted, self._next = one, None
