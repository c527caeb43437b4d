"""What a sweep keeps of the exemptions that the inventory shows, and where those of an assignment may overlap. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.exemption.times import time_or_none
from guardrails.exemption.together import name_of
from guardrails.reconcile.inventory import SAID

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class Shown:
    """What a pass keeps of an exemption that the inventory shows. `together` is put in once it is known.

    Attributes:
        key: ExemptionId.hash.
        written: when it was last written: a time, or as systemData spells it.
        listed: its token.
        sure: whether its assignment, and its policies, were there to be seen, so that all of the token counts.
        cut: how long its scope is, in its id.
        assigned: its assignment's id, in lower case; "" where it is not compared with others, for it has ended.
        named: its reference ids, in lower case.
        outside: whether its assignment applies, as JSON (guardrails.exemption.together); {} where it does.
        together: what was found of it and others, where the token alone does not say that the register has it.
    """

    key: bytes
    id: str
    container: str
    written: object
    listed: str
    sure: bool
    cut: int = 0
    assigned: str = ""
    named: tuple[str, ...] = ()
    outside: Mapping[str, Any] = NOTHING
    together: Mapping[str, Any] = NOTHING

    @property
    def modified_at(self) -> datetime | None:
        """When it was last written, UTC; None where unknown."""
        return time_or_none(self.written)

    @property
    def scope(self) -> str:
        """Its scope, in lower case."""
        return self.id[: self.cut].lower()


type Site = tuple[str, tuple[str, ...], str]
"""Where exemptions of a unit may overlap: the scope, those above it, and a name for all that was looked at."""


@dataclass(slots=True)
class Unit:
    """Exemptions of one assignment in one subscription, or at management groups, some of which may overlap.

    Attributes:
        assigned: the assignment, as in Shown.
        at: the exemptions, by scope, in lower case, a slash at its end.
        over: those at management groups above, where these are in a subscription.
        doubt: why it is not known which of those at management groups are above; "" where that is known.
        sites: where they may overlap, what is above before what is below it.
        names: by scope, names of the sites that its exemptions are in.
    """

    assigned: str
    at: Mapping[str, list[Shown]]
    over: list[Shown]
    doubt: str
    sites: list[Site] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    def own(self, site: Site) -> list[Shown]:
        """Return the exemptions at a site's scope."""
        return self.at[site[0]]

    def higher(self, site: Site) -> list[Shown]:
        """Return those at the scopes above it, of the same subscription."""
        return [one for scope in site[1] for one in self.at[scope]]

    def name(self, site: Site, name: str) -> None:
        """Take in a name for what is at a site, and above it."""
        names = self.names
        for scope in (site[0], *site[1]):
            if scope in names:
                names[scope].append(name)
            else:
                names[scope] = [name]

    def named(self) -> Iterator[tuple[Shown, str]]:
        """Yield the exemptions that are at any site, each with one name for all of its sites."""
        for scope, some in self.names.items():
            name = joined(some)
            for one in self.at[scope]:
                yield one, name


def by_assignment(shown: Iterable[Shown]) -> dict[str, dict[str, list[Shown]]]:
    """Return the exemptions that are compared, by assignment and scope, as Unit has them."""
    found: dict[str, dict[str, list[Shown]]] = {}
    for one in shown:
        if not one.assigned:
            continue
        scope = one.id[: one.cut].lower() + "/"
        at = found.get(one.assigned)
        if at is None:
            found[one.assigned] = {scope: [one]}
        elif scope in at:
            at[scope].append(one)
        else:
            at[scope] = [one]
    return found


def digest(some: Iterable[Shown]) -> bytes:
    """Return a digest of exemptions: who they are and what they say, as the inventory shows it."""
    said = sorted([one.key + one.listed[:SAID].encode() for one in some])
    return said[0] if len(said) == 1 else hashlib.sha256(b"".join(said)).digest()


def joined(names: Sequence[str]) -> str:
    """Return the name for several sites."""
    return names[0] if len(names) == 1 else name_of(sorted(names))
