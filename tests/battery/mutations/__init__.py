"""Fixes taken away, one at a time: what the battery must see.

    python -m tests.battery mutations    each mutation, and the seed or matrix entry that sees it

    with MUTATIONS["read-at-once"].applied():
        simulate(17)    raises Broken
"""

from collections.abc import Mapping
from typing import Final

from tests.battery.mutations import authority, budgets, clocks, deletes, errors, ids, sweeps
from tests.battery.mutations.base import Mutation

__all__ = ["MUTATIONS", "Mutation"]

_PARTS: Final = (authority, clocks, budgets, ids, errors, sweeps, deletes)

MUTATIONS: Final[Mapping[str, Mutation]] = {one.name: one for part in _PARTS for one in part.MUTATIONS}
"""By name."""
