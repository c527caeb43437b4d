"""Histories by chance break no invariant; a seed is the same history every time; what breaks is counted and shown."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import pytest

from tests.battery import campaign, guarantees, invariants, program, record, watchers
from tests.battery.__main__ import HASH_SEED
from tests.battery.simulation import STEPS, simulate
from tests.battery.stories import story_of

SEEDS: Final = 300
SHORT: Final = 12
"""Steps of each: with the short crash matrix, 40 s of CPU at most on a quiet core."""

PARTS: Final = 3
"""Processes among which the seeds are shared: each takes a second to start."""


def started(*argv: str) -> subprocess.Popen[str]:
    """Start the program: in processes of its own, where the order of sets is the same each time."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SANDBOX_OPERATIONS", HASH_SEED)}
    command = [sys.executable, "-m", "tests.battery", *argv]
    return subprocess.Popen(command, cwd=record.ROOT, env=kept, stdout=subprocess.PIPE, text=True)  # noqa: S603


def said(*argv: str) -> tuple[int, str]:
    """Run the program to its end; return the exit code and what it printed."""
    process = started(*argv)
    text, _ = process.communicate()
    return process.returncode, text


@pytest.mark.parametrize("part", range(PARTS))
def test_histories_by_chance(part: int, record_property: Any) -> None:
    bounds = [str(SEEDS * n // PARTS) for n in (part, part + 1)]
    code, text = said("run", *bounds, "--steps", str(SHORT))
    record_property("battery", f"seeds {bounds[0]} to {bounds[1]}: {text.splitlines()[-1]}")
    assert code == 0, text


def test_a_seed_is_the_same_history_every_time() -> None:
    seeds = [str(seed) for seed in range(10)]
    first, second = [one.communicate()[0].splitlines() for one in [started("replay", *seeds) for _ in range(2)]]
    for number, (line, again) in enumerate(zip(first, second, strict=True)):
        assert line == again, f"line {number}"
    assert len(first) > 10 * STEPS


@pytest.mark.parametrize("story", ["deleted_while_the_queue_is_away", "a_container_that_is_not_seen"])
def test_an_event_that_a_story_loses_is_known_to_be_lost(story: str) -> None:
    seed = next(seed for seed in count() if story_of(seed).name == story)
    lost: list[str] = []
    simulate(seed, 0, seen=lambda cloud: lost.extend(event.text for event in cloud.lost))
    assert any("/policyExemptions/story" in text for text in lost)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invariant that most seeds break, so short as they are."""

    def nothing_is_ever_written(cloud: Any, changes: list[Any]) -> Iterator[str]:
        if cloud.workers[0].clock.skew.total_seconds() < 0:
            return  # not every seed breaks it
        yield from (f"{change.id} was written" for change in changes)

    monkeypatch.setattr(invariants, "AFTER_STEP", (nothing_is_ever_written,))


@pytest.mark.usefixtures("broken")
def test_what_breaks_is_counted_and_stops_no_other_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["run", "0", "30", "--steps", "4", "--format", "json"]) == 1
    counts = json.loads(capsys.readouterr().out)
    assert counts["seeds"] == 30
    assert campaign.LISTED < len(counts["broken"]) < 30
    assert program.main(["run", "0", "30", "--steps", "4"]) == 1
    text = capsys.readouterr().out
    shown = [line for line in text.splitlines() if "replay it: " in line]
    assert len(shown) == campaign.LISTED
    assert f"and {len(counts['broken']) - campaign.LISTED} more" in text
    seed = next(iter(counts["broken"]))
    assert f"python -m tests.battery replay {seed} --steps 4" in text


@pytest.mark.usefixtures("broken")
def test_a_replay_shows_the_history_and_what_broke(capsys: pytest.CaptureFixture[str]) -> None:
    tally = campaign.run(range(10), 4)
    seed = next(iter(tally.broken))
    assert program.main(["replay", str(seed), "--steps", "4"]) == 1
    text = capsys.readouterr().out
    assert "storm" in text
    assert text.rstrip().endswith(tally.broken[seed])


def test_a_seed_that_fails_otherwise_is_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(seed: int, *_: object) -> None:
        if seed == 1:
            raise KeyError("what nobody foresaw")

    monkeypatch.setattr(campaign, "simulate", failing)
    tally = campaign.run(range(3), 4)
    assert (tally.seeds, list(tally.broken)) == (3, [1])
    assert "what nobody foresaw" in tally.broken[1]


def test_jobs_share_the_seeds_and_add_up() -> None:
    alone, shared = [
        json.loads(said("run", "0", "25", "--steps", "2", "--jobs", jobs, "--format", "json")[1]) for jobs in "12"
    ]
    assert {**shared, "cpu_seconds": 0} == {**alone, "cpu_seconds": 0}
    assert (alone["seeds"], alone["steps"]) == (25, 50)
    assert all(alone[count] for count in ("crashes", "notices", "faults", "requests"))
    assert campaign.PART < 25 / 2, "too few seeds for three parts"


def test_the_readme_has_the_invariants_of_the_code_and_the_page_the_counts() -> None:
    assert guarantees.listing() in guarantees.README.read_text("utf-8")
    assert guarantees.promises().count("- ") == len(invariants.INVARIANTS) + len(watchers.WATCHERS)
    made = guarantees.PAGE.read_text("utf-8").partition(guarantees.BEGIN)[2].partition(guarantees.END)[0]
    assert re.findall(r"^- (\w+), \d{4}-", made, re.MULTILINE) == ["simulation", "matrix", "mutations"]


def test_the_page_says_what_was_run_and_when(tmp_path: Any) -> None:
    path = tmp_path / "battery.json"
    tally = campaign.Tally(seeds=20_000, steps=1_200_000, crashes=7, seconds=12.34)
    tally.faults["storage: no answer"] = 1234
    tally.broken[17] = "a notice is lost"
    record.keep("simulation", tally.json(), path)
    record.keep("matrix", {"flows": 30, "effects": 18, "runs": 1900, "broken": []}, path)
    made = guarantees.section(record.read(path))
    assert (
        "20,000 seeds (random sequences of events) with 1,200,000 steps, 7 crashes, 1,234 faults (failed requests) "
        in made
    )
    assert "in 12.3 seconds of CPU time. Broken seeds: 1.\n" in made
    assert "30 flows with 18 effects, in 1,900 runs. Broken runs and missing flows: 0.\n" in made
    assert "- mutations: not part of it." in made
    page = f"before\n{guarantees.BEGIN}\nold\n{guarantees.END}\nafter\n"
    assert guarantees.written(page, made) == f"before\n{made}after\n"
