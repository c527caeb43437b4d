"""EPAC's plan of exemptions, computed: the entries one by one, in the order of the files. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from guardrails.dataclass import replace
from guardrails.epac.deployed import Deployed, Now, comes_back, differences, is_managed, managed, unreadable
from guardrails.epac.entries import Entry, EpacFile
from guardrails.epac.exemptions import item_of, metadata_of, name_item, nothing_known, partly_known, references_of
from guardrails.epac.instants import SECOND
from guardrails.epac.plan import WRITTEN, Action, EpacPlan, Item, Message, Owner, Said
from guardrails.epac.powershell import like
from guardrails.epac.rows import Cells, Row, Wanted, read_row
from guardrails.epac.targets import Meant, Target, Targets
from guardrails.epac.uncertain import Uncertain
from guardrails.epac.world import FULL, GIVE, ScopeKind, World
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import NOWHERE, Unknown
from guardrails.lazy_regex import lazy_regex

_ZONES: Final = 15 * 3600 * SECOND
"""Ticks by which local time may be off."""
_ROLE: Final = lazy_regex("microsoft.authorization", re.IGNORECASE)
_CHILDREN: Final = frozenset((
    "microsoft.network/virtualnetworks/subnets", "microsoft.automation/automationaccounts/variables",
    "microsoft.apimanagement/service/apis", "microsoft.apimanagement/service/namedvalues",
))  # fmt: skip
"""Types of child resources that EPAC looks for, in lower case."""


class _Made(NamedTuple):
    """An exemption that comes of an entry, before what is deployed is looked at.

    `wanted`: its metadata as EPAC compares them; `missing`: its resource does not exist.
    """

    item: Item
    row: Row
    wanted: Mapping[str, Any]
    missing: bool


class Planner:
    """One run. What an entry leaves to the next ones is here: ids taken, resources asked for, roles seen.

    Args:
        files: those of the environment's folder that EPAC reads, in its order.
        cells: reads the JSON in cells of tables.
    """

    def __init__(self, files: Sequence[EpacFile], world: World, cells: Cells) -> None:
        self._files = files
        self._world = world
        self._cells = cells
        self._made: list[_Made] = []
        self._targets = Targets(world)
        self._plan = EpacPlan(Outcome.DEPLOYS)
        self._taken: set[str] = set()
        self._role_seen = False
        self._above: frozenset[str] = frozenset()
        self._parents: frozenset[str] | None = None
        self._unchanged = self._orphans = self._expired = 0
        self._doubts = [world.doubt] if world.doubt else []
        self._count_doubt = False
        self._end = ""
        self._before = 0
        self._deployed: dict[str, Deployed] | None = None
        self._left: dict[str, Deployed] = {}

    def plan(self) -> EpacPlan:
        """Plan all files, then what is left of the deployed."""
        self._look_at_deployed()
        if not self._files:
            self._plan.warnings.append(Message(Said.NO_FILES, NOWHERE))
        for file in self._files:
            if self._end:
                break
            self._file(file)
        self._finish()
        return self._plan

    def settled(self) -> list[Item]:
        """Return exemptions that are sent and that the next run surely finds unchanged. There may be more."""
        ours: dict[Any, bool] = {}
        found = []
        for one in self._made:
            if _comes_back(one):
                assignment = one.item.assignment_id
                if assignment not in ours:
                    ours[assignment] = isinstance(assignment, str) and _is_compared(assignment, self._world)
                if ours[assignment]:
                    found.append(one.item)
        return found

    def again(self, world: World, settled: Sequence[Item] = ()) -> EpacPlan:
        """Return what a run plans after this one, in a world that differs in what is deployed alone.

        Call it for a plan that is deployed: then all else that a run looks at is as it was, and comes out as it did.

        `settled`: those that are unchanged, and in neither the world nor the result, except in its counts.
        """
        next_ = Planner(self._files, world, self._cells)
        next_._orphans, next_._expired, next_._count_doubt = self._orphans, self._expired, self._count_doubt
        next_._unchanged = len(settled)
        left_out = {id(one) for one in settled}
        next_._repeat([one for one in self._made if id(one.item) not in left_out])
        return next_._plan

    def _repeat(self, made: Sequence[_Made]) -> None:
        self._look_at_deployed()
        for one in made:
            if self._end:
                break
            item = one.item.undecided()
            self._act(item, one.row, one.wanted, missing=one.missing)
            self._plan.items.append(item)
        self._finish()

    def _look_at_deployed(self) -> None:
        world = self._world
        try:
            self._deployed, error = managed(world)
        except Uncertain as doubt:
            self._deployed = None
            self._count_doubt = True
            if world.switches.stop:
                self._doubts.append(str(doubt))
            return
        self._left = dict(self._deployed)
        alone = world.complete and not world.plans_assignments and not world.known_assignments
        if world.switches.stop and (error or (alone and self._files)):  # it cannot handle that there are none
            self._stop(Said.STOPPED)

    def _stop(self, said: Said, place: Any = NOWHERE, detail: str = "") -> None:
        self._end = str(said)
        self._plan.errors.append(Message(said, place, detail=detail))

    def _file(self, file: EpacFile) -> None:
        if file.broken:
            self._stop(Said.BROKEN, file.broken.place, file.broken.message)
            return
        if file.uncertain:
            self._doubts.append(f"{file.path}: {file.uncertain}")
        for entry in file.entries:
            if self._end:
                return
            self._entry(entry)

    def _finish(self) -> None:
        plan, world = self._plan, self._world
        plan.taken = [one.id for one in plan.items if one.action in WRITTEN and isinstance(one.id, str)]
        if plan.errors and not world.doubt:
            plan.outcome = Outcome.REFUSED
        elif self._doubts:
            plan.outcome, plan.uncertain = Outcome.UNKNOWN, self._doubts[0]
        if not self._doubts and not self._count_doubt:
            plan.unchanged, plan.orphans, plan.expired = self._unchanged, self._orphans, self._expired
            if not world.complete:
                plan.unchanged = None
        if plan.outcome is not Outcome.DEPLOYS:
            plan.deletes = [] if plan.outcome is Outcome.REFUSED else None
            for one in plan.items:
                if one.action is not Action.REFUSED and one.action is not Action.LEFT_OUT:
                    one.action, one.because = None, ()
            return
        if self._deployed is not None and world.complete:
            gone = {key: one for key, one in self._left.items() if self._is_deleted(one)}
            plan.deletes, plan.owners = [one.id for one in gone.values()], {key: one.owner for key, one in gone.items()}
        sent = plan.written()
        if unreadable(value for one in sent for value in (one.metadata, one.selectors)) or self._is_bad_delete():
            plan.unreadable = [one.id for one in sent if unreadable([one.metadata, one.selectors])]
        elif not self._role_seen:
            plan.apart = frozenset(self._taken)

    def _is_bad_delete(self) -> bool:
        return unreadable(one.body for one in self._left.values() if self._is_deleted(one))

    def _is_deleted(self, one: Deployed) -> bool:
        return one.owner is Owner.OURS or (one.owner is Owner.NOBODY and self._world.settings.strategy == FULL)

    # one entry

    def _entry(self, entry: Entry) -> None:
        row = self._row(entry)
        if isinstance(row, Uncertain):
            self._doubt(str(row))
            self._plan.items.append(nothing_known(entry, str(row)))
            return
        target = self._targets.of(row)
        self._before = len(self._plan.errors)
        self._say_expired(row)
        for said, about in row.faults:
            self._error(said, row, about)
        if target.warning:
            self._warn(target.warning, row)
            if target.fails and self._world.switches.fail:
                self._error(target.warning, row)
        if target.not_found:
            self._plan.warnings.append(Message(Said.NOT_FOUND, entry.place))
            if self._world.switches.stop:
                self._stop(Said.STOPPED, entry.place)
        if row.faults or (target.warning and target.fails and self._world.switches.fail):
            text = str(row.faults[0][0] if row.faults else target.warning)
            self._plan.items.append(item_of(row, None, Action.REFUSED, text))
            return
        if target.doubt:
            self._doubt(target.doubt)
        for wanted in row.scopes:
            self._wanted(row, wanted, target)

    def _row(self, entry: Entry) -> Row | Uncertain:
        try:
            return read_row(entry, self._world.runner, self._cells)
        except Uncertain as doubt:
            return doubt

    def _say_expired(self, row: Row) -> None:
        expired = self._is_expired(row)
        if expired:
            self._expired += 1
            self._warn(Said.EXPIRED, row)
        elif expired is None:
            self._count_doubt = True

    def _is_expired(self, row: Row) -> bool | None:
        if row.expires_doubt:
            return None
        if row.expires is None:
            return False
        now = self._world.now
        if row.expires.offset is None and abs(row.expires.utc - now) < _ZONES:
            return None
        return (row.expires.utc if row.expires.offset is None else row.expires.ticks) < now

    def _doubt(self, text: str) -> None:
        self._doubts.append(text)

    def _error(self, said: Said, row: Row, about: str = "", detail: str = "") -> None:
        place = row.entry.place_of(about) if about else row.entry.place
        self._plan.errors.append(Message(said, place, row.entry.number, detail))

    def _warn(self, said: Said, row: Row, detail: str = "") -> None:
        self._plan.warnings.append(Message(said, row.entry.place, row.entry.number, detail))

    def _leave_out(self, row: Row, scope: str | Unknown, target: Target, said: str) -> None:
        item = item_of(row, scope, Action.LEFT_OUT, said)
        if target.per_policy:
            item.id = item.name = Unknown(said)
        self._plan.items.append(item)

    # one scope

    def _wanted(self, row: Row, wanted: Wanted, target: Target) -> None:
        try:
            scopes = self._expanded(wanted.scope)
        except Uncertain as doubt:
            self._doubt(str(doubt))
            self._plan.items.append(partly_known(row, Unknown(str(doubt)), wanted, target, str(doubt)))
            return
        for scope in scopes:
            if self._end:
                return
            try:
                self._scope(row, scope, wanted.postfix, target)
            except Uncertain as doubt:
                self._doubt(str(doubt))
                self._plan.items.append(partly_known(row, scope, wanted, target, str(doubt)))

    def _expanded(self, scope: str) -> list[str]:
        """Return the scopes that a pattern is like; the scope itself where it is none."""
        world = self._world
        pattern = "subscriptionspattern" in scope.lower()
        if not pattern and "*" not in scope:
            return [scope]
        if not world.complete:
            raise Uncertain(f"which scopes there are is not known; {GIVE}")
        if pattern:
            names, root = like(scope.rsplit("/", maxsplit=1)[-1]), world.settings.root.lower()
            subscriptions = [one for one in world.scopes.values() if one.kind is ScopeKind.SUBSCRIPTION]
            if any(not one.label for one in subscriptions):
                raise Uncertain("the name of a subscription is not known; give the subscriptions with --azure")
            return [one.id for one in subscriptions if root in one.parents and names.fullmatch(one.label)]
        return [one.id for one in world.scopes_like(scope)]

    def _scope(self, row: Row, scope: str, postfix: str, target: Target) -> None:
        is_resource = scope.startswith("/subscriptions/") and "/providers/" in scope
        missing = is_resource and self._resource_missing(row, scope)
        if missing:
            self._orphans += 1
            self._warn(Said.NO_RESOURCE, row)
            if self._world.switches.fail:
                self._plan.errors.append(Message(Said.NO_RESOURCE, row.entry.place))
        container = "/".join(scope.split("/")[:5]) if is_resource else scope  # that EPAC looks up in its tree
        valid = self._look_at_scope(row, container)
        failed = self._world.switches.fail and (missing or not valid)
        if target.doubt:
            raise Uncertain(target.doubt)
        if not target.meant:
            self._leave_out(row, scope, target, str(target.warning))
            return
        some = target.meant if target.unchecked else self._applicable(row, target, container, valid=valid)
        if not some:
            self._orphans += 1
            self._warn(Said.NOT_APPLICABLE, row)
            if failed:
                self._plan.items.append(item_of(row, scope, Action.REFUSED, str(Said.NOT_IN_TREE)))
            else:
                self._leave_out(row, scope, target, str(Said.NOT_APPLICABLE))
            return
        for meant in some:
            self._exemption(row, scope, target, meant, postfix=postfix, missing=missing, failed=failed)

    def _resource_missing(self, row: Row, scope: str) -> bool:
        world = self._world
        if not row.validated:
            return False
        if world.settings.skip_resources:
            return False
        if scope.lower() in world.resources:
            kinds = scope.partition("/providers/")[2].split("/")
            if len(kinds) > 3 and "/".join(kinds[:1] + kinds[1::2]).lower() not in _CHILDREN:
                raise Uncertain("whether EPAC looks for resources of this type is not known")
            return False
        if not world.complete:
            raise Uncertain(f"whether the resource exists is not known; {GIVE}")
        if "roledefinitions" in scope.lower():
            raise Uncertain("whether EPAC finds the role depends on the entries before it")
        if "/".join(scope.split("/")[:3]).lower() not in world.scopes:
            raise Uncertain("EPAC cannot list the resources of a subscription outside its tree")
        return True

    def _look_at_scope(self, row: Row, container: str) -> bool:
        """Note what is above a scope, and say whether EPAC takes it."""
        found = self._world.find_scope(container)
        if found is not None:
            self._above = found.parents
            return True
        if not row.validated:
            self._warn(Said.NOT_CHECKED, row)
            self._above = frozenset()
            return True
        if _ROLE.search(container):
            self._role_seen = True
            return True
        self._warn(Said.NOT_IN_TREE, row)
        if self._world.switches.fail:
            self._error(Said.NOT_IN_TREE, row, "scope" if "scope" in row.entry.places else "scopes")
        return False

    def _applicable(self, row: Row, target: Target, container: str, *, valid: bool) -> Sequence[Meant]:
        """Return the assignments that apply at a scope, numbered where several have one name."""
        if valid and not self._role_seen:
            self._parents = self._above
        key = container.lower()
        found = [one for one in target.meant if valid and self._applies(one, key)]
        if len(found) < 2:
            return found
        names = [one.name.lower() for one in found]
        counts: dict[str, int] = {}
        for at, one in enumerate(found):
            name = one.name.lower()
            if names.count(name) > 1:
                if name not in counts:
                    self._warn(Said.ORDINALS, row)
                found[at] = replace(one, ordinal=f"[{counts.setdefault(name, 0):02}]")
                counts[name] += 1
        return found

    def _applies(self, one: Meant, key: str) -> bool:
        """Whether an assignment applies at a scope, by that one's id in lower case."""
        scope = (one.scope or "").lower()
        if not self._role_seen and key != scope and scope not in (self._parents or ()):
            return False
        if self._world.switches.keep_not_scoped:
            return True
        for left_out in one.not_scopes:
            if key == left_out.lower():
                return False
            if self._parents is None:
                raise Uncertain("what EPAC makes of notScopes for a role definition is not known")
            if left_out.lower() in self._parents:
                return False
        return True

    # one exemption

    def _exemption(
        self, row: Row, scope: str, target: Target, meant: Meant, *, postfix: str, missing: bool, failed: bool
    ) -> None:
        item = item_of(row, scope, None, "")
        faults = name_item(item, row, postfix, target, meant)
        item.assignment_id = meant.id
        key = str(item.id).lower()
        if key in self._taken:
            faults.append(Said.TWICE)
        self._taken.add(key)
        references, text, more = references_of(row, target, meant)
        faults += more
        form = Said.REFERENCE_FORM in more
        if self._world.switches.stop and (form or (target.unchecked and isinstance(row.references, str))):
            self._stop(Said.STOPPED, row.entry.place)
            return
        if form:
            self._plan.warnings.append(Message(Said.NOT_FOUND, row.entry.place))
        for said in faults:
            about = "policyDefinitionReferenceIds" if said in more else "name"
            self._error(said, row, about)
        if faults or failed or len(self._plan.errors) > self._before:
            item.action, item.reason = Action.REFUSED, str(faults[0] if faults else self._plan.errors[-1].said)
            self._plan.items.append(item)
            return
        item.references = references
        wanted, item.metadata = metadata_of(row, target, meant, self._world.settings, postfix=postfix, references=text)
        self._made.append(_Made(item, row, wanted, missing))
        self._act(item, row, wanted, missing=missing)
        self._plan.items.append(item)

    def _act(self, item: Item, row: Row, wanted: Mapping[str, Any], *, missing: bool) -> None:
        """Decide what is done with an exemption, by what is deployed under its id."""
        try:
            self._decide(item, row, wanted, missing=missing)
        except Uncertain as doubt:
            self._doubt(str(doubt))
            item.action, item.reason = None, str(doubt)

    def _decide(self, item: Item, row: Row, wanted: Mapping[str, Any], *, missing: bool) -> None:
        key = str(item.id).lower()
        deployed = (self._left.pop(key, None) or self._deployed.get(key)) if self._deployed else None
        if self._deployed is None or (deployed is None and not self._world.complete):
            raise Uncertain(f"whether the exemption is deployed is not known; {GIVE}")
        if row.expires_doubt:
            raise Uncertain(row.expires_doubt)
        expired = self._is_expired(row)
        if expired is None:
            raise Uncertain("whether it has expired depends on the runner's time zone; say it with --time-zone")
        held = expired or missing
        if deployed is None:
            item.action = Action.LEFT_OUT if held else Action.NEW
            if held:
                item.reason = str(Said.EXPIRED_NEW if expired else Said.NO_RESOURCE)
                self._plan.warnings.append(Message(Said.EXPIRED_NEW if expired else Said.NO_RESOURCE, row.entry.place))
            return
        if deployed.assignment.lower() != str(item.assignment_id).lower():
            found: tuple[str, ...] = ("policyAssignmentId",)
            action = Action.REPLACE
        else:
            now = Now(
                str(item.display_name), item.description, row.category, row.expires, item.references, row.selectors,
                row.validation, row.validated, wanted,
            )  # fmt: skip
            found, action = differences(deployed, now, self._world.runner), Action.UPDATE
            if "owner" in found and deployed.body.get("metadata") is not None:
                self._warn(Said.OTHER_OWNER, row)
        if found and not held:
            item.action, item.because = action, found
            return
        item.action = Action.UNCHANGED
        self._unchanged += 1
        if found:
            item.skipped = found
            self._plan.warnings.append(Message(Said.SKIPPED, row.entry.place))


def _comes_back(one: _Made) -> bool:
    """Whether Azure surely gives back what is sent of an exemption without a difference: as most, it has texts alone.

    False says nothing.
    """
    item, end = one.item, one.row.expires
    return (
        item.action in WRITTEN
        and bool(item.display_name)
        and isinstance(item.references, list)
        and item.selectors is None
        and (end is None or end.offset == 0)
        and (item.metadata is one.wanted or item.metadata == one.wanted)
        and comes_back(one.wanted)
    )


def _is_compared(assignment: str, world: World) -> bool:
    try:
        return is_managed(assignment, world)
    except Uncertain:
        return False
