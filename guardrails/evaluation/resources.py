"""The resources and modules of a template that is deployed, as other expressions see them. Pure."""

from typing import TYPE_CHECKING

from guardrails.dataclass import dataclass, field
from guardrails.evaluation.expressions import Literal, Node
from guardrails.evaluation.frames import Env, Frame, Handle, Resources
from guardrails.evaluation.functions.base import kind
from guardrails.evaluation.identity import Identity, identify, scope_id, target
from guardrails.evaluation.template import Deployment, Given, Language, Resource, is_secure
from guardrails.evaluation.values import EngineError, Partial, Place, Unknown, Value

if TYPE_CHECKING:
    from guardrails.evaluation.evaluate import Evaluator


@dataclass(slots=True, eq=False, repr=False)
class Turn:
    """One resource of a declaration: the only one, or one of a loop. `number`: None for the only one."""

    resource: Resource
    env: Env
    number: int | None = None
    enclosing: "Turn | None" = None


@dataclass(slots=True, eq=False, repr=False)
class Table(Resources):
    """The resources of one template, computed when they are asked for."""

    evaluator: "Evaluator"
    frame: Frame
    target: Value
    symbols: dict[str, Resource] = field(default_factory=dict)
    frames: dict[tuple[int, int | None], Frame] = field(default_factory=dict)
    identities: dict[tuple[int, int], Identity] = field(default_factory=dict)
    by_id: "dict[str, Turn] | None" = None
    busy: bool = False

    def symbol(self, name: str) -> "ResourceHandle | Unknown":
        """Return the handle of a resource by its symbolic name. Raises EngineError where there is none."""
        resource = self.find(name)
        if resource is None:
            raise EngineError(f"there is no resource {name!r}")
        return ResourceHandle(self, Turn(resource, Env(self.frame)))

    def find(self, name: str) -> Resource | None:
        """Return a resource by its symbolic name, in ARM whatever the letter case."""
        if not self.symbols:
            folded = self.frame.template.language == Language.ARM
            self.symbols = {
                one.symbol.lower() if folded else one.symbol: one for one in self.frame.template.resources if one.symbol
            }
        return self.symbols.get(name.lower() if self.frame.template.language == Language.ARM else name)

    def reference(self, name: str, function: str, place: Place) -> Value | None:
        """Return what `reference` or `resourceInfo` says of a resource of this template; None for nothing."""
        resource = self.find(name) if self.frame.template.symbolic else None
        if function == "resourceInfo":
            return None if resource is None else self._info(Turn(resource, Env(self.frame)), place)
        turn = self._nested(name) if resource is None else Turn(resource, Env(self.frame))
        if turn is None or turn.resource.deployment is None or (turn.resource.loop is not None and turn.number is None):
            return None
        outputs = self.outputs(turn, place)
        rest = Unknown("the properties of reference(), except the outputs, are known only in Azure", place)
        if isinstance(outputs, Unknown):
            return outputs
        return Partial({"outputs": {key: Partial({"value": value}, rest) for key, value in outputs.items()}}, rest)

    def _info(self, turn: Turn, place: Place) -> Value:
        handle = ResourceHandle(self, turn)
        known = {name: handle.member(name, place) for name in ("id", "name", "type", "apiVersion")}
        return Partial(
            known, Unknown("the properties of resourceInfo(), except the id, are known only in Azure", place)
        )

    def _nested(self, name: str) -> Turn | None:
        """Return the nested deployment of an id or a name."""
        if self.by_id is None:
            if self.busy:
                return None
            self.busy = True
            try:
                self.by_id = self._all_nested()
            finally:
                self.busy = False
        return self.by_id.get(name.lower())

    def _all_nested(self) -> dict[str, Turn]:
        found: dict[str, Turn] = {}
        for resource in self.frame.template.resources:
            if resource.deployment is None:
                continue
            turns = self.turns(resource)
            for turn in [] if isinstance(turns, Unknown) else turns:
                try:
                    identity = self.identity(turn, id_scope=self.scope_of(turn))
                except EngineError:
                    continue
                for key in (identity.id, identity.name):
                    if isinstance(key, str):
                        found[key.lower()] = turn
        return found

    def turns(self, resource: Resource, env: Env | None = None) -> list[Turn] | Unknown:
        """Return each resource that a declaration makes, whatever its condition. Raises EngineError.

        `env`: where it is computed, if not in its own template alone.
        """
        if resource.enclosing is None:
            return self._own_turns(resource, env or Env(self.frame), None)
        around = self.turns(resource.enclosing, env)
        if isinstance(around, Unknown):
            return around
        found: list[Turn] = []
        for turn in around:
            own = self._own_turns(resource, turn.env, turn)
            if isinstance(own, Unknown):
                return own
            found += own
        return found

    def _own_turns(self, resource: Resource, env: Env, enclosing: Turn | None) -> list[Turn] | Unknown:
        if resource.loop is None:
            return [Turn(resource, env, None if enclosing is None else enclosing.number, enclosing)]
        envs = self.evaluator.turns(resource.loop, env, innermost=True)
        if isinstance(envs, Unknown):
            return envs
        return [Turn(resource, one, number, enclosing) for number, one in enumerate(envs)]

    def identity(self, turn: Turn, *, id_scope: Value | None = None, deployed: bool = True) -> Identity:
        """Return what a resource is called. Raises EngineError.

        Args:
            turn: the resource.
            id_scope: what it is on, if not its own scope.
            deployed: it is asked for its deployment, not by an expression.
        """
        resource, env = turn.resource, turn.env
        own = self.scope_of(turn) if id_scope is None else id_scope
        parent = self._parent(turn)
        type_ = self.evaluator.value(resource.type, env)
        last = None if resource.name is None else self.evaluator.value(resource.name, env)
        return identify(resource, own, type_, last, parent, outside=env.outside, deployed=deployed)

    def _parent(self, turn: Turn) -> Identity | None:
        resource = turn.resource
        if resource.enclosing is not None:
            return self.identity(turn.enclosing or Turn(resource.enclosing, turn.env))
        parent = self._parent_turn(turn)
        return self.identity(parent) if parent is not None else None

    def _parent_turn(self, turn: Turn) -> Turn | None:
        resource = turn.resource
        parent = self.find(resource.parent) if resource.parent else None
        if parent is None:
            return None
        handle: Value = ResourceHandle(self, Turn(parent, Env(self.frame)))
        if resource.parent_index is not None:
            handle = handle.item(self.evaluator.value(resource.parent_index, turn.env), resource.place)
        if not isinstance(handle, ResourceHandle):
            raise EngineError("which resource is the parent is not known", resource.place)
        return handle.turn

    def scope_of(self, turn: Turn) -> Value:
        """Return the id of what a resource is on; of a nested deployment, of where it goes to."""
        resource = turn.resource
        if resource.deployment is not None:
            return self._deployment_target(resource, resource.deployment, turn.env)
        if resource.scope is not None:
            return scope_id(self.evaluator.value(resource.scope, turn.env), self.target, resource.scope.place)
        if resource.enclosing is not None:
            return self.scope_of(turn.enclosing or Turn(resource.enclosing, turn.env))
        parent = self._parent_turn(turn)
        return self.target if parent is None else self.scope_of(parent)

    def _deployment_target(self, resource: Resource, deployment: Deployment, env: Env) -> Value:
        scope, subscription, group = (
            None if node is None else self.evaluator.value(node, env)
            for node in (deployment.scope, deployment.subscription, deployment.resource_group)
        )
        return target(self.target, scope, subscription, group, resource.place)

    # nested deployments

    def child(self, turn: Turn) -> Frame:
        """Return the frame of a nested deployment that is computed inside. Raises EngineError."""
        key = (id(turn.resource), turn.number)
        found = self.frames.get(key)
        if found is None:
            found = self.frames[key] = self._child(turn)
        return found

    def _child(self, turn: Turn) -> Frame:
        deployment = turn.resource.deployment
        if deployment is None or deployment.template is None:
            raise EngineError("it is no nested deployment that can be read", turn.resource.place)
        name = self.evaluator.value(turn.resource.name, turn.env) if turn.resource.name is not None else None
        if not isinstance(name, str | Unknown):
            name = Unknown("the name of the deployment is made by Azure", turn.resource.place)
        scope = self._deployment_target(turn.resource, deployment, turn.env)
        location = self.frame.location if scope == self.frame.scope else _other_location(turn.resource.place)
        frame = Frame(deployment.template, scope, name, location, outer=self.frame)
        frame.given = {name: (given, turn.env) for name, given in self._given(deployment, turn, frame).items()}
        frame.resources = Table(self.evaluator, frame, scope)
        return frame

    def _given(self, deployment: Deployment, turn: Turn, frame: Frame) -> dict[str, Given]:
        given = deployment.parameters
        if deployment.parameters_node is not None:
            given = self._computed(deployment.parameters_node, turn, frame)
        found: dict[str, Given] = {}
        for name, one in given.items():
            declared = frame.find("parameters", frame.template.parameters, name)
            if declared is None:
                raise EngineError(f"the template has no parameter {name[:60]!r}", one.place)
            found[declared] = one
        return found

    def _computed(self, node: Node, turn: Turn, frame: Frame) -> dict[str, Given]:
        value = self.evaluator.value(node, turn.env)
        if isinstance(value, Unknown):
            return {name: Given(Literal(value, node.place), node.place) for name in frame.template.parameters}
        if not isinstance(value, dict):
            raise EngineError(f"the parameters are {kind(value)}, not an object", node.place)
        found = {name: Given(Literal(one, node.place), node.place) for name, one in value.items()}
        if isinstance(value, Partial):
            for name in frame.template.parameters:
                found.setdefault(name, Given(Literal(value.rest, node.place), node.place))
        return found

    def outputs(self, turn: Turn, place: Place) -> dict[str, Value] | Unknown:
        """Return the outputs of a nested deployment."""
        resource, deployment = turn.resource, turn.resource.deployment
        if deployment is None or deployment.template is None:
            missing = None if deployment is None else deployment.missing
            return missing or Unknown("the outputs of this deployment are known only in Azure", place)
        if resource.condition is not None and self.evaluator.value(resource.condition, turn.env) is not True:
            return Unknown("whether this deployment takes place is not known", place)
        env = Env(self.child(turn)) if deployment.inner else turn.env
        found: dict[str, Value] = {}
        for name, output in deployment.template.outputs.items():
            found[name] = self.output(output.value, env, place)
            if is_secure(output.type, deployment.template):
                found[name] = Unknown("a secure output is given only in Azure", place)
        return found

    def output(self, node: Node, env: Env, place: Place) -> Value:
        """Return an output's value; Unknown where it is refused, for then the deployment fails elsewhere."""
        try:
            return self.evaluator.value(node, env)
        except EngineError as error:
            return Unknown(f"the output is refused: {error.message}", place)


