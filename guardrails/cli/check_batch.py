"""Some templates of a run of `check`: read, computed, judged. What comes out can be sent from another process."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from guardrails.check.answer import Deployment, Judged, Problem
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.config import Options
from guardrails.check.entries import FORMATS, Entry, Parameters, makes_assignments, modules_of
from guardrails.check.judge import Candidate, depends_on_now, judge_all
from guardrails.check.world import WrongScope, world_of
from guardrails.cli.check_inputs import Inputs
from guardrails.dataclass import dataclass, field, replace
from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.plan import Outcome, Plan, PlannedExemption
from guardrails.evaluation.template import Language, ScopeKind, Stage
from guardrails.evaluation.world import World
from guardrails.files.code import Code
from guardrails.files.walk import Found, Kind, Repository
from guardrails.ruleset.model import Ruleset

if TYPE_CHECKING:
    from guardrails.check.explain import Origin
    from guardrails.check.trace import Trace
    from guardrails.cli.check_compiler import Compiled


@dataclass(slots=True)
class Deployed:
    """One deployment of a template, and the exemptions in it.

    Attributes:
        parameters: the path of the parameter file; "" where there is none.
        named: see guardrails.check.entries.Entry.
        options: where it goes.
        origins: with --explain, for each exemption, where its values come from.
        problems: what is wrong with it, besides its own diagnostics.
    """

    deployment: Deployment
    parameters: str
    named: bool
    options: Options
    exemptions: list[Judged] = field(default_factory=list)
    origins: "list[list[tuple[str, list[Origin]]]]" = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Checked:
    """What became of one template.

    Attributes:
        modules: the other files that it deploys.
        incomplete: why parts of it were not read; "" where all was.
    """

    path: str
    modules: frozenset[str]
    incomplete: str
    deployed: list[Deployed] = field(default_factory=list)


@dataclass(slots=True)
class _Evaluated:
    """A deployment, computed; `at_now`: as if it were deployed now, where that differs."""

    entry: Entry
    options: Options
    azure: AzureObjects
    world: World
    plan: Plan
    at_now: Plan
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Job:
    """What all templates of a run are checked by.

    Attributes:
        present: the time that all is judged at where nobody said when it is deployed, UTC.
        makes_assignments: whether the checked code may deploy policy assignments.
        compared: the answer will be compared with another, so each exemption keeps what it comes of.
    """

    args: argparse.Namespace
    ruleset: Ruleset
    repository: Repository
    inputs: Inputs
    parameters: Parameters
    present: datetime
    makes_assignments: bool
    compared: bool = False


class Batch:
    """Reads, computes and judges templates, and keeps what it read until it goes itself.

    `stays`: it goes only when garbage is collected: to take all of it apart takes a twentieth of the time of a run.
    """

    def __init__(self, job: Job, *, stays: bool = False) -> None:
        self._job = job
        self._kept: list[object] = [self] if stays else []
        self._args, self._ruleset, self._inputs = job.args, job.ruleset, job.inputs
        self._code = Code(job.repository)
        self._compiled: dict[str, Compiled] = {}
        self._worlds: dict[tuple[Options, ScopeKind | None], World] = {}

    def check(self, files: Sequence[Found]) -> list[Checked]:
        """Return what becomes of some templates, in their order; nothing of a file that only looks like one."""
        made: list[tuple[Checked, list[_Evaluated]]] = []
        for found in files:
            try:
                done = self._read(found)
            except Exception as error:  # noqa: BLE001 - a defect shows in one file, and hides none of the others
                done = _failed(found, error)
            if done is not None:
                made.append(done)
        every = [one for _, some in made for one in some]
        if any(one.options.online for one in every):
            self._ask(every)
        if self._args.compiler:
            for one in every:
                if one.entry.template.language is Language.BICEP:
                    self._compare(one)
        candidates: list[Candidate] = []
        for checked, some in made:
            checked.deployed += [self._deployed(one, candidates) for one in some]
        by_place = {
            id(one): deployed for checked, _ in made for deployed in checked.deployed for one in deployed.exemptions
        }
        problems = judge_all(candidates, self._ruleset, makes_assignments=self._job.makes_assignments)
        for judged, message in problems:
            by_place[id(judged)].problems.append(Problem(*judged.place, message))
        if self._kept:
            self._kept += [made, candidates]
        return [checked for checked, _ in made]

    def _read(self, found: Found) -> "tuple[Checked, list[_Evaluated]] | None":
        """Read one template, and compute it for each of its parameter files."""
        template = self._code.template(found)
        if template is None:
            return None
        evaluated = [self._evaluate(entry) for entry in self._job.parameters.entries_of(template)]
        return Checked(found.path, frozenset(modules_of(template)), template.incomplete), evaluated

    def _evaluate(self, entry: Entry) -> _Evaluated:
        path = entry.template.path
        options = self._inputs.options(path, entry.parameters.path if entry.parameters else "")
        azure = self._inputs.azure(options)
        problems = []
        try:
            world = self._world(options, entry.template.scope, azure)
        except WrongScope as error:
            problems.append(Problem(self._inputs.place_of(path), 0, 0, f"deploy_to: {error}"))
            world = world_of(replace(options, deploy_to=()), entry.template.scope, azure, options.now)
        plan = deploy(entry.template, world, entry.parameters)
        at_now = plan
        if options.now is None and depends_on_now(plan.exemptions):
            at_now = deploy(entry.template, replace(world, now=self._job.present), entry.parameters)
            if len(at_now.exemptions) != len(plan.exemptions):
                at_now = plan
        return _Evaluated(entry, options, azure, world, plan, at_now, problems)

    def _world(self, options: Options, kind: ScopeKind | None, azure: AzureObjects) -> World:
        """Return what is known of deployments with some options. Raises WrongScope."""
        found = self._worlds.get((options, kind))
        if found is None:
            found = self._worlds[options, kind] = world_of(options, kind, azure, options.now)
        return found

    def _deployed(self, one: _Evaluated, candidates: list[Candidate]) -> Deployed:
        """Return a deployment; put its exemptions among those to judge."""
        template, parameters, plan = one.entry.template, one.entry.parameters, one.plan
        form, path = FORMATS[template.language], parameters.path if parameters else None
        deployment = Deployment(form, plan.paths, path, plan.outcome, plan.stage, plan.outputs, plan.diagnostics)
        deployment.run = " with ".join(filter(None, (template.path, path)))
        made = Deployed(deployment, path or "", one.entry.named, one.options, problems=one.problems)
        moment = one.options.now or self._job.present
        trace_of = self._tracing(one, deployment)
        for planned, now in zip(plan.exemptions, one.at_now.exemptions, strict=True):
            judged = Judged(
                form, planned.place, planned.via, planned.deployed, planned.entry, path, planned.id, planned.scope,
                planned.name, planned.api_version, planned.properties,
            )  # fmt: skip
            if now is not planned:
                judged.at_now = now.id, now.properties
            judged.trace = trace_of(planned)
            if self._args.explain:
                from guardrails.check.explain import explained  # noqa: PLC0415 - for this option only

                made.origins.append(explained(planned, template, parameters.values if parameters else {}))
            made.exemptions.append(judged)
            if planned.deployed is not False:
                candidates.append(
                    Candidate(judged, planned, now.properties, now.id, one.options.next_run, one.azure, moment)
                )
        return made

    def _tracing(self, one: _Evaluated, deployment: Deployment) -> "Callable[[PlannedExemption], Trace | None]":
        """Return what says what an exemption of a deployment comes of; it says None where nothing is compared."""
        if not self._job.compared:
            return lambda _: None
        from guardrails.check.trace import Run, traced  # noqa: PLC0415 - see Job.compared

        template, parameters = one.entry.template, one.entry.parameters
        own = (parameters.path, *(parameters.home.loaded if parameters.home else ())) if parameters else ()
        files = (*one.plan.paths, *own, *self._inputs.sources(one.options, template.path))
        run = Run(deployment.run, self._inputs.world(one.options), one.plan.outcome, files)
        return lambda planned: traced(planned, template, parameters, run)

    def _ask(self, every: Sequence[_Evaluated]) -> None:
        """Ask Azure for the assignments that are named."""
        from guardrails.cli.check_online import ask  # noqa: PLC0415 - the Azure SDK is for this option only

        named: dict[int, tuple[_Evaluated, dict[str, None]]] = {}
        for one in every:
            if one.options.online:
                _, ids = named.setdefault(id(one.azure), (one, {}))
                ids.update(dict.fromkeys(_assignments(one.at_now)))
        asked = {key: ask(one.azure, ids, policies=self._ruleset.asks_policies) for key, (one, ids) in named.items()}
        for one in every:
            if one.options.online:
                one.azure = asked[id(one.azure)]
                self._inputs.replace_azure(one.options, one.azure)

    def _compare(self, one: _Evaluated) -> None:
        """Fill what is unknown of a deployment by what the compiler makes of its file; note where they disagree."""
        from guardrails.check.second_opinion import merge  # noqa: PLC0415 - for this option only
        from guardrails.cli.check_compiler import compile_file, disagreement  # noqa: PLC0415

        path, problems = one.entry.template.path, one.problems
        if path not in self._compiled:
            self._compiled[path] = compile_file(self._args.compiler, self._job.repository.root, path)
        compiled = self._compiled[path]
        problems += compiled.problems
        if not compiled.template:
            if compiled.refused and one.plan.outcome is not Outcome.REFUSED:
                problems.append(Problem(path, 0, 0, "the compiler refuses it, and this program does not"))
                one.plan.outcome, one.plan.stage = Outcome.REFUSED, Stage.COMPILE
            return
        if one.plan.outcome is Outcome.REFUSED and one.plan.stage is not Stage.EVALUATE:
            problems.append(Problem(path, 0, 0, "this program refuses it, and the compiler does not"))
            return
        template = self._code.compiled(f"{path} (compiled)", compiled.template)
        if template is None:
            problems.append(Problem(path, 0, 0, "the compiler's answer is no template"))
            return
        problems += map(disagreement, merge(one.plan, deploy(template, one.world, one.entry.parameters)))
        if one.at_now is not one.plan:
            merge(one.at_now, deploy(template, replace(one.world, now=self._job.present), one.entry.parameters))


def _failed(found: Found, error: Exception) -> tuple[Checked, list[_Evaluated]]:
    """Return what is to be said of a file at which this program fails."""
    message = f"the check failed with {type(error).__name__}; this is a defect in the program, so report this file"
    form = "bicep" if found.kind is Kind.BICEP else "arm"
    deployment = Deployment(form, [found.path], None, Outcome.UNKNOWN, None)
    problem = Problem(found.path, 0, 0, message)
    deployed = Deployed(deployment, "", named=True, options=Options(), problems=[problem])
    return Checked(found.path, frozenset(), "", [deployed]), []


def deploys_assignments(repository: Repository, files: Sequence[Found]) -> bool:
    """Whether any of these templates may deploy policy assignments."""
    code = Code(repository)
    try:
        return any((template := code.template(found)) is not None and makes_assignments(template) for found in files)
    except Exception:  # noqa: BLE001 - what fails here is said where it is checked
        return True


def _assignments(plan: Plan) -> Iterator[str]:
    """Yield the ids of the assignments that a plan's exemptions name, as far as they are known."""
    for one in plan.exemptions:
        properties = one.properties if isinstance(one.properties, dict) else {}
        for name, value in properties.items():
            if str(name).lower() == "policyassignmentid" and isinstance(value, str) and one.deployed is not False:
                yield value
