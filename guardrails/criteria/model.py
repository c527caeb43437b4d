"""The criteria that an exemption or a bypass weakens, as far as is known: values, JSON form, texts for people. Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass
from guardrails.exemption.body import canonical_json

MOST: Final = 500
"""Criteria that are kept of one source: of Azure's own initiatives, the one with the most groups in use has 455."""

_SHOWN: Final = 5


class SourceKind(StrEnum):
    """Where a mapping of policies to criteria is from."""

    INITIATIVE = "initiative"
    """The groups of the assigned initiative itself."""
    TABLE = "table"
    """A table of policy definitions, made of the groups of a built-in initiative of Azure."""


class Source(NamedTuple):
    """A mapping of policies to criteria.

    Attributes:
        id: the initiative's: its resource id in lower case; of a table the name (a GUID) of the built-in one.
        name: its display name; a stranger's where the initiative is a custom one.
        version: its version; "" where that is not known.
    """

    kind: SourceKind
    id: str
    name: str
    version: str

    @property
    def shown(self) -> str:
        """Its name and version, for people."""
        return " ".join(filter(None, (self.name or self.id.rpartition("/")[2], self.version)))


class Criterion(NamedTuple):
    """A criterion that is weakened.

    Attributes:
        name: as the source names it: `CC6.1`; the name of a group, a stranger's where the initiative is a custom one.
        policies: how many policies of it are removed, `of` how many there are; manual ones count in neither.
        title: what the initiative calls the group, where that is another text; a stranger's.
    """

    name: str
    policies: int
    of: int
    title: str = ""

    def is_named(self, wanted: str) -> bool:
        """Whether a name, in lower case, is its own: the whole, or what follows the standard in `SOC_2_CC6.1`."""
        name = self.name.lower()
        return bool(wanted) and (wanted in (name, self.title.lower()) or name.endswith("_" + wanted))


class BySource(NamedTuple):
    """The criteria that are weakened by one source, those with the most policies first.

    Attributes:
        policies: how many of the removed policies the source has in any criterion.
        left_out: how many criteria there are beyond MOST.
    """

    source: Source
    policies: int
    criteria: tuple[Criterion, ...]
    left_out: int = 0


