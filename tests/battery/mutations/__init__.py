"""Fixes taken away, one at a time: what the battery must see.

python -m tests.battery mutations               whether each is seen; where the seeds have moved, the first that sees it
python -m tests.battery mutations NAME ...      of these alone
python -m tests.battery mutations --check NAME  whether the known seed still sees it; nothing is written
with MUTATIONS["read-at-once"].applied():
    simulate(17)                                raises Broken
"""

import argparse
import logging
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Final

from tests.battery import record
from tests.battery.mutations import authority, budgets, clocks, deletes, errors, ids, kept, sweeps
from tests.battery.mutations.base import Mutation
from tests.battery.mutations.seen import SEEN_BY, Sight
from tests.battery.simulation import STEPS, Broken, simulate
from tests.battery.stories import story_of

__all__ = ["MUTATIONS", "PAGE", "SEEDS", "SEEN_BY", "Mutation", "Sight", "find", "main", "page", "what_breaks"]

SEEDS: Final = 300
"""Among so many of the first seeds each mutation is to be seen."""

PAGE: Final = Path(__file__).parents[1] / "README.md"
_SEEN: Final = Path(__file__).with_name("seen.py")
_BEGIN: Final = "<!-- mutations: written by `python -m tests.battery mutations` -->\n"
_END: Final = "<!-- end of mutations -->\n"
_PARTS: Final = (authority, clocks, budgets, ids, errors, sweeps, deletes, kept)

MUTATIONS: Final[Mapping[str, Mutation]] = {one.name: one for part in _PARTS for one in part.MUTATIONS}
"""By name."""


def what_breaks(seed: int, name: str = "", steps: int = STEPS) -> str:
    """Return what goes wrong with a seed, under a mutation if one is named; "" where nothing does."""
    with MUTATIONS[name].applied() if name else nullcontext():
        try:
            simulate(seed, steps)
        except Broken as broken:
            return str(broken)
        except Exception:  # noqa: BLE001 - whatever it is, that seed fails
            return traceback.format_exc()
    return ""


def find(name: str, seeds: Iterable[int] | None = None) -> int | None:
    """Return the first of some seeds that fails under a mutation and passes without it; None where none does.

    Without seeds: of the first SEEDS, and before the others those that play the story by which it was seen.
    """
    if seeds is None:
        known = SEEN_BY[name].story if name in SEEN_BY else ""
        likely = [seed for seed in range(SEEDS) if story_of(seed).name == known]
        seeds = chain(likely, sorted({*range(SEEDS)} - {*likely}))
    return next((seed for seed in seeds if what_breaks(seed, name) and not what_breaks(seed)), None)


def main(argv: Sequence[str] = ()) -> int:
    """Print by which seed each mutation is seen, or those that are named. Return 1 where one is not.

    The seeds are written into seen.py and the battery's page, unless they are only checked.
    """
    parser = argparse.ArgumentParser("python -m tests.battery mutations")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these (default: all)")
    parser.add_argument("--check", action="store_true", help="whether the known seeds still see them; write nothing")
    said = parser.parse_args(argv)
    if unknown := sorted({*said.names} - MUTATIONS.keys()):
        parser.error(f"no such mutation: {', '.join(unknown)}")
    logging.disable(logging.CRITICAL)
    names = said.names or list(MUTATIONS)
    if said.check:
        left = [name for name in names if name not in SEEN_BY or find(name, (SEEN_BY[name].seed,)) is None]
        print("".join(f"no known seed sees {name}\n" for name in left), end="")
        return 1 if left else 0
    sights = dict(SEEN_BY)
    for name in names:
        known = sights.pop(name, None)
        seed = find(name, () if known is None else (known.seed,))
        seed = find(name) if seed is None else seed
        if seed is not None:
            sights[name] = Sight(story_of(seed).name, seed)
        seen = "not seen" if seed is None else f"seed {seed}"
        print(f"{name:36} {seen:10} {MUTATIONS[name].fix}", flush=True)
    _SEEN.write_text(_module(sights), "utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8"), sights), "utf-8")
    if not said.names:
        record.keep("mutations", {"mutations": len(MUTATIONS), "seen": len(sights)})
    return 1 if any(name not in sights for name in names) else 0


def page(text: str, sights: Mapping[str, Sight] = SEEN_BY) -> str:
    """Return the battery's page with the mutations, and what sees each, between its marks."""
    rows = "".join(
        f"| `{name}` | {one.fix} | {f'{sights[name].seed}: {sights[name].story}' if name in sights else 'none'} |\n"
        for name, one in MUTATIONS.items()
    )
    table = f"| mutation | takes away | seed and its story |\n|---|---|---|\n{rows}"
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{table}\n{_END}{rest.partition(_END)[2]}"


def _module(sights: Mapping[str, Sight]) -> str:
    head = _SEEN.read_text("utf-8").partition("SEEN_BY: ")[0]
    rows = "".join(
        f'    "{name}": Sight("{sights[name].story}", {sights[name].seed}),\n' for name in MUTATIONS if name in sights
    )
    return f"{head}SEEN_BY: Final[Mapping[str, Sight]] = {{\n{rows}}}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
