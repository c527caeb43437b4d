"""Which assignments an entry means, before its scope is looked at. Pure."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from guardrails.dataclass import dataclass, replace
from guardrails.epac.plan import Said
from guardrails.epac.powershell import sort_key
from guardrails.epac.rows import Row
from guardrails.epac.uncertain import Uncertain
from guardrails.epac.world import GIVE, Assignment, Member, World, is_builtin, scope_of

_SET: Final = "/providers/microsoft.authorization/policysetdefinitions/"
_POLICY: Final = "/providers/microsoft.authorization/policydefinitions/"


IN_SAME_RUN: Final = "the initiative may be one that EPAC plans in the same run"


@dataclass(frozen=True, slots=True)
class Meant:
    """An assignment that an entry means.

    Attributes:
        scope: None where the assignment is not known and not checked.
        references: what is exempted of an initiative, where the entry does not choose itself.
        chooses: the entry's own reference ids count.
        known: of these, all that EPAC knows; unread: those that the initiative has besides; in lower case.
        open: EPAC may plan the initiative in the same run, so that it may have others.
        ordinal: the number behind the name where several have one name; "" for none.
    """

    id: str
    name: str
    scope: str | None
    not_scopes: tuple[str, ...]
    references: tuple[str, ...]
    chooses: bool
    ordinal: str = ""
    known: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    open: bool = False


@dataclass(slots=True)
class Target:
    """What entries with the same targets mean.

    Attributes:
        by: the field of the target, and its text, as EPAC keeps it in the metadata.
        per_policy: the target is a policy, so that the assignment's name is added to the exemption's.
        warning: why no assignment is meant; None where one is.
        not_found: PowerShell has an error, for a policy is not found.
        doubt: why it is not known; "" where it is.
    """

    by: tuple[str, str] | None = None
    per_policy: bool = False
    meant: tuple[Meant, ...] = ()
    warning: Said | None = None
    fails: bool = False
    not_found: bool = False
    unchecked: bool = False
    doubt: str = ""


class Targets:
    """Finds what entries mean."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wholes: dict[str, Meant] = {}
        self._meant: dict[tuple[str, bool], tuple[Meant, ...]] = {}
        self._members: dict[str, tuple[Member, ...]] = {}
        self._found: dict[tuple[object, ...], Target] = {}

    def of(self, row: Row) -> Target:
        """Return what an entry means; with a `doubt` where that is not known."""
        said = (row.validated, *row.targets.values())
        found = self._found.get(said)
        if found is None:
            found = self._found[said] = Target(per_policy=row.targets["policyDefinitionId"] is not None)
            try:
                self._find(row, found)
            except Uncertain as doubt:
                found.doubt = str(doubt)
        return found

    def _find(self, row: Row, target: Target) -> None:
        assignment = row.targets["policyAssignmentId"]
        if assignment is not None or not row.validated:
            if assignment is not None:
                target.by = ("policyAssignmentId", assignment)
                self._assignment(assignment, row, target)
            return
        for name, value in row.targets.items():
            if value is not None:
                target.by = (name, value)
                is_set = "Set" in name
                target.per_policy = target.per_policy or not is_set
                self._definition(value, target, is_set=is_set, by_name=name.endswith("Name"))
                return

    def _assignment(self, identity: str, row: Row, target: Target) -> None:
        found = self._known(identity)
        if found is not None:
            target.meant = (self._whole(found),)
        elif row.validated:
            target.warning, target.fails = Said.NO_ASSIGNMENT, True
        elif not identity:
            raise Uncertain("what EPAC makes of an empty policyAssignmentId is not known")
        else:
            target.unchecked = True
            target.meant = (Meant(identity, identity, None, (), (), chooses=True),)

    def _known(self, identity: str) -> Assignment | None:
        """Return an assignment that EPAC reads, None for none. Raises Uncertain."""
        world = self._world
        if identity == "":
            return None
        given = world.assignments.get(identity.lower())
        if given is not None:
            world.find_scope(given.scope)
            return world.known_assignments.get(identity.lower())
        if not world.complete or not self._is_in_tree(identity):
            if not world.complete:
                raise Uncertain(f"the assignment is not known; {GIVE}")
            return None
        if world.plans_assignments:
            raise Uncertain("the assignment may be one that EPAC plans in the same run")
        return None

    def _is_in_tree(self, identity: str) -> bool:
        return self._world.find_scope(scope_of(identity)) is not None

    def _all(self) -> Mapping[str, Assignment]:
        world = self._world
        if not world.complete:
            raise Uncertain(f"which assignments there are is not known; {GIVE}")
        if world.plans_assignments:
            raise Uncertain("which assignments EPAC plans in the same run is not known")
        return world.known_assignments

    def _definition(self, value: str, target: Target, *, is_set: bool, by_name: bool) -> None:
        world = self._world
        self._all()
        identity = self._definition_id(value, is_set=is_set, by_name=by_name)
        if identity is None:
            if world.plans_assignments or world.plans_definitions:
                raise Uncertain("the policy may be one that EPAC plans in the same run")
            target.warning, target.fails, target.not_found = Said.NO_DEFINITION, True, True
            return
        key = identity.lower(), is_set
        if key not in self._meant:
            self._meant[key] = tuple(self._of_set(identity) if is_set else self._per_policy(identity))
        target.meant = self._meant[key]
        if not target.meant:
            target.warning = Said.NOT_ASSIGNED

    def _definition_id(self, value: str, *, is_set: bool, by_name: bool) -> str | None:
        world = self._world
        known = world.initiatives if is_set else world.definitions
        kind = "policySetDefinitions" if is_set else "policyDefinitions"
        scopes = (world.settings.root, "") if by_name else ()
        tried = [f"{scope}/providers/Microsoft.Authorization/{kind}/{value}" for scope in scopes] or [value]
        for identity in tried:
            if identity.lower() in known and world.reads_definition(identity):
                return identity
        return None

    def _of_set(self, initiative: str) -> Iterator[Meant]:
        """Yield the assignments of an initiative."""
        for one in self._sorted:
            if one.definition.lower() == initiative.lower():
                yield self._whole(one)

    def _per_policy(self, policy: str) -> Iterator[Meant]:
        """Yield the assignments of a policy, alone or in an initiative: as often as the initiative has it."""
        for one in self._sorted:
            if one.definition.lower() == policy.lower():
                yield self._whole(one)
            elif _SET in one.definition.lower():
                if self._is_open(one.definition):
                    raise Uncertain(IN_SAME_RUN)
                members = self._policies(one.definition)
                held = tuple(member.reference for member in members if member.definition.lower() == policy.lower())
                for _ in held:
                    yield replace(self._whole(one), references=held, chooses=False)

    @cached_property
    def _sorted(self) -> list[Assignment]:
        return sorted(self._all().values(), key=lambda one: sort_key(one.id))

    def _whole(self, one: Assignment) -> Meant:
        found = self._wholes.get(one.id)
        if found is None:
            found = self._wholes[one.id] = self._meant_by(one)
        return found

    def _meant_by(self, one: Assignment) -> Meant:
        key = one.definition.lower()
        if _SET in key:
            references = tuple(member.reference for member in self._policies(one.definition))
            known = frozenset(reference.lower() for reference in references)
            there = frozenset(member.reference.lower() for member in self._world.initiatives.get(key, ()))
            return Meant(
                one.id, one.name, one.scope, one.not_scopes, references, chooses=True, known=known,
                unread=there - known, open=self._is_open(one.definition),
            )  # fmt: skip
        if _POLICY in key:
            return Meant(one.id, one.name, one.scope, one.not_scopes, (), chooses=False)
        raise Uncertain("an assignment is of neither a policy nor an initiative")

    def _is_open(self, definition: str) -> bool:
        return self._world.plans_definitions and not is_builtin(definition)

    def _policies(self, definition: str) -> tuple[Member, ...]:
        """Return the policies of an initiative that EPAC reads, if it reads the initiative."""
        if definition not in self._members:
            self._members[definition] = self._read(definition)
        return self._members[definition]

    def _read(self, definition: str) -> tuple[Member, ...]:
        world = self._world
        if not world.reads_definition(definition):
            return ()
        found = world.initiatives.get(definition.lower())
        if found is None:
            raise Uncertain(f"the initiative that is assigned is not known; {GIVE}")
        return tuple(member for member in found if world.reads_definition(member.definition))
