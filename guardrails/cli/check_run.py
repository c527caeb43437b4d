"""One run of `check`: it finds files, has them read, computed and judged, and puts the answer together.

Many templates are shared among processes, as many as there are processors; each takes some at a time, so that what was
read of them can be let go of.
"""

import argparse
import gc
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardrails.check.answer import Answer, Judged, Problem
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.duplicates import add_duplicates
from guardrails.check.entries import Parameters, companions_of, roots_of
from guardrails.check.judge import skipped_rules
from guardrails.cli.check_batch import Batch, Checked, Job, deploys_assignments
from guardrails.cli.check_inputs import Inputs
from guardrails.dataclass import dataclass, field
from guardrails.evaluation.template import ParameterFile
from guardrails.files.code import Code, Unreadable
from guardrails.files.tree import DISK, Tree
from guardrails.files.walk import EPAC_FOLDER, Found, Kind, Repository, Trouble, root_of
from guardrails.ruleset.model import Ruleset

if TYPE_CHECKING:
    from guardrails.check.explain import Origin
    from guardrails.cli.check_epac import Planned
    from guardrails.cli.check_factory import Made

_AT_ONCE: Final = 25
"""Templates that are held at once: few, for what was read of them is let go of."""
_SMALLER: Final = 5
"""So much smaller are the last parts, so that no process waits long for another."""
_MOST: Final = 32
"""Processes."""
_PARTS: Final = 700
"""Parts that so many templates are shared in, before the last ones are made smaller."""
_WORTH_SHARING: Final = 120
"""So many templates, or so many bytes of them, are worth a second process."""
_BYTES: Final = 1_000_000
_FEW: Final = 16_000_000
"""Of so many bytes of templates nothing is let go of: what was read of them takes as much memory again."""


@dataclass(slots=True)
class Run:
    """What a run came to.

    Attributes:
        answer: what is printed.
        origins: with --explain, number of an exemption -> where its values come from.
        azure: what is known of Azure for each exemption.
        borrowed: the paths of files that options name and that were read of the present; see Inputs.
        itself: this, so that no time is spent on letting go of it: the process ends soon, or garbage is collected.
    """

    repository: Repository
    answer: Answer = field(default_factory=Answer)
    origins: "dict[int, list[tuple[str, list[Origin]]]]" = field(default_factory=dict)
    azure: list[AzureObjects] = field(default_factory=list)
    borrowed: tuple[str, ...] = ()
    itself: "Run | None" = field(default=None, init=False, repr=False, compare=False)

    def text_of(self, path: str) -> str:
        """Return a file's text for display, "" where it cannot be read."""
        try:
            return self.repository.read(path).decode("utf-8-sig", "replace")
        except Unreadable:
            return ""


def paths_of(args: argparse.Namespace) -> tuple[list[Path], Path]:
    """Return the absolute paths that the arguments name, and the root of their repository."""
    here = Path.cwd()
    paths = [Path(os.path.abspath(here / path)) for path in args.paths]  # noqa: PTH100 - links stay links
    definitions = [Path(str(path).partition(EPAC_FOLDER)[0]) for path in paths if EPAC_FOLDER in str(path)]
    return paths, root_of([*paths, *definitions], here)


@dataclass(frozen=True, slots=True)
class Compared:
    """One of two runs that are compared.

    Attributes:
        tree: its files.
        other: the other one's.
        present: the time that both are judged at where nobody said when the code is deployed, UTC.
        past: it is the one before the change.
    """

    tree: Tree
    other: Tree
    present: datetime
    past: bool

    def is_named(self, full: str) -> bool:
        """Whether this run is of a path. One that is on neither side is a mistake of the caller, and said once."""
        return self.tree.exists(full) or not (self.past or self.other.exists(full))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Have no garbage collected meanwhile: what is let go of goes by itself, and the rest is part of the answer.

    Then all that is left counts as old, so that the next collection does not go through it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def check(args: argparse.Namespace, ruleset: Ruleset, compared: Compared | None = None) -> Run:
    """Check what the arguments name. Raises Misconfigured for options that make no sense."""
    with _uncollected():
        return _check(args, ruleset, compared)


