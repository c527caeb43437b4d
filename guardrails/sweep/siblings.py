"""Siblings: what a sweep finds of exemptions by looking at all of them, and at the tree: guardrails.exemption.together.

Resource Graph shows which exemptions may overlap, by their ids and reference ids alone. What they really switch off,
and since when, is read from Azure and from the register; but only where something among them is not as it was when that
was last done. A name for what was looked at is in the register's token (guardrails.exemption.together), so that a
sweep of an unchanged tenant reads nothing for this.
"""

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from sys import intern
from types import MappingProxyType
from typing import Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions import overlap
from guardrails.decisions.facts import facts_of
from guardrails.decisions.next_row import row_of_same
from guardrails.decisions.overlap import written_at as written_by_body
from guardrails.decisions.watch import Watch
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.applies import MARK, at_groups_above, is_uniform, outside
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.facts import Assignment, Outside, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.together import BASE, NAME, name_of, names_in, to_json, with_names
from guardrails.ports import Surroundings
from guardrails.reconcile.inventory import NO_ASSIGNMENT, SAID, Rows
from guardrails.reconcile.visit import World
from guardrails.rules.selection import Selection
from guardrails.ruleset.model import Ruleset
from guardrails.sweep.shown import NOTHING, Shown, Site, Unit, by_assignment, digest

_AT_ONCE: Final = 16
_KEEP: Final[Mapping[str, Any]] = MappingProxyType({"name": ""})
"""For what is unknown to this sweep: what the register has stays."""


