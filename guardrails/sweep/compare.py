"""Compare the inventory with the register. What differs goes on the queue; what was there before is adopted."""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from random import sample
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.decisions.adoption import was_before
from guardrails.decisions.heads import Scanned
from guardrails.decisions.judged import Judgements
from guardrails.decisions.parts import AT_GROUPS, DEFAULT_SIZES, EVERYTHING, Sizes, Span, cut
from guardrails.decisions.watch import Run, Watch
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.applies import MARK
from guardrails.exemption.counts import number_of
from guardrails.exemption.facts import Unread
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import DEFAULT_NAMES, Exemption
from guardrails.ports import Inventory, Page, Surroundings, Sweeps
from guardrails.reconcile.defer import log_breaker
from guardrails.reconcile.inventory import NO_EXEMPTION, Rows
from guardrails.reconcile.visit import Visit, World
from guardrails.ruleset.model import Mode, Ruleset
from guardrails.sweep.adopt import Adoptions, adopt
from guardrails.sweep.differences import difference, left_to_do
from guardrails.sweep.hand_over import AT_ONCE, HandOver
from guardrails.sweep.judging import Judging
from guardrails.sweep.matches import Counting
from guardrails.sweep.outcome import Outcome
from guardrails.sweep.pages import PartPages, at_groups, following, pages_of
from guardrails.sweep.report import NAMED, Report
from guardrails.sweep.shown import Shown
from guardrails.sweep.siblings import Siblings

log = logging.getLogger("guardrails")

_HORIZON: Final = (timedelta(hours=1), timedelta(days=1))
"""What comes due before the next sweep is put on the queue now: at least, and at most, so far ahead."""

_SKEW: Final = 60.0
"""Seconds that our clock may differ from Azure's before a remark says so."""

_AHEAD: Final = timedelta(minutes=10)
"""How far ahead of ours the clock of an earlier sweep may have been."""

_CREW: Final = 4
"""Containers that are adopted at the same time."""

_BLIND: Final = 1000
"""Absent exemptions that are asked for at a sweep while part of the inventory cannot be read time and again."""

_MAPPED: Final = 500
"""Rows of before the criteria were kept that one sweep has looked at again: they are no hurry."""


