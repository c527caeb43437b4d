"""Regular expressions that are compiled when they are first used: a command imports a hundred and uses a few."""

import re
from typing import Any, cast


class _LazyRegex:
    """A `re.Pattern` of which there is only the text until something of it is asked for."""

    def __init__(self, *said: Any) -> None:
        self._said = said

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._said), name)
        setattr(self, name, found)  # so that the next use does not come here
        return found


def lazy_regex[T: (str, bytes)](text: T, flags: int = 0) -> re.Pattern[T]:
    """Return what re.compile returns, but compiled when it is first used. An expression that is wrong raises then."""
    return cast("re.Pattern[T]", _LazyRegex(text, flags))
