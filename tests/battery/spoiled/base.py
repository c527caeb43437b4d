"""A spoiled tale: a short history by hand, with one thing wrong or not."""

from collections.abc import Callable, Mapping

from tests.battery.tale import Tale

type Spoil = Callable[[Tale, bool], None]
"""Makes a history; the second argument says whether the thing is wrong."""

type Spoiled = Mapping[str, tuple[Spoil, ...]]
"""By the name of the watcher that must see it."""
