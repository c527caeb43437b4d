"""Bicep files in memory, read and deployed."""

import posixpath
from collections.abc import Mapping
from typing import Any, Final

from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.plan import Plan
from guardrails.evaluation.template import Diagnostic, Level, ParameterFile, Template
from guardrails.evaluation.world import World
from guardrails.files.arm_template import read_template
from guardrails.files.bicep_library import Library
from guardrails.files.bicep_parameters import read_parameters
from guardrails.files.walk import Unreadable

GROUP: Final = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-one"
EXEMPTION: Final = "Microsoft.Authorization/policyExemptions@2022-07-01-preview"


class Memory:
    """A repository of texts."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.opened: list[str] = []

    def joined(self, base: str, reference: str) -> str:
        """Return the path that a reference means."""
        if reference.startswith("/"):
            raise Unreadable("the path is absolute; only files of the repository are read")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(base), reference))
        if path.startswith(".."):
            raise Unreadable("it is outside of the repository, so it is not read")
        return path

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        if path not in self.files:
            raise Unreadable("cannot be read: no such file or directory")
        self.opened.append(path)
        return self.files[path]

    def listed(self, path: str) -> list[str]:
        """Return the names of a folder's files."""
        names = [one.rpartition("/")[2] for one in self.files if posixpath.dirname(one) == path]
        if not names:
            raise Unreadable("cannot be read: no such file or directory")
        return names


def library(files: Mapping[str, str | bytes]) -> Library:
    """Return a library of some files."""
    return Library(Memory(files), lambda path, data: read_template(data.decode("utf-8-sig"), path))


def read(text: str | bytes, files: Mapping[str, str | bytes] | None = None, path: str = "main.bicep") -> Template:
    """Return the template of a Bicep text, with other files beside it."""
    data = text.encode() if isinstance(text, str) else text
    return library({**(files or {}), path: data}).read(path, data).template


def parameters(text: str, files: Mapping[str, str | bytes], path: str = "main.bicepparam") -> ParameterFile:
    """Return a parameter file."""
    return read_parameters(path, text.encode(), library({**files, path: text}))


def faults(template: Template | ParameterFile) -> list[str]:
    """Return the codes of the errors in a template, with their lines: `BCP057:3`."""
    return [f"{one.rule}:{one.place.line}" for one in errors(template)]


def errors(template: Template | ParameterFile) -> list[Diagnostic]:
    """Return the errors in a template, in the order of their places."""
    return sorted((one for one in template.diagnostics if one.level is Level.ERROR), key=lambda one: one.place)


def plan(text: str, files: Mapping[str, str | bytes] | None = None, scope: str = GROUP) -> Plan:
    """Return what a Bicep text deploys."""
    world = World(scope, "33333333-3333-3333-3333-333333333333", "westeurope", "main")
    return deploy(read(text, files), world)


def value(expression: str, files: Mapping[str, str | bytes] | None = None) -> Any:
    """Return what an expression is."""
    found = plan(f"var x = {expression}\noutput o array = [ x ]\n", files)
    assert found.outcome == "deploys", found.diagnostics
    return found.outputs["o"][0]
