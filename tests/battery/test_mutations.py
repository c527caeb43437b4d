"""Each fix that is taken away is seen: by a unit test, and by a seed of the simulation."""

from pathlib import Path
from typing import Final

import pytest

from tests.battery.mutations import MUTATIONS, SEEDS, SEEN_BY, what_breaks

ROOT: Final = Path(__file__).parents[2]
SHORT: Final = tuple(sorted(SEEN_BY, key=lambda name: (SEEN_BY[name], name))[:4])


@pytest.mark.parametrize("name", MUTATIONS)
def test_what_it_takes_away_can_be_taken_away_and_has_a_unit_test(name: str) -> None:
    path, _, test = MUTATIONS[name].test.partition("::")
    assert (ROOT / path).exists()
    assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")
    with MUTATIONS[name].applied():
        pass


@pytest.mark.parametrize(
    "name", [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in SEEN_BY]
)
def test_it_is_seen(name: str) -> None:
    seed = SEEN_BY[name]
    assert seed < SEEDS
    assert what_breaks(seed, name), f"seed {seed} does not see that {name}"
    assert not what_breaks(seed), f"seed {seed} fails without a mutation"
