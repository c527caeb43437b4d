"""The message that has an instance do a part of a sweep."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

KEY: Final = "part"
"""What the body of it has, and no other of its queue: the number of the part."""


class Invitation(NamedTuple):
    """A message of the queue: do this part of that sweep. `holder`: Run.holder."""

    holder: str
    number: int
    last: bool

    @property
    def body(self) -> dict[str, Any]:
        """The message."""
        return {KEY: self.number, "sweep": self.holder, "last": self.last}


def read_invitation(data: Mapping[str, Any]) -> Invitation | None:
    """Return what a message of the queue says where it is about a part. Raises ValueError."""
    if KEY not in data:
        return None
    number, holder = data[KEY], data.get("sweep")
    if type(number) is not int or not isinstance(holder, str):
        raise ValueError("the part of a sweep has no number, or no sweep")
    return Invitation(holder, number, data.get("last") is True)
