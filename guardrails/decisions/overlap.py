"""Overlap: which exemptions switch off what others do already, and which complete a whole initiative together. Pure.

Only exemptions of the same assignment that have not ended are compared. At one scope, one that switches off the same
controls for the same resources as another that was written before repeats it. At one scope and above it, where all
apply, several may cover the whole initiative though none does alone: the one whose writing completed that is reported.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.body import marker_of
from guardrails.exemption.facts import Assignment, Earlier, Overlap, Unread
from guardrails.exemption.initiatives import UNSAID
from guardrails.exemption.model import Exemption
from guardrails.rules.selection import REFERENCE, Condition, Selection, left_by, selection_of

SHOWN: Final = 5
"""Exemptions that are named as written before."""
CONTROLS: Final = 10
"""Reference ids that are named."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC)

type Members = frozenset[str] | Unread
"""What an assignment assigns: the reference ids of an initiative's policies, lower case; of a single one, its id."""

type Result = Overlap | Unread
"""What a comparison says of one exemption: that it overlaps with others, or why that is unknown."""
type _Narrowing = frozenset[tuple[str, frozenset[str] | None, frozenset[str] | None, str]]


def members_of(assignment: Assignment | Unread) -> Members:
    """Return what can be switched off of an assignment."""
    if isinstance(assignment, Unread):
        return assignment
    if not assignment.is_initiative:
        return frozenset({assignment.definition_id.lower()})
    members = assignment.members
    return members if isinstance(members, Unread) else frozenset(members) or UNSAID


@dataclass(frozen=True)
class Sibling:
    """An exemption among others of its assignment.

    Attributes:
        id: as Azure spells it.
        scope: its target scope, lower case.
        written: when it was last written by somebody else than us, UTC; None where unknown.
        named: its reference ids, lower case; none for all, and of a single policy.
        selection: its resource selectors.
        members: what the assignment assigns.
        doubt: why it may not be a sibling here at all, or nobody knows its selectors; "" where neither is so.
    """

    id: str
    scope: str
    written: datetime | None
    named: frozenset[str]
    selection: Selection
    members: Members
    doubt: str = ""

    @cached_property
    def key(self) -> str:
        """Its id in lower case."""
        return self.id.lower()

    @cached_property
    def most(self) -> frozenset[str] | None:
        """The controls that it may switch off for anything; None for all, where they are not known."""
        if isinstance(self.members, Unread):
            return self.named or None
        picked: set[str] = set(self._ids) if self.selection.more or self.doubt else set()
        for group in self.selection.groups or ((),):
            picked |= left_by(group, self._ids)
        return frozenset(picked)

    @cached_property
    def exact(self) -> frozenset[tuple[_Narrowing, frozenset[str]]] | None:
        """Which controls it switches off for which resources, however it says so; None where that is not sure."""
        if isinstance(self.members, Unread) or self.reason:
            return None
        found: dict[_Narrowing, set[str]] = {}
        for group in self.selection.groups or ((),):
            found.setdefault(_narrowing(group), set()).update(left_by(group, self._ids))
        wide = found.pop(frozenset(), set())
        left = {narrowing: frozenset(controls - wide) for narrowing, controls in found.items()}
        left[frozenset()] = frozenset(wide)
        return frozenset((narrowing, controls) for narrowing, controls in left.items() if controls)

    @cached_property
    def text(self) -> object:
        """What it says, in one spelling: two that say the same switch off the same, whatever that is; None unsaid."""
        if self.doubt or self.selection.more:
            return None
        groups = frozenset(
            frozenset(_said(condition) for condition in group) for group in self.selection.groups or ((),)
        )
        return self.named, groups

    @cached_property
    def sure(self) -> frozenset[str]:
        """The controls that it surely switches off for every resource at its scope."""
        if isinstance(self.members, Unread) or self.doubt:
            return frozenset()
        return self._unnarrowed(doubtful=False)

    @cached_property
    def maybe(self) -> frozenset[str]:
        """Those that it may switch off for every resource."""
        if isinstance(self.members, Unread):
            return self.named
        return self._ids if self.doubt else self._unnarrowed(doubtful=True)

    @property
    def adds(self) -> bool:
        """Whether it may be a part of what several cover, where nobody knows the whole: it is not all of it alone."""
        alone = not self.named and not self.doubt and self.selection.takes_all
        return not alone and (not self.selection.groups or any(map(_is_wide, self.selection.groups)))

    @property
    def reason(self) -> str:
        """Why it is not sure what it switches off; "" where that is sure."""
        return self.doubt or self.selection.doubt

    @property
    def _ids(self) -> frozenset[str]:
        members = self.members if isinstance(self.members, frozenset) else self.named
        return self.named & members if self.named else members

    def _unnarrowed(self, *, doubtful: bool) -> frozenset[str]:
        selection = self.selection
        if not selection.groups:
            return self._ids if doubtful or not selection.more else frozenset()
        found: set[str] = set(self._ids) if doubtful and selection.more else set()
        for group in selection.groups:
            if _is_wide(group) and (doubtful or not any(condition.doubt for condition in group)):
                found |= left_by(group, self._ids)
        return frozenset(found)


