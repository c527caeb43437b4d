"""What a sweep judged of the exemptions of one container, so that the next one need not judge them again. Pure.

A judgement is known by its *name*: a hash over all that it rests on (the inventory's row, the ruleset, the assignment,
the program), and over what came of it (the token that the register has, and until when it holds). Where the name is the
same, so is the judgement; whatever is not as it was has another name, and is judged.

An entry has 31 bytes: the first 8 of ExemptionId.hash, the name (16), until when it holds (4, seconds since 1970), 1
where the exemption had ended, and the number of what it matches (2).
"""

import json
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from math import ceil
from struct import Struct
from typing import Any, Final, NamedTuple, Self

from guardrails.dataclass import dataclass, field
from guardrails.exemption.body import canonical_json

KEY: Final = 8
"""Bytes of ExemptionId.hash that say which exemption of its container an entry is about."""

_ENTRY: Final = Struct(">8s16sIBH")
_NEVER: Final = 2**32 - 1
_MOST_FOUND: Final = 2**16 - 1

type Found = tuple[tuple[int, ...], ...]
"""What of a ruleset an exemption matches: numbers of exclusions, overrides and owners; see guardrails.sweep.matches."""


class Entry(NamedTuple):
    """A judgement as it is kept.

    Attributes:
        name: of what it rests on, and of what came of it.
        until: when it may be another, though nothing but the time changes; seconds since 1970, UTC.
        ended: whether the exemption had ended.
        found: the number of what it matches, in Judgements.found.
    """

    name: bytes
    until: int
    ended: bool
    found: int


@dataclass(slots=True)
class Judgements:
    """The judgements of one container.

    Attributes:
        since: none of them was made later; seconds since 1970, UTC. Before that time none is known to hold.
        entries: the first KEY bytes of ExemptionId.hash -> the judgement.
        found: what exemptions of the container match.
    """

    since: int = 0
    entries: dict[bytes, Entry] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)

    def number_of(self, found: Found) -> int | None:
        """Return the number of what an exemption matches; None where there are too many."""
        if found in self.found[-4:]:
            return self.found.index(found)
        if found not in self.found:
            if len(self.found) > _MOST_FOUND:
                return None
            self.found.append(found)
        return self.found.index(found)

    def to_bytes(self) -> bytes:
        """Return the entries as they are kept."""
        return b"".join(_ENTRY.pack(key, *entry) for key, entry in sorted(self.entries.items()))

    def found_json(self) -> str:
        """Return what exemptions match as it is kept."""
        return canonical_json(self.found)

    @classmethod
    def read(cls, since: object, data: bytes, found: str) -> Self:
        """Read what was kept. Raises ValueError."""
        if not isinstance(since, str) or not (since.isascii() and since.isdigit()) or len(data) % _ENTRY.size:
            raise ValueError("it is not as it was written")
        entries = {
            key: Entry(name, until, bool(ended), number) for key, name, until, ended, number in _ENTRY.iter_unpack(data)
        }
        return cls(int(since), entries, _read_found(json.loads(found)))

    def same_as(self, other: "Judgements") -> bool:
        """Whether both say the same, whenever it was judged."""
        return self.entries == other.entries and self.found == other.found


def _read_found(said: Any) -> list[Found]:
    try:
        return [tuple(tuple(map(int, numbers)) for numbers in one) for one in said]
    except TypeError as error:
        raise ValueError("it is not as it was written") from error


def seconds(time: datetime) -> int:
    """Return the first whole second since 1970 that is no earlier than a time."""
    return max(ceil(time.timestamp()), 0)


def until_of(moments: Iterable[datetime | None]) -> int:
    """Return the earliest of some moments as Entry.until has it: None is never."""
    found = [moment for moment in moments if moment is not None]
    return min(max(int(min(found).timestamp()), 0), _NEVER) if found else _NEVER


def name_of(row: bytes, context: bytes, listed: str, until: int, found: Found, *, ended: bool) -> bytes:
    """Return the name of a judgement.

    Args:
        row: the inventory's row, whole.
        context: a digest of all else that it rests on.
        listed: the token that came of it.
        until, ended, found: as in Entry.
    """
    digest = blake2b(row, digest_size=16)
    digest.update(f"\n{listed} {until} {ended:d} {found}\n".encode())
    digest.update(context)
    return digest.digest()


def digest_of(*said: object) -> bytes:
    """Return a digest of JSON-ready values, for a context."""
    return blake2b(canonical_json(said).encode(), digest_size=16).digest()
