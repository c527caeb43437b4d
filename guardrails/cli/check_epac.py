"""The folders of exemptions of EPAC in a run of `check`: found, read, planned, judged."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from guardrails.check.answer import Deployment, Judged, Problem
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.epac import deployment_of, judged_of, note_of
from guardrails.check.epac_findings import add_findings
from guardrails.check.epac_risks import risks_of
from guardrails.check.epac_world import world_of
from guardrails.check.judge import Candidate, judge_all
from guardrails.cli.check_batch import Job
from guardrails.dataclass import dataclass, field, replace
from guardrails.epac.instants import NoZone, Runner, ticks_of
from guardrails.epac.lifecycle import plan
from guardrails.epac.world import Environment, Switches, World
from guardrails.errors import Misconfigured
from guardrails.files.epac import ENDINGS, read_epac
from guardrails.files.epac_cells import JsonCells
from guardrails.files.epac_settings import NAMES, BadSettings, read_settings
from guardrails.files.walk import EPAC_FOLDER, Found, Repository, Unreadable, kind_of
from guardrails.nearest import nearest

_ASSIGNMENTS: Final = "policyAssignments"
_SWITCHES: Final[Mapping[str, str]] = {
    "failonexemptionerror": "fail",
    "skipnotscopedexemptions": "keep_not_scoped",
    "skipnotscoped": "keep_not_scoped",
    "buildexemptionsonly": "alone",
    "erroractionpreference": "stop",
    "erroraction": "stop",
}
_SKIP_RESOURCES: Final = ("skipresourcevalidationforexemptions", "skipresourcevalidation")


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

    `hidden`: files in it that EPAC does not read on Linux, for a name in their path begins with a dot.
    """

    path: str
    own: bool
    files: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Calling:
    """How EPAC is called. `skip_resources`: the setting of this name is on."""

    runner: Runner
    switches: Switches
    skip_resources: bool
    settings: Path | None
    selector: str


def calling_of(args: Any) -> Calling:
    """Return how EPAC is called. Raises Misconfigured for what makes no sense."""
    try:
        runner = Runner.of(args.time_zone, args.culture)
    except NoZone as error:
        remedy = "Give a name such as UTC or America/New_York."
        raise Misconfigured(f"--time-zone: {error}", code="bad-use", remedy=remedy) from None
    said: dict[str, bool] = {}
    skip = False
    for text in args.epac_switch:
        name, given, value = text.partition("=")
        key = name.lstrip("-").lower()
        on = not given or value.strip().lstrip("$").lower() in ("true", "1", "stop")
        if key in _SKIP_RESOURCES:
            skip = on
        elif key in _SWITCHES:
            said[_SWITCHES[key]] = on and (key[:5] != "error" or value.lower() == "stop")
        else:
            known = nearest(key, [*_SWITCHES, *_SKIP_RESOURCES])
            raise Misconfigured(
                f"--epac-switch: '{name[:60]}' is none that matters to exemptions", code="bad-use",
                remedy=f"Did you mean {next(iter(known), 'FailOnExemptionError')}?",
            )  # fmt: skip
    return Calling(runner, Switches(**said), skip, args.epac_settings, args.pac_selector)


def folders_given(paths: Sequence[Path], args: Any) -> tuple[str, ...]:
    """Return the folders whose files are EPAC's because an option says so."""
    said = args.pac_selector or args.epac_settings
    return tuple(str(path) for path in paths if path.is_dir()) if said and not _has_own(paths) else ()


def _has_own(paths: Sequence[Path]) -> bool:
    return any(next(_own_folders(path), None) for path in paths if path.is_dir())


def _own_folders(path: Path) -> Iterator[Path]:
    """Yield the folders of environments at, above or below a folder."""
    for above in (path, *path.parents):
        if above.parent.name == EPAC_FOLDER[1:]:
            yield above
            return
    for folder, names, _ in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "node_modules")
        if Path(folder).name == EPAC_FOLDER[1:]:
            yield from (Path(folder, name) for name in names)
            names.clear()


