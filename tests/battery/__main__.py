"""Starts the battery on the command line, sets in the same order each time: what a seed means depends on that."""

import os
import sys
from typing import Final

HASH_SEED: Final = "PYTHONHASHSEED"

if __name__ == "__main__":
    if HASH_SEED not in os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "tests.battery", *sys.argv[1:]], os.environ | {HASH_SEED: "0"})  # noqa: S606
    from tests.battery.program import main  # only now: the modules need not be read twice

    sys.exit(main(sys.argv[1:]))
