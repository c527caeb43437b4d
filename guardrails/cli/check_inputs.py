"""What a run of `check` is given: options, configurations and objects of Azure, for each file. It reads files only."""

import argparse
import hashlib
import os
from pathlib import Path
from typing import Final

from guardrails.check.answer import Problem
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.config import NAME, Config, Options, folders_above, read_config
from guardrails.check.world import Targets, WrongScope
from guardrails.errors import Misconfigured
from guardrails.exemption.model import Names
from guardrails.files.walk import Repository, Unreadable

_CONFIG: Final = 256 * 1024
"""Bytes of a configuration that are read."""

type AzureKey = tuple[tuple[Path | str, ...], bool]
"""Which files of objects, and whether they are complete."""


class Inputs:
    """Options by path, and what they lead to.

    Args:
        args: what the command was given.
        names: the ruleset's names of metadata.
        present: where files of objects and settings are read that an option names and the repository does not have;
            None where it is the present one.

    Attributes:
        said: the options of the command line.
        errors: what could not be read.
        borrowed: the paths of the files that were read of `present`.

    Raises Misconfigured for options that make no sense.
    """

    def __init__(
        self, args: argparse.Namespace, repository: Repository, names: Names, present: Repository | None = None
    ) -> None:
        self.said = _options_of(args)
        self._alone = Options().overridden_by(self.said)
        self.errors: list[Problem] = []
        self.borrowed: dict[str, None] = {}
        self._repository = repository
        self._present = present
        self._names = names
        self._configs: dict[str, Config | None] = {}
        self._azure: dict[AzureKey, AzureObjects] = {}
        self._sources: dict[AzureKey, dict[str, str]] = {}
        try:
            Targets.of(self.said.deploy_to)
        except WrongScope as error:
            remedy = "Give ids such as /subscriptions/ID/resourceGroups/NAME."
            raise Misconfigured(f"--deploy-to: {error}", code="bad-use", remedy=remedy) from None

    def options(self, template: str, parameters: str = "") -> Options:
        """Return the options of a deployment: of its template, and of its parameter file where that has some."""
        config = self.config(template)
        if config is None and not parameters:
            return self._alone
        found = config.options_for(template) if config else Options()
        if parameters and (other := self.config(parameters)):
            own = other.by_pattern(parameters) if other is config else other.options_for(parameters)
            found = found.overridden_by(own)
        return found.overridden_by(self.said)

    def config(self, path: str) -> Config | None:
        """Return the nearest configuration above a file."""
        for folder in folders_above(path):
            if folder not in self._configs:
                self._configs[folder] = self._read_config(f"{folder}/{NAME}".lstrip("/"))
            if config := self._configs[folder]:
                return config
        return None

    def place_of(self, path: str) -> str:
        """Return the path of the configuration of a file, for messages; the file's own where it has none."""
        config = self.config(path)
        return f"{config.folder}/{NAME}".lstrip("/") if config else path

    def azure(self, options: Options) -> AzureObjects:
        """Return what the options' files say of Azure."""
        key = azure_key(options)
        if key not in self._azure and not options.azure:
            self._azure[key] = AzureObjects(complete=options.azure_complete)
        if key not in self._azure:
            from guardrails.check.azure_objects import azure_objects  # noqa: PLC0415 - where files are given
            from guardrails.files.arm_json import read_bytes  # noqa: PLC0415

            readings, sources = [], {}
            for file in options.azure:
                try:
                    path, data = self.file(file)
                except Unreadable as error:
                    self.errors.append(Problem(str(file), 0, 0, str(error)))
                    continue
                readings.append((path, read_bytes(data, path)))
                sources[path] = hashlib.sha256(data).hexdigest()
            self._sources[key] = sources
            made, problems = azure_objects(readings, self._names, complete=options.azure_complete)
            self.errors += [Problem(path, 0, 0, str(problem)) for path, problem in problems]
            self._azure[key] = made
        return self._azure[key]

    @property
    def known(self) -> frozenset[str]:
        """The paths of the files of objects that were read."""
        return frozenset(path for some in self._sources.values() for path in some)

    def sources(self, options: Options, path: str) -> tuple[str, ...]:
        """Return the paths of the files that say where a file is deployed to, and what is there."""
        place = self.place_of(path)
        return (*([place] if place != path else ()), *self._sources.get(azure_key(options), ()))

    def world(self, options: Options) -> str:
        """Return a hash of where and when all is deployed, and of what is there."""
        from guardrails.check.trace import digest  # noqa: PLC0415 - only where answers are compared

        return digest(options, *self._sources.get(azure_key(options), {}).values())

    def replace_azure(self, options: Options, made: AzureObjects) -> None:
        """Take what Azure answered in place of what files say."""
        self._azure[azure_key(options)] = made

    def file(self, file: Path | str, *, borrow: bool = True) -> tuple[str, bytes]:
        """Return a file that an option names: by a Path, whoever runs the check did; by a text, the code.

        `borrow`: it may be read of the present where the repository does not have it.

        Raises Unreadable: the code names only files of the repository.
        """
        if isinstance(file, str):
            path = self._repository.joined("", file)
        else:
            full = Path(os.path.abspath(file))  # noqa: PTH100 - links stay links
            path = self._repository.relative(full)
            if self._present is None or path == str(full):
                return path, Repository(full.parent).read(full.name)
        if self._present is not None and borrow and not self._repository.has(path):
            self.borrowed[path] = None
            return path, self._present.read(path)
        return path, self._repository.read(path)

    def _read_config(self, path: str) -> Config | None:
        if not self._repository.has(path):
            return None
        try:
            text = self._repository.read(path, most=_CONFIG).decode("utf-8-sig")
        except (Unreadable, UnicodeDecodeError) as error:
            said = str(error) if isinstance(error, Unreadable) else "it is not UTF-8"
            self.errors.append(Problem(path, 0, 0, said))
            return None
        config, problems = read_config(text, path)
        self.errors += [_located(text, path) for text in problems]
        return config


def azure_key(options: Options) -> AzureKey:
    """Return what the objects of Azure are kept by."""
    return options.azure, options.azure_complete


def _options_of(args: argparse.Namespace) -> Options:
    return Options(
        tuple(args.deploy_to), args.tenant, args.location, args.deployment_name, tuple(args.parameters),
        tuple(args.azure), args.azure_complete, args.online, args.now, args.next_run, args.epac_settings,
        args.pac_selector, tuple(args.epac_switch), args.time_zone, args.culture,
    )  # fmt: skip


def _located(text: str, path: str) -> Problem:
    """Return a mistake in a configuration, `path:line:column: what`."""
    parts = text.removeprefix(f"{path}:").split(":", 2)
    if len(parts) == 3 and parts[0].isdecimal() and parts[1].isdecimal():
        return Problem(path, int(parts[0]), int(parts[1]), parts[2].strip())
    return Problem(path, 0, 0, text)
