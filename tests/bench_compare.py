"""The guard: this build and an earlier one take turns in one run; ratios of the processor's time, and their spread.

    python -m tests.bench_compare REV           this build against a commit
    python -m tests.bench_compare               against the commit of bench_ratios.json; exit 1 where a ratio got worse
    python -m tests.bench_compare [REV] --store write bench_ratios.json anew

REV is checked out in a temporary worktree. Both builds run on the packages of this environment, against the stand-ins
and the storage emulator of this checkout, and each figure is measured by one piece of code for both. Seconds are those
of the processor, and a ratio is of two runs one right after the other: so the figures hold on a machine that is busy.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from statistics import quantiles
from typing import IO, Final, NamedTuple, Self

from sandbox.azurite import Azurite
from sandbox.stack import ROOT, Sandbox
from sandbox.tenant import furnish
from tests import bench_judging
from tests.bench import commands_of_users, compiled
from tests.bench_events import KINDS, cost, large_budgets
from tests.bench_sweep import seed

STORED: Final = Path(__file__).with_name("bench_ratios.json")
TOLERANCE: Final = 0.1
"""How much worse than the stored one a ratio may be, as a share of that."""
ROUNDS: Final = 5
EVENTS: Final = 20
EXEMPTIONS: Final = 500
WARM: Final = 2
"""Rounds before what is measured: the first sweep adopts all, the second one records their histories."""

SWEEPS: Final = """
import asyncio, gc, json, sys, time
import function_app
async def main():
    intake, lines = function_app.intake(), asyncio.get_running_loop()
    while await lines.run_in_executor(None, sys.stdin.readline):
        for _ in range(5):
            gc.collect()
            cpu = time.process_time()
            report = await intake.sweep()
            cpu = time.process_time() - cpu
            if report and not any(report.queued.values()):
                break
        print(json.dumps([cpu, report.seen, sum(report.queued.values())]), flush=True)