class EpacRun:
    """Plans all folders of EPAC at and below some paths."""

    def __init__(self, job: Job, paths: Sequence[Path]) -> None:
        self._job = job
        self._repository: Repository = job.repository
        self._paths = paths
        self._calling = calling_of(job.args)
        self._made = Planned()

    def plan(self, found: Sequence[Found]) -> Planned:
        """Return what becomes of the files that the walk found, with their folders."""
        for folder in self._folders(found):
            self._folder(folder)
        return self._made

    def _folders(self, found: Sequence[Found]) -> list[_Folder]:
        folders: dict[str, _Folder] = {}
        for path in self._paths:
            for found_folder in _own_folders(path if path.is_dir() else path.parent):
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
        some = [*self._job.args.azure, self._calling.settings]
        return frozenset(self._repository.relative(Path(os.path.abspath(one))) for one in some if one)  # noqa: PTH100

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
        for here, names, files in os.walk(base):
            names[:] = sorted(name for name in names if not name.startswith("."))
            for name in sorted(files, key=str.lower):
                if name.lower().endswith(ENDINGS) and not name.startswith("."):
                    yield self._repository.relative(Path(here, name))

    def _folder(self, folder: _Folder) -> None:
        made, job = self._made, self._job
        options = job.inputs.options(folder.files[0] if folder.files else f"{folder.path}/x.json")
        azure = job.inputs.azure(options)
        environment = self._environment(folder)
        now = options.now or job.present
        given = World(
            self._calling.runner, ticks_of(now), switches=self._calling.switches, complete=azure.complete,
            plans_assignments=self._plans_assignments(folder),
        )  # fmt: skip
        files = [read_epac(data, path, given.runner) for path, data in self._read(folder)]
        world = world_of(azure.objects, azure.bodies, given, environment)
        planned = plan(files, world, JsonCells(given.runner))
        paths = [one.path for one in files] or [folder.path or "."]
        made.deployments.append(deployment_of(files, planned, paths))
        made.notes.append(note_of(folder.path or ".", planned))
        if not folder.own and f"/{folder.path}".endswith(EPAC_FOLDER):
            made.notes.append(
                f"EPAC reads no file of {folder.path} itself, only of folders in it that are called as an environment"
            )
        candidates: list[Candidate] = []
        by_item: dict[int, Judged] = {}
        for item in planned.items:
            judged, exemption = judged_of(item, planned, environment)
            made.judged.append((judged, azure))
            by_item[id(item)] = judged
            if judged.deployed is not False:
                candidates.append(
                    Candidate(judged, exemption, judged.properties, judged.id, options.next_run, azure, now)
                )
        problems = judge_all(candidates, job.ruleset, makes_assignments=job.makes_assignments)
        made.errors += [Problem(*one.place, message) for one, message in problems]
        more = add_findings(risks_of(files, planned, folder.hidden), by_item, job.ruleset, now)
        made.judged += [(one, azure) for one in more]

    def _read(self, folder: _Folder) -> Iterator[tuple[str, bytes]]:
        for ending in ENDINGS:
            for path in folder.files:
                if path.lower().endswith(ending):
                    try:
                        data = self._repository.read(path)
                    except Unreadable as error:
                        self._made.errors.append(Problem(path, 0, 0, str(error)))
                        continue
                    if folder.own or kind_of(ending, data) is None:
                        yield path, data

    def _environment(self, folder: _Folder) -> Environment | None:
        found = self._settings(folder)
        if found is None:
            self._made.notes.append(
                f"EPAC, {folder.path or '.'}: its global-settings.jsonc is not found, so most of its plan is unknown;"
                " say where it is with --epac-settings"
            )
            return None
        path, data = found
        selector = self._calling.selector or folder.path.rpartition("/")[2]
        try:
            made = read_settings(data, path, selector)
        except BadSettings as error:
            self._made.errors.append(Problem(*error.place, str(error)))
            return None
        return replace(made, skip_resources=True) if self._calling.skip_resources else made

    def _settings(self, folder: _Folder) -> tuple[str, bytes] | None:
        """Return the file of settings: the one that is named, else the nearest above the folder."""
        if self._calling.settings is not None:
            try:
                return self._job.inputs.file(self._calling.settings)
            except Unreadable as error:
                self._made.errors.append(Problem(str(self._calling.settings), 0, 0, str(error)))
                return None
        place = folder.path
        while True:
            for name in NAMES:
                path = f"{place}/{name}".lstrip("/")
                if os.path.lexists(self._repository.root / path):
                    try:
                        return path, self._repository.read(path)
                    except Unreadable as error:
                        self._made.errors.append(Problem(path, 0, 0, str(error)))
                        return None
            if not place:
                return None
            place = place.rpartition("/")[0]

    def _plans_assignments(self, folder: _Folder) -> bool:
        """Whether EPAC plans assignments in the same run: its definitions have some, and no switch leaves them out."""
        if self._calling.switches.alone or not folder.own:
            return False
        beside = self._repository.root / folder.path.rpartition("/")[0] / ".." / _ASSIGNMENTS
        return any(name.endswith((".json", ".jsonc")) for _, _, names in os.walk(beside) for name in names)


def _is_in(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")
