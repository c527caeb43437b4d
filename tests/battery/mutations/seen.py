"""What sees each mutation: the first seed of the simulation that fails under it and passes without it."""

from collections.abc import Mapping
from typing import Final

SEEN_BY: Final[Mapping[str, int]] = {}