asyncio.run(main())
"""
"""What a process of a build runs for sweeps: a line on its input is one sweep, again where a connection failed."""

type Builds = Mapping[str, Path]
type Found = dict[str, dict[str, list[float]]]
"""Figure -> build -> the values of the rounds."""


class Ratio(NamedTuple):
    """What this build takes, in times the other: the median of the rounds, and the quartiles."""

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """What lies between the quartiles."""
        return self.high - self.low


class Verdict(StrEnum):
    """What is said of a ratio. UNCLEAR: it is worse, but by no more than it spreads. UNKNOWN: one of the two lacks."""

    HOLDS = "holds"
    WORSE = "worse"
    UNCLEAR = "unclear"
    UNKNOWN = "unknown"


def ratio_of(mine: Sequence[float], others: Sequence[float]) -> Ratio:
    """Return the ratio of values that were measured in pairs. Raises ValueError where they were not."""
    pairs = [one / other for one, other in zip(mine, others, strict=True)]
    if not pairs:
        raise ValueError("nothing was measured")
    low, median, high = quantiles(pairs, n=4, method="inclusive") if len(pairs) > 1 else pairs * 3
    return Ratio(round(median, 3), round(low, 3), round(high, 3))


def judge(found: Ratio | None, stored: Ratio | None) -> Verdict:
    """Judge a ratio by the stored one: it may be worse by TOLERANCE, and by what either of them spreads."""
    if found is None or stored is None:
        return Verdict.UNKNOWN
    if found.median <= round(stored.median * (1 + TOLERANCE), 3):
        return Verdict.HOLDS
    clear = found.median - stored.median > max(found.spread, stored.spread)
    return Verdict.WORSE if clear else Verdict.UNCLEAR


def judge_all(found: Mapping[str, Ratio], stored: Mapping[str, Ratio]) -> dict[str, Verdict]:
    """Judge each figure that was measured or is stored."""
    return {name: judge(found.get(name), stored.get(name)) for name in [*found, *(stored.keys() - found.keys())]}


def ratios_of(found: Found) -> dict[str, Ratio]:
    """Return the ratios of all figures."""
    return {name: ratio_of(of["this"], of["other"]) for name, of in found.items()}


async def measure(
    other: Path, *, rounds: int = ROUNDS, events: int = EVENTS, exemptions: int = EXEMPTIONS, name: str = ""
) -> Found:
    """Measure this build and the one in another folder, in turns. `name`: of this measurement among others."""
    builds: Builds = {"this": ROOT, "other": other}
    found: Found = {}

    def note(figure: str, build: str, value: float) -> None:
        found.setdefault(figure, {}).setdefault(build, []).append(value)

    starting(builds, rounds, note)
    words = ("-P", bench_judging.__file__)
    judges = {build: Child.running(root, words, {"PYTHONPATH": str(root)}) for build, root in builds.items()}
    await _in_turns("judging", judges, rounds, note, bench_judging.COUNT)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with Sandbox(large_budgets(folder)) as sandbox, Azurite() as storage:
            await furnish(sandbox)
            await sandbox.control("PUT", "event-subscriptions", [])
            await sandbox.stop_functions()
            await seed(sandbox.addresses["arm"], exemptions)
            own = {"this": sandbox.connection_string, "other": storage.connection_string}
            sweeps = {
                build: Child.running(root, ("-c", SWEEPS), {**sandbox.environment, "AzureWebJobsStorage": own[build]})
                for build, root in builds.items()
            }
            await _in_turns("unchanged_sweep", sweeps, rounds, note, exemptions)
            for number in range(rounds):
                for kind in KINDS:
                    for build, root in _alternating(builds, number):
                        one = f"{name}{build}-{number}"
                        note(f"{kind}_event", build, await cost(sandbox, root, folder, kind, one, count=events))
    return found


def _alternating(builds: Builds, number: int) -> list[tuple[str, Path]]:
    """Return the builds, in the other order each other round: what comes first may find the machine otherwise."""
    return [*builds.items()][:: -1 if number % 2 else 1]


def starting(builds: Builds, rounds: int, note: Callable[[str, str, float], None]) -> None:
    """Run what a user waits for, in new processes; the first ones compile, and do not count."""
    for number in range(rounds + 1):
        for command, words in commands_of_users().items():
            for build, root in _alternating(builds, number):
                spent = _run(root, words)
                if number:
                    note(f"start_{command}", build, spent)


def _run(root: Path, words: Sequence[str]) -> float:
    """Run Python in a build's folder; return the seconds of the processor. Raises RuntimeError where it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, *words], cwd=root, env=compiled(), capture_output=True, text=True, check=False, timeout=60
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1, 3) or not done.stdout:  # 1 and 3: there are violations, or findings unknown
        raise RuntimeError(f"{' '.join(words)} in {root}: exit code {done.returncode}: {done.stderr[-500:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Child:
    """A process of a build that does one thing again and again, and prints what it took."""

    def __init__(self, process: asyncio.subprocess.Process, wrong: IO[bytes]) -> None:
        self._process, self._wrong = process, wrong

    @classmethod
    @asynccontextmanager
    async def running(cls, root: Path, words: Sequence[str], more: Mapping[str, str]) -> AsyncIterator[Self]:
        """Run Python in a build's folder as long as it is needed; `more`: environment."""
        pipe, environment = asyncio.subprocess.PIPE, {**os.environ, **more}
        with tempfile.TemporaryFile() as wrong:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *words, cwd=root, env=environment, stdin=pipe, stdout=pipe, stderr=wrong
            )
            try:
                yield cls(process, wrong)
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def turn(self) -> tuple[float, int, int]:
        """Have it done once; return seconds, exemptions that were seen, and those left to do. Raises RuntimeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 300)
        if not line:
            self._wrong.seek(0)
            raise RuntimeError(f"it failed: {self._wrong.read()[-500:].decode(errors='replace')}")
        spent, seen, left = json.loads(line)
        return spent, seen, left


type Children = Mapping[str, AbstractAsyncContextManager[Child]]


async def _in_turns(
    figure: str, children: Children, rounds: int, note: Callable[[str, str, float], None], count: int
) -> None:  # fmt: skip
    """Have a process of each build do the same again and again; note the seconds once it is warm.

    Raises RuntimeError where one did not look at `count` exemptions, or left something to do.
    """
    async with AsyncExitStack() as stack:
        running = {build: await stack.enter_async_context(child) for build, child in children.items()}
        for number in range(WARM + rounds):
            for build, child in [*running.items()][:: -1 if number % 2 else 1]:
                spent, seen, left = await child.turn()
                if number >= WARM:
                    if seen < count or left:
                        raise RuntimeError(f"{figure} of {build}: {seen} of {count} were looked at, {left} left to do")
                    note(figure, build, spent)


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Yield the folder of a commit, in a temporary worktree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "build"
        _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def commit_of(rev: str, root: Path = ROOT) -> str:
    """Return the commit that a revision names; "" where this clone does not have it, or is none."""
    try:
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", root=root)
    except (subprocess.CalledProcessError, FileNotFoundError):
        return ""


def _git(*words: str, root: Path = ROOT) -> str:
    command = ["git", *words]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=120)  # noqa: S603
    return done.stdout.strip()


def read_stored(path: Path = STORED) -> tuple[str, dict[str, Ratio]]:
    """Return the commit that the stored ratios are relative to, and the ratios."""
    said = json.loads(path.read_text("utf-8"))
    return said["commit"], {name: Ratio(**one) for name, one in said["ratios"].items()}


def store(commit: str, ratios: Mapping[str, Ratio], path: Path = STORED) -> None:
    """Write what `read_stored` reads."""
    said = {"commit": commit, "ratios": {name: one._asdict() for name, one in ratios.items()}}
    path.write_text(json.dumps(said, indent=2) + "\n", "utf-8")


def lines_of(ratios: Mapping[str, Ratio], stored: Mapping[str, Ratio]) -> list[str]:
    """Return the table: each ratio with its quartiles, and what is stored and said of it where something is stored."""
    verdicts = judge_all(ratios, stored) if stored else {}
    lines = [f"{'CPU, this build / the other':30} {'median':>7}  {'quartiles':15}" + ("  stored" if stored else "")]
    for name in [*ratios, *(stored.keys() - ratios.keys())]:
        one, known = ratios.get(name), stored.get(name)
        line = f"{name:30} " + (f"{one.median:7.3f}  {one.low:.3f} to {one.high:.3f}" if one else "not measured")
        lines.append(line + (f"  {known.median:6.3f}" if known else "") + (f"  {verdicts[name]}" if stored else ""))
    return lines


def compare(commit: str, stored: Mapping[str, Ratio], *, rounds: int, events: int, exemptions: int) -> dict[str, Ratio]:
    """Measure, print, and return the ratios. What seems worse than stored is measured once more: all values count."""
    started = time.monotonic()
    with checked_out(commit) as folder:
        found: Found = {}
        for name in ("", "again-"):
            more = asyncio.run(measure(folder, rounds=rounds, events=events, exemptions=exemptions, name=name))
            for figure, of in more.items():
                for build, values in of.items():
                    found.setdefault(figure, {}).setdefault(build, []).extend(values)
            ratios = ratios_of(found)
            if not {Verdict.WORSE, Verdict.UNCLEAR} & {*judge_all(ratios, stored).values()}:
                break
    print("\n".join(lines_of(ratios, stored)))
    print(f"against {commit[:12]}; {time.monotonic() - started:.0f} seconds")
    return ratios


def main(argv: Sequence[str] | None = None) -> int:
    """Compare. 0: nothing got worse; 1: something did, or is not known; 2: there is no such commit."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_compare")
    parser.add_argument("rev", nargs="?", metavar="REV")
    parser.add_argument("--store", action="store_true", help="write the ratios into bench_ratios.json")
    for name, value in (("rounds", ROUNDS), ("events", EVENTS), ("exemptions", EXEMPTIONS)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args(argv)
    known, stored = read_stored()
    commit = commit_of(given.rev or known)
    if not commit and given.rev:
        print(f"bench-compare: this clone has no commit '{given.rev}'", file=sys.stderr)
        return 2
    if not commit:
        text = f"bench-compare: skipped, and nothing is compared: this clone lacks the commit {known}"
        print(f"{text}; run `git fetch --unshallow`", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    judged = {} if given.store or commit != known else stored
    counts = {"rounds": given.rounds, "events": given.events, "exemptions": given.exemptions}
    ratios = compare(commit, judged, **counts)
    if given.store:
        store(commit, ratios)
    return 1 if {Verdict.WORSE, Verdict.UNKNOWN} & {*judge_all(ratios, judged).values()} and judged else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worktree is removed then, too
    sys.exit(main())
