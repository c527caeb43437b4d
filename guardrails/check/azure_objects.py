"""Objects of Azure in files, as Resource Graph, az and ARM give them: what a check may know of a tenant. Pure.

Their ids say what they are: management groups, subscriptions, resource groups, resources, policies, initiatives,
assignments, exemptions. With `complete`, what is not among them does not exist.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.errors import Permanent
from guardrails.exemption.applies import GROUP, MARK, Chain
from guardrails.exemption.facts import Assignment, Gone, PoliciesById, Unread
from guardrails.exemption.model import Exemption, Names
from guardrails.lazy_regex import lazy_regex

if TYPE_CHECKING:
    from guardrails.files.arm_json import Problem, Reading
    from guardrails.files.assignments import Assignments

_GUID: Final = lazy_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EXEMPTION: Final = "/providers/microsoft.authorization/policyexemptions/"
_POLICY: Final = lazy_regex(r"/providers/microsoft\.authorization/policy(assignments|definitions|setdefinitions)/[^/]+")
NOT_GIVEN: Final = Unread("the assignment is in no file of --azure; give it with --azure, or use --online")
_MADE_HERE: Final = Unread("Azure does not have the assignment yet, and the checked code deploys assignments")


@dataclass(frozen=True)
class AzureObjects:
    """What is known of Azure.

    Attributes:
        objects: id in lower case -> the object, as its tool gave it.
        exemptions: those among them.
        complete: what is not among them does not exist.
        asked: assignments that Azure was asked for, by id in lower case; they go before the files'.
        policies_asked: policies that Azure was asked for.
        bodies: the exemptions among the objects, as their tools gave them.
    """

    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    complete: bool = False
    asked: Mapping[str, Assignment | Gone | Unread] = field(default_factory=dict)
    policies_asked: PoliciesById = field(default_factory=dict)
    bodies: tuple[Mapping[str, Any], ...] = ()

    @cached_property
    def _assignments(self) -> "Assignments":
        from guardrails.files.assignments import Assignments  # noqa: PLC0415 - where nothing is given, nothing is read

        return Assignments(body for key, body in self.objects.items() if _POLICY.search(key))

    @cached_property
    def _found(self) -> dict[str, Assignment | Gone | Unread]:
        """An assignment's id, as an exemption spells it -> what the files say of it. Most are asked for often."""
        return {}

    def assignment(self, assignment_id: str, *, makes_assignments: bool) -> Assignment | Gone | Unread:
        """Return what is known of an assignment.

        `makes_assignments`: whether the checked code deploys assignments itself; then one that is absent may be its.
        """
        if known := self._found.get(assignment_id):
            return known
        key = key_of(assignment_id)
        if key in self.asked:
            said = self.asked[key]
            return _MADE_HERE if isinstance(said, Gone) and makes_assignments else said
        if key not in self.objects:
            if not self.complete:
                return NOT_GIVEN
            return _MADE_HERE if makes_assignments else Gone()
        found = self._assignments.find(assignment_id)
        known = Unread(found.reason.replace("--assignments", "--azure")) if isinstance(found, Unread) else found
        self._found[assignment_id] = known
        return known

    def policies(self, ids: Iterable[str]) -> PoliciesById:
        """Return what is known of policies, for each of these ids in lower case."""
        some = tuple(ids)
        found = dict(self._assignments.policies(some))
        return found | {one: self.policies_asked[one] for one in some if one in self.policies_asked}

    @cached_property
    def above(self) -> Mapping[str, Chain]:
        """The management groups above each container (ExemptionId.container) that is among the objects."""
        parents = {key[len(GROUP) :]: _parents(body) for key, body in self.objects.items() if _is_group(key)}
        found: dict[str, Chain] = {MARK + name: _chain(name, parents) for name in parents}
        for key, body in self.objects.items():
            if key.count("/") == 2 and key.startswith("/subscriptions/"):
                said = _parents(body)
                if len(said) == 1 and said[0] in parents:
                    found[key.rpartition("/")[2]] = (said[0], *_tail(_chain(said[0], parents)))
                elif said:
                    found[key.rpartition("/")[2]] = said
        return found

    def with_asked(self, asked: Mapping[str, Assignment | Gone | Unread], policies: PoliciesById) -> "AzureObjects":
        """Return the same with what Azure answered."""
        return AzureObjects(self.objects, self.exemptions, self.complete, asked, policies, self.bodies)