def _check(args: argparse.Namespace, ruleset: Ruleset, compared: Compared | None) -> Run:
    paths, root = paths_of(args)
    repository = Repository(root, compared.tree if compared else DISK)
    if compared:
        paths = [path for path in paths if compared.is_named(str(path))]
    if args.pac_selector or args.epac_settings:
        from guardrails.cli.check_epac import folders_given  # noqa: PLC0415 - many runs have none

        repository.epac = folders_given(repository, paths, args)
    present_files = Repository(root) if compared and compared.past else None
    inputs = Inputs(args, repository, ruleset.names, present_files)
    run = Run(repository)
    run.itself = run
    files = _Files(repository, inputs, run.answer)
    files.read(paths)
    parameters = Parameters(files.parameters, files.given)
    options = [inputs.options(one.path) for one in files.templates]
    options += [inputs.options(one.using or one.path, one.path) for one in files.parameters.values()]
    for one in options:  # what is wrong with their files is noted here, once
        inputs.azure(one)
    asked = any(one.azure_complete or one.online for one in options)
    makes = asked and deploys_assignments(repository, files.templates)
    present = compared.present if compared else datetime.now(UTC).replace(microsecond=0)
    job = Job(args, ruleset, repository, inputs, parameters, present, makes, compared is not None)
    _put_together(run, checked_by(job, files.templates), job, _deployers(job, files, paths))
    run.answer.notes += _judged_elsewhere([one.path for one in files.saved if one.path not in inputs.known])
    return run


class _Files:
    """The templates and parameter files of a run."""

    def __init__(self, repository: Repository, inputs: Inputs, answer: Answer) -> None:
        self._repository = repository
        self._inputs = inputs
        self._errors = answer.errors
        self._code = Code(repository)
        self.templates: list[Found] = []
        self.epac: list[Found] = []
        self.factory: list[Found] = []
        self.saved: list[Found] = []
        self._lists: Mapping[Kind, list[Found]] = {
            Kind.ARM: self.templates, Kind.BICEP: self.templates, Kind.EPAC: self.epac,
            Kind.AZPOLICYFACTORY: self.factory, Kind.SAVED: self.saved,
        }  # fmt: skip
        self.parameters: dict[str, ParameterFile] = {}
        self.given: tuple[str, ...] = ()
        self._beside: dict[str, list[str]] = {}
        """The parameter files of Bicep in each folder."""

    def read(self, paths: Sequence[Path]) -> None:
        """Find the templates and read the parameter files, at and below the paths and next to the templates."""
        for found in self._repository.walk(paths):
            if isinstance(found, Trouble):
                self._errors.append(Problem(*found))
            elif found.kind in self._lists:
                self._lists[found.kind].append(found)
            else:
                self._keep(self._code.parameters(found.path, found.data))
        self.given = tuple(filter(None, map(self._given, self._named())))
        there = {one.path for one in self.templates}
        for one in self.templates:
            for companion in self._companions(one.path):
                if companion not in self.parameters:
                    made = self._code.parameters(companion)
                    if made and (not made.using or made.using in there):  # else it is another's
                        self._keep(made)
        for parameters in [*self.parameters.values()]:
            if parameters.using and parameters.using not in there:
                there.add(parameters.using)
                self._use(parameters)

    def _keep(self, made: ParameterFile | None) -> None:
        if made is not None:
            self.parameters[made.path] = made

    def _use(self, parameters: ParameterFile) -> None:
        """Find the template that a parameter file uses."""
        try:
            found = self._code.found(parameters.using)
        except Unreadable as error:
            self._errors.append(Problem(*parameters.place, f"the template {parameters.using}: {error}"))
            return
        if found is not None:
            self.templates.append(found)

    def _companions(self, path: str) -> list[str]:
        """Return the paths of the parameter files next to a template that may be its own."""
        folder, _, _ = path.rpartition("/")
        names = self._code.names_in(folder)
        some = [one for one in companions_of(path) if one.rpartition("/")[2] in names]
        if path.endswith(".bicep"):
            if folder not in self._beside:
                named = sorted(one for one in names if one.endswith(".bicepparam"))
                self._beside[folder] = [f"{folder}/{name}".lstrip("/") for name in named]
            some += self._beside[folder]
        return some

    def _named(self) -> list[Path | str]:
        """Return the parameter files that options name: of the command line, else of configurations."""
        if self._inputs.said.parameters:
            return [*self._inputs.said.parameters]
        return [*dict.fromkeys(file for one in self.templates for file in self._inputs.options(one.path).parameters)]

    def _given(self, file: Path | str) -> str:
        """Read a parameter file that an option names; return its path, "" where it cannot be read."""
        try:
            path, data = self._inputs.file(file, borrow=False)
        except Unreadable as error:
            self._errors.append(Problem(str(file), 0, 0, str(error)))
            return ""
        made = self._code.parameters(path, data)
        if made is None:
            self._errors.append(Problem(path, 0, 0, "this is no parameter file"))
            return ""
        self._keep(made)
        return path


