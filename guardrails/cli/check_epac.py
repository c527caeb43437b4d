"""The folders of exemptions of EPAC in a run of `check`: found, read, planned, judged."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardrails.check.answer import Deployment, Judged, Problem
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.config import Options
from guardrails.check.epac import deployment_of, note_of
from guardrails.check.epac_files import Come, Files, Setting, come_of, part_come, parts_of, together
from guardrails.check.epac_world import world_of
from guardrails.cli.check_batch import Job
from guardrails.dataclass import dataclass, field, replace
from guardrails.epac.instants import NoZone, Runner, ticks_of
from guardrails.epac.world import Environment, Switches, World
from guardrails.errors import Misconfigured
from guardrails.files.epac import ENDINGS
from guardrails.files.epac_settings import NAMES, BadSettings, read_settings
from guardrails.files.walk import EPAC_FOLDER, Found, Repository, Unreadable, kind_of
from guardrails.nearest import nearest

if TYPE_CHECKING:
    from guardrails.check.trace import Trace
    from guardrails.epac.plan import EpacPlan, Item

_WORTH_SHARING: Final = 500_000
"""So many bytes of a folder's files are worth a second process."""
_ASSIGNMENTS: Final = "policyAssignments"
_UNREAD: Final = "EPAC reads no file of this folder itself, only of folders in it that are called as an environment"
_EMPTY: Final = "git keeps no empty folder; in a clone without this folder, EPAC deletes nothing"
_DEFINITIONS: Final = ("policyDefinitions", "policySetDefinitions")
_SWITCHES: Final[Mapping[str, str]] = {
    "failonexemptionerror": "fail",
    "skipnotscopedexemptions": "keep_not_scoped",
    "skipnotscoped": "keep_not_scoped",
    "buildexemptionsonly": "alone",
    "erroractionpreference": "stop",
    "erroraction": "stop",
}
_SKIP_RESOURCES: Final = ("skipresourcevalidationforexemptions", "skipresourcevalidation")
_NO_EXEMPTIONS: Final = "skipexemptions"
_ON: Final = ("true", "1", "stop")
_OFF: Final = ("false", "0", "continue", "silentlycontinue", "ignore", "inquire", "break", "suspend")


@dataclass(slots=True)
class Planned:
    """What became of all folders of EPAC."""

    judged: list[tuple[Judged, AzureObjects]] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Folder:
    """One environment's folder: its path from the root, whether EPAC finds it by its own name, and its files.

    `hidden`: files in it that EPAC does not read on Linux, for a name in their path begins with a dot. `unread`: it is
    above the folders of environments, and nobody says that its files are those of one.
    """

    path: str
    own: bool
    files: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    unread: bool = False

    @property
    def is_above(self) -> bool:
        """Whether it is the one that the folders of environments are in."""
        return not self.own and f"/{self.path}".endswith(EPAC_FOLDER)

    @property
    def first(self) -> str:
        """The path of a file in it, by which its options are found."""
        return self.files[0] if self.files else f"{self.path}/x.json"


@dataclass(frozen=True, slots=True)
class Calling:
    """How EPAC is called. `skip_resources`: the setting of this name is on."""

    runner: Runner
    switches: Switches
    skip_resources: bool
    settings: Path | str | None
    selector: str


