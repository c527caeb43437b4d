"""Each fix that is taken away is seen: by a unit test, and by a seed of the simulation."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.battery.mutations import MUTATIONS, PAGE, SEEDS, SEEN_BY, page, what_breaks
from tests.battery.stories import STORIES, story_of

ROOT: Final = Path(__file__).parents[2]
SHORT: Final = ("grace-of-each-rule", "claim-by-an-edit", "dead-letters-without-bound", "hold-of-anything")


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_it_takes_away_can_be_taken_away_and_has_a_unit_test(name: str) -> None:
    path, _, test = MUTATIONS[name].test.partition("::")
    assert (ROOT / path).exists()
    assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")
    with MUTATIONS[name].applied():
        pass


@pytest.mark.parametrize("name", SHORT)
def test_it_is_seen_by_its_story_alone(name: str) -> None:
    """What happens by chance around it takes time: the long test has that."""
    seed = next(n for n, story in enumerate(STORIES) if story.name == SEEN_BY[name].story)
    assert what_breaks(seed, name, steps=0)
    assert not what_breaks(seed, steps=0)


@pytest.mark.long
@pytest.mark.parametrize("name", MUTATIONS)
def test_it_is_seen(name: str) -> None:
    sight = SEEN_BY[name]
    assert sight.seed < SEEDS
    assert sight.story == story_of(sight.seed).name
    command = [sys.executable, "-m", "tests.battery", "mutations", "--check", name]  # with its own order of sets
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, f"{done.stdout}: python -m tests.battery mutations {name} looks for another seed"


def test_the_page_says_what_sees_each() -> None:
    text = PAGE.read_text("utf-8")
    assert page(text) == text
    assert SEEN_BY.keys() == MUTATIONS.keys()