def azure_objects(
    readings: "Sequence[tuple[str, Reading]]", names: Names, *, complete: bool
) -> "tuple[AzureObjects, list[tuple[str, Problem]]]":
    """Return what files hold, and what is wrong in which of them."""
    from guardrails.files.arm_json import Problem, Reading  # noqa: PLC0415 - see AzureObjects
    from guardrails.files.exemptions import exemptions_of  # noqa: PLC0415

    objects: dict[str, Mapping[str, Any]] = {}
    exemptions: dict[str, Exemption] = {}
    bodies: list[Mapping[str, Any]] = []
    problems: list[tuple[str, Problem]] = []
    for path, reading in readings:
        problems += [(path, one) for one in (*reading.problems, *(reading.notes if complete else ()))]
        some = []
        for item in reading.items:
            key = _identity(item.body)
            if not key:
                problems.append((path, Problem(item.place, "this is no object of Azure: it has no id")))
            elif _EXEMPTION not in key:
                objects[key] = item.body
            else:
                some.append(item)
        bodies += [item.body for item in some]
        if some:
            try:
                read = exemptions_of(Reading(tuple(some)), names)
            except Permanent as error:
                problems.append((path, Problem("", str(error))))
                continue
            problems += [(path, one) for one in read.problems]
            exemptions |= {one.id.key: one for _, one in read.exemptions}
    return AzureObjects(objects, tuple(exemptions.values()), complete, bodies=tuple(bodies)), problems


def key_of(identity: object) -> str:
    """Return an id in lower case with one slash in front; "" for what is none."""
    text = identity.strip("/ ") if isinstance(identity, str) else ""
    return f"/{text.lower()}" if text else ""


def _identity(body: Mapping[str, Any]) -> str:
    folded = {str(name).lower(): value for name, value in body.items()}
    for name in ("id", "resourceid", "policyassignmentid", "policydefinitionid", "policysetdefinitionid"):
        key = key_of(folded.get(name))
        if key.count("/") > 1:
            return key
    for name in ("id", "subscriptionid"):  # `az account list` has the GUID alone
        key = key_of(folded.get(name))
        if _GUID.fullmatch(key[1:]):
            return f"/subscriptions{key}"
    return ""


def _is_group(key: str) -> bool:
    return key.startswith(GROUP) and "/" not in key[len(GROUP) :]


def _parents(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the management groups above an object, the nearest first, as far as it says them."""
    properties = _folded(_folded(body).get("properties")) or _folded(body)
    details = _folded(properties.get("details"))
    for said in (properties.get("managementgroupancestorschain"), details.get("managementgroupancestorschain")):
        if isinstance(said, list):
            return tuple(str(_folded(one).get("name", "")).lower() for one in said)
    parent = _folded(details.get("parent") or properties.get("parent"))
    name = parent.get("name") or str(parent.get("id", "")).rpartition("/")[2]
    return (str(name).lower(),) if name else ()


def _folded(value: object) -> dict[str, Any]:
    return {str(name).lower(): one for name, one in value.items()} if isinstance(value, Mapping) else {}


def _chain(name: str, parents: Mapping[str, tuple[str, ...]]) -> Chain:
    """Return the management groups above one; Unread where the objects do not lead to the root."""
    found: list[str] = []
    while said := parents.get(name, ()):
        if len(said) > 1:
            return (*found, *said)
        if said[0] in found:
            return Unread("the management groups given with --azure are above themselves")
        found.append(said[0])
        name = said[0]
    return tuple(found)


def _tail(chain: Chain) -> tuple[str, ...]:
    return () if isinstance(chain, Unread) else chain
