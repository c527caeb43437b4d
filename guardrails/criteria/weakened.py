"""Which criteria an exemption or a bypass weakens: by the groups of the assigned initiative, and by a table. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping
from functools import cache, cached_property
from typing import Final, NamedTuple

from guardrails.criteria.model import MOST, BySource, Criterion, Source, SourceKind, Weakened
from guardrails.criteria.table import Table, guid_of, own_table
from guardrails.dataclass import dataclass
from guardrails.exemption.facts import Assignment, Gone, Grouping, Unread
from guardrails.exemption.model import Exemption
from guardrails.rules.selection import selection_of

_KEPT: Final = 4_096
"""Results that are kept; most exemptions of a tenant exempt from few assignments, and in few ways."""

_INITIATIVES: Final = "/providers/microsoft.authorization/policysetdefinitions/"
_NO_GROUPS: Final = Grouping({})
_NO_TITLES: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class _Kept:
    """A result, and what it was made of: two answers about one version of an initiative may differ."""

    members: object
    grouping: object
    weakened: Weakened


class _Member(NamedTuple):
    """A policy of what is assigned. `guid`: "" unless the table has it as technical."""

    manual: bool
    groups: tuple[str, ...]
    guid: str


@dataclass(frozen=True, slots=True)
class _Assigned:
    """What is known of an assigned initiative, or of a single policy, looked up once.

    Attributes:
        members, grouping: what it was made of.
        policies: each policy, by reference id.
        totals: how many policies that are not known to be manual are in each group.
        why: why its groups are not known; "" where they are.
    """

    members: object
    grouping: object
    policies: Mapping[str, _Member]
    totals: Mapping[str, int]
    titles: Mapping[str, str]
    source: Source
    why: str


class Criteria:
    """Says which criteria are weakened, and keeps what it said.

    Args:
        table: used besides the groups of the assigned initiative, unless that is the one that the table was made of;
            None for the one that is shipped, which is read when it is first needed.
    """

    def __init__(self, table: Table | None = None) -> None:
        self._table = table
        self._kept: dict[Hashable, _Kept] = {}
        self._assigned: dict[str, _Assigned] = {}

    @property
    def table(self) -> Table:
        """The table."""
        return self._table or own_table()

    @cached_property
    def _criteria_totals(self) -> Mapping[str, int]:
        return self.table.totals

    def by_exemption(self, exemption: Exemption, assignment: Assignment | Gone | Unread) -> Weakened:
        """Return what an exemption weakens: what it may switch off for some resource."""
        if not isinstance(assignment, Assignment):
            return _unknown(assignment)
        selection = selection_of(exemption)
        if not assignment.is_initiative:
            return self.by_policies(assignment, None, certain=not selection.more)
        if not selection.groups:  # nearly all: nothing else of it matters
            key = (assignment.definition_id, assignment.version, exemption.reference_ids, selection.more)
            return self._keep(key, assignment, lambda members: selection.exempts(exemption, members))
        return self._made(assignment, *selection.exempts(exemption, _members(assignment)))

    def by_policies(
        self, assignment: Assignment | Gone | Unread, references: Collection[str] | None, *, certain: bool
    ) -> Weakened:
        """Return what is weakened where policies of an assignment do not apply.

        Args:
            assignment: what is assigned.
            references: the reference ids, lower case; None for all policies.
            certain: whether they surely do not apply.
        """
        if not isinstance(assignment, Assignment):
            return _unknown(assignment)
        named = None if references is None or not assignment.is_initiative else frozenset(references)

        def removed(members: Mapping[str, str]) -> tuple[set[str], set[str]]:
            most = set(members) if named is None else set(named & members.keys())
            return (most if certain else set()), most

        return self._keep((assignment.definition_id, assignment.version, named, certain), assignment, removed)

    def _keep(
        self, key: Hashable, assignment: Assignment, removed: Callable[[Mapping[str, str]], tuple[set[str], set[str]]]
    ) -> Weakened:
        kept = self._kept.get(key)
        if kept is None or kept.members is not assignment.members or kept.grouping is not assignment.grouping:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            weakened = self._made(assignment, *removed(_members(assignment)))
            kept = self._kept[key] = _Kept(assignment.members, assignment.grouping, weakened)
        return kept.weakened

    def _made(self, assignment: Assignment, least: set[str], most: set[str]) -> Weakened:
        """Return what is weakened where some policies surely, and others may be, removed; by their reference ids."""
        if assignment.is_initiative and isinstance(assignment.members, Unread):
            return Weakened(f"the initiative is not known: {assignment.members.reason}")
        about = self._about(assignment)
        own, tabled = dict[str, int](), dict[str, int]()
        guids = set[str]()
        technical = grouped = unmapped = 0
        for name in most:
            manual, groups, guid = about.policies[name]
            if manual:
                continue
            technical += 1
            grouped += bool(groups)
            unmapped += not (groups or guid)
            for group in groups:
                own[group] = own.get(group, 0) + 1
            if guid and guid not in guids:  # an initiative may hold a definition twice
                guids.add(guid)
                for criterion in self.table.technical[guid]:
                    tabled[criterion] = tabled.get(criterion, 0) + 1
        sources = [_by(about.source, grouped, own, about.totals, about.titles)] if own else []
        if tabled:
            sources.append(_by(self.table.source, len(guids), tabled, self._criteria_totals, _NO_TITLES))
        why = about.why or (_unmapped(unmapped, technical) if unmapped else "")
        return Weakened(why, technical, len(most) - technical, unmapped, least == most, tuple(sources))

    def _about(self, assignment: Assignment) -> _Assigned:
        key = f"{assignment.definition_id}@{assignment.version}"
        kept = self._assigned.get(key)
        if kept is None or kept.members is not assignment.members or kept.grouping is not assignment.grouping:
            if len(self._assigned) >= _KEPT:
                self._assigned.clear()
            kept = self._assigned[key] = self._look_up(assignment)
        return kept

    def _look_up(self, assignment: Assignment) -> _Assigned:
        table, definition = self.table, assignment.definition_id.lower()
        grouping, why = _grouping(assignment)
        own = bool(grouping.groups) and definition == _INITIATIVES + table.source.id
        policies = {}
        for name, one in _members(assignment).items():
            guid = guid_of(one)
            tabled = guid if guid in table.technical and not own else ""
            policies[name] = _Member(guid in table.manual, grouping.groups.get(name, ()), tabled)
        totals = Counter(group for one in policies.values() if not one.manual for group in one.groups)
        source = Source(SourceKind.INITIATIVE, definition, assignment.initiative, assignment.version)
        return _Assigned(assignment.members, assignment.grouping, policies, totals, grouping.titles, source, why)


@cache
def own_criteria() -> Criteria:
    """Return the criteria by the table that is shipped."""
    return Criteria()


def _unknown(assignment: Gone | Unread) -> Weakened:
    if isinstance(assignment, Gone):
        return Weakened("the assignment does not exist")
    return Weakened(f"the assignment is not known: {assignment.reason}")


def _members(assignment: Assignment) -> Mapping[str, str]:
    """Return the policies by reference id; of a single policy by none; {} where they are not known."""
    if not assignment.is_initiative:
        return {"": assignment.definition_id.lower()}
    return {} if isinstance(assignment.members, Unread) else assignment.members


def _grouping(assignment: Assignment) -> tuple[Grouping, str]:
    """Return the groups of what is assigned, and why they are not known; "" where they are."""
    if not assignment.is_initiative:
        return _NO_GROUPS, ""
    if isinstance(assignment.grouping, Unread):
        return _NO_GROUPS, f"the groups of the initiative are not known: {assignment.grouping.reason}"
    return assignment.grouping, ""


def _unmapped(unmapped: int, technical: int) -> str:
    if technical == 1:
        return "no source has criteria for its policy"
    return f"no source has criteria for {unmapped:,} of its {technical:,} policies"


def _by(
    source: Source, policies: int, counts: Mapping[str, int], totals: Mapping[str, int], titles: Mapping[str, str]
) -> BySource:
    ordered = sorted(counts, key=lambda name: (-counts[name], name)) if len(counts) > 1 else [*counts]
    criteria = tuple([Criterion(name, counts[name], totals[name], titles.get(name, "")) for name in ordered[:MOST]])
    return BySource(source, policies, criteria, max(len(ordered) - MOST, 0))
