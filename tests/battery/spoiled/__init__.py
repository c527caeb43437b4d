"""Short histories by hand, a file for each file of watchers: what its watchers must see, and what they must not."""

from typing import Final

from tests.battery.spoiled import authority, budgets, clocks, record, trouble
from tests.battery.spoiled.base import Spoiled

SPOILED: Final[Spoiled] = {
    **authority.SPOILED, **clocks.SPOILED, **budgets.SPOILED, **trouble.SPOILED, **record.SPOILED,
}  # fmt: skip
