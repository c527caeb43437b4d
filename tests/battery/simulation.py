"""One history by chance: people, pipelines, faults, crashes and the workers, for so many steps; then one clean sweep.

python -m tests.battery replay 17    the history of seed 17, step by step
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any, Final

from guardrails.decisions.parts import DEFAULT_SIZES, Sizes
from tests.battery import acts, coverage, faults, invariants, rulesets, watchers
from tests.battery.azure import Cloud
from tests.battery.line import Fault, Sent
from tests.battery.loop import VirtualLoop, run
from tests.battery.play import Move, Moves, Play, Story
from tests.battery.stories import story_of

STEPS: Final = 60
_LATER: Final = timedelta(hours=26)
_ROUGH: Final = 0.25


class Broken(AssertionError):
    """An invariant does not hold: which, of what, and the seed and step."""


@dataclass
class Simulation:
    """One history.

    Attributes:
        chance: decides all that happens.
        clean: whether nothing goes wrong any more: the end.
        story: what somebody does besides, step by step; `in_story`: whether it goes on now, `rough`: whether others
            act and requests fail meanwhile.
    """

    seed: int
    loop: VirtualLoop
    cloud: Cloud
    chance: Random
    clean: bool = False
    storminess: float = 0.0
    in_story: bool = False
    rough: bool = False
    story: Story = field(init=False)
    people: acts.People = field(init=False)
    play: Play = field(init=False)

    def __post_init__(self) -> None:
        self.story = story_of(self.seed)
        self.rough = self.chance.random() < _ROUGH
        self.people = acts.People(self.cloud, self.chance)
        self.play = Play(self.cloud, self.people, self.chance)

    async def go(self, steps: int) -> None:
        """Run the history, and check the invariants after each step and at the end. Raises Broken."""
        cloud, chance = self.cloud, self.chance
        for _ in range(2):
            worker = cloud.add_worker(timedelta(seconds=chance.choice((0, 0, -2, 2))))
            worker.trouble = self._trouble
        cloud.weather = self._weather
        begin = 0 if self.story.early else steps if self.story.late else chance.randrange(steps + 1)
        self.people.around.ruled = self.story.alone
        moves: Moves = iter(())
        for step in count():
            moves = self.play.begin(self.story) if step == begin else moves
            cloud.begin()
            since = len(cloud.arm.journal)
            self.in_story = True
            move = next(moves, None)
            cloud.ticking = move is None and self.seed % 4 == 3  # a story waits for rest: see _end
            if move is not None:
                await self._follow(move)
            elif step < steps:
                await self._step()
            elif step > begin:
                break
            self._check(step, [*invariants.after_step(cloud, since), *cloud.defects])
        since = len(cloud.arm.journal)
        await self._end()
        self._check(steps, [*invariants.after_step(cloud, since), *cloud.defects])
        end = await invariants.End.of(cloud, self.people)
        cloud.happened |= coverage.of(end)
        self._check(steps, [*await invariants.at_end(end), *await watchers.watch(end)])

    async def _step(self) -> None:
        """Let people act, let time pass, and let the workers do some of what there is to do, all at once."""
        chance, cloud = self.chance, self.cloud
        self.in_story, self.storminess = False, chance.choice((0.0, 0.0, 0.0, 0.02, 0.1, 0.3))
        cloud.note(f"storm {self.storminess}")
        for _ in range(chance.choice((0, 1, 1, 1))):
            cloud.note(self.people.act())
        await asyncio.sleep(chance.choice((0, 1, 20, 60, 600, 3600, 21_600, 86_400)))
        if chance.random() < 0.2:
            worker = chance.choice(cloud.workers)
            worker.line.die_at(chance.randint(1, 12), after=chance.random() < 0.5)
        tasks: list[Coroutine[Any, Any, Any]] = []
        if chance.random() < 0.15:
            tasks.append(cloud.sweep(chance.choice(cloud.workers)))
        if chance.random() < 0.15:
            tasks.append(self.people.operate(chance.choice(cloud.workers)))
        tasks += self._due(0.8)
        chance.shuffle(tasks)
        await asyncio.gather(*tasks)

    async def _follow(self, move: Move) -> None:
        """Let the story go on, and do all that is due meanwhile. In a rough one, others act and requests fail."""
        self.storminess = 0.02 if self.rough else 0.0
        self.cloud.note(f"story {self.story.name}")
        if self.rough and self.chance.random() < 0.3:
            self.cloud.note(self.people.meanwhile())
        if callable(move):
            await move(self.chance.choice(self.cloud.workers))
            move = 1.0
        await self._pass(move)

    async def _pass(self, seconds: float) -> None:
        """Let time pass, and do all that is due meanwhile."""
        until = self.loop.seconds + seconds
        await self._work(until)
        await asyncio.sleep(max(0.0, until - self.loop.seconds))

    async def _work(self, until: float) -> None:
        """Do all that is due until a time, in the loop's."""
        while (due := self.cloud.next_due()) is not None and due <= until:
            await asyncio.sleep(max(0.0, due - self.loop.seconds))
            await asyncio.gather(*self._due(1.0))

    def _due(self, share: float) -> list[Coroutine[Any, Any, Any]]:
        """Return the work on events and messages that are due, or of a share of them."""
        cloud, chance = self.cloud, self.chance
        due = [one for one in cloud.events if one.due <= self.loop.seconds]
        tasks = [cloud.deliver_event(one, chance.choice(cloud.workers)) for one in due if chance.random() < share]
        return tasks + [
            cloud.take(name, one, chance.choice(cloud.workers))
            for name, one in cloud.visible()
            if chance.random() < share
        ]

    async def _end(self) -> None:
        """Let nothing go wrong any more: one sweep, and all that follows from it within some hours."""
        self.clean, self.storminess = True, 0.0
        cloud = self.cloud
        cloud.note("end")
        cloud.calm_since = cloud.now()
        cloud.begin()
        cloud.refuses = None
        cloud.ticking = False  # each sweep leaves a message for the next: it would never come to rest
        self.people.calm()
        cloud.lose_events()
        for worker in cloud.workers:
            worker.start()
            worker.clock.skew = timedelta()
        await asyncio.sleep(3600)
        await self.people.operators.finish(cloud.workers[0])
        worker = self.chance.choice(cloud.workers)
        await cloud.sweep(worker)
        await self._work(self.loop.seconds + _LATER.total_seconds())

    def _trouble(self, sent: Sent) -> Fault | None:
        if self.play.fault and not self.clean and (fault := self.play.fault(sent)):
            self.cloud.troubles.append(self.cloud.now())
            return fault
        if self.clean or self.chance.random() >= self.storminess:
            return None
        self.cloud.troubles.append(self.cloud.now())
        fault = faults.draw(self.chance, sent)
        self.cloud.happened |= {f"fault: {fault.name}"} if fault else set()
        return fault

    def _weather(self) -> list[float]:
        """Return when an event comes, in seconds: at times never, late, or more than once."""
        chance = self.chance
        if self.in_story and self.play.weather is not None:
            return list(self.play.weather)
        if self.in_story and not self.rough:
            return [0.0]
        times = chance.choices((0, 1, 2), (1, 8, 1))[0]
        return [chance.choice((0.0, 1.0, 30.0, 600.0)) for _ in range(times)]

    def _check(self, step: int, broken: list[str]) -> None:
        if broken:
            listed = "\n".join(broken)
            raise Broken(f"seed {self.seed}, after step {step}:\n{listed}")


def simulate(
    seed: int, steps: int = STEPS, seen: Callable[[Cloud], object] | None = None, trace: list[str] | None = None
) -> list[str]:
    """Run the history of a seed; return its trace, which is kept in `trace`. Raises Broken.

    `seen` is shown the cloud at the end, whatever that is.
    """

    async def main(loop: VirtualLoop) -> list[str]:
        random.seed(seed)  # what waits or samples by chance asks it
        chance = Random(seed)  # noqa: S311
        ruleset = rulesets.composed(story.ruled) if story.alone else rulesets.some(chance)
        cloud = Cloud(loop, chance, ruleset, sizes=Sizes(0, 1, 0) if seed % 4 == 1 else DEFAULT_SIZES)
        cloud.trace = [] if trace is None else trace
        try:
            await Simulation(seed, loop, cloud, chance).go(steps)
        finally:
            if seen:
                seen(cloud)
        return cloud.trace

    story = story_of(seed)
    with story.limits():
        return run(seed, main)
