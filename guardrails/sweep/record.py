"""The record of one sweep, while it goes on: what auditors ask for. Nothing here stops a sweep.

What could not be recorded is in the log, and in what the next sweep records.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from guardrails import __version__
from guardrails.dataclass import replace
from guardrails.decisions.heads import KeptHeads, Scanned, Step, change
from guardrails.decisions.notify import record_digest
from guardrails.decisions.record import RecordedSweep, Tip, UsedRuleset, is_alteration
from guardrails.decisions.watch import Run
from guardrails.errors import GuardrailsError, defect
from guardrails.notices.notice import Kind, Notice
from guardrails.ports import Clock, Record
from guardrails.ruleset.model import Mode, Ruleset
from guardrails.runtime.telemetry import Fact, fact
from guardrails.sweep.report import Report

log = logging.getLogger("guardrails")

_OVERTAKEN: Final = "another sweep recorded them at the same time"


class Recording:
    """What is recorded of one sweep.

    Args:
        record, clock: the ports.
        run: the sweep, as its lease has it.
        ruleset, mode: what is in force.
        say: queues a notice about the service.
        by: what began it, in words.
        months: for how many months sweeps are kept.
    """

    def __init__(
        self,
        record: Record,
        clock: Clock,
        run: Run,
        ruleset: Ruleset,
        mode: Mode,
        *,
        say: Callable[[Notice], Awaitable[object]],
        by: str,
        months: int,
    ) -> None:
        wanted = any(Kind.RECORD_DIGEST in route.kinds for route in ruleset.routes)
        self._say = say if wanted else None
        self._record = record
        self._clock = clock
        self._run = run
        self._ruleset = UsedRuleset(ruleset.text, str(mode))
        self._months = months
        self._tip: Tip | None = None
        self._kept: KeptHeads | None = None
        self._heads: dict[str, Any] | str = "the sweep broke off before it recorded them"
        said = {"by": by, "version": __version__, "ruleset": self._ruleset.sha256, "mode": str(mode)}
        self._sweep = RecordedSweep(run.started, run.holder, said)

    async def begin(self, report: Report) -> bool:
        """Record that the sweep begins: where it dies, that is what is left of it. Report a hand in the record.

        Return whether it is recorded, and with it the ruleset in force.
        """

        async def work() -> None:
            self._kept = await self._record.heads(await self._begin(report))

        await _unstopped("the start of the sweep could not be recorded", work)
        return self._tip is not None

    @property
    def step(self) -> int | None:
        """The newest step of the heads when they were read at the begin; None where they could not be read."""
        return None if self._kept is None else self._kept.step

    async def heads(self, scanned: Scanned, report: Report) -> None:
        """Record the heads of all histories, as this sweep has read them; report what is missing among them.

        Where other instances began this sweep, another sweep may have recorded newer ones since: then nothing is
        missing, and what it recorded stays.
        """
        self._heads = "the sweep could not record them; the log says why"

        async def work() -> None:
            if self._kept is None:
                return
            found = change(self._kept, scanned.buckets(), scanned.unread)
            lacking = found.lost > self._kept.lost or found.back > 0
            if lacking and self._kept.step != scanned.since:
                self._heads = _OVERTAKEN
                return
            if self._kept.damaged:
                text = "heads in the record were changed from outside: they were written again. Run exg register verify"
                report.altered.append(text)
            if lacking:
                lacks = f"exemptions missing: {found.lost}; with fewer or other history entries: {found.back}"
                report.altered.append(f"the register lacks what the record has: {lacks}. Run exg register verify")
            kept: KeptHeads | None = self._kept
            marks = [Step({})] if found.lost != self._kept.lost and not found.steps else []
            for step in (*found.steps, *marks):
                kept = await self._record.keep_heads(kept, step, found.lost, self._clock.now()) if kept else None
            if kept is None:
                self._heads = _OVERTAKEN
                return
            counts = {"exemptions": kept.count, "lost": found.lost, "back": found.back}
            self._heads = {"step": kept.step, "digest": kept.digest, **counts}

        if scanned.whole:
            await _unstopped("the heads of the histories could not be recorded", work)

    async def end(self, report: Report, containers: frozenset[str], broken: str) -> None:
        """Record what it came to; `broken` says why it broke off, "" where it did not. Delete what is too old."""

        async def work() -> None:
            tip = self._tip or await self._begin(report)
            said = {
                **self._sweep.said,
                "report": report.kept(),
                "heads": self._heads,
                **({"broke_off": broken} if broken else {}),
            }
            ended = replace(self._sweep, said=said, ended=self._clock.now())
            self._tip, self._sweep = await self._record.end(tip, ended, self._ruleset, sorted(containers))

        await _unstopped("the end of the sweep could not be recorded", work)
        if self._sweep.seq:
            await _unstopped("the hash of the recorded sweep could not be sent", self._anchor)
        if self._tip is not None and not broken and not report.clock_differs:
            await _unstopped("old sweeps could not be deleted from the record", lambda: self._prune(report))

    async def _anchor(self) -> None:
        """Have what the record has come to in the log, and with each route that wants it: both are outside of it."""
        one, said = self._sweep, self._sweep.said.get("heads")
        heads = said if isinstance(said, dict) else {}
        count = heads.get("exemptions")
        fact(Fact.RECORD, sweep=one.seq, hash=one.hash, heads=heads.get("digest", ""), exemptions=count)
        if self._say is not None:
            await self._say(record_digest(one.seq, one.started, one.hash, count, at=self._clock.now()))

    async def _begin(self, report: Report) -> Tip:
        tip, self._sweep = await self._record.begin(self._sweep, self._ruleset, self._run)
        report.altered += [f"{text}. Run exg register verify" for text in self._sweep.gaps if is_alteration(text)]
        recorded = self._sweep.said.get("ruleset", self._ruleset.sha256)
        if recorded != self._ruleset.sha256:  # another instance began the sweep
            report.remark(f"the sweep began with the ruleset {recorded}, and ended with {self._ruleset.sha256}")
        self._tip = tip
        return tip

    async def _prune(self, report: Report) -> None:
        """Delete what is too old by the clocks of this sweep and of the one before: one of them may be wrong."""
        if self._tip is not None and self._run.before is not None:
            now = min(report.started, self._run.before)
            self._tip = await self._record.prune(self._tip, months_before(now, self._months), report.started)


def months_before(now: datetime, months: int) -> datetime:
    """Return the midnight (UTC) of the day so many months before a time: on the 28th where the month is short."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, 28), hour=0, minute=0, second=0, microsecond=0)


async def _unstopped(what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do something; what fails is logged."""
    try:
        await work()
    except GuardrailsError as error:
        log.error("%s: %s", what, error)  # noqa: TRY400 - what is wrong is in it
    except Exception as error:  # noqa: BLE001
        log.error("%s; a defect: %s", what, defect(error))  # noqa: TRY400 - its text may quote anybody
