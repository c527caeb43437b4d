"""One run of `check`: it reads files, computes what they would deploy, and has the rules judge it."""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardrails.check.answer import Answer, Deployment, Judged, Problem
from guardrails.check.azure_objects import AzureObjects, azure_objects
from guardrails.check.config import NAME, Config, Options, folders_above, read_config
from guardrails.check.entries import FORMATS, Entry, Sources, companions_of, entries_of, makes_assignments
from guardrails.check.explain import Origin, explained
from guardrails.check.judge import Candidate, depends_on_now, judge_all, skipped_rules
from guardrails.check.second_opinion import merge
from guardrails.check.world import Targets, WrongScope, world_of
from guardrails.errors import Misconfigured
from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.plan import Outcome, Plan
from guardrails.evaluation.template import Language, ParameterFile, Stage, Template
from guardrails.evaluation.world import World
from guardrails.files.arm_json import read_bytes
from guardrails.files.code import Code, Unreadable
from guardrails.files.walk import Found, Kind, Repository, Trouble, root_of
from guardrails.ruleset.model import Ruleset

if TYPE_CHECKING:
    from guardrails.cli.check_compiler import Compiled

_CONFIG: Final = 256 * 1024
"""Bytes of a configuration that are read."""
_TEMPLATES: Final = (Kind.ARM, Kind.BICEP)


@dataclass(slots=True)
class Run:
    """What a run came to.

    Attributes:
        answer: what is printed.
        origins: with --explain, number of an exemption -> where its values come from.
    """

    repository: Repository
    answer: Answer = field(default_factory=Answer)
    origins: dict[int, list[tuple[str, list[Origin]]]] = field(default_factory=dict)

    def text_of(self, path: str) -> str:
        """Return a file's text for display, "" where it cannot be read."""
        try:
            return self.repository.read(path).decode("utf-8-sig", "replace")
        except Unreadable:
            return ""


@dataclass(slots=True)
class _Evaluated:
    """A deployment, computed; `at_now`: as if it were deployed now, where that differs."""

    entry: Entry
    options: Options
    azure: AzureObjects
    world: World
    plan: Plan
    at_now: Plan


def check(args: argparse.Namespace, ruleset: Ruleset) -> Run:
    """Check what the arguments name. Raises Misconfigured for options that make no sense."""
    here = Path.cwd()
    paths = [Path(os.path.abspath(here / path)) for path in args.paths]  # noqa: PTH100 - links stay links
    repository = Repository(root_of(paths, here))
    run = Run(repository)
    checking = _Checking(args, ruleset, repository, run)
    checking.read(paths)
    checking.evaluate()
    checking.judge()
    return run


