"""The filter of a report: which exemptions and bypasses it is about. Pure."""

from collections.abc import Sequence
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.patterns import Glob


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked at: globs on the ids of exemptions, and on the scopes of bypasses.

    No `include` means all; `exclude` goes first. `visible`: of what is no exemption, only what is in a subscription
    that the inventory shows, or above all of them: an assignment of a management group names subscriptions besides
    the ones that were asked for.
    """

    include: Sequence[Glob] = ()
    exclude: Sequence[Glob] = ()
    visible: bool = False

    def wants(self, key: str) -> bool:
        """Whether it wants what has this id, in lower case."""
        if any(pattern.matches(key) for pattern in self.exclude):
            return False
        return not self.include or any(pattern.matches(key) for pattern in self.include)


EVERYTHING: Final = Filter()
