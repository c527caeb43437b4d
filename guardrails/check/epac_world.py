"""What EPAC's planner would find in Azure, made of the objects that --azure gives. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guardrails.check.azure_objects import key_of
from guardrails.epac.instants import Runner, json_date
from guardrails.epac.world import Assignment, Environment, Member, Scope, ScopeKind, World
from guardrails.exemption.applies import GROUP

_ASSIGNMENT: Final = "/providers/microsoft.authorization/policyassignments/"
_DEFINITION: Final = "/providers/microsoft.authorization/policydefinitions/"
_INITIATIVE: Final = "/providers/microsoft.authorization/policysetdefinitions/"
_AUTHORIZATION: Final = "/providers/microsoft.authorization/policy"

type Body = Mapping[str, Any]


def world_of(
    objects: Mapping[str, Body], exemptions: Sequence[Body], given: World, environment: Environment | None
) -> World:
    """Return the world of one environment.

    Args:
        objects: id in lower case -> the object, as its tool gave it; exemptions: those among Azure's objects.
        given: what does not come of the objects: the run, the switches, whether the objects are complete.
    """
    tree = tree_of(objects, environment.root) if environment else None
    return World(
        runner=given.runner, now=given.now, environment=environment, switches=given.switches,
        scopes=tree.scopes() if tree else {}, looped=tree is not None and tree.looped,
        assignments={key: _assignment(body) for key, body in objects.items() if _ASSIGNMENT in key},
        definitions=frozenset(key for key in objects if _DEFINITION in key),
        initiatives={key: [*_members(body)] for key, body in objects.items() if _INITIATIVE in key},
        deployed=tuple(as_read(body, given.runner) for body in exemptions),
        resources=frozenset(key for key in objects if _is_resource(key)),
        complete=given.complete, plans_assignments=given.plans_assignments,
        plans_definitions=given.plans_definitions, doubt=given.doubt, unsettled=given.unsettled,
        unread=given.unread,
    )  # fmt: skip


def as_read(value: Any, runner: Runner) -> Any:
    """Return a value of JSON as PowerShell reads it: texts that look like a date with a time are dates."""
    if isinstance(value, str):
        date = json_date(value, runner)
        return value if date is None else date
    if isinstance(value, Mapping):
        return {key: as_read(one, runner) for key, one in value.items()}
    return [as_read(one, runner) for one in value] if isinstance(value, list) else value


def _folded(value: Any) -> dict[str, Any]:
    if not value or not isinstance(value, dict | Mapping):  # quick: most objects say nothing of most things
        return {}
    return {str(key).lower(): one for key, one in value.items()}


def _properties(body: Body) -> dict[str, Any]:
    folded = _folded(body)
    return _folded(folded.get("properties")) or folded


def _assignment(body: Body) -> Assignment:
    identity, said = str(_folded(body).get("id", "")), _properties(body)
    left_out = said.get("notscopes")
    scopes = tuple(str(one) for one in left_out) if isinstance(left_out, list) else ()
    return Assignment(identity, identity.rpartition("/")[2], str(said.get("policydefinitionid", "")), scopes)


def _members(body: Body) -> Iterator[Member]:
    said = _properties(body).get("policydefinitions")
    for one in said if isinstance(said, list) else ():
        folded = _folded(one)
        yield Member(str(folded.get("policydefinitionid", "")), str(folded.get("policydefinitionreferenceid", "")))


def _is_resource(key: str) -> bool:
    return key.startswith("/subscriptions/") and "/providers/" in key and _AUTHORIZATION not in key


def tree_of(objects: Mapping[str, Body], root: str) -> "_Tree":
    """Return what is known of EPAC's tree: the root scope and all below it."""
    tree = _Tree(root)
    for key, body in objects.items():
        tree.add(key, body)
    return tree


class _Tree:
    """Parents of scopes, collected."""

    def __init__(self, root: str) -> None:
        self._root = key_of(root)
        self._ids: dict[str, str] = {self._root: root}
        self._labels: dict[str, str] = {}
        self._parents: dict[str, str] = {}

    def add(self, key: str, body: Body) -> None:
        """Note what an object says of the tree."""
        if _kind(key) is None:
            return
        folded = _folded(body)
        said = _folded(folded.get("properties")) or folded
        identity = str(folded.get("id", key))
        self._ids[key] = identity if identity.startswith("/") else f"/subscriptions/{identity}"
        label = said.get("displayname") or folded.get("displayname") or folded.get("name")
        if isinstance(label, str):
            self._labels[key] = label
        if key.count("/") == 4 and key.startswith("/subscriptions/"):
            self._parents[key] = key.rsplit("/", 2)[0]
        self._chain(key, said)
        children = said.get("children") or folded.get("children")
        for child in children if isinstance(children, list) else ():
            below = key_of(_folded(child).get("id"))
            if below:
                self._parents[below] = key
                self.add(below, child)

    def _chain(self, key: str, said: Mapping[str, Any]) -> None:
        details = _folded(said.get("details"))
        chain = said.get("managementgroupancestorschain") or details.get("managementgroupancestorschain")
        below = key
        for one in chain if isinstance(chain, list) else ():
            name = str(_folded(one).get("name", ""))
            above = GROUP + name.lower()
            self._ids.setdefault(above, f"/providers/Microsoft.Management/managementGroups/{name}")
            self._parents.setdefault(below, above)
            below = above
        parent = _folded(details.get("parent") or said.get("parent"))
        name = parent.get("name") or str(parent.get("id", "")).rpartition("/")[2]
        if name:
            self._parents.setdefault(key, GROUP + str(name).lower())

    def scopes(self) -> dict[str, Scope]:
        """Return the root scope and all that is known to be below it, by id in lower case."""
        kinds = {key: _kind(key) for key in self._ids}
        if [key for key, kind in kinds.items() if kind is ScopeKind.GROUP] == [self._root]:
            for key, kind in kinds.items():  # nothing else can be above a subscription that does not say
                if kind is ScopeKind.SUBSCRIPTION:
                    self._parents.setdefault(key, self._root)
        found: dict[str, Scope] = {}
        for key, kind in kinds.items():
            above = self._above(key)
            below = self._root in above
            if kind is not None and (below or key == self._root):
                parents = frozenset(above[: above.index(self._root) + 1]) if below else frozenset[str]()
                found[key] = Scope(self._ids[key], kind, self._labels.get(key, ""), parents)
        return found

    @property
    def looped(self) -> bool:
        """Whether the root is below itself."""
        return self._root in self._above(self._root)

    def _above(self, key: str) -> list[str]:
        found: list[str] = []
        while (key := self._parents.get(key, "")) and key not in found:
            found.append(key)
        return found


def _kind(key: str) -> ScopeKind | None:
    if key.startswith(GROUP) and "/" not in key[len(GROUP) :]:
        return ScopeKind.GROUP
    parts = key.split("/")
    if len(parts) == 3 and parts[1] == "subscriptions":
        return ScopeKind.SUBSCRIPTION
    if len(parts) == 5 and parts[1] == "subscriptions" and parts[3] == "resourcegroups":
        return ScopeKind.RESOURCE_GROUP
    return None
