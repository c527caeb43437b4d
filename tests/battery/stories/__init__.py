"""What somebody does, step by step, to win something that the service does not give: each seed plays one story.

story_of(seed)    which
"""

from typing import Final

from tests.battery.play import Story
from tests.battery.stories import budgets, clocks, deletes, ids, owners, register, writes

STORIES: Final[tuple[Story, ...]] = tuple(
    one for part in (clocks, owners, deletes, budgets, writes, ids, register) for one in vars(part).values()
    if isinstance(one, Story)
)  # fmt: skip
"""All of them, in an order that stays as long as none is added."""


def story_of(seed: int) -> Story:
    """Return the story that a seed plays."""
    return STORIES[seed % len(STORIES)]