class WrongCall(ValueError):
    """EPAC cannot be called in this way. `option`: which option says so; `remedy`: what to give."""

    def __init__(self, option: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.option = option
        self.remedy = remedy


def calling_of(options: Options) -> Calling:
    """Return how EPAC is called. Raises WrongCall for what makes no sense."""
    try:
        runner = Runner.of(options.time_zone, options.culture)
    except NoZone as error:
        raise WrongCall("time_zone", str(error), "Give a name such as UTC or America/New_York.") from None
    said: dict[str, bool] = {}
    skip = False
    for text in options.epac_switch:
        name, given, value = text.partition("=")
        key = name.lstrip("-").lower()
        word = value.strip().lstrip("$").lower()
        on = not given or word in _ON
        if given and word not in (*_ON, *_OFF):
            raise WrongCall("epac_switch", f"'{text[:60]}' says neither true nor false", "Give NAME or NAME=false.")
        if key == _NO_EXEMPTIONS and on:
            raise WrongCall("epac_switch", f"with '{name[:60]}' EPAC plans no exemptions", "Leave it out.")
        if key == _NO_EXEMPTIONS:
            continue
        if key in _SKIP_RESOURCES:
            skip = on
        elif key in _SWITCHES:
            said[_SWITCHES[key]] = on and (key[:5] != "error" or word == "stop")
        else:
            known = nearest(key, [*_SWITCHES, *_SKIP_RESOURCES])
            raise WrongCall(
                "epac_switch", f"'{name[:60]}' is none that matters to exemptions",
                f"Did you mean {next(iter(known), 'FailOnExemptionError')}?",
            )  # fmt: skip
    return Calling(runner, Switches(**said), skip, options.epac_settings, options.pac_selector)


def folders_given(repository: Repository, paths: Sequence[Path], args: Any) -> tuple[str, ...]:
    """Return the folders whose files are EPAC's because an option of the command line says so."""
    folders = [path for path in paths if repository.is_folder(path)]
    said = (args.pac_selector or args.epac_settings) and not any(_has_own(repository, path) for path in folders)
    return tuple(map(str, folders)) if said else ()


def _has_own(repository: Repository, path: Path) -> bool:
    """Whether a folder is one of EPAC's for an environment, or has EPAC's folders in it."""
    if next(_own_folders(repository, path), None):
        return True
    own = {EPAC_FOLDER[1:], _ASSIGNMENTS, *_DEFINITIONS}
    return any(own.intersection(names) for _, names, _ in _visible(repository, path))


def _visible(repository: Repository, path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield the folders at and below one, without hidden ones and those of node; names taken out are not entered."""
    for folder, names, files in repository.below(str(path)):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "node_modules")
        yield folder, names, files


def _own_folders(repository: Repository, path: Path) -> Iterator[Path]:
    """Yield the folders of environments at, above or below a folder."""
    for above in (path, *path.parents):
        if above.parent.name == EPAC_FOLDER[1:]:
            yield above
            return
    for folder, names, _ in _visible(repository, path):
        if Path(folder).name == EPAC_FOLDER[1:]:
            yield from (Path(folder, name) for name in names)
            names.clear()


class EpacRun:
    """Plans all folders of EPAC at and below some paths. `workers`: processes that may take part."""

    def __init__(self, job: Job, paths: Sequence[Path], workers: int) -> None:
        self._job = job
        self._workers = workers
        self._repository: Repository = job.repository
        self._paths = paths
        self._made = Planned()
        try:
            calling_of(job.inputs.said)
        except WrongCall as error:
            option = error.option.replace("_", "-")
            raise Misconfigured(f"--{option}: {error}", code="bad-use", remedy=error.remedy) from None

    def plan(self, found: Sequence[Found]) -> Planned:
        """Return what becomes of the files that the walk found, with their folders."""
        folders = self._folders(found)
        own = {one.path.lower() for one in folders if one.own}
        for folder in folders:
            selector = self._job.inputs.options(folder.first).pac_selector
            folder.unread = folder.is_above and (not selector or f"{folder.path}/{selector}".lower() in own)
            named = f"{folder.path.rpartition('/')[0]}/{selector}".lower()
            if folder.own and selector and named in own and named != folder.path.lower():
                self._made.notes.append(f"{folder.path} is not read: the environment is {selector}, which has a folder")
            else:
                self._folder(folder)
        return self._made

    def _folders(self, found: Sequence[Found]) -> list[_Folder]:
        folders: dict[str, _Folder] = {}
        for path in self._paths:
            for found_folder in _own_folders(
                self._repository, path if self._repository.is_folder(path) else path.parent
            ):
                place = self._repository.relative(found_folder)
                if place in self._repository.factory:
                    continue
                folders.setdefault(place, _Folder(place, own=True, files=[*self._listed(place)]))
        for given in self._repository.epac:
            place = self._repository.relative(Path(given))
            folders.setdefault(place, _Folder(place, own=False))
        skipped = self._named_by_options()
        for one in found:
            own = next((each for each in folders.values() if each.own and _is_in(one.path, each.path)), None)
            if own is not None and one.path not in own.files:
                own.hidden.append(one.path)
            elif own is None and one.path not in skipped and one.path.rpartition("/")[2] not in NAMES:
                place = self._loose(one)
                folders.setdefault(place, _Folder(place, own=False)).files.append(one.path)
        return list(folders.values())

    def _named_by_options(self) -> frozenset[str]:
        said = self._job.inputs.said
        some = [one for one in (*said.azure, said.epac_settings) if one]
        return frozenset(self._repository.relative(Path(os.path.abspath(one))) for one in some)  # noqa: PTH100 - links stay links

    def _loose(self, one: Found) -> str:
        """Return the folder that a file belongs to, where none is EPAC's own: a given one, else the file's."""
        for given in self._repository.epac:
            place = self._repository.relative(Path(given))
            if _is_in(one.path, place):
                return place
        return one.path.rpartition("/")[0]

    def _listed(self, folder: str) -> Iterator[str]:
        """Yield the files that EPAC reads of a folder: no hidden ones, those of a folder before those below it."""
        base = self._repository.root / folder
        for here, names, files in self._repository.below(str(base)):
            names[:] = sorted(name for name in names if not name.startswith("."))
            for name in sorted(files, key=str.lower):
                if name.lower().endswith(ENDINGS) and not name.startswith("."):
                    yield self._repository.relative(Path(here, name))

    def _folder(self, folder: _Folder) -> None:
        made, job = self._made, self._job
        first = folder.first
        options = job.inputs.options(first)
        azure = job.inputs.azure(options)
        calling = self._calling(options, first)
        environment, settings, unsettled = self._environment(folder, calling)
        now = options.now or job.present
        unread: list[str] = []
        data = [*self._read(folder, unread)]
        given = World(
            calling.runner, ticks_of(now), switches=calling.switches, complete=azure.complete,
            plans_assignments=self._plans(folder, calling, _ASSIGNMENTS),
            plans_definitions=self._plans(folder, calling, *_DEFINITIONS),
            doubt=_UNREAD if folder.unread else "" if calling.selector else _other_casing(folder, environment),
            unsettled=unsettled,
            unread=f"{unread[0]} is one of EPAC's files and is not read here" if unread else "",
        )  # fmt: skip
        setting = Setting(
            world_of(azure.objects, azure.bodies, given, environment), azure, job.ruleset, now, options.next_run,
            job.makes_assignments, folder.hidden,
            self._tracing(
                folder, options, (first, settings), (environment, given.plans_assignments, given.plans_definitions)
            ),
        )  # fmt: skip
        come = self._come(data, setting)
        deployment = deployment_of(come.files, come.plan, [path for path, _ in data] or [folder.path or "."])
        deployment.run = _run_of(folder)
        made.deployments.append(deployment)
        made.notes.append(note_of(folder.path or ".", come.plan, come.judged))
        if folder.own and not self._has_files(folder):
            made.notes.append(f"{folder.path}: {_EMPTY}")
        if folder.is_above and not folder.unread:
            made.notes.append(f"{folder.path}: {_UNREAD}")
        made.judged += [(one, azure) for some in (come.judged, come.more) for one in some]
        made.errors += come.problems

    def _has_files(self, folder: _Folder) -> bool:
        return any(files for _, _, files in self._repository.below(str(self._repository.root / folder.path)))

    def _come(self, data: Files, setting: Setting) -> Come:
        """Return what the files of a folder come to: by this process, or by several that take some each."""
        world = setting.world
        known = world.complete and world.environment is not None and not (world.doubt or world.unread)
        certain = known and setting.trace is None
        large = certain and sum(len(text) for _, text in data) >= _WORTH_SHARING
        parts = parts_of(data, self._workers) if large and self._workers > 1 else []
        if len(parts) > 1:
            from guardrails.cli.forks import shared  # noqa: PLC0415 - few folders are so large

            some = shared(lambda number: part_come(parts[number], setting, number), len(parts), len(parts))
            if whole := together(some):
                return whole
        return come_of(data, setting)

    def _tracing(
        self, folder: _Folder, options: Options, paths: tuple[str, str], world: object
    ) -> "Callable[[Item, EpacPlan], Trace | None] | None":
        """Return what says what an exemption comes of; None where nothing is compared.

        `paths`: of a file of exemptions, and of the settings, "" for none.
        """
        if not self._job.compared:
            return None
        from guardrails.check.trace import Run, digest, of_entry  # noqa: PLC0415 - see Job.compared

        inputs = self._job.inputs
        files = (*inputs.sources(options, paths[0]), *filter(None, paths[1:]))
        known = digest(inputs.world(options), world)

        def trace(item: "Item", plan: "EpacPlan") -> "Trace | None":
            run = Run(_run_of(folder), known, plan.outcome, files)
            return of_entry(item.entry.place.path, item.entry.fields, item.reason, run)

        return trace

    def _read(self, folder: _Folder, unread: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the files that EPAC reads with their bytes; put those that cannot be read here into `unread`."""
        for ending in ENDINGS:
            for path in folder.files:
                if path.lower().endswith(ending):
                    try:
                        data = self._repository.read(path)
                    except Unreadable as error:
                        self._made.errors.append(Problem(path, 0, 0, str(error)))
                        unread.append(path)
                        continue
                    if folder.own or kind_of(ending, data) is None:
                        yield path, data

    def _calling(self, options: Options, path: str) -> Calling:
        """Return how EPAC is called on a folder. What makes no sense in a configuration is noted and does not count."""
        try:
            return calling_of(options)
        except WrongCall as error:
            place = self._job.inputs.place_of(path)
            self._made.errors.append(Problem(place, 0, 0, f"{error.option}: {error}. {error.remedy}"))
            without: dict[str, Any] = {error.option: getattr(Options(), error.option)}
            return self._calling(replace(options, **without), path)

    def _environment(self, folder: _Folder, calling: Calling) -> tuple[Environment | None, str, str]:
        """Return the environment, None where it is not known, the path of the settings, and what is wrong with them."""
        found = self._settings(folder, calling)
        if found is None:
            self._made.notes.append(
                f"EPAC, {folder.path or '.'}: its global-settings.jsonc is not found, so most of its plan is unknown;"
                " say where it is with --epac-settings"
            )
            return None, "", ""
        path, data = found
        if folder.is_above and not calling.selector:
            return None, path, ""
        selector = calling.selector or folder.path.rpartition("/")[2]
        try:
            made = read_settings(data, path, selector)
        except BadSettings as error:
            self._made.errors.append(Problem(*error.place, str(error)))
            return None, path, f"{path}: {error}"
        if made.lacks:
            self._made.notes.append(
                f"EPAC, {folder.path or '.'}: EPAC stops, because {path} lacks {', '.join(made.lacks)};"
                " what is said here is what it would do with them"
            )
        return replace(made, skip_resources=True) if calling.skip_resources else made, path, ""

    def _settings(self, folder: _Folder, calling: Calling) -> tuple[str, bytes] | None:
        """Return the file of settings: the one that is named, else the nearest above the folder."""
        if calling.settings is not None:
            try:
                return self._job.inputs.file(calling.settings)
            except Unreadable as error:
                self._made.errors.append(Problem(str(calling.settings), 0, 0, str(error)))
                return None
        place = folder.path
        while True:
            for name in NAMES:
                path = f"{place}/{name}".lstrip("/")
                if self._repository.has(path):
                    try:
                        return path, self._repository.read(path)
                    except Unreadable as error:
                        self._made.errors.append(Problem(path, 0, 0, str(error)))
                        return None
            if not place:
                return None
            place = place.rpartition("/")[0]

    def _plans(self, folder: _Folder, calling: Calling, *names: str) -> bool:
        """Whether EPAC plans more in the same run: folders of these names have files, and no switch leaves them out."""
        if calling.switches.alone or not folder.own:
            return False
        above = self._repository.root / folder.path.rpartition("/")[0].rpartition("/")[0]
        below = (one for name in names for one in self._repository.below(str(above / name)))
        return any(name.endswith((".json", ".jsonc")) for _, _, files in below for name in files)


def _other_casing(folder: _Folder, environment: Environment | None) -> str:
    """Return why EPAC may not find a folder: it looks for the name as its settings spell it; "" where it does."""
    name = folder.path.rpartition("/")[2]
    if not folder.own or environment is None or name == environment.selector:
        return ""
    return (
        f"the folder is called {name}, and the environment {environment.selector}: EPAC finds it only where letter case"
        " does not count in names of files"
    )


def _run_of(folder: _Folder) -> str:
    return f"EPAC, {folder.path or '.'}"


def _is_in(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")
