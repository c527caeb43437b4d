"""What a template would deploy, with its parameters, to a place: exemptions, outputs, what is refused. Pure."""

from collections.abc import Callable
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.evaluation import expressions as ex
from guardrails.evaluation.evaluate import TOO_MUCH, Evaluator
from guardrails.evaluation.frames import NO_SCOPE, Env, Frame, known
from guardrails.evaluation.functions.base import kind
from guardrails.evaluation.functions.ids import canonical
from guardrails.evaluation.identity import Identity, identify, is_exemption, scope_of
from guardrails.evaluation.plan import Outcome, Plan, PlannedExemption
from guardrails.evaluation.records import certain
from guardrails.evaluation.resources import Table, Turn
from guardrails.evaluation.template import (
    Diagnostic,
    Level,
    ParameterFile,
    RecordedExemption,
    Resource,
    Stage,
    Template,
    is_secure,
)
from guardrails.evaluation.values import EngineError, Place, TooMuch, Unknown, Value
from guardrails.evaluation.world import World

DEEPEST: Final = 12
"""Nested deployments within each other that are followed."""

RESOURCE: Final = 25
"""Steps of work that a resource costs besides its expressions."""


def deploy(template: Template, world: World, parameters: ParameterFile | None = None) -> Plan:
    """Return what would become of a deployment of this template. Nothing is raised."""
    return _Deployment(world).run(template, parameters)


@dataclass(slots=True, eq=False, repr=False)
class _Around:
    """What is around a resource: the calls that lead to it, and whether they take place."""

    via: tuple[Place, ...] = ()
    deployed: bool | None = True
    depth: int = 0


