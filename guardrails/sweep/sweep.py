"""Sweep: pass over the whole tenant, and hand every difference to `reconcile`.

The inventory is compared with the register, never believed: what differs, is new, or is not shown any more goes on the
`reconcile` queue, and Azure decides there. What was there before the guardrails is adopted. A pass that is killed has
lost nothing: what it did remains, and the next one finds the rest.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from guardrails.decisions.adoption_notice import Adoption
from guardrails.decisions.notify import altered, late, partial
from guardrails.decisions.parts import DEFAULT_SIZES, Sizes
from guardrails.decisions.schedule import last_sweep
from guardrails.decisions.watch import Run
from guardrails.errors import GuardrailsError, Retryable, defect
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time
from guardrails.notices.notice import Notice
from guardrails.ports import Bypasses, Inventory, Record, SharedParts, Surroundings, Sweeps
from guardrails.reconcile.defer import breaker_open
from guardrails.reconcile.visit import World
from guardrails.ruleset.model import Mode, Ruleset
from guardrails.sweep.bypasses import Tally, sweep_bypasses
from guardrails.sweep.compare import Pass
from guardrails.sweep.in_force import InForce
from guardrails.sweep.invitation import Invitation
from guardrails.sweep.record import Recording
from guardrails.sweep.report import NAMED, Report
from guardrails.sweep.shared import BUSY, Worker

log = logging.getLogger("guardrails")

LEASE: Final = timedelta(minutes=2)
"""How long a run may be silent before another takes over. It is heard of three times as often."""


_PATIENCE: Final = timedelta(days=1)
"""How long people wait for a notice of adoption that is whole; then they hear of what there is."""


class Sweeper:
    """The use case.

    Args:
        world, inventory, sweeps: the ports.
        in_force: the ruleset in force, and its mode.
        say: queues a notice about the service.
        bypasses: what is known of the bypasses of policies.
        record: what auditors ask for.
        months: for how many months the record keeps sweeps.
        late: the age of the last sweep from which a notice says that sweeps are late.
        parts: what instances share of a sweep that is long; None where each execution does a whole one.
        sizes: when a sweep is cut into parts, and when they are shared.
    """

    def __init__(
        self,
        world: World,
        inventory: Inventory,
        sweeps: Sweeps,
        in_force: InForce,
        say: Callable[[Notice], Coroutine[Any, Any, object]],
        *,
        bypasses: Bypasses,
        record: Record,
        months: int = 25,
        late: timedelta = timedelta.max,
        parts: SharedParts | None = None,
        sizes: Sizes = DEFAULT_SIZES,
    ) -> None:
        self._world = world
        self._inventory = inventory
        self._sweeps = sweeps
        self._bypasses = bypasses
        self._record = record
        self._months = months
        self._in_force = in_force
        self._say = say
        self._late = late
        self._worker = Worker(parts, world.queues, world.clock, LEASE) if parts is not None else None
        self._sizes = sizes
        self._at_work = False

    async def sweep(self, by: str = "") -> Report | None:
        """Pass over the tenant; None while another run does, or others are at its last parts.

        Raises Misconfigured, Retryable, Permanent.

        `by`: what began it, in words: for the notice that the one before it was long ago.
        """
        in_force = self._in_force.now()
        now = self._world.clock.now().replace(microsecond=0)
        run = await self._sweeps.begin(now, uuid.uuid4().hex, LEASE)
        if run is None:
            log.info("no sweep: another one is running")
            return None
        self._at_work = True
        try:
            return await self._go(run, *in_force, by)
        finally:
            self._at_work = False

    async def part(self, invitation: Invitation) -> Report | None:
        """Do a part of a sweep that another instance began, and those that are left; return the report where it ends.

        The message comes again where this instance is at another part, and where others are at the last ones. Raises
        Misconfigured, Retryable, Permanent.
        """
        run = await self._sweeps.last()
        if run is None or run.until is None or run.holder != invitation.holder or self._worker is None:
            log.info("a message about a sweep that has ended")
            return None
        needed, again = await self._worker.looks(invitation)
        if needed and self._at_work:
            again = BUSY
        elif needed:
            self._at_work = True
            try:
                held = await self._sweeps.beat(run, self._world.clock.now(), LEASE)
                if report := await self._go(held or run, *self._in_force.now(), "", invitation):
                    return report
                _, again = await self._worker.looks(invitation)
            except GuardrailsError as error:
                log.warning("a part of the sweep is tried again: %s", error)
            finally:
                self._at_work = False
        if again:
            await self._worker.invite(invitation, again)
        return None

    async def _go(
        self, run: Run, ruleset: Ruleset, mode: Mode, by: str, invitation: Invitation | None = None
    ) -> Report | None:
        """Sweep, or help; None where it is not ours to end."""
        report = Report.after(run)
        recording = Recording(
            self._record, self._world.clock, run, ruleset, mode, say=self._say, by=by, months=self._months
        )
        one = Pass(self._world, self._inventory, self._sweeps, run, ruleset, mode, report, sizes=self._sizes)
        one.shared = invitation is not None
        async with self._lease(run) as held:
            whole, broken, seen = False, "it was ended from outside, or by a defect", frozenset[str]()
            if invitation is None and await recording.begin(report):  # else who began the sweep recorded that
                self._in_force.recorded(ruleset, mode)
            one.heads.since = recording.step
            try:
                await self._in_force.used(ruleset, mode)
                await self._notify_late(run, by, report, say=invitation is None)
                await self._compare(one, run, invitation)
                if one.complete:
                    if invitation is not None:
                        await recording.begin(report)
                    around = await one.close()
                    if one.repeated:
                        report.adopted = len([None async for _ in self._world.register.adopted(run.started)])
                    seen = frozenset(around.containers)
                    await recording.heads(one.heads, report)
                    found = await self._bypasses_in(around, ruleset, report)
                    whole = await self._notify(run, report, one)
                    await self._notify_of_bypasses(found, report)
                    broken = ""
            except* GuardrailsError as errors:
                first = _first(errors)
                broken = str(first)
                report.missing.append(f"the sweep stopped: {first}")
                if one.is_ours:
                    await self._notify_partial(report)
                raise first from None
            finally:
                ruleset.limits.forget()
                if one.is_ours:
                    report.seconds = max((self._world.clock.now() - run.started).total_seconds(), 0.0)
                    await recording.end(report, seen, broken)
                    await self._sweeps.end(held(), self._world.clock.now(), report.to_json(), whole=whole)
        if not one.complete:
            return None
        if one.shared and self._worker is not None:
            await self._worker.forget()
        log.info("sweep: %s", report.to_json())
        return report

    async def _compare(self, one: Pass, run: Run, invitation: Invitation | None) -> None:
        """Compare all but what is at management groups; see whether it is ours to do that, and to end the sweep.

        Up to Sizes.alone parts are done by this execution alone; of more, each instance that has a message does some.
        """
        spans = await one.open()
        if self._worker is None or not (one.shared or len(spans) > self._sizes.alone):
            await one.parts(spans)
            one.complete = True
            return
        if not one.shared:
            await self._worker.hand_out(run.holder, spans, one.heads.since)
            one.shared = True
            await self._worker.invite_all(run.holder, spans)
        one.complete = await self._worker.work(one, run.holder, invitation.number if invitation else 0)

    @asynccontextmanager
    async def _lease(self, run: Run) -> AsyncIterator[Callable[[], Run]]:
        """Hold the lease by a heartbeat. Where it is lost the pass goes on: two at once do no harm."""
        current = run

        async def beat() -> None:
            nonlocal current
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                try:
                    after = await self._sweeps.beat(current, self._world.clock.now(), LEASE)
                    last = await self._sweeps.last() if after is None else after
                except Retryable as error:
                    log.warning("the sweep's lease could not be renewed: %s", error)
                    continue
                if last is None or last.holder != run.holder or last.until is None:
                    log.warning("the sweep lost its lease; it continues, and does no harm")
                    return
                current = last  # another instance that is at the same sweep may have come between

        heart = asyncio.create_task(beat())
        try:
            yield lambda: current
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _bypasses_in(self, around: Surroundings, ruleset: Ruleset, report: Report) -> Tally | None:
        """Look for the bypasses of policies; None where that failed, and nothing else did."""
        failed = "the bypasses of policies could not be looked at"
        try:
            tally = await sweep_bypasses(
                self._inventory,
                self._bypasses,
                around,
                ruleset,
                at=report.started,
                notified=report.bypasses_notified,
                arm=self._world.arm,
                criteria=self._world.criteria,
            )
        except GuardrailsError as error:
            report.missing.append(f"{failed}: {error}")
            return None
        except Exception as error:  # noqa: BLE001
            text = "a defect in the sweep of bypasses; the sweep continues without it: %s"
            log.error(text, defect(error))  # noqa: TRY400 - its text may quote anybody
            report.missing.append(f"{failed}: {type(error).__name__}, a defect; the log has more")
            return None
        report.bypasses = tally.to_json()
        report.missing.extend(tally.missing)
        for text in tally.notes:
            report.remark(text)
        for container, count in tally.unseen.most_common(NAMED):
            report.unseen(container, number_of(count, "bypass", "bypasses"))
        report.missing = list(dict.fromkeys(report.missing))
        return tally

    async def _notify_of_bypasses(self, found: Tally | None, report: Report) -> None:
        """Announce what is new in one notice; what was looked at counts as announced then."""
        if found is None:
            return
        if found.notice is not None:
            await self._say_once(found.notice, report)
        report.bypasses_notified = report.started

    async def _notify(self, run: Run, report: Report, one: Pass) -> bool:
        """Announce what was adopted since the last such notice, and what could not be seen: each once.

        Return whether all that was adopted is announced: some may yet come off the queue, one by one.
        """
        if report.altered:
            await self._say_once(altered(report.altered, at=self._world.clock.now()), report)
            report.announced, report.altered = [*report.announced, *report.altered], []
        if report.missing:
            await self._say_once(partial(report.missing, at=self._world.clock.now()), report)
        since, now = run.adopting or run.started, self._world.clock.now()
        if report.open_since and (days := (now - report.open_since).days):
            limit = self._in_force.now()[0].reverts_per_hour
            await self._say_once(breaker_open(report.open_since, limit, at=now, days=days), report)
        if report.queued["unlisted"] and run.started - since < _PATIENCE:
            return False
        if report.adopted or since < run.started:
            if since == run.started and one.adopted.certain and not one.shared:
                adoption = one.adopted.notice
            else:
                adoption = Adoption()
                async for each in self._world.register.adopted(since):
                    adoption.add(each)
            if adoption.count:
                key = "".join(c for c in spell_time(since) if c.isalnum())
                await self._say_once(adoption.notice(key, now), report)
        return True

    async def _notify_late(self, run: Run, by: str, report: Report, *, say: bool) -> None:
        """Announce that no sweep ran for too long: once, until one is in time again. `say`: not whoever helps."""
        last = last_sweep(run)
        if last is None or run.started - last < self._late:
            return
        report.late = str(run.report.get("late") or spell_time(last))
        notice = late(last, report.late, by=by, at=self._world.clock.now())
        if not say:
            report.notified = [*report.notified, notice.id]
            return
        log.warning("%s", " ".join(notice.why))
        await self._say_once(notice, report)

    async def _notify_partial(self, report: Report) -> None:
        """Announce that a sweep broke off, as far as that is possible then."""
        try:
            await self._say_once(partial(report.missing, at=self._world.clock.now()), report)
        except GuardrailsError as error:
            log.error("the notice about the stopped sweep could not be sent: %s", error)  # noqa: TRY400

    async def _say_once(self, notice: Notice, report: Report) -> None:
        if notice.id not in report.notified:
            await self._say(notice)
            report.notified = [*report.notified, notice.id][-20:]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