def sibling_of(exemption: Exemption, members: Members, written: datetime | None, *, single: bool = False) -> Sibling:
    """Return an exemption as its siblings see it. `single`: its assignment is of a single policy."""
    named = frozenset() if single else frozenset(map(str.lower, exemption.reference_ids))
    identity = exemption.id
    scope = identity.key[: len(identity.scope)]
    return Sibling(identity.text, scope, written, named, selection_of(exemption), members)


def written_at(exemption: Exemption) -> datetime | None:
    """Return when an exemption was last written by others than us, by what itself says; None where unknown.

    Where it has our tag, the last write may be ours: then when it was made.
    """
    return (marker_of(exemption.metadata) and exemption.created_at) or exemption.modified_at


def sites(scopes: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return each scope with those of the others that are above it, the highest first.

    What is above comes before what is below. `scopes`: of one subscription, in lower case, a slash at the end of each.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    below: list[tuple[str, tuple[str, ...]]] = []  # a scope, and what is above all that is below it
    for scope in sorted(scopes):
        while below and not scope.startswith(below[-1][0]):
            below.pop()
        above = below[-1][1] if below else ()
        found.append((scope, above))
        below.append((scope, (*above, scope)))
    return found


def named_by(every: Iterable[Collection[str]]) -> frozenset[str] | None:
    """Return the reference ids that some exemptions name together; None where one of them names none: it takes all."""
    together: set[str] = set()
    for one in every:
        if not one:
            return None
        together.update(one)
    return frozenset(together)


def may_overlap(own: Sequence[Collection[str]], above: frozenset[str] | None, members: Members) -> bool:
    """Whether `compare` can find anything at a site, by reference ids alone: whatever selectors say. Quick.

    Args:
        own: the reference ids (lower case; none for all) of each exemption at the scope, at least one.
        above: those of all exemptions above it, as `named_by` returns them.
        members: as Sibling has them.
    """
    if len(own) > 1:
        if _meet(own):
            return True
    elif above is not None and not above:
        return False
    if isinstance(members, Unread):
        return True
    if above is None or not all(own):
        return len(members) > 1
    most = len(above) + (len(own[0]) if len(own) == 1 else sum(map(len, own)))
    return most >= len(members) > 1 and members.issubset(above.union(*own))


def _meet(named: Iterable[Collection[str]]) -> bool:
    seen: set[str] = set()
    for one in named:
        if not one or not seen.isdisjoint(one):
            return True
        seen.update(one)
    return False


def compare(own: Sequence[Sibling], above: Sequence[Sibling]) -> dict[str, Result]:
    """Return what the comparison says of exemptions at a site, by Sibling.key.

    Args:
        own: those at the scope. Each may repeat one that was written before it.
        above: those at scopes above. One of all, here or above, may have completed the initiative.
    """
    found: dict[str, Result] = {}
    if len(own) > 1:
        found |= _repeats(in_order(own))
    completed = _completes(in_order([*own, *above]), {one.key for one in own})
    if completed is not None:
        key, result = completed
        found[key] = better(found.get(key), result)
    return found


def better(one: Result | None, other: Result) -> Result:
    """Return which of two results to report: what is sure goes before what is not, and the first before the second."""
    if one is None or (isinstance(one, Unread) and isinstance(other, Overlap)):
        return other
    return one


def best(own: Result | None, below: Iterable[tuple[str, Result]]) -> Result:
    """Return which result to report of an exemption at a management group.

    `own`: the one at its scope; `below`: those at scopes (lower case) in subscriptions below, at least one.
    """
    return better(own, min(below, key=first_below)[1])


def first_below(item: tuple[str, Result]) -> tuple[bool, str]:
    """Return the place of a result at a scope in a subscription below, in the order in which one is picked."""
    return isinstance(item[1], Unread), item[0]


def in_order(siblings: Iterable[Sibling]) -> list[Sibling]:
    """Return exemptions in the order of their writing; by id where a time is one and the same, or any is not known."""
    every = list(siblings)
    if any(one.written is None for one in every):
        return sorted(every, key=lambda one: one.key)
    return sorted(every, key=lambda one: (one.written or _NEVER, one.key))


def _repeats(ordered: Sequence[Sibling]) -> dict[str, Result]:
    """Return those that say what one before them says."""
    found: dict[str, Result] = {}
    same: dict[object, list[Sibling]] = {}
    doubtful: list[Sibling] = []
    for number, one in enumerate(ordered):
        if one.most is not None and not one.most:  # it switches off nothing
            continue
        name = one.exact or one.text
        before = same.setdefault(name, []) if name else []
        if before:
            found[one.key] = _overlap(before, one.most or one.named)
        else:
            against = doubtful if one.exact else ordered[:number]
            other = next((other for other in against if _may_be_same(one, other)), None)
            if other is not None:
                found[one.key] = Unread(_why(one) or _why(other))
        before.append(one)
        if not one.exact:
            doubtful.append(one)
    return found


def _may_be_same(one: Sibling, other: Sibling) -> bool:
    """Whether two that do not surely switch off the same may do so."""
    if one.most is None or other.most is None:
        return True
    return not one.most.isdisjoint(other.most)


def _why(one: Sibling) -> str:
    if one.reason:
        return one.reason
    return f"the initiative is not known: {one.members.reason}" if isinstance(one.members, Unread) else ""


def _completes(ordered: Sequence[Sibling], own: Collection[str]) -> tuple[str, Result] | None:
    """Return the one whose writing had the whole initiative covered, and with which others; None where none has.

    One of them must be at the scope itself: what is above covers the scope above, and is reported there.
    """
    members = ordered[0].members if ordered else frozenset[str]()
    if isinstance(members, Unread):
        return _may_complete([one for one in ordered if one.adds], members, own)
    if len(members) < 2:
        return None
    several = [one for one in ordered if one.sure != members]
    union: set[str] = set()
    before: list[Sibling] = []
    for one in several:
        if not one.sure <= union:
            union |= one.sure
            if len(union) == len(members):
                here = any(other.key in own for other in (one, *before))
                return (one.key, _overlap(before, members, whole=True)) if here else None
            before.append(one)
    return _may_complete([one for one in several if one.maybe], members, own)


def _may_complete(
    several: Sequence[Sibling], members: frozenset[str] | Unread, own: Collection[str]
) -> tuple[str, Result] | None:
    """Return the first that may have completed it, where what some switch off is in doubt, and why."""
    if len({one.text or one.key for one in several}) < 2 or not any(one.key in own for one in several):
        return None
    if isinstance(members, Unread):
        last = several[-1]
        return last.key, Unread(_why(last))
    union: set[str] = set()
    for number, one in enumerate(several):
        union |= one.maybe
        if number and len(union) == len(members):
            return one.key, Unread(next(why for other in several if (why := _why(other))))
    return None


def _overlap(before: Sequence[Sibling], controls: Collection[str], *, whole: bool = False) -> Overlap:
    others = tuple(Earlier(one.id, one.written) for one in before[:SHOWN])
    return Overlap(others, len(before), tuple(sorted(controls)[:CONTROLS]), len(controls), whole)


def _is_wide(group: Iterable[Condition]) -> bool:
    """Whether a selector may take in every resource."""
    return all(condition.kind == REFERENCE or condition.doubt for condition in group)


def _narrowing(group: Iterable[Condition]) -> _Narrowing:
    return frozenset(_said(condition) for condition in group if condition.kind != REFERENCE)


def _said(condition: Condition) -> tuple[str, frozenset[str] | None, frozenset[str] | None, str]:
    within = None if condition.within is None else frozenset(condition.within)
    without = None if condition.without is None else frozenset(condition.without)
    return condition.kind, within, without, condition.doubt
