"""Selection: which policies of an initiative an exemption exempts, and for which resources. Not a rule.

Resource selectors, as Microsoft Learn describes them: conditions in one selector must all hold, and a resource matches
when any one selector does. https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
The specification leaves their kinds open: what an undocumented one picks, people or policies, is unknown.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from guardrails.dataclass import dataclass
from guardrails.exemption.facts import Assignment, Gone, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.sources import PRINCIPALS, SELECTORS, Source
from guardrails.rules.words import clip

REFERENCE = "policydefinitionreferenceid"
PEOPLE = frozenset(kind.lower() for kind in PRINCIPALS)
_KINDS = frozenset({"resourcelocation", "resourcetype", "resourcewithoutlocation", REFERENCE}) | PEOPLE


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a resource selector: its kind in lower case, and the values that it takes in or leaves out.

    `doubt`: why it may pick something else than that, a phrase for people; "" where that is sure.
    """

    kind: str
    within: tuple[str, ...] | None
    without: tuple[str, ...] | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The resource selectors of an exemption, as far as they are known.

    Attributes:
        groups: the conditions of each selector.
        doubt: why other policies, or people, may be picked than these say, a phrase for people; "" where that is sure.
        more: whether there may be other selectors besides, or some that cannot be read.
    """

    groups: tuple[tuple[Condition, ...], ...] = ()
    doubt: str = ""
    more: bool = False

    @property
    def references(self) -> tuple[str, ...]:
        """The reference ids that are named, lower case."""
        if not self.groups:
            return ()
        return tuple(v for group in self.groups for c in group if c.kind == REFERENCE for v in c.within or ())

    @property
    def takes_all(self) -> bool:
        """Whether it surely narrows no policies: there is no selector, or one that says nothing of policies."""
        if not self.groups:
            return not self.more
        return any(all(c.kind != REFERENCE and not c.doubt for c in group) for group in self.groups)

    @property
    def narrows(self) -> bool:
        """Whether each selector surely picks policies of the initiative."""
        return bool(self.groups) and not self.doubt and all(any(c.kind == REFERENCE for c in g) for g in self.groups)

    def exempts(self, exemption: Exemption, members: Mapping[str, str]) -> tuple[set[str], set[str]]:
        """Return the reference ids, of `members` (lower case), that it switches off for some resource.

        Two sets: those that it surely does, and those that it may. They are one and the same without a doubt.
        """
        named = {name.lower() for name in exemption.reference_ids}
        ids = named & members.keys() if named else {*members}
        if not self.groups:
            return (set() if self.more else ids), ids
        least: set[str] = set()
        most = set(ids) if self.more else set[str]()
        for group in self.groups:
            left = left_by(group, ids)
            most |= left
            if not any(condition.doubt for condition in group):
                least |= left
        return least, most


def left_by(group: Iterable[Condition], ids: Iterable[str]) -> set[str]:
    """Return which of these reference ids (lower case) the conditions of one selector on policies leave."""
    left = set(ids)
    for condition in group:
        if condition.kind == REFERENCE:
            if condition.within is not None:
                left.intersection_update(condition.within)
            if condition.without is not None:
                left.difference_update(condition.without)
    return left


_NONE = Selection()
_LEFT_OUT = f"resource selectors of the kinds {' and '.join(PRINCIPALS)}"
_NOTHING = Condition("", None, None)
_UNREADABLE = Condition("", None, None, "cannot be read")


def selection_of(exemption: Exemption) -> Selection:
    """Return an exemption's resource selectors. Raises nothing: what is not known is the result's `doubt`."""
    source = exemption.source
    if SELECTORS in exemption.not_returned:
        return _lacking(source, SELECTORS)
    if not exemption.selectors:
        return _NONE if source.principals else _lacking(source, _LEFT_OUT)
    groups = tuple(map(_read, exemption.selectors))
    doubts = {c.doubt for group in groups for c in group if c.doubt}
    more = not source.principals or _UNREADABLE.doubt in doubts
    if doubts:
        return Selection(groups, f"a resource selector {min(doubts)}", more)
    return Selection(groups, source.lacks(_LEFT_OUT) if more else "", more)


@lru_cache(maxsize=64)  # each rule asks, of each exemption
def _lacking(source: Source, what: str) -> Selection:
    return Selection(doubt=source.lacks(what), more=True)


def policies_of(exemption: Exemption, assignment: Assignment | Gone | Unread) -> frozenset[str]:
    """Return the ids (lower case) of the policy definitions that an exemption may switch off.

    None where the assignment, or what its initiative holds, is not known.
    """
    if not isinstance(assignment, Assignment):
        return frozenset()
    if not assignment.is_initiative:
        return frozenset((assignment.definition_id.lower(),))
    members = assignment.members
    if isinstance(members, Unread):
        return frozenset()
    _, most = selection_of(exemption).exempts(exemption, members)
    return frozenset(members[name] for name in most)


def _read(selector: Mapping[str, object]) -> tuple[Condition, ...]:
    """Return the conditions of a selector; _UNREADABLE in the place of what is none."""
    folded = _folded(selector)
    conditions = folded.get("selectors") or folded.get("selector") or []  # PowerShell has names in the singular
    listed = conditions if isinstance(conditions, list) else [conditions]
    return tuple(one for one in map(_condition, listed) if one != _NOTHING)


def _condition(condition: object) -> Condition:
    if not isinstance(condition, Mapping):
        return _UNREADABLE
    said = {name: value for name, value in _folded(condition).items() if value is not None}
    kind = str(said.pop("kind", "")).lower()
    values = {name: _values(value) for name, value in said.items()}
    doubt = ""
    if kind not in _KINDS:
        doubt = f"is of a kind that is not documented: '{clip(kind)}'" if kind or values else ""
    elif kind == REFERENCE and (not values or None in values.values() or not values.keys() <= {"in", "notin"}):
        doubt = "picks policies in a way that is not documented"
    return Condition(kind, values.get("in"), values.get("notin"), doubt)


def _folded(value: Mapping[str, object]) -> dict[str, object]:
    return {str(key).lower(): item for key, item in value.items()}


def _values(value: object) -> tuple[str, ...] | None:
    """Return the values of `in` or `notIn`, lower case; None where it is absent, or no list of texts."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str | int) for one in values):
        return None
    return tuple(str(one).lower() for one in values)