@dataclass(slots=True, eq=False, repr=False)
class _Deployment:
    """One run of `deploy`."""

    world: World
    evaluator: Evaluator = field(init=False)
    plan: Plan = field(default_factory=lambda: Plan(Outcome.DEPLOYS))
    doubtful: bool = False
    refused: set[tuple[Place, str]] = field(default_factory=set)

    def run(self, template: Template, parameters: ParameterFile | None) -> Plan:
        """Deploy, and return the plan."""
        self.evaluator = Evaluator(self.world)
        frame = self._frame(template)
        self.plan.place = template.place
        self._read(template)
        if parameters is not None:
            self.plan.diagnostics += parameters.diagnostics
            self._give(frame, parameters)
        self._check_names(frame)
        self._resources(frame, template, Env(frame), _Around())
        self._outputs(frame)
        self._close()
        return self.plan

    def _frame(self, template: Template) -> Frame:
        world = self.world
        name: Value = world.deployment_name
        if name is None:
            name = Unknown("the name of the deployment is not given; give it with --deployment-name", template.place)
        location: Value = world.location
        if location is None:
            location = Unknown("the location is not given; give it with --location", template.place)
        scope = NO_SCOPE if world.scope is None else canonical(world.scope)
        frame = Frame(template, scope, name, location)
        frame.resources = Table(self.evaluator, frame, scope)
        return frame

    def _read(self, template: Template) -> None:
        if template.path not in self.plan.paths:
            self.plan.paths += [one for one in (template.path, *template.loaded) if one not in self.plan.paths]
            self.plan.diagnostics += template.diagnostics
            unsure = any(one.stage == Stage.READ and one.level == Level.WARNING for one in template.diagnostics)
            self.doubtful = self.doubtful or unsure or bool(template.incomplete)

    def _give(self, frame: Frame, parameters: ParameterFile) -> None:
        home = Env(Frame(parameters.home, NO_SCOPE, frame.name, frame.location)) if parameters.home else None
        given = {}
        for name, one in parameters.values.items():
            declared = frame.find("parameters", frame.template.parameters, name)
            if declared is None:
                self._refuse(EngineError(f"the template has no parameter {name[:60]!r}", one.place), one.place)
            else:
                given[declared] = (one, home)
        frame.given = given

    # what goes wrong

    def _refuse(self, error: EngineError, place: Place, rule: str = "") -> None:
        at = error.place if error.place.path else place
        if (at, error.message) not in self.refused:
            self.refused.add((at, error.message))
            self.plan.diagnostics.append(Diagnostic(at, error.message, rule, Level.ERROR, Stage.EVALUATE))

    def _value(self, node: ex.Node, env: Env, *, counts: bool | None = True) -> Value:
        """Return a node's value; Unknown where it is refused.

        `counts`: that refuses the deployment. None: it may, for whether the value is needed is unknown.
        """
        try:
            return self.evaluator.value(node, env)
        except (EngineError, TooMuch, RecursionError) as error:
            return self._failed(error, node.place, counts=counts)

    def _guarded(self, compute: Callable[[], Any], place: Place, *, counts: bool | None = True) -> Any:
        try:
            return compute()
        except (EngineError, TooMuch, RecursionError) as error:
            return self._failed(error, place, counts=counts)

    def _failed(self, error: Exception, place: Place, *, counts: bool | None) -> Unknown:
        if not isinstance(error, EngineError):
            self.doubtful = True
            return Unknown(TOO_MUCH, place)
        if counts:
            self._refuse(error, place)
        self.doubtful = self.doubtful or counts is None
        return Unknown(f"Azure refuses this: {error.message}", error.place if error.place.path else place)

    def _close(self) -> None:
        """Say what becomes of the whole."""
        errors = [one for one in self.plan.diagnostics if one.level == Level.ERROR]
        if errors:
            stages = [stage for stage in Stage if any(one.stage == stage for one in errors)]
            self.plan.outcome, self.plan.stage = Outcome.REFUSED, stages[0]
        elif self.doubtful or self.evaluator.doubtful:
            self.plan.outcome = Outcome.UNKNOWN

    # parameters, variables, outputs

    def _check_names(self, frame: Frame) -> None:
        """Compute every parameter and variable: each may refuse the deployment."""
        for name, declared in frame.template.parameters.items():
            given = frame.given.get(name)
            place = declared.place if given is None else given[0].place
            value = self._guarded(lambda name=name: self.evaluator.parameter(frame, name), place)  # type: ignore[misc]
            self.doubtful = self.doubtful or (isinstance(value, Unknown) and value.doubt)
        for name, variable in frame.template.variables.items():
            try:
                self.evaluator.variable(frame, name)
            except EngineError:
                self.doubtful = True  # refused only if something uses it, and then it is said there
            except TooMuch:
                self._guarded(lambda: self.evaluator.spend(1), variable.place)

    def _outputs(self, frame: Frame) -> None:
        env = Env(frame)
        for name, output in frame.template.outputs.items():
            if output.condition is not None:
                wanted = self._value(output.condition, env)
                if wanted is False:
                    continue
                if wanted is not True:
                    self.plan.outputs[name] = wanted
                    continue
            value = self._value(output.value, env)
            if is_secure(output.type, frame.template):
                value = Unknown("a secure output is given only in Azure", output.place)
            self.plan.outputs[name] = known(value, output.place)

    # resources

    def _resources(self, frame: Frame, template: Template, env: Env, around: _Around) -> None:
        """Deploy the resources of a template, which are computed in `env`."""
        table = frame.resources if frame.template is template else None
        for resource in template.resources:
            if resource.existing:
                continue
            owner = table if isinstance(table, Table) else Table(self.evaluator, frame, env.target)
            self._declaration(owner, resource, env, around)

    def _declaration(self, table: Table, resource: Resource, env: Env, around: _Around) -> None:
        if env.outside and resource.loop is not None and around.deployed:
            message = "a loop may not stand in a nested template whose expressions are computed outside of it"
            self._refuse(EngineError(message, resource.loop.place), resource.place)
        around_it = resource.enclosing
        if around_it is not None and (resource.loop is not None or around_it.loop is not None):
            self.doubtful = True  # the documents do not allow loops of and around child resources
        try:
            turns = table.turns(resource, env)
        except (EngineError, TooMuch, RecursionError) as error:
            turns = self._failed(error, resource.place, counts=around.deployed)
        if not isinstance(turns, Unknown):
            for turn in turns:
                self._one(table, turn, around)
            return
        if resource.loop is not None or resource.enclosing is not None:
            self.evaluator.left = max(self.evaluator.left, 0)
            self._one(table, Turn(resource, _any_turn(resource, env, turns)), _undecided(around))

    def _one(self, table: Table, turn: Turn, around: _Around) -> None:
        """Deploy one resource."""
        resource = turn.resource
        try:
            self.evaluator.spend(RESOURCE)
        except TooMuch as error:
            self._failed(error, resource.place, counts=True)
        deployed = self._deployed(turn, around)
        doubtful = self.evaluator.doubtful
        self._body(table, turn, deployed, around)
        if deployed is False:
            self.evaluator.doubtful = doubtful

    def _body(self, table: Table, turn: Turn, deployed: bool | None, around: _Around) -> None:  # noqa: FBT001  three-valued
        resource, counts = turn.resource, deployed
        if isinstance(resource, RecordedExemption) and self._recorded(table, turn, resource, around):
            return
        try:
            identity = table.identity(turn)
        except (EngineError, TooMuch, RecursionError) as error:
            identity = self._parts(table, turn, self._failed(error, resource.place, counts=counts))
            if deployed is False and around.deployed is not False:
                self.doubtful = True  # Azure computes names, and refuses them, before it looks at conditions
        if isinstance(identity.name, Unknown) and identity.name.doubt and counts is not False:
            self.doubtful = True
        inner = around if deployed is around.deployed else _Around(around.via, deployed, around.depth)
        if isinstance(identity.type, str) and is_exemption(identity.type, identity.name):
            self._exemption(turn, identity, inner)
        elif resource.deployment is not None:
            self._nested(table, turn, inner)
        elif resource.properties is not None and counts is not False:
            self._value(resource.properties, turn.env, counts=counts)
        for node in resource.others if counts is not False else ():
            self._value(node, turn.env, counts=counts)
        if isinstance(identity.type, Unknown):
            self.doubtful = True

    def _parts(self, table: Table, turn: Turn, refused: Unknown) -> Identity:
        """Return the parts of an identity that can be computed where the whole is refused."""
        type_ = self._guarded(lambda: self.evaluator.value(turn.resource.type, turn.env), refused.place, counts=False)
        name = None if turn.resource.name is None else self._value(turn.resource.name, turn.env, counts=False)
        if turn.resource.enclosing is not None and turn.enclosing is not None and isinstance(type_, str):
            parent = self._guarded(lambda: table.identity(turn.enclosing), refused.place, counts=False)  # type: ignore[arg-type]
            if isinstance(parent, Identity) and isinstance(parent.type, str):
                type_ = f"{parent.type}/{type_}"
        return Identity(type_, name if isinstance(name, str) else refused, name, refused)

    def _deployed(self, turn: Turn, around: _Around) -> bool | None:
        condition = turn.resource.condition
        if condition is None or around.deployed is False:
            return around.deployed
        value = self._value(condition, turn.env, counts=around.deployed)
        if isinstance(value, bool):
            return around.deployed if value else False
        if not isinstance(value, Unknown):
            if isinstance(value, str | int | None):  # "true" and 1 may be taken for true, and null for no condition
                self.doubtful = True
            else:
                self._refuse(EngineError(f"a condition is {kind(value)}, not true or false"), condition.place)
        return None

    def _recorded(self, table: Table, turn: Turn, resource: RecordedExemption, around: _Around) -> bool:
        """Deploy an exemption of which all values are certain; False for one that is to be computed part by part."""
        left = self.evaluator.left
        values = None if turn.env.outside else certain(self.evaluator, resource.values, turn.env, 0)
        if values is None:
            return False
        name = values["name"]
        if type(name) is not str or not name or "/" in name:
            self.evaluator.left = left
            return False
        identity = identify(resource, table.target, values["type"], name)
        self._planned(turn, identity, around, values["apiVersion"], values["properties"], known=True)
        return True

    def _exemption(self, turn: Turn, identity: Identity, around: _Around) -> None:
        resource = turn.resource
        counts = around.deployed
        version = None if resource.api_version is None else self._value(resource.api_version, turn.env, counts=counts)
        body = resource.properties
        properties = certain(self.evaluator, body.values, turn.env, 0) if type(body) is ex.Record else None
        known_all = properties is not None and not turn.env.outside
        if properties is None:
            properties = {} if body is None else self._tolerant(body, turn.env, counts=counts)
        version = version if version is not None else Unknown("it has no API version", resource.place)
        properties = _again(properties, resource.place) if turn.env.outside else properties
        self._planned(turn, identity, around, version, properties, known=known_all)

    def _planned(
        self, turn: Turn, identity: Identity, around: _Around, version: Value, properties: Value, *, known: bool
    ) -> None:
        resource = turn.resource
        self.plan.exemptions.append(
            PlannedExemption(
                place=resource.place,
                via=around.via,
                deployed=around.deployed,
                id=identity.id,
                scope=scope_of(identity.id),
                name=identity.name,
                api_version=version,
                properties=properties,
                resource=resource,
                entry=turn.number,
                known=known,
            )
        )

    def _tolerant(self, node: ex.Node, env: Env, *, counts: bool | None) -> Value:
        """Return an object with each member computed by itself, so that one that is refused hides no other."""
        if not isinstance(node, ex.Object):
            return known(self._value(node, env, counts=counts), node.place)
        if isinstance(node, ex.Record) and (values := certain(self.evaluator, node.values, env, 0)) is not None:
            return values
        found: dict[str, Value] = {}
        for one in node.members:
            if type(one) is not ex.Member or type(one.key) is not str:
                return known(self._value(node, env, counts=counts), node.place)
            value = one.value
            kind_ = type(value)
            if kind_ is ex.Literal:
                found[one.key] = value.value  # type: ignore[union-attr]
            elif kind_ is ex.Object or kind_ is ex.Record:
                found[one.key] = self._tolerant(value, env, counts=counts)
            else:
                found[one.key] = known(self._value(value, env, counts=counts), value.place)
        return found

    def _nested(self, table: Table, turn: Turn, around: _Around) -> None:
        deployment, place = turn.resource.deployment, turn.resource.place
        if deployment is None or deployment.template is None or around.depth >= DEEPEST:
            self.doubtful = self.doubtful or around.deployed is not False
            return
        inner = _Around((*around.via, place), around.deployed, around.depth + 1)
        if not deployment.inner:
            self._read_outer(table, turn, deployment.template, inner)
            return
        child = self._guarded(lambda: table.child(turn), place, counts=around.deployed)
        if isinstance(child, Unknown):
            self._read(deployment.template)
            self.doubtful = self.doubtful or around.deployed is not False
            return
        self._read(deployment.template)
        if around.deployed is True:
            self._check_names(child)
        self._resources(child, deployment.template, Env(child), inner)

    def _read_outer(self, table: Table, turn: Turn, template: Template, around: _Around) -> None:
        """Deploy a nested template whose expressions are computed in the template around it."""
        self._read(template)
        given = turn.resource.deployment.parameters if turn.resource.deployment else {}
        if any(one.default is None and name not in given for name, one in template.parameters.items()):
            self.doubtful = True
        scope = self._guarded(lambda: table.scope_of(turn), turn.resource.place, counts=around.deployed)
        self._resources(turn.env.frame, template, turn.env.moved(scope), around)


def _again(value: Value, place: Place) -> Value:
    """Return values of a nested template that was computed outside of it: a text in brackets is computed once more."""
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        return Unknown("Azure computes this text in brackets once more, in the nested template", place)
    if isinstance(value, list):
        return [_again(one, place) for one in value]
    if type(value) is dict:
        return {key: _again(one, place) for key, one in value.items()}
    return value


def _undecided(around: _Around) -> _Around:
    return _Around(around.via, None if around.deployed else around.deployed, around.depth)


def _any_turn(resource: Resource, env: Env, unknown: Unknown) -> Env:
    """Return the environment of some turn of a loop of which the turns are not known."""
    loop, around = resource.loop, resource.enclosing
    if around is not None:
        env = _any_turn(around, env, unknown)
    if loop is None:
        return env
    if loop.items is None:
        return env.with_turn(loop.name, unknown)
    return env.with_locals({loop.name: unknown, **({loop.index: unknown} if loop.index else {})})