class _Checking:
    """The steps of a run, and what each leaves to the next."""

    def __init__(self, args: argparse.Namespace, ruleset: Ruleset, repository: Repository, run: Run) -> None:
        self._args = args
        self._ruleset = ruleset
        self._repository = repository
        self._answer = run.answer
        self._run = run
        self._code = Code(repository)
        self._configs: dict[str, Config | None] = {}
        self._azure: dict[tuple[tuple[Path | str, ...], bool], AzureObjects] = {}
        self._compiled: dict[str, Compiled] = {}
        self._said = _options_of(args)
        self._evaluated: list[_Evaluated] = []
        self._present = datetime.now(UTC).replace(microsecond=0)
        self._check_scope(self._said)

    def read(self, paths: Sequence[Path]) -> None:
        """Read the templates and parameter files at and below the paths."""
        templates: dict[str, Template] = {}
        parameters: dict[str, ParameterFile] = {}
        for found in self._repository.walk(paths):
            if isinstance(found, Trouble):
                self._answer.errors.append(Problem(*found))
            elif found.kind in _TEMPLATES:
                self._template(found, templates)
            else:
                self._parameters(found.path, parameters, found)
        given = [self._given(file, parameters) for file in self._given_files(templates)]
        for path in [*templates]:
            for companion in self._companions(path):
                if companion not in parameters:
                    self._parameters(companion, parameters, None)
                    if (one := parameters.get(companion)) and one.using and one.using not in templates:
                        del parameters[companion]  # another's, that nobody asked to check
        for one in [*parameters.values()]:
            if one.using and one.using not in templates:
                self._used(one, templates)
        self._sources = Sources(templates, parameters, tuple(filter(None, given)))

    def _template(self, found: Found, templates: dict[str, Template]) -> None:
        template = self._code.template(found)
        if template is not None:
            templates[found.path] = template

    def _parameters(self, path: str, parameters: dict[str, ParameterFile], found: Found | None) -> None:
        one = self._code.parameters(path, found.data if found else None)
        if one is not None:
            parameters[path] = one

    def _used(self, one: ParameterFile, templates: dict[str, Template]) -> None:
        """Read the template that a parameter file uses."""
        try:
            template = self._code.named(one.using)
        except Unreadable as error:
            self._answer.errors.append(Problem(*one.place, f"the template {one.using}: {error}"))
            return
        if template is not None:
            templates[one.using] = template

    def _companions(self, path: str) -> list[str]:
        """Return the paths of the parameter files beside a template that may be its own."""
        folder, _, _ = path.rpartition("/")
        names = self._code.names_in(folder)
        some = [one for one in companions_of(path) if one.rpartition("/")[2] in names]
        if path.endswith(".bicep"):
            some += [f"{folder}/{name}" if folder else name for name in sorted(names) if name.endswith(".bicepparam")]
        return some

    def _given_files(self, templates: dict[str, Template]) -> list[Path | str]:
        said: dict[Path | str, None] = dict.fromkeys(self._said.parameters)
        if not said:
            for path in templates:
                said |= dict.fromkeys(self._options(path).parameters)
        return [*said]

    def _given(self, file: Path | str, parameters: dict[str, ParameterFile]) -> str:
        """Read a parameter file that an option names; return its path, "" where it cannot be read."""
        try:
            path, data = self._named_file(file)
        except Unreadable as error:
            self._answer.errors.append(Problem(str(file), 0, 0, str(error)))
            return ""
        one = self._code.parameters(path, data)
        if one is None:
            self._answer.errors.append(Problem(path, 0, 0, "this is no parameter file"))
            return ""
        parameters[path] = one
        return path

    def _named_file(self, file: Path | str) -> tuple[str, bytes]:
        """Return a file that an option names: by a Path, whoever runs the check did; by a text, the code. Raises."""
        if isinstance(file, str):
            path = self._repository.joined("", file)
            return path, self._repository.read(path)
        full = Path(os.path.abspath(file))  # noqa: PTH100 - links stay links
        return self._repository.relative(full), Repository(full.parent).read(full.name)

    def evaluate(self) -> None:
        """Compute each deployment."""
        entries, unused = entries_of(self._sources)
        for path in unused:
            self._answer.errors.append(Problem(path, 0, 0, "no checked template takes these parameters"))
        for entry in entries:
            self._evaluate(entry)
        if any(one.options.online for one in self._evaluated):
            self._ask()
        if self._args.compiler:
            for one in self._evaluated:
                if one.entry.template.language is Language.BICEP:
                    self._compare(one)

    def _evaluate(self, entry: Entry) -> None:
        options = self._options(entry.template.path)
        if entry.parameters is not None:
            options = self._specific(entry.parameters.path, entry.template.path, options)
        azure = self._azure_of(options)
        try:
            world = world_of(options, entry.template.scope, azure, options.now)
        except WrongScope as error:
            self._answer.errors.append(Problem(self._config_path(entry.template.path), 0, 0, f"deploy_to: {error}"))
            world = world_of(Options(), entry.template.scope, azure, options.now)
        plan = deploy(entry.template, world, entry.parameters)
        at_now = plan
        if options.now is None and depends_on_now(plan.exemptions):
            at_now = deploy(entry.template, replace(world, now=self._present), entry.parameters)
            if len(at_now.exemptions) != len(plan.exemptions):
                at_now = plan
        self._evaluated.append(_Evaluated(entry, options, azure, world, plan, at_now))

    def _compare(self, one: _Evaluated) -> None:
        """Fill what is unknown of a deployment by what the compiler makes of its file; note where they disagree."""
        from guardrails.cli.check_compiler import compile_file, disagreement  # noqa: PLC0415 - for this option only

        path, errors = one.entry.template.path, self._answer.errors
        if path not in self._compiled:
            self._compiled[path] = compile_file(self._args.compiler, self._repository.root, path)
            errors += self._compiled[path].problems
        compiled = self._compiled[path]
        if not compiled.template:
            if compiled.refused and one.plan.outcome is not Outcome.REFUSED:
                errors.append(Problem(path, 0, 0, "the compiler refuses it, and this program does not"))
                one.plan.outcome, one.plan.stage = Outcome.REFUSED, Stage.COMPILE
            return
        if one.plan.outcome is Outcome.REFUSED and one.plan.stage is not Stage.EVALUATE:
            errors.append(Problem(path, 0, 0, "this program refuses it, and the compiler does not"))
            return
        template = self._code.compiled(f"{path} (compiled)", compiled.template)
        if template is None:
            errors.append(Problem(path, 0, 0, "the compiler's answer is no template"))
            return
        theirs = deploy(template, one.world, one.entry.parameters)
        errors += map(disagreement, merge(one.plan, theirs))
        if one.at_now is not one.plan:
            merge(one.at_now, deploy(template, replace(one.world, now=self._present), one.entry.parameters))

    def _ask(self) -> None:
        """Ask Azure for the assignments that are named."""
        from guardrails.cli.check_online import ask  # noqa: PLC0415 - the Azure SDK is for this option only

        named: dict[int, dict[str, None]] = {}
        objects = {id(one.azure): one.azure for one in self._evaluated}
        for one in self._evaluated:
            if one.options.online:
                some = named.setdefault(id(one.azure), {})
                some.update(dict.fromkeys(_assignments(one.at_now)))
        asked = {key: ask(objects[key], ids, policies=self._ruleset.asks_policies) for key, ids in named.items()}
        for one in self._evaluated:
            one.azure = asked.get(id(one.azure), one.azure) if one.options.online else one.azure

    def judge(self) -> None:
        """Have the rules judge what would be deployed, and put all into the answer."""
        candidates: list[Candidate] = []
        answer = self._answer
        for one in self._evaluated:
            template, parameters = one.entry.template, one.entry.parameters
            form, path = FORMATS[template.language], parameters.path if parameters else None
            plan = one.plan
            answer.deployments.append(
                Deployment(form, plan.paths, path, plan.outcome, plan.stage, plan.outputs, plan.diagnostics)
            )
            if template.incomplete:
                answer.notes.append(f"{template.path}: {template.incomplete}")
            for planned, now in zip(plan.exemptions, one.at_now.exemptions, strict=True):
                judged = Judged(
                    form, planned.place, planned.via, planned.deployed, planned.entry, path, planned.id, planned.scope,
                    planned.name, planned.api_version, planned.properties,
                )  # fmt: skip
                if self._args.explain:
                    given = parameters.values if parameters else {}
                    self._run.origins[len(answer.exemptions)] = explained(planned, template, given)
                answer.exemptions.append(judged)
                if planned.deployed is not False:
                    at = one.options.now or self._present
                    candidates.append(
                        Candidate(judged, planned, now.properties, now.id, one.options.next_run, one.azure, at)
                    )
        made = makes_assignments([one.entry.template for one in self._evaluated])
        problems = judge_all(candidates, self._ruleset, self._said.now or self._present, makes_assignments=made)
        answer.errors += [Problem(*place, text) for place, text in problems]
        answer.skipped = skipped_rules(self._ruleset)

    def _options(self, path: str) -> Options:
        config = self._config_of(path)
        return (config.options_for(path) if config else Options()).overridden_by(self._said)

    def _specific(self, path: str, template: str, options: Options) -> Options:
        """Return the options of a deployment whose parameter file has some of its own."""
        config, other = self._config_of(path), self._config_of(template)
        if config is None:
            return options
        own = config.by_pattern(path) if config is other else config.options_for(path)
        return options.overridden_by(own).overridden_by(self._said)

    def _config_of(self, path: str) -> Config | None:
        """Return the nearest configuration above a file."""
        for folder in folders_above(path):
            if folder not in self._configs:
                self._configs[folder] = self._read_config(f"{folder}/{NAME}" if folder else NAME)
            if config := self._configs[folder]:
                return config
        return None

    def _read_config(self, path: str) -> Config | None:
        folder, _, name = path.rpartition("/")
        if name not in self._code.names_in(folder):
            return None
        try:
            text = self._repository.read(path, most=_CONFIG).decode("utf-8-sig")
        except (Unreadable, UnicodeDecodeError) as error:
            said = str(error) if isinstance(error, Unreadable) else "it is not UTF-8"
            self._answer.errors.append(Problem(path, 0, 0, said))
            return None
        config, problems = read_config(text, path)
        self._answer.errors += [_located(text, path) for text in problems]
        return config

    def _config_path(self, path: str) -> str:
        config = self._config_of(path)
        return f"{config.folder}/{NAME}".lstrip("/") if config else path

    def _azure_of(self, options: Options) -> AzureObjects:
        key = options.azure, options.azure_complete
        if key not in self._azure:
            readings = []
            for file in options.azure:
                try:
                    path, data = self._named_file(file)
                except Unreadable as error:
                    self._answer.errors.append(Problem(str(file), 0, 0, str(error)))
                    continue
                readings.append((path, read_bytes(data, path)))
            made, problems = azure_objects(readings, self._ruleset.names, complete=options.azure_complete)
            self._answer.errors += [Problem(path, 0, 0, str(problem)) for path, problem in problems]
            self._azure[key] = made
        return self._azure[key]

    def _check_scope(self, options: Options) -> None:
        try:
            Targets.of(options.deploy_to)
        except WrongScope as error:
            remedy = "Give ids such as /subscriptions/ID/resourceGroups/NAME."
            raise Misconfigured(f"--deploy-to: {error}", code="bad-use", remedy=remedy) from None


def _assignments(plan: Plan) -> Iterator[str]:
    """Yield the ids of the assignments that a plan's exemptions name, as far as they are known."""
    for one in plan.exemptions:
        properties = one.properties if isinstance(one.properties, dict) else {}
        for name, value in properties.items():
            if str(name).lower() == "policyassignmentid" and isinstance(value, str) and one.deployed is not False:
                yield value


def _options_of(args: argparse.Namespace) -> Options:
    return Options(
        tuple(args.deploy_to), args.tenant, args.location, args.deployment_name, tuple(args.parameters),
        tuple(args.azure), args.azure_complete, args.online, args.now, args.next_run,
    )  # fmt: skip


def _located(text: str, path: str) -> Problem:
    """Return a mistake in a configuration, `path:line:column: what`."""
    parts = text.removeprefix(f"{path}:").split(":", 2)
    if len(parts) == 3 and parts[0].isdecimal() and parts[1].isdecimal():
        return Problem(path, int(parts[0]), int(parts[1]), parts[2].strip())
    return Problem(path, 0, 0, text)