@dataclass(slots=True, eq=False)
class Pass:
    """One pass. Keeps a small tuple of each register row and of each new exemption of a part while it goes on.

    Attributes:
        heads: the heads of the histories that it has read.
        adopted: what it has adopted, and not what others have of a sweep that is shared.
        lacking: the parts that were not compared.
        repeated: whether a part was done more than once, and what of it was done before is not counted.
        shared: whether several instances do its parts.
        complete: whether all parts have ended, and it is ours to end the sweep.
    """

    world: World
    inventory: Inventory
    sweeps: Sweeps
    run: Run
    ruleset: Ruleset
    mode: Mode
    report: Report
    heads: Scanned = field(default_factory=Scanned)
    adopted: Adoptions = field(default_factory=Adoptions)
    lacking: list[Span] = field(default_factory=list)
    repeated: bool = False
    shared: bool = False
    complete: bool = False
    sizes: Sizes = DEFAULT_SIZES
    _known: dict[bytes, tuple[str, Watch]] = field(default_factory=dict)
    _around: Surroundings = field(default_factory=lambda: Surroundings({}, {}))
    _covered: Mapping[str, datetime] = field(default_factory=dict)
    _open: dict[str, list[Shown]] = field(default_factory=dict)
    _groups: list[Shown] = field(default_factory=list)
    _whole: list[list[Shown]] = field(default_factory=list)
    _out: HandOver = field(init=False)
    _visible: set[str] = field(default_factory=set)
    _crew: set[asyncio.Task[None]] = field(default_factory=set)
    _rows: Rows = field(default_factory=lambda: Rows(DEFAULT_NAMES))
    _counting: Counting = field(init=False)
    _uncounted: bool = False
    _siblings: Siblings = field(init=False)
    _closed: bool = True
    _anew: bool = False
    _judging: Judging = field(init=False)
    _judged: dict[str, Judgements] = field(default_factory=dict)
    _mapped: int = _MAPPED

    def __post_init__(self) -> None:
        self._counting = Counting(self.ruleset)
        self._out = HandOver(self.world.queues, self.run, self.report)

    async def go(self) -> Surroundings:
        """Do it; return what the exemptions were judged by. Raises an exception group of Retryable and Permanent.

        Many exemptions are compared in parts, one after the other: no more than one part is held in memory.
        """
        await self.parts(await self.open())
        return await self.close()

    @property
    def is_ours(self) -> bool:
        """Whether it is ours to end the sweep, and to say how it ended."""
        return self.complete or not self.shared

    async def open(self) -> list[Span]:
        """Read what exemptions are judged by, and compare all; where they are many, return the parts that are left.

        Where the sweep is shared, there are parts already: what is at management groups alone is read then.
        """
        await self._read_surroundings()
        async with aclosing(self.inventory.exemptions()) as pages:
            first = await anext(pages, Page())
            spans = self._parts(first.total)
            self._mapped = max(_MAPPED // (len(spans) + 1), 1)
            parts = self.shared or bool(spans)
            await self._begin(AT_GROUPS if parts else EVERYTHING)
            async with asyncio.TaskGroup() as crew:
                async for page in following(first, pages):
                    some = at_groups(page) if parts else page
                    self._take(some)
                    if some is not page:  # what is at management groups comes first
                        break
                    await self._compare(crew)
                await self._end(crew)
        return spans

    async def close(self) -> Surroundings:
        """All parts are done: compare what is at management groups above them."""
        whole = not self.report.missing and not self._rows.left_out[NO_EXEMPTION] and not self._uncounted
        self.report.matches = self._counting.matches(self.report.started, whole=whole)
        self.heads.whole = not self.lacking
        async with asyncio.TaskGroup() as crew:
            await self._compare_groups(crew)
        await self._ended()
        await self._cover()
        self.report.missing = list(dict.fromkeys(self.report.missing))
        self.report.left_out = self._rows.left_out
        for text in self._rows.problems():
            self.report.remark(text)
        return self._around

    def _parts(self, total: int) -> list[Span]:
        """Return the parts, where there are any. `total`: how many exemptions there are."""
        if total <= self.sizes.whole or not self._around.in_order:
            return []
        return cut(self._around.containers, total, self.sizes.part)

    async def parts(self, spans: Sequence[Span]) -> None:
        """Compare what is in parts of the subscriptions, once this pass is open, and take over what came of it."""
        async with pages_of(self.inventory, [*self._around.containers], spans) as found:
            for span, pages in zip(spans, found, strict=True):
                self.take_over(await self._part(span, self.heads, pages))

    async def part(self, span: Span, heads: Scanned) -> Outcome:
        """Compare what is in one part alone, and return what came of it. `heads`: where the heads of histories go."""
        async with pages_of(self.inventory, [*self._around.containers], [span]) as found:
            return await self._part(span, heads, *found)

    async def _part(self, span: Span, heads: Scanned, pages: PartPages) -> Outcome:
        report = Report(self.report.started)
        world, run = self.world, self.run
        one = Pass(world, self.inventory, self.sweeps, run, self.ruleset, self.mode, report, heads, self.adopted)
        one._around, one._covered, one._closed = self._around, self._covered, self._closed
        one._mapped = self._mapped
        await one._begin(span, self._siblings)
        async with asyncio.TaskGroup() as crew:
            async for page in pages:
                one._take(page)
                del page  # it is large
                pages.look_ahead()
                await one._compare(crew)
            await one._end(crew)
        await one._ended()
        below, undecided = one._siblings.of_groups()
        return Outcome(
            report.seen, report.known, report.adopted, report.queued, one._rows.left_out, report.missing,
            report.remarks, report.clock_differs, one._counting.found, one._rows.examples,
            one._visible.difference(self._around.containers), below, undecided, one._siblings.hole,
            ruleset=self.ruleset.digest_in(self.mode),
        )  # fmt: skip

    def take_over(self, part: Outcome) -> None:
        """Take over what came of a part."""
        report = self.report
        report.seen += part.seen
        report.known += part.known
        report.adopted += part.adopted
        report.queued += part.queued
        report.missing += part.missing
        for text in part.remarks:
            report.remark(text)
        same = part.ruleset == self.ruleset.digest_in(self.mode)
        if not same:
            report.remark(f"a part of the sweep was judged by another ruleset: {part.ruleset}")
        if not (same and self._counting.add_all(part.found)):
            self._uncounted = True
        report.clock_differs = report.clock_differs or part.clock_differs
        self._rows.add(part.left_out, part.examples)
        self._visible |= part.visible
        self._siblings.take_over(part.below, part.undecided, hole=part.hole)

    def lacks(self, span: Span, why: str) -> None:
        """Say that a part of the subscriptions was not compared."""
        names = sorted(container for container in self._around.containers if span.holds(container))
        shown = ", ".join(names[:3]) + (" and so on" if len(names) > 3 else "")
        self.report.missing.append(f"{number_of(len(names), 'subscription')} not compared ({shown}): {why}")
        self.lacking.append(span)
        self._siblings.hole = True

    async def _read_surroundings(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            around = tasks.create_task(self.inventory.surroundings(policies=self.ruleset.asks_policies))
            covered = tasks.create_task(self._read_covered())
            breaker = tasks.create_task(self.world.register.breaker(self.world.clock.now()))
        self._around, self._covered, self._closed = around.result(), covered.result(), not breaker.result().opened_at
        if breaker.result().damaged:
            text = "the breaker's row cannot be read, and counts as open until `exg breaker close`"
            self.report.altered.append(f"{text}: {breaker.result().damaged}")
        self.report.open_since = breaker.result().opened_at
        log_breaker(breaker.result())  # each hour, so that the alert knows whether it is still open
        self.report.missing.extend(self._around.missing)

    async def _begin(self, span: Span, above: Siblings | None = None) -> None:
        """Read what the register has of some containers. `above`: what is at management groups, for a part."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._load(span))
            tasks.create_task(self._load_judged(span))
        around = self._around
        self._rows = Rows(self.ruleset.names, around.tenant)
        self._visible = set(around.containers)
        if above is None:
            self._siblings = Siblings(self.world, self.ruleset, around, self._rows, self._known, self._visible)
        else:
            self._siblings = above.part(self._rows, self._known, self._visible)
        self._judging = Judging(
            self.ruleset, around, self._rows, self._counting, self._siblings, self._known, self._judged
        )

    async def _end(self, crew: asyncio.TaskGroup) -> None:
        """Compare what is left of the subscriptions that were shown."""
        self._end_of({*self._open})
        await self._compare(crew)
        while self._crew:
            await asyncio.wait(self._crew)

    async def _ended(self) -> None:
        """All was shown: see to what was not, and keep what was judged."""
        await self._absent()
        await self._out.send()
        await self._keep_judged()
        self.report.seen += len(self._rows.seen)

    async def _read_covered(self) -> dict[str, datetime]:
        """Return the containers that are covered; nothing is since a time that is not yet."""
        wrong = list[str]()
        found = await self.sweeps.covered(wrong.append)
        covered = {name: at for name, at in found.items() if at <= self.run.started + _AHEAD}
        if len(covered) < len(found):
            wrong.append("the row of covered containers has times in the future, and is rebuilt")
        self.report.altered += wrong
        self._anew = bool(wrong)
        return covered

    async def _load(self, span: Span) -> None:
        async for container, key, watch, head in self.world.register.watches(span):
            self._known[key] = (container, watch)
            self.heads.add(key, head)
        self.report.known += len(self._known)

    async def _load_judged(self, span: Span) -> None:
        async for container, judged in self.sweeps.judged(span):
            self._judged[container] = judged

    async def _keep_judged(self) -> None:
        """Keep what was judged, where it is something else than before. What is not kept is judged again."""
        shown = {one.container for one in self._groups}
        for container in shown if self._siblings.hole else shown | (self._judged.keys() & self._visible):
            self._judging.ended(container)
        try:
            await self.sweeps.keep_judged(self._judging.changed)
        except Retryable as error:
            log.warning("what was judged could not be kept; the next sweep judges it again: %s", error)

    def _take(self, page: Page) -> None:
        """Judge the exemptions of one page."""
        if page.missing:
            self.report.missing.append(page.missing)
            self._siblings.hole = self._siblings.hole or page.lost
        if abs(page.skew) > _SKEW and not self.report.clock_differs:
            self.report.clock_differs = True
            ahead = "ahead of" if page.skew > 0 else "behind"
            self.report.remark(
                f"our clock is {abs(page.skew):.0f} s {ahead} Azure's; the service judges expiry by its own clock"
            )
        for one in self._judging.take(page, self.world.clock.now()):
            self._keep(one)

    def _keep(self, shown: Shown) -> None:
        """Keep an exemption until all of its subscription are shown; at a management group, until all others are."""
        self._visible.add(shown.container)
        if shown.container.startswith(MARK):
            self._groups.append(shown)
            return
        if self._around.in_order and shown.container not in self._open:
            self._end_of({*self._open})
        self._open.setdefault(shown.container, []).append(shown)

    def _end_of(self, containers: Iterable[str]) -> None:
        for one in sorted(containers):
            self._whole.append(self._open.pop(one))
            self._judging.ended(one)

    async def _compare(self, crew: asyncio.TaskGroup) -> None:
        """Compare what was shown whole so far with the register, and hand over what differs."""
        whole, self._whole = self._whole, []
        for shown in whole:
            settled = self._siblings.settled(shown)
            if settled and all(one.key in self._known for one in shown):
                self._hand_over(shown)
                continue
            await self._have(crew, self._settle(shown, settled=settled))
        await self._out.send()

    async def _compare_groups(self, crew: asyncio.TaskGroup) -> None:
        """Do the same for what is at management groups, which is above the rest."""
        found: dict[str, list[Shown]] = {}
        await self._siblings.finish(self._groups)
        for one in self._groups:
            found.setdefault(one.container, []).append(one)
        for shown in found.values():
            await self._have(crew, self._settle(shown, settled=True))

    async def _have(self, crew: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        """Have somebody of the crew do something; wait while all are busy."""
        try:
            while len(self._crew) >= _CREW:
                await asyncio.wait(self._crew, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            work.close()
            raise
        task = crew.create_task(work)
        self._crew.add(task)
        task.add_done_callback(self._crew.discard)

    async def _settle(self, shown: Sequence[Shown], *, settled: bool) -> None:
        """Compare what is in one subscription or management group, once it is known how they overlap."""
        try:
            if not settled:
                await self._siblings.settle(shown)
            new = {one.key: one for one in shown if one.key not in self._known}
            self._hand_over(one for one in shown if one.key not in new)
            if new:
                await self._new(new)
        finally:
            self._siblings.forget(shown[0].container)
        await self._out.send()

    def _hand_over(self, shown: Iterable[Shown]) -> None:
        """Queue what the register knows, and has otherwise than it is shown, or what is due."""
        digest, now, horizon = self.ruleset.digest_in(self.mode), self.world.clock.now(), self._horizon
        for one in shown:
            watch = self._known[one.key][1]
            if why := difference(watch, one.listed, digest, now, closed=self._closed):
                self._out.add(why, one.id, one.listed, together=one.together)
            elif 0 < watch.at - now.timestamp() <= horizon:  # what is shown now may be old by then
                self._out.add("soon", one.id, delay=watch.at - now.timestamp())
            elif not watch.mapped and self.report.queued["criteria"] < self._mapped:
                self._out.add("criteria", one.id, one.listed, together=one.together)

    @property
    def _horizon(self) -> float:
        """Seconds to the next sweep, by when the last one was."""
        since = self.run.started - self.run.before if self.run.before else _HORIZON[0]
        return min(max(since, _HORIZON[0]), _HORIZON[1]).total_seconds()

    async def _new(self, found: dict[bytes, Shown]) -> None:
        """Adopt what was there before; hand over what came since without an event."""
        container = next(iter(found.values())).container
        since = self._covered.get(container) or self.run.adopting or self.run.started
        before = {key for key, one in found.items() if was_before(one.modified_at, since)}
        adopted = await self._adopt(container, since, found, len(before)) if before else frozenset()
        for key, one in found.items():
            if key not in adopted:
                there = key in before
                adopt, why = (since, "unlisted") if there else (None, "new")
                self._out.add(why, one.id, one.listed, adopt=adopt, together=one.together)
        await self._out.send()

    async def _adopt(
        self, container: str, since: datetime, found: Mapping[bytes, Shown], count: int
    ) -> frozenset[bytes]:
        """Adopt what Azure lists in a container; return the keys of what is in the register then."""
        name = self._around.containers.get(container) or container
        try:
            bodies = await self._siblings.listed(container)
        except Retryable as error:
            bodies = Unread(error.message)
        if isinstance(bodies, Unread):
            text = f"{count} new exemptions in {name} are read one by one, because Azure did not list them"
            self.report.remark(f"{text}: {bodies.reason}")
            return frozenset()
        exemptions: dict[bytes, Exemption] = {}
        for body in bodies:
            try:
                one = Exemption.from_arm(body, self.ruleset.names, self.world.arm.source)
            except Permanent as error:
                self.report.remark(f"not adopted: {error}")
                continue
            if one.id.hash not in self._known and was_before(one.modified_at, since):
                exemptions[one.id.hash] = one
        visits = []
        for key, one in exemptions.items():
            listed, together = (found[key].listed, found[key].together) if key in found else ("", {})
            hint = Hint("sweep", listed=listed, adopt=since, seen=self.run.started, together=together)
            visits.append((Visit(self.world, one.id, hint, self.ruleset, self.mode), one))
        new = await adopt(visits, self.adopted)
        self.report.adopted += new
        return frozenset(exemptions).difference(self.adopted.refused)

    async def _absent(self) -> None:
        """Hand over what the inventory does not show any more, unless it could not be seen; and all that is left to do.

        What was begun and not ended is looked at whether or not its exemption is there, or its container can be seen.
        """
        unseen: Counter[str] = Counter()
        absent: list[tuple[str, bytes]] = []
        left: dict[str, list[tuple[str, bytes]]] = {}
        now = self.world.clock.now()
        for key, (container, watch) in self._known.items():
            shown, visible = key in self._rows.seen, container in self._visible
            if shown and key not in self._judging.unread:
                continue
            why = left_to_do(watch, now, closed=self._closed)
            if why and (visible or watch.begun):
                left.setdefault(why, []).append((container, key))
            elif shown or (watch.gone and not watch.listed):
                continue
            elif visible:
                absent.append((container, key))
            else:
                unseen[container] += not watch.gone
        if self._siblings.hole:  # it may pass; where it lasts, some are asked for at each sweep
            absent = sample(absent, min(len(absent), _BLIND)) if self.run.report.get("missing") else []
        for why, rows in (*left.items(), ("absent", absent)):
            await self._ask_for(why, rows)
        for container, count in (+unseen).most_common(NAMED):
            self.report.unseen(container, number_of(count, "exemption"))

    async def _ask_for(self, why: str, rows: Sequence[tuple[str, bytes]]) -> None:
        """Hand over exemptions by their rows alone: container and ExemptionId.hash."""
        for at in range(0, len(rows), AT_ONCE):
            some = rows[at : at + AT_ONCE]
            ids = await asyncio.gather(*(self.world.register.id_of(*one) for one in some))
            for (container, key), text in zip(some, ids, strict=True):
                if text:
                    self._out.add(why, text)
                else:
                    self.report.remark(
                        f"a row of {container} does not name its exemption, and is kept: state~{key.hex()}"
                    )
            await self._out.send()

    async def _cover(self) -> None:
        """Remember which containers are swept: what is written in them from now on was not there before."""
        started = self.run.adopting or self.run.started
        new = {name: started for name in sorted(self._visible - self._not_compared()) if name not in self._covered}
        if new or self._anew:
            await self.sweeps.cover({**self._covered, **new})

    def _not_compared(self) -> set[str]:
        return {name for name in self._visible if any(span.holds(name) for span in self.lacking)}
