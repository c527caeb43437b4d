"""What a deployment would do: the answer of `deploy`. Pure."""

from enum import StrEnum

from guardrails.dataclass import dataclass, field
from guardrails.evaluation.expressions import Array, Literal, Member, Node, Object
from guardrails.evaluation.template import Diagnostic, Resource, Stage
from guardrails.evaluation.values import NOWHERE, Place, Value


class Outcome(StrEnum):
    """What becomes of a deployment, as far as the files say."""

    DEPLOYS = "deploys"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True, eq=False, repr=False)
class PlannedExemption:
    """One exemption that a template would deploy, once for each turn of its loop.

    Attributes:
        place: of the resource in its file.
        via: the modules and nested deployments that lead to it, from the outermost.
        deployed: False: its condition is false. None: its condition, or how many there are, is unknown.
        id, scope, name, api_version: texts or Unknown.
        properties: as they would be sent; an object with Unknown in it, or Unknown.
        resource: what it is in its template, for places. None where there is none.
        known: all of the properties are known; False where nobody has looked.
        entry: its number where it is one of several of a loop, from 0; None where it is not, or unknown.
    """

    place: Place
    via: tuple[Place, ...]
    deployed: bool | None
    id: Value
    scope: Value
    name: Value
    api_version: Value
    properties: Value
    resource: Resource | None = None
    entry: int | None = None
    known: bool = False

    @property
    def body(self) -> Node | None:
        """The properties' expression. None where there are none."""
        return None if self.resource is None else self.resource.properties

    def place_of(self, pointer: str) -> Place:
        """Return the place of a part of the properties: of the deepest part above it that a file holds.

        Args:
            pointer: a JSON pointer into the properties: `/metadata/owner`.
        """
        keys = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        node, place = self.body, self.place
        for key in keys:
            member = _member(node, key)
            if member is None:
                break
            place, node = member
        return place


def _member(node: Node | None, key: str) -> tuple[Place, Node] | None:
    """Return the place and expression of one member of a literal object or list."""
    if isinstance(node, Object):
        for member in node.members:
            if isinstance(member, Member):
                name = member.key.value if isinstance(member.key, Literal) else member.key
                if name == key:
                    return member.place, member.value
    if isinstance(node, Array) and key.isdecimal() and int(key) < len(node.items):
        item = node.items[int(key)]
        return (item.place, item) if not hasattr(item, "value") or isinstance(item, Literal) else None
    return None


@dataclass(slots=True, eq=False, repr=False)
class Plan:
    """What one template with its parameters would deploy.

    Attributes:
        paths: the files that took part: the template, its modules, loaded files; without the parameter file.
        stage: where it is refused; None where it is not.
        outputs: the template's outputs, with Unknown in them.
        exemptions: those whose condition is false too.
        diagnostics: of all stages.
    """

    outcome: Outcome
    stage: Stage | None = None
    paths: list[str] = field(default_factory=list)
    outputs: dict[str, Value] = field(default_factory=dict)
    exemptions: list[PlannedExemption] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    place: Place = NOWHERE
