"""Fixes taken away, one at a time: what the battery must see.

python -m tests.battery mutations               each mutation, and the seed that sees it
python -m tests.battery mutations NAME ...      look for the first seed that sees each of these
with MUTATIONS["read-at-once"].applied():
    simulate(17)                                raises Broken
"""

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Final

from tests.battery import record
from tests.battery.mutations import authority, budgets, clocks, deletes, errors, ids, sweeps
from tests.battery.mutations.base import Mutation
from tests.battery.mutations.seen import SEEN_BY
from tests.battery.simulation import STEPS, Broken, simulate

__all__ = ["MUTATIONS", "SEEDS", "SEEN_BY", "Mutation", "find", "main", "what_breaks"]

SEEDS: Final = 300
"""Among so many of the first seeds each mutation is to be seen."""

_PARTS: Final = (authority, clocks, budgets, ids, errors, sweeps, deletes)

MUTATIONS: Final[Mapping[str, Mutation]] = {one.name: one for part in _PARTS for one in part.MUTATIONS}
"""By name."""


def what_breaks(seed: int, name: str = "", steps: int = STEPS) -> str:
    """Return which invariants a seed breaks, under a mutation if one is named; "" where none."""
    with MUTATIONS[name].applied() if name else nullcontext():
        try:
            simulate(seed, steps)
        except Broken as broken:
            return str(broken)
    return ""


def find(name: str, seeds: Iterable[int] = range(SEEDS)) -> int | None:
    """Return the first of some seeds that fails under a mutation and passes without it; None where none does."""
    return next((seed for seed in seeds if what_breaks(seed, name) and not what_breaks(seed)), None)


def main(argv: Sequence[str] = ()) -> int:
    """Print each mutation and the seed that sees it; for names, look for that. Return 1 where one is not seen."""
    logging.disable(logging.CRITICAL)
    unseen = 0
    for name in argv or MUTATIONS:
        seed = find(name) if argv else SEEN_BY.get(name)
        unseen += seed is None
        seen = "not seen" if seed is None else f"seed {seed}"
        print(f"{name:36} {seen:10} {MUTATIONS[name].fix}", flush=True)
    if not argv:
        record.keep("mutations", {"mutations": len(MUTATIONS), "seen": len(MUTATIONS) - unseen})
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