@dataclass(frozen=True)
class Weakened:
    """The criteria whose technical policies something removes from a scope.

    Attributes:
        unknown: what of it is unknown and why, a phrase; "" where all is known. Without any source, all is unknown.
        policies: how many policies are removed that are not known to be manual; `manual`: how many are.
        unmapped: how many of `policies` no source has.
        certain: whether these policies are surely removed; else they may be, and the counts are upper limits.
        by_source: the assigned initiative first; without any, and with nothing unknown, no criterion is weakened.
    """

    unknown: str = ""
    policies: int = 0
    manual: int = 0
    unmapped: int = 0
    certain: bool = True
    by_source: tuple[BySource, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of it."""
        return bool(self.unknown) and not self.by_source

    @property
    def is_shown(self) -> bool:
        """Whether a list says it: criteria, or what is unknown of them, unless nobody has looked yet."""
        return bool(self.by_source or self.unknown) and self != NOT_KEPT

    @property
    def is_whole(self) -> bool:
        """Whether all of it is known, and none is left out."""
        return not self.unknown and not any(by.left_out for by in self.by_source)

    def includes(self, wanted: Iterable[str]) -> bool:
        """Whether any of these criteria, in lower case, is weakened as far as is known."""
        return any(one.is_named(name) for by in self.by_source for one in by.criteria for name in wanted)

    @cached_property
    def whole(self) -> str:
        """All of it in one line; see `line_of`."""
        return line_of(self, MOST)

    @cached_property
    def digest(self) -> str:
        """A name (8 hex digits) for all of it."""
        return sha256(canonical_json(self._json).encode()).hexdigest()[:8]

    def to_json(self) -> Mapping[str, Any]:
        """Return the documented JSON form, `criteria_weakened`: one object for all that share this one."""
        return self._json

    @cached_property
    def _json(self) -> Mapping[str, Any]:
        return {
            "unknown": self.unknown or None,
            "policies": self.policies,
            "manual": self.manual,
            "unmapped": self.unmapped,
            "certain": self.certain,
            "by_source": [
                {
                    "source": str(by.source.kind),
                    "id": by.source.id,
                    "name": by.source.name,
                    "version": by.source.version,
                    "policies": by.policies,
                    "criteria": {
                        one.name: {"policies": one.policies, "of": one.of} | ({"title": one.title} if one.title else {})
                        for one in by.criteria
                    },
                    "left_out": by.left_out,
                }
                for by in self.by_source
            ],
        }

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Weakened":
        """Return what `to_json` wrote; UNREADABLE for anything else."""
        try:
            return cls(
                str(said["unknown"] or ""), int(said["policies"]), int(said["manual"]), int(said["unmapped"]),
                bool(said["certain"]), tuple(map(_by_source, said["by_source"])),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError):
            return UNREADABLE


def kept_of(said: Mapping[str, Any]) -> Weakened:
    """Return what a row of the register says, which is {} where nobody has looked since criteria are kept."""
    return Weakened.read(said) if said else NOT_KEPT


UNREADABLE: Final = Weakened("the criteria in the register cannot be read")
NOT_KEPT: Final = Weakened("not recorded yet")
"""The criteria of a row that is older than the criteria."""


def _by_source(said: Mapping[str, Any]) -> BySource:
    source = Source(SourceKind(said["source"]), str(said["id"]), str(said["name"]), str(said["version"]))
    criteria = tuple(
        Criterion(str(name), int(one["policies"]), int(one["of"]), str(one.get("title") or ""))
        for name, one in said["criteria"].items()
    )
    return BySource(source, int(said["policies"]), criteria, int(said.get("left_out") or 0))


def line_of(weakened: Weakened, most: int = _SHOWN) -> str:
    """Return what is weakened in one line, at most so many criteria of each source: `SOC 2 Type 2 1.12.0: CC6.1 (2 of
    40), CC6.8 (1 of 37)`; `none`, `unknown: why`. Texts of initiatives are strangers' and unescaped.
    """
    parts = [_listed(by, weakened, most) for by in weakened.by_source]
    if weakened.unknown:
        parts.append(f"unknown: {weakened.unknown}")
    return "; ".join(parts) or "none"


def line_within(weakened: Weakened, limit: int, most: int = _SHOWN) -> str:
    """Return `line_of` in so many characters: with fewer criteria where it is longer, and then cut to `...`.

    What is unknown is said in any case.
    """
    lines = (line_of(weakened, count) for count in range(most, 0, -1))
    if (line := next((one for one in lines if len(one) <= limit), None)) is not None:
        return line
    end = f"...; unknown: {weakened.unknown}"[:limit] if weakened.by_source and weakened.unknown else "..."
    return line_of(weakened, 1)[: limit - len(end)] + end


def _listed(by: BySource, weakened: Weakened, most: int) -> str:
    upto = "" if weakened.certain else "up to "
    shown = [f"{_called(one)} ({upto}{one.policies} of {one.of})" for one in by.criteria[:most]]
    more = len(by.criteria) - len(shown) + by.left_out
    return f"{by.source.shown}: {', '.join(shown)}{f' and {more} more' if more else ''}"


def sentences_of(weakened: Weakened) -> list[str]:
    """Return what is weakened, a sentence for each criterion, without a full stop.

    `2 of the 40 policies that Azure's initiative SOC 2 Type 2 1.12.0 groups under CC6.1 do not apply to this scope`.
    """
    said = []
    for by in weakened.by_source:
        whose = "Azure's initiative" if by.source.kind is SourceKind.TABLE else "the assigned initiative"
        for one in by.criteria:
            count = f"{'' if weakened.certain else 'up to '}{one.policies} of the {one.of}"
            verb = "does" if one.policies == 1 else "do"
            which = (
                f"{'policy' if one.of == 1 else 'policies'} that {whose} {by.source.shown} groups under {_called(one)}"
            )
            said.append(f"{count} {which} {verb} not apply to this scope")
        if by.left_out:
            said.append(f"{by.left_out} more criteria of {by.source.shown}")
    return said + ([f"unknown: {weakened.unknown}"] if weakened.unknown else []) or ["none"]


def _called(one: Criterion) -> str:
    return f"{one.name} {one.title}" if one.title else one.name