def _other_location(place: Place) -> Unknown:
    return Unknown("the location of another resource group is known only in Azure", place)


@dataclass(slots=True, eq=False, repr=False)
class ResourceHandle(Handle):
    """A resource or module as an expression sees it."""

    table: Table
    turn: Turn

    def member(self, name: str, place: Place) -> Value:
        """Return its id, name, type, API version or outputs; Unknown for what only Azure knows."""
        resource = self.turn.resource
        if resource.loop is not None and self.turn.number is None:
            return Unknown(f"{resource.symbol or 'the loop'} is several resources", place)
        if name == "outputs" and resource.deployment is not None:
            return self._outputs(place)
        if name == "apiVersion":
            node = resource.api_version
            return (
                Unknown("it has no API version", place)
                if node is None
                else self.table.evaluator.value(node, self.turn.env)
            )
        if name in ("id", "name", "type"):
            identity = self.table.identity(self.turn, deployed=False)
            return {"id": identity.id, "name": identity.last, "type": identity.type}[name]
        return Unknown(f"{name[:60]!r} of {resource.symbol or 'a resource'} is known only in Azure", place)

    def _outputs(self, place: Place) -> Value:
        found = self.table.outputs(self.turn, place)
        return found if isinstance(found, Unknown) else Partial(found, Unknown("the module has no such output", place))

    def item(self, number: Value, place: Place) -> Value:
        """Return the handle of one of a loop's resources. Raises EngineError where there is none."""
        turns = self.table.turns(self.turn.resource)
        if isinstance(number, Unknown) or isinstance(turns, Unknown):
            return number if isinstance(number, Unknown) else turns
        if not isinstance(number, int) or not 0 <= number < len(turns):
            loop = self.turn.resource.loop
            if isinstance(number, int) and loop is not None and loop.index is not None:
                # a name that is made of the number alone is computed beyond the loop as well
                return Unknown(f"the loop has no resource {number}", place, doubt=True)
            raise EngineError(f"the loop has no resource {number!r}", place)
        return ResourceHandle(self.table, turns[number])
