"""Which criteria an exemption or a bypass weakens: by the groups of the assigned initiative, and by a table. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from guardrails.criteria.model import MOST, BySource, Criterion, Source, SourceKind, Weakened
from guardrails.criteria.table import Table, guid_of, own_table
from guardrails.exemption.facts import Assignment, Gone, Grouping, Unread
from guardrails.exemption.model import Exemption
from guardrails.rules.selection import selection_of

_KEPT: Final = 4_096
"""Results that are kept; most exemptions of a tenant exempt from few assignments, and in few ways."""

_INITIATIVES: Final = "/providers/microsoft.authorization/policysetdefinitions/"
_NO_GROUPS: Final = Grouping({})


@dataclass(frozen=True, slots=True)
class _Kept:
    """A result, and what it was made of: two answers about one version of an initiative may differ."""

    members: object
    grouping: object
    weakened: Weakened


@dataclass(frozen=True, slots=True)
class _Totals:
    """How many policies that are not known to be manual are in each group of an initiative."""

    members: object
    grouping: object
    counts: Mapping[str, int]


class Criteria:
    """Says which criteria are weakened, and keeps what it said.

    Args:
        table: used besides the groups of the assigned initiative, unless that is the one that the table was made of.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._criteria_totals = table.totals
        self._kept: dict[Hashable, _Kept] = {}
        self._totals: dict[str, _Totals] = {}

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
        members = _members(assignment)
        technical = {name for name in most if guid_of(members[name]) not in self.table.manual}
        grouping, why = _grouping(assignment)
        sources = [self._by_groups(assignment, grouping, technical)]
        grouped = technical & grouping.groups.keys()
        tabled = set[str]()
        if not (grouping.groups and assignment.definition_id.lower() == _INITIATIVES + self.table.source.id):
            tabled = {name for name in technical if guid_of(members[name]) in self.table.technical}
            sources.append(self._by_table({guid_of(members[name]) for name in tabled}))
        unmapped = len(technical - grouped - tabled)
        if unmapped and not why:
            why = f"no mapping is known of {unmapped:,} of its {len(technical):,} policies"
            why = why if len(technical) > 1 else "no mapping of its policy is known"
        return Weakened(
            why, len(technical), len(most) - len(technical), unmapped, least == most, tuple(by for by in sources if by)
        )

    def _by_groups(self, assignment: Assignment, grouping: Grouping, technical: Collection[str]) -> BySource | None:
        counts = Counter(group for name in technical for group in grouping.groups.get(name, ()))
        if not counts:
            return None
        definition = assignment.definition_id.lower()
        source = Source(SourceKind.INITIATIVE, definition, assignment.initiative, assignment.version)
        policies = sum(name in grouping.groups for name in technical)
        return _by(source, policies, counts, self._totals_of(assignment, grouping), grouping.titles)

    def _by_table(self, guids: Collection[str]) -> BySource | None:
        counts = Counter(criterion for guid in guids for criterion in self.table.technical[guid])
        return _by(self.table.source, len(guids), counts, self._criteria_totals, {}) if counts else None

    def _totals_of(self, assignment: Assignment, grouping: Grouping) -> Mapping[str, int]:
        """Return how many policies of an initiative are in each of its groups, but for those known to be manual."""
        members, key = _members(assignment), f"{assignment.definition_id}@{assignment.version}"
        kept = self._totals.get(key)
        if kept is None or kept.members is not members or kept.grouping is not grouping:
            if len(self._totals) >= _KEPT:
                self._totals.clear()
            technical = (name for name, definition in members.items() if guid_of(definition) not in self.table.manual)
            counts = Counter(group for name in technical for group in grouping.groups.get(name, ()))
            kept = self._totals[key] = _Totals(members, grouping, counts)
        return kept.counts


@cache
def own_criteria() -> Criteria:
    """Return the criteria by the table that is shipped."""
    return Criteria(own_table())


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


def _by(
    source: Source, policies: int, counts: Mapping[str, int], totals: Mapping[str, int], titles: Mapping[str, str]
) -> BySource:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    criteria = tuple(Criterion(name, count, totals[name], titles.get(name, "")) for name, count in ordered[:MOST])
    return BySource(source, policies, criteria, max(len(ordered) - MOST, 0))
