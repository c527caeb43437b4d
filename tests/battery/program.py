"""The battery on the command line: see README.md.

    python -m tests.battery run FROM TO         the seeds from FROM to TO - 1
    python -m tests.battery replay SEED         one of them, as it goes
    python -m tests.battery matrix [ENTRY]      a crash at every step of every flow
    python -m tests.battery mutations           whether the battery sees each fix that is taken away
    python -m tests.battery guarantees          write what was shown into docs/guarantees.md

Exit code 0: all holds. 1: something is broken, or not seen. 2: the command is wrong.
"""

import argparse
import json
import logging
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.battery import coverage, guarantees, record
from tests.battery.campaign import LISTED, Tally, run, run_in_jobs
from tests.battery.simulation import STEPS, Broken, simulate

PROGRAM: Final = "python -m tests.battery"


class Shown(list[str]):
    """A trace that is printed as it grows."""

    def append(self, line: str) -> None:
        """Add a line, and print it."""
        super().append(line)
        print(line)


def main(argv: list[str]) -> int:
    """Do what the command line says; return the exit code."""
    if argv[:1] in (["matrix"], ["mutations"]):  # imported here: seeds need neither
        return int(import_module(f"tests.battery.{argv[0]}").main(argv[1:]))
    said = _parser().parse_args(argv)
    match said.command:
        case "run":
            return _run(said)
        case "replay":
            return max([_replay(seed, said.steps) for seed in said.seeds])
    return _guarantees(said.source)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run the seeds from FROM to TO - 1")
    running.add_argument("first", metavar="FROM", type=int)
    running.add_argument("last", metavar="TO", type=int)
    running.add_argument("--jobs", type=int, default=1, help="processes at once (default: 1)")
    running.add_argument("--format", choices=("text", "json"), default="text")
    running.add_argument("--record", type=Path, metavar="FILE", help="write the counts into this file, too")
    running.add_argument("--coverage", action="store_true", help="list in how many seeds each thing happens")
    replaying = commands.add_parser("replay", help="run one seed, and print its trace as it goes")
    replaying.add_argument("seeds", metavar="SEED", type=int, nargs="+")
    for one in (running, replaying):
        one.add_argument("--steps", type=int, default=STEPS, help=f"(default: {STEPS})")
    writing = commands.add_parser("guarantees", help="write docs/guarantees.md from a record of a run")
    writing.add_argument("--from", dest="source", type=Path, default=record.PATH, metavar="FILE")
    for name, what in (("matrix", "a crash at every step of every flow"), ("mutations", "what the battery sees")):
        commands.add_parser(name, help=what, add_help=False)
    return parser


def _run(said: argparse.Namespace) -> int:
    seeds = range(said.first, said.last)
    if said.jobs > 1:
        tally = run_in_jobs(seeds, said.steps, said.jobs, lambda sofar: _progress(sofar, len(seeds)))
    else:
        tally = run(seeds, said.steps)
    if said.record:
        record.keep("simulation", tally.json(), said.record)
    if said.coverage:
        print("\n".join(coverage.table(tally.happened, tally.seeds)))
    print(json.dumps(tally.json(), indent=2) if said.format == "json" else _text(tally, said.steps))
    return 1 if tally.broken else 0


def _progress(tally: Tally, seeds: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if tally.seeds == seeds else ""
        print(f"\r{tally.seeds:,} of {seeds:,} seeds, {len(tally.broken):,} broken", end=end, file=sys.stderr)


def _text(tally: Tally, steps: int) -> str:
    lines = []
    for seed, text in sorted(tally.broken.items())[:LISTED]:
        lines += [text, f"    replay it: {replay_command(seed, steps)}"]
    if len(tally.broken) > LISTED:
        lines.append(f"... and {len(tally.broken) - LISTED:,} more")
    lines += [f"{count:10,}  {kind}" for kind, count in tally.faults.most_common()]
    return "\n".join([*lines, str(tally)])


def replay_command(seed: int, steps: int) -> str:
    """Return the command that replays a seed."""
    return f"{PROGRAM} replay {seed}" + ("" if steps == STEPS else f" --steps {steps}")


def _replay(seed: int, steps: int) -> int:
    logging.disable(logging.CRITICAL)
    try:
        simulate(seed, steps, trace=Shown())
    except Broken as error:
        print(error)
        return 1
    finally:
        logging.disable(logging.NOTSET)
    print(f"seed {seed}: all holds after {steps} steps")
    return 0


def _guarantees(source: Path) -> int:
    try:
        guarantees.write(source)
    except (OSError, ValueError) as error:
        print(f"{PROGRAM} guarantees: {error}. `make battery` writes the record.", file=sys.stderr)
        return 2
    return 0
