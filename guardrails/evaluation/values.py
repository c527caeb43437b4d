"""Values of templates: JSON values, some of them unknown. Pure.

A value is None, bool, int, float, str, list or dict, as JSON has them; any of its leaves, or all of it, may be
`Unknown`. A text or number that depends on the run, such as `utcNow()` with a known clock, is `MarkedText` or
`MarkedNumber`: an ordinary str or int that also says by what it was made.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from guardrails.dataclass import dataclass, field

type Value = Any
"""None, bool, int, float, str, list, dict or Unknown."""


class Place(NamedTuple):
    """A place in a file. Lines and columns count from 1; a column counts code points."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


NOWHERE: Final = Place("", 0, 0)
"""The place of what no file holds, such as an option of the command line."""


class Cause(StrEnum):
    """What makes a value depend on the run, or differ from what its author may expect."""

    NOW = "now"
    """The time of the deployment: utcNow()."""
    NEW_GUID = "new-guid"
    """newGuid(): another value in each run."""
    DEPLOYMENT_NAME = "deployment-name"
    """The deployment's name: deployment().name."""
    OFFSET_DROPPED = "offset-dropped"
    """dateTimeAdd() was given a time with an offset, and its answer ends in Z with the same digits."""


class Mark(NamedTuple):
    """A cause, and the place of the call that brought it in."""

    cause: Cause
    place: Place


type Marks = frozenset[Mark]
NO_MARKS: Final[Marks] = frozenset()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that the files do not say.

    Attributes:
        reason: one plain sentence without a full stop: what it depends on, and the option that would settle it.
        place: where the value that is unknown comes from.
        marks: what of the run it depends on.
        doubt: Azure may refuse to compute it.
    """

    reason: str
    place: Place = NOWHERE
    marks: Marks = field(default=NO_MARKS, compare=False)
    doubt: bool = field(default=False, compare=False)


class MarkedText(str):
    """A text with marks."""

    __slots__ = ("marks",)
    marks: Marks

    def __new__(cls, text: str, marks: Marks) -> Self:
        """Return the text with these marks."""
        made = super().__new__(cls, text)
        made.marks = marks
        return made

    def __getnewargs__(self) -> tuple[str, Marks]:  # type: ignore[override]  # what a copy is made of
        return str(self), self.marks


class MarkedNumber(int):
    """An integer with marks."""

    marks: Marks

    def __new__(cls, number: int, marks: Marks) -> Self:
        """Return the number with these marks."""
        made = super().__new__(cls, number)
        made.marks = marks
        return made

    def __getnewargs__(self) -> tuple[int, Marks]:  # type: ignore[override]  # what a copy is made of
        return int(self), self.marks


LONGEST_MESSAGE: Final = 300
"""Characters of a message about an expression, which may quote what strangers wrote."""


class EngineError(Exception):
    """The deployment engine refuses to compute this: the whole deployment fails.

    Attributes:
        message: what is wrong, as one sentence without a full stop.
        place: the expression that is refused.
    """

    def __init__(self, message: str, place: Place = NOWHERE) -> None:
        super().__init__(message)
        self.message = message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 3] + "..."
        self.place = place


class TooMuch(Exception):
    """The work of a deployment is used up."""


class Loose(dict[str, Any]):
    """An object of which the keys' order is not known."""


class Partial(Loose):
    """An object that has more keys than are known, such as a resource group. `rest`: why the others are Unknown."""

    def __init__(self, known: dict[str, Any], rest: Unknown) -> None:
        super().__init__(known)
        self.rest = rest


def first_unknown(value: Value) -> Unknown | None:
    """Return the first Unknown in a value, None where all of it is known."""
    if isinstance(value, list):
        members: Iterable[Value] = value
    elif isinstance(value, dict):
        members = value.values()
    else:
        return value if isinstance(value, Unknown) else None
    for member in members:
        if type(member) is not str and (found := first_unknown(member)) is not None:  # most are texts
            return found
    return value.rest if isinstance(value, Partial) else None


def marks_of(value: Value) -> Marks:
    """Return the marks of a value and of all that is in it."""
    if isinstance(value, Unknown | MarkedText | MarkedNumber):
        return value.marks
    if isinstance(value, list):
        return NO_MARKS.union(*map(marks_of, value))
    if isinstance(value, dict):
        rest = value.rest.marks if isinstance(value, Partial) else NO_MARKS
        return rest.union(*map(marks_of, value.values()))
    return NO_MARKS


def unknowns(value: Value, pointer: str = "") -> Iterator[tuple[str, Unknown]]:
    """Yield each Unknown in a value with its JSON pointer (RFC 6901), in order."""
    if isinstance(value, Unknown):
        yield pointer, value
    elif isinstance(value, Partial):
        yield pointer, value.rest
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from unknowns(member, f"{pointer}/{number}")
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from unknowns(member, f"{pointer}/{escaped(key)}")


def escaped(key: str) -> str:
    """Return a key as a JSON pointer writes it."""
    return key.replace("~", "~0").replace("/", "~1")


def nulled(value: Value) -> Value:
    """Return a value as JSON can say it: null for each Unknown, which `unknowns` names."""
    if isinstance(value, Unknown | Partial):
        return None
    if isinstance(value, list):
        return [nulled(member) for member in value]
    if isinstance(value, dict):
        return {key: nulled(member) for key, member in value.items()}
    return value
