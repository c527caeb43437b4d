"""How bad a violation is, and what it is of. Pure."""

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad a violation is. Ordered by `rank`."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}
