"""The files of AzPolicyFactory in a run of `check`: what becomes of those that belong to one environment."""

from collections.abc import Iterator, Sequence

from guardrails.azpolicyfactory.config import ConfigFile
from guardrails.azpolicyfactory.folder import folder_answer
from guardrails.azpolicyfactory.template import ADDED
from guardrails.check.answer import Deployment, Judged, Problem
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.config import Options
from guardrails.check.factory import candidates_of, deployment_of
from guardrails.check.judge import Candidate, judge_all
from guardrails.check.world import Targets, WrongScope
from guardrails.cli.check_batch import Job
from guardrails.cli.factory_folders import SCHEMA, Environment
from guardrails.dataclass import dataclass, field
from guardrails.epac.instants import NoZone, Runner
from guardrails.errors import Misconfigured
from guardrails.evaluation.template import ScopeKind
from guardrails.evaluation.values import Unknown
from guardrails.files.azpolicyfactory import read_config, unread
from guardrails.files.walk import Repository, Unreadable


@dataclass(slots=True)
class Made:
    """What became of the files."""

    deployments: list[Deployment] = field(default_factory=list)
    judged: list[tuple[Judged, AzureObjects]] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def factory_run(job: Job, some: Sequence[Environment]) -> Made:
    """Check environments of AzPolicyFactory. Raises Misconfigured for a time zone that does not exist."""
    made = Made()
    _check_runner(job)
    candidates: list[Candidate] = []
    for environment in some:
        files = [*_files(job.repository, environment, made)]
        if not files:
            continue
        options = job.inputs.options(files[0].path)
        target = _target(job, files[0].path, made)
        runner = _runner(job, options, files[0].path, made)
        now = options.now or job.present
        answer = folder_answer(files, target, runner, now)
        deployment = deployment_of(answer)
        deployment.run = f"AzPolicyFactory, {environment.folder or '.'}"
        made.deployments.append(deployment)
        azure = job.inputs.azure(options)
        own = [*candidates_of(answer, target, options, azure, now)]
        if job.compared:
            _trace(own, files, deployment, job, options)
        made.judged += [(one.judged, azure) for one in own]
        candidates += own
        if any(one.named for one in environment.files):
            note = "by itself, as if no other file of its folder were deployed with it; name the folder to check both"
            made.notes.append(f"{environment.files[0].path}: checked {note}")
    problems = judge_all(candidates, job.ruleset, makes_assignments=job.makes_assignments)
    made.errors += [Problem(*judged.place, message) for judged, message in problems]
    return made


def _trace(
    made: Sequence[Candidate], files: Sequence[ConfigFile], deployment: Deployment, job: Job, options: Options
) -> None:
    """Note what each exemption comes of. A runner's time zone and the scope are options, too."""
    from guardrails.check.trace import Run, of_entry  # noqa: PLC0415 - see Job.compared

    inputs = job.inputs
    run = Run(deployment.run, inputs.world(options), deployment.outcome, inputs.sources(options, files[0].path))
    own = [f"/properties/metadata/{key}" for key in ADDED]
    for one, file in zip(made, files, strict=True):
        why = one.judged.properties.reason if isinstance(one.judged.properties, Unknown) else ""
        one.judged.trace = of_entry(file.path, file.value, why, run, own)


def _runner(job: Job, options: Options, path: str, made: Made) -> Runner:
    """Return where the runner is. A time zone that does not exist, in a configuration, is noted and does not count."""
    try:
        return Runner.of(options.time_zone, "")
    except NoZone as error:
        made.errors.append(Problem(job.inputs.place_of(path), 0, 0, f"time_zone: {error}"))
        return Runner.of("", "")


def _check_runner(job: Job) -> None:
    """Raise Misconfigured where the command line names a time zone that does not exist."""
    try:
        Runner.of(job.args.time_zone, "")
    except NoZone as error:
        remedy = "Give a name such as UTC or Europe/Berlin."
        raise Misconfigured(f"--time-zone: {error}", code="bad-use", remedy=remedy) from None


def _target(job: Job, path: str, made: Made) -> str:
    """Return the id of the management group that the environment of a file goes to; "" where nobody said."""
    try:
        return Targets.of(job.inputs.options(path).deploy_to).scope_for(ScopeKind.MANAGEMENT_GROUP) or ""
    except WrongScope as error:
        made.errors.append(Problem(job.inputs.place_of(path), 0, 0, f"deploy_to: {error}"))
        return ""


def _files(repository: Repository, environment: Environment, made: Made) -> Iterator[ConfigFile]:
    """Yield the files of an environment, by their paths. Of one that cannot be read here, nothing is certain."""
    data: dict[str, bytes | Unreadable] = {one.path: one.data for one in environment.files}
    if environment.whole:
        for path, said in repository.json_below(environment.folder):
            if path.rpartition("/")[2] != SCHEMA:
                data.setdefault(path, said)
    for path, content in sorted(data.items()):
        name = path[len(environment.folder) + 1 :] if environment.folder else path
        if isinstance(content, Unreadable):
            made.errors.append(Problem(path, 0, 0, str(content)))
            yield unread(path, name, f"{path} is not read here")
        else:
            yield read_config(content, path, name)
