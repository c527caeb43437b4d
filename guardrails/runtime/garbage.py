"""How often Python looks for garbage in a process that stays: seldom, and not in what was there when it began."""

import gc
from typing import Final

_NEW_OBJECTS: Final = 50_000
"""How many more objects than before let Python look for garbage. By its own 2,000 that takes a sixth of a burst."""


def look_seldom() -> None:
    """From now on look for garbage seldom, and leave out what is there now."""
    gc.set_threshold(_NEW_OBJECTS)
    gc.freeze()