def checked_by(job: Job, files: Sequence[Found]) -> list[Checked]:
    """Return what became of each template, in their order: by this process, or by several."""
    workers = _workers(job)
    if not workers:
        return Batch(job).check(files)
    size = max(_AT_ONCE, len(files) // _PARTS)
    parts = [files[at : at + size] for at in range(0, len(files), size)]
    workers, read = min(workers, len(parts)), sum(len(one.data) for one in files)

    def checked(number: int) -> list[Checked]:
        return Batch(job, stays=read <= _FEW).check(parts[number])

    if workers > 1 and (len(files) >= _WORTH_SHARING or read >= _BYTES):
        from guardrails.cli.forks import shared  # noqa: PLC0415 - few runs have so many files

        few = size // _SMALLER
        parts[-workers:] = [part[at : at + few] for part in parts[-workers:] for at in range(0, len(part), few)]
        return [one for some in shared(checked, len(parts), workers) for one in some]
    return [one for number in range(len(parts)) for one in checked(number)]


def _workers(job: Job) -> int:
    """Return how many processes may take part in a run; 0 where it is not to be parted, for what it asks or keeps."""
    if job.args.online or job.args.compiler or job.args.explain:
        return 0
    return _processors() if sys.platform == "linux" else 1


def _processors() -> int:
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, _MOST)


def _deployers(job: Job, files: _Files, paths: Sequence[Path]) -> Iterator["Planned | Made"]:
    """Yield what the deployers of exemption files make of theirs."""
    repository, found = job.repository, files.epac
    if files.factory or repository.epac_seen:
        from guardrails.cli.factory_folders import SCHEMA, environments  # noqa: PLC0415 - see below

        schemas = [one.path for one in found if one.path.rpartition("/")[2] == SCHEMA]
        some = environments(repository, files.factory, paths, schemas)
        whole = [one.folder for one in some if one.whole]
        repository.factory = frozenset(whole)
        taken = (SCHEMA, *(f"{folder}/" for folder in whole if folder))
        found = [one for one in found if not one.path.startswith(taken) and not one.path.endswith(f"/{SCHEMA}")]
        if some:
            from guardrails.cli.check_factory import factory_run  # noqa: PLC0415 - see below

            yield factory_run(job, some)
    if found or repository.epac or repository.epac_seen:
        from guardrails.cli.check_epac import EpacRun  # noqa: PLC0415 - many runs have none

        yield EpacRun(job, paths, _workers(job)).plan(found)


def _judged_elsewhere(paths: Sequence[str]) -> Iterator[str]:
    """Yield what to do about files that hold exemptions which were saved from Azure."""
    if paths:
        others = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        command = f"exg judge {shlex.quote(paths[0])}"
        yield f"{paths[0]}{others}: no code, but exemptions that were saved from Azure; judge them with `{command}`"


def _put_together(run: Run, checked: Sequence[Checked], job: Job, deployers: Iterable["Planned | Made"]) -> None:
    """Put what became of the templates into the answer: what others deploy is not there by itself."""
    answer, inputs = run.answer, job.inputs
    roots = roots_of({one.path: one.modules for one in checked})
    fitting: set[str] = set()
    judged: list[tuple[Judged, AzureObjects]] = []
    for one in checked:
        some = [each for each in one.deployed if each.named or one.path in roots]
        for each in some:
            fitting.add(each.parameters)
            answer.deployments.append(each.deployment)
            answer.errors += each.problems
            for number, exemption in enumerate(each.exemptions):
                if each.origins:
                    run.origins[len(answer.exemptions)] = each.origins[number]
                answer.exemptions.append(exemption)
                judged.append((exemption, inputs.azure(each.options)))
        if some and one.incomplete:
            answer.notes.append(f"{one.path}: {one.incomplete}")
    for made in deployers:
        answer.deployments += made.deployments
        answer.errors += made.errors
        answer.notes += made.notes
        answer.exemptions += [one for one, _ in made.judged]
        judged += made.judged
    for path in job.parameters.given:
        if path not in fitting:
            answer.errors.append(Problem(path, 0, 0, "no checked template takes these parameters"))
    run.azure = [azure for _, azure in judged]
    run.borrowed = tuple(inputs.borrowed)
    add_duplicates(judged, job.ruleset, job.args.now or job.present, makes_assignments=job.makes_assignments)
    answer.errors += inputs.errors
    answer.skipped = skipped_rules(job.ruleset)
