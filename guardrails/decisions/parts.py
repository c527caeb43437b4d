"""Parts of a sweep: containers in the order of their names, cut into spans, each held in memory by itself. Pure.

What is at management groups is above the rest, and belongs to no part: it is compared once all parts are done.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import ceil
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field

GROUPS: Final = "mg~"
"""How the names of management groups begin, as ExemptionId.container has them: behind every id of a subscription."""


class Span(NamedTuple):
    """The containers from `low` on, and before `high`; "" for no end."""

    low: str = ""
    high: str = ""

    def holds(self, container: str) -> bool:
        """Whether a container is in it."""
        return self.low <= container and (not self.high or container < self.high)


class Sizes(NamedTuple):
    """When a sweep is cut into parts, and when they are shared.

    Attributes:
        whole: so many exemptions are compared at once, and more in parts.
        part: exemptions of a part, if all subscriptions had as many.
        alone: so many parts are done by one execution, and more are shared.
    """

    whole: int = 20_000
    part: int = 10_000
    alone: int = 20


DEFAULT_SIZES: Final = Sizes()


@dataclass(frozen=True, slots=True)
class Part:
    """A part that instances share: whoever claims it does it, and whoever comes once the claim has ended does it again.

    Attributes:
        number: from 0. The last one is no part: whoever claims that ends the sweep, once all others have ended.
        tries: how often it was claimed.
        until: until when a claim holds, UTC; None where nobody claimed it.
        ended: whether it is done, or given up.
        why: why it was given up; "" where it was not.
        outcome: what came of it, as JSON; see guardrails.sweep.outcome. Of the last one: what whoever ends the sweep is
            to know.
        etag: the guard for the next change.
    """

    number: int
    span: Span
    tries: int = 0
    until: datetime | None = None
    ended: bool = False
    why: str = ""
    outcome: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""

    def is_free(self, now: datetime) -> bool:
        """Whether it is to be done, and nobody is at it."""
        return not self.ended and (self.until is None or self.until <= now)


EVERYTHING: Final = Span()
AT_GROUPS: Final = Span(GROUPS)


def cut(containers: Iterable[str], total: int, most: int) -> list[Span]:
    """Return spans of as many subscriptions each that hold every container but management groups.

    `total`: how many exemptions there are; `most`: how many are to be in a part, if all subscriptions had as many. []
    where they cannot be cut: too few exemptions or subscriptions, or names that are not in the order of ids.
    """
    names = sorted(one for one in containers if not one.startswith(GROUPS))
    count = min(ceil(total / most), len(names))
    if count < 2 or names[-1] >= GROUPS:
        return []
    lows = ["", *(names[len(names) * number // count] for number in range(1, count))]
    return [Span(low, high) for low, high in zip(lows, [*lows[1:], GROUPS], strict=True)]