@dataclass(slots=True)
class _Read:
    """What was read of exemptions, by Shown.key: None where Azure says that there is no such sibling any more."""

    siblings: dict[bytes, overlap.Sibling | None] = field(default_factory=dict)
    bodies: dict[bytes, Exemption] = field(default_factory=dict)
    written: dict[bytes, datetime | None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Siblings:
    """The use case, for one sweep.

    Args:
        world, ruleset: as the sweep has them.
        around: what exemptions are judged by.
        rows: what the inventory has shown so far.
        known: the register's rows, by ExemptionId.hash: container and watch.
        visible: the containers that can be seen.

    Attributes:
        hole: whether a part of the inventory was lost.
    """

    world: World
    ruleset: Ruleset
    around: Surroundings
    rows: Rows
    known: Mapping[bytes, tuple[str, Watch]]
    visible: set[str]
    hole: bool = False
    _above: "Siblings | None" = None
    _compares: bool = False
    _places: bool = False
    _members: dict[str, tuple[overlap.Members, bytes]] = field(default_factory=dict)
    _over: dict[str, list[Shown]] = field(default_factory=dict)
    _shared: dict[Any, Any] = field(default_factory=dict)
    _uniform: set[tuple[str, str]] = field(default_factory=set)
    _groups: _Read = field(default_factory=_Read)
    _from_below: dict[bytes, list[tuple[str, overlap.Result]]] = field(default_factory=dict)
    _undecided: set[bytes] = field(default_factory=set)
    _lists: dict[str, Sequence[Mapping[str, Any]] | Unread] = field(default_factory=dict)

    def part(self, rows: Rows, known: Mapping[bytes, tuple[str, Watch]], visible: set[str]) -> "Siblings":
        """Return the same for some subscriptions, where this is for what is at management groups above them."""
        one = Siblings(self.world, self.ruleset, self.around, rows, known, visible, _above=self)
        one._over, one._groups, one._members = self._over, self._groups, self._members
        return one

    def of_groups(self) -> tuple[dict[bytes, tuple[str, overlap.Result]], set[bytes]]:
        """Return what a part found of exemptions at management groups: of each the result that counts, and where.

        And the exemptions of which that could not be read.
        """
        below = {key: min(some, key=overlap.first_below) for key, some in self._from_below.items()}
        return below, {one.key for some in self._over.values() for one in some if one.key in self._undecided}

    def take_over(
        self, below: Mapping[bytes, tuple[str, overlap.Result]], undecided: Collection[bytes], *, hole: bool
    ) -> None:
        """Take over what a part found of exemptions at management groups."""
        self.hole = self.hole or hole
        self._undecided |= set(undecided)
        for key, one in below.items():
            self._from_below.setdefault(key, []).append(one)

    def __post_init__(self) -> None:
        self._compares = self.ruleset.judges("duplicate")
        self._places = self.ruleset.judges("assignment-not-applicable")

    def shown(
        self,
        identity: ExemptionId,
        listed: str,
        *,
        written: object,
        named: Sequence[str],
        ended: bool,
        assigned: str,
        assignment: Assignment | None,
        sure: bool,
    ) -> Shown:
        """Return what is kept of an exemption.

        `listed`: its token; `named`: its reference ids; `ended`: whether it has; `assigned`: its assignment's id, lower
        case; `written`, `sure`: as in Shown.
        """
        shared = self._shared
        container, cut, compared = intern(identity.container), len(identity.scope), ""
        lower: tuple[str, ...] = ()
        if self._compares and not ended:
            compared = shared.setdefault(assigned, assigned)
            if named and (assignment is None or assignment.members):  # a single policy has no members
                ids = tuple(named)
                lower = shared.get(ids) or shared.setdefault(ids, tuple(sorted(map(str.lower, ids))))
        place: Mapping[str, Any] = NOTHING
        if self._places and (container, assigned) not in self._uniform:
            above = self.around.above
            found = outside(identity.key[:cut], container, assignment, above) if assignment else NO_ASSIGNMENT
            if found is not None:
                place = self._findings_of_place(found)
            elif assignment and is_uniform(assignment):
                self._uniform.add((container, assigned))
        shown = Shown(identity.hash, identity.text, container, written, listed, sure, cut, compared, lower, place)
        if compared and container.startswith(MARK):
            self._over.setdefault(compared, []).append(shown)
        return shown

    def _findings_of_place(self, found: Outside | Unread) -> Mapping[str, Any]:
        if isinstance(found, Unread) and self.around.missing:  # it may pass: what the register has stays
            return _KEEP
        place: Mapping[str, Any] = self._shared.get(found) or self._shared.setdefault(found, to_json(found))
        return place

    def settled(self, shown: Sequence[Shown]) -> bool:
        """Complete the tokens of the exemptions of one subscription. Return whether nothing had to be read for it."""
        names = self._expected(self._units(shown)) if self._compares else {}
        known, tails = self.known, []
        for one in shown:
            row = known.get(one.key)
            listed, name = row[1].listed if row else "", names.get(one.key, "") if names else ""
            if name or len(listed) > BASE:
                if self._compares and name != names_in(listed)[0]:
                    return False
            elif one.sure and not one.outside:  # most are so
                continue
            tails.append((one, listed, name))
        for one, listed, name in tails:
            self._complete(one, listed, name)
        return True

    async def settle(self, shown: Sequence[Shown]) -> None:
        """Do the same where something has to be read."""
        overlaps = await self._decided(list(self._units(shown)), shown)
        for one in shown:
            await self._settle_one(one, overlaps)

    async def finish(self, shown: Sequence[Shown]) -> None:
        """Do the same for all exemptions at management groups, once all others are settled."""
        overlaps: dict[bytes, tuple[str, overlap.Result | None]] = {}
        if self._compares:
            overlaps = await self._decided(list(self._units_of_groups(shown)), shown)
        for key, some in self._from_below.items():
            name, own = overlaps.get(key, ("", None))
            whole = overlap.best(own, some)
            overlaps[key] = name_of([name, to_json(whole)]), whole
        for one in shown:
            await self._settle_one(one, overlaps)

    async def _settle_one(self, one: Shown, overlaps: Mapping[bytes, tuple[str, overlap.Result | None]]) -> None:
        """Complete a token, and keep what its exemption overlaps with. `overlaps`: Shown.key -> its name, and what."""
        listed = self._listed(one)
        before = names_in(listed)[0]
        name, found = overlaps.get(one.key, ("", None))
        keeps = one.key in self._undecided or (
            self._compares and before not in ("", name) and await self._rests_on_unseen(one)
        )
        if keeps:
            name = before
        self._complete(one, listed, name, {} if name in ("", before) else to_json(found, name))

    def _complete(self, one: Shown, listed: str, name: str, overlap: Mapping[str, Any] = NOTHING) -> None:
        """Complete a token. `listed`: the register's; `name`: of what was found; `overlap`: that, where it is new."""
        base = one.listed if one.sure or not listed else one.listed[:SAID] + listed[SAID:BASE]
        if not one.outside:
            one.listed = with_names(base, name, "")
        elif one.outside is _KEEP:
            one.listed = with_names(base, name, names_in(listed)[1])
        else:
            one.listed = with_names(base, name, str(one.outside.get("name", "")))
            one.together = {"outside": one.outside}
        if overlap:
            one.together = {**one.together, "overlap": overlap}

    def _listed(self, one: Shown) -> str:
        known = self.known.get(one.key)
        return known[1].listed if known else ""

    # What may overlap

    def _units(self, shown: Sequence[Shown]) -> Iterator[Unit]:
        """Yield where exemptions of one subscription may overlap."""
        for assigned, at in by_assignment(shown).items():
            over, doubt = self._groups_above(assigned, shown[0].container) if self._over else ([], "")
            unit = Unit(assigned, at, over, doubt)
            self._find(unit, overlap.sites(at))
            if unit.sites:
                yield unit

    def _units_of_groups(self, shown: Sequence[Shown]) -> Iterator[Unit]:
        """Yield where exemptions at management groups may overlap."""
        for assigned, at in by_assignment(shown).items():
            for scope, own in sorted(at.items()):
                over, doubt = self._groups_above(assigned, own[0].container)
                above = dict.fromkeys(one.scope + "/" for one in over if one.container != own[0].container)
                unit = Unit(assigned, at, [], doubt)
                self._find(unit, [(scope, tuple(above))])
                if unit.sites:
                    yield unit

    def _find(self, unit: Unit, places: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """Find the sites of a unit, among scopes and those above each."""
        members, said = self._members_of(unit.assigned)
        doubt = unit.doubt.encode("utf-8", "replace")
        digests: dict[str, bytes] = {"": digest(unit.over)}
        together: dict[tuple[str, ...], frozenset[str] | None] = {}
        at, last = unit.at, tuple[str, ...]()
        union = together[last] = overlap.named_by(one.named for one in unit.over)
        for scope, above in places:
            if above is not last:
                last = above
                if above not in together:
                    together[above] = overlap.named_by(
                        one.named for one in (*unit.higher((scope, above, "")), *unit.over)
                    )
                union = together[above]
            own = at[scope]
            if overlap.may_overlap([one.named for one in own] if len(own) > 1 else (own[0].named,), union, members):
                for one in (scope, *above):
                    if one not in digests:
                        digests[one] = digest(at[one])
                whole = (scope.encode("utf-8", "replace"), said, doubt, *(digests[one] for one in ("", scope, *above)))
                site = scope, above, hashlib.sha256(b"\n".join(whole)).hexdigest()[:NAME]
                unit.sites.append(site)
                unit.name(site, site[2])

    def _groups_above(self, assigned: str, container: str) -> tuple[list[Shown], str]:
        """Return the exemptions at management groups above a container; all of them where the chain is not known."""
        return at_groups_above(self._over.get(assigned, []), container, self.around.above, lambda one: one.container)

    def _members_of(self, assigned: str) -> tuple[overlap.Members, bytes]:
        """Return what an assignment assigns, and a digest of that."""
        found = self._members.get(assigned)
        if found is None:
            members = overlap.members_of(self.around.assignments.get(assigned) or NO_ASSIGNMENT)
            said = members.reason if isinstance(members, Unread) else "\n".join(sorted(members))
            found = self._members[assigned] = members, hashlib.sha256(f"{assigned}\n{said}".encode()).digest()
        return found

    def _expected(self, units: Iterable[Unit]) -> dict[bytes, str]:
        """Return the name that each exemption has in its token, where nothing is new and nothing in doubt."""
        names: dict[bytes, str] = {}
        for unit in units:
            for one, name in unit.named():
                names[one.key] = name if one.key not in names else name_of([names[one.key], name])
        return names

    # What they say

    async def _decided(
        self, units: list[Unit], shown: Sequence[Shown]
    ) -> dict[bytes, tuple[str, overlap.Result | None]]:
        """Return how exemptions overlap that may, by Shown.key, and the name of that in their tokens.

        Only assignments of which something changed are looked at; of the others the names alone are returned.
        """
        expected = self._expected(units)
        changed = {one.assigned for one in shown if one.assigned and self._is_changed(one, expected)}
        asked = [(unit, site) for unit in units if unit.assigned in changed for site in unit.sites]
        there = {one.key: one for unit, site in asked for one in (*unit.own(site), *unit.higher(site))}
        over = {one.key: one for unit, _ in asked for one in unit.over}
        read = self._groups if shown and shown[0].container.startswith(MARK) else _Read()
        found: dict[bytes, overlap.Result] = {}
        try:
            await self._read(there.values(), read)
            await self._read(over.values(), self._groups)
            for unit, site in asked:
                overlaps = await self._look(unit, site, read)
                if again := self._take(unit, site, overlaps, found):
                    unit.name(site, name_of([site[2], sorted(again)]))
        except Retryable:
            self._undecided.update(there, over)
        return {key: (name, found.get(key)) for key, name in self._expected(units).items()}

    def _is_changed(self, one: Shown, expected: Mapping[bytes, str]) -> bool:
        return expected.get(one.key, "") != names_in(self._listed(one))[0] or one.key in self._from_below

    def _take(
        self, unit: Unit, site: Site, overlaps: Mapping[bytes, overlap.Result], found: dict[bytes, overlap.Result]
    ) -> list[str]:
        """Take the overlaps at a site; return why the next sweep is to look again, for that gives it another name."""
        again: list[str] = []
        over = {one.key for one in unit.over}
        for key, one in overlaps.items():
            if isinstance(one, Unread) and self.around.missing:  # it may pass: what the register has stays
                self._undecided.add(key)
            elif key in over:
                self._from_below.setdefault(key, []).append((site[0], one))
                again.append("above")
            else:
                found[key] = overlap.better(found.get(key), one)
            if isinstance(one, Unread):
                again.append(one.reason)
        return again

    async def _look(self, unit: Unit, site: Site, read: _Read) -> dict[bytes, overlap.Result]:
        """Return the overlaps of exemptions at a site, by Shown.key, once they were read. Raises Retryable."""
        own, above = self._siblings(unit.own(site), read), self._siblings(unit.higher(site), read)
        over, doubt = self._siblings(unit.over, self._groups), unit.doubt
        if doubt and over:
            over = {key: replace(one, doubt=doubt) for key, one in over.items()}
        elif doubt:
            above = {key: replace(one, doubt=doubt) for key, one in above.items()}
        every = own | above | over
        if not overlap.compare(list(own.values()), [*above.values(), *over.values()]):
            return {}
        await self._date(every, read)
        dated = {
            key: replace(one, written=(read if key in read.written else self._groups).written[key])
            for key, one in every.items()
        }
        overlaps = overlap.compare([dated[key] for key in own], [dated[key] for key in (*above, *over)])
        keys = {one.key: key for key, one in dated.items()}
        return {keys[one]: found for one, found in overlaps.items()}

    def _siblings(self, some: Iterable[Shown], read: _Read) -> dict[bytes, overlap.Sibling]:
        return {one.key: sibling for one in some if (sibling := read.siblings.get(one.key)) is not None}

    async def _read(self, some: Collection[Shown], read: _Read) -> None:
        """Read what exemptions say now. Raises Retryable."""
        for container in dict.fromkeys(one.container for one in some if one.key not in read.siblings):
            if container.startswith(MARK):  # all that is there at once: it may be above many subscriptions
                there = [one for shown in self._over.values() for one in shown if one.container == container]
            else:
                there = [one for one in some if one.container == container]
            bodies = await self.listed(container)
            if isinstance(bodies, Unread):
                doubt = f"Azure does not list the exemptions there: {bodies.reason}"
                read.siblings |= {one.key: self._unread(one, doubt) for one in there}
                continue
            wanted = {one.id.lower(): one for one in there}
            read.siblings |= {one.key: None for one in there}
            for body in bodies:
                shown = wanted.get(str(body.get("id")).lower())
                exemption = self._running(body) if shown else None
                if shown and exemption and "/" + exemption.assignment_id.strip("/ ").lower() == shown.assigned:
                    members, _ = self._members_of(shown.assigned)
                    read.bodies[shown.key] = exemption
                    read.siblings[shown.key] = overlap.sibling_of(
                        exemption, members, written_by_body(exemption), single=self._is_single(shown.assigned)
                    )

    async def listed(self, container: str) -> Sequence[Mapping[str, Any]] | Unread:
        """Return what Azure lists in a container. A subscription is read once until `forget`. Raises Retryable."""
        found = self._lists.get(container)
        if found is None:
            found = await self.world.arm.list(container)
            if not container.startswith(MARK):
                self._lists[container] = found
        return found

    def forget(self, container: str) -> None:
        """Let go of what Azure lists in a container."""
        self._lists.pop(container, None)

    def _unread(self, one: Shown, doubt: str) -> overlap.Sibling:
        """Return an exemption of which nobody knows the selectors."""
        named = frozenset[str]() if self._is_single(one.assigned) else frozenset(one.named)
        members, _ = self._members_of(one.assigned)
        return overlap.Sibling(
            one.id, one.scope, one.modified_at, named, Selection(doubt=doubt, more=True), members, doubt
        )

    def _is_single(self, assigned: str) -> bool:
        assignment = self.around.assignments.get(assigned)
        return assignment is not None and not assignment.is_initiative

    def _running(self, body: Mapping[str, Any]) -> Exemption | None:
        """Return an exemption that has not ended; None for any other, and for what cannot be read."""
        try:
            exemption = Exemption.from_arm(body, self.ruleset.names, self.world.arm.source)
        except Permanent:
            return None
        return None if is_expired(exemption.expires_on, self.world.clock.now()) else exemption

    async def _date(self, every: Mapping[bytes, overlap.Sibling], read: _Read) -> None:
        """Find out when exemptions were last written by others than us: by the register, else by what they say."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(key: bytes, sibling: overlap.Sibling) -> None:
            store = read if key in read.siblings else self._groups
            if key in store.written:
                return
            exemption = store.bodies.get(key)
            if exemption is None or not (key in self.known or (self._above and key in self._above.known)):
                store.written[key] = sibling.written
                return
            async with gate:
                store.written[key] = await self._written(exemption)

        await asyncio.gather(*(ask(key, sibling) for key, sibling in every.items()))

    async def _written(self, exemption: Exemption) -> datetime | None:
        try:
            stored = await self.world.register.read(exemption.id)
        except Permanent:  # changed from outside: it is not believed
            stored = None
        if stored is None:
            return written_by_body(exemption)
        content, now = fingerprint(exemption.body), self.world.clock.now()
        row = row_of_same(stored.row, exemption, content)
        return facts_of(exemption, row, self.ruleset, now, NO_ASSIGNMENT, content=content).written_at

    # What is not to be withdrawn

    async def _rests_on_unseen(self, one: Shown) -> bool:
        """Whether what the register has of an exemption rests on another one that this sweep could not see."""
        try:
            stored = await self.world.register.read(ExemptionId.parse(one.id))
        except Permanent:
            return False
        known = stored.row.together.get("overlap", {}) if stored else {}
        before = known.get("before", ()) if isinstance(known, Mapping) else ()
        return any(self._is_unseen(str(other[0])) for other in before if isinstance(other, list) and other)

    def _is_unseen(self, other: str) -> bool:
        try:
            identity = ExemptionId.parse(other)
        except Permanent:
            return False
        if identity.hash in self.rows.seen or (self._above and identity.hash in self._above.rows.seen):
            return False
        return self.hole or identity.container not in self.visible
