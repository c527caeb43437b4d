"""Many seeds, in one process or several, and what they came to."""

import gc
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Final, Self

from tests.battery.azure import Cloud
from tests.battery.simulation import Broken, simulate

LISTED: Final = 20
"""How many of the seeds that failed are shown with what is broken; all are counted."""

PART: Final = 10
"""Seeds that a job takes at a time."""

_ALLOCATIONS: Final = 200_000
"""Objects that are made before the collector looks at the young ones: a history makes some hundred thousand."""


@dataclass
class Tally:
    """What was run, and what came of it.

    Attributes:
        seeds, steps: how many histories, and how many steps all of them together.
        crashes: processes of the service that died.
        seconds: of CPU.
        faults: requests that went wrong on purpose, by kind.
        requests: all that the service sent, by the port's method.
        happened: in how many seeds each thing happens: see coverage.
        broken: what each seed that failed has to say.
    """

    seeds: int = 0
    steps: int = 0
    crashes: int = 0
    notices: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    broken: dict[int, str] = field(default_factory=dict)

    def add(self, other: Self) -> None:
        """Count another's too."""
        for name in ("seeds", "steps", "crashes", "notices", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults.update(other.faults)
        self.requests.update(other.requests)
        self.happened.update(other.happened)
        self.broken |= other.broken

    def json(self) -> dict[str, Any]:
        """Return it as JSON; what is broken by seed, the lowest first."""
        return {
            "seeds": self.seeds, "steps": self.steps, "crashes": self.crashes, "notices": self.notices,
            "cpu_seconds": round(self.seconds, 1), "faults": dict(sorted(self.faults.items())),
            "requests": dict(sorted(self.requests.items())),
            "broken": {str(seed): text for seed, text in sorted(self.broken.items())},
        }  # fmt: skip

    def __str__(self) -> str:
        return (
            f"{self.seeds:,} seeds, {self.steps:,} steps, {self.crashes:,} crashes, {self.faults.total():,} faults, "
            f"{self.requests.total():,} requests, {self.notices:,} notices, {self.seconds:,.0f} s of CPU: "
            f"{len(self.broken):,} broken"
        )

    def see(self, cloud: Cloud) -> None:
        """Count what happened in one history."""
        self.notices += len(cloud.delivered)
        self.happened.update(cloud.happened)
        for worker in cloud.workers:
            self.crashes += worker.deaths
            self.faults.update(worker.faults)
            for (port, _), count in worker.requests.items():
                self.requests[port or "none"] += count


def run(seeds: Sequence[int], steps: int) -> Tally:
    """Run these seeds, all of them whatever comes of one, in this process."""
    tally, began = Tally(), time.process_time()
    with _lean():
        for seed in seeds:
            tally.seeds += 1
            tally.steps += steps
            try:
                simulate(seed, steps, tally.see)
            except Broken as error:
                tally.broken[seed] = str(error)
            except Exception:  # noqa: BLE001 - whatever it is, the other seeds run and this one is reported
                tally.broken[seed] = traceback.format_exc()
    tally.seconds = time.process_time() - began
    return tally


@contextmanager
def _lean() -> Iterator[None]:
    """Spend the time on the histories: no log, and the collector seldom runs and never looks at the modules."""
    thresholds = gc.get_threshold()
    logging.disable(logging.CRITICAL)
    gc.collect()  # or what the seeds before left behind is frozen, too, and never freed
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        logging.disable(logging.NOTSET)


def run_in_jobs(
    seeds: Sequence[int], steps: int, jobs: int, progress: Callable[[Tally], object] = lambda _: None
) -> Tally:
    """Run these seeds in so many processes; `progress` is shown what is done so far."""
    parts = [seeds[start : start + PART] for start in range(0, len(seeds), PART)]
    tally = Tally()
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:  # with the same order of sets as here
        for done in as_completed([pool.submit(run, part, steps) for part in parts]):
            tally.add(done.result())
            progress(tally)
    return tally
