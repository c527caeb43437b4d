"""Overlaps: what a scan finds of exemptions by looking at all of them, and at the tree, as a sweep does. Pure.

The exemptions of a subscription are held until all of them are there; those at management groups, to the end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions import overlap
from guardrails.exemption.applies import MARK, Chain, at_groups_above, outside
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.facts import NOBODY_LOOKED, Assignment, Gone, Outside, Together, Unread
from guardrails.exemption.model import Exemption
from guardrails.ruleset.model import Ruleset

type Looked = tuple[Exemption, Together]


class Around(Protocol):
    """What of guardrails.ports.Surroundings is asked for here."""

    @property
    def above(self) -> Mapping[str, Chain]:
        """The management groups above each container."""

    @property
    def in_order(self) -> bool:
        """Whether exemptions come with all management groups first, and each subscription's in one run."""


@dataclass(slots=True)
class PendingOverlaps:
    """Holds exemptions until it is known what they overlap with, and whether their assignments apply (facts.Together).

    Args:
        ruleset: says whether that is asked for.
        around: the tree.
        assignment: returns what is known of an assignment, by its id as an exemption spells it.
        now: UTC.
    """

    ruleset: Ruleset
    around: Around
    assignment: Callable[[str], Assignment | Gone | Unread]
    now: datetime
    _held: dict[str, list[Exemption]] = field(default_factory=dict)
    _over: dict[str, list[Exemption]] = field(default_factory=dict)
    _below: dict[str, list[tuple[str, overlap.Result]]] = field(default_factory=dict)
    _compares: bool = field(init=False)
    _places: bool = field(init=False)

    def __post_init__(self) -> None:
        self._compares = self.ruleset.judges("duplicate")
        self._places = self.ruleset.judges("assignment-not-applicable")

    def take(self, some: Sequence[Exemption]) -> list[Looked]:
        """Take in exemptions of one container; return those of which all is known now."""
        if not self._compares:
            return [(one, Together(outside=self._outside(one))) for one in some]
        if not some:
            return []
        container = some[0].id.container
        done: list[Looked] = []
        if self.around.in_order and container not in self._held:
            done = self._ended()
        self._held.setdefault(container, []).extend(some)
        if container.startswith(MARK):
            for one in some:
                if not is_expired(one.expires_on, self.now):
                    self._over.setdefault(_key(one), []).append(one)
        return done

    def rest(self) -> list[Looked]:
        """Return those that are left, once all were taken in."""
        done = self._ended()
        overlaps: dict[str, overlap.Result] = {}
        for assigned, over in self._over.items():
            for container, own in _by(over, lambda one: one.id.container).items():
                above, doubt = self._above(assigned, container)
                higher = [one for one in above if one.id.container != container]
                _take(overlaps, self._compared(own, [], higher, doubt))
        for key, some in self._below.items():
            overlaps[key] = overlap.best(overlaps.get(key), some)
        left = [one for some in self._held.values() for one in some]
        return [*done, *(self._looked(one, overlaps) for one in left)]

    def _ended(self) -> list[Looked]:
        """Return those of the subscriptions that are held."""
        return [looked for one in [*self._held] if not one.startswith(MARK) for looked in self._end_of(one)]

    def _end_of(self, container: str) -> list[Looked]:
        held = self._held.pop(container)
        overlaps: dict[str, overlap.Result] = {}
        running = (one for one in held if not is_expired(one.expires_on, self.now))
        for assigned, some in _by(running, _key).items():
            over, doubt = self._above(assigned, container)
            if len(some) + len(over) < 2:
                continue
            groups = {one.id.key for one in over}
            at = _by(some, _scope)
            for scope, higher in overlap.sites(at):
                found = self._compared(at[scope], [one for place in higher for one in at[place]], over, doubt)
                for key in groups & found.keys():
                    self._below.setdefault(key, []).append((scope, found.pop(key)))
                _take(overlaps, found)
        return [self._looked(one, overlaps) for one in held]

    def _above(self, assigned: str, container: str) -> tuple[list[Exemption], str]:
        over = self._over.get(assigned, [])
        return at_groups_above(over, container, self.around.above, lambda one: one.id.container)

    def _compared(
        self, own: Sequence[Exemption], above: Sequence[Exemption], over: Sequence[Exemption], doubt: str
    ) -> dict[str, overlap.Result]:
        """Return the overlaps of exemptions of one assignment. `doubt`: why those of `over` may not be above."""
        assignment = self.assignment(own[0].assignment_id)
        higher = [*above, *over]
        if isinstance(assignment, Gone) or len(own) + len(higher) < 2:
            return {}
        members, single = (
            overlap.members_of(assignment),
            isinstance(assignment, Assignment) and not assignment.is_initiative,
        )
        if not overlap.may_overlap(
            _named(own, single=single), overlap.named_by(_named(higher, single=single)), members
        ):
            return {}
        here, there = ([_sibling(one, members, single=single) for one in some] for some in (own, above))
        groups = [replace(_sibling(one, members, single=single), doubt=doubt) for one in over]
        return overlap.compare(here, [*there, *groups])

    def _outside(self, one: Exemption) -> Outside | Unread | None:
        if not self._places:
            return None
        assignment = self.assignment(one.assignment_id)
        if isinstance(assignment, Assignment):
            return outside(one.id.key[: len(one.id.scope)], one.id.container, assignment, self.around.above)
        return assignment if isinstance(assignment, Unread) else None

    def _looked(self, one: Exemption, overlaps: Mapping[str, overlap.Result | None]) -> Looked:
        overlap, place = overlaps.get(one.id.key), self._outside(one)
        return one, Together(overlap, place) if overlap or place else NOBODY_LOOKED


def _take(overlaps: dict[str, overlap.Result], found: Mapping[str, overlap.Result]) -> None:
    for key, one in found.items():
        overlaps[key] = overlap.better(overlaps.get(key), one)


def _sibling(one: Exemption, members: overlap.Members, *, single: bool) -> overlap.Sibling:
    return overlap.sibling_of(one, members, overlap.written_at(one), single=single)


def _named(some: Iterable[Exemption], *, single: bool) -> list[frozenset[str]]:
    return [frozenset() if single else frozenset(map(str.lower, one.reference_ids)) for one in some]


def _by(some: Iterable[Exemption], of: Callable[[Exemption], str]) -> dict[str, list[Exemption]]:
    found: dict[str, list[Exemption]] = {}
    for one in some:
        found.setdefault(of(one), []).append(one)
    return found


def _key(one: Exemption) -> str:
    return "/" + one.assignment_id.strip("/ ").lower()


def _scope(one: Exemption) -> str:
    return one.id.key[: len(one.id.scope)] + "/"
