"""What was read of EPAC's exemption files: entries with the places of their fields. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from guardrails.dataclass import dataclass, field
from guardrails.evaluation.values import Place

FIRST_OF_TABLE: Final = 2
"""EPAC numbers a table's header 1, and so its first record 2; entries of JSON count from 0."""


class Offsets(Protocol):
    """What may look for the offsets of its fields where somebody asks."""

    @property
    def at(self) -> int:
        """Its own offset, before all of these."""
        ...

    @property
    def offsets(self) -> Mapping[str, int]:
        """Name of a field -> its offset in the file."""
        ...


class Places(Mapping[str, Place]):
    """The places of fields, found where somebody asks for one.

    Args:
        fields: has name of a field -> its offset in the file.
        start: where they begin.
        behind: gives the place of an offset, by a place before it and that one's offset.
    """

    __slots__ = ("_behind", "_fields", "_start")

    def __init__(self, fields: Offsets, start: Place, behind: Callable[[Place, int, int], Place]) -> None:
        self._fields, self._start, self._behind = fields, start, behind

    def __contains__(self, name: object) -> bool:
        return name in self._fields.offsets

    def __getitem__(self, name: str) -> Place:
        return self._behind(self._start, self._fields.at, self._fields.offsets[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields.offsets)

    def __len__(self) -> int:
        return len(self._fields.offsets)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        number: as EPAC counts.
        place: of the object in JSON; of the first cell in a table, whose line is that in the file.
        fields: name -> value, as PowerShell reads them; of a table, names in lower case, and None for a cell that its
            row lacks. None where the entry is no object.
        places: name of a field, as in `fields` -> place of its key or cell.
        extra: the place of the first cell that no column is for; None where there is none.
    """

    number: int
    place: Place
    fields: Mapping[str, Any] | None
    places: Mapping[str, Place] = field(default_factory=dict)
    is_table: bool = False
    extra: Place | None = None

    def place_of(self, name: str) -> Place:
        """Return where a field is, or the entry where it has none."""
        return self.places.get(name.lower() if self.is_table else name, self.place)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file at a place: one plain sentence without a full stop."""

    place: Place
    message: str


@dataclass(frozen=True, slots=True)
class EpacFile:
    """One file of exemptions.

    Attributes:
        entries: those that EPAC reads.
        broken: EPAC stops at this file, and plans nothing.
        uncertain: why it is not known what EPAC reads of it; "" where it is known.
        root: of JSON, its value; None for a table, and where it is broken.
        columns: of a table, the header's names with their places.
        notes: what else is malformed in it, such as a quote that is never closed.
    """

    path: str
    entries: tuple[Entry, ...] = ()
    is_table: bool = False
    broken: Fault | None = None
    uncertain: str = ""
    root: Any = None
    columns: Mapping[str, Place] = field(default_factory=dict)
    notes: tuple[Fault, ...] = ()
